//! What decide told the others, as Envoy hands it on.

use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use weirgate_contract::handover::Decision;
use weirgate_contract::metadata;

/// decide's decision, if it made one.
pub(crate) fn decision(metadata: Option<&Metadata>) -> Option<Decision> {
    let namespace = metadata?.filter_metadata.get(metadata::NAMESPACE)?;
    match namespace.fields.get(metadata::DECISION)?.kind.as_ref()? {
        Kind::StringValue(json) => serde_json::from_str(json).ok(),
        _ => None,
    }
}

/// The key in the namespace of Envoy's filter for JSON Web Tokens of why a token does not hold.
pub(crate) const JWT_FAILURE: &str = "failure";
/// What the filter calls a request without a token, and one with a credential that is none, such as a key.
const NO_TOKEN: [&str; 2] = ["1", "4"];

/// The claims of a token that Envoy has checked; or, as a text, why Envoy says that it does not hold. `None`: there is no token.
pub(crate) fn claims(metadata: Option<&Metadata>) -> Option<serde_json::Value> {
    let namespace = metadata?.filter_metadata.get(metadata::JWT_NAMESPACE)?;
    let of = |key: &str| match namespace.fields.get(key)?.kind.as_ref()? {
        Kind::StructValue(fields) => Some(object(fields)),
        _ => None,
    };
    of(metadata::JWT_PAYLOAD).or_else(|| {
        let failure = of(JWT_FAILURE)?;
        let code = failure.get("code")?.to_string();
        (!NO_TOKEN.contains(&code.as_str())).then(|| failure.get("message").cloned())?
    })
}

fn object(from: &Struct) -> serde_json::Value {
    from.fields.iter().map(|(name, value)| (name.clone(), json(value))).collect()
}

fn json(value: &Value) -> serde_json::Value {
    match &value.kind {
        Some(Kind::StringValue(text)) => text.clone().into(),
        // Envoy has only doubles; whole numbers are written without a point.
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 => (*number as i64).into(),
        Some(Kind::NumberValue(number)) => (*number).into(),
        Some(Kind::BoolValue(flag)) => (*flag).into(),
        Some(Kind::StructValue(fields)) => object(fields),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::NullValue(_)) | None => serde_json::Value::Null,
    }
}

/// Whether decide has recorded the request itself.
pub(crate) fn is_recorded(metadata: Option<&Metadata>) -> bool {
    has(metadata, metadata::RECORDED)
}

/// Whether decide ended the answer because no more could be reserved for it.
pub(crate) fn was_cut(metadata: Option<&Metadata>) -> bool {
    has(metadata, metadata::CUT)
}

fn has(metadata: Option<&Metadata>, key: &str) -> bool {
    let namespace = metadata.and_then(|found| found.filter_metadata.get(metadata::NAMESPACE));
    namespace.is_some_and(|namespace| namespace.fields.contains_key(key))
}
