//! What decide told the others, as Envoy hands it on.

use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::google::protobuf::value::Kind;
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

/// Whether decide ended the answer because no more could be reserved for it.
pub(crate) fn was_cut(metadata: Option<&Metadata>) -> bool {
    let namespace = metadata.and_then(|found| found.filter_metadata.get(metadata::NAMESPACE));
    namespace.is_some_and(|namespace| namespace.fields.contains_key(metadata::CUT))
}
