//! The request half: from headers and body to `x-weirgate-*`.

use crate::classify::{Class, Sdk, classify, usual_path};
use crate::credentials;
use weirgate_contract::filter_config::{HeaderRule, ProviderSelect};
use weirgate_contract::handover::RequestHead;
use weirgate_contract::{filter_state, request_header as header};
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::{Dialect, Operation, endpoint, head};
use weirgate_filter_host::{Flow, Host, edit_request, is_media, may_be_json, refuse, sign_probe};
use weirgate_keys::Form;

/// What one token takes in the bodies of calls that are not counted. Few texts have more tokens.
const BYTES_A_TOKEN: usize = 3;

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
    /// The call asks only how many tokens a prompt has.
    counts_only: bool,
    max_body: usize,
    /// The client calls the body a file or a picture, and nothing of it is here yet.
    media: bool,
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
        let class = classify(get(":method").unwrap_or_default(), sent_path, sdk);
        let Class { dialect, operation, endpoint, path, model, stream, key: query_key } = class;
        let keep_credentials = config.keep_credentials;
        let key = credentials::key(&headers).or(query_key.as_deref());
        let forged = match (key, &config.key_checksum) {
            (Some(key), Some(secret)) => weirgate_keys::verify(key, secret.as_bytes()) == Form::Forged,
            _ => false,
        };
        let key_digest = key.filter(|_| !keep_credentials).map(credentials::digest);
        let choice = choose(&headers, &config.rules);
        let end_user = get(header::END_USER).map(str::to_owned);
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
            },
            chosen_model: choice.model,
            end_user,
            counts_only: counts_only(&endpoint),
            endpoint,
            max_body: config.max_body.unwrap_or(usize::MAX),
            media: false,
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
            _ if too_large => request.refuse(host, &request.too_large()),
            Operation::Models | Operation::Probe => {
                request.finish(host);
                Flow::Continue
            }
            Operation::Passthrough if end => {
                request.finish(host);
                Flow::Continue
            }
            Operation::Passthrough if media => {
                request.media = true;
                Flow::Hold
            }
            _ if end => request.refuse(host, &empty()),
            _ if compressed => request.refuse(host, &compressed_request()),
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
        if self.media {
            match may_be_json(&host.request_body()) {
                None if !end => return Flow::Hold,
                Some(true) => self.media = false,
                _ => {
                    self.finish(host);
                    return Flow::Continue;
                }
            }
        }
        if !end {
            return Flow::Hold;
        }
        let body = host.request_body();
        match head::read(self.head.operation, &body) {
            Ok(read) => self.read(host, body, &read),
            // A call that nobody here knows may send what it likes.
            Err(error)
                if self.head.operation == Operation::Passthrough
                    && error.code == "invalid_json"
                    && may_be_json(&body) != Some(true) =>
            {
                self.finish(host);
            }
            Err(error) => return self.refuse(host, &error),
        }
        if self.head.model.is_empty() && self.head.operation != Operation::Passthrough {
            return self.refuse(host, &no_model());
        }
        Flow::Continue
    }

    fn read(&mut self, host: &dyn Host, body: Vec<u8>, read: &head::Head) {
        self.head.stream |= read.stream;
        // Where the path names the model, the provider obeys the path.
        let in_path = !self.head.model.is_empty();
        if let Some(model) = read.model.as_ref().filter(|_| !in_path) {
            self.head.model.clone_from(model);
        }
        if self.counts_only {
            // Nothing is generated, and nobody bills it.
            host.set_request_header(header::MAX_TOKENS, Some("0"));
            return self.finish(host);
        }
        if self.head.operation == Operation::Passthrough {
            // token-counter counts chats; for what to reserve for another call, its size has to do.
            let tokens = body.len().div_ceil(BYTES_A_TOKEN);
            host.set_request_header(header::INPUT_TOKENS, Some(&tokens.to_string()));
        }
        if let Some(chosen) = self.chosen_model.take().filter(|chosen| *chosen != self.head.model) {
            if !in_path {
                edit_request(host, body, read.set_model(&chosen));
                self.head.model = chosen;
            } else if let Some(endpoint) = endpoint::with_model(&self.endpoint, &chosen) {
                host.set_filter_state(filter_state::ENDPOINT, endpoint.as_bytes());
                host.set_request_header(":path", Some(&usual_path(self.head.dialect, &endpoint)));
                self.head.model = chosen;
            }
        }
        if let Some(tokens) = read.max_tokens {
            host.set_request_header(header::MAX_TOKENS, Some(&tokens.to_string()));
        }
        if read.choices > 1 {
            host.set_request_header(header::CHOICES, Some(&read.choices.to_string()));
        }
        self.end_user = self.end_user.take().or_else(|| read.end_user.clone());
        // Others are for the provider to refuse: no price has such a name.
        if let Some(tier) = read.tier.as_deref().filter(|tier| is_tier(tier)) {
            host.set_request_header(header::TIER, Some(tier));
        }
        self.finish(host);
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

/// Whether an endpoint only counts tokens: Anthropic's `/messages/count_tokens` and Gemini's `:countTokens`.
fn counts_only(endpoint: &str) -> bool {
    let path = endpoint.split('?').next().unwrap_or_default();
    path.ends_with("/count_tokens") || path.ends_with(":countTokens")
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
mod tests {
    use super::{NAME_BYTES, printable};
    use crate::ProviderSelect;
    use weirgate_filter_host::fake::{FakeHost, filter};
    use weirgate_filter_host::{Filter, Flow, Host};

    const CHAT: &str = r#"{"model":"chat","stream":true,"max_tokens":5,"messages":[]}"#;

    fn select(config: &str) -> ProviderSelect {
        filter(config).unwrap()
    }

    #[test]
    fn headers_say_what_the_body_asks_for() {
        let host = FakeHost::request("POST", "/v1/chat/completions", &[("authorization", "Bearer abc")])
            .with_body(CHAT);
        assert_eq!(host.run_request(&mut select("")), Flow::Continue);
        let get = |name| host.request_header(name);
        assert_eq!(get("x-weirgate-model").as_deref(), Some("chat"));
        assert_eq!(get("x-weirgate-stream").as_deref(), Some("1"));
        assert_eq!(get("x-weirgate-max-tokens").as_deref(), Some("5"));
        assert_eq!(get("x-weirgate-dialect").as_deref(), Some("openai"));
        assert!(get("x-weirgate-key-digest").is_some_and(|digest| digest.starts_with("ba7816bf")));
        assert_eq!(get("authorization"), None);
        assert_eq!(host.filter_state.borrow()["weirgate_endpoint"], "/chat/completions");
        assert!(host.filter_state.borrow()["weirgate_request"].contains(r#""model":"chat""#));
    }

    #[test]
    fn a_plain_service_tier_becomes_a_header() {
        let tier = |tier: &str| {
            let body = format!(r#"{{"model":"m","service_tier":{tier},"messages":[]}}"#);
            let forged = [("x-weirgate-tier", "flex")];
            let host = FakeHost::request("POST", "/v1/chat/completions", &forged).with_body(&body);
            host.run_request(&mut select(""));
            host.request_header("x-weirgate-tier")
        };
        assert_eq!(tier(r#""priority""#).as_deref(), Some("priority"));
        assert_eq!(tier(r#""standard_only""#).as_deref(), Some("standard_only"));
        for other in ["null", r#""""#, r#""Flex""#, r#""a\r\nb""#, r#""abcdefghijklmnopq""#] {
            assert_eq!(tier(other), None, "{other}");
        }
    }

    #[test]
    fn without_decide_the_clients_key_may_stay() {
        let key = [("authorization", "Bearer abc"), ("x-weirgate-key-digest", "00")];
        let host = FakeHost::request("POST", "/v1/chat/completions", &key).with_body(CHAT);
        host.run_request(&mut select(r#"{"keep_credentials":true}"#));
        assert_eq!(host.request_header("authorization").as_deref(), Some("Bearer abc"));
        assert_eq!(host.request_header("x-weirgate-key-digest"), None);
    }

    #[test]
    fn what_clients_send_under_our_prefix_is_removed() {
        let forged =
            [("x-weirgate-key-digest", "00"), ("x-weirgate-input-tokens", "0"), ("x-weirgate-new", "1")];
        let host = FakeHost::request("POST", "/v1/chat/completions", &forged).with_body(CHAT);
        host.run_request(&mut select(""));
        for (name, _) in forged {
            assert_eq!(host.request_header(name), None, "{name}");
        }
    }

    #[test]
    fn a_header_chooses_provider_and_model() {
        let headers = [("x-weirgate-provider", "local"), ("x-weirgate-model", "small")];
        let host = FakeHost::request("POST", "/v1/chat/completions", &headers).with_body(CHAT);
        host.run_request(&mut select(""));
        assert_eq!(host.request_header("x-weirgate-provider").as_deref(), Some("local"));
        assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("small"));
        assert!(host.body().starts_with(r#"{"model":"small","#));
        assert_eq!(
            host.request_header("content-length").as_deref(),
            Some(host.body().len().to_string().as_str())
        );
    }

    #[test]
    fn a_forged_key_is_refused_before_the_body() {
        let secret = "a-secret-of-the-gateway";
        let config = format!(r#"{{"key_checksum":"{secret}"}}"#);
        let genuine = weirgate_keys::generate(secret.as_bytes(), |bytes: &mut [u8]| {
            bytes.fill(7);
            Ok::<_, std::convert::Infallible>(())
        });
        let genuine = genuine.unwrap();
        let forged = format!("{}000000", &genuine[..38]);
        let ask = |config: &str, header: &str, key: &str| {
            let host = FakeHost::request("POST", "/v1/messages", &[(header, key)]).with_body(CHAT);
            let flow = select(config).on_request_headers(&host, false);
            (flow, host)
        };
        let (flow, host) = ask(&config, "x-api-key", &forged);
        assert_eq!(flow, Flow::Answered);
        let answer = host.answer.borrow().clone().unwrap();
        assert_eq!(answer.status, 401);
        assert!(answer.body.starts_with(r#"{"type":"error""#), "in the client's dialect: {}", answer.body);
        assert!(host.filter_state.borrow()["weirgate_request"].contains(r#""refused":"invalid_api_key""#));
        assert_eq!(host.request_header("x-api-key"), None);
        assert_eq!(ask(&config, "authorization", &format!("Bearer {forged}")).0, Flow::Answered);
        // A genuine key, one from elsewhere, and any key where there is no secret are for decide to judge.
        assert_eq!(ask(&config, "x-api-key", &genuine).0, Flow::Hold);
        assert_eq!(ask(&config, "x-api-key", "a-key-from-elsewhere").0, Flow::Hold);
        assert_eq!(ask("", "x-api-key", &forged).0, Flow::Hold);
    }

    #[test]
    fn the_first_rule_that_matches_applies() {
        let rules = r#"{"rules":[{"header":"x-team","exact":"red","provider":"a"},
            {"header":"x-team","prefix":"r","provider":"b"},{"header":"x-any","model":"m"}]}"#;
        let provider = |value: &str| {
            let host =
                FakeHost::request("POST", "/v1/chat/completions", &[("x-team", value)]).with_body(CHAT);
            host.run_request(&mut select(rules));
            host.request_header("x-weirgate-provider")
        };
        assert_eq!(provider("red").as_deref(), Some("a"));
        assert_eq!(provider("rust").as_deref(), Some("b"));
        assert_eq!(provider("blue"), None);
    }

    #[test]
    fn broken_json_is_refused_in_the_clients_dialect() {
        let host = FakeHost::request("POST", "/v1/messages", &[]).with_body(r#"{"model": "m","#);
        assert_eq!(host.run_request(&mut select("")), Flow::Answered);
        let answer = host.answer.borrow().clone().unwrap();
        assert_eq!(answer.status, 400);
        assert!(
            answer.body.starts_with(r#"{"type":"error""#) && answer.body.contains("line 1"),
            "{}",
            answer.body
        );
        assert!(host.filter_state.borrow()["weirgate_request"].contains(r#""refused":"invalid_json""#));
    }

    #[test]
    fn a_call_without_a_model_is_refused() {
        let host = FakeHost::request("POST", "/v1/chat/completions", &[]).with_body(r#"{"messages":[]}"#);
        assert_eq!(host.run_request(&mut select("")), Flow::Answered);
        assert_eq!(host.status(), Some(400));
    }

    #[test]
    fn unknown_calls_pass_with_any_body() {
        let json = [("content-type", "application/json")];
        let host =
            FakeHost::request("POST", "/v1/embeddings", &json).with_body(r#"{"model":"e","input":"x"}"#);
        assert_eq!(host.run_request(&mut select("")), Flow::Continue);
        assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("e"));
        let host = FakeHost::request("POST", "/v1/other", &json).with_body("not json");
        assert_eq!(host.run_request(&mut select("")), Flow::Continue);
        assert_eq!(host.request_header("x-weirgate-operation").as_deref(), Some("passthrough"));
    }

    #[test]
    fn json_that_cannot_be_read_does_not_pass_as_something_else() {
        let json = [("content-type", "application/json")];
        let twice = r#"{"model":"gpt-4o","model":"gpt-4o","input":"x"}"#;
        let host = FakeHost::request("POST", "/v1/responses", &json).with_body(twice);
        assert_eq!(host.run_request(&mut select("")), Flow::Answered);
        assert_eq!(host.status(), Some(400));
    }

    #[test]
    fn calls_that_only_count_tokens_reserve_none() {
        for path in ["/v1/messages/count_tokens?beta=true", "/v1beta/models/gemini-2.5-pro:countTokens"] {
            let host = FakeHost::request("POST", path, &[]).with_body(r#"{"model":"m","messages":[]}"#);
            host.run_request(&mut select(""));
            assert_eq!(host.request_header("x-weirgate-max-tokens").as_deref(), Some("0"), "{path}");
            assert_eq!(host.request_header("x-weirgate-input-tokens"), None, "{path}");
        }
    }

    #[test]
    fn a_body_over_the_limit_is_refused_by_its_length_or_once_it_is_here() {
        let limit = r#"{"max_body":10}"#;
        let host = FakeHost::request("POST", "/v1/messages", &[("content-length", "11")]).with_body(CHAT);
        assert_eq!(select(limit).on_request_headers(&host, false), Flow::Answered);
        assert_eq!(host.status(), Some(413));
        let host = FakeHost::request("POST", "/v1/messages", &[]).with_body(CHAT);
        assert_eq!(host.run_request(&mut select(limit)), Flow::Answered);
        assert_eq!(host.status(), Some(413));
    }

    #[test]
    fn a_model_in_the_path_goes_before_one_in_the_body_and_a_header_before_both() {
        let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
        let body = r#"{"model":"cheap","contents":[]}"#;
        let host = FakeHost::request("POST", path, &[]).with_body(body);
        host.run_request(&mut select(""));
        assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("gemini-2.5-pro"));
        assert_eq!(host.request_header("x-weirgate-stream").as_deref(), Some("1"));
        let chosen = [("x-weirgate-model", "dear")];
        let host = FakeHost::request("POST", path, &chosen).with_body(body);
        host.run_request(&mut select(""));
        assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("dear"));
        let renamed = "/models/dear:streamGenerateContent?alt=sse";
        assert_eq!(host.request_header(":path"), Some(format!("/v1beta{renamed}")));
        assert_eq!(host.filter_state.borrow()["weirgate_endpoint"], renamed);
    }

    #[test]
    fn a_picture_passes_as_it_comes_and_json_that_is_called_one_does_not() {
        let picture = [("content-type", "image/png")];
        let mut filter = select("");
        let host = FakeHost::request("POST", "/v1/images/edits", &picture).with_body("\u{89}PNG ...");
        assert_eq!(filter.on_request_headers(&host, false), Flow::Hold);
        assert_eq!(filter.on_request_body(&host, false), Flow::Continue);
        let host = FakeHost::request("POST", "/v1/responses", &picture).with_body(r#"{"model":"m"}"#);
        host.run_request(&mut select(""));
        assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("m"));
    }

    #[test]
    fn end_users_whose_names_no_header_can_hold_are_told_apart() {
        let names = ["王伟", "李娜", "é", "è", &"x".repeat(300), &format!("{}y", "x".repeat(299))];
        let told: std::collections::BTreeSet<_> = names.iter().map(|name| printable(name)).collect();
        assert_eq!(told.len(), names.len(), "{told:?}");
        assert!(told.iter().all(|name| name.len() <= NAME_BYTES && name.bytes().all(|byte| (0x20..0x7f).contains(&byte))));
        assert_eq!(printable(" ann "), "ann");
    }

    #[test]
    fn the_end_user_and_tags_are_told() {
        let named = |headers: &[(&str, &str)], path: &str, body: &str| {
            let host = FakeHost::request("POST", path, headers).with_body(body);
            host.properties.borrow_mut().insert("source.address".to_owned(), b"10.0.0.7:1234".to_vec());
            host.run_request(&mut select(""));
            assert_eq!(host.request_header("x-weirgate-source").as_deref(), Some("10.0.0.7"));
            (host.request_header("x-weirgate-end-user"), host.request_header("x-weirgate-tags"))
        };
        let body = r#"{"model":"m","user":"ann","messages":[]}"#;
        assert_eq!(named(&[], "/v1/chat/completions", body), (Some("ann".to_owned()), None));
        let headers = [
            ("x-weirgate-end-user", "b\u{f6}b"),
            ("x-weirgate-tags", "a,b"),
            ("x-weirgate-source", "1.2.3.4"),
        ];
        let (user, tags) = named(&headers, "/v1/chat/completions", body);
        assert_eq!((user.as_deref(), tags.as_deref()), (Some("b?b#58f1e1563652fedb"), Some("a,b")));
    }

    #[test]
    fn upstream_it_sets_a_cap_where_decide_asks_for_one() {
        let config = r#"{"upstream":{"base_path":"/v1","model":"gpt-4o","cap_field":"max_tokens"}}"#;
        let host = FakeHost::request("POST", "/v1/chat/completions", &[])
            .with_body(r#"{"messages":[],"model":"chat"}"#);
        let head = br#"{"id":"1","dialect":"openai","operation":"chat_completions"}"#;
        host.set_filter_state("weirgate_request", head);
        let decision = br#"{"id":"1","output_cap":50}"#.to_vec();
        host.properties
            .borrow_mut()
            .insert("metadata.filter_metadata.weirgate.decision".to_owned(), decision);
        host.run_request(&mut select(config));
        assert_eq!(host.body(), r#"{"messages":[],"model":"gpt-4o","max_tokens":50}"#);
        assert_eq!(host.request_header("content-length"), Some(host.body().len().to_string()));
    }

    #[test]
    fn upstream_it_sets_path_and_model_only() {
        let host = FakeHost::request("POST", "/v1/chat/completions", &[("authorization", "Bearer provider")])
            .with_body(r#"{"messages":[],"model":"chat"}"#);
        host.set_filter_state("weirgate_endpoint", b"/chat/completions?x=1");
        host.run_request(&mut select(r#"{"upstream":{"base_path":"/api/v1","model":"gpt-4o"}}"#));
        assert_eq!(host.body(), r#"{"messages":[],"model":"gpt-4o"}"#);
        assert_eq!(host.request_header(":path").as_deref(), Some("/api/v1/chat/completions?x=1"));
        assert_eq!(host.request_header("authorization").as_deref(), Some("Bearer provider"));
    }
}
