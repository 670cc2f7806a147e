use super::super::signature;
use super::*;
use crate::translate::neutral::{
    Choice, Effort, Format, Part, PartKind, Place, Reasoning, Role, Setting, Source, Tool, Turn, Want,
};
use crate::translate::{Kind, Unsupported, chat, messages};
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::borrow::Cow;

const REJECT: Options<'static> = Options {
    model: "gemini-2.5-flash",
    unsupported: Unsupported::Reject,
    default_max_tokens: 9,
    output_cap: None,
    older_cap_field: false,
    betas: "",
    stream: false,
};
const DROP: Options<'static> = Options { unsupported: Unsupported::Drop, ..REJECT };
const THIRD: Options<'static> = Options { model: "gemini-3-flash-preview", ..REJECT };

fn value(json: &'static str) -> &'static RawValue {
    serde_json::from_str(json).unwrap()
}

fn object(json: &'static str) -> Object<'static> {
    Object::open(value(json)).unwrap()
}

fn part(kind: PartKind<'static>) -> Part<'static> {
    Part { kind, place: Place::default(), cache: None, rest: Object::default() }
}

fn say(text: &'static str) -> Part<'static> {
    part(PartKind::Text(Text::Json(value(text))))
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    let place = Place { turns: "messages", turn: Some(0), ..Place::default() };
    let mut parts = parts;
    for (number, part) in parts.iter_mut().enumerate() {
        part.place = Place { parts: "content", part: Some(number), ..place };
    }
    Turn { role, place, name: None, parts, rest: Object::default() }
}

fn user(parts: Vec<Part<'static>>) -> Turn<'static> {
    turn(Role::User, parts)
}

fn assistant(parts: Vec<Part<'static>>) -> Turn<'static> {
    turn(Role::Assistant, parts)
}

fn system(parts: Vec<Part<'static>>) -> Turn<'static> {
    turn(Role::System, parts)
}

fn talk(turns: Vec<Turn<'static>>) -> Request<'static> {
    Request { turns, ..Request::default() }
}

fn wants(path: &'static str, want: Want<'static>) -> Request<'static> {
    Request { settings: vec![Setting { path, want }], ..Request::default() }
}

fn call(id: &'static str, name: &'static str) -> Part<'static> {
    part(PartKind::Call { id: id.into(), name: name.into(), arguments: Cow::Borrowed(r#"{"a": 1.50}"#) })
}

fn result(id: &'static str, parts: Vec<Part<'static>>, is_error: bool) -> Part<'static> {
    part(PartKind::Result { id: id.into(), parts, is_error })
}

fn thinking(signature: Option<&'static str>) -> Part<'static> {
    part(PartKind::Thinking { text: "hm".into(), signature: signature.map(Text::from) })
}

fn base64(media_type: &'static str) -> Source<'static> {
    Source::Base64 { media_type: Cow::Borrowed(media_type), data: "AA==".into() }
}

fn image(source: Source<'static>) -> Part<'static> {
    part(PartKind::Image { source, detail: None })
}

fn function(name: &'static str) -> Tool<'static> {
    Tool::Function {
        name: name.into(),
        description: None,
        schema: None,
        strict: None,
        cache: None,
        rest: Object::default(),
    }
}

fn run(request: Request<'_>, options: &Options<'_>) -> Result<(Value, Vec<String>), Error> {
    let request = write(request, options)?;
    let text = String::from_utf8(request.body).unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Ok((body, request.dropped))
}

/// What is written, with nothing to be reported.
fn body_for(request: Request<'_>, options: &Options<'_>) -> Value {
    let (body, dropped) = run(request, options).unwrap();
    assert_eq!(dropped, [""; 0]);
    body
}

fn body(request: Request<'_>) -> Value {
    body_for(request, &REJECT)
}

fn contents(turns: Vec<Turn<'static>>, options: &Options<'_>) -> Value {
    body_for(talk(turns), options)["contents"].take()
}

fn parts(turn: Turn<'static>) -> Value {
    contents(vec![turn], &REJECT)[0]["parts"].take()
}

/// Both policies on what cannot be carried: refused by its path, or dropped with a report of it.
fn unsupported(request: impl Fn() -> Request<'static>, path: &str) -> Value {
    let error = run(request(), &REJECT).unwrap_err();
    assert!(matches!(error.kind(), Kind::Unsupported { .. }), "{error}");
    assert_eq!(error.path(), Some(path));
    let (body, dropped) = run(request(), &DROP).unwrap();
    assert_eq!(dropped, [path]);
    body
}

/// What is left out whatever the policy.
fn left_out(request: Request<'static>, path: &str) -> Value {
    let (body, dropped) = run(request, &REJECT).unwrap();
    assert_eq!(dropped, [path]);
    body
}

#[test]
fn the_model_and_the_stream_stand_in_the_path() {
    let request = Request {
        model: Some("m".into()),
        stream: true,
        include_usage: true,
        turns: vec![user(vec![say(r#""\u00e9\/""#)])],
        ..Request::default()
    };
    let request = write(request, &REJECT).unwrap();
    assert!(request.stream && request.include_usage);
    assert_eq!(
        String::from_utf8(request.body).unwrap(),
        r#"{"contents":[{"role":"user","parts":[{"text":"\u00e9\/"}]}]}"#
    );
}

#[test]
fn turns_of_one_role_become_one() {
    let turns = vec![
        user(vec![say(r#""a""#)]),
        system(vec![say(r#""s""#)]),
        user(vec![say(r#""b""#), say(r#""""#)]),
        assistant(vec![]),
        assistant(vec![say(r#""""#)]),
        user(vec![part(PartKind::Refusal("c".into()))]),
        assistant(vec![part(PartKind::Refusal("no".into()))]),
        system(vec![say(r#""t""#)]),
    ];
    assert_eq!(
        body(talk(turns)),
        json!({
            "systemInstruction": {"parts": [{"text": "s"}, {"text": "t"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]},
                {"role": "model", "parts": [{"text": "no"}]},
            ],
        })
    );
}

#[test]
fn instructions_alone_are_what_the_user_says() {
    assert_eq!(
        body(talk(vec![system(vec![say(r#""s""#)])])),
        json!({"contents": [{"role": "user", "parts": [{"text": "s"}]}]})
    );
    assert_eq!(body(Request::default()), json!({"contents": []}));
}

#[test]
fn pictures_documents_and_sound() {
    let url = |url: &'static str| Source::Url(Text::Json(value(url)));
    let document = |source| part(PartKind::Document { source, title: None });
    let sound = |format: &'static str| part(PartKind::Audio { format: format.into(), data: "BB==".into() });
    let said = vec![
        image(base64("image/png")),
        document(base64("application/pdf")),
        document(Source::Text("words".into())),
        image(url(r#""https:\/\/a.b/c.JPG?x=1.png#y""#)),
        document(url(r#""gs://bucket/a.pdf""#)),
        image(url(r#""https://generativelanguage.googleapis.com/v1beta/files/abc""#)),
        sound("wav"),
        sound("mp3"),
    ];
    assert_eq!(
        parts(user(said)),
        json!([
            {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
            {"text": "words"},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.b/c.JPG?x=1.png#y"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://bucket/a.pdf"}},
            {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "BB=="}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "BB=="}},
        ])
    );
}

#[test]
fn parts_that_have_no_place_are_refused() {
    let own = || part(PartKind::Own { what: Cow::Borrowed("search_result") });
    let sound = || part(PartKind::Audio { format: "wav".into(), data: "".into() });
    type Make<'f> = &'f dyn Fn() -> Turn<'static>;
    let cases: [Make<'_>; 10] = [
        &|| user(vec![image(Source::File("f".into()))]),
        &|| user(vec![image(Source::Url("https://a.b/picture".into()))]),
        &|| user(vec![image(Source::Url("https://a.png".into()))]),
        &|| user(vec![image(Source::Url("ftp://a.b/c.png".into()))]),
        &|| user(vec![image(Source::Url("data:image/png,AA".into()))]),
        &|| user(vec![own()]),
        &|| user(vec![call("c", "f")]),
        &|| assistant(vec![result("c", vec![], false)]),
        &|| system(vec![image(base64("image/png"))]),
        &|| system(vec![sound()]),
    ];
    for make in cases {
        assert_eq!(unsupported(|| talk(vec![make()]), "messages[0].content[0]"), json!({"contents": []}));
    }
}

#[test]
fn what_changes_nothing_is_left_out() {
    let marked = |place| Part { cache: Some(value("{}")), ..say(place) };
    left_out(
        talk(vec![user(vec![marked(r#""a""#), marked(r#""b""#)])]),
        "messages[0].content[0].cache_control",
    );
    let detailed = part(PartKind::Image { source: base64("image/png"), detail: Some("high".into()) });
    left_out(talk(vec![user(vec![detailed])]), "messages[0].content[0].detail");
    let titled = part(PartKind::Document { source: base64("application/pdf"), title: Some("t".into()) });
    left_out(talk(vec![user(vec![titled])]), "messages[0].content[0].title");
    let named = Turn { name: Some("ann".into()), ..user(vec![say(r#""a""#)]) };
    left_out(talk(vec![named]), "messages[0].name");
    let thoughts = vec![
        thinking(None),
        thinking(Some("EqQB")),
        part(PartKind::SealedThinking("x".into())),
        say(r#""a""#),
    ];
    assert_eq!(
        left_out(talk(vec![assistant(thoughts)]), "messages[0].content[0]"),
        json!({"contents": [{"role": "model", "parts": [{"text": "a"}]}]})
    );
}

#[test]
fn unknown_parts_and_fields_go_on_as_they_came() {
    let rest = object(r#"{"videoMetadata":{"fps": 1.0},"text":"other","thoughtSignature":"S"}"#);
    let said = vec![
        Part { rest, ..say(r#""a""#) },
        part(PartKind::Unknown(value(r#"{"executableCode":{"language":"PYTHON"}}"#))),
    ];
    let turn = Turn { rest: object(r#"{"role":"x","note":1}"#), ..user(said) };
    let request = Request {
        turns: vec![turn, Turn { rest: object(r#"{"note":2}"#), ..user(vec![say(r#""b""#)]) }],
        rest: object(r#"{"cachedContent":"cachedContents/1","contents":[],"system_instruction":null}"#),
        ..Request::default()
    };
    let (body, dropped) = run(request, &REJECT).unwrap();
    assert_eq!(
        body,
        json!({
            "contents": [{"role": "user", "parts": [
                {"text": "a", "videoMetadata": {"fps": 1.0}, "thoughtSignature": "S"},
                {"executableCode": {"language": "PYTHON"}},
                {"text": "b"},
            ], "note": 2}],
            "cachedContent": "cachedContents/1",
        })
    );
    assert_eq!(dropped, ["contents"]);
}

#[test]
fn a_client_may_add_to_the_configuration() {
    let request = || Request {
        settings: vec![Setting { path: "max_tokens", want: Want::MaxTokens(7) }],
        rest: object(
            r#"{"generationConfig":{"max_output_tokens":8,"mediaResolution":"LOW"},"labels":{"a":"b"}}"#,
        ),
        ..Request::default()
    };
    let (body, dropped) = run(request(), &REJECT).unwrap();
    assert_eq!(body["generationConfig"], json!({"maxOutputTokens": 7, "mediaResolution": "LOW"}));
    assert_eq!(body["labels"], json!({"a": "b"}));
    assert_eq!(dropped, ["generationConfig.max_output_tokens"]);
    let alone = Request { settings: vec![], ..request() };
    let (body, dropped) = run(alone, &REJECT).unwrap();
    assert_eq!(body["generationConfig"], json!({"max_output_tokens": 8, "mediaResolution": "LOW"}));
    assert_eq!(dropped, [""; 0]);
}

#[test]
fn results_are_told_apart_by_names_and_from_the_third_generation_on_by_ids() {
    let turns = || {
        vec![
            user(vec![say(r#""q""#)]),
            assistant(vec![call("c1", "f"), call("c2", "g")]),
            user(vec![say(r#""and""#), result("c1", vec![say(r#""{\"b\": 1}""#)], false)]),
            user(vec![result("c2", vec![say(r#""text""#)], false)]),
        ]
    };
    assert_eq!(
        contents(turns(), &REJECT),
        json!([
            {"role": "user", "parts": [{"text": "q"}]},
            {"role": "model", "parts": [
                {"functionCall": {"name": "f", "args": {"a": 1.5}}},
                {"functionCall": {"name": "g", "args": {"a": 1.5}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "response": {"b": 1}}},
                {"functionResponse": {"name": "g", "response": {"result": "text"}}},
                {"text": "and"},
            ]},
        ])
    );
    let third = contents(turns(), &THIRD);
    assert_eq!(
        third[1]["parts"],
        json!([
            {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1.5}}, "thoughtSignature": signature::UNKNOWN},
            {"functionCall": {"id": "c2", "name": "g", "args": {"a": 1.5}}},
        ])
    );
    assert_eq!(third[2]["parts"][1]["functionResponse"]["id"], "c2");
    let text = String::from_utf8(write(talk(turns()), &REJECT).unwrap().body).unwrap();
    assert!(text.contains(r#""args":{"a": 1.50}"#), "{text}");
}

#[test]
fn a_result_is_an_object_whatever_the_tool_gave() {
    let response = |parts, is_error| {
        let turns = vec![assistant(vec![call("c", "f")]), user(vec![result("c", parts, is_error)])];
        contents(turns, &REJECT)[1]["parts"].take()
    };
    let only = |response: Value| json!([{"functionResponse": {"name": "f", "response": response}}]);
    for (text, expected) in [
        (r#"" {\"a\":{}} ""#, json!({"a": {}})),
        (r#""{\"a\":""#, json!({"result": "{\"a\":"})),
        (r#""[1]""#, json!({"result": "[1]"})),
        (r#""""#, json!({"result": ""})),
    ] {
        assert_eq!(response(vec![say(text)], false), only(expected));
    }
    assert_eq!(response(vec![], false), only(json!({"result": ""})));
    assert_eq!(response(vec![say(r#""{}""#)], true), only(json!({"error": "{}"})));
    assert_eq!(response(vec![say(r#""a""#), say(r#""b""#)], false), only(json!({"result": ["a", "b"]})));
    assert_eq!(
        response(vec![image(base64("image/png")), say(r#""a""#)], false),
        json!([
            {"functionResponse": {"name": "f", "response": {"result": "a"}}},
            {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        ])
    );
}

#[test]
fn a_result_of_no_call_is_a_fault() {
    let error = run(talk(vec![user(vec![result("c", vec![], false)])]), &DROP).unwrap_err();
    assert!(matches!(error.kind(), Kind::Invalid { .. }), "{error}");
    assert_eq!(error.path(), Some("messages[0].content[0]"));
    let inner = || Part { place: Place { turns: "inner", ..Place::default() }, ..call("d", "g") };
    let turns = || vec![assistant(vec![call("c", "f")]), user(vec![result("c", vec![inner()], false)])];
    unsupported(|| talk(turns()), "inner");
}

#[test]
fn signatures_go_back_where_they_were() {
    let sign = |said| contents(vec![assistant(said)], &THIRD)[0]["parts"].take();
    let signed = |parts: &Value| -> Vec<Value> {
        parts.as_array().unwrap().iter().map(|part| part["thoughtSignature"].clone()).collect()
    };
    let unknown = json!(signature::UNKNOWN);
    let (first, second) = (|| thinking(Some("gemini:0:S0=")), || thinking(Some("gemini:1:S1=")));
    // As Anthropic's clients have it, in the order of the answer.
    let said = sign(vec![first(), call("a", "f"), second(), call("b", "f"), call("c", "f")]);
    assert_eq!(signed(&said), [json!("S0="), json!("S1="), Value::Null]);
    // As OpenAI's clients have it, thinking first.
    let said = sign(vec![first(), second(), say(r#""t""#), call("a", "f"), call("b", "f")]);
    assert_eq!(signed(&said), [Value::Null, json!("S0="), json!("S1=")]);
    // As a client has it that has cut the answer in two.
    let said = sign(vec![second(), call("b", "f")]);
    assert_eq!(signed(&said), [json!("S1=")]);
    let said = sign(vec![second(), say(r#""t""#), call("b", "f")]);
    assert_eq!(signed(&said), [Value::Null, unknown.clone()]);
    // The last text is signed, wherever the signature stands.
    for said in [
        vec![thinking(Some("gemini:text:T")), say(r#""a""#), say(r#""b""#)],
        vec![say(r#""a""#), say(r#""b""#), thinking(Some("gemini:text:T"))],
    ] {
        assert_eq!(signed(&sign(said)), [Value::Null, json!("T")]);
    }
    // What it takes back nowhere.
    let (body, dropped) =
        run(talk(vec![assistant(vec![thinking(Some("gemini:thought:T")), call("a", "f")])]), &THIRD).unwrap();
    assert_eq!(signed(&body["contents"][0]["parts"]), [unknown]);
    assert_eq!(dropped, ["messages[0].content[0]"]);
}

#[test]
fn clients_of_googles_own_translation_send_signatures_in_its_field() {
    let extra = r#"{"extra_content":{"google":{"thought_signature":"S"}},"index":0}"#;
    for rest in [extra, r#"{"thoughtSignature":"S"}"#, r#"{"thought_signature":"S"}"#] {
        let said = Part { rest: object(rest), ..call("c", "f") };
        assert_eq!(
            parts(assistant(vec![said])),
            json!([{"functionCall": {"name": "f", "args": {"a": 1.5}}, "thoughtSignature": "S"}])
        );
    }
}

#[test]
fn only_the_first_call_of_a_content_needs_a_signature() {
    let turns =
        vec![assistant(vec![call("a", "f")]), assistant(vec![call("b", "f")]), user(vec![say(r#""x""#)])];
    let said = contents(turns, &THIRD);
    assert_eq!(said[0]["parts"][0]["thoughtSignature"], signature::UNKNOWN);
    assert_eq!(said[0]["parts"][1]["thoughtSignature"], Value::Null);
    assert_eq!(parts(assistant(vec![call("a", "f")]))[0]["thoughtSignature"], Value::Null);
}

#[test]
fn settings_that_are_renamed() {
    let number = || value("1.50");
    for (want, expected) in [
        (Want::MaxTokens(7), json!({"maxOutputTokens": 7})),
        (Want::Temperature(number()), json!({"temperature": 1.5})),
        (Want::TopP(number()), json!({"topP": 1.5})),
        (Want::TopK(number()), json!({"topK": 1.5})),
        (Want::Seed(number()), json!({"seed": 1.5})),
        (Want::Choices(number()), json!({"candidateCount": 1.5})),
        (Want::PresencePenalty(number()), json!({"presencePenalty": 1.5})),
        (Want::FrequencyPenalty(number()), json!({"frequencyPenalty": 1.5})),
        (Want::Stop(vec!["a".into(), "b".into()]), json!({"stopSequences": ["a", "b"]})),
        (Want::Logprobs { top: None }, json!({"responseLogprobs": true})),
        (Want::Logprobs { top: Some(value("3")) }, json!({"responseLogprobs": true, "logprobs": 3})),
        (Want::Format(Format::Json), json!({"responseMimeType": "application/json"})),
    ] {
        assert_eq!(body(wants("x", want))["generationConfig"], expected);
    }
}

#[test]
fn a_schema_is_copied() {
    let schema = |description| {
        let schema = value(r#"{"type":"object", "$defs":{}, "additionalProperties":false}"#);
        let format = Format::Schema { schema, name: Some("n".into()), description, strict: Some(true) };
        wants("response_format", Want::Format(format))
    };
    let text = String::from_utf8(write(schema(None), &REJECT).unwrap().body).unwrap();
    let expected = r#""generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object", "$defs":{}, "additionalProperties":false}}"#;
    assert!(text.contains(expected), "{text}");
    left_out(schema(Some("d".into())), "response_format.description");
}

#[test]
fn a_form_of_the_answer_along_with_tools_was_a_400_of_geminis() {
    let both =
        || Request { tools: vec![function("f")], ..wants("response_format", Want::Format(Format::Json)) };
    assert_eq!(unsupported(both, "response_format").get("generationConfig"), None);
    assert_eq!(body_for(both(), &THIRD)["generationConfig"], json!({"responseMimeType": "application/json"}));
}

#[test]
fn too_many_stop_sequences() {
    let many = || wants("stop", Want::Stop(["a", "b", "c", "d", "e", "f"].map(Text::from).to_vec()));
    let body = unsupported(many, "stop");
    assert_eq!(body["generationConfig"]["stopSequences"], json!(["a", "b", "c", "d", "e"]));
}

#[test]
fn settings_that_cannot_be_carried() {
    type Make = fn() -> Want<'static>;
    let cases: [Make; 6] = [
        || Want::LogitBias(value("{}")),
        || Want::Verbosity("low".into()),
        || Want::Prediction(value("{}")),
        || Want::Modalities(value(r#"["audio"]"#)),
        || Want::WebSearch(value("{}")),
        || Want::Own { what: "no" },
    ];
    for make in cases {
        assert_eq!(unsupported(|| wants("x", make()), "x"), json!({"contents": []}));
    }
    let cases: [Make; 6] = [
        || Want::User("u".into()),
        || Want::Labels(value("{}")),
        || Want::Tier("flex".into()),
        || Want::Store(value("true")),
        || Want::CacheHint,
        || Want::OwnLabel,
    ];
    for make in cases {
        assert_eq!(left_out(wants("x", make()), "x"), json!({"contents": []}));
    }
}

#[test]
fn thinking_in_the_words_of_each_generation() {
    let off = || Reasoning { off: true, shown: Some("auto".into()), ..Reasoning::default() };
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let budget =
        |tokens| Reasoning { budget: Some(tokens), shown: Some("auto".into()), ..Reasoning::default() };
    let adaptive = || Reasoning { adaptive: true, ..Reasoning::default() };
    let level = |level: &str| json!({"thinkingLevel": level});
    let tokens = |tokens: i64| json!({"thinkingBudget": tokens});
    let shown = |mut config: Value| {
        config["includeThoughts"] = json!(true);
        config
    };
    let nothing = Value::Null;
    for (model, reasoning, expected, is_dropped) in [
        ("gemini-1.5-pro", effort(Effort::High), nothing.clone(), true),
        ("gemini-2.0-flash", off(), nothing.clone(), true),
        ("gemini-2.5-flash", off(), tokens(0), false),
        ("gemini-2.5-pro", off(), tokens(128), true),
        ("gemini-3-pro-preview", off(), level("LOW"), true),
        ("gemini-3-flash-preview", off(), level("MINIMAL"), true),
        ("gemini-2.5-flash", budget(2000), shown(tokens(2000)), false),
        ("gemini-2.5-flash", budget(99_999), shown(tokens(24_576)), false),
        ("gemini-2.5-flash-lite", budget(100), shown(tokens(512)), false),
        ("gemini-3.1-pro-preview", budget(2000), shown(level("MEDIUM")), false),
        ("gemini-2.5-pro", effort(Effort::Max), tokens(32_768), false),
        ("gemini-2.5-flash", effort(Effort::Medium), tokens(8_192), false),
        ("gemini-3-flash-preview", effort(Effort::Minimal), level("MINIMAL"), false),
        ("gemini-3.8-flash", effort(Effort::Minimal), level("LOW"), false),
        ("gemini-3-pro-preview", effort(Effort::Medium), level("HIGH"), false),
        ("models/gemini-3.1-pro-preview", effort(Effort::Medium), level("MEDIUM"), false),
        ("gemini-flash-latest", effort(Effort::XHigh), level("HIGH"), false),
        ("gemini-2.5-flash", adaptive(), tokens(-1), false),
        ("gemini-3.8-flash", adaptive(), nothing.clone(), false),
        ("gemini-3.8-flash", Reasoning::default(), nothing, false),
    ] {
        let request = wants("thinking", Want::Reasoning(reasoning));
        let (body, dropped) = run(request, &Options { model, ..REJECT }).unwrap();
        assert_eq!(body["generationConfig"]["thinkingConfig"], expected, "{model}");
        assert_eq!(dropped, vec!["thinking"; usize::from(is_dropped)], "{model}: {expected}");
    }
}

#[test]
fn the_clients_model_counts_where_there_is_no_other() {
    let request = Request {
        model: Some("gemini-2.5-pro".into()),
        ..wants("r", Want::Reasoning(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() }))
    };
    let body = body_for(request, &Options { model: "", ..REJECT });
    assert_eq!(body["generationConfig"]["thinkingConfig"], json!({"thinkingBudget": 1024}));
}

#[test]
fn a_setting_counts_once() {
    let settings = ["a", "b"].map(|path| Setting { path, want: Want::MaxTokens(1) }).into_iter().collect();
    left_out(Request { settings, ..Request::default() }, "b");
}

#[test]
fn tools_and_choices() {
    let tool = |name: &'static str| Tool::Function {
        name: name.into(),
        description: Some("d".into()),
        schema: Some(value(r#"{"type":"object", "$ref":"x"}"#)),
        strict: Some(true),
        cache: None,
        rest: object(r#"{"behavior":"BLOCKING","parameters":{}}"#),
    };
    let with = |choice| Request { tools: vec![tool("f"), function("g")], choice, ..Request::default() };
    assert_eq!(
        body(with(None)),
        json!({"contents": [], "tools": [{"functionDeclarations": [
            {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object", "$ref": "x"}, "behavior": "BLOCKING"},
            {"name": "g"},
        ]}]})
    );
    let of = |required| Choice::Of { names: vec!["f".into()], required };
    for (choice, expected) in [
        (Choice::Auto, json!({"mode": "AUTO"})),
        (Choice::None, json!({"mode": "NONE"})),
        (Choice::Any, json!({"mode": "ANY"})),
        (Choice::Tool("f".into()), json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        (of(true), json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
        (of(false), json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]})),
    ] {
        assert_eq!(body(with(Some(choice)))["toolConfig"], json!({"functionCallingConfig": expected}));
    }
    assert_eq!(body(Request { parallel_calls: Some(true), ..with(None) })["toolConfig"], Value::Null);
    left_out(Request { parallel_calls: Some(false), ..with(None) }, "parallel_tool_calls");
    body(Request { parallel_calls: Some(false), choice: Some(Choice::Auto), ..Request::default() });
    let error = run(Request { choice: Some(Choice::Any), ..Request::default() }, &DROP).unwrap_err();
    assert_eq!(error.path(), Some("tool_choice"));
}

#[test]
fn tools_of_others_cannot_be_carried() {
    let hosted = || Tool::Hosted { kind: Cow::Borrowed("web_search"), value: value("{}") };
    let body =
        unsupported(|| Request { tools: vec![function("f"), hosted()], ..Request::default() }, "tools[1]");
    assert_eq!(body["tools"], json!([{"functionDeclarations": [{"name": "f"}]}]));
    let Tool::Function { name, .. } = function("f") else { panic!() };
    let marked = Tool::Function {
        name,
        description: None,
        schema: None,
        strict: None,
        cache: Some(value("{}")),
        rest: Object::default(),
    };
    left_out(Request { tools: vec![marked], ..Request::default() }, "tools[0].cache_control");
}

proptest! {
    #[test]
    fn what_clients_read_is_written_as_json(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,40}") {
        let body = json!({"model": "m", "max_tokens": 1, "messages": [
            {"role": "system", "content": text},
            {"role": "user", "content": [{"type": "text", "text": text, &text: text}]},
            {"role": "assistant", "content": text, "tool_calls": [
                {"id": text, "type": "function", "function": {"name": text, "arguments": "{}"}, &text: text}]},
            {"role": "tool", "tool_call_id": text, "content": text},
        ], &text: {&text: 1}});
        for options in [&DROP, &THIRD] {
            for body in [body.to_string().into_bytes(), bytes.clone()] {
                if let Ok(request) = chat::read_request::read(&body) {
                    let _ = run(request, options);
                }
                if let Ok(request) = messages::read_request::read(&body) {
                    let _ = run(request, options);
                }
            }
        }
    }
}
