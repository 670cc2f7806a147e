//! record: settles what a request used, and writes it down, however the request ended.

mod entry;
pub mod ledger;
pub mod line;
mod totals;

use crate::gateway::Gateway;
use crate::store::Reservation;
use entry::Entry;
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use line::Line;
use std::time::SystemTime;
use weirgate_contract::handover::CountSource;
use weirgate_dialect::Operation;
use weirgate_dialect::usage::Usage;

/// Takes a batch of Envoy's access log.
pub(crate) fn entries(gateway: &Gateway, message: StreamAccessLogsMessage) {
    let Some(LogEntries::HttpLogs(logs)) = message.log_entries else { return };
    for log in logs.log_entry {
        let entry = Entry::read(log);
        if entry.operation() == Operation::Probe {
            gateway.probe.recorded();
        } else {
            one(gateway, entry);
        }
    }
}

fn one(gateway: &Gateway, entry: Entry) {
    let policy = gateway.policy.load();
    let cluster = policy.cluster(&entry.cluster);
    let mut line = entry.line(&policy, cluster);
    let price = policy.config().prices.get(&line.upstream_model);
    let settled = gateway.store.settle(entry.id(), |reserved| {
        if line.source == CountSource::Reserved {
            // At least what was reserved, and more if more was seen to pass.
            let seen = Usage { input: entry.decision.input_tokens, ..line.usage };
            line.cost_micros = price.map_or(0, |price| price.cost(&seen, "")).max(reserved.request.micros);
            let tokens = seen.total_input().saturating_add(seen.total_output());
            return (tokens.max(reserved.request.tokens), line.cost_micros);
        }
        line.cost_micros = price.map_or(0, |price| price.cost(&line.usage, &line.tier));
        (line.usage.total_input().saturating_add(line.usage.total_output()), line.cost_micros)
    });
    match settled {
        Some(reserved) if line.source == CountSource::Reserved && reserved.request.tokens == 0 => {
            line.source = CountSource::Nothing;
        }
        Some(_) if line.source == CountSource::Reserved => {
            line.usage.input = entry.decision.input_tokens;
            line.usage.output = line.usage.output.max(entry.decision.output_tokens);
        }
        Some(_) => {}
        // Refused before anything was reserved, or settled by its expiry: nothing is left to charge.
        None => line.usage = Usage::default(),
    }
    gateway.ledger.add(line);
}

/// Charges reservations that nobody settled.
pub fn expire(gateway: &Gateway, now: SystemTime) {
    charge_unsettled(gateway, gateway.store.expire(now), now);
}

/// Charges every reservation that is still open when the process ends: nobody will settle it.
pub fn close(gateway: &Gateway, now: SystemTime) {
    charge_unsettled(gateway, gateway.store.close(), now);
}

fn charge_unsettled(gateway: &Gateway, unsettled: Vec<(String, Reservation)>, now: SystemTime) {
    for (id, reservation) in unsettled {
        tracing::warn!(
            id,
            key = reservation.request.key,
            "a reservation expired and was charged as reserved"
        );
        gateway.ledger.add(Line::expired(id, &reservation, now));
    }
}
