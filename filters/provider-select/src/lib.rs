//! The first filter: reads what a request asks for, and lets headers choose a provider or a model.
//!
//! What it promises to everything behind it:
//!
//! * `x-weirgate-*` headers are its own; those of clients are gone.
//! * The client's key is gone too. Its SHA-256 stands in `x-weirgate-key-digest`, so the key cannot be forwarded, logged
//!   or leaked by any later part, also when the service is down.
//! * The model in the body and the one in `x-weirgate-model` are the same.
//! * An answer that the client's SDK could not read (an error page, Envoy's own text) becomes an error in its dialect.
//!
//! In an upstream chain, configured with `upstream`, it only prepares the request for one provider: its path, its name of
//! the model. Configured with `answers`, it translates what a provider of another dialect answers.

mod answer;
mod classify;
mod credentials;
mod envelope;
mod prepare;
mod request;

use envelope::Verdict;
use std::rc::Rc;
use weirgate_contract::filter_config;
use weirgate_dialect::Dialect;
use weirgate_filter_host::{Filter, Flow, Host};

weirgate_filter_host::export_filter!(ProviderSelect);

/// The filter for one request.
#[derive(Debug)]
pub struct ProviderSelect {
    config: Rc<filter_config::ProviderSelect>,
    request: Option<request::Request>,
    envelope: Option<envelope::Envelope>,
    upstream: Upstream,
}

/// What is known of an attempt, in an upstream chain.
#[derive(Debug)]
enum Upstream {
    /// This is the listener's chain.
    Not,
    Prepared(prepare::Prepared),
    Translated(Option<Box<answer::Translation>>),
}

impl Filter for ProviderSelect {
    type Config = filter_config::ProviderSelect;
    type Shared = filter_config::ProviderSelect;

    fn configure(config: Self::Config) -> Result<Self::Shared, String> {
        Ok(config)
    }

    fn new(config: Rc<Self::Shared>) -> Self {
        let upstream = match (&config.upstream, &config.answers) {
            (Some(_), _) => Upstream::Prepared(prepare::Prepared::default()),
            (None, Some(_)) => Upstream::Translated(None),
            (None, None) => Upstream::Not,
        };
        Self { config, request: None, envelope: None, upstream }
    }

    fn on_request_headers(&mut self, host: &dyn Host, end: bool) -> Flow {
        let filter_config::ProviderSelect { upstream, answers, .. } = &*self.config;
        match (&mut self.upstream, upstream, answers) {
            (Upstream::Prepared(prepared), Some(upstream), _) => prepared.headers(host, upstream, end),
            (Upstream::Translated(translation), _, Some(answers)) => {
                *translation = answer::Translation::expect(host, answers).map(Box::new);
                Flow::Continue
            }
            _ => {
                let (request, flow) = request::Request::begin(host, &self.config, end);
                self.request = Some(request);
                flow
            }
        }
    }

    fn on_request_body(&mut self, host: &dyn Host, end: bool) -> Flow {
        match (&mut self.upstream, &self.config.upstream, &mut self.request) {
            (Upstream::Prepared(prepared), Some(upstream), _) => prepared.body(host, upstream, end),
            (_, _, Some(request)) => request.body(host, end),
            _ => Flow::Continue,
        }
    }

    fn on_response_headers(&mut self, host: &dyn Host, end: bool) -> Flow {
        match &mut self.upstream {
            Upstream::Prepared(prepared) => {
                prepared.answer(host);
                return Flow::Continue;
            }
            Upstream::Translated(translation) => {
                return translation
                    .as_mut()
                    .map_or(Flow::Continue, |translation| translation.head(host, end));
            }
            Upstream::Not => {}
        }
        let dialect = self.request.as_ref().map_or(Dialect::OpenAi, request::Request::dialect);
        match envelope::Envelope::judge(host, dialect, end) {
            Verdict::Keep => Flow::Continue,
            Verdict::Replace(envelope) => {
                self.envelope = Some(envelope);
                Flow::Continue
            }
            Verdict::Answered => Flow::Answered,
        }
    }

    fn on_response_body(&mut self, host: &dyn Host, end: bool) -> Flow {
        match (&mut self.upstream, &self.envelope) {
            (Upstream::Translated(Some(translation)), _) => translation.part(host, end),
            (_, Some(envelope)) => envelope.replace(host, end),
            _ => Flow::Continue,
        }
    }

    fn on_end(&mut self, host: &dyn Host) {
        if let Some(request) = &self.request {
            request.end(host);
        }
    }
}
