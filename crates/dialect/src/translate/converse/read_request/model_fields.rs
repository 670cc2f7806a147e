//! `additionalModelRequestFields`: what the makers of models call what Converse has no words for.

use crate::translate::Error;
use crate::translate::neutral::{Effort, Reasoning, Setting, Want};
use crate::translate::raw::{self, Object};
use serde_json::value::RawValue;

/// What is common to several models is read. The rest is given back: it belongs to one model's own API.
pub(super) fn read<'a>(
    mut fields: Object<'a>,
    settings: &mut Vec<Setting<'a>>,
    reasoning: &mut Reasoning<'a>,
) -> Result<Object<'a>, Error> {
    let top_k: Option<&'a RawValue> = ["top_k", "topK", "k"].into_iter().find_map(|name| fields.take(name));
    // So Amazon's own models have it.
    let nova = fields.take("inferenceConfig").and_then(Object::open);
    if let Some(top_k) = top_k.or_else(|| nova?.take("topK")) {
        let path = "additionalModelRequestFields.top_k";
        raw::number(top_k).ok_or_else(|| Error::invalid(path, "a number is expected"))?;
        settings.push(Setting { path, want: Want::TopK(top_k) });
    }
    if fields.take("anthropic_beta").is_some() {
        let want = Want::Own { what: "what is tried out at Anthropic is asked for by a header" };
        settings.push(Setting { path: "additionalModelRequestFields.anthropic_beta", want });
    }
    for name in ["thinking", "reasoning_config", "reasoningConfig"] {
        if let Some(thinking) = fields.take(name).and_then(Object::open) {
            read_thinking(thinking, reasoning)?;
        }
    }
    let mut output = fields.take("output_config").and_then(Object::open).unwrap_or_default();
    let effort = fields.take("reasoning_effort").or_else(|| output.take("effort")).and_then(raw::string);
    match effort.as_deref() {
        Some("none") => reasoning.off = true,
        Some(effort) => reasoning.effort = Effort::parse(effort).or(reasoning.effort),
        None => {}
    }
    if !output.is_empty() {
        let want = Want::Own { what: "its API has no such field" };
        settings.push(Setting { path: "additionalModelRequestFields.output_config", want });
    }
    Ok(fields)
}

/// Reads Anthropic's `thinking` and Amazon's `reasoningConfig`, which share their beginning.
fn read_thinking<'a>(mut fields: Object<'a>, reasoning: &mut Reasoning<'a>) -> Result<(), Error> {
    let kind = fields.take("type").and_then(raw::string);
    match kind.as_deref() {
        Some("enabled") => {
            let effort = fields.take("maxReasoningEffort").and_then(raw::string);
            reasoning.effort = effort.and_then(|effort| Effort::parse(&effort)).or(reasoning.effort);
            reasoning.budget = fields.take("budget_tokens").and_then(|tokens| tokens.get().parse().ok());
            if reasoning.effort.is_none() && reasoning.budget.is_none() {
                let path = "additionalModelRequestFields.thinking.budget_tokens";
                return Err(Error::invalid(path, "a whole number is expected"));
            }
            reasoning.shown = Some("auto".into());
        }
        Some("adaptive") => {
            reasoning.adaptive = true;
            reasoning.shown = Some("auto".into());
        }
        Some("disabled") => reasoning.off = true,
        _ => {
            let path = "additionalModelRequestFields.thinking.type";
            return Err(Error::invalid(path, "one of enabled, adaptive and disabled is expected"));
        }
    }
    Ok(())
}
