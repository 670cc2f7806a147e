//! Prepares a request for one provider that speaks the client's dialect.
//!
//! An earlier attempt at another provider may have left its own path and length in the headers, so both are set anew.

use weirgate_contract::filter_config::{Upstream, provider_path};
use weirgate_contract::handover::{Decision, RequestHead};
use weirgate_contract::{filter_state, metadata};
use weirgate_dialect::{Dialect, Operation, endpoint, head, translate};
use weirgate_filter_host::{Flow, Host, edit_request};

/// Sets the path; keeps the headers until the body is here if the model must be replaced.
pub(crate) fn headers(host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
    let endpoint = host.property(&[filter_state::ENDPOINT]).and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(mut endpoint) = endpoint {
        if let Some(model) = &upstream.model {
            endpoint = endpoint::with_model(&endpoint, model).unwrap_or(endpoint);
        }
        host.set_request_header(":path", Some(&provider_path(&upstream.base_path, &endpoint)));
    }
    if end || (upstream.model.is_none() && cap(host).is_none()) { Flow::Continue } else { Flow::Hold }
}

/// The cap that decide asks for. It does not stand in a header: an attempt before this one would have removed that.
fn cap(host: &dyn Host) -> Option<u64> {
    let path = ["metadata", "filter_metadata", metadata::NAMESPACE, metadata::DECISION];
    let decision: Decision = serde_json::from_slice(&host.property(&path)?).ok()?;
    decision.output_cap
}

/// The client's dialect, for the same reason from where `provider-select` left it.
fn dialect(host: &dyn Host) -> Option<Dialect> {
    let head: RequestHead = serde_json::from_slice(&host.property(&[filter_state::REQUEST])?).ok()?;
    Some(head.dialect)
}

/// Puts the provider's name of the model in place of the one the client used, and the cap where there is none. A body without a model, or one that is no
/// JSON, stays as it is.
pub(crate) fn body(host: &dyn Host, upstream: &Upstream, end: bool) -> Flow {
    if !end {
        return Flow::Hold;
    }
    let mut body = host.request_body();
    let mut changed = false;
    if let Some(dialect) = dialect(host)
        && let Some(own) = translate::without_marked(dialect, &body)
    {
        (body, changed) = (own, true);
    }
    let field = upstream.cap_field.as_deref();
    if let (Some(tokens), Some(dialect)) = (cap(host), dialect(host))
        && let Some(capped) = head::cap_output(dialect, &body, field, tokens)
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
