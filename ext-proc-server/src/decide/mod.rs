//! decide: whether a request may pass, and where it goes. Headers in, one message out.

mod limits;
mod reply;

pub(crate) use reply::set_header;

use crate::gateway::Gateway;
use crate::policy::Question;
use crate::policy::plan::Plan;
use crate::record::Subject;
use crate::store::{Ask, Outcome};
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request;
use envoy_types::pb::envoy::service::ext_proc::v3::{HttpHeaders, ProcessingRequest, ProcessingResponse};
use std::time::{SystemTime, UNIX_EPOCH};
use weirgate_contract::handover::Decision;
use weirgate_contract::request_header as header;
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::{Dialect, Operation};

/// Answers the one message that Envoy sends for a request.
pub(crate) async fn answer(gateway: &Gateway, message: &ProcessingRequest) -> ProcessingResponse {
    let Some(processing_request::Request::RequestHeaders(headers)) = &message.request else {
        return reply::nothing();
    };
    decide(gateway, &Headers::read(headers)).await
}

async fn decide(gateway: &Gateway, headers: &Headers) -> ProcessingResponse {
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
    let policy = gateway.policy.load_full();
    let caller = match policy.authenticate(&question, seconds(SystemTime::now())) {
        Ok(caller) => caller,
        Err(error) => return refuse(&question, decision, &error),
    };
    decision.key.clone_from(&caller.principal.key);
    if question.operation == Operation::Models {
        return reply::models(question.dialect, policy.models(&caller), &decision);
    }
    let predicted = policy.config().default_output_tokens;
    let plans = match policy.plans(&question, &caller, predicted) {
        Ok(plans) => plans,
        Err(error) => return refuse(&question, decision, &error),
    };
    let subject = Subject { principal: caller.principal.clone(), model: question.model.clone() };
    let ask = Ask {
        id: decision.id.clone(),
        alternatives: plans.iter().map(Plan::alternative).collect(),
        subject: subject.write(),
        lifetime: gateway.lifetime,
    };
    let (number, _standings) = match gateway.store.reserve(ask).await {
        Ok(Outcome::Granted { alternative, standings }) => (alternative, standings),
        Ok(Outcome::Refused(refused)) => {
            let error = limits::explain(&refused, plans.last(), &caller.principal);
            return refuse(&question, decision, &error);
        }
        Err(error) => {
            tracing::error!(%error, "a request was refused");
            return refuse(&question, decision, &limits::no_store());
        }
    };
    let Some(plan) = plans.get(number) else { return refuse(&question, decision, &limits::no_store()) };
    decision.output_tokens = plan.amounts.output_tokens;
    decision.output_cap = plan.output_cap;
    decision.reserved_micros = plan.amounts.micro_dollars;
    reply::route(plan, &decision)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
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
    tier: Option<String>,
    stream: Option<String>,
    source: Option<String>,
    end_user: Option<String>,
    tags: Option<String>,
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
                header::TIER => &mut read.tier,
                header::STREAM => &mut read.stream,
                header::SOURCE => &mut read.source,
                header::END_USER => &mut read.end_user,
                header::TAGS => &mut read.tags,
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
            stream: self.stream.is_some(),
            source: self.source.as_deref().and_then(|source| source.parse().ok()),
            end_user: self.end_user.clone().unwrap_or_default(),
            tags: self
                .tags
                .iter()
                .flat_map(|tags| tags.split(','))
                .map(|tag| tag.trim().to_owned())
                .filter(|tag| !tag.is_empty())
                .collect(),
            tier: self.tier.clone().unwrap_or_default(),
            model: self.model.clone().unwrap_or_default(),
            provider: self.provider.clone(),
            key_digest: self.key_digest.as_deref().and_then(crate::config::hex_digest),
            input_tokens: number(&self.input_tokens).unwrap_or(0),
            max_tokens: number(&self.max_tokens),
            choices: number(&self.choices).unwrap_or(1),
        }
    }
}
