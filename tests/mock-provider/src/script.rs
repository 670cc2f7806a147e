//! Steering by rules, for tests that go through a gateway which strips headers.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hyper::HeaderMap;
use serde_json::{Map, Value, json};

use crate::steering::Steering;

/// A script that cannot be read.
#[derive(Debug)]
pub struct ScriptError {
    message: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mock: script: {}", self.message)
    }
}

impl std::error::Error for ScriptError {}

/// What a rule looks at in a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) path: &'a str,
    pub(crate) model: &'a str,
    pub(crate) key: &'a str,
    pub(crate) port: u16,
    pub(crate) headers: &'a HeaderMap,
}

/// One rule: requests that match are answered so.
#[derive(Debug, Clone)]
pub struct Rule {
    source: Value,
    path: Option<String>,
    model: Option<String>,
    key: Option<String>,
    port: Option<u16>,
    headers: Vec<(String, String)>,
    then: Steering,
    times: Option<u64>,
    used: u64,
}

impl Rule {
    /// Reads a JSON list of rules.
    pub fn parse_list(json: &[u8]) -> Result<Vec<Self>, ScriptError> {
        let rules: Vec<Value> =
            serde_json::from_slice(json).map_err(|error| ScriptError { message: error.to_string() })?;
        rules.into_iter().map(Self::parse).collect()
    }

    fn parse(source: Value) -> Result<Self, ScriptError> {
        let refused = |what: &str| ScriptError { message: format!("{what} in {source}") };
        let fields = source.as_object().ok_or_else(|| refused("no object"))?;
        if let Some(unknown) = fields.keys().find(|name| !["match", "then", "times"].contains(&name.as_str()))
        {
            return Err(refused(&format!("unknown field {unknown}")));
        }
        let mut then = Steering::default();
        if let Some(wishes) = fields.get("then") {
            let wishes = wishes.as_object().ok_or_else(|| refused("`then` is no object"))?;
            then.add_json(wishes).map_err(|error| ScriptError { message: error.to_string() })?;
        }
        let times = match fields.get("times") {
            None => None,
            Some(times) => Some(times.as_u64().ok_or_else(|| refused("`times` is no number"))?),
        };
        let none = Map::new();
        let conditions = match fields.get("match") {
            None => &none,
            Some(conditions) => conditions.as_object().ok_or_else(|| refused("`match` is no object"))?,
        };
        let (mut path, mut model, mut key, mut port, mut headers) = (None, None, None, None, Vec::new());
        for (name, value) in conditions {
            let text = || value.as_str().map(str::to_owned).ok_or_else(|| refused(name));
            match name.as_str() {
                "path" => path = Some(text()?),
                "model" => model = Some(text()?),
                "key" => key = Some(text()?),
                "port" => {
                    let number = value.as_u64().and_then(|port| u16::try_from(port).ok());
                    port = Some(number.ok_or_else(|| refused(name))?);
                }
                "header" => {
                    for (header, expected) in value.as_object().ok_or_else(|| refused(name))? {
                        let expected = expected.as_str().ok_or_else(|| refused(name))?;
                        headers.push((header.to_ascii_lowercase(), expected.to_owned()));
                    }
                }
                _ => return Err(refused(&format!("unknown condition {name}"))),
            }
        }
        Ok(Self { path, model, key, port, headers, then, times, used: 0, source })
    }

    fn applies(&self, subject: Subject<'_>) -> bool {
        let header_matches = |(name, expected): &(String, String)| {
            let value = subject.headers.get(name.as_str()).map(|value| value.as_bytes());
            value.is_some_and(|value| expected == "*" || value == expected.as_bytes())
        };
        self.times.is_none_or(|times| self.used < times)
            && self.path.as_deref().is_none_or(|pattern| matches(pattern, subject.path))
            && self.model.as_deref().is_none_or(|pattern| matches(pattern, subject.model))
            && self.key.as_deref().is_none_or(|pattern| matches(pattern, subject.key))
            && self.port.is_none_or(|port| port == subject.port)
            && self.headers.iter().all(header_matches)
    }
}

/// Equal, or of equal beginning if the pattern ends with `*`.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => text.starts_with(beginning),
        None => pattern == text,
    }
}

/// The rules in force.
#[derive(Debug, Default)]
pub struct Script {
    rules: Mutex<Vec<Rule>>,
}

impl Script {
    /// Replaces all rules.
    pub fn replace(&self, rules: Vec<Rule>) {
        *self.lock() = rules;
    }

    /// The steering of the first rule that matches and is not used up; uses it once.
    pub(crate) fn steer(&self, subject: Subject<'_>) -> Steering {
        let mut rules = self.lock();
        match rules.iter_mut().find(|rule| rule.applies(subject)) {
            Some(rule) => {
                rule.used += 1;
                rule.then.clone()
            }
            None => Steering::default(),
        }
    }

    /// The rules as they were given, each with how often it was used.
    pub(crate) fn to_json(&self) -> Value {
        self.lock().iter().map(|rule| json!({"rule": rule.source, "used": rule.used})).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject<'a>(headers: &'a HeaderMap, model: &'a str, key: &'a str) -> Subject<'a> {
        Subject { path: "/v1/chat/completions", model, key, port: 9100, headers }
    }

    #[test]
    fn the_first_rule_not_used_up_applies() {
        let script = Script::default();
        let rules = br#"[
            {"match": {"model": "a"}, "then": {"status": 503}, "times": 2},
            {"match": {"model": "a*", "port": 9100}, "then": {"status": 429}},
            {"match": {"header": {"X-Tenant": "*"}, "path": "/v1/chat/completions"}, "then": {"stall": true}}
        ]"#;
        script.replace(Rule::parse_list(rules).unwrap());
        let none = HeaderMap::new();
        let statuses: Vec<_> = (0..3).map(|_| script.steer(subject(&none, "a", "k")).status).collect();
        assert_eq!(statuses, [Some(503), Some(503), Some(429)]);
        assert_eq!(script.steer(subject(&none, "b", "k")), Steering::default());
        let mut headers = HeaderMap::new();
        headers.insert("x-tenant", "any".parse().unwrap());
        assert!(script.steer(subject(&headers, "b", "k")).stall);
        assert_eq!(script.to_json()[0]["used"], 2);
    }

    #[test]
    fn unknown_names_are_refused() {
        for script in [
            r#"[{"mach": {}}]"#,
            r#"[{"match": {"modle": "a"}}]"#,
            r#"[{"then": {"statsu": 1}}]"#,
            r#"[{"times": "x"}]"#,
            "{}",
        ] {
            assert!(Rule::parse_list(script.as_bytes()).is_err(), "{script}");
        }
    }
}
