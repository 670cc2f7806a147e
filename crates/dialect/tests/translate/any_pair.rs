//! Whatever comes in, between any two dialects: no panic, no output that is not JSON, and no difference between ways to cut it.

use crate::any_input::{change, changes, document, strict};
use crate::pairs::{CASES, PAIRS, Pair, events, framed, last, plain, request, stream};
use crate::support::{LIMIT, cut};
use proptest::prelude::*;
use serde_json::{Value, json};
use weirgate_dialect::Dialect::{self, Converse, Gemini, Invoke, OpenAi};
use weirgate_dialect::event_stream;
use weirgate_dialect::framing::Framer;
use weirgate_dialect::sse;
use weirgate_dialect::translate::Unsupported;

fn any_pair() -> impl Strategy<Value = Pair> {
    prop::sample::select(PAIRS.as_slice())
}

fn any_case() -> impl Strategy<Value = &'static str> {
    prop::sample::select(CASES.as_slice())
}

/// Each event of the client's, which has to be JSON in its framing.
fn check(client: Dialect, out: &[u8]) -> Result<(), TestCaseError> {
    let mut result = Ok(());
    let mut framer = Framer::new(client, LIMIT);
    let framed = framer.push(out, |raw| {
        let event = || {
            if client == Converse {
                return strict(event_stream::parse(raw).unwrap().payload);
            }
            let event = std::str::from_utf8(raw).unwrap().trim_end();
            let data = sse::parse(raw).data.into_owned();
            prop_assert!(!data.is_empty() && event.lines().count() <= 2, "{}", event);
            if data == b"[DONE]" { Ok(()) } else { strict(&data) }
        };
        if result.is_ok() {
            result = event();
        }
    });
    prop_assert!(framed.is_ok() && framer.pending().is_empty());
    result
}

#[test]
fn a_stream_that_was_cut_ends_in_an_error_that_the_client_can_read() {
    for pair in PAIRS.iter() {
        let events = events(pair.provider, "text");
        let whole = framed(pair.provider, &events);
        let kept = framed(pair.provider, &events[..2]);
        for length in [kept.len(), kept.len() + 3, kept.len() + 20] {
            let (out, error, complete) = pair.answer(true, &[&whole[..length]]);
            assert!(error.is_none() && !complete, "{pair:?}: {error:?}");
            let last = last(pair.client, &out);
            assert!(last.to_string().contains("ended in its middle"), "{pair:?}: {last}");
            assert!(pair.client != Converse || last["modelStreamErrorException"].is_object(), "{last}");
        }
    }
}

#[test]
fn garbage_in_a_stream_is_an_error_behind_what_was_good() {
    for pair in PAIRS.iter() {
        let events = events(pair.provider, "text");
        let (end, good) = events.split_last().unwrap();
        let mut broken = framed(pair.provider, good);
        let at = broken.len();
        broken.extend(b"data: {\"oh\n\n");
        if matches!(pair.provider, Converse | Invoke) {
            broken.truncate(at);
            broken.extend(framed(pair.provider, std::slice::from_ref(end)));
            broken[at + 20] ^= 1;
        }
        let (out, error, complete) = pair.answer(true, &[&broken]);
        assert!(error.is_some() && !complete, "{pair:?}");
        assert!(out.windows(4).any(|part| part == b"Ahoy"), "{pair:?}: what was good goes out first");
    }
}

#[test]
fn text_is_no_stream_of_converses() {
    let pair = PAIRS.iter().find(|pair| (pair.client, pair.provider) == (OpenAi, Converse)).unwrap();
    let (out, error, _) = pair.answer(true, &[b"data: {\"text\":\"a\"}\n\n"]);
    assert!(out.is_empty() && error.unwrap().to_string().contains("checksum"));
}

#[test]
fn an_error_that_stands_in_no_event_is_told() {
    let error =
        b"\r\n{\r\n  \"error\": {\r\n    \"code\": 503,\r\n    \"message\": \"overloaded\"\r\n  }\r\n}\r\n";
    for pair in PAIRS.iter().filter(|pair| pair.provider == Gemini) {
        let good = framed(Gemini, &events(Gemini, "text")[..1]);
        let (out, failure, complete) = pair.answer(true, &[&good, error]);
        assert!(failure.is_none() && !complete, "{pair:?}: {failure:?}");
        assert!(last(pair.client, &out).to_string().contains("overloaded"), "{pair:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_split_of_a_stream_gives_the_same_bytes(
        pair in any_pair(),
        case in prop_oneof![3 => any_case(), 1 => Just("failed")],
        sizes in prop::collection::vec(1usize..200, 1..40),
    ) {
        let input = stream(pair.provider, case);
        prop_assert_eq!(pair.answer(true, &cut(&input, &sizes)), pair.answer(true, &[&input]));
    }

    #[test]
    fn bytes_of_any_kind_give_an_answer_or_an_error(
        pair in any_pair(),
        is_stream: bool,
        begins_binary: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        sizes in prop::collection::vec(1usize..9, 1..20),
    ) {
        let mut bytes = bytes;
        if begins_binary {
            bytes.splice(..0, [0, 0]);
        }
        prop_assert_eq!(pair.answer(is_stream, &cut(&bytes, &sizes)), pair.answer(is_stream, &[&bytes]));
    }

    #[test]
    fn a_changed_stream_is_events_of_json(
        pair in any_pair(),
        case in any_case(),
        changes in changes(),
        sizes in prop::collection::vec(1usize..200, 1..10),
    ) {
        let mut events = Value::from(events(pair.provider, case));
        change(&mut events, &changes);
        let input = framed(pair.provider, events.as_array().map(Vec::as_slice).unwrap_or_default());
        let (out, error, complete) = pair.answer(true, &[&input]);
        check(pair.client, &out)?;
        prop_assert_eq!(pair.answer(true, &cut(&input, &sizes)), (out, error, complete));
    }

    #[test]
    fn a_changed_answer_is_json(pair in any_pair(), case in any_case(), changes in changes()) {
        let mut body = serde_json::from_str(&plain(pair.provider, case)).unwrap();
        change(&mut body, &changes);
        let (out, error, _) = pair.answer(false, &[body.to_string().as_bytes()]);
        if error.is_none() {
            strict(&out)?;
        }
    }

    #[test]
    fn a_changed_request_is_json(pair in any_pair(), case in any_case(), changes in changes()) {
        let mut body = serde_json::from_str(&request(pair.client, case)).unwrap();
        change(&mut body, &changes);
        for unsupported in [Unsupported::Reject, Unsupported::Drop] {
            if let Ok(request) = pair.request(body.to_string().as_bytes(), unsupported, false) {
                strict(&request.body)?;
            }
        }
    }

    #[test]
    fn a_request_that_is_translated_is_json(
        pair in any_pair(),
        body in document(),
        turns in prop::collection::vec(document(), 0..3),
    ) {
        let mut body = if body.is_object() { body } else { json!({}) };
        let list = match pair.client {
            Gemini => "contents",
            Dialect::Responses => "input",
            _ => "messages",
        };
        if body.get(list).is_none_or(|value| !value.is_array()) {
            body[list] = turns.into();
        }
        if let Ok(request) = pair.request(body.to_string().as_bytes(), Unsupported::Drop, false) {
            strict(&request.body)?;
        }
    }
}
