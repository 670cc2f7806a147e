use super::*;

fn texts(body: &str) -> Vec<(String, Vec<String>)> {
    read(Dialect::OpenAi, body.as_bytes())
        .unwrap()
        .messages
        .iter()
        .map(|message| (message.role.to_string(), message.texts.iter().map(ToString::to_string).collect()))
        .collect()
}

#[test]
fn chat_content_is_a_string_or_parts() {
    assert_eq!(
        texts(
            r#"{"messages":[{"role":"system","content":"be brief"},
            {"role":"user","content":[{"type":"text","text":"a\nb"},
              {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
              "function":{"name":"look","arguments":"{\"q\":1}"}}]},
            {"role":"tool","tool_call_id":"c1","content":"found"}]}"#
        ),
        [
            ("system".to_owned(), vec!["be brief".to_owned()]),
            ("user".to_owned(), vec!["a\nb".to_owned()]),
            ("assistant".to_owned(), vec!["look".to_owned(), "{\"q\":1}".to_owned()]),
            ("tool".to_owned(), vec!["found".to_owned()]),
        ]
    );
}

#[test]
fn images_and_tool_calls_are_counted() {
    let body = r#"{"messages":[{"role":"user","content":[
        {"type":"image_url","image_url":{"url":"x","detail":"low"}},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
        {"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"k":"v"}}]}]}"#;
    let prompt = read(Dialect::OpenAi, body.as_bytes()).unwrap();
    assert_eq!(prompt.messages[0].images, [ImageDetail::Low, ImageDetail::High]);
    assert!(prompt.messages[0].texts.is_empty());
    assert_eq!(prompt.messages[1].tool_calls, 1);
    assert_eq!(prompt.messages[1].texts, ["f", "k", "v"]);
}

#[test]
fn files_and_sound_are_measured_and_images_are_not() {
    let body = r#"{"messages":[{"role":"user","content":[
        {"source":{"data":"AAAAAAAA","type":"base64","media_type":"image/png"},"type":"image"},
        {"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},
        {"type":"document","source":{"type":"base64","data":"AAAAAAAAAAAA"}},
        {"type":"document","source":{"type":"url","url":"https://example.com/a.pdf"}},
        {"type":"file","file":{"filename":"a.pdf","file_data":"AAAA"}},
        {"type":"file","file":{"file_id":"file-1"}},
        {"type":"input_audio","input_audio":{"data":"AAAAAAAA","format":"wav"}}]}]}"#;
    let prompt = read(Dialect::OpenAi, body.as_bytes()).unwrap();
    let message = &prompt.messages[0];
    assert_eq!((message.images.len(), message.file_bytes, message.sound_bytes), (2, 9 + 3, 6));
    assert_eq!(message.named_files, 2);
}

#[test]
fn anthropic_system_and_documents_are_text() {
    assert_eq!(
        texts(
            r#"{"system":[{"type":"text","text":"sys"}],"messages":[{"role":"user","content":[
            {"type":"document","source":{"data":"plain","type":"text","media_type":"text/plain"}},
            {"type":"document","source":{"type":"base64","data":"AAAA"}},
            {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"res"}]}]}]}"#
        ),
        [
            ("system".to_owned(), vec!["sys".to_owned()]),
            ("user".to_owned(), vec!["plain".to_owned(), "res".to_owned()]),
        ]
    );
}

#[test]
fn text_in_a_field_nobody_knows_is_seen() {
    assert_eq!(
        texts(
            r#"{"messages":[{"role":"user","content":[{"type":"new","deep":{"er":["secret"]}}],"aside":"psst"}]}"#
        ),
        [("user".to_owned(), vec!["secret".to_owned(), "psst".to_owned()])]
    );
}

#[test]
fn text_outside_the_messages_is_seen() {
    let body = br#"{"messages":[],"model":"m","tools":[{"function":{"description":"a","parameters":{"b":1}}}],"stop":["c"],
        "prediction":{"type":"content","content":"d"}}"#;
    let prompt = read(Dialect::OpenAi, body).unwrap();
    assert_eq!(prompt.rest.texts.join("|"), "function|description|a|parameters|b|c|d");
    assert!(prompt.tools.is_some());
}

#[test]
fn a_schema_may_have_a_property_named_type() {
    let body =
        r#"{"model":"m","text":{"properties":{"type":{"type":["string","null"],"description":"seen"}}}}"#;
    let prompt = read_any(body.as_bytes()).unwrap();
    assert!(prompt.messages[0].texts.iter().any(|text| text.contains("seen")), "{prompt:?}");
}

#[test]
fn any_other_body_is_one_message() {
    let body = br#"{"model":"m","prompt":[{"role":"user","content":"psst"}]}"#;
    assert_eq!(read_any(body).unwrap().messages[0].texts.join("|"), "m|user|psst");
}

