//! Streams of every pair: whole, cut anywhere, and broken.

use crate::support::answer_options;
use proptest::prelude::*;
use serde_json::{Value, json};
use weirgate_dialect::Dialect::{self, Anthropic, Gemini, OpenAi, Responses};
use weirgate_dialect::sse;
use weirgate_dialect::translate::{Answer, Error};

const CHAT: &str = concat!(
    ": a comment\r\n\r\n",
    "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Gr\\u00fc\u{df}\"},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\":1}\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"id\":\"chatcmpl-1\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\n",
    "data: [DONE]\n\n",
);

const GEMINI: &str = concat!(
    "data: {\"responseId\":\"r\",\"modelVersion\":\"m\",\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"hm\",\"thought\":true}]}}],\"usageMetadata\":{\"promptTokenCount\":9}}\r\n\r\n",
    "data: {\"responseId\":\"r\",\"modelVersion\":\"m\",\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"Gr\\u00fc\u{df}\"}]}}]}\r\n\r\n",
    "data: {\"responseId\":\"r\",\"modelVersion\":\"m\",\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":4,\"thoughtsTokenCount\":2}}\r\n\r\n",
);

const MESSAGES: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Gr\\u00fc\u{df}\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"model\":\"m\",\"status\":\"in_progress\",\"output\":[]}}\n\n",
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[]}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"output_index\":0,\"content_index\":0,\"delta\":\"Gr\\u00fc\u{df}\"}\n\n",
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":3,\"output_index\":1,\"item\":{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"\"}}\n\n",
    "event: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"sequence_number\":4,\"output_index\":1,\"delta\":\"{\\\"a\\\":1}\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":5,\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":4}}}\n\n",
);

/// Every pair, with a stream of the provider's.
const PAIRS: [(Dialect, Dialect, &str); 9] = [
    (Responses, OpenAi, CHAT),
    (Responses, Anthropic, MESSAGES),
    (Responses, Gemini, GEMINI),
    (OpenAi, Responses, RESPONSES),
    (Anthropic, Responses, RESPONSES),
    (Anthropic, OpenAi, CHAT),
    (OpenAi, Anthropic, MESSAGES),
    (OpenAi, Gemini, GEMINI),
    (Anthropic, Gemini, GEMINI),
];

/// What the client gets of these chunks, and whether it is whole.
fn relay(from: Dialect, to: Dialect, chunks: &[&[u8]]) -> (String, Option<Error>, bool) {
    let mut answer = Answer::new(from, to, answer_options(true)).unwrap();
    let mut out = Vec::new();
    let mut failure = None;
    for chunk in chunks {
        match answer.push(chunk) {
            Ok(bytes) => out.extend(bytes),
            Err(error) => failure = Some(error),
        }
    }
    match answer.finish() {
        Ok(bytes) => out.extend(bytes),
        Err(error) => failure = Some(error),
    }
    (String::from_utf8(out).unwrap(), failure, answer.is_complete())
}

/// The data of each event.
fn events(stream: &str) -> Vec<Value> {
    let events = stream.split_inclusive("\n\n").map(|event| sse::parse(event.as_bytes()).data.into_owned());
    events.filter(|data| data != b"[DONE]").map(|data| serde_json::from_slice(&data).unwrap()).collect()
}

