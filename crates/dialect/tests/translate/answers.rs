//! Answers, whole and streamed.

use crate::support::{answer, answer_options, cut, expect, expect_json, read, whole};
use serde_json::{Value, json};
use weirgate_dialect::Dialect::{Anthropic, OpenAi};
use weirgate_dialect::answer::Reader;
use weirgate_dialect::error::ClientError;
use weirgate_dialect::sse::Framer;
use weirgate_dialect::translate::{AnswerOptions, Kind};

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
