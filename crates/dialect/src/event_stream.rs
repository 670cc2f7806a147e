//! Amazon's event streams (`application/vnd.amazon.eventstream`): binary messages, each of headers and a payload.
//!
//! | part | bytes |
//! | --- | --- |
//! | length of the whole message | 4 |
//! | length of the headers | 4 |
//! | CRC32 of these eight bytes | 4 |
//! | headers | |
//! | payload | |
//! | CRC32 of everything before | 4 |
//!
//! All numbers are big-endian. A header is the length of its name (1 byte), the name, a type (1 byte) and a value. As with server-sent
//! events, framing and parsing are apart: [`Framer`] finds where a message ends, [`parse`] reads one.
//!
//! Sources: <https://smithy.io/2.0/aws/amazon-eventstream.html>,
//! <https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html>.

mod header;

#[cfg(test)]
mod tests;

pub use header::Value;

use header::Headers;
use std::fmt;

/// The content type of such a stream.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// The two lengths and their checksum.
const PRELUDE: usize = 12;

/// What a message without headers and payload is long.
const LEAST: usize = PRELUDE + CHECKSUM;

const CHECKSUM: usize = 4;

/// The most that the headers of a message may take: the specification's bound.
const MOST_HEADERS: usize = 128 * 1024;

/// Whether a stream that begins with this byte is one of Amazon's rather than text. It is the first of a length that stays under
/// 32 MiB, which no text begins with.
pub fn begins_with(byte: u8) -> bool {
    byte < 2
}

/// Finds the ends of messages in a stream that arrives in arbitrary chunks.
///
/// The pieces and then [`Framer::pending`], one after another, are exactly the bytes that came in. Memory is used only for a message
/// that spans chunks, and is bounded by the limit.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    pending: Vec<u8>,
    /// The length of the pending message, once its prelude is there and has been checked.
    length: Option<usize>,
    failed: Option<Error>,
}

impl Framer {
    /// A framer that refuses messages of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, pending: Vec::new(), length: None, failed: None }
    }

    /// Takes the next chunk and calls `on_message` with each message that is now complete.
    ///
    /// A message that lies within `chunk` is borrowed from it; nothing is copied.
    ///
    /// # Errors
    ///
    /// A prelude is not what it should be, or announces a message over the limit. The messages before it have been delivered; behind
    /// it nobody knows where the next one begins, so every later call fails too.
    pub fn push(&mut self, chunk: &[u8], mut on_message: impl FnMut(&[u8])) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut rest = chunk;
        while !rest.is_empty() {
            let wanted = self.length.unwrap_or(PRELUDE);
            if self.pending.is_empty() && rest.len() >= wanted {
                // Not a byte of it is waiting: it need not be copied.
                let length = self.length_of(rest)?;
                let Some((message, tail)) = rest.split_at_checked(length) else {
                    self.length = Some(length);
                    self.pending.extend_from_slice(rest);
                    break;
                };
                on_message(message);
                rest = tail;
                continue;
            }
            let missing = wanted.saturating_sub(self.pending.len());
            let (more, tail) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            self.pending.extend_from_slice(more);
            rest = tail;
            if self.pending.len() < wanted {
                break;
            }
            let length = match self.length {
                Some(length) => length,
                None => {
                    let pending = std::mem::take(&mut self.pending);
                    let length = self.length_of(&pending);
                    self.pending = pending;
                    *self.length.insert(length?)
                }
            };
            if self.pending.len() >= length {
                on_message(&self.pending);
                self.pending.clear();
                self.length = None;
            }
        }
        Ok(())
    }

    /// The bytes after the last complete message.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Ends the stream: takes the bytes after the last complete message, and makes the framer new again.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::replace(self, Self::new(self.limit)).pending
    }

    fn length_of(&mut self, message: &[u8]) -> Result<usize, Error> {
        let length = read_prelude(message).map(|(length, _)| length);
        let length =
            length.and_then(|length| if length > self.limit { Err(Error::TooLong) } else { Ok(length) });
        if let Err(error) = length {
            self.failed = Some(error);
        }
        length
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// It is over the limit of its [`Framer`], or of what the format can hold.
    TooLong,
    /// Its lengths do not fit each other, or not the bytes that are there.
    Length,
    /// The checksum of its lengths is another.
    PreludeChecksum,
    /// The checksum of the whole is another.
    Checksum,
    /// A header is cut, or is of a type that the format does not define.
    Header,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "a message of the event stream is over the size limit",
            Self::Length => "a message of the event stream has lengths that do not fit",
            Self::PreludeChecksum => "the lengths of a message of the event stream fail their checksum",
            Self::Checksum => "a message of the event stream fails its checksum",
            Self::Header => "a message of the event stream has a header that cannot be read",
        })
    }
}

