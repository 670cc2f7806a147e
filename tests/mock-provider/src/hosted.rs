//! Anthropic's messages as clouds serve them: by `InvokeModel` of Bedrock and by `rawPredict` of Vertex AI.
//!
//! References: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html>,
//! <https://docs.claude.com/en/api/claude-on-vertex-ai>.

use serde_json::{Value, json};

use crate::body::Plan;
use crate::dialect::Dialect;
use crate::{anthropic, base64, converse};

/// Whether a model of Bedrock's takes Anthropic's messages.
pub(crate) fn is_anthropics(model: &str) -> bool {
    model.contains("anthropic.")
}

/// The request as Anthropic itself would get it, or the first fault that the cloud would name.
pub(crate) fn plain(body: &Value, model: &str, dialect: Dialect, is_stream: bool) -> Result<Value, String> {
    let mut body = body.clone();
    let fields =
        body.as_object_mut().ok_or("Malformed input request, please reformat your input and try again.")?;
    let version = if dialect == Dialect::Invoke { "bedrock-2023-05-31" } else { "vertex-2023-10-16" };
    if fields.remove("anthropic_version").is_none_or(|given| given != version) {
        return Err(format!("anthropic_version: Input should be '{version}'"));
    }
    let streams = fields.get("stream").is_some_and(|stream| *stream == json!(true));
    if dialect == Dialect::RawPredict && streams != is_stream {
        return Err("stream: it is not what the method says".to_owned());
    }
    let foreign = ["model", "service_tier", "inference_geo", "stream"];
    let foreign = if dialect == Dialect::Invoke { &foreign[..] } else { foreign.split_at(3).0 };
    if let Some(name) = foreign.iter().find(|name| fields.contains_key(**name)) {
        return Err(format!("{name}: Extra inputs are not permitted"));
    }
    let betas = fields.remove("anthropic_beta");
    let is_list = |betas: &Value| betas.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    if betas.is_some_and(|betas| !is_list(&betas)) {
        return Err("anthropic_beta: Input should be a valid list".to_owned());
    }
    if fields.get("messages").is_some_and(has_url) {
        return Err("messages: URL sources are not supported".to_owned());
    }
    fields.insert("model".to_owned(), model.into());
    anthropic::check_messages(&body, false)?;
    Ok(body)
}

/// Whether something is to be fetched, at whatever depth.
fn has_url(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(has_url),
        Value::Object(fields) => {
            let source = fields.get("source").and_then(|source| source.get("type"));
            source.is_some_and(|kind| kind == "url") || fields.values().any(has_url)
        }
        _ => false,
    }
}

/// The events of a stream as chunks of Amazon's.
pub(crate) fn wrap(events: &Plan) -> Plan {
    let mut wrapped = Plan::default();
    for (event, tokens) in events.events() {
        let event = String::from_utf8_lossy(event);
        let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
        // The last event says besides what Amazon has measured.
        let data = match data.strip_suffix(r#""message_stop"}"#) {
            Some(start) => format!(
                r#"{start}"message_stop","amazon-bedrock-invocationMetrics":{{"firstByteLatency":5}}}}"#
            ),
            None => data.to_owned(),
        };
        let chunk = json!({"bytes": base64::encode(data.as_bytes()), "p": "abcdefgh"});
        wrapped.bytes.extend_from_slice(&converse::event("chunk", &chunk.to_string()));
        wrapped.end_event(tokens);
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(dialect: Dialect, is_stream: bool, fields: Value) -> String {
        let mut body = json!({
            "anthropic_version": "bedrock-2023-05-31", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}],
        });
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        plain(&body, "claude", dialect, is_stream).err().unwrap_or_default()
    }

    #[test]
    fn each_cloud_has_a_head_of_its_own() {
        let bedrock = |fields| fault(Dialect::Invoke, true, fields);
        assert_eq!(bedrock(json!({"anthropic_beta": ["a"]})), "");
        for (fields, part) in [
            (json!({"anthropic_version": "vertex-2023-10-16"}), "bedrock-2023-05-31"),
            (json!({"model": "m"}), "model: Extra"),
            (json!({"stream": true}), "stream: Extra"),
            (json!({"anthropic_beta": "a"}), "valid list"),
            (
                json!({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}]}),
                "URL",
            ),
            (json!({"max_tokens": 0}), "max_tokens"),
        ] {
            assert!(bedrock(fields.clone()).contains(part), "{fields}");
        }
        let version = json!({"anthropic_version": "vertex-2023-10-16", "stream": true});
        assert_eq!(fault(Dialect::RawPredict, true, version.clone()), "");
        assert!(fault(Dialect::RawPredict, false, version).contains("stream"));
    }
}
