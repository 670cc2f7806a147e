//! Whatever an answer is, reading it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::Dialect;
use weirgate_dialect::answer::Reader;
use weirgate_dialect::cached::Assembler;
use weirgate_dialect::cut::Cut;
use weirgate_dialect::framing::Framer;

fuzz_target!(|input: &[u8]| {
    for dialect in Dialect::ALL {
        let mut reader = Reader::new(dialect);
        let mut framer = Framer::new(dialect, 1 << 16);
        let mut assembler = Assembler::new(dialect);
        let mut cut = Cut::new(dialect);
        let _ = framer.push(input, |event| {
            reader.event(event);
            assembler.event(event);
            cut.event(event);
        });
        let _ = (reader.usage(), assembler.finish(), cut.end(1, 1));
        Reader::new(dialect).body(input);
    }
});
