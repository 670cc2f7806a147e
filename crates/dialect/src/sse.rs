//! Cuts a byte stream into server-sent events.
//!
//! The format is the event stream of the HTML standard
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>). Framing and parsing are apart, since
//! most readers must forward the bytes exactly as they came and look into a few of the events only:
//! [`Framer`] finds where an event ends, [`parse`] reads one.

use std::borrow::Cow;
use std::fmt;

/// Finds the ends of events in a stream that arrives in arbitrary chunks.
///
/// A piece is an event's bytes up to and including the blank line that ends it. The pieces and then
/// [`Framer::pending`], one after another, are exactly the bytes that came in. Every byte is looked at once,
/// however the stream is cut. Memory is used only for a piece that spans chunks, and is bounded by the limit.
///
/// A blank line may end in CR, LF or CRLF. When a chunk ends right behind a CR that ends an event, the event is
/// delivered at once, and an LF that opens the next chunk becomes the first byte of the next piece, where
/// [`parse`] passes over it.
#[derive(Debug)]
pub struct Framer {
    limit: usize,
    pending: Vec<u8>,
    /// The current line has no byte yet.
    line_is_blank: bool,
    /// The last byte was a CR, so that an LF now belongs to the same line end.
    after_cr: bool,
    failed: bool,
}

impl Framer {
    /// A framer that refuses pieces of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, pending: Vec::new(), line_is_blank: true, after_cr: false, failed: false }
    }

    /// Takes the next chunk and calls `on_event` with each piece that is now complete.
    ///
    /// A piece that lies within `chunk` is borrowed from it; nothing is copied.
    ///
    /// # Errors
    ///
    /// [`TooLong`] when a piece is over the limit. The pieces before it have been delivered; the rest of
    /// the chunk is not kept, and every later call fails too.
    pub fn push(&mut self, chunk: &[u8], mut on_event: impl FnMut(&[u8])) -> Result<(), TooLong> {
        if self.failed {
            return Err(TooLong);
        }
        if chunk.is_empty() {
            return Ok(());
        }
        let mut piece = chunk;
        // Bytes of `piece` that have been looked at.
        let mut seen = usize::from(self.after_cr && chunk.first() == Some(&b'\n'));
        self.after_cr = false;
        while let Some((text, line_end)) = next_line_end(piece.get(seen..).unwrap_or_default()) {
            self.line_is_blank &= text == 0;
            seen += text + line_end;
            self.after_cr = seen == piece.len() && piece.last() == Some(&b'\r');
            if !self.line_is_blank {
                self.line_is_blank = true;
                continue;
            }
            let (event, rest) = piece.split_at_checked(seen).unwrap_or((piece, &[]));
            self.deliver(event, &mut on_event)?;
            piece = rest;
            seen = 0;
        }
        self.line_is_blank &= seen == piece.len();
        self.check(piece)?;
        self.pending.extend_from_slice(piece);
        Ok(())
    }

    /// The bytes after the last complete event.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// Ends the stream: takes the bytes after the last complete event, and makes the framer new again.
    ///
    /// The standard has a reader discard them; who forwards bytes must not.
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::replace(self, Self::new(self.limit)).pending
    }

    fn deliver(&mut self, event: &[u8], on_event: &mut impl FnMut(&[u8])) -> Result<(), TooLong> {
        self.check(event)?;
        if self.pending.is_empty() {
            on_event(event);
        } else {
            self.pending.extend_from_slice(event);
            on_event(&self.pending);
            self.pending.clear();
        }
        Ok(())
    }

    fn check(&mut self, more: &[u8]) -> Result<(), TooLong> {
        if self.pending.len() + more.len() > self.limit {
            self.failed = true;
            return Err(TooLong);
        }
        Ok(())
    }
}

/// An event is longer than the limit of its [`Framer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a server-sent event is over the size limit")
    }
}

impl std::error::Error for TooLong {}

/// What one event says. Fields other than these two are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The `event` field, if there is one that is not empty.
    pub name: Option<&'a [u8]>,
    /// The `data` lines, joined by LF. Borrowed where there is one line.
    pub data: Cow<'a, [u8]>,
}

