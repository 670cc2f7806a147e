//! record: settles what a request used, and writes it down, however the request ended.

mod entry;
pub mod ledger;
pub mod line;
mod prediction;
pub(crate) mod spend;
mod totals;

use crate::gateway::Gateway;
use crate::policy::identity::Principal;
use crate::store::{Amounts, Settled, StoreError, Used};
use entry::Entry;
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use futures_util::future::join_all;
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

/// Takes a batch of Envoy's access log.
pub(crate) async fn entries(gateway: &Gateway, message: StreamAccessLogsMessage) {
    let Some(LogEntries::HttpLogs(logs)) = message.log_entries else { return };
    let mut settling = Vec::new();
    for log in logs.log_entry {
        let entry = Entry::read(log);
        if entry.operation() == Operation::Probe {
            gateway.probe.recorded();
        } else {
            settling.push(one(gateway, entry));
        }
    }
    let lines = join_all(settling).await;
    gateway.ledger.add(&lines);
}

/// Settles one request and says what there is to write down.
async fn one(gateway: &Gateway, entry: Entry) -> Line {
    let policy = gateway.policy.load_full();
    let cluster = policy.cluster(&entry.cluster);
    let mut line = entry.line(&policy, cluster);
    let price = policy.config().prices.find(&line.upstream_model);
    let cost = |usage: &Usage, tier: &str| price.price().map_or(0, |price| price.cost(usage, tier));
    // Where nobody can know what was generated: at least what was seen to pass.
    let unknown = line.source == CountSource::Reserved;
    if unknown {
        line.usage.input = entry.decision.input_tokens;
    }
    // A stream that broke off has been generated a little further than it was seen.
    if line.stream && !line.complete && line.source == CountSource::Counted {
        line.usage.output += entry.underway(&line.usage).min(entry.unseen(&line.usage));
    }
    line.cost_micros = cost(&line.usage, if unknown { "" } else { &line.tier });
    let amounts = Amounts {
        micro_dollars: line.cost_micros,
        input_tokens: line.usage.total_input(),
        output_tokens: line.usage.total_output(),
        requests: 1,
    };
    // A provider goes on for a moment after its answer was cut, so that is charged in full too.
    let in_full = unknown || entry.cut;
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
        // Refused before anything was reserved, or settled by its expiry: nothing is left to charge.
        Ok(None) => {
            // decide's answer was lost, or it is still to be asked.
            if entry.decision.id.is_empty() && !entry.id().is_empty() {
                gateway.departed.note(entry.id());
            }
            line.usage = Usage::default();
            line.cost_micros = 0;
        }
        Err(error) => unsettled(&line.id, &error),
    }
    line
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
    tracing::error!(id, %error, "a request could not be settled; it will be charged as reserved");
}

/// Charges reservations that nobody settled.
pub async fn expire(gateway: &Gateway, now: SystemTime) {
    let expired = match gateway.store.expire().await {
        Ok(expired) => expired,
        Err(error) => return tracing::error!(%error, "expired reservations could not be charged"),
    };
    let lines: Vec<Line> = expired.iter().map(|settled| Line::expired(settled, now)).collect();
    for line in &lines {
        tracing::warn!(
            id = line.id,
            key = line.whose.key,
            "a reservation expired and was charged as reserved"
        );
    }
    gateway.ledger.add(&lines);
    let policy = gateway.policy.load_full();
    for settled in &expired {
        gateway.alerts.moved(&policy, &settled.movements).await;
    }
    gateway.alerts.moved(&policy, &gateway.store.late()).await;
}
