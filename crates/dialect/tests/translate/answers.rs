//! Answers, whole and streamed.

use crate::support::{answer, answer_options, cut, expect, expect_json, read, run, whole};
use serde_json::{Value, json};
use weirgate_dialect::Dialect::{Anthropic, Converse, OpenAi};
use weirgate_dialect::answer::Reader;
use weirgate_dialect::error::ClientError;
use weirgate_dialect::translate::{Answer, AnswerOptions, Kind};
use weirgate_dialect::{event_stream, sse::Framer};

#[test]
fn answers() {
    for name in ["text", "tools"] {
        let out = whole(&answer_options(false), &read(&format!("{name}.answer.messages.json")));
        expect_json(&format!("{name}.answer.chat.json"), &serde_json::from_slice(&out).unwrap());
    }
}

#[test]
fn streams() {
    for (name, is_complete) in [("text", true), ("tools", true), ("overloaded", false)] {
        let input = read(&format!("{name}.stream.messages.sse"));
        let (out, error, complete) = answer(&answer_options(true), &[&input]);
        assert_eq!((error, complete), (None, is_complete), "{name}");
        expect(&format!("{name}.stream.chat.sse"), &out);
    }
}

#[test]
fn errors_keep_their_message_and_type() {
    let options = AnswerOptions { status: 529, ..answer_options(true) };
    let out = whole(&options, &read("overloaded.error.messages.json"));
    expect_json("overloaded.error.chat.json", &serde_json::from_slice(&out).unwrap());
}

