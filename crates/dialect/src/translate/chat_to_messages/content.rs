//! One part of a message's content.

use crate::translate::raw::{self, Object};
use crate::translate::{Error, Report};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// Where a part stands, to be named in errors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) message: usize,
    pub(super) part: usize,
}

impl Place {
    fn field(self, name: &str) -> String {
        format!("{self}.{name}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages[{}].content[{}]", self.message, self.part)
    }
}

/// A content block to be written.
#[derive(Debug)]
pub(super) enum Block<'a> {
    Text {
        text: &'a RawValue,
        rest: Object<'a>,
    },
    Source {
        kind: &'static str,
        source: Source<'a>,
        title: Option<&'a RawValue>,
        rest: Object<'a>,
    },
    /// One that is Anthropic's already.
    Verbatim(&'a RawValue),
}

/// Where the bytes of an image or a document are.
#[derive(Debug)]
pub(super) enum Source<'a> {
    Base64(DataUrl<'a>),
    Url(&'a RawValue),
}

impl<'a> Block<'a> {
    /// Reads a part. `None`: there is nothing to send, since the provider refuses empty text, or since the part
    /// cannot be carried and the policy drops it.
    pub(super) fn read(part: &'a RawValue, place: Place, report: &mut Report) -> Result<Option<Self>, Error> {
        let Some(mut object) = Object::open(part) else {
            return Err(Error::invalid(place.to_string(), "an object is expected"));
        };
        let Some(kind) = object.get("type").and_then(raw::string) else {
            return Err(Error::invalid(place.field("type"), "a string is expected"));
        };
        match kind.as_ref() {
            "text" | "refusal" => {
                object.take("type");
                let Some(text) = object.take(&kind).filter(|text| raw::is_string(text)) else {
                    return Err(Error::invalid(place.field(&kind), "a string is expected"));
                };
                object.remove(&["text"]);
                Ok(Self::text(text, object))
            }
            "image_url" => image(object, place, report),
            "file" => file(object, place, report),
            "input_audio" => {
                report.unsupported(place.field("input_audio"), "its API takes no audio")?;
                Ok(None)
            }
            _ => Ok(Some(Self::Verbatim(part))),
        }
    }

    /// A text block, unless the text is blank.
    pub(super) fn text(text: &'a RawValue, rest: Object<'a>) -> Option<Self> {
        if is_blank(text) { None } else { Some(Self::Text { text, rest }) }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text { text, rest } => {
                out.extend_from_slice(br#"{"type":"text","text":"#);
                raw::write_raw(out, text);
                rest.write_rest(out);
                out.push(b'}');
            }
            Self::Source { kind, source, title, rest } => {
                out.push(b'{');
                raw::write_field(out, "type", kind);
                out.extend_from_slice(br#","source":{"#);
                source.write(out);
                out.push(b'}');
                if let Some(title) = title {
                    out.extend_from_slice(br#","title":"#);
                    raw::write_raw(out, title);
                }
                rest.write_rest(out);
                out.push(b'}');
            }
            Self::Verbatim(block) => raw::write_raw(out, block),
        }
    }
}

impl Source<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Base64(url) => {
                out.extend_from_slice(br#""type":"base64","#);
                raw::write_field(out, "media_type", &url.media_type);
                out.push(b',');
                raw::write_field(out, "data", url.data());
            }
            Self::Url(url) => {
                out.extend_from_slice(br#""type":"url","url":"#);
                raw::write_raw(out, url);
            }
        }
    }
}

fn image<'a>(mut part: Object<'a>, place: Place, report: &mut Report) -> Result<Option<Block<'a>>, Error> {
    part.remove(&["type", "source"]);
    let path = || place.field("image_url.url");
    let mut image = part.take("image_url").and_then(Object::open).unwrap_or_default();
    let Some((url_value, url)) = image.take("url").and_then(|value| Some((value, raw::string(value)?)))
    else {
        return Err(Error::invalid(path(), "a string is expected"));
    };
    // The provider chooses the resolution itself.
    if image.take("detail").and_then(raw::string).is_some_and(|detail| detail != "auto") {
        report.left_out(place.field("image_url.detail"));
    }
    let source = if has_scheme(&url, "https:") || has_scheme(&url, "http:") {
        Source::Url(url_value)
    } else if let Some(data) = DataUrl::parse(url) {
        Source::Base64(data)
    } else {
        report.unsupported(path(), "only http(s) URLs and base64 data URLs are")?;
        return Ok(None);
    };
    Ok(Some(Block::Source { kind: "image", source, title: None, rest: part }))
}

