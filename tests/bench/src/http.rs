//! As much HTTP/1.1 as a load generator needs.
//!
//! A full client would cost several times what the answers of a fast upstream cost, on the same cores
//! that are being measured.

use std::fmt;

/// Longest response head that is taken.
const MAX_HEAD: usize = 64 << 10;

/// A response that does not follow the protocol, or not the part of it that is understood here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadResponse(&'static str);

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadResponse {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// Bytes of a body of known length that are missing.
    Sized(u64),
    /// In the line that gives a chunk's size; the size so far, and whether its digits are over.
    ChunkSize(u64, bool),
    /// Bytes of a chunk that are missing.
    ChunkData(u64),
    /// Bytes of the line end after a chunk that are missing.
    ChunkEnd(u8),
    /// After the last chunk; bytes in the line so far.
    Trailer(usize),
    UntilClose,
    Done,
}

/// Reads one response, in whatever pieces it arrives.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    stage: Stage,
    head: Vec<u8>,
    status: u16,
    keep_alive: bool,
}

impl ResponseReader {
    pub(crate) fn new() -> Self {
        Self { stage: Stage::Head, head: Vec::new(), status: 0, keep_alive: true }
    }

    /// Makes ready for the next response, keeping buffers.
    pub(crate) fn reset(&mut self) {
        self.head.clear();
        *self = Self { head: std::mem::take(&mut self.head), ..Self::new() };
    }

    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Zero until the head was read.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the connection can carry another request.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Takes the end of the connection; whether the response was complete with it.
    pub(crate) fn closed(&mut self) -> bool {
        self.keep_alive = false;
        if self.stage == Stage::UntilClose {
            self.stage = Stage::Done;
        }
        self.is_done()
    }

    /// Takes bytes from the connection and gives the body's to `sink`.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut sink: impl FnMut(&[u8])) -> Result<(), BadResponse> {
        let mut rest = bytes;
        while let Some(&byte) = rest.first() {
            match self.stage {
                Stage::Head => {
                    rest = self.take_head(rest)?;
                    continue;
                }
                Stage::Sized(missing) => {
                    let (body, after) = take(rest, missing);
                    sink(body);
                    rest = after;
                    self.stage = sized(missing - body.len() as u64);
                    continue;
                }
                Stage::ChunkData(missing) => {
                    let (body, after) = take(rest, missing);
                    sink(body);
                    rest = after;
                    let missing = missing - body.len() as u64;
                    self.stage = if missing == 0 { Stage::ChunkEnd(2) } else { Stage::ChunkData(missing) };
                    continue;
                }
                Stage::UntilClose => {
                    sink(rest);
                    return Ok(());
                }
                Stage::ChunkSize(size, over) => self.stage = chunk_size(size, over, byte)?,
                Stage::ChunkEnd(missing) => {
                    self.stage =
                        if missing > 1 { Stage::ChunkEnd(missing - 1) } else { Stage::ChunkSize(0, false) };
                }
                Stage::Trailer(length) => {
                    self.stage = match byte {
                        b'\n' if length == 0 => Stage::Done,
                        b'\n' => Stage::Trailer(0),
                        b'\r' => Stage::Trailer(length),
                        _ => Stage::Trailer(length + 1),
                    };
                }
                Stage::Done => return Err(BadResponse("bytes after the end of the response")),
            }
            rest = rest.split_first().map_or(&[][..], |(_, after)| after);
        }
        Ok(())
    }

    /// Takes bytes of the head; what is left belongs to the body.
    fn take_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], BadResponse> {
        // The end mark may lie across the border of what was there.
        let known = self.head.len();
        self.head.extend_from_slice(bytes);
        let from = known.saturating_sub(3);
        let unseen = self.head.get(from..).unwrap_or_default();
        let Some(found) = unseen.windows(4).position(|window| window == b"\r\n\r\n") else {
            return if self.head.len() > MAX_HEAD { Err(BadResponse("head too long")) } else { Ok(&[]) };
        };
        let end = from + found + 4;
        self.head.truncate(end);
        let head = std::mem::take(&mut self.head);
        let parsed = self.parse_head(&head);
        parsed?;
        // Empty again, since after an interim response another head follows.
        self.head = head;
        self.head.clear();
        Ok(bytes.get(end - known..).unwrap_or_default())
    }

    fn parse_head(&mut self, head: &[u8]) -> Result<(), BadResponse> {
        let text = std::str::from_utf8(head).map_err(|_| BadResponse("head is not text"))?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok());
        self.status = status.ok_or(BadResponse("no HTTP/1.1 status line"))?;
        let mut body = Stage::UntilClose;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            if name.eq_ignore_ascii_case("content-length") {
                let length = value.parse().map_err(|_| BadResponse("content-length is no number"))?;
                body = sized(length);
            } else if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked")
            {
                body = Stage::ChunkSize(0, false);
            } else if name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
                self.keep_alive = false;
            }
        }
        self.stage = match self.status {
            // An interim response; the real one follows.
            100..=199 => Stage::Head,
            204 | 304 => Stage::Done,
            _ => body,
        };
        Ok(())
    }
}

