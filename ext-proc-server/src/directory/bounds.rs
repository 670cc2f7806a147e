//! How much may be said, in weirgate.yaml and by the admin API alike.

use crate::policy::identity::Metadata;
use crate::policy::limit::Dimension;

/// The longest name or text in a list, in bytes.
pub(crate) const TEXT_BYTES: usize = 256;
/// The most entries of metadata.
pub(crate) const METADATA: usize = 64;
/// The longest name in metadata, in characters.
pub(crate) const METADATA_NAME: usize = 64;
/// The longest value in metadata, in characters.
pub(crate) const METADATA_VALUE: usize = 1_024;

/// The most items of the list of this name.
pub(crate) fn items(list: &str) -> usize {
    match list {
        "per" => Dimension::ALL.len(),
        "limits" | "tags" | "warn_at" => 64,
        _ => 1_000,
    }
}

/// What is wrong with a list of this name that has so many items, if anything is.
pub(crate) fn list_problem(list: &str, count: usize) -> Option<String> {
    let most = items(list);
    (count > most).then(|| format!("has at most {most} items"))
}

/// What is wrong with the sizes of metadata, if anything is.
pub(crate) fn metadata_problem(metadata: &Metadata) -> Option<String> {
    let fits = |(name, value): (&String, &String)| {
        (1..=METADATA_NAME).contains(&name.chars().count()) && value.chars().count() <= METADATA_VALUE
    };
    let all = metadata.len() <= METADATA && metadata.iter().all(fits);
    (!all).then(|| {
        format!(
            "has at most {METADATA} entries, names of 1 to {METADATA_NAME} characters, and values of at most {METADATA_VALUE}"
        )
    })
}