#[test]
fn a_stream_says_the_same_in_the_clients_dialect() {
    let (out, failure, complete) = relay(Anthropic, OpenAi, &[CHAT.as_bytes()]);
    assert!(failure.is_none() && complete, "{failure:?}");
    let events = events(&out);
    let texts: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(texts, "Gr\u{fc}\u{df}");
    let end = &events[events.len() - 2];
    assert_eq!(
        (&end["delta"]["stop_reason"], &end["usage"]["output_tokens"]),
        (&json!("tool_use"), &json!(4))
    );
    assert_eq!(events.last().unwrap()["type"], "message_stop");

    let (out, failure, complete) = relay(OpenAi, Gemini, &[GEMINI.as_bytes()]);
    assert!(failure.is_none() && complete, "{failure:?}");
    assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
    let events = self::events(&out);
    let of = |field: &str| -> String {
        events.iter().filter_map(|event| event["choices"][0]["delta"][field].as_str()).collect()
    };
    assert_eq!((of("content").as_str(), of("reasoning_content").as_str()), ("Gr\u{fc}\u{df}", "hm"));
    let call = events
        .iter()
        .find_map(|event| event["choices"][0]["delta"]["tool_calls"][0]["function"]["name"].as_str());
    assert_eq!(call, Some("f"));
    assert!(events.iter().any(|event| event["choices"][0]["finish_reason"] == "tool_calls"), "{out}");
    let usage = &events.last().unwrap()["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(9), &json!(6)));
}

#[test]
fn a_stream_of_responses_says_the_same_in_the_clients_dialect() {
    let (out, failure, complete) = relay(Responses, Anthropic, &[MESSAGES.as_bytes()]);
    assert!(failure.is_none() && complete, "{failure:?}");
    let end = events(&out).pop().unwrap();
    assert_eq!(end["type"], "response.completed");
    assert_eq!(end["response"]["output"][0]["content"][0]["text"], "Gr\u{fc}\u{df}");
    assert_eq!(end["response"]["usage"]["output_tokens"], 4);

    let (out, failure, complete) = relay(OpenAi, Responses, &[RESPONSES.as_bytes()]);
    assert!(failure.is_none() && complete, "{failure:?}");
    assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
    let events = events(&out);
    let delta = |path: &str| -> String {
        let path = format!("/choices/0/delta/{path}");
        events.iter().filter_map(|event| event.pointer(&path)?.as_str()).collect()
    };
    assert_eq!(
        (delta("content").as_str(), delta("tool_calls/0/function/name").as_str()),
        ("Gr\u{fc}\u{df}", "f")
    );
    assert_eq!(delta("tool_calls/0/function/arguments"), "{\"a\":1}");
}

#[test]
fn a_stream_that_was_cut_ends_in_an_error_that_the_client_can_read() {
    for (from, to, stream) in PAIRS {
        let ends: Vec<usize> = stream.match_indices("data: ").map(|(at, _)| at).collect();
        // Behind the last of these the choice is at its end, and some servers send no more.
        for end in ends.iter().take(3) {
            let (out, failure, complete) = relay(from, to, &[&stream.as_bytes()[..*end]]);
            assert!(failure.is_none() && !complete, "{from} from {to} at {end}");
            let last = events(&out).pop().unwrap();
            let message = last.pointer("/error/message").unwrap_or(&last["message"]);
            assert!(message.as_str().unwrap().contains("ended in its middle"), "{out}");
        }
    }
}

#[test]
fn garbage_in_a_stream_is_an_error_behind_what_was_good() {
    for (from, to, stream) in PAIRS {
        let at = stream.rfind("data: {").unwrap();
        let broken = format!("{}data: {{\"oh\n\n{}", &stream[..at], &stream[at..]);
        let (out, failure, complete) = relay(from, to, &[broken.as_bytes()]);
        assert!(failure.is_some() && !complete, "{from} from {to}: {out}");
        assert!(out.contains("Gr"), "{from} from {to}: {out}");
    }
}

#[test]
fn an_error_that_stands_in_no_event_is_told() {
    let error =
        "\r\n{\r\n  \"error\": {\r\n    \"code\": 503,\r\n    \"message\": \"overloaded\"\r\n  }\r\n}\r\n";
    let at = GEMINI.rfind("data: {").unwrap();
    let (out, failure, complete) = relay(OpenAi, Gemini, &[&GEMINI.as_bytes()[..at], error.as_bytes()]);
    assert!(failure.is_none() && !complete, "{failure:?}");
    assert_eq!(events(&out).pop().unwrap()["error"]["message"], "overloaded");
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_bytes(cuts in prop::collection::vec(0..2_000_usize, 0..40)) {
        for (from, to, stream) in PAIRS {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % stream.len()).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(relay(from, to, &chunks), relay(from, to, &[stream.as_bytes()]));
        }
    }

    #[test]
    fn bytes_of_any_kind_give_an_answer_or_an_error(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8)) {
        for (from, to, _) in PAIRS {
            for is_stream in [true, false] {
                let mut answer = Answer::new(from, to, answer_options(is_stream)).unwrap();
                for chunk in &chunks {
                    let _ = answer.push(chunk);
                }
                let _ = answer.finish();
            }
        }
    }
}
