//! The body of a request to the provider.

use super::Host;
use crate::Dialect;
use crate::translate::neutral::{Part, PartKind, Request, Source, Want};
use crate::translate::raw::{self, Object};
use crate::translate::{self, Error, Options, Report, marks, messages};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Writes the request of a client of another dialect.
///
/// # Errors
/// As for Anthropic itself.
pub(in crate::translate) fn write(
    mut request: Request<'_>,
    host: Host,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let mut report = Report::new(options.unsupported);
    for turn in &mut request.turns {
        turn.parts = without_urls(std::mem::take(&mut turn.parts), &mut report)?;
    }
    // Clouds sell their capacity otherwise, and refuse the field.
    request.settings.retain(|setting| {
        let is_tier = matches!(setting.want, Want::Tier(_));
        if is_tier {
            report.left_out(setting.path);
        }
        !is_tier
    });
    let written = messages::write_request::write(request, options)?;
    let body = enclose(raw::open_body(&written.body)?, host, options.betas);
    let mut dropped = report.into_dropped();
    dropped.extend(written.dropped);
    Ok(translate::Request { body, dropped, ..written })
}

/// Writes the request of a client of Anthropic's own dialect. Besides the head it stays as it came, but for what other providers have
/// thought.
///
/// # Errors
/// The body is no JSON object.
pub(in crate::translate) fn same(
    body: &[u8],
    host: Host,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let own = marks::without_marked(Dialect::Anthropic, body);
    let fields = raw::open_body(own.as_deref().unwrap_or(body))?;
    let stream = fields.get("stream").is_some_and(|stream| stream.get() == "true");
    let body = enclose(fields, host, options.betas);
    Ok(translate::Request { body, dropped: Vec::new(), stream, include_usage: true })
}

/// Pictures and documents without those that the provider would have to fetch, which it refuses to.
fn without_urls<'a>(parts: Vec<Part<'a>>, report: &mut Report) -> Result<Vec<Part<'a>>, Error> {
    let mut kept = Vec::with_capacity(parts.len());
    for mut part in parts {
        match &mut part.kind {
            PartKind::Image { source: Source::Url(_), .. }
            | PartKind::Document { source: Source::Url(_), .. } => {
                report.unsupported(part.place.path(), "it takes bytes, and fetches no URL")?;
                continue;
            }
            PartKind::Result { parts, .. } => *parts = without_urls(std::mem::take(parts), report)?,
            _ => {}
        }
        kept.push(part);
    }
    Ok(kept)
}

/// Anthropic's body with the head that the provider has for it. `betas`: what the client asks for in a header, which Vertex AI reads by
/// itself.
fn enclose(mut fields: Object<'_>, host: Host, betas: &str) -> Vec<u8> {
    fields.remove(&["model", "anthropic_version"]);
    let mut out = b"{".to_vec();
    raw::write_field(&mut out, "anthropic_version", host.version());
    if host == Host::Bedrock {
        // The path says it.
        fields.remove(&["stream"]);
        write_betas(&mut out, fields.take("anthropic_beta"), betas);
    }
    for (name, value) in fields.into_fields() {
        out.push(b',');
        raw::write_string(&mut out, &name);
        out.push(b':');
        raw::write_raw(&mut out, value);
    }
    out.push(b'}');
    out
}

