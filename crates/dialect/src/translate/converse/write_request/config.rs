//! What the client wants of the answer.

use super::super::family::Family;
use crate::translate::fields::Fields;
use crate::translate::neutral::{Format, Reasoning, Setting, Text, Want};
use crate::translate::raw::{self, Object, write_list};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;

/// The most labels of a request, and the longest.
const MOST_LABELS: usize = 16;
const LONGEST_LABEL: usize = 256;

/// The settings, by the fields that they stand in.
#[derive(Debug, Default)]
pub(super) struct Config<'a> {
    pub(super) inference: Fields,
    pub(super) output: Fields,
    /// `additionalModelRequestFields`.
    pub(super) model_fields: Fields,
    pub(super) labels: Option<String>,
    pub(super) tier: Option<String>,
    pub(super) reasoning: Option<(&'static str, Reasoning<'a>)>,
    /// Whether something is asked for that models do not think along with.
    pub(super) is_sampled: bool,
}

impl<'a> Config<'a> {
    pub(super) fn read(
        settings: Vec<Setting<'a>>,
        family: Family,
        report: &mut Report,
    ) -> Result<Self, Error> {
        let mut read = Self::default();
        for setting in settings {
            read.setting(setting, family, report)?;
        }
        Ok(read)
    }

    fn setting(
        &mut self,
        Setting { path, want }: Setting<'a>,
        family: Family,
        report: &mut Report,
    ) -> Result<(), Error> {
        let reason = match want {
            Want::MaxTokens(tokens) => {
                self.inference.json("maxTokens", &tokens.to_string());
                return Ok(());
            }
            Want::Temperature(value) => return self.temperature(path, value, report),
            Want::TopP(value) => {
                self.inference.json("topP", value.get());
                return Ok(());
            }
            Want::TopK(value) => {
                self.top_k(value, family);
                return Ok(());
            }
            Want::Stop(list) => return self.stops(path, list, family, report),
            Want::Format(Format::Schema { schema, name, description, strict: _ }) => {
                self.schema(schema, name, description);
                return Ok(());
            }
            Want::Format(Format::Json) => {
                let reason = "JSON can be asked for by a json_schema only";
                return report.unsupported(format!("{path}.type"), reason);
            }
            Want::Reasoning(reasoning) => {
                self.reasoning = Some((path, reasoning));
                return Ok(());
            }
            Want::Labels(labels) => {
                self.labels(path, labels, report);
                return Ok(());
            }
            Want::Tier(tier) => {
                self.tier(path, &tier, report);
                return Ok(());
            }
            Want::User(_) | Want::Store(_) | Want::CacheHint | Want::OwnLabel => {
                report.left_out(path);
                return Ok(());
            }
            Want::Seed(_)
            | Want::PresencePenalty(_)
            | Want::FrequencyPenalty(_)
            | Want::LogitBias(_)
            | Want::Prediction(_)
            | Want::Verbosity(_) => "its API has no such field",
            Want::Choices(_) => "it gives one choice only",
            Want::Logprobs { .. } => "it gives no log probabilities",
            Want::Modalities(_) => "it gives text only",
            Want::WebSearch(_) => "its API searches no web in this way",
            Want::Own { what } => what,
        };
        report.unsupported(path, reason)
    }

    /// OpenAI's range ends at 2, Bedrock's at 1. A greater value is refused or cut to 1 by the policy.
    fn temperature(&mut self, path: &str, value: &'a RawValue, report: &mut Report) -> Result<(), Error> {
        let mut json = value.get();
        if raw::number(value).is_some_and(|temperature| temperature > 1.0) {
            report.unsupported(path, "its range ends at 1")?;
            json = "1";
        }
        self.is_sampled |= json.parse() != Ok(1.0);
        self.inference.json("temperature", json);
        Ok(())
    }

    fn top_k(&mut self, value: &RawValue, family: Family) {
        self.is_sampled = true;
        let value = value.get();
        match family {
            Family::Nova { .. } => {
                self.model_fields.json("inferenceConfig", &format!(r#"{{"topK":{value}}}"#))
            }
            Family::Cohere => self.model_fields.json("k", value),
            _ => self.model_fields.json("top_k", value),
        };
    }

    /// Anthropic's models take no stop sequence of white space alone, and none takes an empty one.
    fn stops(
        &mut self,
        path: &str,
        mut list: Vec<Text<'a>>,
        family: Family,
        report: &mut Report,
    ) -> Result<(), Error> {
        let is_refused = |text: &Text<'_>| text.is_empty() || family == Family::Claude && text.is_blank();
        if list.iter().any(is_refused) {
            report.unsupported(path, "a stop sequence cannot be white space alone")?;
            list.retain(|text| !is_refused(text));
        }
        if !list.is_empty() && self.inference.begin("stopSequences") {
            write_list(&mut self.inference.out, &list, |out, text| text.write(out));
        }
        Ok(())
    }

    /// The schema is a text that holds JSON.
    fn schema(&mut self, schema: &RawValue, name: Option<Text<'_>>, description: Option<Text<'_>>) {
        if !self.output.begin("textFormat") {
            return;
        }
        let out = &mut self.output.out;
        out.extend_from_slice(br#"{"type":"json_schema","structure":{"jsonSchema":{"schema":"#);
        raw::write_string(out, schema.get());
        for (field, text) in [("name", name), ("description", description)] {
            if let Some(text) = text {
                out.extend_from_slice(format!(",\"{field}\":").as_bytes());
                text.write(out);
            }
        }
        out.extend_from_slice(b"}}}");
    }

    /// Labels that the provider takes; others are named.
    fn labels(&mut self, path: &str, labels: &RawValue, report: &mut Report) {
        let is_accepted = |letter: char| {
            letter.is_ascii_alphanumeric() || letter.is_ascii_whitespace() || ":_@$#=/+,-.".contains(letter)
        };
        let fits = |text: &str| text.len() <= LONGEST_LABEL && text.chars().all(is_accepted);
        let mut fields = Vec::new();
        for (name, value) in Object::open(labels).unwrap_or_default().into_fields() {
            let text = raw::string(value).filter(|text| fits(text) && fits(&name) && !name.is_empty());
            if text.is_some() && fields.len() < MOST_LABELS {
                fields.push((name, value));
            } else {
                report.left_out(format!("{path}.{name}"));
            }
        }
        if !fields.is_empty() {
            let mut json = Vec::new();
            Object::from_fields(fields).write_rest(&mut json);
            let inside = String::from_utf8_lossy(json.get(1..).unwrap_or_default());
            self.labels = Some(format!("{{{inside}}}"));
        }
    }

    fn tier(&mut self, path: &str, tier: &Text<'_>, report: &mut Report) {
        let own = match tier.decode().as_ref() {
            "auto" => return,
            "default" | "standard" | "standard_only" => "default",
            "priority" | "scale" | "fast" => "priority",
            "flex" => "flex",
            "reserved" => "reserved",
            _ => return report.left_out(path),
        };
        self.tier = Some(format!(r#"{{"type":"{own}"}}"#));
    }
}
