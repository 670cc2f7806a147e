//! Requests of OpenAI's clients, as Anthropic gets them.

use crate::translate::{Error, Options, Unsupported, chat};
use serde_json::{Value, json};

fn write(messages: &str) -> Result<(String, Vec<String>), Error> {
    let options = Options {
        model: "",
        unsupported: Unsupported::Reject,
        default_max_tokens: 4096,
        output_cap: None,
        older_cap_field: false,
        betas: "",
        stream: false,
    };
    let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
    let request = super::write(chat::read_request::read(body.as_bytes())?, &options)?;
    Ok((String::from_utf8(request.body).unwrap(), request.dropped))
}

fn convert(messages: Value) -> (Value, Value, Vec<String>) {
    let (body, dropped) = write(&messages.to_string()).unwrap();
    let mut body: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let system = body["system"].take();
    (if system.is_null() { json!([]) } else { system }, body["messages"].take(), dropped)
}

fn fault(messages: Value) -> String {
    write(&messages.to_string()).unwrap_err().path().unwrap().to_owned()
}

#[test]
fn system_messages_gather_in_order_wherever_they_stand() {
    let (system, messages, _) = convert(json!([
        {"role": "system", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "developer", "content": [
            {"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": ""},
        ]},
        {"role": "user", "content": "d"},
    ]));
    assert_eq!(
        system,
        json!([
            {"type": "text", "text": "a"},
            {"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}},
        ])
    );
    assert_eq!(
        messages,
        json!([
            {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "d"}]},
        ])
    );
}

#[test]
fn tool_results_and_what_follows_are_one_user_message() {
    let call = |id: &str, arguments: &str| {
        json!({
            "id": id, "type": "function", "index": 0, "function": {"name": "f", "arguments": arguments},
        })
    };
    let (_, messages, dropped) = convert(json!([
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": null, "tool_calls": [call("call_1", "{\"x\": 1.50}"), call("f:2", "")]},
        {"role": "tool", "tool_call_id": "call_1", "name": "f", "content": "one", "cache_control": {"type": "x"}},
        {"role": "tool", "tool_call_id": "f:2", "content": [{"type": "text", "text": "two"}]},
        {"role": "user", "content": "go on"},
    ]));
    assert_eq!(
        messages,
        json!([
            {"role": "user", "content": [{"type": "text", "text": "q"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "call_1", "name": "f", "input": {"x": 1.5}},
                {"type": "tool_use", "id": "f_2", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "one"}],
                 "cache_control": {"type": "x"}},
                {"type": "tool_result", "tool_use_id": "f_2", "content": [{"type": "text", "text": "two"}]},
                {"type": "text", "text": "go on"},
            ]},
        ])
    );
    assert_eq!(dropped, [""; 0]);
}

#[test]
fn arguments_keep_their_numbers() {
    let text = r#"[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f",
        "arguments":"{\"n\": 123456789012345678901234567890, \"f\":1.10}"}}]}]"#;
    let (messages, _) = write(text).unwrap();
    assert!(messages.contains(r#""input":{"n": 123456789012345678901234567890, "f":1.10}"#), "{messages}");
}

#[test]
fn thinking_goes_back_first() {
    let thinking = json!({"index": 0, "type": "thinking", "thinking": "hm", "signature": "s="});
    let (_, messages, dropped) = convert(json!([
        {"role": "assistant", "content": "a", "reasoning_content": "hm", "thinking_blocks": [thinking]},
        {"role": "assistant", "content": "b", "reasoning_content": "lost"},
    ]));
    assert_eq!(
        messages,
        json!([{"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s="},
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
        ]}])
    );
    assert_eq!(dropped, ["messages[1].reasoning_content"]);
}

#[test]
fn empty_messages_are_left_out_and_the_last_answer_is_trimmed() {
    let (_, messages, _) = convert(json!([
        {"role": "user", "content": "q "},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": []},
        {"role": "assistant", "content": "The answer is: \n", "refusal": null, "tool_calls": null},
    ]));
    assert_eq!(
        messages,
        json!([
            {"role": "user", "content": [{"type": "text", "text": "q "}]},
            {"role": "assistant", "content": [{"type": "text", "text": "The answer is:"}]},
        ])
    );
    assert_eq!(convert(json!([])).1, json!([]));
}

