//! One line of the ledger.

use super::Subject;
use crate::policy::identity::Principal;
use crate::store::Settled;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weirgate_contract::handover::CountSource;
use weirgate_dialect::Operation;
use weirgate_dialect::usage::Usage;

/// What is known of one request after its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When the request came, in milliseconds since 1970.
    pub time_ms: u64,
    /// The id of its reservation; empty if none was made.
    pub id: String,
    /// The `x-request-id`, by which other logs know the request.
    #[serde(default)]
    pub request_id: String,
    /// Whose it is: key, user, team, organisation, end user and tags.
    #[serde(flatten)]
    pub whose: Principal,
    /// The model that the client asked for.
    pub model: String,
    /// The provider of the last attempt; empty without one.
    pub provider: String,
    /// The provider's name of the model.
    pub upstream_model: String,
    /// What was asked for.
    pub operation: Operation,
    /// Whether the answer was to be streamed.
    pub stream: bool,
    /// The status that the client got; 0 if it left before.
    pub status: u16,
    /// Why the request failed or was refused; empty if it did not.
    pub error: String,
    /// Attempts at providers.
    pub attempts: u32,
    /// Tokens.
    #[serde(flatten)]
    pub usage: Usage,
    /// As how many searches the provider bills the call; 0: it bills something else.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub searches: u64,
    /// Who counted them.
    pub source: CountSource,
    /// The provider's service tier; empty for the standard one.
    pub tier: String,
    /// Whether the answer came to its end.
    pub complete: bool,
    /// Of a websocket: bytes that the client has sent, and what frames them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub received_bytes: u64,
    /// Of a websocket: bytes that the client was sent, and what frames them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sent_bytes: u64,
    /// What it cost, in micro-dollars.
    pub cost_micros: u64,
    /// The part of that for attempts that broke off, whose providers may have generated an answer that nobody got.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub broken_attempts_micros: u64,
    /// The cap on generated tokens that the gateway has set, near a limit, for a request without one; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_cap: u64,
    /// By what the cache found the answer: `exact` or `semantic`; empty: a provider gave it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cache: String,
    /// The id of the cached answer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cache_entry: String,
    /// What asking a provider would have cost more, in micro-dollars.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub saved_micros: u64,
    /// What had been reserved for it, in micro-dollars.
    pub reserved_micros: u64,
    /// From the request's first byte to the answer's last, in milliseconds.
    pub latency_ms: f64,
    /// From the request's first byte to the answer's first, in milliseconds.
    pub first_byte_ms: Option<f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Line {
    /// When the request came.
    pub fn time(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.time_ms)
    }

    /// The same line of a request that took so long until it was answered.
    pub(crate) fn taking(self, time: Duration) -> Self {
        let millis = time.as_micros() as f64 / 1_000.0;
        Self { latency_ms: millis, first_byte_ms: Some(millis), ..self }
    }

    /// The line of a reservation that nobody settled.
    pub(super) fn expired(settled: &Settled, now: SystemTime) -> Self {
        let subject = Subject::read(&settled.subject);
        let reserved = &settled.reserved;
        Self {
            id: settled.id.clone(),
            whose: subject.principal,
            model: subject.model,
            error: "reservation_expired".to_owned(),
            usage: Usage { input: reserved.input_tokens, output: reserved.output_tokens, ..Usage::default() },
            source: CountSource::Reserved,
            cost_micros: reserved.micro_dollars,
            reserved_micros: reserved.micro_dollars,
            ..Self::nothing(now)
        }
    }

    /// A line that says nothing but when.
    pub(crate) fn nothing(time: SystemTime) -> Self {
        Self {
            time_ms: time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
            id: String::new(),
            request_id: String::new(),
            whose: Principal::default(),
            model: String::new(),
            provider: String::new(),
            upstream_model: String::new(),
            operation: Operation::Passthrough,
            stream: false,
            status: 0,
            error: String::new(),
            attempts: 0,
            usage: Usage::default(),
            searches: 0,
            source: CountSource::Nothing,
            tier: String::new(),
            complete: false,
            received_bytes: 0,
            sent_bytes: 0,
            cost_micros: 0,
            broken_attempts_micros: 0,
            output_cap: 0,
            cache: String::new(),
            cache_entry: String::new(),
            saved_micros: 0,
            reserved_micros: 0,
            latency_ms: 0.0,
            first_byte_ms: None,
        }
    }
}
