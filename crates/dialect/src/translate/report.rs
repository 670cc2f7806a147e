//! What becomes of fields that cannot be carried.

use super::{Error, Unsupported};

/// A request with more faults than this is not helped by naming them all.
const MOST_PATHS: usize = 64;

/// Applies the policy, and remembers what was left out.
#[derive(Debug)]
pub(crate) struct Report {
    policy: Unsupported,
    dropped: Vec<String>,
}

impl Report {
    pub(crate) fn new(policy: Unsupported) -> Self {
        Self { policy, dropped: Vec::new() }
    }

    /// The field changes the answer and cannot be carried: the policy decides.
    pub(crate) fn unsupported(&mut self, path: impl Into<String>, reason: &str) -> Result<(), Error> {
        match self.policy {
            Unsupported::Reject => Err(Error::unsupported(path, reason)),
            Unsupported::Drop => {
                self.left_out(path);
                Ok(())
            }
        }
    }

    /// The field does not change the answer and cannot be carried.
    pub(crate) fn left_out(&mut self, path: impl Into<String>) {
        if self.dropped.len() < MOST_PATHS {
            self.dropped.push(path.into());
        }
    }

    pub(crate) fn into_dropped(self) -> Vec<String> {
        self.dropped
    }
}

/// The report, and what it needs to be told once only.
#[derive(Debug)]
pub(super) struct Remarks {
    pub(super) report: Report,
    has_cache_mark: bool,
    has_thinking: bool,
}

impl Remarks {
    pub(super) fn new(policy: Unsupported) -> Self {
        Self { report: Report::new(policy), has_cache_mark: false, has_thinking: false }
    }

    /// A mark for the prompt cache is left out: the provider caches by itself.
    pub(super) fn cache_mark(&mut self, path: impl FnOnce() -> String) {
        if !std::mem::replace(&mut self.has_cache_mark, true) {
            self.report.left_out(path());
        }
    }

    /// Thinking is left out: the provider refuses it, and what another model thought is of no use to this
    /// one.
    pub(super) fn thinking(&mut self, path: impl FnOnce() -> String) {
        if !std::mem::replace(&mut self.has_thinking, true) {
            self.report.left_out(path());
        }
    }
}
