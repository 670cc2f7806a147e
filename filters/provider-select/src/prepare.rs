//! Prepares a request for one provider that speaks the client's dialect.
//!
//! An earlier attempt at another provider may have left its own path and length in the headers, so both are set anew.

use weirgate_contract::filter_config::{Upstream, provider_path};
use weirgate_contract::handover::{Decision, RequestHead};
use weirgate_contract::{filter_state, metadata, response_header};
use weirgate_dialect::{Dialect, Operation, endpoint, form, head, rerank, translate};
use weirgate_filter_host::{Flow, Host, edit_request};

/// What is known of one attempt.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// The headers wait for the body, which may have to be changed. Without that neither can be touched once the headers have gone.
    holds: bool,
    /// Fields that were left out, for the provider does not take them.
    dropped: Vec<&'static str>,
}

impl Prepared {
    /// Sets the path; keeps the headers until the body is here if the model must be replaced.
    pub(crate) fn headers(&mut self, host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
        let operation = request(host).map(|request| request.operation);
        let is_websocket = operation == Some(Operation::Realtime);
        let endpoint = host.property(&[filter_state::ENDPOINT]);
        if let Some(mut endpoint) = endpoint.and_then(|bytes| String::from_utf8(bytes).ok()) {
            if let Some(model) = &upstream.model {
                let renamed = match is_websocket {
                    true => endpoint::with_model_in_query(&endpoint, model),
                    false => endpoint::with_model(&endpoint, model),
                };
                endpoint = renamed.unwrap_or(endpoint);
            }
            host.set_request_header(":path", Some(&provider_path(&upstream.base_path, &endpoint)));
        }
        // What a chat has from another vendor must not reach this one.
        let is_chat = operation.is_some_and(|operation| operation.dialect().is_some());
        let changes = upstream.model.is_some() || operation == Some(Operation::Rerank) || is_chat;
        self.holds = !end && !is_websocket && (changes || cap(host).is_some());
        if self.holds { Flow::Hold } else { Flow::Continue }
    }

    /// Puts the provider's name of the model in place of the one the client used, and the cap where there is none. A body without a
    /// model, or one that is no JSON, stays as it is.
    pub(crate) fn body(&mut self, host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
        if !self.holds {
            return Flow::Continue;
        }
        if !end {
            return Flow::Hold;
        }
        let mut body = host.request_body();
        let mut changed = false;
        let request = request(host);
        let dialect = request.as_ref().map(|request| request.dialect);
        if request.is_some_and(|request| request.operation == Operation::Rerank)
            && let Some(adapted) = rerank::adapt(&body, upstream.cohere)
        {
            (body, changed, self.dropped) = (adapted.body, true, adapted.dropped);
        }
        if let Some(dialect) = dialect
            && let Some(own) = translate::without_marked(dialect, &body)
        {
            (body, changed) = (own, true);
        }
        let field = upstream.cap_field.as_deref();
        if let (Some(tokens), Some(dialect)) = (cap(host), dialect)
            && let Some(capped) = head::cap_output(dialect, &body, field, tokens)
        {
            (body, changed) = (capped, true);
        }
        let content_type = host.request_header("content-type").unwrap_or_default();
        let renamed = upstream.model.as_ref().and_then(|model| {
            if dialect == Some(Dialect::Gemini) {
                return Some(head::rename_in_gemini(&body, model)).filter(|edits| !edits.is_empty());
            }
            // Its path and query were looked at before; what is called a form may also be JSON.
            if let Some(form) =
                form::boundary("", &content_type).and_then(|boundary| form::read(boundary, &body))
            {
                return (form.model != *model).then(|| vec![form.set_model(model)]);
            }
            let head = head::read(Operation::Passthrough, &body).ok()?;
            head.model.as_ref().filter(|current| *current != model)?;
            Some(vec![head.set_model(model)])
        });
        match renamed {
            Some(edits) => edit_request(host, &body, edits),
            None => {
                if changed {
                    host.set_request_body(&body);
                }
                host.set_request_header("content-length", Some(&body.len().to_string()));
            }
        }
        Flow::Continue
    }

    /// Tells the client which fields were left out.
    pub(crate) fn answer(&self, host: &dyn Host) {
        if !self.dropped.is_empty() {
            host.set_response_header(response_header::DROPPED, Some(&self.dropped.join(",")));
        }
    }
}

/// The cap that decide asks for. It does not stand in a header: an attempt before this one would have removed that.
fn cap(host: &dyn Host) -> Option<u64> {
    let path = ["metadata", "filter_metadata", metadata::NAMESPACE, metadata::DECISION];
    let decision: Decision = serde_json::from_slice(&host.property(&path)?).ok()?;
    decision.output_cap
}

/// What was read of the request, for the same reason from where `provider-select` left it.
fn request(host: &dyn Host) -> Option<RequestHead> {
    serde_json::from_slice(&host.property(&[filter_state::REQUEST])?).ok()
}
