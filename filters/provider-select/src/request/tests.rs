use super::{NAME_BYTES, printable};
use crate::ProviderSelect;
use weirgate_filter_host::fake::{FakeHost, filter};
use weirgate_filter_host::{Filter, Flow, Host};

const CHAT: &str = r#"{"model":"chat","stream":true,"max_tokens":5,"messages":[]}"#;

fn select(config: &str) -> ProviderSelect {
    filter(config).unwrap()
}

#[test]
fn headers_say_what_the_body_asks_for() {
    let host =
        FakeHost::request("POST", "/v1/chat/completions", &[("authorization", "Bearer abc")]).with_body(CHAT);
    assert_eq!(host.run_request(&mut select("")), Flow::Continue);
    let get = |name| host.request_header(name);
    assert_eq!(get("x-weirgate-model").as_deref(), Some("chat"));
    assert_eq!(get("x-weirgate-stream").as_deref(), Some("1"));
    assert_eq!(get("x-weirgate-max-tokens").as_deref(), Some("5"));
    assert_eq!(get("x-weirgate-dialect").as_deref(), Some("openai"));
    assert!(get("x-weirgate-key-digest").is_some_and(|digest| digest.starts_with("ba7816bf")));
    assert_eq!(get("authorization"), None);
    assert_eq!(host.filter_state.borrow()["weirgate_endpoint"], "/chat/completions");
    assert!(host.filter_state.borrow()["weirgate_request"].contains(r#""model":"chat""#));
}

#[test]
fn a_plain_service_tier_becomes_a_header() {
    let tier = |tier: &str| {
        let body = format!(r#"{{"model":"m","service_tier":{tier},"messages":[]}}"#);
        let forged = [("x-weirgate-tier", "flex")];
        let host = FakeHost::request("POST", "/v1/chat/completions", &forged).with_body(&body);
        host.run_request(&mut select(""));
        host.request_header("x-weirgate-tier")
    };
    assert_eq!(tier(r#""priority""#).as_deref(), Some("priority"));
    assert_eq!(tier(r#""standard_only""#).as_deref(), Some("standard_only"));
    for other in ["null", r#""""#, r#""Flex""#, r#""a\r\nb""#, r#""abcdefghijklmnopq""#] {
        assert_eq!(tier(other), None, "{other}");
    }
}

#[test]
fn without_decide_the_clients_key_may_stay() {
    let key = [("authorization", "Bearer abc"), ("x-weirgate-key-digest", "00")];
    let host = FakeHost::request("POST", "/v1/chat/completions", &key).with_body(CHAT);
    host.run_request(&mut select(r#"{"keep_credentials":true}"#));
    assert_eq!(host.request_header("authorization").as_deref(), Some("Bearer abc"));
    assert_eq!(host.request_header("x-weirgate-key-digest"), None);
}

#[test]
fn what_clients_send_under_our_prefix_is_removed() {
    let forged = [("x-weirgate-key-digest", "00"), ("x-weirgate-input-tokens", "0"), ("x-weirgate-new", "1")];
    let host = FakeHost::request("POST", "/v1/chat/completions", &forged).with_body(CHAT);
    host.run_request(&mut select(""));
    for (name, _) in forged {
        assert_eq!(host.request_header(name), None, "{name}");
    }
}

#[test]
fn a_header_chooses_provider_and_model() {
    let headers = [("x-weirgate-provider", "local"), ("x-weirgate-model", "small")];
    let host = FakeHost::request("POST", "/v1/chat/completions", &headers).with_body(CHAT);
    host.run_request(&mut select(""));
    assert_eq!(host.request_header("x-weirgate-provider").as_deref(), Some("local"));
    assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("small"));
    assert!(host.body().starts_with(r#"{"model":"small","#));
    assert_eq!(
        host.request_header("content-length").as_deref(),
        Some(host.body().len().to_string().as_str())
    );
}

#[test]
fn a_forged_key_is_refused_before_the_body() {
    let secret = "a-secret-of-the-gateway";
    let config = format!(r#"{{"key_checksum":"{secret}"}}"#);
    let genuine = weirgate_keys::generate(secret.as_bytes(), |bytes: &mut [u8]| {
        bytes.fill(7);
        Ok::<_, std::convert::Infallible>(())
    });
    let genuine = genuine.unwrap();
    let forged = format!("{}000000", &genuine[..38]);
    let ask = |config: &str, header: &str, key: &str| {
        let host = FakeHost::request("POST", "/v1/messages", &[(header, key)]).with_body(CHAT);
        let flow = select(config).on_request_headers(&host, false);
        (flow, host)
    };
    let (flow, host) = ask(&config, "x-api-key", &forged);
    assert_eq!(flow, Flow::Answered);
    let answer = host.answer.borrow().clone().unwrap();
    assert_eq!(answer.status, 401);
    assert!(answer.body.starts_with(r#"{"type":"error""#), "in the client's dialect: {}", answer.body);
    assert!(host.filter_state.borrow()["weirgate_request"].contains(r#""refused":"invalid_api_key""#));
    assert_eq!(host.request_header("x-api-key"), None);
    assert_eq!(ask(&config, "authorization", &format!("Bearer {forged}")).0, Flow::Answered);
    // A genuine key, one from elsewhere, and any key where there is no secret are for decide to judge.
    assert_eq!(ask(&config, "x-api-key", &genuine).0, Flow::Hold);
    assert_eq!(ask(&config, "x-api-key", "a-key-from-elsewhere").0, Flow::Hold);
    assert_eq!(ask("", "x-api-key", &forged).0, Flow::Hold);
}

#[test]
fn the_first_rule_that_matches_applies() {
    let rules = r#"{"rules":[{"header":"x-team","exact":"red","provider":"a"},
        {"header":"x-team","prefix":"r","provider":"b"},{"header":"x-any","model":"m"}]}"#;
    let provider = |value: &str| {
        let host = FakeHost::request("POST", "/v1/chat/completions", &[("x-team", value)]).with_body(CHAT);
        host.run_request(&mut select(rules));
        host.request_header("x-weirgate-provider")
    };
    assert_eq!(provider("red").as_deref(), Some("a"));
    assert_eq!(provider("rust").as_deref(), Some("b"));
    assert_eq!(provider("blue"), None);
}

#[test]
fn broken_json_is_refused_in_the_clients_dialect() {
    let host = FakeHost::request("POST", "/v1/messages", &[]).with_body(r#"{"model": "m","#);
    assert_eq!(host.run_request(&mut select("")), Flow::Answered);
    let answer = host.answer.borrow().clone().unwrap();
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.starts_with(r#"{"type":"error""#) && answer.body.contains("line 1"),
        "{}",
        answer.body
    );
    assert!(host.filter_state.borrow()["weirgate_request"].contains(r#""refused":"invalid_json""#));
}

#[test]
fn a_call_without_a_model_is_refused() {
    let host = FakeHost::request("POST", "/v1/chat/completions", &[]).with_body(r#"{"messages":[]}"#);
    assert_eq!(host.run_request(&mut select("")), Flow::Answered);
    assert_eq!(host.status(), Some(400));
}

#[test]
fn unknown_calls_pass_with_any_body() {
    let json = [("content-type", "application/json")];
    let host = FakeHost::request("POST", "/v1/embeddings", &json).with_body(r#"{"model":"e","input":"x"}"#);
    assert_eq!(host.run_request(&mut select("")), Flow::Continue);
    assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("e"));
    let host = FakeHost::request("POST", "/v1/other", &json).with_body("not json");
    assert_eq!(host.run_request(&mut select("")), Flow::Continue);
    assert_eq!(host.request_header("x-weirgate-operation").as_deref(), Some("passthrough"));
}

#[test]
fn json_that_cannot_be_read_does_not_pass_as_something_else() {
    let json = [("content-type", "application/json")];
    let twice = r#"{"model":"gpt-4o","model":"gpt-4o","input":"x"}"#;
    let host = FakeHost::request("POST", "/v1/responses", &json).with_body(twice);
    assert_eq!(host.run_request(&mut select("")), Flow::Answered);
    assert_eq!(host.status(), Some(400));
}

#[test]
fn calls_that_only_count_tokens_reserve_none() {
    for path in ["/v1/messages/count_tokens?beta=true", "/v1beta/models/gemini-2.5-pro:countTokens"] {
        let host = FakeHost::request("POST", path, &[]).with_body(r#"{"model":"m","messages":[]}"#);
        host.run_request(&mut select(""));
        assert_eq!(host.request_header("x-weirgate-max-tokens").as_deref(), Some("0"), "{path}");
        assert_eq!(host.request_header("x-weirgate-input-tokens"), None, "{path}");
    }
}

#[test]
fn a_websocket_waits_for_no_body() {
    let headers =
        [("upgrade", "WebSocket"), ("sec-websocket-protocol", "realtime, openai-insecure-api-key.abc")];
    let host = FakeHost::request("GET", "/v1/realtime?model=voice", &headers);
    assert_eq!(select("").on_request_headers(&host, false), Flow::Continue);
    let get = |name| host.request_header(name);
    assert_eq!(get("x-weirgate-operation").as_deref(), Some("realtime"));
    assert_eq!(get("x-weirgate-model").as_deref(), Some("voice"));
    assert_eq!(get("sec-websocket-protocol").as_deref(), Some("realtime"));
    assert!(get("x-weirgate-key-digest").is_some_and(|digest| digest.starts_with("ba7816bf")));
    let headers = [("upgrade", "websocket"), ("x-weirgate-model", "other")];
    let host = FakeHost::request("GET", "/v1/realtime?model=voice", &headers);
    select("").on_request_headers(&host, false);
    assert_eq!(host.request_header(":path").as_deref(), Some("/v1/realtime?model=other"));
}

#[test]
fn what_is_no_get_becomes_no_websocket() {
    for (method, protocol) in [("POST", "websocket"), ("GET", "h2c"), ("CONNECT", "websocket")] {
        let host =
            FakeHost::request(method, "/v1/chat/completions", &[("upgrade", protocol)]).with_body(CHAT);
        assert_eq!(host.run_request(&mut select("")), Flow::Answered, "{method} {protocol}");
        assert!(host.answer.borrow().as_ref().unwrap().body.contains("upgrade_not_supported"));
    }
}

#[test]
fn documents_to_rank_are_reserved_as_searches() {
    let documents = vec!["a"; 250];
    let body = serde_json::json!({"model": "m", "query": "q", "documents": documents, "n": 9}).to_string();
    let host = FakeHost::request("POST", "/v2/rerank", &[]).with_body(&body);
    host.run_request(&mut select(""));
    let get = |name| host.request_header(name);
    assert_eq!(get("x-weirgate-dialect").as_deref(), Some("cohere"));
    assert_eq!(get("x-weirgate-choices").as_deref(), Some("3"));
    assert_eq!(get("x-weirgate-max-tokens").as_deref(), Some("0"));
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_length_or_once_it_is_here() {
    let limit = r#"{"max_body":10}"#;
    let host = FakeHost::request("POST", "/v1/messages", &[("content-length", "11")]).with_body(CHAT);
    assert_eq!(select(limit).on_request_headers(&host, false), Flow::Answered);
    assert_eq!(host.status(), Some(413));
    let host = FakeHost::request("POST", "/v1/messages", &[]).with_body(CHAT);
    assert_eq!(host.run_request(&mut select(limit)), Flow::Answered);
    assert_eq!(host.status(), Some(413));
}

#[test]
fn a_model_in_the_path_goes_before_one_in_the_body_and_a_header_before_both() {
    let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse";
    let body = r#"{"model":"cheap","contents":[]}"#;
    let host = FakeHost::request("POST", path, &[]).with_body(body);
    host.run_request(&mut select(""));
    assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("gemini-2.5-pro"));
    assert_eq!(host.request_header("x-weirgate-stream").as_deref(), Some("1"));
    let chosen = [("x-weirgate-model", "dear")];
    let host = FakeHost::request("POST", path, &chosen).with_body(body);
    host.run_request(&mut select(""));
    assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("dear"));
    let renamed = "/models/dear:streamGenerateContent?alt=sse";
    assert_eq!(host.request_header(":path"), Some(format!("/v1beta{renamed}")));
    assert_eq!(host.filter_state.borrow()["weirgate_endpoint"], renamed);
}

#[test]
fn a_path_without_a_stream_was_streamed_if_the_body_asked_for_it() {
    for (path, expected) in
        [("/v1beta/models/a:generateContent", None), ("/v1beta/models/a:streamGenerateContent", Some("1"))]
    {
        let mut filter = select("");
        let host = FakeHost::request("POST", path, &[]).with_body(r#"{"contents":[],"stream":true}"#);
        host.run_request(&mut filter);
        assert_eq!(host.request_header("x-weirgate-stream").as_deref(), expected, "{path}");
    }
}

#[test]
fn a_picture_passes_as_it_comes_and_json_that_is_called_one_does_not() {
    let picture = [("content-type", "image/png")];
    let mut filter = select("");
    let host = FakeHost::request("POST", "/v1/images/edits", &picture).with_body("\u{89}PNG ...");
    assert_eq!(filter.on_request_headers(&host, false), Flow::Hold);
    assert_eq!(filter.on_request_body(&host, false), Flow::Continue);
    let host = FakeHost::request("POST", "/v1/responses", &picture).with_body(r#"{"model":"m"}"#);
    host.run_request(&mut select(""));
    assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("m"));
}

#[test]
fn end_users_whose_names_no_header_can_hold_are_told_apart() {
    let names = ["王伟", "李娜", "é", "è", &"x".repeat(300), &format!("{}y", "x".repeat(299))];
    let told: std::collections::BTreeSet<_> = names.iter().map(|name| printable(name)).collect();
    assert_eq!(told.len(), names.len(), "{told:?}");
    assert!(
        told.iter()
            .all(|name| name.len() <= NAME_BYTES && name.bytes().all(|byte| (0x20..0x7f).contains(&byte)))
    );
    assert_eq!(printable(" ann "), "ann");
}

#[test]
fn the_end_user_and_tags_are_told() {
    let named = |headers: &[(&str, &str)], path: &str, body: &str| {
        let host = FakeHost::request("POST", path, headers).with_body(body);
        host.properties.borrow_mut().insert("source.address".to_owned(), b"10.0.0.7:1234".to_vec());
        host.run_request(&mut select(""));
        assert_eq!(host.request_header("x-weirgate-source").as_deref(), Some("10.0.0.7"));
        (host.request_header("x-weirgate-end-user"), host.request_header("x-weirgate-tags"))
    };
    let body = r#"{"model":"m","user":"ann","messages":[]}"#;
    assert_eq!(named(&[], "/v1/chat/completions", body), (Some("ann".to_owned()), None));
    let headers =
        [("x-weirgate-end-user", "b\u{f6}b"), ("x-weirgate-tags", "a,b"), ("x-weirgate-source", "1.2.3.4")];
    let (user, tags) = named(&headers, "/v1/chat/completions", body);
    assert_eq!((user.as_deref(), tags.as_deref()), (Some("b?b#58f1e1563652fedb"), Some("a,b")));
}

#[test]
fn upstream_it_sets_a_cap_where_decide_asks_for_one() {
    let config = r#"{"upstream":{"base_path":"/v1","model":"gpt-4o","cap_field":"max_tokens"}}"#;
    let host =
        FakeHost::request("POST", "/v1/chat/completions", &[]).with_body(r#"{"messages":[],"model":"chat"}"#);
    let head = br#"{"id":"1","dialect":"openai","operation":"chat_completions"}"#;
    host.set_filter_state("weirgate_request", head);
    let decision = br#"{"id":"1","output_cap":50}"#.to_vec();
    host.properties.borrow_mut().insert("metadata.filter_metadata.weirgate.decision".to_owned(), decision);
    host.run_request(&mut select(config));
    assert_eq!(host.body(), r#"{"messages":[],"model":"gpt-4o","max_tokens":50}"#);
    assert_eq!(host.request_header("content-length"), Some(host.body().len().to_string()));
}

#[test]
fn upstream_it_sets_path_and_model_only() {
    let host = FakeHost::request("POST", "/v1/chat/completions", &[("authorization", "Bearer provider")])
        .with_body(r#"{"messages":[],"model":"chat"}"#);
    host.set_filter_state("weirgate_endpoint", b"/chat/completions?x=1");
    host.run_request(&mut select(r#"{"upstream":{"base_path":"/api/v1","model":"gpt-4o"}}"#));
    assert_eq!(host.body(), r#"{"messages":[],"model":"gpt-4o"}"#);
    assert_eq!(host.request_header(":path").as_deref(), Some("/api/v1/chat/completions?x=1"));
    assert_eq!(host.request_header("authorization").as_deref(), Some("Bearer provider"));
}

#[test]
fn upstream_it_renames_the_model_of_a_websocket_and_waits_for_nothing() {
    let host = FakeHost::request("GET", "/v1/realtime?model=voice", &[("upgrade", "websocket")]);
    host.set_filter_state("weirgate_endpoint", b"/realtime?model=voice");
    host.set_filter_state("weirgate_request", br#"{"id":"1","dialect":"openai","operation":"realtime"}"#);
    let mut prepare = select(r#"{"upstream":{"base_path":"/v1","model":"gpt-realtime"}}"#);
    assert_eq!(prepare.on_request_headers(&host, false), Flow::Continue);
    assert_eq!(host.request_header(":path").as_deref(), Some("/v1/realtime?model=gpt-realtime"));
    assert_eq!(prepare.on_request_body(&host, false), Flow::Continue);
}

#[test]
fn upstream_it_leaves_out_what_cohere_does_not_rank_by() {
    let body = r#"{"model":"rank","query":"q","documents":[{"text":"a"}],"return_documents":true}"#;
    let host = FakeHost::request("POST", "/v1/rerank", &[]).with_body(body);
    host.set_filter_state("weirgate_endpoint", b"/rerank");
    host.set_filter_state("weirgate_request", br#"{"id":"1","dialect":"openai","operation":"rerank"}"#);
    let mut prepare = select(r#"{"upstream":{"base_path":"/v2","model":"rerank-v3.5","cohere":true}}"#);
    host.run_request(&mut prepare);
    assert_eq!(host.body(), r#"{"model":"rerank-v3.5","query":"q","documents":["a"]}"#);
    assert_eq!(host.request_header(":path").as_deref(), Some("/v2/rerank"));
    host.run_response(&mut prepare, &[(":status", "200")], &[]);
    assert_eq!(host.response_header("x-weirgate-dropped-fields").as_deref(), Some("return_documents"));
}

const FORM: &str = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
    Content-Type: audio/wav\r\n\r\n0123456789\r\n--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n\
    whisper-1\r\n--b--\r\n";

fn form(path: &str, more: &[(&str, &str)], body: &str) -> FakeHost {
    let headers = [&[("content-type", "multipart/form-data; boundary=b")], more].concat();
    let host = FakeHost::request("POST", path, &headers).with_body(body);
    assert_eq!(host.run_request(&mut select("")), Flow::Continue);
    host
}

#[test]
fn the_model_of_a_form_was_not_seen() {
    let host = form("/v1/audio/transcriptions", &[], FORM);
    assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("whisper-1"));
    assert!(host.request_header("x-weirgate-input-tokens").is_some());
    assert_eq!(host.body(), FORM);

    let host = form("/v1/audio/transcriptions", &[("x-weirgate-model", "other")], FORM);
    assert_eq!(host.request_header("x-weirgate-model").as_deref(), Some("other"));
    assert_eq!(host.body(), FORM.replace("whisper-1", "other"));
}

#[test]
fn a_form_that_servers_may_read_otherwise_names_no_model() {
    let two = FORM.replace("name=\"file\"; filename=\"a.wav\"", "name=\"model\"");
    for (path, more, body) in [
        ("/v1/audio/transcriptions", &[][..], two.as_str()),
        ("/v1/audio/transcriptions", &[("content-type", "multipart/form-data; boundary=c")][..], FORM),
        ("/v1/files", &[][..], FORM),
    ] {
        let host = form(path, more, body);
        assert_eq!(host.request_header("x-weirgate-model"), None, "{path} {body}");
        assert_eq!(host.body(), body);
    }
}

#[test]
fn a_form_is_waited_for_and_a_file_is_not() {
    for (path, flow) in [("/v1/audio/transcriptions", Flow::Hold), ("/v1/files", Flow::Continue)] {
        let headers = [("content-type", "multipart/form-data; boundary=b")];
        let host = FakeHost::request("POST", path, &headers).with_body("--b\r\n");
        let mut select = select("");
        assert_eq!(select.on_request_headers(&host, false), Flow::Hold);
        assert_eq!(select.on_request_body(&host, false), flow, "{path}");
    }
}

#[test]
fn upstream_a_call_whose_model_is_not_renamed_broke_the_filter() {
    let config = r#"{"upstream":{"base_path":"/openai/v1"}}"#;
    for (path, body) in [("/v1/chat/completions", CHAT), ("/v1/files", "--b\r\n"), ("/v1/moderations", "{}")]
    {
        let host = FakeHost::request("POST", path, &[]).with_body(body);
        host.run_request(&mut select(""));
        let endpoint = host.filter_state.borrow()["weirgate_endpoint"].clone();
        let request = host.filter_state.borrow()["weirgate_request"].clone();
        for (name, value) in [("weirgate_endpoint", endpoint), ("weirgate_request", request)] {
            host.properties.borrow_mut().insert(name.to_owned(), value.into_bytes());
        }
        assert_eq!(host.run_request(&mut select(config)), Flow::Continue);
        assert_eq!(host.request_header(":path").unwrap(), path.replace("/v1", "/openai/v1"));
        assert_eq!(host.body(), body);
    }
}

#[test]
fn a_word_for_unsupported_fields_is_known_or_refused() {
    for (word, flow) in [("drop", Flow::Continue), ("reject", Flow::Continue), ("ignore", Flow::Answered)] {
        let headers = [("x-weirgate-unsupported-fields", word)];
        let host = FakeHost::request("POST", "/v1/chat/completions", &headers).with_body(CHAT);
        assert_eq!(host.run_request(&mut select("")), flow, "{word}");
        let kept = host.request_header("x-weirgate-unsupported-fields");
        assert_eq!(kept.is_some(), flow == Flow::Continue, "{word}");
    }
}

#[test]
fn a_body_in_frames_of_one_byte_was_copied_for_each() {
    const FRAMES: usize = 20_000;
    for kind in ["image/png", "multipart/form-data; boundary=b"] {
        let host = FakeHost::request("POST", "/v1/audio/transcriptions", &[("content-type", kind)]);
        let mut select = select("");
        select.on_request_headers(&host, false);
        for _ in 0..FRAMES {
            host.request_body.borrow_mut().push(b' ');
            assert_eq!(select.on_request_body(&host, false), Flow::Hold);
        }
        assert!(host.request_bytes_read.get() < FRAMES * 1100, "{kind}: {}", host.request_bytes_read.get());
    }
}

#[test]
fn a_compressed_file_is_refused_as_other_bodies_are() {
    let headers = [("content-type", "image/png"), ("content-encoding", "gzip")];
    let host = FakeHost::request("POST", "/v1/images/edits", &headers).with_body("x");
    assert_eq!(host.run_request(&mut select("")), Flow::Answered);
    assert_eq!(host.status(), Some(400));
}

#[test]
fn upstream_json_that_is_called_a_form_was_not_renamed() {
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    for body in [r#"{"model":"chat","input":"x"}"#, FORM] {
        let host = FakeHost::request("POST", "/v1/moderations", &headers).with_body(body);
        host.run_request(&mut select(r#"{"upstream":{"base_path":"/v1","model":"gpt-4o"}}"#));
        assert!(host.body().contains("gpt-4o") && !host.body().contains("chat"), "{}", host.body());
    }
}
