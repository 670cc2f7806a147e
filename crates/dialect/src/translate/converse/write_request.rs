//! The body of a request to the provider.

mod blocks;
mod config;
mod conversation;
mod names;
mod thinking;
mod tools;

#[cfg(test)]
mod tests;

use super::family::Family;
use crate::translate::fields::Fields;
use crate::translate::neutral::Request;
use crate::translate::raw::Object;
use crate::translate::{self, Error, Options, Remarks, Report};
use config::Config;

/// Fields of the body that a client of another dialect may have sent. All others are the model's own.
const TOP: [&str; 6] = [
    "guardrailConfig",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "requestMetadata",
    "performanceConfig",
    "serviceTier",
];

/// Writes the body of `POST /model/{model}/converse` and `…/converse-stream`.
///
/// # Errors
/// A choice is forced among no tools, or something is asked for that cannot be carried.
pub(in crate::translate) fn write(
    request: Request<'_>,
    options: &Options<'_>,
) -> Result<translate::Request, Error> {
    let limit = request.max_tokens();
    let Request { model, stream, include_usage, turns, tools, choice, parallel_calls, settings, mut rest } =
        request;
    let model = match (options.model, &model) {
        ("", Some(model)) => model.decode(),
        (model, _) => model.into(),
    };
    let family = Family::of(&model);
    let mut remarks = Remarks::new(options.unsupported);
    let mut body = Fields::default();
    let said = conversation::write(turns, rest.take("system"), family, &mut remarks)?;
    said.write(&mut body);
    let is_forced = tools::is_forced(choice.as_ref());
    tools::write(tools, choice, parallel_calls, &said.called, family, &mut remarks, &mut body)?;
    let Remarks { mut report, .. } = remarks;
    let mut config = Config::read(settings, family, &mut report)?;
    let wish = thinking::Wish {
        family,
        model: &model,
        limit,
        default_limit: u64::from(options.default_max_tokens),
        is_ruled_out: is_forced || said.lacks_thinking,
    };
    wish.write(&mut config, &rest, &mut report);
    let body = finish(body, config, rest, &mut report);
    Ok(translate::Request { body, dropped: report.into_dropped(), stream, include_usage })
}

/// Adds the settings, and what the client's dialect does not define: fields of Converse's where they belong, and others as the
/// model's own.
fn finish(mut body: Fields, config: Config<'_>, mut rest: Object<'_>, report: &mut Report) -> Vec<u8> {
    let Config { mut inference, mut output, mut model_fields, labels, tier, .. } = config;
    for (to, name) in [(&mut inference, "inferenceConfig"), (&mut output, "outputConfig")] {
        let own = rest.take(name).and_then(Object::open).unwrap_or_default();
        add_rest(to, own, &format!("{name}."), report);
        if to.out.len() > 1 {
            body.begin(name);
            body.out.append(&mut to.out);
            body.out.push(b'}');
        }
    }
    for (name, json) in [("requestMetadata", labels), ("serviceTier", tier)] {
        if let Some(json) = json {
            body.json(name, &json);
        }
    }
    for name in TOP {
        if let Some(value) = rest.take(name)
            && !body.json(name, value.get())
        {
            report.left_out(name);
        }
    }
    if let Some(tools) = rest.take("toolConfig")
        && !body.json("toolConfig", tools.get())
    {
        report.left_out("toolConfig");
    }
    // Those would say anew or otherwise what is written.
    for name in ["model", "modelId", "messages", "stream"] {
        if rest.take(name).is_some() {
            report.left_out(name);
        }
    }
    let own = rest.take("additionalModelRequestFields").and_then(Object::open).unwrap_or_default();
    let mut fields = rest.into_fields();
    fields.append(&mut own.into_fields());
    add_rest(&mut model_fields, Object::from_fields(fields), "", report);
    if model_fields.out.len() > 1 {
        body.begin("additionalModelRequestFields");
        body.out.append(&mut model_fields.out);
        body.out.push(b'}');
    }
    body.out.push(b'}');
    body.out
}

/// Adds fields of the client's, but for those that would say anew or otherwise what is written.
fn add_rest(to: &mut Fields, mut rest: Object<'_>, path: &str, report: &mut Report) {
    for name in &to.names {
        if rest.take_entry(name).is_some() {
            report.left_out(format!("{path}{name}"));
        }
    }
    let mut fields = Vec::new();
    rest.write_rest(&mut fields);
    let fields = if to.out.len() > 1 { fields.as_slice() } else { fields.get(1..).unwrap_or_default() };
    to.out.extend_from_slice(fields);
}
