//! Signatures in the hands of clients that know those of one other provider only.
//!
//! What proves a model's thinking is sent back with the next request, which may go to another provider. So a signature that goes to
//! clients of another dialect is marked as its provider's, and no other provider is given it: it would refuse it.

use super::neutral::Text;

/// What Gemini's signatures begin with.
pub(super) const GEMINI: &str = "gemini:";
/// What OpenAI's sealed reasoning begins with.
pub(super) const OPENAI: &str = "openai:";

/// Whether a signature is marked as that of a provider that marks its own.
pub(super) fn is_marked(signature: &Text<'_>) -> bool {
    let text = signature.decode();
    [GEMINI, OPENAI].iter().any(|mark| text.starts_with(mark))
}
