//! Parts that are files: their bytes, or where Gemini fetches them. Their closing brace is left to the caller.

use crate::translate::neutral::Text;
use crate::translate::raw;

/// What the extension of a URL says of the kind of a file.
const MEDIA_TYPES: [(&str, &str); 8] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
];

/// Where files are whose kind Gemini knows by itself: those that were given to it, and videos.
const KNOWN_PLACES: [&str; 4] = [
    "https://generativelanguage.googleapis.com/",
    "https://www.youtube.com/",
    "https://youtube.com/",
    "https://youtu.be/",
];

/// A file by its bytes.
pub(super) fn inline_data(media_type: &str, data: &Text<'_>) -> Vec<u8> {
    let mut part = br#"{"inlineData":{"#.to_vec();
    raw::write_field(&mut part, "mimeType", media_type);
    part.extend_from_slice(br#","data":"#);
    data.write(&mut part);
    part.push(b'}');
    part
}

/// A file that Gemini is to fetch. It wants to be told of what kind it is, which nobody knows but by its name.
pub(super) fn file_data(url: &Text<'_>) -> Result<Vec<u8>, &'static str> {
    let text = url.decode();
    let (scheme, place) = text.split_once("://").unwrap_or_default();
    if !["https", "http", "gs"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err("only http(s) and gs URLs are");
    }
    let path = place.split(['?', '#']).next().and_then(|place| place.split_once('/')).unwrap_or_default().1;
    let extension = path.rsplit('/').next().and_then(|file| file.rsplit_once('.')).unwrap_or_default().1;
    let kind = MEDIA_TYPES.iter().find(|(name, _)| extension.eq_ignore_ascii_case(name));
    let is_known = KNOWN_PLACES.iter().any(|place| text.starts_with(place));
    if kind.is_none() && !is_known {
        return Err("its kind has to be told, and its URL does not end as that of a picture or a PDF");
    }
    let mut part = br#"{"fileData":{"#.to_vec();
    if let Some((_, media_type)) = kind {
        raw::write_field(&mut part, "mimeType", media_type);
        part.push(b',');
    }
    part.extend_from_slice(br#""fileUri":"#);
    url.write(&mut part);
    part.push(b'}');
    Ok(part)
}
