//! Pairs with Amazon's Converse and with Cohere: whatever comes in, no panic, no output that is not JSON, and no difference between ways
//! to cut it.

use crate::any_input::{change, changes, document, strict};
use crate::framed::{PAIRS, answer, file, frame, lines, name};
use crate::support::{answer_options, cut, options};
use proptest::prelude::*;
use serde_json::{Value, json};
use weirgate_dialect::Dialect::{self, Anthropic, Cohere, Converse, OpenAi};
use weirgate_dialect::event_stream;
use weirgate_dialect::sse;
use weirgate_dialect::translate::{self, Answer, Error, Options, Unsupported};

/// Streams of providers, each an event a line.
fn events(to: Dialect, case: &str) -> Vec<Value> {
    let (from, end) = match to {
        Converse => (OpenAi, "jsonl"),
        Cohere => (OpenAi, "sse"),
        _ => (Converse, "sse"),
    };
    let text = std::fs::read_to_string(file(from, to, &format!("{case}.stream.{}.{end}", name(to)))).unwrap();
    let lines =
        text.lines().filter_map(|line| if to == Converse { Some(line) } else { line.strip_prefix("data: ") });
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The bytes of a stream of these events.
fn stream(to: Dialect, events: &[Value]) -> Vec<u8> {
    if to != Converse {
        return events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>().into_bytes();
    }
    let mut out = Vec::new();
    for event in events {
        for (name, payload) in event.as_object().into_iter().flatten() {
            event_stream::write_event(&mut out, name, payload.to_string().as_bytes()).unwrap();
        }
    }
    out
}

/// Each event of the client's, which has to be JSON in its framing.
fn check(from: Dialect, out: &[u8]) -> Result<(), TestCaseError> {
    if from == Converse {
        let mut result = Ok(());
        let mut framer = event_stream::Framer::new(1 << 20);
        let framed = framer.push(out, |raw| {
            let message = event_stream::parse(raw).unwrap();
            if result.is_ok() {
                result = strict(message.payload);
            }
        });
        prop_assert!(framed.is_ok() && framer.pending().is_empty());
        return result;
    }
    for event in String::from_utf8(out.to_vec()).unwrap().split_terminator("\n\n") {
        let data = sse::parse(event.as_bytes()).data.into_owned();
        prop_assert!(!data.is_empty() && event.lines().count() <= 2, "{}", event);
        if data != b"[DONE]" {
            strict(&data)?;
        }
    }
    Ok(())
}

/// What goes to the client before an error, if one comes.
fn run(from: Dialect, to: Dialect, stream: bool, chunks: &[&[u8]]) -> (Vec<u8>, Option<Error>, bool) {
    let mut answer = Answer::new(from, to, answer_options(stream)).unwrap();
    let mut out = Vec::new();
    for chunk in chunks {
        match answer.push(chunk) {
            Ok(bytes) => out.extend(bytes),
            Err(error) => return (out, Some(error), answer.is_complete()),
        }
    }
    match answer.finish() {
        Ok(bytes) => out.extend(bytes),
        Err(error) => return (out, Some(error), answer.is_complete()),
    }
    (out, None, answer.is_complete())
}

#[test]
fn a_stream_that_was_cut_ends_in_an_error_that_the_client_can_read() {
    for (from, to, _) in PAIRS {
        let events = events(to, "text");
        let whole = stream(to, &events);
        let kept = stream(to, &events[..2]);
        for length in [kept.len(), kept.len() + 3, kept.len() + 20] {
            let (out, failure, complete) = run(from, to, true, &[&whole[..length]]);
            assert!(failure.is_none() && !complete, "{from} from {to}: {failure:?}");
            let last = if from == Converse { lines(&out) } else { String::from_utf8(out).unwrap() };
            let last = last.trim_end().rsplit('\n').next().unwrap().to_owned();
            assert!(last.contains("ended in its middle"), "{from} from {to}: {last}");
            assert!(from != Converse || last.contains("modelStreamErrorException"), "{last}");
        }
    }
}

#[test]
fn garbage_in_a_stream_is_an_error_behind_what_was_good() {
    for from in [OpenAi, Anthropic] {
        let good = stream(Converse, &events(Converse, "text")[..3]);
        let mut broken = stream(Converse, &events(Converse, "text"));
        let at = good.len() + 20;
        broken[at] ^= 1;
        let (out, failure, complete) = run(from, Converse, true, &[&broken]);
        assert!(failure.unwrap().to_string().contains("checksum") && !complete);
        assert!(out.windows(6).any(|part| part == b"single"), "what was good goes out first");
    }
    // Text is no stream of Amazon's.
    let (out, failure, _) = run(OpenAi, Converse, true, &[b"data: {\"text\":\"a\"}\n\n"]);
    assert!(out.is_empty() && failure.unwrap().to_string().contains("checksum"));
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_bytes(
        case in prop::sample::select(vec!["text", "tools", "failed"]),
        sizes in prop::collection::vec(1usize..200, 1..40),
    ) {
        for (from, to, _) in PAIRS {
            let input = if to == Converse {
                frame(&std::fs::read_to_string(file(from, to, &format!("{case}.stream.converse.jsonl"))).unwrap())
            } else {
                std::fs::read(file(from, to, &format!("{case}.stream.{}.sse", name(to)))).unwrap()
            };
            let expected = answer(from, to, true, &[&input]).unwrap();
            prop_assert_eq!(answer(from, to, true, &cut(&input, &sizes)).unwrap(), expected);
        }
    }

    #[test]
    fn bytes_of_any_kind_give_an_answer_or_an_error(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        begins_binary: bool,
        sizes in prop::collection::vec(1usize..9, 1..20),
    ) {
        let mut bytes = bytes;
        if begins_binary {
            bytes.splice(..0, [0, 0]);
        }
        for (from, to, _) in PAIRS {
            for is_stream in [true, false] {
                let expected = run(from, to, is_stream, &[&bytes]);
                prop_assert_eq!(run(from, to, is_stream, &cut(&bytes, &sizes)), expected);
            }
        }
    }

    #[test]
    fn a_changed_stream_is_events_of_json(
        case in prop::sample::select(vec!["text", "tools"]),
        changes in changes(),
    ) {
        for (from, to, _) in PAIRS {
            let mut events = Value::from(events(to, case));
            change(&mut events, &changes);
            let events = events.as_array().cloned().unwrap_or_default();
            let (out, _, _) = run(from, to, true, &[&stream(to, &events)]);
            check(from, &out)?;
        }
    }

    #[test]
    fn a_changed_answer_is_json(case in prop::sample::select(vec!["text", "tools"]), changes in changes()) {
        for (from, to, _) in PAIRS {
            let body = std::fs::read(file(from, to, &format!("{case}.answer.{}.json", name(to)))).unwrap();
            let mut body = serde_json::from_slice(&body).unwrap();
            change(&mut body, &changes);
            let (out, failure, _) = run(from, to, false, &[body.to_string().as_bytes()]);
            if failure.is_none() {
                strict(&out)?;
            }
        }
    }

    #[test]
    fn a_changed_request_is_json(case in prop::sample::select(vec!["text", "tools"]), changes in changes()) {
        for (from, to, model) in PAIRS {
            let body = std::fs::read(file(from, to, &format!("{case}.request.{}.json", name(from)))).unwrap();
            let mut body = serde_json::from_slice(&body).unwrap();
            change(&mut body, &changes);
            for unsupported in [Unsupported::Reject, Unsupported::Drop] {
                let options = Options { unsupported, model, ..options() };
                if let Ok(request) = translate::request(from, to, body.to_string().as_bytes(), &options) {
                    strict(&request.body)?;
                }
            }
        }
    }

    #[test]
    fn a_request_that_is_translated_is_json(body in document(), messages in prop::collection::vec(document(), 0..3)) {
        let mut body = if body.is_object() { body } else { json!({}) };
        if body.get("messages").is_none_or(|value| !value.is_array()) {
            body["messages"] = messages.into();
        }
        for (from, to, model) in PAIRS {
            let options = Options { unsupported: Unsupported::Drop, model, ..options() };
            if let Ok(request) = translate::request(from, to, body.to_string().as_bytes(), &options) {
                strict(&request.body)?;
            }
        }
    }
}