fn sized(missing: u64) -> Stage {
    if missing == 0 { Stage::Done } else { Stage::Sized(missing) }
}

fn chunk_size(size: u64, over: bool, byte: u8) -> Result<Stage, BadResponse> {
    match byte {
        b'\n' if size == 0 => Ok(Stage::Trailer(0)),
        b'\n' => Ok(Stage::ChunkData(size)),
        _ if over => Ok(Stage::ChunkSize(size, true)),
        b'\r' | b';' | b' ' => Ok(Stage::ChunkSize(size, true)),
        _ => {
            let digit = char::from(byte).to_digit(16).ok_or(BadResponse("chunk size is no number"))?;
            let size = size.checked_mul(16).and_then(|size| size.checked_add(u64::from(digit)));
            Ok(Stage::ChunkSize(size.ok_or(BadResponse("chunk too long"))?, false))
        }
    }
}

/// At most `count` bytes, and the rest.
fn take(bytes: &[u8], count: u64) -> (&[u8], &[u8]) {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
    bytes.split_at_checked(count).unwrap_or((bytes, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in_pieces(response: &[u8], size: usize) -> (ResponseReader, Vec<u8>) {
        let mut reader = ResponseReader::new();
        let mut body = Vec::new();
        for piece in response.chunks(size) {
            reader.feed(piece, |bytes| body.extend_from_slice(bytes)).unwrap();
        }
        (reader, body)
    }

    #[test]
    fn every_split_reads_the_same() {
        let sized = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice();
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nhel\r\n02\r\nlo\r\n0\r\nx: y\r\n\r\n".as_slice();
        let interim =
            b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
                .as_slice();
        for response in [sized, chunked, interim] {
            for size in 1..=response.len() {
                let (reader, body) = read_in_pieces(response, size);
                assert_eq!(body, b"hello", "pieces of {size}");
                assert!(reader.is_done() && reader.keeps_alive() && reader.status() == 200);
            }
        }
    }

    #[test]
    fn a_body_may_end_with_the_connection() {
        let (mut reader, body) = read_in_pieces(b"HTTP/1.1 200 OK\r\n\r\nhello", 7);
        assert_eq!(body, b"hello");
        assert!(!reader.is_done());
        assert!(reader.closed() && !reader.keeps_alive());
    }

    #[test]
    fn a_broken_body_is_not_complete() {
        let broken = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel".as_slice();
        assert!(!read_in_pieces(broken, 4).0.closed());
        assert!(!read_in_pieces(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel", 4).0.closed());
        assert!(!ResponseReader::new().closed());
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for response in [
            b"SSH-2.0-x\r\n\r\n".as_slice(),
            b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nab",
        ] {
            assert!(ResponseReader::new().feed(response, |_| {}).is_err());
        }
    }

    #[test]
    fn a_reader_is_used_again() {
        let mut reader = ResponseReader::new();
        for _ in 0..2 {
            reader.feed(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n", |_| {}).unwrap();
            assert!(reader.is_done() && !reader.keeps_alive());
            reader.reset();
            assert!(reader.keeps_alive() && !reader.is_done());
        }
    }
}
