//! decide: whether a request may pass, and where it goes. Headers in, one message out; and what follows of streams that have to be
//! metered.

mod cached;
mod follow;
mod headers;
mod limits;
mod meter;
mod reply;
mod standing;

pub(crate) use headers::find;
pub(crate) use reply::{patience, set_header};

use crate::cache::fill::Fill;
use crate::cache::{Hit, Outcome, Waiting, replay};
use crate::config::Config;
use crate::gateway::Gateway;
use crate::handover;
use crate::money::dollars;
use crate::policy::Question;
use crate::policy::identity::Principal;
use crate::policy::plan::Plan;
use crate::record::Subject;
use crate::record::line::Line;
use crate::store::{self, Amounts, Ask, Refused, Standing, Used};
use cached::{Looked, Turn};
use envoy_types::pb::envoy::service::ext_proc::v3::{
    ProcessingRequest, ProcessingResponse, processing_request,
};
pub(crate) use follow::Follow;
use headers::Headers;
use meter::Meter;
use standing::Told;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use weirgate_contract::handover::Decision;
use weirgate_contract::{metadata, response_header};
use weirgate_dialect::Operation;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// What decide says to the first message of a request.
#[derive(Debug)]
pub(crate) enum Step {
    /// This, and what it has to do with the answer.
    Answer(Spoken, Option<Follow>),
    /// Nothing yet: the answer to another request will do for this one.
    Wait(Box<Wait>),
}

/// What decide says to a request.
#[derive(Debug)]
pub(crate) struct Spoken {
    /// One message, or the head of an answer and its parts.
    pub(crate) messages: Vec<ProcessingResponse>,
    /// What lies between two of them.
    pub(crate) pause: Duration,
}

impl Spoken {
    fn once(message: ProcessingResponse) -> Self {
        Self { messages: vec![message], pause: Duration::ZERO }
    }
}

/// A request that waits for the answer to another.
#[derive(Debug)]
pub(crate) struct Wait {
    headers: Headers,
    began: Instant,
    waiting: Waiting,
    /// How long it waits at most.
    pub(crate) limit: Duration,
}

impl Wait {
    /// Waits, and then decides.
    pub(crate) async fn finish(self, gateway: &Gateway) -> (Spoken, Option<Follow>) {
        let landed = tokio::time::timeout(self.limit, self.waiting.landed()).await.ok().flatten();
        match decide(gateway, self.headers, Turn::AfterWaiting(landed), self.began).await {
            Step::Answer(spoken, follow) => (spoken, follow),
            // Nobody waits twice.
            Step::Wait(_) => (Spoken::once(reply::nothing()), None),
        }
    }
}

/// Answers the message that Envoy sends for a request. It is the only one, but for answers that are to be followed.
pub(crate) async fn answer(gateway: &Gateway, message: &ProcessingRequest) -> Step {
    let Some(processing_request::Request::RequestHeaders(headers)) = &message.request else {
        return Step::Answer(Spoken::once(reply::nothing()), None);
    };
    let mut headers = Headers::read(headers);
    headers.claims = handover::claims(message.metadata_context.as_ref());
    decide(gateway, headers, Turn::First, Instant::now()).await
}

/// `began`: when the request came here.
async fn decide(gateway: &Gateway, headers: Headers, turn: Turn, began: Instant) -> Step {
    let question = headers.question();
    let mut decision = Decision {
        id: headers.id.clone().unwrap_or_else(|| uuid::Uuid::now_v7().simple().to_string()),
        model: question.model.clone(),
        input_tokens: question.input_tokens,
        ..Decision::default()
    };
    let admitted = if question.operation == Operation::Probe {
        let chain = gateway.probe.answer(headers.probe.as_deref(), headers.chain.as_deref());
        decision = Decision::default();
        chain.map(|chain| Admitted::answer(reply::probe(&chain))).ok_or_else(|| not_found().into())
    } else {
        admit(gateway, &headers, &question, turn, began, &mut decision).await
    };
    match admitted {
        Ok(Admitted::Answer(spoken, follow)) => Step::Answer(spoken, follow),
        Ok(Admitted::Wait(waiting)) => {
            let limit = gateway.policy.load().config().timeouts.silence;
            Step::Wait(Box::new(Wait { headers, began, waiting, limit }))
        }
        Err(Refusal { error, told }) => {
            decision.refused = error.code.to_owned();
            let status = match error.kind {
                ErrorKind::BudgetExceeded => gateway.policy.load().config().budget_status,
                _ => error.status(),
            };
            let reply = reply::refuse(question.dialect, status, &error, &decision, &told);
            Step::Answer(Spoken::once(reply), None)
        }
    }
}

