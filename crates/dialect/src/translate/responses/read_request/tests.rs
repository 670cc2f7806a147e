use super::*;
use crate::translate::neutral::{Choice, Effort, Format, Setting, Tool, Want};
use proptest::prelude::*;
use serde_json::{Value, json};

fn with(fields: Value) -> Vec<u8> {
    let mut body = json!({"model": "m", "input": "hi"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body.to_string().into_bytes()
}

/// The turns that these items make: who speaks, and what.
fn turns(items: Value) -> Vec<(Role, Vec<String>)> {
    let body = with(json!({"input": items}));
    let request = read(&body).unwrap();
    let shown = |part: &Part<'_>| match &part.kind {
        PartKind::Text(text) => format!("text {}", text.decode()),
        PartKind::Refusal(text) => format!("refusal {}", text.decode()),
        PartKind::Thinking { text, signature } => {
            format!("thinking {} {:?}", text.decode(), signature.as_ref().map(Text::decode))
        }
        PartKind::SealedThinking(data) => format!("sealed {}", data.decode()),
        PartKind::Call { id, name, arguments } => {
            format!("call {} {} {arguments}", id.decode(), name.decode())
        }
        PartKind::Result { id, parts, .. } => format!("result {} of {}", id.decode(), parts.len()),
        kind => format!("{kind:?}"),
    };
    request.turns.iter().map(|turn| (turn.role, turn.parts.iter().map(shown).collect())).collect()
}

fn settings(fields: Value) -> Vec<String> {
    let body = with(fields);
    let request = read(&body).unwrap();
    request.settings.iter().map(|Setting { path, want }| format!("{path} {want:?}")).collect()
}

fn fault(fields: Value) -> String {
    read(&with(fields)).unwrap_err().to_string()
}

#[test]
fn what_the_model_says_in_a_row_is_one_turn() {
    let turns = turns(json!([
        {"role": "developer", "content": "be brief"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "encrypted_content": "gA"},
        {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [
            {"type": "output_text", "text": "x", "annotations": [], "logprobs": []}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "r"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "r"}, {"type": "input_image", "image_url": "https://a/b.png"}]},
    ]));
    let expected: [(Role, &[&str]); 5] = [
        (Role::System, &["text be brief"]),
        (Role::User, &["text q"]),
        (
            Role::Assistant,
            &[
                "thinking a\n\nb Some(\"openai:rs_1:gA\")",
                "text x",
                "refusal no",
                "call c1 f {\"a\":1}",
                "call c2 g {}",
            ],
        ),
        (Role::User, &["result c1 of 1"]),
        (Role::User, &["result c2 of 2"]),
    ];
    let turns: Vec<(Role, Vec<&str>)> =
        turns.iter().map(|(role, parts)| (*role, parts.iter().map(String::as_str).collect())).collect();
    assert_eq!(turns, expected.map(|(role, parts)| (role, parts.to_vec())));
}

#[test]
fn thinking_of_others_comes_back_as_it_was() {
    let turns = turns(json!([
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "signature:EqQB"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "sealed:Dd"},
        {"type": "reasoning", "id": "rs_3", "summary": [], "content": [{"type": "reasoning_text", "text": "open"}]},
    ]));
    assert_eq!(turns[0].1, ["thinking hm Some(\"EqQB\")", "sealed Dd", "thinking open None"]);
}

#[test]
fn parts_are_told_apart() {
    let body = with(json!({"input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": "data:image/PNG;base64,AA==", "detail": "low"},
        {"type": "input_image", "file_id": "file-1", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_file", "file_id": "file-2"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "of_next_year", "x": 1},
    ]}]}));
    let request = read(&body).unwrap();
    let parts = format!("{:?}", request.turns[0].parts);
    for part in [
        "Image { source: Base64 { media_type: \"image/png\", data: Plain(\"AA==\") }, detail: Some(",
        "Image { source: File(Json(RawValue(\"file-1\"))), detail: None",
        "Document { source: Base64 { media_type: \"application/pdf\"",
        "Document { source: Url(Json(RawValue(\"https://a/b.pdf\")))",
        "Document { source: File(Json(RawValue(\"file-2\")))",
        "Audio { format: Json(RawValue(\"mp3\"))",
        "cache: Some(RawValue({\"type\":\"ephemeral\"}))",
        "Unknown(RawValue({\"type\":\"of_next_year\",\"x\":1}))",
        "inside: \"image_url\"",
        "inside: \"file_url\"",
    ] {
        assert!(parts.contains(part), "{part} in {parts}");
    }
    assert_eq!(request.turns[0].parts[0].place.path(), "input[0].content[0].image_url");
    assert_eq!(request.turns[0].parts[0].place.beside("detail"), "input[0].content[0].detail");
}

#[test]
fn items_that_only_openai_has_are_its_own() {
    let turns = turns(json!([
        {"type": "item_reference", "id": "msg_1"}, {"type": "web_search_call", "id": "ws_1"},
        {"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"},
        {"type": "tool_search_output", "tools": []}, {"type": "of_next_year"},
    ]));
    let all = format!("{turns:?}");
    for kind in ["item_reference", "web_search_call", "custom_tool_call", "tool_search_output"] {
        assert!(all.contains(&format!("Own {{ what: \\\"{kind}\\\" }}")), "{kind} in {all}");
    }
    assert!(all.contains("Unknown("), "{all}");
}

