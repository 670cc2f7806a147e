//! Rules over the text of a prompt.
//!
//! Patterns are those of the `regex` crate: they are matched in time linear in the text, whatever the text is, and
//! have neither look-around nor back-references. (Source: <https://docs.rs/regex/latest/regex/#untrusted-input>.)

use regex::{Regex, RegexBuilder};
use weirgate_contract::filter_config::{GuardAction, GuardRule, GuardScope, PromptGuard};
use weirgate_dialect::prompt::{Message, Prompt};

/// The most bytes that one compiled pattern may take. It bounds what a configuration can make a filter use.
const PATTERN_BYTES: usize = 1 << 20;

/// A set of rules, ready to be applied.
#[derive(Debug, Default)]
pub struct Guard {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    action: GuardAction,
    pattern: Regex,
    roles: Vec<String>,
    messages: GuardScope,
}

/// Why a prompt was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A deny rule of this name matched.
    Denied(String),
    /// No allow rule matched.
    NotAllowed,
}

/// A rule whose pattern cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// The rule's place in the list.
    pub index: usize,
    /// What is wrong with the pattern.
    pub reason: String,
}

impl Guard {
    /// Compiles the rules of a configuration.
    ///
    /// # Errors
    /// The first rule whose pattern is no regular expression or is too large.
    pub fn new(config: &PromptGuard) -> Result<Self, BadPattern> {
        let rules = config.rules.iter().enumerate().map(|(index, rule)| Rule::new(index, rule));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }

    /// Whether there is nothing to check, so that a prompt need not be read.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Applies every rule to a prompt.
    ///
    /// # Errors
    /// Why the prompt is refused.
    pub fn check(&self, prompt: &Prompt<'_>) -> Result<(), Refusal> {
        let messages = &prompt.messages;
        for rule in self.rules.iter().filter(|rule| rule.action == GuardAction::Deny) {
            let looked_at: Vec<&Message<'_>> = rule.looked_at(messages).collect();
            let mut each = looked_at.iter().copied().chain([&prompt.rest]);
            if each.any(|message| rule.matches(message)) || rule.matches_joined(&looked_at) {
                return Err(Refusal::Denied(rule.name.clone()));
            }
        }
        let allow = || self.rules.iter().filter(|rule| rule.action == GuardAction::Allow);
        for message in allow().flat_map(|rule| rule.looked_at(messages)) {
            let allowed = allow()
                .filter(|rule| rule.looked_at(messages).any(|other| std::ptr::eq(other, message)))
                .any(|rule| rule.matches(message));
            if !allowed {
                return Err(Refusal::NotAllowed);
            }
        }
        Ok(())
    }
}

