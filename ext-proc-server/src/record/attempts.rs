//! Attempts that broke off before their provider answered. It may have generated an answer that nobody got, and bill it.
//!
//! Envoy tells of them on the same stream as of whole requests, and before: so what is known here need not outlive that stream.

use envoy_types::pb::envoy::data::accesslog::v3::{AccessLogType, HttpAccessLogEntry};
use envoy_types::pb::google::protobuf::Duration as ProtoDuration;
use std::collections::VecDeque;
use std::time::Duration;
use weirgate_dialect::usage::Usage;

/// How many are kept whose request has not ended. More are forgotten, the oldest first.
const KEPT: usize = 4_096;
/// Nothing is generated in so short a time: the connection was closed, or another was used in its place.
const NOTHING: Duration = Duration::from_millis(100);
/// Few models generate faster, in tokens a second.
const FASTEST: u64 = 500;

/// Attempts of requests that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    broken: VecDeque<(String, Broken)>,
}

/// An attempt that broke off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The cluster.
    pub(super) cluster: String,
    lasted: Duration,
}

impl Broken {
    /// What may have been generated, if so much was sent and reserved.
    pub(super) fn usage(&self, input_tokens: u64, output_tokens: u64) -> Usage {
        if self.lasted < NOTHING {
            return Usage::default();
        }
        let millis = u64::try_from(self.lasted.as_millis()).unwrap_or(u64::MAX);
        let generated = millis.saturating_mul(FASTEST).div_ceil(1_000);
        Usage { input: input_tokens, output: generated.min(output_tokens), ..Usage::default() }
    }
}

impl Attempts {
    /// Takes note of an entry if it is of an attempt, and gives it back if it is of a request.
    pub(super) fn sort(&mut self, log: HttpAccessLogEntry) -> Option<HttpAccessLogEntry> {
        let common = log.common_properties.as_ref()?;
        if common.access_log_type() != AccessLogType::UpstreamEnd {
            return Some(log);
        }
        let sent = common.time_to_first_upstream_tx_byte.is_some();
        // Of an answer that a filter held there is no status.
        let has_status = log
            .response
            .as_ref()
            .and_then(|response| response.response_code)
            .is_some_and(|code| code.value > 0);
        let answered = has_status && common.time_to_first_upstream_rx_byte.is_some();
        if sent && !answered {
            if self.broken.len() >= KEPT {
                self.broken.pop_front();
            }
            let broken = Broken {
                cluster: common.upstream_cluster.clone(),
                lasted: common.duration.as_ref().map(duration).unwrap_or_default(),
            };
            let id = log.request.map(|request| request.request_id).unwrap_or_default();
            self.broken.push_back((id, broken));
        }
        None
    }

    /// The attempts of a request that has ended, in their order.
    pub(super) fn of(&mut self, request_id: &str) -> Vec<Broken> {
        let mut found = Vec::new();
        if self.broken.is_empty() {
            return found;
        }
        self.broken.retain(|(id, broken)| {
            let of_it = id == request_id;
            if of_it {
                found.push(broken.clone());
            }
            !of_it
        });
        found
    }
}

/// A duration of Envoy's.
pub(super) fn duration(duration: &ProtoDuration) -> Duration {
    let seconds = u64::try_from(duration.seconds).unwrap_or(0);
    Duration::new(seconds, u32::try_from(duration.nanos).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::data::accesslog::v3::{
        AccessLogCommon, HttpRequestProperties, HttpResponseProperties,
    };
    use envoy_types::pb::google::protobuf::UInt32Value;

    fn entry(kind: AccessLogType, id: &str, answered: bool) -> HttpAccessLogEntry {
        let some = Some(ProtoDuration { seconds: 2, nanos: 0 });
        HttpAccessLogEntry {
            common_properties: Some(AccessLogCommon {
                access_log_type: kind.into(),
                upstream_cluster: format!("cluster of {id}"),
                duration: some,
                time_to_first_upstream_tx_byte: some,
                time_to_first_upstream_rx_byte: some.filter(|_| answered),
                ..AccessLogCommon::default()
            }),
            request: Some(HttpRequestProperties { request_id: id.to_owned(), ..Default::default() }),
            response: Some(HttpResponseProperties {
                response_code: answered.then_some(UInt32Value { value: 200 }),
                ..Default::default()
            }),
            ..HttpAccessLogEntry::default()
        }
    }

    #[test]
    fn attempts_are_kept_until_their_request_ends() {
        let mut attempts = Attempts::default();
        assert!(attempts.sort(entry(AccessLogType::UpstreamEnd, "a", false)).is_none());
        assert!(attempts.sort(entry(AccessLogType::UpstreamEnd, "b", true)).is_none());
        assert!(attempts.sort(entry(AccessLogType::DownstreamEnd, "a", true)).is_some());
        assert_eq!(attempts.of("b"), []);
        let found = attempts.of("a");
        assert_eq!(found.iter().map(|broken| broken.cluster.as_str()).collect::<Vec<_>>(), ["cluster of a"]);
        assert_eq!(attempts.of("a"), []);
    }

    #[test]
    fn what_may_have_been_generated_grows_with_time_up_to_what_was_reserved() {
        let after = |millis| {
            let broken = Broken { cluster: String::new(), lasted: Duration::from_millis(millis) };
            let usage = broken.usage(9, 1_000);
            (usage.input, usage.output)
        };
        assert_eq!(
            (after(99), after(100), after(1_000), after(60_000)),
            ((0, 0), (9, 50), (9, 500), (9, 1_000))
        );
    }

    #[test]
    fn requests_that_never_end_fill_no_memory() {
        let mut attempts = Attempts::default();
        for number in 0..=KEPT {
            attempts.sort(entry(AccessLogType::UpstreamEnd, &number.to_string(), false));
        }
        assert_eq!(attempts.broken.len(), KEPT);
        assert_eq!(attempts.of("0"), []);
    }
}
