//! decide: whether a request may pass, and where it goes. Headers in, one message out.

mod limits;
mod reply;

pub(crate) use reply::set_header;

use crate::gateway::Gateway;
use crate::policy::Question;
use crate::store::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request;
use envoy_types::pb::envoy::service::ext_proc::v3::{HttpHeaders, ProcessingRequest, ProcessingResponse};
use std::time::SystemTime;
use weirgate_contract::handover::Decision;
use weirgate_contract::request_header as header;
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::{Dialect, Operation};

/// Answers the one message that Envoy sends for a request.
pub(crate) fn answer(gateway: &Gateway, message: &ProcessingRequest) -> ProcessingResponse {
    let Some(processing_request::Request::RequestHeaders(headers)) = &message.request else {
        return reply::nothing();
    };
    decide(gateway, &Headers::read(headers))
}

fn decide(gateway: &Gateway, headers: &Headers) -> ProcessingResponse {
    let question = headers.question();
    if question.operation == Operation::Probe {
        return match gateway.probe.answer(headers.probe.as_deref(), headers.chain.as_deref()) {
            Some(chain) => reply::probe(&chain),
            None => refuse(&question, Decision::default(), &not_found()),
        };
    }
    let mut decision = Decision {
        id: headers.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string()),
        model: question.model.clone(),
        input_tokens: question.input_tokens,
        ..Decision::default()
    };
    let policy = gateway.policy.load();
    let key = match policy.authenticate(question.key_digest) {
        Ok(key) => key,
        Err(error) => return refuse(&question, decision, &error),
    };
    decision.key = key.name.clone();
    if question.operation == Operation::Models {
        return reply::models(question.dialect, policy.models(key), &decision);
    }
    let plan = match policy.plan(&question, key) {
        Ok(plan) => plan,
        Err(error) => return refuse(&question, decision, &error),
    };
    let tokens = question.input_tokens.saturating_add(plan.output_tokens);
    let request = Request { key: key.name.clone(), tokens, micros: plan.micros };
    if let Err(refused) = gateway.store.reserve(&decision.id, request, SystemTime::now()) {
        return refuse(&question, decision, &limits::explain(refused, &key.name));
    }
    decision.output_tokens = plan.output_tokens;
    let bounded = key.limits.budget.is_some() && question.max_tokens.is_none();
    decision.output_cap = bounded.then_some(plan.output_tokens);
    decision.reserved_micros = plan.micros;
    reply::route(&plan, &decision)
}

fn refuse(question: &Question, mut decision: Decision, error: &ClientError) -> ProcessingResponse {
    decision.refused = error.code.to_owned();
    reply::refuse(question.dialect, error, &decision)
}

fn not_found() -> ClientError {
    ClientError::new(ErrorKind::NotFound, "path_not_found", "this path is not known here")
}

/// The headers that decide reads.
#[derive(Debug, Default)]
struct Headers {
    method: Option<String>,
    id: Option<String>,
    dialect: Option<String>,
    operation: Option<String>,
    model: Option<String>,
    provider: Option<String>,
    key_digest: Option<String>,
    input_tokens: Option<String>,
    max_tokens: Option<String>,
    choices: Option<String>,
    probe: Option<String>,
    chain: Option<String>,
}

impl Headers {
    fn read(headers: &HttpHeaders) -> Self {
        let mut read = Self::default();
        for entry in headers.headers.iter().flat_map(|map| &map.headers) {
            let field = match entry.key.as_str() {
                ":method" => &mut read.method,
                header::ID => &mut read.id,
                header::DIALECT => &mut read.dialect,
                header::OPERATION => &mut read.operation,
                header::MODEL => &mut read.model,
                header::PROVIDER => &mut read.provider,
                header::KEY_DIGEST => &mut read.key_digest,
                header::INPUT_TOKENS => &mut read.input_tokens,
                header::MAX_TOKENS => &mut read.max_tokens,
                header::CHOICES => &mut read.choices,
                header::PROBE => &mut read.probe,
                header::CHAIN => &mut read.chain,
                _ => continue,
            };
            // Envoy sends values as bytes, older ones as text.
            let value = if entry.raw_value.is_empty() { entry.value.as_bytes() } else { &entry.raw_value };
            *field = Some(String::from_utf8_lossy(value).into_owned());
        }
        read
    }

    fn question(&self) -> Question {
        let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        Question {
            dialect: self.dialect.as_deref().and_then(Dialect::parse).unwrap_or(Dialect::OpenAi),
            operation: self.operation.as_deref().and_then(Operation::parse).unwrap_or(Operation::Passthrough),
            changes: !matches!(self.method.as_deref(), Some("GET" | "HEAD" | "OPTIONS" | "DELETE")),
            model: self.model.clone().unwrap_or_default(),
            provider: self.provider.clone(),
            key_digest: self.key_digest.as_deref().and_then(crate::config::hex_digest),
            input_tokens: number(&self.input_tokens).unwrap_or(0),
            max_tokens: number(&self.max_tokens),
            choices: number(&self.choices).unwrap_or(1),
        }
    }
}
