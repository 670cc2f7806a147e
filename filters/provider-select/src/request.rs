//! The request half: from headers and body to `x-weirgate-*`.

use crate::classify::{Class, Sdk, classify, usual_path};
use crate::credentials;
use weirgate_contract::filter_config::{HeaderRule, ProviderSelect};
use weirgate_contract::handover::RequestHead;
use weirgate_contract::{filter_state, request_header as header};
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::{Dialect, Operation, endpoint, form, head, rerank, translate};
use weirgate_filter_host::{Flow, Host, edit_request, is_media, may_be_json, refuse, sign_probe};
use weirgate_keys::Form;

/// What one token takes in the bodies of calls that are not counted. Few texts have more tokens.
const BYTES_A_TOKEN: usize = 3;

/// The same of the files in a form. OpenAI takes a tenth of a second of sound for a token
/// (https://platform.openai.com/docs/guides/realtime-costs), and few sounds have fewer than 10 kbit a second.
const FILE_BYTES_A_TOKEN: usize = 100;

/// The longest name of a provider or a model that a header may choose.
const NAME_BYTES: usize = 256;

/// What is known of one request so far.
#[derive(Debug)]
pub(crate) struct Request {
    head: RequestHead,
    /// The model that a header chose in place of the body's.
    chosen_model: Option<String>,
    /// The end user that a header names.
    end_user: Option<String>,
    /// The path below the version, with its query.
    endpoint: String,
    max_body: usize,
    /// The client calls the body a file or a picture, and nothing of it is here yet.
    media: bool,
    /// The boundary of a form in which the model stands.
    form: Option<String>,
    done: bool,
}

impl Request {
    /// Takes the headers.
    pub(crate) fn begin(host: &dyn Host, config: &ProviderSelect, end: bool) -> (Self, Flow) {
        let headers = host.request_headers();
        let get =
            |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
        let sdk = if get("anthropic-version").is_some() {
            Sdk::Anthropic
        } else if get("x-goog-api-key").or(get("x-goog-api-client")).is_some() {
            Sdk::Gemini
        } else {
            Sdk::Other
        };
        let sent_path = get(":path").unwrap_or_default();
        let upgrade = upgrade(&headers);
        let class = classify(get(":method").unwrap_or_default(), sent_path, sdk);
        let Class { dialect, operation, endpoint, path, model, stream, key: query_key } = class;
        let asked = endpoint::model_in_query(&endpoint);
        let (operation, model, stream) = match upgrade {
            Upgrade::Websocket => (Operation::Realtime, model.or_else(|| asked.clone().ok().flatten()), true),
            Upgrade::None | Upgrade::Other => (operation, model, stream),
        };
        let keep_credentials = config.keep_credentials;
        let protocols = get(credentials::PROTOCOLS).filter(|_| upgrade == Upgrade::Websocket);
        let protocols = protocols.and_then(credentials::in_protocols);
        let key = credentials::key(&headers).or(query_key.as_deref());
        let key = key.or(protocols.as_ref().map(|protocols| protocols.key));
        let forged = match (key, &config.key_checksum) {
            (Some(key), Some(secret)) => weirgate_keys::verify(key, secret.as_bytes()) == Form::Forged,
            _ => false,
        };
        let key_digest = key.filter(|_| !keep_credentials).map(credentials::digest);
        let choice = choose(&headers, &config.rules);
        let end_user = get(header::END_USER).map(str::to_owned);
        let unsupported = get(header::UNSUPPORTED_FIELDS).unwrap_or_default().to_owned();
        let tags = get(header::TAGS).filter(|tags| tags.len() <= NAME_BYTES).map(str::to_owned);
        for (name, _) in &headers {
            let ours = name.starts_with(header::PREFIX);
            // The probe's secret is checked, and answered, by decide alone.
            let probe = operation == Operation::Probe && name == header::PROBE;
            let credential = !keep_credentials && header::CREDENTIALS.contains(&name.as_str());
            if (ours && !probe) || credential {
                host.set_request_header(name, None);
            }
        }
        if let Some(protocols) = protocols.as_ref().filter(|_| !keep_credentials) {
            host.set_request_header(credentials::PROTOCOLS, protocols.others.as_deref());
        }
        // A compressed answer can be neither counted nor translated.
        host.set_request_header("accept-encoding", None);
        host.set_filter_state(filter_state::ENDPOINT, endpoint.as_bytes());
        // Providers whose API is below /v1 then need no filter of their own for the path.
        let keeps_path = keep_credentials && query_key.is_some();
        if path != sent_path && !keeps_path {
            host.set_request_header(":path", Some(&path));
        }
        let id = uuid::Uuid::now_v7().simple().to_string();
        host.set_request_header(header::ID, Some(&id));
        host.set_request_header(header::DIALECT, Some(dialect.as_str()));
        host.set_request_header(header::OPERATION, Some(operation.as_str()));
        if let Some(digest) = &key_digest {
            host.set_request_header(header::KEY_DIGEST, Some(digest));
        }
        if let Some(provider) = &choice.provider {
            host.set_request_header(header::PROVIDER, Some(provider));
        }
        if let Some(tags) = &tags {
            host.set_request_header(header::TAGS, Some(tags));
        }
        let knows_unsupported = matches!(unsupported.as_str(), "" | "drop" | "reject");
        if !unsupported.is_empty() && knows_unsupported {
            host.set_request_header(header::UNSUPPORTED_FIELDS, Some(&unsupported));
        }
        if let Some(source) = source(host) {
            host.set_request_header(header::SOURCE, Some(&source));
        }
        if operation == Operation::Probe {
            sign_probe(host, "provider-select");
        }
        let mut request = Self {
            head: RequestHead {
                id,
                dialect,
                operation,
                model: model.unwrap_or_default(),
                stream,
                key_digest: key_digest.unwrap_or_default(),
                refused: String::new(),
                unsupported_fields: unsupported,
            },
            chosen_model: choice.model,
            end_user,
            endpoint,
            max_body: config.max_body.unwrap_or(usize::MAX),
            media: false,
            form: None,
            done: false,
        };
        let compressed =
            get("content-encoding").is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity"));
        let media = is_media(get("content-type").unwrap_or_default());
        let length = get("content-length").and_then(|length| length.parse::<usize>().ok());
        let too_large = length.is_some_and(|length| length > request.max_body);
        let flow = match operation {
            // Whoever makes keys up is not worth a body, nor a call of decide.
            _ if forged => request.refuse(host, &forged_key()),
            _ if !knows_unsupported => request.refuse(host, &bad_unsupported()),
            _ if too_large => request.refuse(host, &request.too_large()),
            _ if upgrade == Upgrade::Other => request.refuse(host, &no_upgrade()),
            Operation::Realtime if asked.is_err() => request.refuse(host, &two_models()),
            Operation::Realtime => {
                // What is sent after it is no body that anybody could wait for.
                request.choose_model(host);
                request.finish(host);
                Flow::Continue
            }
            Operation::Models | Operation::Probe => {
                request.finish(host);
                Flow::Continue
            }
            _ if operation.is_head_only() && end => {
                request.finish(host);
                Flow::Continue
            }
            // Nobody here could say what it is.
            _ if compressed && !end => request.refuse(host, &compressed_request()),
            _ if operation.is_head_only() && media => {
                request.media = true;
                if form::names_model(&request.endpoint) && request.head.model.is_empty() {
                    request.form = form_boundary(&headers, sent_path);
                }
                Flow::Hold
            }
            _ if end => request.refuse(host, &empty()),
            _ => Flow::Hold,
        };
        (request, flow)
    }

