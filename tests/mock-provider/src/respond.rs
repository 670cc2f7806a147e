//! From a request to its answer: which endpoint, which steering, which dialect.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::answer::{Answer, Ask};
use crate::body::{Break, CutError, MockBody, Pace, Plan};
use crate::dialect::{Dialect, Unauthorized};
use crate::endpoint::Endpoint;
use crate::gemini::Framing;
use crate::ledger::{Ledger, OpenEntry};
use crate::recorder::{Recorded, Recorder, headers_json};
use crate::script::{Script, Subject};
use crate::steering::{HEADER, Steering};
use crate::wire::FlushMark;
use crate::{
    anthropic, cohere, control, converse, embeddings, gemini, gzip, hosted, media, openai, rerank, responses,
    websocket,
};

/// What all connections share.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) recorder: Recorder,
    pub(crate) script: Script,
    pub(crate) no_auth: bool,
}

impl State {
    pub(crate) fn reset(&self) {
        self.ledger.reset();
        self.recorder.reset();
        self.script.replace(Vec::new());
    }
}

/// The connection a request came on.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) state: Arc<State>,
    pub(crate) port: u16,
    pub(crate) mark: Arc<FlushMark>,
}

/// An answer before steering touched its headers and its pace.
struct Reply {
    status: u16,
    content_type: &'static str,
    plan: Plan,
    stream: bool,
    /// The name of an error, where a header has one.
    error_kind: &'static str,
}

impl Reply {
    fn json(dialect: Dialect, plan: Plan) -> Self {
        Self { status: 200, content_type: dialect.json_type(), plan, stream: false, error_kind: "" }
    }

    fn value(dialect: Dialect, value: &Value) -> Self {
        Self::json(dialect, Plan::whole(value.to_string().into_bytes(), 0))
    }

    fn stream(dialect: Dialect, plan: Plan) -> Self {
        Self { status: 200, content_type: dialect.stream_type(), plan, stream: true, error_kind: "" }
    }

    fn error(dialect: Dialect, status: u16, message: &str, id: u64) -> Self {
        let plan = Plan::whole(dialect.error_body(status, message, id), 0);
        Self { status, error_kind: dialect.error_kind(status), ..Self::json(dialect, plan) }
    }
}

