//! One entry of Envoy's access log, as record reads it.

use super::line::Line;
use crate::envoy::clusters::Cluster;
use crate::handover;
use crate::policy::Policy;
use crate::policy::identity::Principal;
use envoy_types::pb::envoy::data::accesslog::v3::{AccessLogCommon, HttpAccessLogEntry, ResponseFlags};
use envoy_types::pb::google::protobuf::{Duration as ProtoDuration, Timestamp};
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weirgate_contract::filter_state;
use weirgate_contract::handover::{CountSource, Counted, Decision, RequestHead};
use weirgate_dialect::Operation;
use weirgate_dialect::usage::Usage;

/// A provider goes on for so long after its client has left, until it hears of it.
const LAG: Duration = Duration::from_secs(1);
/// What it generates in that time at least.
const LEAST_UNDERWAY: u64 = 8;

/// What an entry says.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) decision: Decision,
    /// decide ended the answer because no more could be reserved for it.
    pub(super) cut: bool,
    /// The cluster of the last attempt; empty without one.
    pub(super) cluster: String,
    head: Option<RequestHead>,
    counted: Option<Counted>,
    status: u16,
    details: String,
    attempts: u32,
    start: SystemTime,
    duration: Duration,
    first_byte: Option<Duration>,
    client_left: bool,
    request_id: String,
}

impl Entry {
    pub(super) fn read(log: HttpAccessLogEntry) -> Self {
        let common = log.common_properties.unwrap_or_default();
        let response = log.response.unwrap_or_default();
        let flags = common.response_flags.unwrap_or_default();
        Self {
            decision: handover::decision(common.metadata.as_ref()).unwrap_or_default(),
            cut: handover::was_cut(common.metadata.as_ref()),
            head: tag(&common, filter_state::REQUEST),
            counted: tag(&common, filter_state::USAGE),
            status: response.response_code.and_then(|code| u16::try_from(code.value).ok()).unwrap_or(0),
            details: response.response_code_details,
            attempts: common.upstream_request_attempt_count,
            start: common.start_time.as_ref().map_or_else(SystemTime::now, time),
            duration: common
                .time_to_last_downstream_tx_byte
                .as_ref()
                .or(common.duration.as_ref())
                .map(duration)
                .unwrap_or_default(),
            first_byte: common.time_to_first_downstream_tx_byte.as_ref().map(duration),
            client_left: left(&flags),
            request_id: log.request.map(|request| request.request_id).unwrap_or_default(),
            cluster: common.upstream_cluster,
        }
    }

    /// The id of the request, known also where decide's answer was lost.
    pub(super) fn id(&self) -> &str {
        match &self.head {
            Some(head) if self.decision.id.is_empty() => &head.id,
            _ => &self.decision.id,
        }
    }

    pub(super) fn operation(&self) -> Operation {
        self.head.as_ref().map_or(Operation::Passthrough, |head| head.operation)
    }

    /// How many tokens a provider may have generated after those that were seen, by how quickly they came.
    pub(super) fn underway(&self, seen: &Usage) -> u64 {
        let streamed = self.duration.saturating_sub(self.first_byte.unwrap_or_default());
        let elapsed = streamed.max(LAG).as_micros();
        let share = u128::from(seen.total_output()) * LAG.as_micros() / elapsed;
        u64::try_from(share).unwrap_or(u64::MAX).max(LEAST_UNDERWAY)
    }

    /// How many tokens were reserved and not seen.
    pub(super) fn unseen(&self, seen: &Usage) -> u64 {
        self.decision.output_tokens.saturating_sub(seen.total_output())
    }

    /// The line of the ledger, but for the cost.
    pub(super) fn line(&self, policy: &Policy, cluster: Option<&Cluster>) -> Line {
        let head = self.head.as_ref();
        let counted = self.counted();
        let model = head.map(|head| head.model.as_str()).filter(|model| !model.is_empty());
        let model = model.unwrap_or(&self.decision.model).to_owned();
        let upstream_model =
            cluster.and_then(|cluster| cluster.model.clone()).unwrap_or_else(|| model.clone());
        // Requests that a filter refused never reached decide, which knows whose they are.
        let digest = head.and_then(|head| crate::config::hex_digest(&head.key_digest));
        let whose = digest.and_then(|digest| policy.principal(&digest)).cloned().unwrap_or_default();
        let mut whose = match &self.decision.key {
            key if *key == whose.key || key.is_empty() => whose,
            key => Principal { key: key.clone(), ..Principal::default() },
        };
        if !self.decision.refused.is_empty() {
            whose.end_user.clone_from(&self.decision.end_user);
            whose.tags.clone_from(&self.decision.tags);
        }
        let refused = [head.map(|head| head.refused.as_str()), Some(self.decision.refused.as_str())];
        let error = refused.into_iter().flatten().find(|code| !code.is_empty()).map(str::to_owned);
        let error = error.or_else(|| self.cut.then(|| "limit_reached".to_owned()));
        let error = error.or_else(|| self.client_left.then(|| "client_left".to_owned()));
        let failed = || match self.details.as_str() {
            "" => format!("status_{}", self.status),
            details => details.to_owned(),
        };
        let error = error.or_else(|| (self.status >= 400).then(failed));
        Line {
            time_ms: self.start.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64,
            id: self.id().to_owned(),
            request_id: self.request_id.clone(),
            whose,
            model,
            provider: cluster.map(|cluster| cluster.provider.clone()).unwrap_or_default(),
            upstream_model,
            operation: self.operation(),
            stream: head.is_some_and(|head| head.stream),
            status: self.status,
            error: error.unwrap_or_default(),
            attempts: self.attempts,
            usage: counted.usage,
            source: counted.source,
            tier: counted.tier,
            complete: counted.complete,
            cost_micros: 0,
            reserved_micros: self.decision.reserved_micros,
            latency_ms: millis(self.duration),
            first_byte_ms: self.first_byte.map(millis),
        }
    }

    /// What is to be charged. Where the filter could not say, what may have been generated was.
    fn counted(&self) -> Counted {
        let nothing = Counted::default();
        let reached_a_provider = self.attempts > 0 && self.decision.refused.is_empty();
        match &self.counted {
            _ if !reached_a_provider => nothing,
            // The client left before the answer began, or the filter failed.
            Some(counted) if counted.source == CountSource::Reserved && self.status >= 400 => nothing,
            Some(counted) => counted.clone(),
            None if self.status < 400 => Counted { source: CountSource::Reserved, ..nothing },
            None => nothing,
        }
    }
}

fn tag<T: DeserializeOwned>(common: &AccessLogCommon, name: &str) -> Option<T> {
    serde_json::from_str(common.custom_tags.get(name)?).ok()
}

fn left(flags: &ResponseFlags) -> bool {
    flags.downstream_connection_termination || flags.downstream_remote_reset
}

fn duration(duration: &ProtoDuration) -> Duration {
    let seconds = u64::try_from(duration.seconds).unwrap_or(0);
    Duration::new(seconds, u32::try_from(duration.nanos).unwrap_or(0))
}

fn time(timestamp: &Timestamp) -> SystemTime {
    let seconds = u64::try_from(timestamp.seconds).unwrap_or(0);
    UNIX_EPOCH + Duration::new(seconds, u32::try_from(timestamp.nanos).unwrap_or(0))
}

/// Milliseconds with microseconds behind the point.
fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}
