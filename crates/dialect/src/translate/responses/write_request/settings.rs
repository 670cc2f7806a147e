//! What the client wants of the answer.

use crate::translate::fields::Fields;
use crate::translate::neutral::{Format, Reasoning, Setting, Text, Want};
use crate::translate::openai::{SCHEMA_NAME, Wish, effort, thinks};
use crate::translate::raw;
use crate::translate::{Error, Report};

/// The least limit of tokens that the API takes.
const LEAST_TOKENS: u64 = 16;

/// The words for a summary of what was thought; `auto` is another.
const SUMMARIES: [&str; 2] = ["concise", "detailed"];

/// Writes the settings, and says whether the answer is to tell how likely tokens are.
pub(super) fn write(
    settings: Vec<Setting<'_>>,
    model: &str,
    body: &mut Fields,
    report: &mut Report,
) -> Result<bool, Error> {
    let mut wants_logprobs = false;
    let mut text = Fields::default();
    for Setting { path, want } in settings {
        let is_settled = match want {
            // An answer that is a little longer serves the client better than an error.
            Want::MaxTokens(tokens) => body.json("max_output_tokens", &tokens.max(LEAST_TOKENS).to_string()),
            Want::Temperature(value) => body.json("temperature", value.get()),
            Want::TopP(value) => body.json("top_p", value.get()),
            Want::Logprobs { top } => {
                let is_new = !std::mem::replace(&mut wants_logprobs, true);
                match top.filter(|_| is_new) {
                    Some(top) => body.json("top_logprobs", top.get()),
                    None => is_new,
                }
            }
            Want::Format(format) => write_format(&format, &mut text),
            Want::Verbosity(word) => text.text("verbosity", &word),
            Want::Reasoning(reasoning) => write_reasoning(&reasoning, model, body),
            // The newer names are known to OpenAI's own servers only.
            Want::User(user) => body.text("user", &user),
            Want::Labels(value) => body.json("metadata", value.get()),
            Want::Tier(tier) => match tier.decode().as_ref() {
                "standard_only" => body.text("service_tier", &"default".into()),
                _ => body.text("service_tier", &tier),
            },
            Want::Store(value) => body.json("store", value.get()),
            Want::Stop(_) => unsupported(path, "its API takes no stop sequences", report)?,
            Want::Choices(_) => unsupported(path, "it gives one choice only", report)?,
            Want::Modalities(_) => unsupported(path, "it gives text only", report)?,
            Want::WebSearch(_) => unsupported(path, "its web search is a tool", report)?,
            Want::TopK(_)
            | Want::Seed(_)
            | Want::PresencePenalty(_)
            | Want::FrequencyPenalty(_)
            | Want::LogitBias(_)
            | Want::Prediction(_) => unsupported(path, "its API has no such field", report)?,
            Want::Own { what } => unsupported(path, what, report)?,
            Want::CacheHint | Want::OwnLabel => false,
        };
        if !is_settled {
            report.left_out(path);
        }
    }
    if !text.names.is_empty() {
        text.out.push(b'}');
        body.json("text", &String::from_utf8_lossy(&text.out));
    }
    Ok(wants_logprobs)
}

fn unsupported(path: &'static str, reason: &str, report: &mut Report) -> Result<bool, Error> {
    report.unsupported(path, reason)?;
    Ok(true)
}

fn write_format(format: &Format<'_>, text: &mut Fields) -> bool {
    let Format::Schema { schema, name, description, strict } = format else {
        return text.json("format", r#"{"type":"json_object"}"#);
    };
    if !text.begin("format") {
        return false;
    }
    let out = &mut text.out;
    out.extend_from_slice(br#"{"type":"json_schema","name":"#);
    name.as_ref().unwrap_or(&SCHEMA_NAME.into()).write(out);
    if let Some(description) = description {
        out.extend_from_slice(br#","description":"#);
        description.write(out);
    }
    out.extend_from_slice(br#","schema":"#);
    raw::write_raw(out, schema);
    if let Some(strict) = strict {
        out.extend_from_slice(format!(r#","strict":{strict}"#).as_bytes());
    }
    out.push(b'}');
    true
}

/// Writes how to think. False: it is not as the client wants it, which is no fault, as it is a wish.
fn write_reasoning(reasoning: &Reasoning<'_>, model: &str, body: &mut Fields) -> bool {
    let mut fields = Fields::default();
    match effort(reasoning, model) {
        Wish::Word(word) => fields.text("effort", &word.into()),
        Wish::ByItself => true,
        Wish::Refused => return false,
    };
    let shown = reasoning.shown.as_ref().filter(|_| !reasoning.off && thinks(model)).map(Text::decode);
    if let Some(shown) = shown {
        let word = SUMMARIES.into_iter().find(|word| *word == shown).unwrap_or("auto");
        fields.text("summary", &word.into());
    }
    if fields.names.is_empty() {
        return true;
    }
    fields.out.push(b'}');
    body.json("reasoning", &String::from_utf8_lossy(&fields.out))
}
