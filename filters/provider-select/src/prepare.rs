//! Prepares a request for one provider that speaks the client's dialect.
//!
//! An earlier attempt at another provider may have left its own path and length in the headers, so both are set anew.

use weirgate_contract::filter_config::Upstream;
use weirgate_contract::filter_state;
use weirgate_dialect::{Operation, head};
use weirgate_filter_host::{Flow, Host, edit_request};

/// Sets the path; keeps the headers until the body is here if the model must be replaced.
pub(crate) fn headers(host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
    let endpoint = host.property(&[filter_state::ENDPOINT]).and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(endpoint) = endpoint {
        host.set_request_header(":path", Some(&format!("{}{endpoint}", upstream.base_path)));
    }
    if end || upstream.model.is_none() { Flow::Continue } else { Flow::Hold }
}

/// Puts the provider's name of the model in place of the one the client used. A body without a model, or one that is no
/// JSON, stays as it is.
pub(crate) fn body(host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
    let Some(model) = &upstream.model else { return Flow::Continue };
    if !end {
        return Flow::Hold;
    }
    let body = host.request_body();
    match head::read(Operation::Passthrough, &body) {
        Ok(head) if head.model.as_ref().is_some_and(|current| current != model) => {
            edit_request(host, body, head.set_model(model));
        }
        _ => host.set_request_header("content-length", Some(&body.len().to_string())),
    }
    Flow::Continue
}