impl std::error::Error for Error {}

/// What one message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    headers: &'a [u8],
    /// What it carries, in most streams JSON.
    pub payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// Its headers, in their order. All of them have been checked.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        Headers(self.headers).map_while(Result::ok)
    }

    /// A header that is a text. Of several of one name the first.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        self.headers().find_map(|(key, value)| match value {
            Value::Text(text) if key == name => Some(text),
            _ => None,
        })
    }
}

/// Reads one message as a [`Framer`] delivers it.
///
/// # Errors
///
/// The bytes are not one whole message, a checksum fails, or a header cannot be read.
pub fn parse(raw: &[u8]) -> Result<Message<'_>, Error> {
    let (length, headers) = read_prelude(raw)?;
    let (body, checksum) = raw.split_last_chunk::<CHECKSUM>().ok_or(Error::Length)?;
    if length != raw.len() {
        return Err(Error::Length);
    }
    if crc32fast::hash(body) != u32::from_be_bytes(*checksum) {
        return Err(Error::Checksum);
    }
    let inside = body.get(PRELUDE..).ok_or(Error::Length)?;
    let (headers, payload) = inside.split_at_checked(headers).ok_or(Error::Length)?;
    match Headers(headers).find_map(Result::err) {
        Some(error) => Err(error),
        None => Ok(Message { headers, payload }),
    }
}

/// The lengths of a message and of its headers, which are what they claim to be.
fn read_prelude(message: &[u8]) -> Result<(usize, usize), Error> {
    let (lengths, rest) = message.split_first_chunk::<8>().ok_or(Error::Length)?;
    let checksum = rest.first_chunk::<CHECKSUM>().ok_or(Error::Length)?;
    if crc32fast::hash(lengths) != u32::from_be_bytes(*checksum) {
        return Err(Error::PreludeChecksum);
    }
    let packed = u64::from_be_bytes(*lengths);
    let length = usize::try_from(packed >> 32).map_err(|_| Error::TooLong)?;
    let headers = usize::try_from(packed & u64::from(u32::MAX)).map_err(|_| Error::TooLong)?;
    if headers > MOST_HEADERS {
        return Err(Error::TooLong);
    }
    if length < LEAST || headers > length - LEAST {
        return Err(Error::Length);
    }
    Ok((length, headers))
}

/// Writes a message.
///
/// # Errors
///
/// A header's name or value, all headers or the whole are longer than the format can say. Nothing is written then.
pub fn write(out: &mut Vec<u8>, headers: &[(&str, Value<'_>)], payload: &[u8]) -> Result<(), Error> {
    let mut block = Vec::with_capacity(96);
    for (name, value) in headers {
        header::write(&mut block, name, value)?;
    }
    if block.len() > MOST_HEADERS {
        return Err(Error::TooLong);
    }
    let length = LEAST.saturating_add(block.len()).saturating_add(payload.len());
    let length = u32::try_from(length).map_err(|_| Error::TooLong)?;
    let of_headers = u32::try_from(block.len()).map_err(|_| Error::TooLong)?;
    let lengths = (u64::from(length) << 32 | u64::from(of_headers)).to_be_bytes();
    let prelude = crc32fast::hash(&lengths).to_be_bytes();
    let mut checksum = crc32fast::Hasher::new();
    for part in [lengths.as_slice(), &prelude, &block, payload] {
        checksum.update(part);
        out.extend_from_slice(part);
    }
    out.extend_from_slice(&checksum.finalize().to_be_bytes());
    Ok(())
}

/// Writes an event whose payload is JSON, with the headers by which Amazon's SDKs tell it.
///
/// # Errors
///
/// As [`write()`].
pub fn write_event(out: &mut Vec<u8>, name: &str, json: &[u8]) -> Result<(), Error> {
    write_json(out, ":event-type", name, "event", json)
}

/// Writes the failure that ends a stream.
///
/// # Errors
///
/// As [`write()`].
pub fn write_exception(out: &mut Vec<u8>, name: &str, json: &[u8]) -> Result<(), Error> {
    write_json(out, ":exception-type", name, "exception", json)
}

fn write_json(out: &mut Vec<u8>, kind: &str, name: &str, message: &str, json: &[u8]) -> Result<(), Error> {
    let headers = [
        (kind, Value::Text(name)),
        (":content-type", Value::Text("application/json")),
        (":message-type", Value::Text(message)),
    ];
    write(out, &headers, json)
}
