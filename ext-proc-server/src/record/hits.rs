//! Requests that decide has answered from the cache at once. Envoy does not log them, for decide knows all that there is to write
//! down. They are settled together, as often as Envoy's log would come.

use super::line::Line;
use super::unsettled;
use crate::gateway::Gateway;
use crate::store::{Amounts, Used};
use futures_util::StreamExt as _;
use futures_util::stream;
use std::sync::{Mutex, PoisonError};

/// How many are settled at once: a store elsewhere takes as many in one go.
const TOGETHER: usize = 256;

/// What was answered and not settled yet.
#[derive(Debug, Default)]
pub(crate) struct Hits(Mutex<Vec<Line>>);

impl Hits {
    /// Adds the line of a request whose reservation is what it is charged.
    pub(crate) fn add(&self, line: Line) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Settles and writes down what was answered from the cache since the last time.
pub(crate) async fn settle(gateway: &Gateway) {
    let lines = gateway.hits.take();
    if lines.is_empty() {
        return;
    }
    let settling = stream::iter(lines).map(|line| one(gateway, line)).buffered(TOGETHER);
    gateway.ledger.add(&settling.collect::<Vec<_>>().await);
}

async fn one(gateway: &Gateway, mut line: Line) -> Line {
    let amounts = Amounts { micro_dollars: line.cost_micros, requests: 1, ..Amounts::default() };
    let used = Used { amounts, at_least_reserved: false, provider: String::new() };
    match gateway.store.settle(&line.id, used).await {
        Ok(Some(settled)) => gateway.alerts.moved(&gateway.policy.load_full(), &settled.movements).await,
        // Charged by its expiry.
        Ok(None) => line.cost_micros = 0,
        Err(error) => unsettled(&line.id, &error),
    }
    line
}
