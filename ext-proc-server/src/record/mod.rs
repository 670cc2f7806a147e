//! record: settles what a request used, and writes it down, however the request ended.

mod attempts;
mod entry;
mod hits;
pub mod ledger;
pub mod line;
mod prediction;
pub(crate) mod spend;
mod totals;

use crate::gateway::Gateway;
use crate::handover;
use crate::policy::Policy;
use crate::policy::identity::Principal;
use crate::store::{Amounts, Settled, StoreError, Used, lease};
pub(crate) use attempts::Attempts;
use attempts::Broken;
use entry::Entry;
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use futures_util::future::join_all;
pub(crate) use hits::Hits;
pub(crate) use hits::settle as settle_hits;
use line::Line;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;
use weirgate_contract::handover::CountSource;
use weirgate_dialect::Operation;
use weirgate_dialect::usage::Usage;

/// Whose a reservation is, as the store keeps it for whoever settles it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Subject {
    #[serde(flatten)]
    pub(crate) principal: Principal,
    pub(crate) model: String,
}

impl Subject {
    pub(crate) fn write(&self) -> String {
        // A struct of texts always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}

/// Takes a batch of Envoy's access log. `attempts`: those of its stream.
pub(crate) async fn entries(gateway: &Gateway, attempts: &mut Attempts, message: StreamAccessLogsMessage) {
    let Some(LogEntries::HttpLogs(logs)) = message.log_entries else { return };
    let mut settling = Vec::new();
    for log in logs.log_entry {
        let Some(log) = attempts.sort(log) else { continue };
        // An Envoy that somebody else has configured may log all the same.
        if handover::is_recorded(log.common_properties.as_ref().and_then(|common| common.metadata.as_ref())) {
            continue;
        }
        let entry = Entry::read(log);
        // Its client left before it had the answer from the cache.
        if gateway.recorded.has(entry.id()) {
            continue;
        }
        if entry.operation() == Operation::Probe {
            gateway.probe.recorded();
        } else {
            let broken = attempts.of(entry.request_id());
            settling.push(one(gateway, entry, broken));
        }
    }
    let lines = join_all(settling).await;
    gateway.ledger.add(&lines);
}

/// Settles one request and says what there is to write down.
async fn one(gateway: &Gateway, entry: Entry, broken: Vec<Broken>) -> Line {
    let policy = gateway.policy.load_full();
    let cluster = policy.cluster(&entry.cluster);
    let mut line = entry.line(&policy, cluster);
    let price = policy.config().prices.find(&line.upstream_model);
    let cost = |usage: &Usage, tier: &str, searches: u64| {
        price.price().map_or(0, |price| price.cost(usage, tier).saturating_add(price.more_calls(searches)))
    };
    // Where nobody can know what was generated: at least what was seen to pass.
    let unknown = line.source == CountSource::Reserved;
    if unknown {
        line.usage.input = entry.decision.input_tokens;
    }
    // A stream that broke off has been generated a little further than it was seen.
    if line.stream && !entry.finished() && line.source == CountSource::Counted {
        line.usage.output += entry.underway(&line.usage).min(entry.unseen(&line.usage));
    }
    // Nor does the price of a call itself apply where nothing came of it.
    line.cost_micros = match line.source {
        CountSource::Nothing if !entry.is_connection() => 0,
        _ => cost(&line.usage, if unknown { "" } else { &line.tier }, line.searches),
    };
    if let Some(cached) = &entry.decision.cached {
        line.cost_micros = cached.charge_micros;
    }
    let attempts = of_broken(&policy, &entry, broken);
    line.broken_attempts_micros = attempts.micro_dollars;
    line.cost_micros = line.cost_micros.saturating_add(attempts.micro_dollars);
    let amounts = attempts.plus(Amounts {
        micro_dollars: line.cost_micros - attempts.micro_dollars,
        input_tokens: line.usage.total_input(),
        output_tokens: line.usage.total_output(),
        requests: 1,
    });
    // A provider goes on for a moment after its answer was cut, so that is charged in full too.
    let in_full = unknown || entry.cut;
    if entry.reserved_nothing() {
        line.usage = Usage::default();
        (line.cost_micros, line.broken_attempts_micros) = (0, 0);
        return line;
    }
    let used = Used { amounts, at_least_reserved: in_full, provider: line.provider.clone() };
    match gateway.store.settle(entry.id(), used).await {
        Ok(Some(settled)) => {
            gateway.alerts.moved(&policy, &settled.movements).await;
            line.reserved_micros = settled.reserved.micro_dollars;
            line.whose = Subject::read(&settled.subject).principal;
            if in_full {
                as_reserved(&mut line, &settled);
            }
        }
        // Settled by its expiry, or never reserved: nothing is left to charge.
        Ok(None) => {
            // decide's answer was lost, or it is still to be asked.
            if entry.decision.id.is_empty() && !entry.id().is_empty() {
                gateway.departed.note(entry.id());
            }
            line.usage = Usage::default();
            (line.cost_micros, line.broken_attempts_micros) = (0, 0);
        }
        Err(error) => unsettled(&line.id, &error),
    }
    line
}

/// What attempts may have used that broke off before their provider answered.
fn of_broken(policy: &Policy, entry: &Entry, mut broken: Vec<Broken>) -> Amounts {
    if entry.timed_out() {
        // The last of them is what the request ended with.
        broken.pop();
    }
    let used = broken.iter().map(|attempt| {
        let usage = attempt.usage(entry.decision.input_tokens, entry.decision.output_tokens);
        let model = policy.cluster(&attempt.cluster).and_then(|cluster| cluster.model.as_deref());
        let price = policy.config().prices.find(model.unwrap_or(&entry.decision.model));
        Amounts {
            micro_dollars: price.price().map_or(0, |price| price.cost(&usage, "")),
            input_tokens: usage.input,
            output_tokens: usage.output,
            requests: 0,
        }
    });
    used.fold(Amounts::default(), Amounts::plus)
}

/// Writes what was reserved where nobody can know what was used.
fn as_reserved(line: &mut Line, settled: &Settled) {
    let reserved = &settled.reserved;
    if line.source == CountSource::Reserved && reserved.input_tokens == 0 && reserved.output_tokens == 0 {
        line.source = CountSource::Nothing;
    }
    line.usage.output = line.usage.output.max(reserved.output_tokens);
    line.cost_micros = line.cost_micros.max(reserved.micro_dollars);
}

fn unsettled(id: &str, error: &StoreError) {
    tracing::error!(id, %error, "a request could not be settled; unless the store takes that later, it is charged as reserved");
}

/// Writes down what was charged as reserved.
fn write_unsettled(gateway: &Gateway, charged: &[Settled], now: SystemTime) {
    let mut lines = Vec::new();
    for settled in charged {
        if lease::is_lease(&settled.subject) {
            // Its requests have lines of their own, as far as anybody knows of them.
            let micros = settled.reserved.micro_dollars;
            tracing::warn!(
                id = settled.id,
                micros,
                "a lease of a process that has ended was charged in full"
            );
            continue;
        }
        let line = Line::expired(settled, now);
        tracing::warn!(id = line.id, key = line.whose.key, "a request was charged as reserved");
        lines.push(line);
    }
    gateway.ledger.add(&lines);
}

/// Gives back what this process holds for requests to come, before it ends.
pub async fn close(gateway: &Gateway, now: SystemTime) {
    settle_hits(gateway).await;
    match gateway.store.close().await {
        Ok(charged) => write_unsettled(gateway, &charged, now),
        Err(error) => tracing::error!(%error, "leases could not be given back and will be charged in full"),
    }
}

/// Charges reservations that nobody settled.
pub async fn expire(gateway: &Gateway, now: SystemTime) {
    let expired = match gateway.store.expire().await {
        Ok(expired) => expired,
        Err(error) => return tracing::error!(%error, "expired reservations could not be charged"),
    };
    write_unsettled(gateway, &expired, now);
    let policy = gateway.policy.load_full();
    for settled in &expired {
        gateway.alerts.moved(&policy, &settled.movements).await;
    }
    gateway.alerts.moved(&policy, &gateway.store.late()).await;
}
