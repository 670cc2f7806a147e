//! One error, written the way the client's own API writes it.
//!
//! Shapes: OpenAI <https://platform.openai.com/docs/guides/error-codes>, Anthropic
//! <https://docs.claude.com/en/api/errors>, Gemini <https://ai.google.dev/gemini-api/docs/troubleshooting>.

use crate::Dialect;
use serde_json::json;

/// What went wrong, as far as a client can act on it. It decides the status and the `type` of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be understood (400).
    InvalidRequest,
    /// The prompt guard refused the request (400).
    GuardRefused,
    /// No key, or a key nobody knows (401).
    Unauthenticated,
    /// The key may not do this (403).
    Forbidden,
    /// No such model or path (404).
    NotFound,
    /// The body is over the limit (413).
    TooLarge,
    /// A field cannot be carried to the chosen provider (422).
    Unprocessable,
    /// Too many requests or tokens (429).
    RateLimited,
    /// The money budget is used up (429).
    BudgetExceeded,
    /// Weirgate itself failed (500).
    Internal,
    /// The provider answered something that is no answer (502).
    BadGateway,
    /// The provider or a part of the gateway is not there (503).
    Unavailable,
    /// The provider took too long (504).
    Timeout,
}

impl ErrorKind {
    /// The HTTP status that goes with this kind.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::GuardRefused => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::TooLarge => 413,
            Self::Unprocessable => 422,
            Self::RateLimited | Self::BudgetExceeded => 429,
            Self::Internal => 500,
            Self::BadGateway => 502,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// The kind that an HTTP status of 400 or more stands for.
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            413 => Self::TooLarge,
            422 => Self::Unprocessable,
            429 => Self::RateLimited,
            408 | 504 => Self::Timeout,
            502 => Self::BadGateway,
            503 | 529 => Self::Unavailable,
            400..=499 => Self::InvalidRequest,
            _ => Self::Internal,
        }
    }

    pub(crate) fn openai_type(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::NotFound | Self::TooLarge | Self::Unprocessable => {
                "invalid_request_error"
            }
            Self::GuardRefused => "guard_refused",
            Self::Unauthenticated => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::RateLimited => "rate_limit_error",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Internal => "server_error",
            Self::BadGateway | Self::Unavailable => "service_unavailable",
            Self::Timeout => "timeout",
        }
    }

    fn anthropic_type(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::GuardRefused | Self::Unprocessable => "invalid_request_error",
            Self::Unauthenticated => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::NotFound => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimited | Self::BudgetExceeded => "rate_limit_error",
            Self::Internal | Self::BadGateway => "api_error",
            Self::Unavailable => "overloaded_error",
            Self::Timeout => "timeout_error",
        }
    }

    /// By the errors that the API reference of Bedrock's runtime lists.
    fn bedrock_type(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::GuardRefused | Self::TooLarge | Self::Unprocessable => {
                "ValidationException"
            }
            Self::Unauthenticated | Self::Forbidden => "AccessDeniedException",
            Self::NotFound => "ResourceNotFoundException",
            Self::RateLimited | Self::BudgetExceeded => "ThrottlingException",
            Self::Internal => "InternalServerException",
            Self::BadGateway => "ModelErrorException",
            Self::Unavailable => "ServiceUnavailableException",
            Self::Timeout => "ModelTimeoutException",
        }
    }

    fn gemini_status(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::GuardRefused | Self::TooLarge | Self::Unprocessable => {
                "INVALID_ARGUMENT"
            }
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "PERMISSION_DENIED",
            Self::NotFound => "NOT_FOUND",
            Self::RateLimited | Self::BudgetExceeded => "RESOURCE_EXHAUSTED",
            Self::Internal => "INTERNAL",
            Self::BadGateway | Self::Unavailable => "UNAVAILABLE",
            Self::Timeout => "DEADLINE_EXCEEDED",
        }
    }
}

/// An error as a client will read it. It holds nothing that only an operator may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// A sentence for the person who reads it.
    pub message: String,
    /// A stable word for the program that reads it, such as `model_not_found`.
    pub code: &'static str,
    /// The field at fault, if one is.
    pub param: Option<String>,
    /// Seconds after which the same call may succeed.
    pub retry_after: Option<u64>,
}

impl ClientError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), code, param: None, retry_after: None }
    }

    /// The same error, naming the field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same error, saying when to try again, in seconds.
    #[must_use]
    pub fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    /// The JSON body in the client's dialect.
    pub fn body(&self, dialect: Dialect) -> String {
        self.value(dialect).to_string()
    }

    /// The error as one server-sent event, for a stream that has already begun.
    pub fn event(&self, dialect: Dialect) -> String {
        let value = self.value(dialect);
        match dialect {
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
                format!("event: error\ndata: {value}\n\n")
            }
            // In its streams the error is no envelope's inside. What number the event has is not known here.
            Dialect::Responses => {
                let value = json!({
                    "type": "error",
                    "code": self.code,
                    "message": self.message,
                    "param": self.param,
                    "sequence_number": 0,
                });
                format!("event: error\ndata: {value}\n\n")
            }
            Dialect::OpenAi | Dialect::Gemini | Dialect::Converse | Dialect::Cohere => {
                format!("data: {value}\n\n")
            }
        }
    }

    fn value(&self, dialect: Dialect) -> serde_json::Value {
        match dialect {
            Dialect::OpenAi | Dialect::Responses => json!({"error": {
                "message": self.message,
                "type": self.kind.openai_type(),
                "param": self.param,
                "code": self.code,
            }}),
            Dialect::Anthropic | Dialect::Invoke | Dialect::RawPredict => {
                let error = json!({"type": self.kind.anthropic_type(), "message": self.message});
                json!({"type": "error", "error": error})
            }
            // The SDKs of Amazon take the name of the error from a header, or from the field `__type`.
            Dialect::Converse => json!({"__type": self.kind.bedrock_type(), "message": self.message}),
            Dialect::Cohere => json!({"message": self.message}),
            Dialect::Gemini => json!({"error": {
                "code": self.status(),
                "message": self.message,
                "status": self.kind.gemini_status(),
            }}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialect_has_its_own_envelope() {
        let error =
            ClientError::new(ErrorKind::NotFound, "model_not_found", "no model \"x\"").with_param("model");
        assert_eq!(
            error.body(Dialect::OpenAi),
            r#"{"error":{"message":"no model \"x\"","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#
        );
        assert_eq!(
            error.body(Dialect::Anthropic),
            r#"{"type":"error","error":{"type":"not_found_error","message":"no model \"x\""}}"#
        );
        assert_eq!(
            error.body(Dialect::Gemini),
            r#"{"error":{"code":404,"message":"no model \"x\"","status":"NOT_FOUND"}}"#
        );
    }

    #[test]
    fn an_error_in_a_stream_is_an_event_of_the_clients_dialect() {
        let error = ClientError::new(ErrorKind::Unavailable, "provider_unavailable", "gone");
        assert!(error.event(Dialect::OpenAi).starts_with("data: {\"error\""));
        assert!(error.event(Dialect::Anthropic).starts_with("event: error\ndata: {\"type\":\"error\""));
        let event = error.event(Dialect::Responses);
        let data = event.strip_prefix("event: error\ndata: ").unwrap().trim_end();
        let value: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!((&value["type"], &value["message"]), (&json!("error"), &json!("gone")));
    }
}
