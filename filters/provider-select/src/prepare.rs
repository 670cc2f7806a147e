//! Prepares a request for one provider that speaks the client's dialect.
//!
//! An earlier attempt at another provider may have left its own path and length in the headers, so both are set anew.

use weirgate_contract::filter_config::Upstream;
use weirgate_contract::{filter_state, request_header};
use weirgate_dialect::{Operation, head};
use weirgate_filter_host::{Flow, Host, edit_request};

/// Sets the path; keeps the headers until the body is here if the model must be replaced.
pub(crate) fn headers(host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
    let endpoint = host.property(&[filter_state::ENDPOINT]).and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(endpoint) = endpoint {
        host.set_request_header(":path", Some(&format!("{}{endpoint}", upstream.base_path)));
    }
    if end || (upstream.model.is_none() && cap(host).is_none()) { Flow::Continue } else { Flow::Hold }
}

/// The cap that decide asks for.
fn cap(host: &dyn Host) -> Option<u64> {
    host.request_header(request_header::OUTPUT_CAP)?.parse().ok()
}

/// Puts the provider's name of the model in place of the one the client used, and the cap where there is none. A body without a model, or one that is no
/// JSON, stays as it is.
pub(crate) fn body(host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
    if !end {
        return Flow::Hold;
    }
    let mut body = host.request_body();
    let mut changed = false;
    if let (Some(field), Some(tokens)) = (&upstream.cap_field, cap(host))
        && let Some(capped) = head::cap_output(&body, field, tokens)
    {
        (body, changed) = (capped, true);
    }
    let renamed = upstream.model.as_ref().and_then(|model| {
        let head = head::read(Operation::Passthrough, &body).ok()?;
        head.model.as_ref().filter(|current| *current != model)?;
        Some(head.set_model(model))
    });
    match renamed {
        Some(edit) => edit_request(host, body, edit),
        None => {
            if changed {
                host.set_request_body(&body);
            }
            host.set_request_header("content-length", Some(&body.len().to_string()));
        }
    }
    Flow::Continue
}