impl Event<'_> {
    /// Whether there is nothing to read: a comment, a lone blank line, a field without data.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

/// Reads one piece as a [`Framer`] delivers it.
///
/// A last line without a line end counts as a line, so that a cut event can be looked at too.
pub fn parse(raw: &[u8]) -> Event<'_> {
    const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
    let mut rest = raw.strip_prefix(BYTE_ORDER_MARK).unwrap_or(raw);
    let mut name = None;
    let mut data: Option<Cow<'_, [u8]>> = None;
    while !rest.is_empty() {
        let (text, line_end) = next_line_end(rest).unwrap_or((rest.len(), 0));
        let (line, tail) = rest.split_at_checked(text).unwrap_or((rest, &[]));
        rest = tail.get(line_end..).unwrap_or_default();
        if let Some(value) = field(line, b"data") {
            data = Some(match data {
                None => Cow::Borrowed(value),
                Some(lines) => {
                    let mut lines = lines.into_owned();
                    lines.push(b'\n');
                    lines.extend_from_slice(value);
                    Cow::Owned(lines)
                }
            });
        } else if let Some(value) = field(line, b"event") {
            name = Some(value).filter(|value| !value.is_empty());
        }
    }
    Event { name, data: data.unwrap_or_default() }
}

/// The value of a line, if it is the field of that name.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    let Some(value) = rest.strip_prefix(b":") else {
        // A line without a colon is a field without a value.
        return rest.is_empty().then_some(rest);
    };
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// Bytes before the first line end, and the line end's own length.
fn next_line_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let text = find_line_end(bytes)?;
    let line_end = match bytes.get(text..) {
        Some([b'\r', b'\n', ..]) => 2,
        _ => 1,
    };
    Some((text, line_end))
}

