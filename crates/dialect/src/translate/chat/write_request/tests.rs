use super::*;
use crate::translate::neutral::{Effort, Part, PartKind, Place, Role, Source, Turn};
use crate::translate::{Kind, Unsupported};
use serde_json::{Value, json};
use std::borrow::Cow;

const REJECT: Options<'static> = Options {
    model: "gpt-5.1",
    unsupported: Unsupported::Reject,
    default_max_tokens: 9,
    output_cap: None,
    older_cap_field: false,
    betas: "",
    stream: false,
};
const DROP: Options<'static> = Options { unsupported: Unsupported::Drop, ..REJECT };

fn value(json: &'static str) -> &'static RawValue {
    serde_json::from_str(json).unwrap()
}

fn object(json: &'static str) -> Object<'static> {
    Object::open(value(json)).unwrap()
}

fn place(turn: usize, part: usize) -> Place {
    Place { turns: "messages", turn: Some(turn), parts: "content", part: Some(part), ..Place::default() }
}

fn part(kind: PartKind<'static>) -> Part<'static> {
    Part { kind, place: place(0, 0), cache: None, rest: Object::default() }
}

fn say(text: &'static str) -> Part<'static> {
    part(PartKind::Text(text.into()))
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    let mut parts = parts;
    parts.iter_mut().enumerate().for_each(|(number, part)| part.place = place(0, number));
    let place = Place { turns: "messages", turn: Some(0), ..Place::default() };
    Turn { role, place, name: None, parts, rest: Object::default() }
}

fn user(parts: Vec<Part<'static>>) -> Request<'static> {
    Request { turns: vec![turn(Role::User, parts)], ..Request::default() }
}

fn call(id: &'static str) -> Part<'static> {
    part(PartKind::Call { id: id.into(), name: "f".into(), arguments: Cow::Borrowed(r#"{"a": "\n"}"#) })
}

fn result(id: &'static str, parts: Vec<Part<'static>>, is_error: bool) -> Part<'static> {
    part(PartKind::Result { id: id.into(), parts, is_error })
}

fn png() -> Source<'static> {
    Source::Base64 { media_type: Cow::Borrowed("image/png"), data: "AA==".into() }
}

fn pdf() -> Source<'static> {
    Source::Base64 { media_type: Cow::Borrowed("application/pdf"), data: Text::Json(value(r#""QQ\/=""#)) }
}

fn image(source: Source<'static>) -> Part<'static> {
    part(PartKind::Image { source, detail: None })
}

fn document(source: Source<'static>, title: Option<Text<'static>>) -> Part<'static> {
    part(PartKind::Document { source, title })
}

fn tool(name: &'static str) -> Tool<'static> {
    Tool::Function {
        name: name.into(),
        description: None,
        schema: None,
        strict: None,
        cache: None,
        rest: Object::default(),
    }
}

fn run(request: Request<'static>, options: &Options<'_>) -> Result<(Value, Vec<String>), Error> {
    let request = write(request, options)?;
    let text = String::from_utf8(request.body).unwrap();
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Ok((body, request.dropped))
}

/// What is written, with nothing to be reported.
fn body(request: Request<'static>) -> Value {
    let (body, dropped) = run(request, &REJECT).unwrap();
    assert_eq!(dropped, [""; 0]);
    body
}

fn messages(turns: Vec<Turn<'static>>) -> Value {
    body(Request { turns, ..Request::default() })["messages"].take()
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

fn wants(wants: Vec<Want<'static>>) -> Request<'static> {
    let settings = wants.into_iter().map(|want| Setting { path: "the.field", want }).collect();
    Request { settings, ..Request::default() }
}

/// The body without what each has.
fn fields(mut body: Value) -> Value {
    for name in ["model", "messages"] {
        body.as_object_mut().unwrap().remove(name);
    }
    body
}

#[test]
fn what_openai_has_too_gets_its_name() {
    let number = || value("1.50");
    for (want, expected) in [
        (Want::MaxTokens(5), json!({"max_completion_tokens": 5})),
        (Want::Temperature(number()), json!({"temperature": 1.5})),
        (Want::TopP(number()), json!({"top_p": 1.5})),
        (Want::Seed(value("7")), json!({"seed": 7})),
        (Want::Choices(value("2")), json!({"n": 2})),
        (Want::PresencePenalty(number()), json!({"presence_penalty": 1.5})),
        (Want::FrequencyPenalty(number()), json!({"frequency_penalty": 1.5})),
        (Want::LogitBias(value(r#"{"1":2}"#)), json!({"logit_bias": {"1": 2}})),
        (Want::Logprobs { top: None }, json!({"logprobs": true})),
        (Want::Logprobs { top: Some(value("3")) }, json!({"logprobs": true, "top_logprobs": 3})),
        (Want::Stop(vec!["a".into(), Text::Json(value(r#""\n""#))]), json!({"stop": ["a", "\n"]})),
        (Want::Stop(Vec::new()), json!({})),
        (Want::Format(Format::Json), json!({"response_format": {"type": "json_object"}})),
        (Want::Verbosity("low".into()), json!({"verbosity": "low"})),
        (Want::User("u".into()), json!({"user": "u"})),
        (Want::Tier("auto".into()), json!({"service_tier": "auto"})),
        (Want::Tier("standard_only".into()), json!({"service_tier": "default"})),
        (Want::Tier("flex".into()), json!({"service_tier": "flex"})),
        (Want::Store(value("true")), json!({"store": true})),
        (Want::Prediction(value(r#"{"type":"content"}"#)), json!({"prediction": {"type": "content"}})),
        (Want::Modalities(value(r#"["text"]"#)), json!({"modalities": ["text"]})),
        (Want::WebSearch(value("{}")), json!({"web_search_options": {}})),
    ] {
        assert_eq!(fields(body(wants(vec![want]))), expected);
    }
    let written = write(wants(vec![Want::Temperature(number())]), &REJECT).unwrap();
    assert!(String::from_utf8(written.body).unwrap().contains(r#""temperature":1.50,"#));
}

#[test]
fn the_limit_of_tokens_has_an_older_name() {
    let older = Options { older_cap_field: true, ..REJECT };
    let rest = object(r#"{"max_completion_tokens":7}"#);
    let (body, dropped) = run(Request { rest, ..wants(vec![Want::MaxTokens(5)]) }, &older).unwrap();
    assert_eq!(fields(body), json!({"max_tokens": 5}));
    assert_eq!(dropped, ["max_completion_tokens"]);
    assert_eq!(fields(run(Request::default(), &older).unwrap().0), json!({}));
}

#[test]
fn what_shapes_the_answer_and_openai_lacks_meets_the_policy() {
    let stops = || ["a", "b", "c", "d", "e"].map(Text::from).to_vec();
    assert_eq!(fields(unsupported(|| wants(vec![Want::TopK(value("3"))]), "the.field")), json!({}));
    assert_eq!(fields(unsupported(|| wants(vec![Want::Own { what: "it is" }]), "the.field")), json!({}));
    let body = unsupported(|| wants(vec![Want::Stop(stops())]), "the.field");
    assert_eq!(body["stop"], json!(["a", "b", "c", "d"]));
}

#[test]
fn what_leaves_the_answer_as_it_is_is_left_out() {
    for want in [Want::CacheHint, Want::OwnLabel, Want::Labels(value("{}"))] {
        assert_eq!(fields(left_out(wants(vec![want]), "the.field")), json!({}));
    }
}

#[test]
fn labels_come_along_with_what_is_stored_only() {
    let labels = || Want::Labels(value(r#"{"a":"b"}"#));
    assert_eq!(
        fields(body(wants(vec![labels(), Want::Store(value("true"))]))),
        json!({"metadata": {"a": "b"}, "store": true})
    );
    let body = left_out(wants(vec![labels(), Want::Store(value("false"))]), "the.field");
    assert_eq!(fields(body), json!({"store": false}));
}

#[test]
fn of_two_wants_with_one_name_the_first_counts() {
    let body = left_out(wants(vec![Want::User("a".into()), Want::User("b".into())]), "the.field");
    assert_eq!(fields(body), json!({"user": "a"}));
}

#[test]
fn a_schema_has_a_name() {
    let schema = |name, description, strict| {
        Want::Format(Format::Schema { schema: value(r#"{"type":"object"}"#), name, description, strict })
    };
    assert_eq!(
        body(wants(vec![schema(None, None, None)]))["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}})
    );
    let full = schema(Some("n".into()), Some("d".into()), Some(true));
    assert_eq!(
        body(wants(vec![full]))["response_format"]["json_schema"],
        json!({"name": "n", "description": "d", "schema": {"type": "object"}, "strict": true})
    );
}

#[test]
fn effort_goes_to_models_that_may_know_it() {
    let reasoning = |effort, budget| Reasoning { effort, budget, ..Reasoning::default() };
    let effort = |model, reasoning| {
        let (body, dropped) =
            run(wants(vec![Want::Reasoning(reasoning)]), &Options { model, ..REJECT }).unwrap();
        let effort = body.get("reasoning_effort").map(|effort| effort.as_str().unwrap().to_owned());
        (effort, dropped.len())
    };
    let of = |word: &str| (Some(word.to_owned()), 0);
    for model in ["gpt-5", "o3-mini", "openai/o4-mini", "codex-mini", "deepseek-r1", "gpt-oss-120b"] {
        assert_eq!(effort(model, reasoning(Some(Effort::High), None)), of("high"), "{model}");
    }
    for model in
        ["gpt-4o", "openai/gpt-4.1", "gpt-35-turbo", "chatgpt-4o-latest", "ft:gpt-4o:a", "gpt-5-chat-latest"]
    {
        assert_eq!(effort(model, reasoning(Some(Effort::High), None)), (None, 1), "{model}");
    }
    for (level, word) in [
        (Effort::Minimal, "minimal"),
        (Effort::Low, "low"),
        (Effort::Medium, "medium"),
        (Effort::XHigh, "xhigh"),
        (Effort::Max, "xhigh"),
    ] {
        assert_eq!(effort("gpt-5", reasoning(Some(level), Some(1))), of(word));
    }
    assert_eq!(effort("gpt-5", reasoning(None, Some(1_024))), of("low"));
    assert_eq!(effort("gpt-5", reasoning(None, Some(30_000))), of("high"));
    let adaptive = |effort| Reasoning {
        adaptive: true,
        effort,
        budget: Some(9),
        shown: Some("auto".into()),
        ..Reasoning::default()
    };
    assert_eq!(effort("gpt-5", adaptive(None)), (None, 0));
    assert_eq!(effort("gpt-5", adaptive(Some(Effort::Low))), of("low"));
    assert_eq!(effort("gpt-5", Reasoning { shown: Some("auto".into()), ..Reasoning::default() }), (None, 0));
}

#[test]
fn no_thinking_is_asked_of_models_that_can_do_without() {
    for (model, is_written) in [
        ("gpt-5.1", true),
        ("openai/gpt-5.2-mini", true),
        ("gpt-5", false),
        ("gpt-5-mini", false),
        ("gpt-5.1-chat-latest", false),
        ("o3", false),
        ("gpt-4o", false),
    ] {
        let off = Want::Reasoning(Reasoning { off: true, ..Reasoning::default() });
        let (body, dropped) = run(wants(vec![off]), &Options { model, ..REJECT }).unwrap();
        assert_eq!(body.get("reasoning_effort").is_some_and(|word| word == "none"), is_written, "{model}");
        assert_eq!(dropped.is_empty(), is_written, "{model}");
    }
}

#[test]
fn the_model_is_the_options_or_the_clients() {
    let own = || Request { model: Some("own".into()), ..Request::default() };
    let none = Options { model: "", ..REJECT };
    assert_eq!(body(own())["model"], "gpt-5.1");
    assert_eq!(run(own(), &none).unwrap().0["model"], "own");
    assert_eq!(run(Request::default(), &none).unwrap_err().path(), Some("model"));
}

#[test]
fn a_stream_tells_its_usage_whether_or_not_the_client_reads_it() {
    let request = Request { stream: true, include_usage: false, ..Request::default() };
    let written = write(request, &REJECT).unwrap();
    assert_eq!((written.stream, written.include_usage), (true, false));
    let body: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(fields(body), json!({"stream": true, "stream_options": {"include_usage": true}}));
}

#[test]
fn unknown_fields_are_copied_unless_they_repeat_or_contradict() {
    let rest = object(r#"{"top_k": 1.50, "guided_regex":"\u00e9", "safety_identifier":null, "n":2}"#);
    let written = write(Request { rest, ..Request::default() }, &REJECT).unwrap();
    let text = String::from_utf8(written.body).unwrap();
    assert!(text.ends_with(r#","top_k":1.50,"guided_regex":"\u00e9","n":2}"#), "{text}");

    let rest = object(
        r#"{"model":"x","messages":1,"stream":true,"stream_options":{},"max_tokens":7,"user":"b","seed":1}"#,
    );
    let request = Request { rest, ..wants(vec![Want::MaxTokens(5), Want::User("a".into())]) };
    let (body, mut dropped) = run(request, &REJECT).unwrap();
    dropped.sort();
    assert_eq!(dropped, ["max_tokens", "messages", "model", "stream", "stream_options", "user"]);
    assert_eq!(fields(body), json!({"max_completion_tokens": 5, "user": "a", "seed": 1}));

    let rest = object(r#"{"max_tokens":7,"functions":[]}"#);
    let (body, _) = run(Request { rest, ..Request::default() }, &REJECT).unwrap();
    assert_eq!(fields(body), json!({"max_tokens": 7, "functions": []}));
}

#[test]
fn system_turns_stay_where_they_stand() {
    assert_eq!(
        messages(vec![
            turn(Role::System, vec![say("a")]),
            turn(Role::User, vec![say("b")]),
            turn(Role::System, vec![say("c"), say("d")]),
            turn(Role::User, vec![say("e")]),
            turn(Role::User, vec![say("f")]),
        ]),
        json!([
            {"role": "system", "content": "a"},
            {"role": "user", "content": "b"},
            {"role": "system", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": "d"}]},
            {"role": "user", "content": "e"},
            {"role": "user", "content": "f"},
        ])
    );
}

#[test]
fn a_turn_that_says_nothing_is_not_written() {
    let thought = part(PartKind::Thinking { text: "t".into(), signature: None });
    let turns = vec![turn(Role::User, Vec::new()), turn(Role::Assistant, vec![thought])];
    let body = left_out(Request { turns, ..Request::default() }, "messages[0].content[0]");
    assert_eq!(body["messages"], json!([]));
}

#[test]
fn names_and_unknown_fields_stay_on_their_message() {
    let mut speaker = turn(Role::User, vec![say("a")]);
    speaker.name = Some("n".into());
    speaker.rest = object(r#"{"name":"other","role":"x","content":1,"weight":1.50}"#);
    let mut plain = turn(Role::Assistant, vec![say("b")]);
    plain.rest = object(r#"{"name":"own"}"#);
    assert_eq!(
        messages(vec![speaker, plain]),
        json!([
            {"role": "user", "content": "a", "name": "n", "weight": 1.5},
            {"role": "assistant", "content": "b", "name": "own"},
        ])
    );
}

#[test]
fn a_text_with_unknown_fields_is_a_part() {
    let mut marked = say("a");
    marked.rest = object(r#"{"type":"x","text":"y","mark":1}"#);
    assert_eq!(
        messages(vec![turn(Role::User, vec![marked])])[0]["content"],
        json!([{"type": "text", "text": "a", "mark": 1}])
    );
}

#[test]
fn what_a_user_shows() {
    let close =
        PartKind::Image { source: Source::Url("https://a/b.png".into()), detail: Some("high".into()) };
    let mut marked = image(png());
    marked.rest = object(r#"{"type":"x","image_url":{},"mark":1}"#);
    let file = |name: &str| {
        let data = "data:application/pdf;base64,QQ/=";
        json!({"type": "file", "file": {"filename": name, "file_data": data}})
    };
    let content = messages(vec![turn(
        Role::User,
        vec![
            say("a"),
            part(close),
            marked,
            document(pdf(), None),
            document(pdf(), Some("t.pdf".into())),
            document(Source::File("file-1".into()), None),
            document(Source::Text("plain".into()), None),
            part(PartKind::Audio { format: "wav".into(), data: "AA".into() }),
            part(PartKind::Unknown(value(r#"{"type":"video_url","video_url":{"url":"u"}}"#))),
        ],
    )]);
    assert_eq!(
        content[0]["content"],
        json!([
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "high"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}, "mark": 1},
            file("document.pdf"),
            file("t.pdf"),
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "text", "text": "plain"},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            {"type": "video_url", "video_url": {"url": "u"}},
        ])
    );
}

#[test]
fn parts_that_openai_lacks_meet_the_policy() {
    let word: fn() -> Source<'static> =
        || Source::Base64 { media_type: Cow::Borrowed("application/msword"), data: "AA".into() };
    let parts: [fn() -> Part<'static>; 7] = [
        || image(Source::Url("gs://a/b.png".into())),
        || image(Source::File("file-1".into())),
        || image(Source::Text("a".into())),
        || document(Source::Url("https://a/b.pdf".into()), None),
        || part(PartKind::Own { what: Cow::Borrowed("search_result") }),
        || call("a"),
        || result("a", vec![image(png())], false),
    ];
    for (number, make) in parts.into_iter().enumerate() {
        // The part in the result has the place that its reader gave it.
        let path = if number == 6 { "messages[0].content[0]" } else { "messages[0].content[1]" };
        let body = unsupported(|| user(vec![say("a"), make()]), path);
        let last = body["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(*last, json!({"role": "user", "content": "a"}));
    }
    for source in [word, || Source::File("file_011C".into())] {
        unsupported(|| user(vec![say("a"), document(source(), None)]), "messages[0].content[1]");
    }
}

#[test]
fn only_users_show_more_than_text() {
    let parts: [fn() -> Part<'static>; 4] = [
        || image(png()),
        || document(pdf(), None),
        || part(PartKind::Audio { format: "wav".into(), data: "AA".into() }),
        || result("a", Vec::new(), false),
    ];
    for role in [Role::System, Role::Assistant] {
        for make in parts {
            let request = || Request { turns: vec![turn(role, vec![make()])], ..Request::default() };
            assert_eq!(unsupported(request, "messages[0].content[0]")["messages"], json!([]));
        }
        let turns = vec![turn(role, vec![document(Source::Text("plain".into()), None)])];
        assert_eq!(messages(turns)[0]["content"], "plain");
    }
    let request = || Request { turns: vec![turn(Role::System, vec![call("a")])], ..Request::default() };
    unsupported(request, "messages[0].content[0]");
}

#[test]
fn the_title_of_a_plain_text_is_left_out() {
    let request = user(vec![document(Source::Text("plain".into()), Some("t".into()))]);
    let body = left_out(request, "messages[0].content[0].title");
    assert_eq!(body["messages"][0]["content"], "plain");
}

#[test]
fn the_model_says_calls_and_refuses() {
    let mut marked = call("b");
    marked.rest = object(r#"{"id":"x","index":1,"type":"x","function":{},"extra_content":{"google":1}}"#);
    let function = json!({"name": "f", "arguments": "{\"a\": \"\\n\"}"});
    let refuse = |text: &'static str| part(PartKind::Refusal(text.into()));
    assert_eq!(
        messages(vec![
            turn(Role::Assistant, vec![say("a")]),
            turn(Role::Assistant, vec![say("a"), call("a"), say("b"), marked]),
            turn(Role::Assistant, vec![call("c")]),
            turn(Role::Assistant, vec![refuse("no"), refuse(", \"never\"")]),
            turn(Role::User, vec![refuse("no")]),
        ]),
        json!([
            {"role": "assistant", "content": "a"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                "tool_calls": [
                    {"id": "a", "type": "function", "function": function},
                    {
                        "id": "b", "type": "function", "extra_content": {"google": 1},
                        "function": function,
                    },
                ],
            },
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c", "type": "function", "function": function},
            ]},
            {"role": "assistant", "content": null, "refusal": "no, \"never\""},
            {"role": "user", "content": "no"},
        ])
    );
}

#[test]
fn thinking_is_left_out_with_one_report() {
    let think = || part(PartKind::Thinking { text: "t".into(), signature: Some("s".into()) });
    let turns = vec![
        turn(Role::Assistant, vec![say("a"), think(), part(PartKind::SealedThinking("x".into()))]),
        turn(Role::Assistant, vec![think(), say("b")]),
    ];
    let body = left_out(Request { turns, ..Request::default() }, "messages[0].content[1]");
    assert_eq!(
        body["messages"],
        json!([{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}])
    );
}

#[test]
fn results_are_messages_that_come_before_the_rest_of_their_turn() {
    let mut marked = result("b", vec![say("x"), document(Source::Text("y".into()), None)], false);
    marked.rest = object(r#"{"role":"x","content":1,"tool_call_id":"x","mark":1}"#);
    let mut mixed = turn(Role::User, vec![say("a"), result("a", vec![say("1")], false), marked]);
    mixed.rest = object(r#"{"weight":1}"#);
    let mut only = turn(Role::User, vec![result("c", Vec::new(), false), result("d", vec![say("2")], false)]);
    only.rest = object(r#"{"weight":2}"#);
    assert_eq!(
        messages(vec![mixed, only]),
        json!([
            {"role": "tool", "content": "1", "tool_call_id": "a"},
            {
                "role": "tool", "tool_call_id": "b", "mark": 1,
                "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}],
            },
            {"role": "user", "content": "a", "weight": 1},
            {"role": "tool", "content": "", "tool_call_id": "c", "weight": 2},
            {"role": "tool", "content": "2", "tool_call_id": "d"},
        ])
    );
}

#[test]
fn a_result_of_an_image_is_still_a_result_where_it_is_dropped() {
    let make = || user(vec![result("a", vec![image(png())], false)]);
    let body = unsupported(make, "messages[0].content[0]");
    assert_eq!(body["messages"], json!([{"role": "tool", "content": "", "tool_call_id": "a"}]));
}

#[test]
fn that_a_result_is_an_error_stays_in_what_it_says() {
    let body =
        left_out(user(vec![result("a", vec![say("no file")], true)]), "messages[0].content[0].is_error");
    assert_eq!(body["messages"], json!([{"role": "tool", "content": "no file", "tool_call_id": "a"}]));
}

#[test]
fn cache_marks_are_left_out_with_one_report() {
    let mark = || Some(value(r#"{"type":"ephemeral"}"#));
    let marked = |text| Part { cache: mark(), ..say(text) };
    let request = user(vec![say("a"), marked("b"), marked("c")]);
    left_out(request, "messages[0].content[1].cache_control");
    let body = left_out(user(vec![marked("a")]), "messages[0].content[0].cache_control");
    assert_eq!(body["messages"][0]["content"], "a");

    let mut marked_tool = tool("f");
    if let Tool::Function { cache, .. } = &mut marked_tool {
        *cache = mark();
    }
    let request = Request { tools: vec![tool("e"), marked_tool], ..user(vec![marked("a")]) };
    left_out(request, "tools[1].cache_control");
}

#[test]
fn tools() {
    let full = Tool::Function {
        name: "g".into(),
        description: Some("d".into()),
        schema: Some(value(r#"{"type": "object"}"#)),
        strict: Some(true),
        cache: None,
        rest: object(r#"{"name":"x","parameters":{},"strict":false,"mark":1}"#),
    };
    assert_eq!(
        body(Request { tools: vec![tool("f"), full], ..Request::default() })["tools"],
        json!([
            {"type": "function", "function": {
                "name": "f", "parameters": {"type": "object", "properties": {}},
            }},
            {"type": "function", "function": {
                "name": "g", "description": "d", "parameters": {"type": "object"}, "strict": true, "mark": 1,
            }},
        ])
    );
}

#[test]
fn a_tool_that_another_provider_runs_meets_the_policy() {
    let hosted = || Tool::Hosted { kind: Cow::Borrowed("web_search_20250305"), value: value("{}") };
    let make = || Request { tools: vec![hosted(), tool("f")], ..Request::default() };
    assert_eq!(unsupported(make, "tools[0]")["tools"].as_array().unwrap().len(), 1);
    let make = || Request { tools: vec![hosted()], choice: Some(Choice::Auto), ..Request::default() };
    assert_eq!(fields(unsupported(make, "tools[0]")), json!({}));
    let error = run(make(), &REJECT).unwrap_err();
    assert!(error.to_string().contains("web_search_20250305"));
}

#[test]
fn choices_of_tools() {
    let of = |required| Choice::Of { names: vec!["f".into(), "g".into()], required };
    let function = |name: &str| json!({"type": "function", "function": {"name": name}});
    let allowed = |mode: &str| {
        let tools = [function("f"), function("g")];
        json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
    };
    for (choice, expected) in [
        (Choice::Auto, json!("auto")),
        (Choice::None, json!("none")),
        (Choice::Any, json!("required")),
        (Choice::Tool("f".into()), function("f")),
        (of(false), allowed("auto")),
        (of(true), allowed("required")),
    ] {
        let tools = vec![tool("f"), tool("g")];
        let request =
            Request { tools, choice: Some(choice), parallel_calls: Some(false), ..Request::default() };
        let body = body(request);
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(body["parallel_tool_calls"], json!(false));
    }
}

#[test]
fn without_tools_there_is_no_choice() {
    let of = |required| Choice::Of { names: Vec::new(), required };
    for choice in [Choice::Auto, Choice::None, of(false)] {
        let request = Request { choice: Some(choice), parallel_calls: Some(true), ..Request::default() };
        assert_eq!(fields(body(request)), json!({}));
    }
    for choice in [Choice::Any, Choice::Tool("f".into()), of(true)] {
        let error = run(Request { choice: Some(choice), ..Request::default() }, &DROP).unwrap_err();
        assert!(matches!(error.kind(), Kind::Invalid { .. }));
        assert_eq!(error.path(), Some("tool_choice"));
    }
}
