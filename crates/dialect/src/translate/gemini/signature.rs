//! Gemini's signatures in the hands of clients that know only those of thinking.
//!
//! A signature becomes `gemini:<part>:<signature>`. The mark keeps it from other providers, which would refuse it. The part is
//! the number of a call in its answer, `text` or `thought`: a client may keep its thinking apart from what the parts of the
//! answer were, as OpenAI's do.

use crate::translate::marks::GEMINI as MARK;
use crate::translate::neutral::Text;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

const TEXT: &str = "text";
const THOUGHT: &str = "thought";

/// What Gemini takes where a call has no signature of its own: one that was made by another model, or by a client that lost
/// it. Its documentation names `skip_thought_signature_validator`; the field is of bytes, so that Vertex AI wants it in base64.
/// Source: <https://ai.google.dev/gemini-api/docs/thought-signatures#faqs>.
pub(super) const UNKNOWN: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// Which part of an answer a signature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    /// A call, by its number.
    Call(u32),
    Text,
    Thought,
}

/// The signature as clients get it.
pub(super) fn mark(signed: Signed, signature: &Text<'_>) -> Text<'static> {
    let signature = signature.decode();
    match signed {
        Signed::Call(call) => format!("{MARK}{call}:{signature}"),
        Signed::Text => format!("{MARK}{TEXT}:{signature}"),
        Signed::Thought => format!("{MARK}{THOUGHT}:{signature}"),
    }
    .into()
}

/// The signature as Gemini gave it. `None`: it is another provider's.
pub(super) fn unmark(signature: &Text<'_>) -> Option<(Signed, String)> {
    let text = signature.decode();
    let (part, signature) = text.strip_prefix(MARK)?.split_once(':')?;
    let signed = match part {
        TEXT => Signed::Text,
        THOUGHT => Signed::Thought,
        call => Signed::Call(call.parse().ok()?),
    };
    (!signature.is_empty()).then(|| (signed, signature.to_owned()))
}

/// A signature of another provider's as a Gemini client gave it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    Signature(String),
    /// Thinking that only its provider can read.
    Sealed(String),
}

/// What thinking that only its provider can read begins with in the hands of Gemini clients.
const SEALED: &str = "sealed:";

/// Another provider's signature as a Gemini client gets it: bytes, in base64.
pub(super) fn given(returned: &Returned) -> String {
    STANDARD.encode(match returned {
        Returned::Signature(signature) => signature.clone(),
        Returned::Sealed(data) => format!("{SEALED}{data}"),
    })
}

/// The same as the client gave it back. Its SDK may have written the base64 anew. `None`: it is Gemini's own, which no other takes.
pub(super) fn returned(signature: &Text<'_>) -> Option<Returned> {
    let text = signature.decode();
    let bytes = STANDARD.decode(text.as_ref()).or_else(|_| URL_SAFE.decode(text.as_ref())).ok()?;
    let text = String::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    Some(match text.strip_prefix(SEALED) {
        Some(data) => Returned::Sealed(data.to_owned()),
        None => Returned::Signature(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_come_back_as_they_went() {
        for signed in [Signed::Call(0), Signed::Call(17), Signed::Text, Signed::Thought] {
            let marked = mark(signed, &"Ab+/_-==".into());
            assert_eq!(unmark(&marked), Some((signed, "Ab+/_-==".to_owned())));
        }
        for other in ["", "EqQBCg", "gemini:", "gemini:x", "gemini:0:", "gemini:-1:x", "gemini:other:x"] {
            assert_eq!(unmark(&other.into()), None, "{other}");
        }
    }

    #[test]
    fn signatures_of_others_are_bytes_to_gemini_clients() {
        for given_back in [Returned::Signature("EqQB+/=".to_owned()), Returned::Sealed("x".to_owned())] {
            assert_eq!(returned(&given(&given_back).into()), Some(given_back));
        }
        for own in ["", "!", "//79"] {
            assert_eq!(returned(&own.into()), None, "{own}");
        }
    }
}