fn write_betas(out: &mut Vec<u8>, own: Option<&RawValue>, header: &str) {
    let own = own.and_then(raw::array).unwrap_or_default();
    let mut betas: Vec<Cow<'_, str>> = own.into_iter().filter_map(raw::string).collect();
    for beta in header.split(',').map(str::trim).filter(|beta| !beta.is_empty()) {
        if !betas.iter().any(|known| known == beta) {
            betas.push(beta.into());
        }
    }
    if !betas.is_empty() {
        out.extend_from_slice(br#","anthropic_beta":"#);
        raw::write_list(out, &betas, |out, beta| raw::write_string(out, beta));
    }
}

#[cfg(test)]
mod tests {
    use crate::Dialect::{self, Anthropic, Invoke, OpenAi, RawPredict};
    use crate::translate::{self, Error, Options, Unsupported};
    use serde_json::{Value, json};

    fn options(unsupported: Unsupported) -> Options<'static> {
        Options {
            model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            unsupported,
            default_max_tokens: 64,
            output_cap: None,
            older_cap_field: false,
            stream: false,
            betas: "",
        }
    }

    fn written(from: Dialect, to: Dialect, body: &Value) -> Result<(Value, Vec<String>), Error> {
        let request =
            translate::request(from, to, body.to_string().as_bytes(), &options(Unsupported::Reject))?;
        Ok((serde_json::from_slice(&request.body).unwrap(), request.dropped))
    }

    #[test]
    fn a_body_of_anthropics_keeps_all_but_its_head_byte_by_byte() {
        let body = r#"{"model":"m", "stream":true, "max_tokens":9,"temperature":1.50,"new":{"a" : null},"top_k":null,"messages":[{"role":"user","content":[{"type":"text","text":"\u0068i","cache_control":{"type":"ephemeral"}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"EqQB"},{"type":"thinking","thinking":"of another","signature":"openai:rs:x"}]}]}"#;
        let kept = r#""max_tokens":9,"temperature":1.50,"new":{"a" : null},"top_k":null,"messages":[{"role":"user","content":[{"type":"text","text":"\u0068i","cache_control":{"type":"ephemeral"}}]},{"content":[{"type":"thinking","thinking":"hm","signature":"EqQB"}],"role":"assistant"}]}"#;
        let options = options(Unsupported::Reject);
        let request = translate::request(Anthropic, Invoke, body.as_bytes(), &options).unwrap();
        let expected = format!(r#"{{"anthropic_version":"bedrock-2023-05-31",{kept}"#);
        assert_eq!(String::from_utf8(request.body).unwrap(), expected);
        assert!(request.stream && request.dropped.is_empty());
        let request = translate::request(Anthropic, RawPredict, body.as_bytes(), &options).unwrap();
        let expected = format!(r#"{{"anthropic_version":"vertex-2023-10-16","stream":true,{kept}"#);
        assert_eq!(String::from_utf8(request.body).unwrap(), expected);
    }

    #[test]
    fn betas_of_the_header_go_into_the_body_at_bedrock() {
        let body = json!({"max_tokens": 1, "messages": [], "anthropic_beta": ["a"]}).to_string();
        let options = Options { betas: "b, a,", ..options(Unsupported::Reject) };
        for (to, betas) in [(Invoke, json!(["a", "b"])), (RawPredict, json!(["a"]))] {
            let request = translate::request(Anthropic, to, body.as_bytes(), &options).unwrap();
            let written: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(written["anthropic_beta"], betas, "{to}");
        }
    }

    #[test]
    fn other_clients_are_told_what_the_clouds_do_not_take() {
        let says = |parts: Value| json!({"messages": [{"role": "user", "content": parts}], "service_tier": "default"});
        let text = json!({"type": "text", "text": "hi"});
        let (body, dropped) = written(OpenAi, Invoke, &says(json!([text]))).unwrap();
        let expected = json!({
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 64,
            "messages": [{"role": "user", "content": [text]}],
        });
        assert_eq!((body, dropped), (expected, vec!["service_tier".to_owned()]));
        let picture = json!({"type": "image_url", "image_url": {"url": "https://a.example/b.png"}});
        let asked = says(json!([text, picture]));
        for to in [Invoke, RawPredict] {
            let error = written(OpenAi, to, &asked).unwrap_err();
            assert!(error.to_string().contains("fetches no URL"), "{error}");
        }
        let options = options(Unsupported::Drop);
        let request = translate::request(OpenAi, Invoke, asked.to_string().as_bytes(), &options).unwrap();
        assert_eq!(request.dropped, ["messages[0].content[1].image_url.url", "service_tier"]);
    }
}