#[test]
fn an_error_that_is_not_the_vendors_becomes_one() {
    let options = AnswerOptions { status: 502, ..answer_options(false) };
    for (body, message) in [
        ("<html>bad gateway</html>", "<html>bad gateway</html>"),
        (r#"{"message":"no route"}"#, "no route"),
        ("", "the provider answered with status 502"),
        ("[]", "[]"),
    ] {
        let out: Value = serde_json::from_slice(&whole(&options, body.as_bytes())).unwrap();
        assert_eq!(out["error"]["message"], json!(message));
        assert_eq!(out["error"]["type"], json!("service_unavailable"));
    }
}

#[test]
fn the_stream_says_what_the_whole_answer_says() {
    let out = whole(&answer_options(true), &read("tools.stream.messages.sse"));
    let text = String::from_utf8(out).unwrap();
    let chunks: Vec<Value> = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: ")?.strip_prefix('{'))
        .map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap())
        .collect();
    let mut content = String::new();
    let mut arguments = [String::new(), String::new()];
    let mut names = Vec::new();
    for delta in chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]) {
        content.push_str(delta["content"].as_str().unwrap_or_default());
        for call in delta["tool_calls"].as_array().unwrap_or(&Vec::new()) {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            arguments[index].push_str(call["function"]["arguments"].as_str().unwrap());
            names.extend(call["function"]["name"].as_str().map(str::to_owned));
        }
    }
    assert_eq!(content, "Okay.");
    assert_eq!(arguments, [r#"{"location": "San Francisco, CA"}"#, "{}"]);
    assert_eq!(names, ["get_weather", "now"]);
    assert_eq!(chunks.last().unwrap()["usage"]["total_tokens"], json!(480 + 89));
    assert!(chunks.iter().rev().skip(1).all(|chunk| chunk["usage"].is_null()));
}

#[test]
fn usage_reads_the_same_in_both_dialects() {
    for name in ["text", "tools"] {
        let input = read(&format!("{name}.answer.messages.json"));
        let (mut provider, mut client) = (Reader::new(Anthropic), Reader::new(OpenAi));
        provider.body(&input);
        client.body(&whole(&answer_options(false), &input));
        assert!(provider.usage().is_some_and(|usage| usage.total_output() > 0));
        assert_eq!((client.usage(), client.tier()), (provider.usage(), provider.tier()), "{name}");

        let input = read(&format!("{name}.stream.messages.sse"));
        let (mut provider, mut client) = (Reader::new(Anthropic), Reader::new(OpenAi));
        let mut framer = Framer::new(1 << 20);
        framer.push(&input, |event| _ = provider.event(event)).unwrap();
        framer.push(&whole(&answer_options(true), &input), |event| _ = client.event(event)).unwrap();
        assert!(provider.usage_is_final() && client.usage_is_final() && client.is_complete());
        assert_eq!((client.usage(), client.tier()), (provider.usage(), provider.tier()), "{name}");
    }
}

#[test]
fn usage_is_for_those_who_ask() {
    let options = AnswerOptions { include_usage: false, ..answer_options(true) };
    let out = String::from_utf8(whole(&options, &read("text.stream.messages.sse"))).unwrap();
    assert!(!out.contains("usage") && out.ends_with("\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"));
}

#[test]
fn the_client_reads_the_name_it_asked_for() {
    let options = AnswerOptions { model: "chat \"x\"".to_owned(), ..answer_options(true) };
    let out = String::from_utf8(whole(&options, &read("text.stream.messages.sse"))).unwrap();
    assert_eq!(out.matches(r#""model":"chat \"x\"""#).count(), out.matches("\"id\"").count());
}

#[test]
fn a_cut_stream_has_no_done() {
    let input = read("text.stream.messages.sse");
    let end = input.len() - "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n".len();
    for length in 0..=input.len() {
        let (out, error, is_complete) = answer(&answer_options(true), &[&input[..length]]);
        let out = String::from_utf8(out).unwrap();
        assert_eq!(error, None);
        // Only line ends may miss: the event itself is whole.
        assert_eq!(is_complete, length + 2 >= input.len(), "{length}");
        assert_eq!(out.contains("[DONE]"), is_complete);
        assert!(is_complete || length > end || !out.contains("[DONE]"));
    }
}

#[test]
fn json_over_several_data_lines_stays_one_line() {
    let input = [
        r#"data: {"type":"content_block_delta","index":0,"#,
        r#"data: "delta":{"type":"citations_delta","citation":{"cited":[1,"#,
        "data: 2]}}}\n\n",
    ]
    .join("\n");
    let out = String::from_utf8(whole(&answer_options(true), input.as_bytes())).unwrap();
    assert!(out.contains("\"cited\":[1, 2]"), "{out}");
    assert!(out.split_terminator("\n\n").all(|event| !event.contains('\n')), "{out}");
}

#[test]
fn a_fault_in_the_answer_comes_after_what_precedes_it() {
    let start = read("text.stream.messages.sse");
    let input = [&start[..start.len() - 60], b"\n\ndata: {\n\n"].concat();
    let (out, error, is_complete) = answer(&answer_options(true), &[&input]);
    assert!(!out.is_empty() && !is_complete);
    assert!(matches!(error.unwrap().kind(), Kind::InvalidAnswer { .. }));

    for body in
        ["", "[]", "{}", "{\"content\":1}", "{\"content\":[{\"type\":\"text\"}]}", "{\"content\":[1]}"]
    {
        let (_, error, _) = answer(&answer_options(false), &[body.as_bytes()]);
        assert_eq!(ClientError::from(error.unwrap()).status(), 502, "{body}");
    }
    let options = AnswerOptions { limit: 10, ..answer_options(false) };
    let (_, error, _) = answer(&options, &[b"123456", b"789012"]);
    assert_eq!(error.unwrap().kind(), &Kind::AnswerTooLong);
    let options = AnswerOptions { limit: 10, ..answer_options(true) };
    let (_, error, _) = answer(&options, &[b"data: 3456", b"789012"]);
    assert_eq!(error.unwrap().kind(), &Kind::AnswerTooLong);
}

#[test]
fn streams_cut_into_single_bytes_say_the_same() {
    for name in ["text", "tools", "overloaded"] {
        let input = read(&format!("{name}.stream.messages.sse"));
        let expected = answer(&answer_options(true), &[&input]);
        for size in 1..=4 {
            assert_eq!(answer(&answer_options(true), &cut(&input, &[size])), expected);
        }
        let crlf = String::from_utf8(input).unwrap().replace('\n', "\r\n");
        assert_eq!(answer(&answer_options(true), &cut(crlf.as_bytes(), &[1])), expected);
    }
}

#[test]
fn what_came_after_an_end_in_the_middle_was_lost() {
    const TEXT: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n";
    const MORE: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"}}]}\n\n";
    const STOP: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    const DONE: &[u8] = b"data: [DONE]\n\n";
    let run = |chunks: &[&[u8]]| {
        let (out, error, is_complete) =
            run(Answer::new(Anthropic, OpenAi, answer_options(true)).unwrap(), chunks);
        assert_eq!(error, None);
        (String::from_utf8(out).unwrap(), is_complete)
    };
    let whole = run(&[TEXT, MORE, STOP, DONE]);
    assert_eq!(run(&[TEXT, DONE, MORE, STOP]), whole);
    assert_eq!(run(&[TEXT, DONE, MORE, STOP, DONE, TEXT]), whole);

    // A role opens no choice.
    const ROLE: &[u8] = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    assert_eq!(run(&[ROLE, DONE, TEXT, MORE, STOP]), whole);

    let (out, is_complete) = run(&[TEXT, DONE, MORE]);
    assert!(out.contains("lo") && out.contains("event: error") && !out.contains("message_stop"), "{out}");
    assert!(!is_complete);

    let failure = b"data: {\"error\":{\"message\":\"slow\",\"code\":429}}\n\n";
    assert_eq!(run(&[TEXT, failure, MORE, b"data: {\n\n", DONE]), run(&[TEXT, failure]));

    // Some servers tell no end of a choice.
    let (out, is_complete) = run(&[TEXT, MORE, DONE]);
    assert!(out.contains("message_stop") && !out.contains("event: error"), "{out}");
    assert!(is_complete);
}

#[test]
fn a_converse_stream_may_tell_its_figures_before_its_end() {
    let stream = |names: &[&str]| {
        let mut raw = Vec::new();
        for name in names {
            let payload = match *name {
                "contentBlockDelta" => r#"{"contentBlockIndex":0,"delta":{"text":"Hello"}}"#,
                "messageStop" => r#"{"stopReason":"max_tokens"}"#,
                "metadata" => r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#,
                _ => r#"{"role":"assistant"}"#,
            };
            event_stream::write_event(&mut raw, name, payload.as_bytes()).unwrap();
        }
        let (out, error, is_complete) =
            run(Answer::new(OpenAi, Converse, answer_options(true)).unwrap(), &[&raw]);
        assert_eq!((error, is_complete), (None, true));
        String::from_utf8(out).unwrap()
    };
    let usual = stream(&["messageStart", "contentBlockDelta", "messageStop", "metadata"]);
    let early = stream(&["messageStart", "contentBlockDelta", "metadata", "messageStop"]);
    for out in [usual, early] {
        assert!(out.contains("\"finish_reason\":\"length\"") && out.contains("\"total_tokens\":5"), "{out}");
        assert!(out.ends_with("data: [DONE]\n\n"), "{out}");
    }
}
