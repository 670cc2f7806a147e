//! Who is told of limits.

use super::document::{Fields, Node};
use super::values::Reader;
use crate::alerts::target::RETRY_AFTER;
use crate::alerts::{Address, Kind, Only, SigningKey, Target};
use std::time::Duration;

/// The least and the most that may be waited before the first repetition.
const RETRIES: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3_600);

impl Reader<'_> {
    pub(super) fn alerts(&self, fields: &mut Fields<'_>) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for node in fields.list("alerts", &self.problems) {
            let Some(target) = self.alert(node) else { continue };
            // What is still to be sent is kept by its URL.
            if targets.iter().any(|other| other.address == target.address) {
                self.problems.add(node, format!("the url {} is given twice", target.address));
            }
            targets.push(target);
        }
        targets
    }

    fn alert(&self, node: &Node) -> Option<Target> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let address = fields.need("url", problems).and_then(|node| {
            let address = Address::parse(&self.text(node)?);
            if address.is_none() {
                // The text may hold a password, so it is not repeated.
                problems.add(node, "is not a URL such as https://host/path");
            }
            address
        });
        let key = fields.need("secret", problems).and_then(|node| {
            SigningKey::parse(&self.text(node)?).map_err(|problem| problems.add(node, problem)).ok()
        });
        let events = fields.list("events", problems).iter();
        let events = events.filter_map(|node| self.choice(node, &Kind::ALL)).collect();
        let only = fields.get("only").map(|node| self.alert_only(node)).unwrap_or_default();
        let retry_after = fields.get("retry_after").and_then(|node| {
            let wait = self.duration(node)?;
            if !RETRIES.contains(&wait) {
                problems.add(node, "must be from 100ms to 1h");
            }
            Some(wait)
        });
        fields.finish(problems);
        let retry_after = retry_after.unwrap_or(RETRY_AFTER);
        Some(Target { address: address?, key: key?, events, only, retry_after })
    }

    fn alert_only(&self, node: &Node) -> Only {
        let mut fields = Fields::of(node, &self.problems);
        // They may also be made known by the admin API, so names are not looked up.
        let only = Only {
            organizations: self.texts(&mut fields, "organizations"),
            teams: self.texts(&mut fields, "teams"),
            keys: self.texts(&mut fields, "keys"),
        };
        fields.finish(&self.problems);
        only
    }
}

#[cfg(test)]
mod tests {
    use crate::alerts::{Kind, Target};
    use crate::config::read;
    use std::collections::BTreeMap;
    use std::time::Duration;

    fn load(alerts: &str) -> Result<Vec<Target>, String> {
        let text = format!(
            "providers: {{openai: {{dialect: openai}}}}\nkeys: [{{name: k, key: a-key-of-some-length}}]\nalerts: {alerts}"
        );
        let environment = BTreeMap::from([("SECRET".to_owned(), "a-secret-of-some-length".to_owned())]);
        let config = read(&text, &environment);
        let config = config
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        assert!(!format!("{config:?}").contains("a-secret"));
        Ok(config.alerts)
    }

    #[test]
    fn an_alert_is_read() {
        let alerts = load(
            "[{url: 'https://a/b?c=d', secret: ${SECRET}}, {url: 'http://a:8/', secret: ${SECRET}, events: [reached, refused], only: {teams: [red]}, retry_after: 1s}]",
        )
        .unwrap();
        assert_eq!((alerts[0].events.len(), alerts[0].retry_after), (0, Duration::from_secs(5)));
        assert_eq!(alerts[1].events, [Kind::Reached, Kind::Refused]);
        assert_eq!(alerts[1].only.teams, ["red"]);
        assert_eq!(alerts[1].retry_after, Duration::from_secs(1));
    }

    #[test]
    fn what_is_wrong_with_alerts_is_said() {
        for (alerts, problem) in [
            ("[{secret: ${SECRET}}]", "alerts[0]: url is missing"),
            ("[{url: 'https://a'}]", "alerts[0]: secret is missing"),
            ("[{url: 'ftp://a', secret: ${SECRET}}]", "alerts[0].url: is not a URL"),
            ("[{url: 'https://a', secret: short}]", "alerts[0].secret: needs at least 16 characters"),
            ("[{url: 'https://a', secret: '${SECRET}', events: [reachd]}]", "did you mean \"reached\"?"),
            ("[{url: 'https://a', secret: ${SECRET}, only: {team: [a]}}]", "did you mean \"teams\"?"),
            ("[{url: 'https://a', secret: ${SECRET}, retry_after: 1ms}]", "from 100ms to 1h"),
            (
                "[{url: 'https://a', secret: ${SECRET}}, {url: 'https://a/', secret: ${SECRET}}]",
                "given twice",
            ),
        ] {
            let error = load(alerts).unwrap_err();
            assert!(error.contains(problem), "{alerts}: {error}");
            assert!(!error.contains("a-secret"), "{error}");
        }
    }
}
