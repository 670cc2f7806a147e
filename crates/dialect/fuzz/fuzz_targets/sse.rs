//! The first byte says how the rest is cut; the pieces must be the same bytes, and the same events.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::sse::{Framer, parse};

fn events(raw: &[u8], size: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut framer = Framer::new(usize::MAX / 2);
    let mut events = Vec::new();
    let mut bytes = Vec::new();
    for chunk in raw.chunks(size) {
        let result = framer.push(chunk, |piece| {
            bytes.extend_from_slice(piece);
            events.push(parse(piece).data.into_owned());
        });
        assert!(result.is_ok());
    }
    bytes.extend(framer.finish());
    (events, bytes)
}

fuzz_target!(|data: &[u8]| {
    let Some((size, raw)) = data.split_first() else { return };
    let (cut, bytes) = events(raw, usize::from(*size).max(1));
    assert_eq!(bytes, raw);
    assert_eq!(cut, events(raw, raw.len().max(1)).0);
});
