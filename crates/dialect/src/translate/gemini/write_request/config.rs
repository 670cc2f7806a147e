//! What the client wants of the answer: `generationConfig`.

use super::super::model::{Model, Thinking};
use super::write_texts;
use crate::translate::fields::Fields;
use crate::translate::neutral::{Effort, Format, Reasoning, Setting, Want};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;

/// The most stop sequences that the API takes.
const MOST_STOPS: usize = 5;

/// Gives the fields of `generationConfig`.
pub(super) fn write(
    settings: Vec<Setting<'_>>,
    model: &Model,
    has_tools: bool,
    report: &mut Report,
) -> Result<Fields, Error> {
    let mut config = Fields::default();
    for Setting { path, want } in settings {
        let mut copy = |name, value: &RawValue| config.json(name, value.get());
        // What changes the answer and has no place gives a reason; what has none and changes nothing gives false.
        let is_settled = match want {
            Want::MaxTokens(tokens) => config.json("maxOutputTokens", &tokens.to_string()),
            Want::Temperature(value) => copy("temperature", value),
            Want::TopP(value) => copy("topP", value),
            Want::TopK(value) => copy("topK", value),
            Want::Seed(value) => copy("seed", value),
            Want::Choices(value) => copy("candidateCount", value),
            Want::PresencePenalty(value) => copy("presencePenalty", value),
            Want::FrequencyPenalty(value) => copy("frequencyPenalty", value),
            Want::Stop(list) => {
                if list.len() > MOST_STOPS {
                    report.unsupported(path, "it takes five stop sequences at most")?;
                }
                let list = list.get(..MOST_STOPS).unwrap_or(&list);
                let is_new = config.begin("stopSequences");
                if is_new {
                    write_texts(&mut config.out, list);
                }
                is_new
            }
            Want::Logprobs { top } => {
                let is_new = config.json("responseLogprobs", "true");
                match top.filter(|_| is_new) {
                    Some(top) => config.json("logprobs", top.get()),
                    None => is_new,
                }
            }
            Want::Format(_) if has_tools && !model.takes_form_with_tools() => unsupported(
                path,
                "models before Gemini 3 take no form of the answer along with tools",
                report,
            )?,
            Want::Format(format) => write_format(&format, path, &mut config, report),
            Want::Reasoning(reasoning) => write_thinking(&reasoning, model, &mut config),
            Want::LogitBias(_) => unsupported(path, "its tokens are not OpenAI's", report)?,
            Want::Verbosity(_) => unsupported(path, "its API has no such field", report)?,
            Want::Prediction(_) => unsupported(path, "its API takes no predictions", report)?,
            Want::Modalities(_) => unsupported(path, "only text can be carried back", report)?,
            Want::WebSearch(_) => unsupported(path, "its search has other options", report)?,
            Want::Own { what } => unsupported(path, what, report)?,
            Want::User(_)
            | Want::Labels(_)
            | Want::Tier(_)
            | Want::Store(_)
            | Want::CacheHint
            | Want::OwnLabel => false,
        };
        if !is_settled {
            report.left_out(path);
        }
    }
    Ok(config)
}

fn unsupported(path: &'static str, reason: &str, report: &mut Report) -> Result<bool, Error> {
    report.unsupported(path, reason)?;
    Ok(true)
}

/// Writes the form of the answer. A schema has no name here, which nobody reads but the model.
fn write_format(format: &Format<'_>, path: &str, config: &mut Fields, report: &mut Report) -> bool {
    if !config.json("responseMimeType", r#""application/json""#) {
        return false;
    }
    match format {
        Format::Json => true,
        Format::Schema { schema, name: _, description, strict: _ } => {
            if description.is_some() {
                report.left_out(format!("{path}.description"));
            }
            config.json("responseJsonSchema", schema.get())
        }
    }
}

/// Writes how to think. False: it is not as the client wants it, which is no fault, as it is a wish.
fn write_thinking(reasoning: &Reasoning<'_>, model: &Model, config: &mut Fields) -> bool {
    let (amount, is_as_wanted) = match model.thinking() {
        Thinking::Fixed => return false,
        Thinking::Budget { least, most, has_off } => {
            let fit = |budget: u64| Some(budget.clamp(least, most).to_string());
            let budget = match reasoning {
                Reasoning { off: true, .. } if has_off => Some("0".to_owned()),
                Reasoning { off: true, .. } => fit(least),
                Reasoning { budget: Some(budget), .. } => fit(*budget),
                Reasoning { effort: Some(effort), .. } => fit(effort.budget()),
                // As much as it finds right.
                Reasoning { adaptive: true, .. } => Some("-1".to_owned()),
                _ => None,
            };
            (budget.map(|budget| format!(r#""thinkingBudget":{budget}"#)), !reasoning.off || has_off)
        }
        Thinking::Level { has_minimal, has_medium } => {
            let effort = match reasoning {
                Reasoning { off: true, .. } => Some(Effort::Minimal),
                Reasoning { effort: Some(effort), .. } => Some(*effort),
                // These models take budgets no more, or one day will not.
                Reasoning { budget: Some(budget), .. } => Some(Effort::of_budget(*budget)),
                // As much as it finds right is what it does by itself.
                _ => None,
            };
            let level = effort.map(|effort| match effort {
                Effort::Minimal if has_minimal => "MINIMAL",
                Effort::Minimal | Effort::Low => "LOW",
                Effort::Medium if has_medium => "MEDIUM",
                Effort::Medium | Effort::High | Effort::XHigh | Effort::Max => "HIGH",
            });
            // The least that there is may still be some thinking.
            (level.map(|level| format!(r#""thinkingLevel":"{level}""#)), !reasoning.off)
        }
    };
    let shown = (reasoning.shown.is_some() && !reasoning.off).then(|| r#""includeThoughts":true"#.to_owned());
    let fields: Vec<String> = amount.into_iter().chain(shown).collect();
    is_as_wanted & (fields.is_empty() || config.json("thinkingConfig", &format!("{{{}}}", fields.join(","))))
}
