//! Whatever an answer is, reading it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::Reader;
use weirgate_dialect::sse::Framer;

fuzz_target!(|input: &[u8]| {
    for dialect in Dialect::ALL {
        let mut reader = Reader::new(dialect);
        let mut framer = Framer::new(1 << 16);
        let _ = framer.push(input, |event| {
            reader.event(event);
        });
        let _ = reader.usage();
        Reader::new(dialect).body(input);
    }
});
