//! What proves that thinking is a model's own, on its way between this dialect and others.
//!
//! | whose | with clients of other dialects | with clients of this one |
//! | --- | --- | --- |
//! | OpenAI's | the signature `openai:<id of the item>:<encrypted text>` | the item as it is |
//! | another's, of thinking that can be read | the signature as it is | the encrypted text `signature:<signature>` |
//! | another's, of thinking that cannot | sealed thinking | the encrypted text `sealed:<data>` |
//!
//! OpenAI's own encrypted texts are base64, which has no colon. The marks keep each provider's from the others, which would refuse it.

use crate::translate::marks::{OPENAI as SIGNED, SEALED, SIGNATURE};
use crate::translate::neutral::{PartKind, Text};

/// The signature of OpenAI's as clients of other dialects get it.
pub(super) fn mark(id: &Text<'_>, encrypted: &Text<'_>) -> Text<'static> {
    format!("{SIGNED}{}:{}", id.decode(), encrypted.decode()).into()
}

/// The id of the item and the encrypted text. `None`: it is another provider's.
pub(super) fn unmark(signature: &Text<'_>) -> Option<(String, String)> {
    let text = signature.decode();
    // An id has no colon, but nothing says so; an encrypted text cannot have one.
    let (id, encrypted) = text.strip_prefix(SIGNED)?.rsplit_once(':')?;
    (!id.is_empty() && !encrypted.is_empty()).then(|| (id.to_owned(), encrypted.to_owned()))
}

/// Writes another provider's signature as the inside of the encrypted text that clients of this dialect get.
pub(super) fn write_signature(signature: &Text<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(SIGNATURE.as_bytes());
    signature.write_inside(out);
}

/// The same of thinking that only its provider can read.
pub(super) fn write_sealed(data: &Text<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(SEALED.as_bytes());
    data.write_inside(out);
}

/// What an item with such a text was before it went to the client.
pub(super) fn read<'a>(id: Option<&Text<'a>>, text: Text<'a>, encrypted: Option<Text<'a>>) -> PartKind<'a> {
    let Some(encrypted) = encrypted else { return PartKind::Thinking { text, signature: None } };
    let content = encrypted.decode();
    if let Some(data) = content.strip_prefix(SEALED) {
        return PartKind::SealedThinking(data.to_owned().into());
    }
    let signature = match content.strip_prefix(SIGNATURE) {
        Some("") => return PartKind::Thinking { text, signature: None },
        Some(signature) => signature.to_owned().into(),
        None => mark(id.unwrap_or(&"".into()), &encrypted),
    };
    PartKind::Thinking { text, signature: Some(signature) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_of_openais_come_back_as_they_went() {
        let marked = mark(&"rs_1".into(), &"gAAAA-_=".into());
        assert_eq!(unmark(&marked), Some(("rs_1".to_owned(), "gAAAA-_=".to_owned())));
        for other in ["", "EqQBCg", "openai:", "openai:x", "openai::x", "openai:x:", "gemini:0:x"] {
            assert_eq!(unmark(&other.into()), None, "{other}");
        }
    }

    #[test]
    fn signatures_of_others_come_back_as_they_went() {
        let sent = |write: fn(&Text<'_>, &mut Vec<u8>), text: &str| {
            let mut out = Vec::new();
            write(&text.into(), &mut out);
            read(None, "hm".into(), Some(String::from_utf8(out).unwrap().into()))
        };
        for text in ["EqQBCg", "gemini:0:x", "signature:x", "sealed:x"] {
            let kind = sent(write_signature, text);
            assert!(
                matches!(&kind, PartKind::Thinking { signature: Some(back), .. } if back.decode() == text)
            );
            assert!(
                matches!(sent(write_sealed, text), PartKind::SealedThinking(back) if back.decode() == text)
            );
        }
    }

    #[test]
    fn what_came_from_openai_itself_is_marked_as_its_own() {
        let kind = read(Some(&"rs_1".into()), "hm".into(), Some("gAAAA".into()));
        let PartKind::Thinking { signature: Some(signature), .. } = kind else { panic!("{kind:?}") };
        assert_eq!(unmark(&signature), Some(("rs_1".to_owned(), "gAAAA".to_owned())));
        assert!(matches!(read(None, "hm".into(), None), PartKind::Thinking { signature: None, .. }));
    }
}