#[test]
fn what_escapes_could_hide_is_no_text() {
    let deep = format!(r#"{{"a":"\u0070","z":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    for body in
        ["not json", r#"{"a":"b"} and more"#, "\u{feff}{}", r#"{"z":NaN}"#, r#"{"z":"\ud800"}"#, &deep]
    {
        assert_eq!(read_any(body.as_bytes()).unwrap_err().status(), 400, "{body}");
    }
    assert!(read_any(b"{\"a\":\"\xff\"}").is_err());
}

fn spoken(dialect: Dialect, body: &str) -> Vec<(String, Vec<String>)> {
    let messages = read(dialect, body.as_bytes()).unwrap().messages;
    let texts = |message: Message<'_>| message.texts.into_iter().map(Cow::into_owned).collect();
    messages.into_iter().map(|message| (message.role.to_string(), texts(message))).collect()
}

fn said(role: &str, texts: &[&str]) -> (String, Vec<String>) {
    (role.to_owned(), texts.iter().map(|&text| text.to_owned()).collect())
}

#[test]
fn every_dialect_has_its_own_names_for_a_conversation() {
    let responses = r#"{"instructions":"be brief","input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},
        {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"b"}]}"#;
    let expected = [said("system", &["be brief"]), said("user", &["a"]), said("", &["{}"]), said("", &["b"])];
    assert_eq!(spoken(Dialect::Responses, responses), expected);
    assert_eq!(spoken(Dialect::Responses, r#"{"input":"a"}"#), [said("user", &["a"])]);
    for system in ["systemInstruction", "system_instruction"] {
        let gemini = format!(
            r#"{{"{system}":{{"parts":[{{"text":"be brief"}}]}},"contents":[{{"role":"user","parts":[{{"text":"a"}}]}},
                {{"role":"model","parts":[{{"functionCall":{{"name":"f","args":{{"city":"Oslo"}}}},"thoughtSignature":"x"}}]}}]}}"#
        );
        let expected =
            [said("system", &["be brief"]), said("user", &["a"]), said("model", &["f", "city", "Oslo"])];
        assert_eq!(spoken(Dialect::Gemini, &gemini), expected);
    }
    let converse = r#"{"system":[{"text":"be brief"}],"messages":[{"role":"user","content":[{"text":"a"},{"cachePoint":{"type":"default"}}]}]}"#;
    assert_eq!(
        spoken(Dialect::Converse, converse)[..],
        [said("system", &["be brief"]), said("user", &["a"])]
    );
    assert!(read(Dialect::OpenAi, br#"{"messages":"a"}"#).is_err());
}

#[test]
fn pictures_and_files_are_measured_in_every_dialect() {
    let measured = |dialect, body: &str| {
        let prompt = read(dialect, body.as_bytes()).unwrap();
        let message = &prompt.messages[0];
        assert!(message.texts.is_empty(), "{:?}", message.texts);
        (message.images.len(), message.file_bytes, message.sound_bytes, message.named_files)
    };
    let gemini = |part: &str| {
        measured(Dialect::Gemini, &format!(r#"{{"contents":[{{"role":"user","parts":[{part}]}}]}}"#))
    };
    assert_eq!(gemini(r#"{"inlineData":{"mimeType":"image/png","data":"AAAAAAAA"}}"#), (1, 0, 0, 0));
    assert_eq!(gemini(r#"{"inlineData":{"data":"AAAAAAAA","mimeType":"application/pdf"}}"#), (0, 6, 0, 0));
    assert_eq!(gemini(r#"{"inline_data":{"mime_type":"audio/mp3","data":"AAAAAAAA"}}"#), (0, 0, 6, 0));
    assert_eq!(gemini(r#"{"fileData":{"mimeType":"application/pdf","fileUri":"gs://a"}}"#), (0, 0, 0, 1));
    let converse = |part: &str| {
        measured(Dialect::Converse, &format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#))
    };
    assert_eq!(converse(r#"{"image":{"format":"png","source":{"bytes":"AAAAAAAA"}}}"#), (1, 0, 0, 0));
    assert_eq!(converse(r#"{"document":{"format":"pdf","source":{"bytes":"AAAAAAAA"}}}"#), (0, 6, 0, 0));
    let responses = |part: &str| {
        measured(Dialect::Responses, &format!(r#"{{"input":[{{"role":"user","content":[{part}]}}]}}"#))
    };
    assert_eq!(responses(r#"{"type":"input_image","image_url":"data:image/png;base64,AAAA"}"#), (1, 0, 0, 0));
    assert_eq!(responses(r#"{"type":"input_file","file_url":"https://a.example/a.pdf"}"#), (0, 0, 0, 1));
}

#[test]
fn a_prompt_of_the_wrong_shape_is_refused_with_its_place() {
    for body in [r#"{"messages":"hi"}"#, r#"{"messages":["hi"]}"#, r#"{"messages":[{"role":5}]}"#, "{}"] {
        let error = read(Dialect::OpenAi, body.as_bytes()).unwrap_err();
        assert_eq!(error.status(), 400, "{body}");
    }
}

#[test]
fn too_many_messages_are_refused() {
    let body = format!(r#"{{"messages":[{}{{}}]}}"#, "{},".repeat(MESSAGES));
    assert!(
        read(Dialect::OpenAi, body.as_bytes()).unwrap_err().message.contains("more than 100000 messages")
    );
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":{}{}}}]}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(read(Dialect::OpenAi, body.as_bytes()).unwrap_err().status(), 400);
}
