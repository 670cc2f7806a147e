//! The first byte says how the rest is cut; the pieces must be the same bytes, and the same messages. What is read can be written again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::event_stream::{Error, Framer, parse, write};

type Framed = (Vec<Vec<u8>>, Vec<u8>, Result<(), Error>);

fn messages(raw: &[u8], size: usize) -> Framed {
    let mut framer = Framer::new(1 << 16);
    let mut messages = Vec::new();
    let result =
        raw.chunks(size).try_for_each(|chunk| framer.push(chunk, |piece| messages.push(piece.to_vec())));
    (messages, framer.finish(), result)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, raw)) = data.split_first() else { return };
    let (cut, pending, result) = messages(raw, usize::from(*size).max(1));
    let whole = messages(raw, raw.len().max(1));
    assert_eq!((&cut, result), (&whole.0, whole.2));
    if result.is_ok() {
        assert_eq!([cut.concat(), pending].concat(), raw);
    }
    for message in cut.iter().map(Vec::as_slice).chain([raw]) {
        let Ok(read) = parse(message) else { continue };
        let headers: Vec<_> = read.headers().collect();
        let mut again = Vec::new();
        if write(&mut again, &headers, read.payload).is_ok() {
            assert_eq!(again, message);
        }
    }
});
