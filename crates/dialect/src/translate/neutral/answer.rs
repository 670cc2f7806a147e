//! Reading the answers of a provider, and writing them for a client.

use super::Event;
use crate::translate::{Error, failure};
use std::fmt::Debug;

/// Takes the pieces of an answer one after another.
pub(in crate::translate) type Sink<'s> = dyn FnMut(Event<'_>) + 's;

/// Reads the answer of a provider to one request.
pub(in crate::translate) trait ReadAnswer: Debug + Send {
    /// Reads a plain answer, or, from status 400 on, an error. All its pieces come in one call, [`Event::End`] last.
    ///
    /// # Errors
    /// It is not what the provider's API defines. Nothing of it has gone to the sink then.
    fn whole(&mut self, body: &[u8], status: u16, to: &mut Sink<'_>) -> Result<(), Error> {
        let body = String::from_utf8_lossy(body);
        if status < 400 {
            self.success(&body, to)?;
        } else {
            to(failure::read(&body, status));
        }
        to(Event::End);
        Ok(())
    }

    /// Reads a plain answer that is no error, but for its end.
    ///
    /// # Errors
    /// As above.
    fn success(&mut self, body: &str, to: &mut Sink<'_>) -> Result<(), Error>;

    /// Reads the data of one event of a stream. None comes after [`Event::Failed`], nor after an [`Event::End`] at which every choice
    /// was at its end.
    ///
    /// # Errors
    /// As above, for this event.
    fn event(&mut self, data: &[u8], to: &mut Sink<'_>) -> Result<(), Error>;

    /// Reads the payload of one event of a stream in Amazon's framing, where the name of the event stands beside it. Those of models
    /// behind a call of their own API have been unwrapped, and are read as [`ReadAnswer::event`].
    ///
    /// # Errors
    /// As above, for this event.
    fn named_event(&mut self, _name: &str, _data: &[u8], _to: &mut Sink<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Whether its streams are in Amazon's framing. Others may be: their first byte tells.
    fn is_binary(&self) -> bool {
        false
    }

    /// Whether every whole stream says that it is at its end. Of others the end of the last choice is enough.
    fn always_ends(&self) -> bool {
        false
    }
}

/// Writes an answer for a client. One that writes streams writes bytes for each piece as it comes; one that writes plain answers
/// writes all at the end.
pub(in crate::translate) trait WriteAnswer: Debug + Send {
    /// Takes the next piece.
    fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>);

    /// How much of what has been written is kept, in bytes, to be told again at the end.
    fn kept(&self) -> usize {
        0
    }
}