    /// Tells record of a request that ended before its body was here.
    pub(crate) fn end(&self, host: &dyn Host) {
        if !self.done {
            self.tell_record(host);
        }
    }

    /// The client's dialect.
    pub(crate) fn dialect(&self) -> Dialect {
        self.head.dialect
    }

    /// Takes the body as far as it is here.
    pub(crate) fn body(&mut self, host: &dyn Host, end: bool) -> Flow {
        if self.done {
            return Flow::Continue;
        }
        if host.request_body_size() > self.max_body {
            return self.refuse(host, &self.too_large());
        }
        if !end && (!self.media || self.form.is_some()) {
            return Flow::Hold;
        }
        if self.media {
            match may_be_json(host, end) {
                None => return Flow::Hold,
                Some(true) => {
                    self.media = false;
                    if !end {
                        return Flow::Hold;
                    }
                }
                Some(false) => {
                    if let Some(boundary) = self.form.take() {
                        self.read_form(host, &boundary);
                    }
                    self.finish(host);
                    return Flow::Continue;
                }
            }
        }
        let body = host.request_body();
        match head::read(self.head.operation, &body) {
            Ok(read) => self.read(host, body, &read),
            // A call that nobody here knows may send what it likes.
            Err(error)
                if self.head.operation.is_head_only()
                    && error.code == "invalid_json"
                    && may_be_json(host, true) != Some(true) =>
            {
                self.finish(host);
            }
            Err(error) => return self.refuse(host, &error),
        }
        if self.head.model.is_empty() && !self.head.operation.is_head_only() {
            return self.refuse(host, &no_model());
        }
        Flow::Continue
    }

