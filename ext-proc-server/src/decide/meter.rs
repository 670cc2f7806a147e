//! Follows one stream whose reservation is smaller than what it may generate: takes more as it goes, and ends it where no more
//! can be taken.
//!
//! Only such streams are sent here by Envoy; all others pass it without a message.

use super::headers::find;
use super::{limits, reply};
use crate::gateway::Gateway;
use crate::policy::plan::{Plan, Slice};
use crate::store::{Amounts, Claim, Extended};
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::{HttpHeaders, ProcessingRequest, ProcessingResponse};
use std::cmp::Ordering;
use std::time::{Duration, Instant};
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::{Reader, Text};
use weirgate_dialect::cut::Cut;
use weirgate_dialect::framing::{self, EVENT_BYTES, Framer};
use weirgate_dialect::translate::failure_event;
use weirgate_tokens::family::{Counting, counting};

/// What a token takes in most texts, rather too little.
const ESTIMATED_BYTES_A_TOKEN: usize = 3;
/// More is taken when this part of what was taken is left, so that a stream need not wait.
const LEFT: u64 = 4;
/// A provider goes on for so long after what was seen of it last, until it hears that it is to stop.
const LAG: Duration = Duration::from_millis(300);
/// Few tokens have less bytes; text that is not yet counted has at most so many tokens.
const BYTES_A_TOKEN: u64 = 2;
/// The last slices that are tried before a stream is ended are this many times smaller.
const SMALLER: [u64; 3] = [1, 4, 16];

/// One stream.
#[derive(Debug)]
pub(crate) struct Meter {
    id: String,
    dialect: Dialect,
    slice: Slice,
    /// What was taken at first, for how its counters stand.
    claims: Vec<Claim>,
    input_tokens: u64,
    /// Tokens of output that are reserved.
    granted: u64,
    counting: Counting,
    framer: Framer,
    reader: Reader,
    cut: Cut,
    /// Bytes of output and of reasoning that are counted, and the tokens in them.
    counted_bytes: (usize, usize),
    tokens: u64,
    /// Bytes that were not kept and are estimated.
    beyond: u64,
    /// Whether they were counted, not estimated.
    exact: bool,
    /// When the first tokens came.
    begun: Option<Instant>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is followed.
    Followed,
    /// No more can be taken.
    Refused,
    /// It is no stream of events, or has ended.
    Unfollowed,
    /// It was ended here.
    Ended,
}

/// What of a stream may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// This event and others.
    Some,
    /// This event and no other.
    JustThis,
    /// Not even this event.
    None,
}

impl Meter {
    /// For a request that was planned so.
    pub(super) fn new(id: &str, dialect: Dialect, input_tokens: u64, plan: &Plan<'_>) -> Option<Self> {
        let slice = plan.slice?;
        let served = plan
            .order
            .first()
            .and_then(|cluster| cluster.split_once('/'))
            .map_or(plan.model.as_str(), |(_, model)| model);
        let counting = counting(served);
        if !counting.encoding.is_preloaded() {
            // No stream waits for the table; until it is there, tokens are estimated.
            tokio::task::spawn_blocking(move || counting.encoding.preload());
        }
        Some(Self {
            id: id.to_owned(),
            dialect,
            slice,
            claims: plan.claims.iter().map(|ruled| ruled.claim.clone()).collect(),
            input_tokens,
            granted: plan.amounts.output_tokens,
            counting,
            framer: Framer::new(dialect, EVENT_BYTES),
            reader: Reader::new(dialect),
            cut: Cut::new(dialect),
            counted_bytes: (0, 0),
            tokens: 0,
            beyond: 0,
            exact: counting.encoding.is_preloaded(),
            begun: None,
            state: State::Followed,
        })
    }

    /// Answers one message of Envoy.
    pub(crate) async fn answer(
        &mut self,
        gateway: &Gateway,
        message: ProcessingRequest,
    ) -> Option<ProcessingResponse> {
        match message.request? {
            Request::ResponseHeaders(headers) => {
                self.headers(&headers);
                Some(reply::continue_response())
            }
            Request::ResponseBody(body) => {
                let out = self.body(gateway, body.body, body.end_of_stream).await;
                let ended = self.state == State::Ended;
                Some(reply::stream(out, body.end_of_stream || ended, ended))
            }
            Request::ResponseTrailers(_) => Some(reply::response_trailers()),
            _ => None,
        }
    }

