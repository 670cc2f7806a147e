//! Whether two questions ask the same, by what stands in them.

mod lexicon;
mod neighbourhood;
mod pair;
mod scan;
mod text;
mod trees;
mod verifier;
mod veto;

pub use text::Text;
pub use verifier::{Candidate, JUDGED, NEAREST, Verdict, Verifier};
pub use veto::Veto;