/// What comes of a request that is not refused.
enum Admitted {
    Answer(Spoken, Option<Follow>),
    Wait(Waiting),
}

impl Admitted {
    fn answer(reply: ProcessingResponse) -> Self {
        Self::Answer(Spoken::once(reply), None)
    }
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

/// Checks whose a request is and what it may, and answers it from the cache or takes what it needs from every limit.
async fn admit(
    gateway: &Gateway,
    headers: &Headers,
    question: &Question,
    turn: Turn,
    began: Instant,
    decision: &mut Decision,
) -> Result<Admitted, Refusal> {
    let policy = gateway.policy.load_full();
    let caller = policy.authenticate(question, seconds(SystemTime::now()))?;
    decision.key.clone_from(&caller.principal.key);
    if question.operation == Operation::Models {
        decision.answered = true;
        let dialect = question.dialect;
        return Ok(Admitted::answer(match question.model.as_str() {
            "" => reply::models(dialect, policy.models(&caller), decision),
            name => reply::model(dialect, policy.model(&caller, name)?, decision),
        }));
    }
    if policy.counts_itself(question, &caller)? {
        let tokens = headers.tokens().ok_or_else(uncountable)?;
        decision.answered = true;
        return Ok(Admitted::answer(reply::tokens(question.dialect, tokens, decision)));
    }
    let predicted = gateway.ledger.predictor.tokens(&caller.principal.key, &question.model);
    let predicted = predicted.unwrap_or(policy.config().default_output_tokens);
    let subject = Subject { principal: caller.principal.clone(), model: question.model.clone() }.write();
    let mut without: Vec<String> = Vec::new();
    let mut plans = policy.plans(question, &caller, predicted, &without)?;
    let looked = match plans.first() {
        Some(plan) => cached::look(gateway, headers, question, &caller.principal, plan, &turn).await?,
        None => Looked::Bypass,
    };
    let (outcome, keeps) = match looked {
        Looked::Hit(hit) => {
            if let Some((spoken, line)) =
                from_cache(gateway, question, &caller.principal, &plans, &hit, subject.clone(), decision)
                    .await?
            {
                if let Some(line) = line {
                    let request_id = headers.request_id.clone().unwrap_or_default();
                    let whose = caller.principal.clone();
                    gateway.recorded.note(&line.id);
                    gateway.hits.add(Line { request_id, whose, ..line }.taking(began.elapsed()));
                }
                return Ok(Admitted::Answer(spoken, None));
            }
            (Outcome::Miss, None)
        }
        Looked::Wait(waiting) => return Ok(Admitted::Wait(waiting)),
        Looked::Miss(request, duties) => (Outcome::Miss, Some((request, duties))),
        Looked::Bypass => (Outcome::Bypass, None),
    };
    let timeouts = &policy.config().timeouts;
    let lifetime = match question.operation {
        Operation::Realtime => timeouts.websocket + timeouts.settle,
        _ => gateway.lifetime,
    };
    let (number, standings) = loop {
        let ask = Ask {
            id: decision.id.clone(),
            alternatives: plans.iter().map(Plan::alternative).collect(),
            subject: subject.clone(),
            lifetime,
        };
        let refused = match reserve(gateway, ask).await? {
            Ok(granted) => break granted,
            Err(refused) => refused,
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
            let last = plans.last();
            self::refused(gateway, last, &refused, &caller.principal, decision);
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
    if let Some(cap) = plan.output_cap {
        told.push((metadata::OUTPUT_CAP, cap.to_string()));
    }
    if let Some(cache) = &gateway.cache {
        cache.counted(outcome, 0);
        told.push((metadata::CACHE, outcome.as_str().to_owned()));
    }
    // The answer of another model than was asked for, or one with a cap that nobody asked for, is nobody else's.
    let as_asked = plan.model == question.model && plan.output_cap.is_none();
    let fill =
        keeps.filter(|(request, _)| as_asked && request.control.stores()).and_then(|(request, duties)| {
            let (cache, tags) = (gateway.cache.as_ref()?, &caller.principal.tags);
            Some(Fill::new(request, question.dialect, &question.model, tags, duties, cache))
        });
    let meter = Meter::new(&decision.id, question.dialect, question.input_tokens, plan);
    let follow = followed(policy.config(), question, meter, fill);
    Ok(Admitted::Answer(Spoken::once(reply::route(plan, decision, &told, follow.as_ref())), follow))
}

/// Takes note of a request that a limit refuses: whose it is, and for those who are told of limits.
fn refused(
    gateway: &Gateway,
    plan: Option<&Plan<'_>>,
    refused: &Refused,
    principal: &Principal,
    decision: &mut Decision,
) {
    decision.end_user.clone_from(&principal.end_user);
    decision.tags.clone_from(&principal.tags);
    let ruled = plan.and_then(|plan| plan.claims.get(refused.claim));
    if let (Some(ruled), Some(standing)) = (ruled, refused.standings.get(refused.claim)) {
        gateway.alerts.refused(&gateway.policy.load(), ruled.rule, &ruled.claim.counter, standing);
    }
}

/// What decide has to do with the answer.
fn followed(
    config: &Config,
    question: &Question,
    meter: Option<Meter>,
    fill: Option<Fill>,
) -> Option<Follow> {
    let tells_cost = tells_cost(config, question);
    let model = question.model.clone();
    let followed = fill.is_some() || tells_cost;
    let answer = followed.then(|| {
        Box::new(follow::Answer { dialect: question.dialect, model, served: None, fill, tells_cost })
    });
    match (meter, answer) {
        (Some(meter), answer) => Some(Follow::Meter(Box::new(meter), answer)),
        (None, Some(answer)) if question.stream => Some(Follow::Keep(answer)),
        (None, answer) => answer.map(Follow::Whole),
    }
}

/// Whether the client is told what its answer has cost.
fn tells_cost(config: &Config, question: &Question) -> bool {
    config.cost_header && !question.stream && !question.model.is_empty()
}

/// Answers with what was found, and says what there is to write down where Envoy is not to; `None`: it cannot be read.
async fn from_cache(
    gateway: &Gateway,
    question: &Question,
    principal: &Principal,
    plans: &[Plan<'_>],
    hit: &Hit,
    subject: String,
    decision: &mut Decision,
) -> Result<Option<(Spoken, Option<Line>)>, Refusal> {
    let pace = gateway.cache.as_ref().and_then(|cache| cache.settings.tokens_per_second);
    let paced = pace.is_some() && question.stream;
    let answer = replay::answer(hit, question.dialect, question.stream, paced);
    let (Some(mut answer), Some(plan)) = (answer, plans.last()) else { return Ok(None) };
    if gateway.departed.has(&decision.id) {
        return Err(limits::departed().into());
    }
    let told = cached::charge(gateway, hit, plan, principal, subject, decision).await?;
    if tells_cost(gateway.policy.load().config(), question) {
        answer.headers.push((response_header::COST, dollars(decision.reserved_micros)));
    }
    Ok(Some(match pace {
        // Its client may leave before its end, which Envoy sees.
        Some(pace) if paced => {
            let messages = reply::paced(answer, decision, &told);
            let pause = Duration::from_secs(1) / u32::try_from(pace).unwrap_or(u32::MAX).max(1);
            (Spoken { messages, pause }, None)
        }
        _ => (Spoken::once(reply::cached(answer, &told)), Some(cached::line(question, decision))),
    }))
}

/// Asks the store: the number of the alternative and how its counters stand, or what refuses it.
///
/// # Errors
/// The store cannot be used.
async fn reserve(
    gateway: &Gateway,
    ask: Ask,
) -> Result<Result<(usize, Vec<Standing>), Refused>, ClientError> {
    match gateway.store.reserve(ask).await {
        Ok(store::Outcome::Granted { alternative, standings }) => Ok(Ok((alternative, standings))),
        Ok(store::Outcome::Refused(refused)) => Ok(Err(refused)),
        Err(error) => {
            tracing::error!(%error, "a request was refused");
            Err(limits::no_store())
        }
    }
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

fn uncountable() -> ClientError {
    ClientError::new(
        ErrorKind::InvalidRequest,
        "uncountable_prompt",
        "the tokens of this request cannot be counted: a prompt is needed as a chat of this API has it",
    )
}

fn not_found() -> ClientError {
    ClientError::new(ErrorKind::NotFound, "path_not_found", "this path is not known here")
}
