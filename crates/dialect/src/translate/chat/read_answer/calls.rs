//! The calls of tools in one choice.
//!
//! OpenAI numbers the calls of a stream and names each in its first piece. Other servers number none, or all
//! the same, or repeat the name, or give no ids.

use super::text;
use crate::translate::Error;
use crate::translate::neutral::{Event, Text};
use crate::translate::raw;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Calls that are kept track of.
const MOST_CALLS: usize = 128;

/// The longest id that is kept while its call waits for a name. A longer one is replaced, which the provider
/// cannot tell: it reads the ids of an answer only in the next request.
const MOST_ID: usize = 256;

/// A call, or a piece of one.
#[derive(Deserialize)]
pub(super) struct ToolCall<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl<'a> ToolCall<'a> {
    /// The one call that answers had before there were several.
    pub(super) fn only(function: Function<'a>) -> Self {
        Self { index: Some(0), id: None, function: Some(function) }
    }
}

/// The calls that have begun.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    /// The provider's number.
    index: Option<u32>,
    /// The provider's id, as a hash: some put kilobytes into it.
    id: Option<u64>,
    /// The id of a call that has no name yet.
    waiting: Option<Box<str>>,
    is_named: bool,
}

impl Calls {
    pub(super) fn any(&self) -> bool {
        self.calls.iter().any(|call| call.is_named)
    }

    /// Reads a call or a piece of one. `is_whole`: it is none of the calls before.
    pub(super) fn read<'a>(
        &mut self,
        piece: ToolCall<'a>,
        choice: u32,
        is_whole: bool,
        events: &mut Vec<Event<'a>>,
    ) -> Result<(), Error> {
        let function = piece.function.as_ref();
        let (id, name) = (text(piece.id), text(function.and_then(|function| function.name)));
        let arguments = function.and_then(|function| read_arguments(function.arguments));
        let hash = piece.id.filter(|_| id.is_some()).map(hash);
        let known = if is_whole { None } else { self.find(piece.index, hash, name.is_some()) };
        let at = match known {
            Some(at) => at,
            // Nothing, or something beside the calls, such as Google's `extra_content`.
            None if id.is_none() && name.is_none() && arguments.is_none() => return Ok(()),
            None if self.calls.len() >= MOST_CALLS => {
                return Err(Error::invalid_answer("a choice calls more tools than can be kept track of"));
            }
            None => {
                self.calls.push(Call { index: piece.index, ..Call::default() });
                self.calls.len() - 1
            }
        };
        let (Some(state), Ok(call)) = (self.calls.get_mut(at), u32::try_from(at)) else { return Ok(()) };
        state.id = state.id.or(hash);
        if !state.is_named {
            match name {
                Some(name) => {
                    state.is_named = true;
                    let kept = state.waiting.take().map(|id| Text::from(id.into_string()));
                    let id = id.or(kept).unwrap_or_else(|| format!("call_{call}").into());
                    events.push(Event::Call { choice, call, id, name });
                }
                None if is_whole || arguments.is_some() => {
                    return Err(Error::invalid_answer("a tool call lacks its name"));
                }
                None => {
                    let id = id.as_ref().map(Text::decode).filter(|id| id.len() <= MOST_ID);
                    state.waiting = id.map(|id| id.into()).or(state.waiting.take());
                }
            }
        }
        events.extend(arguments.map(|json| Event::Arguments { choice, call, json }));
        Ok(())
    }

    /// The call that a piece belongs to; `None`: it begins the next.
    fn find(&self, index: Option<u32>, id: Option<u64>, has_name: bool) -> Option<usize> {
        let last = |is: &dyn Fn(&Call) -> bool| self.calls.iter().rposition(is);
        let of = |at: usize| self.calls.get(at);
        match (index, id) {
            // A server that gives all calls the same number tells them apart by their ids. An id alone is not
            // enough: others make up a new one for each piece.
            (Some(_), _) => last(&|call| call.index == index).filter(|at| {
                let other = of(*at).and_then(|call| call.id);
                !(has_name && id.is_some() && other.is_some() && other != id)
            }),
            (None, Some(_)) => last(&|call| call.id == id),
            // Without number or id a name is all that a call begins with.
            (None, None) => {
                last(&|_| true).filter(|at| !(has_name && of(*at).is_some_and(|call| call.is_named)))
            }
        }
    }
}

/// The arguments are a text that holds JSON; some servers give the JSON itself.
fn read_arguments(arguments: Option<&RawValue>) -> Option<Text<'_>> {
    let arguments = arguments?;
    if raw::is_string(arguments) { text(Some(arguments)) } else { Some(arguments.get().into()) }
}

fn hash(id: &RawValue) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.get().hash(&mut hasher);
    hasher.finish()
}
