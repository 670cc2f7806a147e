//! Tells the client of a plain answer what it has cost. Headers stand before the body that says so, so Envoy holds the answer
//! until it is whole, and sends it here.

use super::headers::find;
use super::reply;
use crate::gateway::Gateway;
use crate::money::dollars;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::{ProcessingRequest, ProcessingResponse};
use weirgate_contract::response_header;
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::Reader;

/// One plain answer.
#[derive(Debug)]
pub(crate) struct Cost {
    dialect: Dialect,
    /// The model that was asked for.
    model: String,
    /// The provider's name of the model that answered.
    served: Option<String>,
}

impl Cost {
    pub(super) fn new(dialect: Dialect, model: &str) -> Self {
        Self { dialect, model: model.to_owned(), served: None }
    }

    /// Answers one message of Envoy.
    pub(super) fn answer(
        &mut self,
        gateway: &Gateway,
        message: ProcessingRequest,
    ) -> Option<ProcessingResponse> {
        match message.request? {
            Request::ResponseHeaders(headers) => {
                let deployment = find(&headers, response_header::DEPLOYMENT);
                let served = deployment.as_deref().and_then(|deployment| deployment.split_once('/'));
                // A star stands for the name that the client gave.
                let name = |model| if model == "*" { self.model.clone() } else { String::from(model) };
                self.served = served.map(|(_, model)| name(model));
                Some(reply::continue_response())
            }
            Request::ResponseBody(body) => {
                let cost = self.cost(gateway, &body.body).map(dollars);
                Some(reply::whole_body(cost.as_deref().map(|cost| (response_header::COST, cost))))
            }
            Request::ResponseTrailers(_) => Some(reply::response_trailers()),
            _ => None,
        }
    }

    /// What the answer has cost, in micro-dollars; `None`: it does not say, or nobody knows the price.
    fn cost(&self, gateway: &Gateway, body: &[u8]) -> Option<u64> {
        let mut reader = Reader::new(self.dialect);
        reader.body(body);
        let usage = reader.usage()?;
        let policy = gateway.policy.load();
        let price = policy.config().prices.find(self.served.as_ref()?);
        Some(price.price()?.cost(&usage, reader.tier().unwrap_or_default()))
    }
}
