//! What the client wants of the answer.

use crate::translate::fields::Fields;
use crate::translate::neutral::{Effort, Format, Reasoning, Setting, Text, Want};
use crate::translate::raw;
use crate::translate::{Error, Report};
use serde_json::value::RawValue;

/// The most stop sequences that the API takes.
const MOST_STOPS: usize = 5;

/// The bounds of `p`: the share of likely tokens that are chosen from.
const LEAST_P: f64 = 0.01;
const MOST_P: f64 = 0.99;

pub(super) fn write(
    settings: Vec<Setting<'_>>,
    thinks: bool,
    has_tools: bool,
    report: &mut Report,
    body: &mut Fields,
) -> Result<(), Error> {
    for Setting { path, want } in settings {
        // What changes the answer and has no place gives a reason; what has none and changes nothing gives false.
        let is_settled = match want {
            Want::MaxTokens(tokens) => body.json("max_tokens", &tokens.to_string()),
            Want::Temperature(value) => body.json("temperature", value.get()),
            Want::TopP(value) => match raw::number(value) {
                Some(share) if share > MOST_P => body.json("p", &MOST_P.to_string()),
                Some(share) if share < LEAST_P => body.json("p", &LEAST_P.to_string()),
                _ => body.json("p", value.get()),
            },
            Want::TopK(value) => body.json("k", value.get()),
            Want::Seed(value) => body.json("seed", value.get()),
            Want::PresencePenalty(value) => penalty("presence_penalty", path, value, report, body)?,
            Want::FrequencyPenalty(value) => penalty("frequency_penalty", path, value, report, body)?,
            Want::Stop(list) => stops(path, &list, report, body)?,
            Want::Logprobs { top } => {
                if top.is_some() {
                    report.unsupported("top_logprobs", "it tells of no other tokens")?;
                }
                body.json("logprobs", "true")
            }
            Want::Format(_) if has_tools => {
                unsupported(path, "it takes no form of the answer along with tools", report)?
            }
            Want::Format(format) => write_format(&format, path, report, body),
            Want::Reasoning(reasoning) => write_thinking(&reasoning, thinks, body),
            Want::Choices(_) => unsupported(path, "it gives one choice only", report)?,
            Want::LogitBias(_) => unsupported(path, "its tokens are not OpenAI's", report)?,
            Want::Verbosity(_) => unsupported(path, "its API has no such field", report)?,
            Want::Prediction(_) => unsupported(path, "its API takes no predictions", report)?,
            Want::Modalities(_) => unsupported(path, "it gives text only", report)?,
            Want::WebSearch(_) => unsupported(path, "it searches no web", report)?,
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
    Ok(())
}

fn unsupported(path: &'static str, reason: &str, report: &mut Report) -> Result<bool, Error> {
    report.unsupported(path, reason)?;
    Ok(true)
}

/// OpenAI's range is from -2 to 2, Cohere's from 0 to 1. What is beyond is refused or cut by the policy.
fn penalty(
    name: &'static str,
    path: &'static str,
    value: &RawValue,
    report: &mut Report,
    body: &mut Fields,
) -> Result<bool, Error> {
    let penalty = raw::number(value).unwrap_or(0.0);
    if (0.0..=1.0).contains(&penalty) {
        return Ok(body.json(name, value.get()));
    }
    report.unsupported(path, "its range is from 0 to 1")?;
    body.json(name, if penalty > 1.0 { "1" } else { "0" });
    Ok(true)
}

fn stops(
    path: &'static str,
    list: &[Text<'_>],
    report: &mut Report,
    body: &mut Fields,
) -> Result<bool, Error> {
    if list.len() > MOST_STOPS {
        report.unsupported(path, "it takes five stop sequences at most")?;
    }
    let is_new = body.begin("stop_sequences");
    if is_new {
        let list = list.get(..MOST_STOPS).unwrap_or(list);
        raw::write_list(&mut body.out, list, |out, text| text.write(out));
    }
    Ok(is_new)
}

/// Writes the form of the answer. A schema has no name here, which nobody reads but the model.
fn write_format(format: &Format<'_>, path: &str, report: &mut Report, body: &mut Fields) -> bool {
    match format {
        Format::Json => body.json("response_format", r#"{"type":"json_object"}"#),
        Format::Schema { schema, name: _, description, strict: _ } => {
            if description.is_some() {
                report.left_out(format!("{path}.description"));
            }
            let json = format!(r#"{{"type":"json_object","json_schema":{}}}"#, schema.get());
            body.json("response_format", &json)
        }
    }
}

/// Writes how to think. False: the model does not, which is no fault, as it is a wish.
fn write_thinking(wish: &Reasoning<'_>, thinks: bool, body: &mut Fields) -> bool {
    if !thinks {
        return wish.off;
    }
    if wish.off {
        return body.json("thinking", r#"{"type":"disabled"}"#);
    }
    let budget = wish.budget.or(wish.effort.map(Effort::budget)).filter(|budget| *budget > 0);
    let budget = budget.map(|budget| format!(r#","token_budget":{budget}"#)).unwrap_or_default();
    body.json("thinking", &format!(r#"{{"type":"enabled"{budget}}}"#))
}