    /// Whether nothing more is to be said about this stream.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    fn headers(&mut self, headers: &HttpHeaders) {
        let kind = find(headers, "content-type").unwrap_or_default();
        if !framing::is_stream(&kind.to_ascii_lowercase()) {
            self.state = State::Unfollowed;
        }
    }

    /// What of the stream may pass. An event passes when it is whole, so that the stream can be ended behind any of them.
    async fn body(&mut self, gateway: &Gateway, chunk: Vec<u8>, end: bool) -> Vec<u8> {
        match self.state {
            State::Unfollowed => return chunk,
            State::Ended => return Vec::new(),
            State::Followed | State::Refused => {}
        }
        let held = self.framer.pending().to_vec();
        let mut events: Vec<Vec<u8>> = Vec::new();
        if self.framer.push(&chunk, |raw| events.push(raw.to_vec())).is_err() {
            // Nobody could count the rest.
            self.state = State::Ended;
            let mut out = events.concat();
            out.extend_from_slice(&failure_event(self.dialect, &limits::reached()));
            return out;
        }
        if end {
            events.push(self.framer.finish());
        }
        let mut out = Vec::with_capacity(chunk.len() + held.len());
        for event in events {
            self.reader.event(&event);
            let room = self.room(gateway).await;
            if room != Room::None {
                self.cut.event(&event);
                out.extend_from_slice(&event);
            }
            if room == Room::Some {
                continue;
            }
            if self.cut.has_ended() {
                continue;
            }
            let ending = self.cut.end(self.input_tokens, self.tokens.min(self.granted));
            // What has not begun as a stream of the dialect cannot end as one.
            out.extend_from_slice(&ending.unwrap_or_else(|| failure_event(self.dialect, &limits::reached())));
            self.state = State::Ended;
            break;
        }
        out
    }

    /// Whether the stream may go on, for which more is taken if little is left.
    async fn room(&mut self, gateway: &Gateway) -> Room {
        let bytes = |text: &str, counted: usize| (text.len() - counted) as u64;
        let uncounted = bytes(self.reader.output.kept(), self.counted_bytes.0)
            + bytes(self.reader.reasoning.kept(), self.counted_bytes.1)
            + self.unkept().saturating_sub(self.beyond);
        if self.begun.is_none() && uncounted > 0 {
            self.begun = Some(Instant::now());
        }
        let most = self.tokens + uncounted / BYTES_A_TOKEN;
        let left = |seen: u64| self.granted.saturating_sub(seen + self.underway(seen));
        let enough = (self.granted / LEFT).min(self.slice.tokens / LEFT);
        if left(most) > enough {
            return Room::Some;
        }
        self.count();
        if self.granted.saturating_sub(self.tokens + self.underway(self.tokens)) > enough {
            return Room::Some;
        }
        if self.state == State::Followed {
            self.take_more(gateway).await;
        }
        let end = self.granted.saturating_sub(self.underway(self.tokens));
        match self.tokens.cmp(&end) {
            Ordering::Less => Room::Some,
            Ordering::Equal => Room::JustThis,
            // What is beyond what was taken has come all the same; what is only near it may pass.
            Ordering::Greater if self.tokens > self.granted => Room::None,
            Ordering::Greater => Room::JustThis,
        }
    }

    /// How many tokens may be on their way when so many were seen, by how quickly they have come. Not more than half of what was
    /// taken: a stream is not ended before it has begun.
    fn underway(&self, seen: u64) -> u64 {
        let elapsed = self.begun.map_or(Duration::ZERO, |begun| begun.elapsed()).max(LAG);
        let share = u128::from(seen) * LAG.as_micros() / elapsed.as_micros().max(1);
        u64::try_from(share).unwrap_or(u64::MAX).min(self.granted / 2)
    }

    /// Counts what has not been counted. A token that two parts share is counted twice, so this is never too little.
    fn count(&mut self) {
        let exact = self.counting.encoding.is_preloaded();
        if exact && !self.exact {
            // From the beginning, in place of what was estimated.
            (self.exact, self.tokens, self.counted_bytes) = (true, 0, (0, 0));
        }
        let (output, reasoning) = (self.reader.output.kept(), self.reader.reasoning.kept());
        let tokens = |text: &str| match exact {
            true => self.counting.count(text),
            false => self.counting.scale(text.len().div_ceil(ESTIMATED_BYTES_A_TOKEN)),
        };
        let tail = |text: &str, counted: usize| text.get(counted..).map_or(0, tokens);
        self.tokens += tail(output, self.counted_bytes.0) + tail(reasoning, self.counted_bytes.1);
        self.counted_bytes = (output.len(), reasoning.len());
        let beyond = self.unkept();
        self.tokens += beyond.saturating_sub(self.beyond) / ESTIMATED_BYTES_A_TOKEN as u64;
        self.beyond = self.beyond.max(beyond);
    }

    /// Bytes of text that were too many to be kept.
    fn unkept(&self) -> u64 {
        let unkept = |text: &Text| text.bytes().saturating_sub(text.kept().len() as u64);
        unkept(&self.reader.output) + unkept(&self.reader.reasoning)
    }

    async fn take_more(&mut self, gateway: &Gateway) {
        let mut in_the_way = None;
        for smaller in SMALLER {
            let tokens = (self.slice.tokens / smaller).max(1);
            let micro_dollars = self.slice.micro_dollars.div_ceil(smaller);
            let more = Amounts { output_tokens: tokens, micro_dollars, ..Amounts::default() };
            match gateway.store.extend(&self.id, more).await {
                Ok(Some(Extended::Granted)) => {
                    self.granted += tokens;
                    return;
                }
                Ok(Some(Extended::Refused { counter, .. })) => in_the_way = Some(counter),
                // Without a reservation nothing more can be taken: what passes from here on nobody would count.
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(id = self.id, %error, "a stream is ended at what was reserved for it");
                    break;
                }
            }
        }
        self.state = State::Refused;
        if let Some(counter) = in_the_way {
            self.tell_owner(gateway, &counter).await;
        }
    }

    /// Tells that a limit ends this stream.
    async fn tell_owner(&self, gateway: &Gateway, counter: &str) {
        let policy = gateway.policy.load_full();
        let claim = self.claims.iter().find(|claim| claim.counter == counter);
        let (Some(claim), Some(rule)) = (claim, policy.rules().of_counter(counter)) else { return };
        if let Ok(standings) = gateway.store.standings(std::slice::from_ref(claim)).await
            && let [standing] = standings.as_slice()
        {
            gateway.alerts.refused(&policy, rule, counter, standing);
        }
    }
}