fn file<'a>(mut part: Object<'a>, place: Place, report: &mut Report) -> Result<Option<Block<'a>>, Error> {
    part.remove(&["type", "source", "title"]);
    let mut file = part.take("file").and_then(Object::open).unwrap_or_default();
    let title = file.take("filename").filter(|title| raw::is_string(title));
    let Some(data) = file.take("file_data").and_then(raw::string) else {
        let (path, reason) = match file.take("file_id") {
            Some(_) => (place.field("file.file_id"), "it is the id of a file kept at OpenAI"),
            None => return Err(Error::invalid(place.field("file.file_data"), "a string is expected")),
        };
        report.unsupported(path, reason)?;
        return Ok(None);
    };
    match DataUrl::parse(data) {
        Some(url) if url.media_type == "application/pdf" => {
            Ok(Some(Block::Source { kind: "document", source: Source::Base64(url), title, rest: part }))
        }
        _ => {
            report.unsupported(place.field("file.file_data"), "only a PDF in a base64 data URL is")?;
            Ok(None)
        }
    }
}

fn has_scheme(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// `data:<media type>;base64,<data>`.
#[derive(Debug)]
pub(super) struct DataUrl<'a> {
    media_type: String,
    url: Cow<'a, str>,
    data_at: usize,
}

impl<'a> DataUrl<'a> {
    fn parse(url: Cow<'a, str>) -> Option<Self> {
        if !has_scheme(&url, "data:") {
            return None;
        }
        let comma = url.find(',')?;
        let header = url.get("data:".len()..comma)?;
        let (start, encoding) = header.rsplit_once(';')?;
        if !encoding.trim().eq_ignore_ascii_case("base64") {
            return None;
        }
        let media_type = start.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // A common mistake that OpenAI forgives.
        let media_type = if media_type == "image/jpg" { "image/jpeg".to_owned() } else { media_type };
        Some(Self { media_type, url, data_at: comma + 1 })
    }

    fn data(&self) -> &str {
        self.url.get(self.data_at..).unwrap_or_default()
    }
}

/// Whether a JSON string holds nothing but white space.
pub(super) fn is_blank(text: &RawValue) -> bool {
    let inner = text.get().trim_matches('"');
    let mut bytes = inner.bytes();
    while let Some(byte) = bytes.next() {
        let is_white = match byte {
            b' ' => true,
            b'\\' => matches!(bytes.next(), Some(b'n' | b'r' | b't')),
            _ => false,
        };
        if !is_white {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_taken_apart() {
        let read = |url: &'static str| {
            DataUrl::parse(Cow::Borrowed(url)).map(|url| (url.media_type.clone(), url.data().to_owned()))
        };
        let of = |media_type: &str, data: &str| Some((media_type.to_owned(), data.to_owned()));
        assert_eq!(read("data:image/png;base64,AA=="), of("image/png", "AA=="));
        assert_eq!(read("DATA:image/JPG;name=a.jpg;Base64,AA=="), of("image/jpeg", "AA=="));
        assert_eq!(read("data:image/svg+xml,<svg/>"), None);
        assert_eq!(read("data:image/png;base64"), None);
        assert_eq!(read("image/png;base64,AA=="), None);
    }

    #[test]
    fn blank_text_is_recognised_in_its_escaped_form() {
        let is = |json: &str| is_blank(serde_json::from_str(json).unwrap());
        assert!(is(r#""""#) && is(r#""  \n\t\r ""#));
        assert!(!is(r#""\"""#) && !is(r#"" a ""#) && !is(r#""\\n""#) && !is(r#""\u00e9""#));
    }
}