    fn read(&mut self, host: &dyn Host, body: Vec<u8>, read: &head::Head) {
        // Where the path names the model, the provider obeys the path, which says too whether to stream.
        let in_path = !self.head.model.is_empty();
        self.head.stream |= read.stream && !in_path;
        if let Some(model) = read.model.as_ref().filter(|_| !in_path) {
            self.head.model.clone_from(model);
        }
        let operation = self.head.operation;
        if operation.is_head_only() && operation != Operation::CountTokens {
            // token-counter counts chats; for what to reserve for another call, its size has to do.
            let tokens = body.len().div_ceil(BYTES_A_TOKEN);
            host.set_request_header(header::INPUT_TOKENS, Some(&tokens.to_string()));
        }
        if operation.dialect().is_some() && translate::may_hold_marked(self.head.dialect, &body) {
            host.set_request_header(header::FOREIGN, Some("1"));
        }
        let choices = match operation {
            Operation::Rerank => rerank::searches(&body),
            _ => read.choices,
        };
        if in_path {
            self.choose_model(host);
        } else if let Some(chosen) = self.chosen_model.take().filter(|chosen| *chosen != self.head.model) {
            edit_request(host, &body, [read.set_model(&chosen)]);
            self.head.model = chosen;
        }
        if let Some(tokens) = read.max_tokens {
            host.set_request_header(header::MAX_TOKENS, Some(&tokens.to_string()));
        }
        if choices > 1 {
            host.set_request_header(header::CHOICES, Some(&choices.to_string()));
        }
        self.end_user = self.end_user.take().or_else(|| read.end_user.clone());
        // Others are for the provider to refuse: no price has such a name.
        if let Some(tier) = read.tier.as_deref().filter(|tier| is_tier(tier)) {
            host.set_request_header(header::TIER, Some(tier));
        }
        self.finish(host);
    }

    fn read_form(&mut self, host: &dyn Host, boundary: &str) {
        let body = host.request_body();
        let Some(form) = form::read(boundary, &body) else { return };
        let texts = body.len().saturating_sub(form.file_bytes).div_ceil(BYTES_A_TOKEN);
        let tokens = texts + form.file_bytes.div_ceil(FILE_BYTES_A_TOKEN);
        host.set_request_header(header::INPUT_TOKENS, Some(&tokens.to_string()));
        if form.choices > 1 {
            host.set_request_header(header::CHOICES, Some(&form.choices.to_string()));
        }
        self.head.stream |= form.stream;
        match self.chosen_model.take().filter(|chosen| *chosen != form.model) {
            Some(chosen) => {
                edit_request(host, &body, [form.set_model(&chosen)]);
                self.head.model = chosen;
            }
            None => self.head.model = form.model,
        }
        self.end_user = self.end_user.take().or(form.end_user);
    }

    /// Puts the model that a header chose in place of the one that the path or its query names.
    fn choose_model(&mut self, host: &dyn Host) {
        let Some(chosen) = self.chosen_model.take().filter(|chosen| *chosen != self.head.model) else {
            return;
        };
        let endpoint = match self.head.operation {
            Operation::Realtime => endpoint::with_model_in_query(&self.endpoint, &chosen),
            _ => endpoint::with_model(&self.endpoint, &chosen),
        };
        if let Some(endpoint) = endpoint {
            host.set_filter_state(filter_state::ENDPOINT, endpoint.as_bytes());
            host.set_request_header(":path", Some(&usual_path(self.head.dialect, &endpoint)));
            self.head.model = chosen;
        }
    }

    /// Tells the rest of the chain what was read.
    fn finish(&mut self, host: &dyn Host) {
        self.done = true;
        if !self.head.model.is_empty() {
            // A header cannot hold what a JSON string can.
            let printable = self.head.model.bytes().all(|byte| (0x20..0x7f).contains(&byte));
            let model = if printable { self.head.model.as_str() } else { "?" };
            host.set_request_header(header::MODEL, Some(model));
        }
        let end_user = self.end_user.as_deref();
        // A limit for each end user must not be one for all whose name is too long, so that is cut and not left out.
        if let Some(name) = end_user.map(printable).filter(|name| !name.is_empty()) {
            host.set_request_header(header::END_USER, Some(&name));
        }
        if self.head.stream {
            host.set_request_header(header::STREAM, Some("1"));
        }
        self.tell_record(host);
    }

    fn refuse(&mut self, host: &dyn Host, error: &ClientError) -> Flow {
        self.done = true;
        self.head.refused = error.code.to_owned();
        self.tell_record(host);
        refuse(host, self.head.dialect, error)
    }

    fn too_large(&self) -> ClientError {
        let message = format!("the request body is over the gateway's limit of {} bytes", self.max_body);
        ClientError::new(ErrorKind::TooLarge, "request_too_large", message)
    }

    fn tell_record(&self, host: &dyn Host) {
        if let Ok(json) = serde_json::to_vec(&self.head) {
            host.set_filter_state(filter_state::REQUEST, &json);
        }
    }
}

