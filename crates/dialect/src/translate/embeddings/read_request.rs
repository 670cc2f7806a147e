//! OpenAI's request.

use super::Encoding;
use crate::translate::neutral::Text;
use crate::translate::raw::{self, Object};
use crate::translate::{Error, Options};
use serde_json::value::RawValue;

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    model: Option<Text<'a>>,
    /// JSON strings.
    pub(super) texts: Vec<&'a RawValue>,
    pub(super) dimensions: Option<&'a RawValue>,
    pub(super) encoding: Encoding,
    pub(super) has_user: bool,
    /// Fields that OpenAI's API does not know.
    pub(super) rest: Object<'a>,
}

impl<'a> Asked<'a> {
    /// The name of the model for the provider.
    pub(super) fn model(&mut self, options: &Options<'a>) -> Result<Text<'a>, Error> {
        options.model(self.model.take())
    }
}

/// Reads a request.
pub(super) fn read(body: &[u8]) -> Result<Asked<'_>, Error> {
    let mut fields = raw::open_body(body)?;
    let text = |name: &'static str, value: Option<&RawValue>| match value {
        Some(value) if !raw::is_string(value) => Err(Error::invalid(name, "a string is expected")),
        _ => Ok(()),
    };
    let model = fields.take("model");
    text("model", model)?;
    let encoding = match fields.take("encoding_format").map(RawValue::get) {
        None | Some("\"float\"") => Encoding::Float,
        Some("\"base64\"") => Encoding::Base64,
        Some(_) => return Err(Error::invalid("encoding_format", "\"float\" or \"base64\" is expected")),
    };
    let dimensions = fields.take("dimensions");
    if dimensions.is_some_and(|wanted| !wanted.get().parse::<u32>().is_ok_and(|wanted| wanted > 0)) {
        return Err(Error::invalid("dimensions", "a number of 1 at least is expected"));
    }
    let texts = texts(fields.take("input"))?;
    let has_user = fields.take("user").is_some();
    let model = model.and_then(Text::read);
    Ok(Asked { model, texts, dimensions, encoding, has_user, rest: fields })
}

fn texts(input: Option<&RawValue>) -> Result<Vec<&RawValue>, Error> {
    let expected = || Error::invalid("input", "a string or a list of strings is expected");
    let input = input.ok_or_else(expected)?;
    if raw::is_string(input) {
        return Ok(vec![input]);
    }
    let list = raw::array(input).filter(|list| !list.is_empty()).ok_or_else(expected)?;
    for (number, item) in list.iter().enumerate() {
        match item.get().bytes().next() {
            Some(b'"') => {}
            Some(b'[' | b'-' | b'0'..=b'9') => {
                return Err(Error::unsupported("input", "numbers of tokens are those of OpenAI's models"));
            }
            _ => return Err(Error::invalid(format!("input[{number}]"), "a string is expected")),
        }
    }
    Ok(list)
}