#[test]
fn every_setting_is_read() {
    let asked = settings(json!({
        "max_output_tokens": 50, "temperature": 0.5, "top_p": 0.9, "top_logprobs": 2,
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content", "file_search_call.results"],
        "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "detailed", "mode": "pro", "context": "all_turns"},
        "safety_identifier": "u", "user": "v", "metadata": {"team": "red"}, "store": true, "service_tier": "priority",
        "prompt_cache_key": "k", "prompt_cache_retention": "24h", "truncation": "auto", "background": true, "max_tool_calls": 3,
        "previous_response_id": "resp_1", "conversation": "conv_1", "prompt": {"id": "p"},
    }));
    let paths: Vec<&str> = asked.iter().filter_map(|text| text.split(' ').next()).collect();
    assert_eq!(
        paths,
        [
            "max_output_tokens",
            "include",
            "include",
            "safety_identifier",
            "metadata",
            "temperature",
            "top_p",
            "store",
            "prompt_cache_key",
            "prompt_cache_retention",
            "service_tier",
            "truncation",
            "background",
            "previous_response_id",
            "conversation",
            "prompt",
            "max_tool_calls",
            "text.verbosity",
            "text.format",
            "reasoning",
            "reasoning.mode",
            "reasoning.context",
        ]
    );
    let body = with(
        json!({"reasoning": {"effort": "high", "summary": "detailed"}, "text": {"format": {"type": "json_object"}}}),
    );
    let request = read(&body).unwrap();
    assert!(matches!(&request.settings[0].want, Want::Format(Format::Json)));
    let Want::Reasoning(reasoning) = &request.settings[1].want else { panic!("{:?}", request.settings) };
    assert_eq!((reasoning.effort, reasoning.off), (Some(Effort::High), false));
    assert!(reasoning.shown.as_ref().is_some_and(|word| word.decode() == "detailed"));
}

#[test]
fn what_asks_for_nothing_is_no_setting() {
    let none = settings(json!({
        "store": false, "background": false, "truncation": "disabled", "service_tier": "auto", "top_logprobs": 0,
        "include": ["reasoning.encrypted_content"], "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "metadata": {}, "reasoning": {}, "previous_response_id": null, "stream_options": {"include_obfuscation": false},
        "context_management": [],
    }));
    assert_eq!(none, [""; 0]);
}

#[test]
fn tools_and_choices_are_read() {
    let tool = json!({"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true});
    let tools = json!([tool, {"type": "web_search_20250305"}, {"type": "web_search"}, {"type": "custom", "name": "x"}, {"type": "function", "name": "g", "parameters": null, "strict": null}]);
    let body = with(
        json!({"tools": tools, "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": false}),
    );
    let request = read(&body).unwrap();
    assert!(matches!(&request.tools[0], Tool::Function { strict: Some(true), schema: Some(_), .. }));
    assert!(matches!(&request.tools[1], Tool::Hosted { kind, .. } if kind == "web_search_20250305"));
    assert_eq!(request.settings.iter().filter(|setting| setting.path == "tools").count(), 2);
    assert!(matches!(&request.tools[2], Tool::Function { strict: None, schema: None, .. }));
    assert!(matches!(&request.choice, Some(Choice::Tool(name)) if name.decode() == "f"));
    assert_eq!(request.parallel_calls, Some(false));
    let allowed =
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]});
    let body = with(json!({"tools": tools, "tool_choice": allowed}));
    assert!(
        matches!(&read(&body).unwrap().choice, Some(Choice::Of { names, required: true }) if names.len() == 1)
    );
    assert!(settings(json!({"tool_choice": {"type": "web_search"}}))[0].starts_with("tool_choice.type Own"));
}

#[test]
fn a_conversation_that_is_kept_elsewhere_may_go_without_input() {
    let body = json!({"model": "m", "previous_response_id": "resp_1"}).to_string();
    let request = read(body.as_bytes()).unwrap();
    assert!(request.turns.is_empty() && request.settings.len() == 1);
}

#[test]
fn what_is_wrong_is_named() {
    for (fields, text) in [
        (json!({"input": null}), "input is invalid"),
        (json!({"input": {}}), "input is invalid"),
        (json!({"input": [1]}), "input[0] is invalid"),
        (json!({"input": [{"content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "tool", "content": "x"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "user", "content": [{"text": "x"}]}]}), "input[0].content[0].type"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
            "input[0].content[0].image_url",
        ),
        (json!({"input": [{"type": "function_call", "name": "f"}]}), "input[0].call_id"),
        (
            json!({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "[]"}]}),
            "input[0].arguments",
        ),
        (json!({"input": [{"type": "function_call_output", "call_id": "c"}]}), "input[0].output"),
        (
            json!({"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text"}]}]}),
            "input[0].output[0].text",
        ),
        (json!({"instructions": 1}), "instructions is invalid"),
        (json!({"stream": "yes"}), "stream is invalid"),
        (json!({"max_output_tokens": "many"}), "max_output_tokens is invalid"),
        (json!({"temperature": "hot"}), "temperature is invalid"),
        (json!({"text": {"format": {"type": "json_schema"}}}), "text.format.schema"),
        (json!({"tools": {}}), "tools is invalid"),
        (json!({"tools": [{"name": "f"}]}), "tools[0].type"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"tool_choice": "f"}), "tool_choice is invalid"),
        (json!({"tool_choice": {"type": "function"}}), "tool_choice.name"),
    ] {
        let fault = fault(fields.clone());
        assert!(fault.contains(text), "{fields}: {fault}");
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind_give_a_request_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }
}
