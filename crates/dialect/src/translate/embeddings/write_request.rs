//! The requests of those who embed.

use super::read_request::Asked;
use super::{Request, Wanted};
use crate::translate::neutral::Text;
use crate::translate::raw;
use crate::translate::report::Report;
use crate::translate::{Error, Options};
use serde_json::value::RawValue;

/// The longest name that is written once for each text.
const NAME_BYTES: usize = 256;

/// What texts are embedded for if the client does not say so: Cohere's models of the third version and later have to know.
const INPUT_TYPE: &str = "\"search_document\"";

/// Fields by which a client may ask for vectors that are no floats, which OpenAI's answer has no place for.
const OTHER_VECTORS: [&str; 3] = ["embedding_types", "embeddingTypes", "output_dtype"];

/// `POST /models/{model}:batchEmbedContents`.
pub(super) fn gemini<'a>(mut asked: Asked<'a>, options: &Options<'a>) -> Result<Request, Error> {
    let mut report = begin(&mut asked, options)?;
    let model = asked.model(options)?.decode().into_owned();
    let name = format!("models/{model}");
    // It stands in the request once for each text, so it must not be longer than the names that there are.
    if name.len() > NAME_BYTES {
        return Err(Error::invalid("model", "the name is too long"));
    }
    let task = ["taskType", "task_type"].into_iter().find_map(|name| asked.rest.take(name));
    if task.is_some_and(|task| !raw::is_string(task) || task.get().len() > NAME_BYTES) {
        return Err(Error::invalid("taskType", "the name of a task is expected"));
    }
    for (name, value) in std::mem::take(&mut asked.rest).into_fields() {
        if value.get() != "null" {
            report.unsupported(name, "Gemini has no place for it beside a list of texts")?;
        }
    }
    let mut one = br#"{"model":"#.to_vec();
    raw::write_string(&mut one, &name);
    one.extend_from_slice(br#","content":{"parts":[{"text":"#);
    let mut end = b"}]}".to_vec();
    for (name, value) in [("taskType", task), ("outputDimensionality", asked.dimensions)] {
        if let Some(value) = value {
            write_next(&mut end, name, value.get());
        }
    }
    end.push(b'}');
    let mut body = br#"{"requests":"#.to_vec();
    raw::write_list(&mut body, &asked.texts, |out, text| {
        out.extend_from_slice(&one);
        raw::write_raw(out, text);
        out.extend_from_slice(&end);
    });
    body.push(b'}');
    Ok(finish(&asked, report, body))
}

/// `POST /v2/embed`.
pub(super) fn cohere<'a>(mut asked: Asked<'a>, options: &Options<'a>) -> Result<Request, Error> {
    let report = begin(&mut asked, options)?;
    let model = asked.model(options)?;
    let mut body = br#"{"model":"#.to_vec();
    model.write(&mut body);
    body.push(b',');
    cohere_fields(&mut body, &mut asked);
    body.push(b'}');
    Ok(finish(&asked, report, body))
}

/// What Cohere's models take, whoever serves them.
fn cohere_fields(body: &mut Vec<u8>, asked: &mut Asked<'_>) {
    body.extend_from_slice(br#""texts":"#);
    raw::write_list(body, &asked.texts, |out, text| raw::write_raw(out, text));
    let input_type = asked.rest.take("input_type").map_or(INPUT_TYPE, RawValue::get);
    write_next(body, "input_type", input_type);
    write_next(body, "embedding_types", r#"["float"]"#);
    if let Some(dimensions) = asked.dimensions {
        write_next(body, "output_dimension", dimensions.get());
        asked.rest.remove(&["output_dimension"]);
    }
    asked.rest.remove(&["texts"]);
    asked.rest.write_rest(body);
}

/// `POST /model/{model}/invoke`, where each vendor's models have a form of their own.
pub(super) fn bedrock<'a>(mut asked: Asked<'a>, options: &Options<'a>) -> Result<Request, Error> {
    let mut report = begin(&mut asked, options)?;
    let model = asked.model(options)?;
    let mut body = b"{".to_vec();
    match Family::of(&model) {
        Some(Family::Cohere) => cohere_fields(&mut body, &mut asked),
        Some(Family::Titan { has_dimensions }) => {
            let [text] = asked.texts.as_slice() else {
                return Err(Error::unsupported("input", "Titan embeds one text at a time"));
            };
            body.extend_from_slice(br#""inputText":"#);
            raw::write_raw(&mut body, text);
            asked.rest.remove(&["inputText"]);
            match asked.dimensions {
                Some(dimensions) if has_dimensions => {
                    write_next(&mut body, "dimensions", dimensions.get());
                }
                Some(_) => report.unsupported("dimensions", "the vectors of this model have one length")?,
                None => {}
            }
            asked.rest.write_rest(&mut body);
        }
        None => {
            let reason = "Titan's and Cohere's models are known to embed texts at Bedrock, this one is not";
            return Err(Error::unsupported("model", reason));
        }
    }
    body.push(b'}');
    Ok(finish(&asked, report, body))
}

/// Whose form a model of Bedrock's has.
enum Family {
    Titan { has_dimensions: bool },
    Cohere,
}

impl Family {
    /// By the name, which may have a region before it or stand in an ARN.
    fn of(model: &Text<'_>) -> Option<Self> {
        let model = model.decode();
        if model.contains("cohere.embed") {
            Some(Self::Cohere)
        } else if model.contains("amazon.titan-embed") {
            Some(Self::Titan { has_dimensions: model.contains("titan-embed-text-v2") })
        } else {
            None
        }
    }
}

/// Sees to the fields that no provider takes.
fn begin(asked: &mut Asked<'_>, options: &Options<'_>) -> Result<Report, Error> {
    let mut report = Report::new(options.unsupported);
    if asked.has_user {
        report.left_out("user");
    }
    for name in OTHER_VECTORS {
        if asked.rest.take(name).is_some_and(|types| types.get() != r#"["float"]"#) {
            report.unsupported(name, "the vectors of OpenAI's answers are floats")?;
        }
    }
    Ok(report)
}

fn finish(asked: &Asked<'_>, report: Report, body: Vec<u8>) -> Request {
    let wanted = Wanted { texts: asked.texts.len(), encoding: asked.encoding };
    Request { body, dropped: report.into_dropped(), wanted }
}

/// Writes a field behind another.
fn write_next(out: &mut Vec<u8>, name: &str, json: &str) {
    out.push(b',');
    raw::write_string(out, name);
    out.push(b':');
    out.extend_from_slice(json.as_bytes());
}
