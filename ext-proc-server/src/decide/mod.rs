//! decide: whether a request may pass, and where it goes. Headers in, one message out; and what follows of streams that have to be
//! metered.

mod cost;
mod headers;
mod limits;
mod meter;
mod reply;
mod standing;

pub(crate) use reply::set_header;

use crate::gateway::Gateway;
use crate::handover;
use crate::money::dollars;
use crate::policy::Question;
use crate::policy::plan::Plan;
use crate::record::Subject;
use crate::store::{Amounts, Ask, Outcome, Used};
use cost::Cost;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    ProcessingRequest, ProcessingResponse, processing_request,
};
use headers::Headers;
use meter::Meter;
use standing::Told;
use std::time::{SystemTime, UNIX_EPOCH};
use weirgate_contract::handover::Decision;
use weirgate_contract::metadata;
use weirgate_dialect::Operation;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// What decide has to do with the answer of a request. Of most it never sees anything.
#[derive(Debug)]
pub(crate) enum Follow {
    /// A stream that may outgrow what was reserved for it.
    Meter(Box<Meter>),
    /// A plain answer whose cost the client is to be told.
    Cost(Cost),
}

impl Follow {
    /// Answers one message of Envoy.
    pub(crate) async fn answer(
        &mut self,
        gateway: &Gateway,
        message: ProcessingRequest,
    ) -> Option<ProcessingResponse> {
        match self {
            Self::Meter(meter) => meter.answer(gateway, message).await,
            Self::Cost(cost) => cost.answer(gateway, message),
        }
    }

    /// Whether nothing more is to be said about this answer.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Meter(meter) => meter.has_ended(),
            Self::Cost(_) => false,
        }
    }
}

/// Answers the message that Envoy sends for a request. It is the only one, but for answers that are to be followed.
pub(crate) async fn answer(
    gateway: &Gateway,
    message: &ProcessingRequest,
) -> (ProcessingResponse, Option<Follow>) {
    let Some(processing_request::Request::RequestHeaders(headers)) = &message.request else {
        return (reply::nothing(), None);
    };
    let mut headers = Headers::read(headers);
    headers.claims = handover::claims(message.metadata_context.as_ref());
    decide(gateway, &headers).await
}

async fn decide(gateway: &Gateway, headers: &Headers) -> (ProcessingResponse, Option<Follow>) {
    let question = headers.question();
    let mut decision = Decision {
        id: headers.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string()),
        model: question.model.clone(),
        input_tokens: question.input_tokens,
        ..Decision::default()
    };
    let answer = if question.operation == Operation::Probe {
        let chain = gateway.probe.answer(headers.probe.as_deref(), headers.chain.as_deref());
        decision = Decision::default();
        chain.map(|chain| (reply::probe(&chain), None)).ok_or_else(|| not_found().into())
    } else {
        admit(gateway, &question, &mut decision).await
    };
    answer.unwrap_or_else(|Refusal { error, told }| {
        decision.refused = error.code.to_owned();
        let status = match error.kind {
            ErrorKind::BudgetExceeded => gateway.policy.load().config().budget_status,
            _ => error.status(),
        };
        (reply::refuse(question.dialect, status, &error, &decision, &told), None)
    })
}

/// Why a request does not pass, and what its client is told of its limits.
struct Refusal {
    error: ClientError,
    told: Told,
}

impl From<ClientError> for Refusal {
    fn from(error: ClientError) -> Self {
        Self { error, told: Told::new() }
    }
}

/// Checks whose a request is and what it may, and takes what it needs from every limit.
async fn admit(
    gateway: &Gateway,
    question: &Question,
    decision: &mut Decision,
) -> Result<(ProcessingResponse, Option<Follow>), Refusal> {
    let policy = gateway.policy.load_full();
    let caller = policy.authenticate(question, seconds(SystemTime::now()))?;
    decision.key.clone_from(&caller.principal.key);
    if question.operation == Operation::Models {
        return Ok((reply::models(question.dialect, policy.models(&caller), decision), None));
    }
    let predicted = gateway.ledger.predictor.tokens(&caller.principal.key, &question.model);
    let predicted = predicted.unwrap_or(policy.config().default_output_tokens);
    let subject = Subject { principal: caller.principal.clone(), model: question.model.clone() }.write();
    let mut without: Vec<String> = Vec::new();
    let mut plans = policy.plans(question, &caller, predicted, &without)?;
    let (number, standings) = loop {
        let ask = Ask {
            id: decision.id.clone(),
            alternatives: plans.iter().map(Plan::alternative).collect(),
            subject: subject.clone(),
            lifetime: gateway.lifetime,
        };
        let outcome = gateway.store.reserve(ask).await.map_err(|error| {
            tracing::error!(%error, "a request was refused");
            limits::no_store()
        })?;
        let refused = match outcome {
            Outcome::Granted { alternative, standings } => break (alternative, standings),
            Outcome::Refused(refused) => refused,
        };
        // Where a provider's own limit is in the way, the others are left.
        let in_the_way =
            plans.last().and_then(|plan| plan.claims.get(refused.claim)).map(|ruled| &ruled.claim.providers);
        without.extend(in_the_way.into_iter().flatten().cloned());
        let others = match in_the_way {
            Some(providers) if !providers.is_empty() => {
                policy.plans(question, &caller, predicted, &without).ok()
            }
            _ => None,
        };
        let Some(others) = others else {
            decision.end_user.clone_from(&caller.principal.end_user);
            decision.tags.clone_from(&caller.principal.tags);
            let last = plans.last();
            let ruled = last.and_then(|plan| plan.claims.get(refused.claim));
            if let (Some(ruled), Some(standing)) = (ruled, refused.standings.get(refused.claim)) {
                gateway.alerts.refused(&policy, ruled.rule, &ruled.claim.counter, standing);
            }
            let told = last.map(|plan| standing::tell(&plan.claims, &refused.standings)).unwrap_or_default();
            return Err(Refusal { error: limits::explain(&refused, last), told });
        };
        plans = others;
    };
    if gateway.departed.has(&decision.id) {
        give_back(gateway, &decision.id).await;
        return Err(limits::departed().into());
    }
    let plan = plans.get(number).ok_or_else(limits::no_store)?;
    decision.output_tokens = plan.amounts.output_tokens;
    decision.output_cap = plan.output_cap;
    decision.reserved_micros = plan.amounts.micro_dollars;
    let mut told = standing::tell(&plan.claims, &standings);
    told.push((metadata::RESERVED, dollars(plan.amounts.micro_dollars)));
    let meter = Meter::new(&decision.id, question.dialect, question.input_tokens, plan);
    let tell_cost = || policy.config().cost_header && !question.stream && !question.model.is_empty();
    let follow = meter.map(|meter| Follow::Meter(Box::new(meter)));
    let follow =
        follow.or_else(|| tell_cost().then(|| Follow::Cost(Cost::new(question.dialect, &question.model))));
    Ok((reply::route(plan, decision, &told, follow.as_ref()), follow))
}

/// Gives back what was taken for a request that had ended before.
async fn give_back(gateway: &Gateway, id: &str) {
    let nothing = Used { amounts: Amounts::default(), at_least_reserved: false, provider: String::new() };
    if let Err(error) = gateway.store.settle(id, nothing).await {
        tracing::error!(id, %error, "what a client that left had reserved is held until it expires");
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn not_found() -> ClientError {
    ClientError::new(ErrorKind::NotFound, "path_not_found", "this path is not known here")
}
