//! What stands in the folders of pairs, changed anywhere: what is translated is JSON still, however it was cut.

use crate::any_input::{change, changes, strict};
use crate::pairs::{PAIRS, Pair};
use crate::support::cut;
use proptest::prelude::*;
use serde_json::Value;

proptest! {
    #[test]
    fn a_changed_request_of_any_pair_is_json(pair in 0..PAIRS.len(), file in any::<prop::sample::Index>(), changes in changes()) {
        let pair: &Pair = &PAIRS[pair];
        let files = pair.files(&format!(".request.{}.json", pair.client.0));
        let mut body: Value = serde_json::from_slice(&files[file.index(files.len())].1).unwrap();
        change(&mut body, &changes);
        if let Ok(request) = pair.request(body.to_string().as_bytes()) {
            strict(&request.body)?;
        }
    }

    #[test]
    fn a_changed_answer_of_any_pair_is_json(pair in 0..PAIRS.len(), file in any::<prop::sample::Index>(), changes in changes()) {
        let pair: &Pair = &PAIRS[pair];
        let files = pair.files(&format!(".answer.{}.json", pair.provider.0));
        let mut body: Value = serde_json::from_slice(&files[file.index(files.len())].1).unwrap();
        change(&mut body, &changes);
        if let Ok((out, _)) = pair.answer(false, &[body.to_string().as_bytes()]) {
            strict(&out)?;
        }
    }

    #[test]
    fn a_changed_stream_of_any_pair_is_events_of_json(
        pair in 0..PAIRS.len(), file in any::<prop::sample::Index>(), changes in changes(), sizes in prop::collection::vec(1usize..200, 1..10),
    ) {
        let pair: &Pair = &PAIRS[pair];
        let files = pair.files(&format!(".stream.{}.sse", pair.provider.0));
        let text = String::from_utf8(files[file.index(files.len())].1.clone()).unwrap();
        let events = text.lines().filter_map(|line| line.strip_prefix("data: ").filter(|data| *data != "[DONE]"));
        let mut events: Value = events.map(|data| serde_json::from_str::<Value>(data).unwrap()).collect();
        change(&mut events, &changes);
        let input: String = events.as_array().into_iter().flatten().map(|event| format!("data: {event}\n\n")).collect();
        let told = pair.answer(true, &[input.as_bytes()]);
        prop_assert_eq!(&pair.answer(true, &cut(input.as_bytes(), &sizes)).ok(), &told.as_ref().ok().cloned());
        let out = told.map(|(out, _)| out).unwrap_or_default();
        for event in String::from_utf8(out).unwrap().split_terminator("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            if data != "[DONE]" {
                strict(data.as_bytes())?;
            }
        }
    }
}