/// The first CR or LF. Eight bytes at a time, since this is the loop that every streamed byte goes through.
fn find_line_end(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let has_zero = |word: u64| word.wrapping_sub(LOW) & !word & HIGH != 0;
    let (words, _) = bytes.as_chunks::<8>();
    let skipped = words
        .iter()
        .take_while(|word| {
            let word = u64::from_le_bytes(**word);
            !has_zero(word ^ (LOW * u64::from(b'\n'))) && !has_zero(word ^ (LOW * u64::from(b'\r')))
        })
        .count()
        * 8;
    let rest = bytes.get(skipped..)?;
    rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).map(|offset| skipped + offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const UNLIMITED: usize = usize::MAX / 2;

    fn frame(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, Vec<u8>) {
        let mut framer = Framer::new(UNLIMITED);
        let mut pieces = Vec::new();
        for chunk in chunks {
            framer.push(chunk, |piece| pieces.push(piece.to_vec())).unwrap();
        }
        (pieces, framer.finish())
    }

    fn texts(raw: &[u8]) -> Vec<String> {
        let (pieces, _) = frame(&[raw]);
        pieces
            .iter()
            .map(|piece| parse(piece))
            .filter(|event| !event.is_empty())
            .map(|event| String::from_utf8(event.data.into_owned()).unwrap())
            .collect()
    }

    #[test]
    fn every_kind_of_line_end_ends_an_event() {
        for raw in ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r"] {
            assert_eq!(texts(raw.as_bytes()), ["a", "b"], "{raw:?}");
        }
        assert_eq!(texts(b"data: a\r\n\ndata: b\n\r\ndata: c\n\rdata: d\r\n\r"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn data_lines_are_joined_and_one_leading_space_is_dropped() {
        assert_eq!(texts(b"data: a\ndata:b\ndata:  c\n\n"), ["a\nb\n c"]);
        assert_eq!(texts(b"data\ndata\n\n"), ["\n"]);
        assert_eq!(texts(b"database: a\n\ndat: b\n\n"), [""; 0]);
    }

    #[test]
    fn one_data_line_is_borrowed() {
        let event = parse(b"event: message_stop\ndata: {}\n\n");
        assert_eq!(event.name, Some(b"message_stop".as_slice()));
        assert!(matches!(event.data, Cow::Borrowed(b"{}")));
    }

    #[test]
    fn comments_and_lone_blank_lines_are_empty_events() {
        let (pieces, rest) = frame(&[b": ping\n\n\n\ndata: a\n\n"]);
        assert_eq!(pieces, [b": ping\n\n".as_slice(), b"\n", b"\n", b"data: a\n\n"]);
        assert!(pieces.iter().take(3).all(|piece| parse(piece).is_empty()));
        assert_eq!(rest, b"");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        assert_eq!(texts(b"\xEF\xBB\xBFdata: a\n\n"), ["a"]);
        assert_eq!(texts(b"\xEF\xBB\xBF\ndata: a\n\n"), ["a"]);
    }

    #[test]
    fn an_event_that_ends_in_cr_is_not_held_back() {
        let (pieces, rest) = frame(&[b"data: a\r\n\r", b"\ndata: b\r\n\r", b"\n"]);
        assert_eq!(pieces, [b"data: a\r\n\r".as_slice(), b"\ndata: b\r\n\r"]);
        assert_eq!(rest, b"\n");
        assert_eq!(parse(&pieces[1]).data, b"b".as_slice());
    }

    #[test]
    fn a_whole_event_is_borrowed_from_its_chunk() {
        let chunk = b"data: a\n\ndata: b\n\nda".as_slice();
        let mut framer = Framer::new(UNLIMITED);
        let mut offsets = Vec::new();
        framer.push(chunk, |piece| offsets.push(piece.as_ptr() as usize - chunk.as_ptr() as usize)).unwrap();
        assert_eq!(offsets, [0, 9]);
        assert_eq!(framer.pending(), b"da");
    }

    #[test]
    fn a_piece_over_the_limit_is_refused_however_it_is_cut() {
        let raw = b"data: a\n\ndata: 0123456789\n\ndata: b\n\n";
        for size in 1..raw.len() {
            let mut framer = Framer::new(16);
            let mut pieces = 0;
            let result = raw.chunks(size).try_for_each(|chunk| framer.push(chunk, |_| pieces += 1));
            assert_eq!((result, pieces), (Err(TooLong), 1), "chunks of {size}");
            assert!(framer.pending().len() <= 16);
            assert_eq!(framer.push(b"\n\n", |_| ()), Err(TooLong));
        }
    }

    #[test]
    fn line_ends_are_found_at_every_offset() {
        for length in 0..40 {
            for at in 0..length {
                for end in [b'\n', b'\r'] {
                    let mut bytes = vec![0x8A; length];
                    bytes[at] = end;
                    assert_eq!(find_line_end(&bytes), Some(at));
                }
            }
            assert_eq!(find_line_end(&vec![0x0B; length]), None);
        }
    }

    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let token = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"\n\n".to_vec()),
            Just(b"data: ".to_vec()),
            Just(b"event:x".to_vec()),
            Just(b":".to_vec()),
            Just("žluť \u{1F980}".as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..12),
        ];
        prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(raw in stream(), sizes in prop::collection::vec(1usize..9, 1..20)) {
            let (whole, _) = frame(&[&raw]);
            let mut chunks = Vec::new();
            let mut left = raw.as_slice();
            for size in sizes.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let (chunk, rest) = left.split_at((*size).min(left.len()));
                chunks.push(chunk);
                left = rest;
            }
            let (pieces, rest) = frame(&chunks);
            prop_assert_eq!(&[pieces.concat(), rest].concat(), &raw);
            prop_assert_eq!(pieces.len(), whole.len());
            let (mut end, mut expected_end) = (0, 0);
            for (piece, expected) in pieces.iter().zip(&whole) {
                prop_assert_eq!(parse(piece), parse(expected));
                end += piece.len();
                expected_end += expected.len();
                // A cut within CRLF moves the LF behind the border; nothing else may differ.
                prop_assert!(end == expected_end || (end + 1 == expected_end && raw[end - 1..=end] == *b"\r\n"));
            }
        }
    }
}