impl Rule {
    fn new(index: usize, rule: &GuardRule) -> Result<Self, BadPattern> {
        let pattern = RegexBuilder::new(&rule.pattern)
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES)
            .build()
            .map_err(|error| BadPattern { index, reason: error.to_string() })?;
        Ok(Self {
            name: rule.name.clone(),
            action: rule.action,
            pattern,
            roles: rule.roles.clone(),
            messages: rule.messages,
        })
    }

    fn looked_at<'m, 'a>(&self, messages: &'m [Message<'a>]) -> impl Iterator<Item = &'m Message<'a>> {
        let skip = match self.messages {
            GuardScope::All => 0,
            GuardScope::Last => {
                messages.iter().rposition(|message| self.speaks(message)).unwrap_or(messages.len())
            }
        };
        messages.iter().skip(skip).filter(move |message| self.speaks(message))
    }

    /// Text whose role nobody can tell is everybody's.
    fn speaks(&self, message: &Message<'_>) -> bool {
        self.roles.is_empty()
            || message.role.is_empty()
            || self.roles.iter().any(|role| *role == message.role)
    }

    /// Looks at each text of a message and at all of them joined: a model reads the parts of a message as one, so a
    /// word cut in two by a part's end is still that word.
    fn matches(&self, message: &Message<'_>) -> bool {
        let mut texts = message.texts.iter().chain(&message.name);
        if texts.any(|text| self.pattern.is_match(text)) {
            return true;
        }
        if message.texts.len() < 2 {
            return false;
        }
        let all: String = message.texts.iter().map(AsRef::as_ref).collect();
        self.pattern.is_match(&all)
    }

    /// Looks at what one speaker says in a row, which a provider may be sent as one message.
    fn matches_joined(&self, messages: &[&Message<'_>]) -> bool {
        messages.chunk_by(|a, b| a.role == b.role).any(|row| {
            let spoken =
                row.iter().flat_map(|message| message.spoken.iter().filter_map(|at| message.texts.get(*at)));
            let parts: Vec<&str> = spoken.map(AsRef::as_ref).collect();
            parts.len() > 1 && self.pattern.is_match(&parts.concat())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weirgate_dialect::prompt;

    fn guard(rules: &str) -> Guard {
        Guard::new(&PromptGuard { rules: serde_json::from_str(rules).unwrap(), ..PromptGuard::default() })
            .unwrap()
    }

    fn check(guard: &Guard, messages: &str) -> Result<(), Refusal> {
        guard.check(
            &prompt::read(
                weirgate_dialect::Dialect::OpenAi,
                format!(r#"{{"messages":{messages}}}"#).as_bytes(),
            )
            .unwrap(),
        )
    }

    #[test]
    fn a_deny_rule_refuses_text_of_its_roles_only() {
        let guard =
            guard(r#"[{"name":"secret","action":"deny","pattern":"(?i)project x","roles":["user"]}]"#);
        let refused = Err(Refusal::Denied("secret".to_owned()));
        assert_eq!(check(&guard, r#"[{"role":"user","content":"what is Project X?"}]"#), refused);
        assert_eq!(check(&guard, r#"[{"role":"system","content":"what is Project X?"}]"#), Ok(()));
    }

    #[test]
    fn a_word_cut_by_a_part_boundary_is_still_seen() {
        let guard = guard(r#"[{"name":"secret","action":"deny","pattern":"project x"}]"#);
        let parts =
            r#"[{"role":"user","content":[{"type":"text","text":"pro"},{"type":"text","text":"ject x"}]}]"#;
        assert!(check(&guard, parts).is_err());
    }

    #[test]
    fn a_word_is_seen_across_unknown_fields_and_messages_in_a_row() {
        let guard = guard(r#"[{"name":"secret","action":"deny","pattern":"project x"}]"#);
        let hidden = r#"[{"role":"user","content":[{"type":"text","text":"project","zz":"ZZZ"},{"type":"text","text":" x"}]}]"#;
        assert!(check(&guard, hidden).is_err());
        assert!(
            check(&guard, r#"[{"role":"user","content":"project"},{"role":"user","content":" x"}]"#).is_err()
        );
        assert!(check(&guard, r#"[{"role":"user","name":"project x","content":"hi"}]"#).is_err());
    }

    #[test]
    fn a_tool_is_part_of_the_prompt() {
        let guard = guard(r#"[{"name":"secret","action":"deny","pattern":"project x","roles":["user"]}]"#);
        let body = br#"{"messages":[],"tools":[{"type":"function","function":{"name":"f","description":"project x"}}]}"#;
        assert!(guard.check(&prompt::read(weirgate_dialect::Dialect::OpenAi, body).unwrap()).is_err());
    }

    #[test]
    fn the_scope_last_looks_at_the_last_message_of_its_roles() {
        let guard =
            guard(r#"[{"name":"s","action":"deny","pattern":"bad","roles":["user"],"messages":"last"}]"#);
        let earlier = r#"[{"role":"user","content":"bad"},{"role":"user","content":"good"},{"role":"assistant","content":"bad"}]"#;
        assert_eq!(check(&guard, earlier), Ok(()));
        let last = r#"[{"role":"user","content":"good"},{"role":"user","content":"bad"},{"role":"assistant","content":"x"}]"#;
        assert!(check(&guard, last).is_err());
    }

    #[test]
    fn one_of_the_allow_rules_must_match() {
        let guard = guard(
            r#"[{"name":"a","action":"allow","pattern":"weather","roles":["user"]},
                {"name":"b","action":"allow","pattern":"traffic","roles":["user"]}]"#,
        );
        assert_eq!(check(&guard, r#"[{"role":"user","content":"the traffic"}]"#), Ok(()));
        assert_eq!(check(&guard, r#"[{"role":"user","content":"the stocks"}]"#), Err(Refusal::NotAllowed));
        assert_eq!(check(&guard, r#"[{"role":"system","content":"the stocks"}]"#), Ok(()));
    }

    #[test]
    fn a_pattern_that_explodes_elsewhere_takes_linear_time_here() {
        let guard = guard(r#"[{"name":"a","action":"deny","pattern":"(a+)+$"}]"#);
        let text = "a".repeat(1_000_000);
        assert_eq!(check(&guard, &format!(r#"[{{"role":"user","content":"{text}!"}}]"#)), Ok(()));
    }

    #[test]
    fn a_pattern_that_cannot_be_compiled_is_named() {
        let rules =
            r#"[{"name":"a","action":"deny","pattern":"ok"},{"name":"b","action":"deny","pattern":"(?=x)"}]"#;
        let error = Guard::new(&PromptGuard {
            rules: serde_json::from_str(rules).unwrap(),
            ..PromptGuard::default()
        })
        .unwrap_err();
        assert_eq!(error.index, 1);
        assert!(error.reason.contains("look-around"), "{}", error.reason);
    }
}
