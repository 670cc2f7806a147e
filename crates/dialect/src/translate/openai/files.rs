//! Where the bytes of images and documents are.

use crate::translate::neutral::{Source, Text};
use crate::translate::raw;
use std::borrow::Cow;

/// What the ids of files begin with that are kept at OpenAI. Anthropic's begin with `file_`.
pub(in crate::translate) const OWN_FILE: &str = "file-";

/// What a document is called that its client gave no title. The ending says of what kind it is.
pub(in crate::translate) fn document_name(media_type: &str) -> &'static str {
    match media_type {
        "text/plain" => "document.txt",
        "text/csv" => "document.csv",
        "text/html" => "document.html",
        "text/markdown" => "document.md",
        "application/json" => "document.json",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "document.docx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "document.pptx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "document.xlsx",
        _ => "document.pdf",
    }
}

/// The bytes of a data URL, or the URL.
pub(in crate::translate) fn source(url: Text<'_>) -> Source<'_> {
    let Text::Json(value) = url else { return Source::Url(url) };
    match raw::string(value).and_then(data_url) {
        Some((media_type, data)) => {
            Source::Base64 { media_type: Cow::Owned(media_type), data: Text::Plain(data) }
        }
        None => Source::Url(url),
    }
}

/// Takes `data:<media type>;base64,<data>` apart.
fn data_url(url: Cow<'_, str>) -> Option<(String, Cow<'_, str>)> {
    const SCHEME: &str = "data:";
    if !url.get(..SCHEME.len())?.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let comma = url.find(',')?;
    let (start, encoding) = url.get(SCHEME.len()..comma)?.rsplit_once(';')?;
    if !encoding.trim().eq_ignore_ascii_case("base64") {
        return None;
    }
    let media_type = start.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    // A common mistake that OpenAI forgives.
    let media_type = if media_type == "image/jpg" { "image/jpeg".to_owned() } else { media_type };
    let data = match url {
        Cow::Borrowed(url) => Cow::Borrowed(url.get(comma + 1..)?),
        Cow::Owned(url) => Cow::Owned(url.get(comma + 1..)?.to_owned()),
    };
    Some((media_type, data))
}

/// Writes a URL; bytes become one of the scheme `data`.
pub(in crate::translate) fn write_url(source: &Source<'_>, out: &mut Vec<u8>) {
    match source {
        Source::Url(text) | Source::Text(text) | Source::File(text) => text.write(out),
        Source::Base64 { media_type, data } => {
            out.extend_from_slice(b"\"data:");
            Text::from(media_type.as_ref()).write_inside(out);
            out.extend_from_slice(b";base64,");
            data.write_inside(out);
            out.push(b'"');
        }
    }
}

/// Whether the provider can fetch it, or has the bytes in it.
pub(in crate::translate) fn is_web_url(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default();
    url.len() > scheme.len() && ["https", "http", "data"].iter().any(|name| scheme.eq_ignore_ascii_case(name))
}