/// Answers one request. An error closes the connection.
pub(crate) async fn respond(
    connection: Connection,
    mut request: Request<Incoming>,
) -> Result<Response<MockBody>, CutError> {
    let socket = websocket::is_asked(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    // A body that breaks off is a client that left; there is nobody to answer.
    let body = body.collect().await.map_err(|_| CutError)?.to_bytes();
    if control::owns(parts.uri.path()) {
        let query = parts.uri.query().unwrap_or_default();
        let (status, answer) =
            control::answer(&connection.state, &parts.method, parts.uri.path(), query, &body).await;
        let body = MockBody::plain(answer.to_string().into_bytes(), connection.mark);
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        return Ok(response);
    }
    serve(connection, parts, body, socket).await
}

/// `socket`: the connection itself, where it is to become a websocket.
async fn serve(
    connection: Connection,
    parts: Parts,
    body: Bytes,
    socket: Option<OnUpgrade>,
) -> Result<Response<MockBody>, CutError> {
    let Connection { state, port, mark } = connection;
    let path = parts.uri.path();
    let endpoint = if socket.is_some() { Endpoint::Websocket } else { Endpoint::of(&parts.method, path) };
    let dialect = endpoint.dialect(&parts.headers);
    let id = state.ledger.next_id();
    let request = Arc::new(Recorded {
        id,
        port,
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        headers: parts.headers,
        body,
    });
    // Kept before the entry is opened: who waits for the request to begin wants to see it.
    state.recorder.push(Arc::clone(&request));
    let headers = &request.headers;
    let mut entry = state.ledger.open(id, path, dialect.name(), port);

    let mut json: Option<Value> = match endpoint {
        Endpoint::Echo | Endpoint::Models => None,
        _ => serde_json::from_slice(&request.body).ok(),
    };
    if dialect == Dialect::Gemini {
        json.iter_mut().for_each(gemini::camel);
    }
    let in_path = endpoint.model_in(path);
    let in_body = || json.as_ref().and_then(|json| json.get("model")?.as_str());
    let model = in_path.as_deref().or_else(in_body).unwrap_or_default();
    let key = dialect.key(headers);
    entry.update(|entry| {
        entry.model = model.to_owned();
        entry.stream = endpoint.streams().unwrap_or_else(|| json.as_ref().is_some_and(is_stream));
        entry.authorization_sha256 = key.map(|key| hex(&Sha256::digest(key)));
        entry.signed_headers = converse::signed_headers(headers).map(str::to_owned);
    });

    if let Some(refusal) = unauthorized(&state, endpoint, dialect, headers, id) {
        return Ok(finish(refusal, &Steering::default(), dialect, mark, entry));
    }
    let subject = Subject { path, model, key: key.unwrap_or_default(), port, headers };
    let mut steering = state.script.steer(subject);
    if let Err(message) = add_headers(&mut steering, headers) {
        let reply = Reply::error(dialect, 400, &message, id);
        return Ok(finish(reply, &Steering::default(), dialect, mark, entry));
    }
    hold(&steering).await?;
    let reply = match refusal(&steering, dialect, id) {
        Some(refusal) => refusal,
        None if let Some(socket) = socket => {
            let body = MockBody::plain(Vec::new(), mark);
            return Ok(websocket::accept(&request, socket, entry, body));
        }
        None => fulfil(endpoint, &request, model, json.as_ref(), &steering, &mut entry),
    };
    Ok(finish(reply, &steering, dialect, mark, entry))
}

/// Adds the wishes of the request's own headers.
fn add_headers(steering: &mut Steering, headers: &HeaderMap) -> Result<(), String> {
    for header in headers.get_all(HEADER) {
        let wishes = header.to_str().map_err(|error| error.to_string())?;
        steering.add_header(wishes).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Credentials are looked at first, as a real provider does.
fn unauthorized(
    state: &State,
    endpoint: Endpoint,
    dialect: Dialect,
    headers: &HeaderMap,
    id: u64,
) -> Option<Reply> {
    if state.no_auth || endpoint == Endpoint::Echo {
        return None;
    }
    let Unauthorized { status, message, kind } = dialect.unauthorized(headers)?;
    let reply = Reply::error(dialect, status, message, id);
    Some(if kind.is_empty() { reply } else { Reply { error_kind: kind, ..reply } })
}

/// What happens before a status line can be sent.
async fn hold(steering: &Steering) -> Result<(), CutError> {
    if let Some(latency) = steering.latency {
        tokio::time::sleep(latency).await;
    }
    if steering.stall {
        std::future::pending::<()>().await;
    }
    if steering.cut { Err(CutError) } else { Ok(()) }
}

/// The error that was wished for.
fn refusal(steering: &Steering, dialect: Dialect, id: u64) -> Option<Reply> {
    let status = steering.status.filter(|status| *status >= 400);
    if steering.html_error {
        let status = status.unwrap_or(502);
        let page =
            format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
        let plan = Plan::whole(page.into_bytes(), 0);
        return Some(Reply { status, content_type: "text/html", plan, stream: false, error_kind: "" });
    }
    let status = status?;
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let message = format!("mock: {}", reason.unwrap_or("as the test wished"));
    Some(Reply::error(dialect, status, &message, id))
}

/// The good answer, or what the provider would find wrong with the request.
fn fulfil(
    endpoint: Endpoint,
    request: &Recorded,
    model: &str,
    json: Option<&Value>,
    steering: &Steering,
    entry: &mut OpenEntry,
) -> Reply {
    let id = entry.id();
    let body_json = json.unwrap_or(&Value::Null);
    let dialect = endpoint.dialect(&request.headers);
    let result = match endpoint {
        Endpoint::Chat => openai::check_chat(body_json).map(|()| chat(body_json, steering, entry)),
        Endpoint::Responses => {
            responses::check_create(body_json).map(|()| respond_with_items(body_json, steering, entry))
        }
        Endpoint::Converse | Endpoint::StreamConverse => {
            let is_stream = endpoint == Endpoint::StreamConverse;
            converse::check_converse(body_json, model)
                .map(|()| converse_with(body_json, model, is_stream, steering, entry))
        }
        Endpoint::CohereChat => match cohere::check_chat(body_json) {
            Ok(()) => Ok(cohere_chat(body_json, steering, entry)),
            Err(fault) => return Reply::error(dialect, fault.status, &fault.message, id),
        },
        Endpoint::Messages => {
            anthropic::check_messages(body_json, false).map(|()| messages(body_json, steering, entry))
        }
        Endpoint::InvokeMessages
        | Endpoint::StreamInvokeMessages
        | Endpoint::RawPredict
        | Endpoint::StreamRawPredict => {
            let is_stream = endpoint.streams() == Some(true);
            hosted::plain(body_json, model, dialect, is_stream)
                .map(|body| hosted_messages(&body, dialect, is_stream, steering, entry))
        }
        Endpoint::CountTokens => anthropic::check_messages(body_json, true).map(|()| {
            Reply::value(dialect, &json!({"input_tokens": anthropic::read(body_json).prompt_tokens}))
        }),
        Endpoint::Generate | Endpoint::StreamGenerate => gemini::check_generate(body_json, model).map(|()| {
            let framing = (endpoint == Endpoint::StreamGenerate).then(|| framing(&request.path));
            generate(body_json, model, framing, steering, entry)
        }),
        Endpoint::CountGenerate => gemini::check_count(body_json, model).map(|()| {
            let count = gemini::read(gemini::counted(body_json), model).prompt_tokens;
            Reply::value(dialect, &json!({"totalTokens": count}))
        }),
        Endpoint::Embeddings | Endpoint::BatchEmbed | Endpoint::CohereEmbed | Endpoint::Invoke => {
            let show_usage = !steering.no_usage;
            let embedded = match endpoint {
                Endpoint::BatchEmbed => embeddings::embed_by_gemini(body_json, model),
                Endpoint::CohereEmbed => embeddings::embed_by_cohere(body_json, id, show_usage),
                Endpoint::Invoke => embeddings::invoke(body_json, model),
                _ => embeddings::embed(body_json, show_usage),
            };
            embedded.map(|embedded| {
                entry.update(|entry| entry.input_tokens = embedded.tokens);
                Reply::json(dialect, embedded.plan)
            })
        }
        Endpoint::Completions => {
            openai::check_completion(body_json).map(|()| completion(body_json, steering, entry))
        }
        Endpoint::Rerank | Endpoint::CohereRerank => {
            let ranked = match endpoint {
                Endpoint::Rerank => rerank::rank_by_jina(body_json, !steering.no_usage),
                _ => rerank::rank_by_cohere(body_json, id),
            };
            ranked.map(|ranked| {
                entry.update(|entry| entry.input_tokens = ranked.tokens);
                Reply::json(dialect, ranked.plan)
            })
        }
        Endpoint::Images => {
            let (picture, tokens) = media::picture(body_json, now());
            entry.update(|entry| entry.input_tokens = tokens);
            Ok(Reply::value(dialect, &picture))
        }
        Endpoint::Speech => {
            let plan = Plan::whole(media::SPEECH.to_vec(), 0);
            Ok(Reply { content_type: "audio/mpeg", ..Reply::json(dialect, plan) })
        }
        Endpoint::Transcription => {
            let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let text = media::transcription(kind.unwrap_or_default(), &request.body);
            text.map(|text| Reply::value(dialect, &text))
                .ok_or_else(|| "Could not parse multipart form".to_owned())
        }
        Endpoint::Moderation => Ok(Reply::value(dialect, &media::moderation(body_json, id))),
        Endpoint::Files => Ok(Reply::value(dialect, &media::file(request.body.len(), now(), id))),
        Endpoint::Batches => Ok(Reply::value(dialect, &media::batch(body_json, now(), id))),
        Endpoint::Models => Ok(Reply::value(dialect, &models(dialect))),
        Endpoint::Echo | Endpoint::Websocket => {
            let echo = json!({
                "method": request.method,
                "path": request.path,
                "headers": headers_json(&request.headers),
                "body_length": request.body.len(),
            });
            Ok(Reply::value(dialect, &echo))
        }
    };
    result.unwrap_or_else(|message| Reply::error(dialect, 400, &message, id))
}

fn chat(body: &Value, steering: &Steering, entry: &mut OpenEntry) -> Reply {
    let ask = openai::read(body);
    let answer = Answer::to(&ask, steering);
    note_input(entry, &answer);
    let head = openai::Head { id: entry.id(), model: ask.model, created: now() };
    if is_stream(body) {
        Reply::stream(Dialect::OpenAi, openai::write_stream(&answer, head, openai::wants_usage(body)))
    } else {
        Reply::json(Dialect::OpenAi, openai::write_whole(&answer, head))
    }
}

fn completion(body: &Value, steering: &Steering, entry: &mut OpenEntry) -> Reply {
    let ask = openai::read_completion(body);
    let answer = Answer::to(&ask, steering);
    note_input(entry, &answer);
    let head = openai::Head { id: entry.id(), model: ask.model, created: now() };
    if is_stream(body) {
        let include_usage = openai::wants_usage(body);
        Reply::stream(Dialect::OpenAi, openai::stream_completion(&answer, head, include_usage))
    } else {
        Reply::json(Dialect::OpenAi, openai::write_completion(&answer, head))
    }
}

fn respond_with_items(body: &Value, steering: &Steering, entry: &mut OpenEntry) -> Reply {
    let answer = Answer::to(&responses::read(body), steering);
    note_input(entry, &answer);
    let head = responses::Head { id: entry.id(), created: now(), request: body };
    if is_stream(body) {
        Reply::stream(Dialect::Responses, responses::write_stream(&answer, head))
    } else {
        Reply::json(Dialect::Responses, responses::write_whole(&answer, head))
    }
}

fn converse_with(
    body: &Value,
    model: &str,
    is_stream: bool,
    steering: &Steering,
    entry: &mut OpenEntry,
) -> Reply {
    let answer = Answer::to(&converse::read(body, model), steering);
    note_input(entry, &answer);
    if is_stream {
        Reply::stream(Dialect::Converse, converse::write_stream(&answer, entry.id()))
    } else {
        Reply::json(Dialect::Converse, converse::write_whole(&answer, entry.id()))
    }
}

fn cohere_chat(body: &Value, steering: &Steering, entry: &mut OpenEntry) -> Reply {
    let ask = cohere::read(body);
    let answer = Answer::to(&ask, steering);
    note_input(entry, &answer);
    if is_stream(body) {
        Reply::stream(Dialect::Cohere, cohere::write_stream(&answer, entry.id(), ask.model))
    } else {
        Reply::json(Dialect::Cohere, cohere::write_whole(&answer, entry.id(), ask.model))
    }
}

fn messages(body: &Value, steering: &Steering, entry: &mut OpenEntry) -> Reply {
    let ask = anthropic::read(body);
    let answer = Answer::to(&ask, steering);
    note_input(entry, &answer);
    if is_stream(body) {
        Reply::stream(Dialect::Anthropic, anthropic::write_stream(&answer, entry.id(), ask.model))
    } else {
        Reply::json(Dialect::Anthropic, anthropic::write_whole(&answer, entry.id(), ask.model))
    }
}

fn hosted_messages(
    body: &Value,
    dialect: Dialect,
    is_stream: bool,
    steering: &Steering,
    entry: &mut OpenEntry,
) -> Reply {
    let ask = Ask { dialect: dialect.name(), ..anthropic::read(body) };
    let answer = Answer::to(&ask, steering);
    note_input(entry, &answer);
    if !is_stream {
        return Reply::json(dialect, anthropic::write_whole(&answer, entry.id(), ask.model));
    }
    let events = anthropic::write_stream(&answer, entry.id(), ask.model);
    Reply::stream(dialect, if dialect == Dialect::Invoke { hosted::wrap(&events) } else { events })
}

fn generate(
    body: &Value,
    model: &str,
    framing: Option<Framing>,
    steering: &Steering,
    entry: &mut OpenEntry,
) -> Reply {
    let answer = Answer::to(&gemini::read(body, model), steering);
    note_input(entry, &answer);
    let head = gemini::Head { id: entry.id(), model };
    match framing {
        None => Reply::json(Dialect::Gemini, gemini::write_whole(&answer, head)),
        Some(framing) => {
            let reply = Reply::stream(Dialect::Gemini, gemini::write_stream(&answer, head, framing));
            match framing {
                Framing::Events => reply,
                Framing::Array => Reply { content_type: Dialect::Gemini.json_type(), ..reply },
            }
        }
    }
}

/// How a path with its query wants its stream.
fn framing(path: &str) -> Framing {
    let query = path.split_once('?').map_or("", |(_, query)| query);
    if query.split('&').any(|pair| pair == "alt=sse") { Framing::Events } else { Framing::Array }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn is_stream(body: &Value) -> bool {
    body.get("stream") == Some(&Value::Bool(true))
}

fn note_input(entry: &mut OpenEntry, answer: &Answer) {
    entry.update(|entry| {
        entry.input_tokens = answer.usage.prompt;
        entry.cached_tokens = answer.usage.cached;
    });
}

fn models(dialect: Dialect) -> Value {
    if dialect == Dialect::Gemini {
        return gemini::models();
    }
    if dialect == Dialect::Anthropic {
        let names = ["claude-opus-4-5", "claude-sonnet-4-6", "claude-haiku-4-5"];
        let model = |name: &&str| json!({"type": "model", "id": name, "display_name": name, "created_at": "2025-01-01T00:00:00Z"});
        let data: Vec<_> = names.iter().map(model).collect();
        return json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()});
    }
    let names = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"];
    let model =
        |name: &&str| json!({"id": name, "object": "model", "created": 1_715_367_049, "owned_by": "mock"});
    json!({"object": "list", "data": names.iter().map(model).collect::<Vec<_>>()})
}

/// Puts headers and pace on a reply.
fn finish(
    reply: Reply,
    steering: &Steering,
    dialect: Dialect,
    mark: Arc<FlushMark>,
    mut entry: OpenEntry,
) -> Response<MockBody> {
    let Reply { status, content_type, mut plan, stream, error_kind } = reply;
    // A wished status below 400 replaces that of a good answer.
    let status = match steering.status {
        Some(wished) if status < 400 => wished,
        _ => status,
    };
    let id = entry.id();
    entry.update(|entry| entry.status = status);
    if let Some(count) = steering.error_after.filter(|_| stream) {
        plan.truncate(count);
        plan.bytes.extend_from_slice(&dialect.error_event(count));
        plan.end_event(0);
    }
    if steering.gzip {
        plan = gzip::wrap(&plan);
    }
    if let Some(size) = steering.chunk_bytes.filter(|_| !stream) {
        plan.split_evenly(size);
    }
    let stall = steering.stall_after.map(|count| (count, Break::Stall));
    let pace = Pace {
        chunk_bytes: steering.chunk_bytes,
        delay: steering.chunk_delay.filter(|delay| *delay > Duration::ZERO),
        broken_after: stall.or(steering.cut_after.map(|count| (count, Break::Cut))),
    };
    let mut response = Response::new(MockBody::new(plan, !stream, pace, mark, entry));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::from_str(&format!("req_mock_{id}")) {
        headers.insert(dialect.id_header(), value);
    }
    if !error_kind.is_empty() {
        headers.insert("x-amzn-errortype", HeaderValue::from_static(error_kind));
    }
    if steering.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if stream {
        headers.insert("cache-control", HeaderValue::from_static("no-cache"));
    }
    if let Some(value) = steering.retry_after.as_deref().and_then(|after| HeaderValue::from_str(after).ok()) {
        headers.insert(RETRY_AFTER, value);
    }
    for (name, value) in &steering.headers {
        headers.append(name.clone(), value.clone());
    }
    response
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
