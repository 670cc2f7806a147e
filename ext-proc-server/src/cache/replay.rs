//! Giving a kept answer again.

use super::{Hit, Outcome};
use std::time::{SystemTime, UNIX_EPOCH};
use weirgate_contract::response_header;
use weirgate_dialect::{Dialect, cached, framing};

/// How much text stands in one event of a stream that is given at once, in bytes.
const PIECE: usize = 256;
/// The same for one that takes its time: about a token.
const PACED_PIECE: usize = 4;

/// An answer as its client gets it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// What the client gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// One event after another.
    Paced(Vec<Vec<u8>>),
}

/// A kept answer made ready for one request; `None`: it cannot be read. `paced`: whether a stream takes its time.
pub(crate) fn answer(hit: &Hit, dialect: Dialect, stream: bool, paced: bool) -> Option<Answer> {
    let entry = &hit.answered.entry;
    let mut answer = serde_json::from_str(&entry.answer).ok()?;
    let id = uuid::Uuid::now_v7().simple().to_string();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    cached::refresh(dialect, &mut answer, &id, now);
    let outcome = if hit.stale { Outcome::Stale } else { Outcome::Hit };
    let mut headers = vec![
        (response_header::CACHE, outcome.as_str().to_owned()),
        (response_header::CACHE_KIND, hit.answered.kind().to_owned()),
        (response_header::CACHE_ENTRY, entry.id.clone()),
        (response_header::AGE, hit.age.as_secs().to_string()),
    ];
    if let Some(similarity) = hit.answered.similarity {
        headers.push((response_header::CACHE_SIMILARITY, format!("{similarity:.4}")));
    }
    let content_type = if stream { framing::content_type(dialect) } else { "application/json" };
    let body = match (stream, paced) {
        (false, _) => Body::Whole(answer.to_string().into_bytes()),
        (true, false) => Body::Whole(cached::events(dialect, &answer, PIECE).concat()),
        (true, true) => Body::Paced(cached::events(dialect, &answer, PACED_PIECE)),
    };
    Some(Answer { content_type, headers, body })
}
