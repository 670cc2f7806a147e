//! What the client wants of the answer.

use super::thinking::{self, Thinking};
use super::write_array;
use crate::translate::neutral::{Format, Reasoning, Setting, Text, Want};
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;

/// The settings that the provider knows.
#[derive(Debug, Default)]
pub(super) struct Settings<'a> {
    /// As JSON.
    temperature: Option<&'a str>,
    top_p: Option<&'a RawValue>,
    top_k: Option<&'a RawValue>,
    /// The inside of an array.
    stops: Vec<u8>,
    tier: Option<Text<'a>>,
    user: Option<Text<'a>>,
    reasoning: Option<(&'static str, Reasoning<'a>)>,
    pub(super) schema: Option<&'a RawValue>,
    /// What is left out and changes nothing in the answer.
    pub(super) labels: Vec<String>,
}

impl<'a> Settings<'a> {
    /// Reads the settings, and those of the provider's own names that they have to be put together with.
    pub(super) fn read(
        settings: Vec<Setting<'a>>,
        rest: &mut Object<'a>,
        report: &mut Report,
    ) -> Result<Self, Error> {
        let mut read = Self::default();
        for setting in settings {
            read.setting(setting, report)?;
        }
        if let Some(own) = rest.take("stop_sequences") {
            let expected = || Error::invalid("stop_sequences", "a string or an array of strings is expected");
            let list = if raw::is_string(own) { vec![own] } else { raw::array(own).ok_or_else(expected)? };
            let list: Option<Vec<_>> = list.into_iter().map(Text::read).collect();
            read.add_stops("stop_sequences", list.ok_or_else(expected)?, report)?;
        }
        for (name, is_read) in [
            ("temperature", read.temperature.is_some()),
            ("top_p", read.top_p.is_some()),
            ("top_k", read.top_k.is_some()),
            ("service_tier", read.tier.is_some()),
            ("metadata", read.user.is_some()),
        ] {
            if is_read && rest.take(name).is_some() {
                report.left_out(name);
            }
        }
        Ok(read)
    }

    fn setting(&mut self, Setting { path, want }: Setting<'a>, report: &mut Report) -> Result<(), Error> {
        const NO_FIELD: &str = "its API has no such field";
        let reason = match want {
            // The caller has it.
            Want::MaxTokens(_) => return Ok(()),
            Want::Temperature(value) => return self.temperature(path, value, report),
            Want::TopP(value) => {
                self.top_p = Some(value);
                return Ok(());
            }
            Want::TopK(value) => {
                self.top_k = Some(value);
                return Ok(());
            }
            Want::Stop(list) => return self.add_stops(path, list, report),
            Want::Tier(tier) => return self.tier(path, tier, report),
            Want::User(user) => {
                self.user = Some(user);
                return Ok(());
            }
            Want::Reasoning(reasoning) => {
                self.reasoning = Some((path, reasoning));
                return Ok(());
            }
            Want::Format(Format::Schema { schema, .. }) => {
                self.schema = Some(schema);
                return Ok(());
            }
            Want::Format(Format::Json) => {
                let reason = "JSON can be asked for by a json_schema only";
                return report.unsupported(format!("{path}.type"), reason);
            }
            // The provider's `metadata` holds whom the request is for, and nothing else.
            Want::Labels(labels) => {
                let labels = Object::open(labels).unwrap_or_default().into_fields();
                let names = labels.into_iter().map(|(name, _)| name).filter(|name| name != "user_id");
                names.for_each(|name| report.left_out(format!("{path}.{name}")));
                return Ok(());
            }
            Want::Store(_) | Want::CacheHint | Want::OwnLabel => {
                self.labels.push(path.to_owned());
                return Ok(());
            }
            Want::Seed(_)
            | Want::PresencePenalty(_)
            | Want::FrequencyPenalty(_)
            | Want::LogitBias(_)
            | Want::Prediction(_)
            | Want::Verbosity(_) => NO_FIELD,
            Want::Choices(_) => "it gives one choice only",
            Want::Logprobs { .. } => "it gives no log probabilities",
            Want::Modalities(_) => "it gives text only",
            Want::WebSearch(_) => "its web search is a tool",
            Want::Own { what } => what,
        };
        report.unsupported(path, reason)
    }

    /// OpenAI's range ends at 2, Anthropic's at 1. A greater value is refused or cut to 1 by the policy.
    fn temperature(&mut self, path: &str, value: &'a RawValue, report: &mut Report) -> Result<(), Error> {
        self.temperature = Some(value.get());
        if raw::number(value).is_some_and(|temperature| temperature > 1.0) {
            report.unsupported(path, "its range ends at 1")?;
            self.temperature = Some("1");
        }
        Ok(())
    }

    fn add_stops(&mut self, path: &str, list: Vec<Text<'_>>, report: &mut Report) -> Result<(), Error> {
        for text in list {
            if text.is_blank() {
                report.unsupported(path, "a stop sequence cannot be white space alone")?;
                continue;
            }
            if !self.stops.is_empty() {
                self.stops.push(b',');
            }
            text.write(&mut self.stops);
        }
        Ok(())
    }

    /// Anthropic knows whether a request may use capacity that was bought ahead, and nothing else.
    fn tier(&mut self, path: &str, tier: Text<'a>, report: &mut Report) -> Result<(), Error> {
        let own: Option<Text<'a>> = match tier.decode().as_ref() {
            "auto" | "priority" | "scale" => Some("auto".into()),
            "default" => Some("standard_only".into()),
            "flex" => return report.unsupported(path, "it has no such tier"),
            _ => None,
        };
        self.tier = own.or(Some(tier));
        Ok(())
    }

    /// How the model is to think. That is a wish: the answer comes without it too, so that it is left out where it cannot be.
    pub(super) fn thinking(
        &self,
        model: &str,
        max_tokens: u64,
        is_ruled_out: bool,
        rest: &Object<'_>,
        report: &mut Report,
    ) -> Option<Thinking> {
        let (path, wish) = self.reasoning.as_ref()?;
        // The provider's own field says it more exactly. A model that always thinks refuses to be told not to; others think only
        // where a request asks for it.
        if wish.off || rest.get("thinking").is_some() {
            return None;
        }
        // What the provider does not let thinking be combined with.
        let is_ruled_out = is_ruled_out
            || self.top_k.is_some()
            || rest.get("top_k").is_some()
            || self.temperature.is_some_and(|value| value.parse() != Ok(1.0));
        let thinking = thinking::thinking(wish, model, max_tokens).filter(|_| !is_ruled_out);
        if thinking.is_none() {
            report.left_out(*path);
        }
        thinking
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        if let Some(temperature) = self.temperature {
            out.extend_from_slice(br#","temperature":"#);
            out.extend_from_slice(temperature.as_bytes());
        }
        if !self.stops.is_empty() {
            write_array(out, "stop_sequences", &self.stops);
        }
        if let Some(tier) = &self.tier {
            out.extend_from_slice(br#","service_tier":"#);
            tier.write(out);
        }
        if let Some(user) = &self.user {
            out.extend_from_slice(br#","metadata":{"user_id":"#);
            user.write(out);
            out.push(b'}');
        }
    }

    pub(super) fn write_sampling(&self, out: &mut Vec<u8>) {
        for (name, value) in [("top_p", self.top_p), ("top_k", self.top_k)] {
            if let Some(value) = value {
                out.push(b',');
                raw::write_string(out, name);
                out.push(b':');
                raw::write_raw(out, value);
            }
        }
    }
}
