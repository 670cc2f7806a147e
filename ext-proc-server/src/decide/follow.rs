//! What decide has to do with the answer of a request. Of most it never sees anything.

use super::headers::find;
use super::meter::Meter;
use super::reply;
use crate::cache::fill::{Fill, Whole};
use crate::gateway::Gateway;
use crate::money::dollars;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::{HttpHeaders, ProcessingRequest, ProcessingResponse};
use weirgate_contract::response_header;
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::Reader;
use weirgate_dialect::usage::Usage;

/// An answer that decide follows.
#[derive(Debug)]
pub(crate) enum Follow {
    /// A stream that may outgrow what was reserved for it, and may be kept if it does not.
    Meter(Box<Meter>, Option<Box<Answer>>),
    /// A stream that is kept.
    Keep(Box<Answer>),
    /// A plain answer that is kept, or whose cost the client is to be told. Headers stand before the body that says what it
    /// costs, so Envoy holds the answer until it is whole.
    Whole(Box<Answer>),
}

/// An answer that passes as it is.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) dialect: Dialect,
    /// The model that was asked for.
    pub(super) model: String,
    /// The provider's name of the model that answered.
    pub(super) served: Option<String>,
    pub(super) fill: Option<Fill>,
    pub(super) tells_cost: bool,
}

impl Follow {
    /// Answers one message of Envoy.
    pub(crate) async fn answer(
        &mut self,
        gateway: &Gateway,
        message: ProcessingRequest,
    ) -> Option<ProcessingResponse> {
        match self {
            Self::Meter(meter, kept) => {
                if let (Some(answer), Some(request)) = (kept.as_mut(), &message.request) {
                    answer.see(gateway, request).await;
                }
                let reply = meter.answer(gateway, message).await;
                if meter.has_ended() {
                    *kept = None;
                }
                reply
            }
            Self::Keep(answer) | Self::Whole(answer) => answer.answer(gateway, &message.request?).await,
        }
    }

    /// Whether nothing more is to be said about this answer.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Meter(meter, _) => meter.has_ended(),
            // What is not kept may as well pass by.
            Self::Keep(answer) => answer.fill.as_ref().is_none_or(Fill::is_refused),
            Self::Whole(_) => false,
        }
    }
}

impl Answer {
    async fn answer(&mut self, gateway: &Gateway, request: &Request) -> Option<ProcessingResponse> {
        let cost = self.see(gateway, request).await.filter(|_| self.tells_cost).map(dollars);
        match request {
            Request::ResponseHeaders(_) => Some(reply::continue_response()),
            Request::ResponseBody(_) => {
                Some(reply::pass_body(cost.as_deref().map(|cost| (response_header::COST, cost))))
            }
            Request::ResponseTrailers(_) => Some(reply::response_trailers()),
            _ => None,
        }
    }

    /// Takes a part of the answer; at its end, what it has cost in micro-dollars, as far as anybody knows.
    async fn see(&mut self, gateway: &Gateway, request: &Request) -> Option<u64> {
        match request {
            Request::ResponseHeaders(headers) => self.headers(headers),
            Request::ResponseBody(body) => {
                if let Some(fill) = &mut self.fill {
                    fill.body(&body.body);
                }
                if body.end_of_stream {
                    return self.end(gateway, &body.body).await;
                }
            }
            _ => {}
        }
        None
    }

    fn headers(&mut self, headers: &HttpHeaders) {
        let deployment = find(headers, response_header::DEPLOYMENT);
        let served = deployment.as_deref().and_then(|deployment| deployment.split_once('/'));
        // A star stands for the name that the client gave.
        let name = |model| if model == "*" { self.model.clone() } else { String::from(model) };
        self.served = served.map(|(_, model)| name(model));
        if let Some(fill) = &mut self.fill {
            let (status, kind) = (find(headers, ":status"), find(headers, "content-type"));
            fill.headers(&status.unwrap_or_default(), &kind.unwrap_or_default());
        }
    }

    /// The answer has come to its end, and has cost so much, as far as anybody knows. `last`: its last part, which is all of it
    /// where its cost is to be told.
    async fn end(&mut self, gateway: &Gateway, last: &[u8]) -> Option<u64> {
        let whole = self.fill.as_mut().and_then(Fill::end);
        if let (Some(fill), Some(whole), Some(cache)) = (&mut self.fill, whole, &gateway.cache) {
            let Whole { usage, tier, .. } = &whole;
            let served = self.served.as_deref().zip(usage.as_ref());
            let cost = served.and_then(|(served, usage)| cost(gateway, served, usage, tier, 0));
            fill.keep(cache, whole, cost.unwrap_or(0)).await;
            return cost;
        }
        if !self.tells_cost {
            return None;
        }
        let mut reader = Reader::new(self.dialect);
        reader.body(last);
        let tier = reader.tier().unwrap_or_default();
        cost(gateway, self.served.as_deref()?, &reader.usage()?, tier, reader.searches())
    }
}

/// What this usage costs, in micro-dollars; `None`: nobody knows the price.
fn cost(gateway: &Gateway, served: &str, usage: &Usage, tier: &str, searches: u64) -> Option<u64> {
    let policy = gateway.policy.load();
    let found = policy.config().prices.find(served);
    let price = found.price()?;
    Some(price.cost(usage, tier).saturating_add(price.more_calls(searches)))
}
