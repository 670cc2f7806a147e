//! What a client wants of the cache, in `cache-control` (RFC 9111, section 5.2.1).

use std::time::Duration;

/// The directives that mean something here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Control {
    no_cache: bool,
    no_store: bool,
    only_if_cached: bool,
    max_age: Option<Duration>,
}

impl Control {
    /// Reads the header. What is not known is passed over, as HTTP wants it.
    pub(crate) fn parse(header: &str) -> Self {
        let mut control = Self::default();
        for directive in header.split(',').map(str::trim) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => control.no_cache = true,
                "no-store" => control.no_store = true,
                "only-if-cached" => control.only_if_cached = true,
                "max-age" => {
                    // A value that cannot be read is taken for the strictest.
                    let seconds = value.trim().trim_matches('"').parse().unwrap_or(0);
                    control.max_age = Some(Duration::from_secs(seconds));
                }
                _ => {}
            }
        }
        control
    }

    /// Whether an answer of the cache is wanted.
    pub(super) fn reads(self) -> bool {
        !self.no_cache
    }

    /// Whether the answer of a provider may be kept.
    pub(crate) fn stores(self) -> bool {
        !self.no_store
    }

    /// Whether a provider may be asked for others too, whose answer will do as well.
    pub(super) fn leads(self) -> bool {
        !self.no_cache && !self.no_store && !self.only_if_cached
    }

    /// Whether a provider must not be asked.
    pub(crate) fn is_only_if_cached(self) -> bool {
        self.only_if_cached
    }

    /// Whether an answer of this age is young enough.
    pub(crate) fn accepts(self, age: Duration) -> bool {
        self.max_age.is_none_or(|most| age <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_as_http_has_them() {
        let control = Control::parse("No-Cache, max-age=60, x=y");
        assert!(!control.reads() && control.stores() && !control.leads());
        assert!(control.accepts(Duration::from_secs(60)) && !control.accepts(Duration::from_secs(61)));
        assert!(!Control::parse("no-store").stores());
        assert!(Control::parse("only-if-cached").is_only_if_cached());
        assert!(!Control::parse("max-age=soon").accepts(Duration::from_secs(1)));
        assert_eq!(Control::parse(""), Control::default());
        assert!(Control::parse("public, max-stale").leads());
    }
}
