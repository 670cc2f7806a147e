//! What a client is told about models it cannot have.

use crate::config::document::{nearest, unknown};
use weirgate_dialect::Dialect;
use weirgate_dialect::error::{ClientError, ErrorKind};

/// The most names that one error lists.
const LISTED: usize = 10;

pub(super) fn not_found<'a>(model: &str, known: impl Iterator<Item = &'a str>) -> ClientError {
    let known: Vec<&str> = known.collect();
    let hint = match nearest(model, &known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => {
            let names: Vec<&str> = known.iter().take(LISTED).copied().collect();
            format!("there are {}", names.join(", "))
        }
    };
    ClientError::new(ErrorKind::NotFound, "model_not_found", format!("there is no model \"{model}\"; {hint}"))
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

pub(super) fn unreachable(model: &str, dialect: Dialect) -> ClientError {
    ClientError::new(
        ErrorKind::InvalidRequest,
        "dialect_not_available",
        format!("no provider offers the model \"{model}\" for this call of the {dialect} API"),
    )
    .with_param("model")
}

pub(super) fn no_provider<'a>(provider: &str, known: impl Iterator<Item = &'a str>) -> ClientError {
    ClientError::new(ErrorKind::NotFound, "provider_not_found", unknown("provider", provider, known))
        .with_param("x-weirgate-provider")
}

pub(super) fn no_passthrough() -> ClientError {
    ClientError::new(
        ErrorKind::NotFound,
        "path_not_found",
        "this path is not known here, and no provider is configured to take it",
    )
}

pub(super) fn provider_forbidden(provider: &str, key: &str) -> ClientError {
    let message = format!("the key \"{key}\" may not use the provider \"{provider}\"");
    ClientError::new(ErrorKind::Forbidden, "provider_not_allowed", message).with_param("x-weirgate-provider")
}

pub(super) fn no_allowed_provider(model: &str, key: &str) -> ClientError {
    let message = format!("the key \"{key}\" may use no provider of the model \"{model}\"");
    ClientError::new(ErrorKind::Forbidden, "provider_not_allowed", message).with_param("model")
}
