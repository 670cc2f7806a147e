//! Any bytes give the same output however they are cut. The first byte says how, and what kind of answer it is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::{Answer, AnswerOptions, Error};

type Pair = (Dialect, Dialect);

fn translate(raw: &[u8], size: usize, (from, to): Pair, options: &AnswerOptions) -> (Vec<u8>, Option<Error>) {
    let mut out = Vec::new();
    let Ok(mut answer) = Answer::new(from, to, options.clone()) else {
        return (out, None);
    };
    for chunk in raw.chunks(size) {
        match answer.push(chunk) {
            Ok(bytes) => out.extend(bytes),
            Err(error) => return (out, Some(error)),
        }
    }
    match answer.finish() {
        Ok(bytes) => out.extend(bytes),
        Err(error) => return (out, Some(error)),
    }
    (out, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((first, raw)) = data.split_first() else { return };
    let options = AnswerOptions {
        status: if first & 0x40 == 0 { 200 } else { 529 },
        is_event_stream: first & 0x80 == 0,
        include_usage: true,
        created: 0,
        model: String::new(),
        id: String::new(),
        served: String::new(),
        limit: 1 << 20,
    };
    let size = usize::from(first & 0x3F).max(1);
    for pair in Dialect::ALL.into_iter().flat_map(|from| Dialect::ALL.map(|to| (from, to))) {
        let whole = translate(raw, raw.len().max(1), pair, &options);
        assert_eq!(translate(raw, size, pair, &options), whole);
    }
});
