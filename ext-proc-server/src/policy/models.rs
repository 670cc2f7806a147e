//! What a client is told about models it cannot have.

use crate::config::document::{nearest, unknown};
use weirgate_dialect::Dialect;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// The most names that one error lists.
const LISTED: usize = 10;

pub(super) fn not_found<'a>(model: &str, known: impl Iterator<Item = &'a str>) -> ClientError {
    let known: Vec<&str> = known.collect();
    let hint = match nearest(model, &known) {
        Some(near) => format!("; did you mean \"{near}\"?"),
        None if known.is_empty() => String::new(),
        None => {
            let names: Vec<&str> = known.iter().take(LISTED).copied().collect();
            format!("; there are {}", names.join(", "))
        }
    };
    ClientError::new(ErrorKind::NotFound, "model_not_found", format!("there is no model \"{model}\"{hint}"))
        .with_param("model")
}

pub(super) fn missing() -> ClientError {
    ClientError::new(ErrorKind::InvalidRequest, "missing_field", "model is missing: name the model to use")
        .with_param("model")
}

pub(super) fn forbidden(model: &str, key: &str) -> ClientError {
    ClientError::new(
        ErrorKind::Forbidden,
        "model_not_allowed",
        format!("the key \"{key}\" may not use the model \"{model}\""),
    )
    .with_param("model")
}

/// `calls`: the dialects whose calls of their own reach the model; `chats`: those in which a chat does.
pub(super) fn unreachable(
    model: &str,
    dialect: Dialect,
    calls: &[Dialect],
    chats: &[Dialect],
) -> ClientError {
    let listed =
        |dialects: &[Dialect]| dialects.iter().map(|dialect| dialect.as_str()).collect::<Vec<_>>().join(", ");
    let calls = (!calls.is_empty()).then(|| format!("for calls other than chats in {}", listed(calls)));
    let chats = (!chats.is_empty()).then(|| format!("for chats in {}", listed(chats)));
    let available: Vec<String> = chats.into_iter().chain(calls).collect();
    let hint = if available.is_empty() {
        String::new()
    } else {
        format!("; it is available {}", available.join(", and "))
    };
    let message = if model.is_empty() {
        format!(
            "the call names no model, and no usual provider takes such calls of the {dialect} API: choose one with x-weirgate-provider"
        )
    } else {
        format!("no provider offers the model \"{model}\" for this call of the {dialect} API{hint}")
    };
    ClientError::new(ErrorKind::InvalidRequest, "dialect_not_available", message).with_param("model")
}

pub(super) fn no_provider<'a>(provider: &str, known: impl Iterator<Item = &'a str>) -> ClientError {
    ClientError::new(ErrorKind::NotFound, "provider_not_found", unknown("provider", provider, known))
        .with_param("x-weirgate-provider")
}

/// A call without an operation of its own, whose `model`, if it names one, is none of the `known`.
pub(super) fn no_passthrough<'a>(model: &str, known: impl Iterator<Item = &'a str>) -> ClientError {
    let known: Vec<&str> = known.collect();
    let unknown = match (model, nearest(model, &known)) {
        ("", _) => ", nor could a model be read".to_owned(),
        (model, None) => format!(", nor is the model \"{model}\""),
        (model, Some(near)) => format!(", nor is the model \"{model}\" (did you mean \"{near}\"?)"),
    };
    let message = format!(
        "this path is not known here{unknown}; such calls need a provider named by `passthrough` in the gateway's configuration"
    );
    ClientError::new(ErrorKind::NotFound, "path_not_found", message)
}

pub(super) fn provider_forbidden(provider: &str, key: &str) -> ClientError {
    let message = format!("the key \"{key}\" may not use the provider \"{provider}\"");
    ClientError::new(ErrorKind::Forbidden, "provider_not_allowed", message).with_param("x-weirgate-provider")
}

pub(super) fn no_allowed_provider(model: &str, key: &str) -> ClientError {
    let message = format!("the key \"{key}\" may use no provider of the model \"{model}\"");
    ClientError::new(ErrorKind::Forbidden, "provider_not_allowed", message).with_param("model")
}
