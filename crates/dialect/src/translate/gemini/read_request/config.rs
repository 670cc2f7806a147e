//! What the client wants of the answer: `generationConfig`.

use super::take;
use crate::translate::Error;
use crate::translate::neutral::{Effort, Format, Reasoning, Setting, Text, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

type Means<'a> = fn(&'a RawValue) -> Want<'a>;

/// Fields that only Gemini's API has and that shape the answer.
const OWN: [(&str, &str, &str); 4] = [
    ("speechConfig", "generationConfig.speechConfig", "its API speaks in another way"),
    ("imageConfig", "generationConfig.imageConfig", "its API makes no pictures in answers"),
    ("mediaResolution", "generationConfig.mediaResolution", "its API has no such field"),
    ("routingConfig", "generationConfig.routingConfig", "its API chooses no model"),
];

pub(super) fn read(config: &RawValue) -> Result<Vec<Setting<'_>>, Error> {
    let Some(mut fields) = Object::open(config) else {
        return Err(Error::invalid("generationConfig", "an object is expected"));
    };
    let mut settings = Vec::new();
    if let Some(value) = take(&mut fields, "maxOutputTokens") {
        let tokens = whole(value, "generationConfig.maxOutputTokens")?;
        settings.push(Setting { path: "generationConfig.maxOutputTokens", want: Want::MaxTokens(tokens) });
    }
    numbers(&mut fields, &mut settings)?;
    if let Some(stop) = take(&mut fields, "stopSequences") {
        let path = "generationConfig.stopSequences";
        let list =
            raw::array(stop).and_then(|list| list.into_iter().map(Text::read).collect::<Option<Vec<_>>>());
        let list = list.ok_or_else(|| Error::invalid(path, "an array of strings is expected"))?;
        if !list.is_empty() {
            settings.push(Setting { path, want: Want::Stop(list) });
        }
    }
    let top = take(&mut fields, "logprobs");
    if take(&mut fields, "responseLogprobs").is_some_and(|wanted| wanted.get() == "true") {
        settings.push(Setting { path: "generationConfig.responseLogprobs", want: Want::Logprobs { top } });
    }
    settings.extend(format(&mut fields));
    if let Some(thinking) = take(&mut fields, "thinkingConfig") {
        settings.push(Setting {
            path: "generationConfig.thinkingConfig",
            want: Want::Reasoning(reasoning(thinking)?),
        });
    }
    if let Some(modalities) = take(&mut fields, "responseModalities") {
        let is_text =
            |kind: &RawValue| raw::string(kind).is_some_and(|kind| kind.eq_ignore_ascii_case("text"));
        if !raw::array(modalities).is_some_and(|list| list.into_iter().all(is_text)) {
            settings.push(Setting {
                path: "generationConfig.responseModalities",
                want: Want::Modalities(modalities),
            });
        }
    }
    for (name, path, what) in OWN {
        if take(&mut fields, name).is_some() {
            settings.push(Setting { path, want: Want::Own { what } });
        }
    }
    // Which of them shape the answer nobody here can tell.
    if fields.into_fields().iter().any(|(_, value)| value.get() != "null") {
        let what = "it has a field that no other API has";
        settings.push(Setting { path: "generationConfig", want: Want::Own { what } });
    }
    Ok(settings)
}

fn numbers<'a>(fields: &mut Object<'a>, settings: &mut Vec<Setting<'a>>) -> Result<(), Error> {
    // The third is the number that asks for nothing.
    let numbers: [(&str, &'static str, Option<f64>, Means<'a>); 7] = [
        ("temperature", "generationConfig.temperature", None, Want::Temperature),
        ("topP", "generationConfig.topP", None, Want::TopP),
        ("topK", "generationConfig.topK", None, Want::TopK),
        ("seed", "generationConfig.seed", None, Want::Seed),
        ("candidateCount", "generationConfig.candidateCount", Some(1.0), Want::Choices),
        ("presencePenalty", "generationConfig.presencePenalty", Some(0.0), Want::PresencePenalty),
        ("frequencyPenalty", "generationConfig.frequencyPenalty", Some(0.0), Want::FrequencyPenalty),
    ];
    for (name, path, nothing, want) in numbers {
        let Some(value) = take(fields, name) else { continue };
        let number = raw::number(value).ok_or_else(|| Error::invalid(path, "a number is expected"))?;
        if nothing != Some(number) {
            settings.push(Setting { path, want: want(value) });
        }
    }
    Ok(())
}

fn whole(value: &RawValue, path: &str) -> Result<u64, Error> {
    value.get().parse().map_err(|_| Error::invalid(path, "a whole number is expected"))
}

fn format<'a>(fields: &mut Object<'a>) -> Option<Setting<'a>> {
    let media_type = take(fields, "responseMimeType").and_then(raw::string);
    let plain = take(fields, "responseJsonSchema");
    let schema = take(fields, "responseSchema").or(plain);
    let want = match (media_type.as_deref(), schema) {
        (Some("application/json"), None) => Want::Format(Format::Json),
        (Some("application/json"), Some(schema)) => {
            Want::Format(Format::Schema { schema, name: None, description: None, strict: None })
        }
        (None | Some("text/plain"), None) => return None,
        _ => Want::Own { what: "only application/json can be asked for" },
    };
    Some(Setting { path: "generationConfig.responseMimeType", want })
}

fn reasoning(thinking: &RawValue) -> Result<Reasoning<'_>, Error> {
    let mut thinking = Object::open(thinking).unwrap_or_default();
    let mut reasoning = Reasoning::default();
    match take(&mut thinking, "thinkingBudget").map(RawValue::get) {
        None => {}
        Some("0") => reasoning.off = true,
        Some("-1") => reasoning.adaptive = true,
        Some(budget) => {
            let path = "generationConfig.thinkingConfig.thinkingBudget";
            let expected = |_| Error::invalid(path, "a whole number is expected");
            reasoning.budget = Some(budget.parse().map_err(expected)?);
        }
    }
    let level = take(&mut thinking, "thinkingLevel").and_then(raw::string);
    reasoning.effort = level.and_then(|level| Effort::parse(&level.to_ascii_lowercase()));
    if take(&mut thinking, "includeThoughts").is_some_and(|wanted| wanted.get() == "true") {
        reasoning.shown = Some("auto".into());
    }
    Ok(reasoning)
}
