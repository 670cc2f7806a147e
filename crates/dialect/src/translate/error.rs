//! Why a translation is not possible.

use crate::Dialect;
use crate::error::{ClientError, ErrorKind};
use std::fmt;

/// A request or an answer that cannot be translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
}

/// What stands in the way of a translation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request body is not JSON.
    InvalidJson {
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// The request is JSON, but not what the client's API defines.
    Invalid {
        /// The field, as in `messages[2].role`; empty for the body as a whole.
        path: String,
        /// What was expected.
        reason: String,
    },
    /// The request asks for something that the provider's API has no place for.
    Unsupported {
        /// The field, as in `messages[2].content[0].input_audio`.
        path: String,
        /// What cannot be carried.
        reason: String,
    },
    /// Nothing translates between these two dialects.
    NoPair {
        /// The client's dialect.
        from: Dialect,
        /// The provider's dialect.
        to: Dialect,
    },
    /// The provider's answer is over the size limit.
    AnswerTooLong,
    /// The provider's answer is not what its API defines.
    InvalidAnswer {
        /// What was expected.
        reason: String,
    },
}

impl Error {
    /// What stands in the way.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The request field at fault, if one is.
    pub fn path(&self) -> Option<&str> {
        match &self.kind {
            Kind::Invalid { path, .. } | Kind::Unsupported { path, .. } if !path.is_empty() => Some(path),
            _ => None,
        }
    }

    pub(crate) fn invalid(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Kind::Invalid { path: path.into(), reason: reason.into() }.into()
    }

    pub(crate) fn unsupported(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Kind::Unsupported { path: path.into(), reason: reason.into() }.into()
    }

    pub(crate) fn invalid_answer(reason: impl Into<String>) -> Self {
        Kind::InvalidAnswer { reason: reason.into() }.into()
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::InvalidJson { line, column, reason } => {
                write!(f, "the body is not valid JSON at line {line}, column {column}: {reason}")
            }
            Kind::Invalid { path, reason } if path.is_empty() => write!(f, "the body is invalid: {reason}"),
            Kind::Invalid { path, reason } => write!(f, "{path} is invalid: {reason}"),
            Kind::Unsupported { path, reason } => {
                write!(f, "{path} cannot be carried to this model's provider: {reason}")
            }
            Kind::NoPair { from, to } => write!(f, "no translation from {from} to {to}"),
            Kind::AnswerTooLong => f.write_str("the provider's answer is over the size limit"),
            Kind::InvalidAnswer { reason } => write!(f, "the provider's answer is invalid: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        let (kind, code) = match error.kind {
            Kind::InvalidJson { .. } => (ErrorKind::InvalidRequest, "invalid_json"),
            Kind::Invalid { .. } => (ErrorKind::InvalidRequest, "invalid_value"),
            Kind::Unsupported { .. } => (ErrorKind::Unprocessable, "unsupported_field"),
            Kind::NoPair { .. } => (ErrorKind::Unprocessable, "unsupported_translation"),
            Kind::AnswerTooLong => (ErrorKind::BadGateway, "answer_too_long"),
            Kind::InvalidAnswer { .. } => (ErrorKind::BadGateway, "invalid_answer"),
        };
        let client_error = Self::new(kind, code, error.to_string());
        match error.path() {
            Some(path) => client_error.with_param(path),
            None => client_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads_which_field_is_at_fault() {
        let error = ClientError::from(Error::unsupported("n", "one choice only"));
        assert_eq!((error.status(), error.param.as_deref()), (422, Some("n")));
        assert_eq!(error.message, "n cannot be carried to this model's provider: one choice only");

        let error = ClientError::from(Error::invalid("messages[0].role", "a string is expected"));
        assert_eq!((error.status(), error.param.as_deref()), (400, Some("messages[0].role")));
    }

    #[test]
    fn a_bad_answer_is_the_providers_fault() {
        assert_eq!(ClientError::from(Error::from(Kind::AnswerTooLong)).status(), 502);
        assert_eq!(ClientError::from(Error::invalid_answer("no content")).status(), 502);
    }
}