#[test]
fn system_messages_alone_are_the_users() {
    let (system, messages, _) = convert(json!([{"role": "system", "content": "Tell a joke."}]));
    let text = json!({"type": "text", "text": "Tell a joke."});
    assert_eq!((system, messages), (json!([]), json!([{"role": "user", "content": [text]}])));
}

#[test]
fn a_field_in_the_wrong_place_does_not_take_that_of_another() {
    let (_, messages, _) = convert(json!([
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no", "text": "x"}], "tool_calls": [
            {"id": "a", "name": "x", "input": "x", "function": {"name": "f", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "tool_use_id": "x", "type": "x", "content": "r"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a"}, "source": "x"}]},
    ]));
    assert!(!messages.to_string().contains(r#""x""#), "{messages}");
}

#[test]
fn unknown_fields_stay_and_names_are_reported() {
    let (_, messages, dropped) = convert(json!([
        {"role": "user", "name": "eve", "content": "q", "cache_control": {"type": "ephemeral"}, "new": 1},
    ]));
    assert_eq!(
        messages,
        json!([{
            "role": "user",
            "content": [{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}],
            "new": 1,
        }])
    );
    assert_eq!(dropped, ["messages[0].name"]);
}

#[test]
fn a_fault_is_named() {
    assert_eq!(fault(json!([1])), "messages[0]");
    assert_eq!(fault(json!([{"content": "a"}])), "messages[0].role");
    assert_eq!(fault(json!([{"role": "robot", "content": "a"}])), "messages[0].role");
    assert_eq!(fault(json!([{"role": "user"}])), "messages[0].content");
    assert_eq!(
        fault(json!([{"role": "user", "content": [{"type": "text"}]}])),
        "messages[0].content[0].text"
    );
    assert_eq!(
        fault(
            json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {"format": "wav", "data": "AA=="}}]}])
        ),
        "messages[0].content[0].input_audio"
    );
    assert_eq!(fault(json!([{"role": "tool", "content": "a"}])), "messages[0].tool_call_id");
    for arguments in ["[1]", "{\"a\":", "1", "{} {}"] {
        assert_eq!(
            fault(json!([{"role": "assistant", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": arguments}},
            ]}])),
            "messages[0].tool_calls[0].function.arguments"
        );
    }
}

#[test]
fn thinking_that_another_provider_signed_or_nobody_is_left_out_and_named() {
    let thinking = |more: Value| {
        let mut block = json!({"type": "thinking", "thinking": "hm"});
        block.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"role": "assistant", "content": "a", "thinking_blocks": [block]})
    };
    for (message, path) in [
        (thinking(json!({"signature": "gemini:0:abc"})), "messages[0].thinking_blocks[0]"),
        (thinking(json!({"signature": ""})), "messages[0].thinking_blocks[0]"),
        (thinking(json!({})), "messages[0].thinking_blocks[0]"),
        (json!({"role": "assistant", "content": "a", "reasoning": "hm"}), "messages[0].reasoning"),
        (
            json!({"role": "assistant", "content": "a", "reasoning_details": []}),
            "messages[0].reasoning_details",
        ),
    ] {
        let (_, messages, dropped) = convert(json!([message]));
        assert_eq!(messages, json!([{"role": "assistant", "content": [{"type": "text", "text": "a"}]}]));
        assert_eq!(dropped, [path]);
    }
}

#[test]
fn fields_of_a_tools_message_are_the_results() {
    let (_, messages, _) =
        convert(json!([{"role": "tool", "tool_call_id": "a", "content": "no", "is_error": true}]));
    assert_eq!(
        messages[0],
        json!({"role": "user", "content": [{
            "type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "no"}], "is_error": true,
        }]})
    );
}