/// What a connection is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    /// What it is.
    None,
    Websocket,
    /// Something that nobody here could check.
    Other,
}

fn upgrade(headers: &[(String, String)]) -> Upgrade {
    let get = |name: &str| headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
    match get("upgrade") {
        None => Upgrade::None,
        // With any other method it is a request that nobody reads, and that a careless provider answers.
        Some(protocol) if protocol.eq_ignore_ascii_case("websocket") && get(":method") == Some("GET") => {
            Upgrade::Websocket
        }
        Some(_) => Upgrade::Other,
    }
}

/// The boundary of a form. Of two content types some servers take the first and some the last.
fn form_boundary(headers: &[(String, String)], path: &str) -> Option<String> {
    let mut types = headers.iter().filter(|(name, _)| name == "content-type");
    let content_type = types.next().filter(|_| types.next().is_none());
    content_type.and_then(|(_, value)| form::boundary(path, value)).map(str::to_owned)
}

/// The address that the request comes from, as Envoy sees it behind trusted proxies.
fn source(host: &dyn Host) -> Option<String> {
    let address = String::from_utf8(host.property(&["source", "address"])?).ok()?;
    let address = address.parse::<std::net::SocketAddr>().map(|address| address.ip());
    address.ok().map(|address| address.to_string())
}

/// A name as a header can hold it. One that it cannot hold whole ends in a digest, so that two such are never taken for one.
fn printable(name: &str) -> String {
    const DIGEST: usize = 16;
    let name = name.trim();
    let is_plain = |character: char| (' '..='~').contains(&character);
    if name.len() <= NAME_BYTES && name.chars().all(is_plain) {
        return name.to_owned();
    }
    let plain = name.chars().map(|character| if is_plain(character) { character } else { '?' });
    let digest = credentials::digest(name);
    plain.take(NAME_BYTES - DIGEST - 1).chain(['#']).chain(digest.chars().take(DIGEST)).collect()
}

/// Whether this may be the name of a service tier: `[a-z_]{1,16}`.
fn is_tier(name: &str) -> bool {
    (1..=16).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[derive(Debug, Default)]
struct Choice {
    provider: Option<String>,
    model: Option<String>,
}

/// The client's own choice by `x-weirgate-provider` and `x-weirgate-model` goes before the rules.
fn choose(headers: &[(String, String)], rules: &[HeaderRule]) -> Choice {
    let get = |name: &str| {
        headers
            .iter()
            .find(|(header, value)| header == name && (1..=NAME_BYTES).contains(&value.len()))
            .map(|(_, value)| value.clone())
    };
    let mut choice = Choice { provider: get(header::PROVIDER), model: get(header::MODEL) };
    let rule = rules.iter().find(|rule| {
        headers.iter().any(|(name, value)| {
            *name == rule.header
                && rule.exact.as_ref().is_none_or(|exact| exact == value)
                && rule.prefix.as_ref().is_none_or(|prefix| value.starts_with(prefix))
        })
    });
    if let Some(rule) = rule {
        choice.provider = choice.provider.or_else(|| rule.provider.clone());
        choice.model = choice.model.or_else(|| rule.model.clone());
    }
    choice
}

fn forged_key() -> ClientError {
    ClientError::new(ErrorKind::Unauthenticated, "invalid_api_key", "the API key is not known here")
}

fn empty() -> ClientError {
    ClientError::new(ErrorKind::InvalidRequest, "invalid_json", "the body is empty: a JSON object is needed")
}

fn bad_unsupported() -> ClientError {
    let message = format!("{} is \"drop\" or \"reject\"", header::UNSUPPORTED_FIELDS);
    ClientError::new(ErrorKind::InvalidRequest, "invalid_value", message)
        .with_param(header::UNSUPPORTED_FIELDS)
}

fn two_models() -> ClientError {
    ClientError::new(
        ErrorKind::InvalidRequest,
        "ambiguous_model",
        "the query names a model twice, or in an escaped parameter",
    )
    .with_param("model")
}

fn no_upgrade() -> ClientError {
    ClientError::new(
        ErrorKind::InvalidRequest,
        "upgrade_not_supported",
        "a connection can only be upgraded to a websocket, by a GET",
    )
    .with_param("upgrade")
}

fn compressed_request() -> ClientError {
    ClientError::new(
        ErrorKind::InvalidRequest,
        "compressed_request",
        "compressed request bodies are not supported: send this one without content-encoding",
    )
    .with_param("content-encoding")
}

fn no_model() -> ClientError {
    ClientError::new(ErrorKind::InvalidRequest, "missing_field", "model is missing: name the model to use")
        .with_param("model")
}

#[cfg(test)]
mod tests;
