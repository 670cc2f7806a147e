//! The few fields of a form that routing needs.
//!
//! Calls that send a file name their model in `multipart/form-data` ([RFC 7578](https://www.rfc-editor.org/rfc/rfc7578)). Servers read
//! forms differently where the standards leave room, and a form that names one model to us and another to the provider would get
//! around a key's models, its budget and the rules for prompts. So a form is read only if every server must read it as we do; of any
//! other nothing is known.

use crate::head::Edit;
use crate::names::MODEL_BYTES;
use memchr::memmem;
use std::borrow::Cow;
use std::ops::Range;

/// The most parts that a form may have.
const MOST_PARTS: usize = 1000;
/// The longest boundary, as in RFC 2046.
const BOUNDARY_BYTES: usize = 70;
/// The fields that are files.
const FILES: [&str; 6] = ["file", "image", "image[]", "mask", "input_reference", "audio"];
/// The fields that are read here.
const KNOWN: [&str; 4] = ["model", "stream", "n", "user"];

/// Whether the call of this path takes a form that names its model.
pub fn names_model(path: &str) -> bool {
    const CALLS: [&str; 5] =
        ["/audio/transcriptions", "/audio/translations", "/images/edits", "/images/variations", "/videos"];
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    CALLS.iter().any(|call| path.ends_with(call))
}

/// Whether some server may take a body of this content type for a form. Of two content types, which a comma separates, some take the
/// first and some the last.
pub fn may_be_form(content_type: &str) -> bool {
    let content_type = content_type.to_ascii_lowercase();
    content_type.contains("multipart") || content_type.contains(',')
}

/// Whether the call of this path takes a file that is kept as it is.
pub fn takes_file(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.split('/').any(|segment| matches!(segment, "files" | "uploads"))
}

/// The boundary of the form that is sent to this path, by its content type; `None` if it is no form, if its boundary could be taken for
/// another, or if the query has fields, which some servers take before those of the form.
pub fn boundary<'a>(path: &str, content_type: &'a str) -> Option<&'a str> {
    let (kind, parameter) = content_type.split_once(';')?;
    let (name, value) = parameter.trim_ascii().split_once('=')?;
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let boundary = quoted.unwrap_or(value);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'+_.-".contains(&byte);
    // Azure has the version of its API there.
    let is_known = |field: &str| field.is_empty() || field.starts_with("api-version=");
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let is_form = kind.trim_ascii().eq_ignore_ascii_case("multipart/form-data")
        && name.eq_ignore_ascii_case("boundary")
        && query.split(['&', ';']).all(is_known);
    (is_form && (1..=BOUNDARY_BYTES).contains(&boundary.len()) && boundary.bytes().all(is_plain))
        .then_some(boundary)
}

/// What routing needs to know of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// The model asked for.
    pub model: String,
    /// Where its name stands in the body.
    model_span: Range<usize>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// How many answers are asked for.
    pub choices: u64,
    /// The end user that the form names.
    pub end_user: Option<String>,
    /// The size of its files, in bytes.
    pub file_bytes: usize,
}

impl Form {
    /// The edit that puts another model in place of the one in the body.
    pub fn set_model(&self, model: &str) -> Edit {
        Edit { span: self.model_span.clone(), text: model.to_owned() }
    }
}

/// One field of a form.
struct Field<'a> {
    name: &'a str,
    is_file: bool,
    value: &'a [u8],
    /// Where the value stands in the body.
    span: Range<usize>,
}

/// Reads a whole form. `None` if it names no model, or if servers could read it differently.
pub fn read(boundary: &str, body: &[u8]) -> Option<Form> {
    let mut form = Form { choices: 1, ..Form::default() };
    let mut seen = [false; KNOWN.len()];
    for Field { name, is_file, value, span } in fields(boundary, body)? {
        let Some(place) = KNOWN.iter().position(|known| known.eq_ignore_ascii_case(name)) else {
            if is_file {
                form.file_bytes += value.len();
            }
            continue;
        };
        // Of two that have one name some servers take the first and some the last; others do not look at the case of letters.
        if is_file || name != *KNOWN.get(place)? || std::mem::replace(seen.get_mut(place)?, true) {
            return None;
        }
        let value = str::from_utf8(value).ok()?;
        match name {
            "model" => {
                let is_name = (1..=MODEL_BYTES).contains(&value.len())
                    && value.trim_ascii() == value
                    && value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
                form.model = is_name.then(|| value.to_owned())?;
                form.model_span = span;
            }
            "stream" => form.stream = value.eq_ignore_ascii_case("true") || value == "1",
            "n" => form.choices = value.parse().ok().filter(|choices| *choices > 0)?,
            _ => form.end_user = Some(value.to_owned()),
        }
    }
    (!form.model.is_empty()).then_some(form)
}

/// The texts of a form. `None` if servers could read it differently. What is called a file may be read as a text: it is left out only
/// where OpenAI's API has a file.
pub fn texts<'a>(boundary: &str, body: &'a [u8]) -> Option<Vec<Cow<'a, str>>> {
    let is_text = |field: &Field<'_>| !(field.is_file && FILES.contains(&field.name));
    let texts = fields(boundary, body)?.into_iter().filter(is_text);
    Some(texts.map(|field| String::from_utf8_lossy(field.value)).collect())
}

fn fields<'a>(boundary: &str, body: &'a [u8]) -> Option<Vec<Field<'a>>> {
    let fields = parts(boundary, body)?.into_iter().map(|span| {
        let part = body.get(span.clone())?;
        let (head, value) = part.split_at_checked(memmem::find(part, b"\r\n\r\n")?)?;
        let value = value.get(4..)?;
        let Head { name, is_file } = read_head(str::from_utf8(head).ok()?, value.len())?;
        Some(Field { name, is_file, value, span: span.end - value.len()..span.end })
    });
    fields.collect()
}

/// Where the parts stand, heads included. Every server finds the same: each boundary in the body is on a line of its own.
fn parts(boundary: &str, body: &[u8]) -> Option<Vec<Range<usize>>> {
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut start = None;
    let mut is_over = false;
    for at in memmem::find_iter(body, delimiter.as_bytes()) {
        if is_over || parts.len() >= MOST_PARTS {
            return None;
        }
        match start {
            None if at == 0 => {}
            None => return None,
            Some(start) => {
                let end = at.checked_sub(2).filter(|end| *end >= start)?;
                if body.get(end..at)? != b"\r\n" {
                    return None;
                }
                parts.push(start..end);
            }
        }
        let after = at + delimiter.len();
        let rest = body.get(after..)?;
        is_over = matches!(rest, b"--" | b"--\r\n");
        if !is_over && !rest.starts_with(b"\r\n") {
            return None;
        }
        start = Some(after + 2);
    }
    is_over.then_some(parts)
}

/// What the head of a part says.
struct Head<'a> {
    name: &'a str,
    is_file: bool,
}

/// Reads the head of a part whose value has this many bytes.
fn read_head(head: &str, length: usize) -> Option<Head<'_>> {
    let (mut disposition, mut kind) = (None, None);
    for line in head.split("\r\n") {
        let (field, value) = line.split_once(':')?;
        if line.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        let value = value.trim_ascii();
        let is = |name: &str| field.eq_ignore_ascii_case(name);
        if is("content-disposition") && disposition.is_none() {
            disposition = Some(read_disposition(value)?);
        } else if is("content-type") && kind.is_none() {
            kind = Some(value);
        } else if is("content-length") {
            value.parse().ok().filter(|told: &usize| *told == length)?;
        } else if is("content-transfer-encoding") {
            ["binary", "8bit", "7bit"].iter().find(|plain| plain.eq_ignore_ascii_case(value))?;
        } else {
            return None;
        }
    }
    let head = disposition?;
    let kind = kind.unwrap_or("text/plain").to_ascii_lowercase().replace(' ', "");
    // Some servers look for parts within a part.
    let is_file = head.is_file && !kind.starts_with("multipart/") && !kind.starts_with("message/");
    (is_file || matches!(kind.as_str(), "text/plain" | "text/plain;charset=utf-8")).then_some(head)
}

/// Reads `form-data; name="file"; filename="a.wav"`, in this order. No value has a sign in it with which a careless server could begin
/// another parameter.
fn read_disposition(value: &str) -> Option<Head<'_>> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-[]".contains(&byte);
    let is_encoded = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~%'".contains(&byte);
    let rest = value.strip_prefix("form-data;")?.trim_ascii_start().strip_prefix("name=\"")?;
    let (name, rest) = rest.split_once('"')?;
    if name.is_empty() || !name.bytes().all(is_name) || name == "_charset_" {
        return None;
    }
    if rest.is_empty() {
        return Some(Head { name, is_file: false });
    }
    let rest = rest.strip_prefix(';')?.trim_ascii_start().strip_prefix("filename=\"")?;
    let (file, rest) = rest.split_once('"')?;
    // An empty name is no file to some.
    if file.trim_ascii().is_empty() || file.contains(['\\', ';', '=']) {
        return None;
    }
    // The same name in another alphabet.
    let encoded = rest.strip_prefix(';').map(|rest| rest.trim_ascii_start().strip_prefix("filename*="));
    let is_whole = match encoded {
        None => rest.is_empty(),
        Some(encoded) => {
            let encoded = encoded?;
            encoded.to_ascii_lowercase().starts_with("utf-8''") && encoded.bytes().all(is_encoded)
        }
    };
    is_whole.then_some(Head { name, is_file: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = include_str!("../tests/data/form/transcription");

    fn model(body: &str) -> Option<String> {
        read("b1", body.as_bytes()).map(|form| form.model)
    }

    #[test]
    fn a_form_is_read() {
        let form = read("b1", SOUND.as_bytes()).unwrap();
        assert_eq!(
            (form.model.as_str(), form.stream, form.choices, form.file_bytes),
            ("whisper-1", true, 1, 12)
        );
        let Edit { span, text } = form.set_model("the-providers-own");
        let mut edited = SOUND.to_owned();
        edited.replace_range(span, &text);
        assert_eq!(edited, SOUND.replace("whisper-1", "the-providers-own"));
        assert_eq!(model(&SOUND.replace("--b1--\r\n", "--b1--")).as_deref(), Some("whisper-1"));
        assert_eq!(
            model(&SOUND.replace("filename=\"a.wav\"", "filename=\"%22.wav\"; filename*=UTF-8''%22.wav"))
                .as_deref(),
            Some("whisper-1")
        );
    }

    #[test]
    fn boundaries() {
        for (content_type, found) in [
            ("multipart/form-data; boundary=b1", Some("b1")),
            ("Multipart/Form-Data;Boundary=\"b1\"", Some("b1")),
            ("multipart/form-data; boundary=b1; boundary=b2", None),
            ("multipart/form-data; boundary=b1,multipart/form-data; boundary=b2", None),
            ("multipart/form-data; charset=utf-8", None),
            ("multipart/form-data; boundary=", None),
            ("multipart/form-data", None),
            ("multipart/mixed; boundary=b1", None),
            ("multipart/form-data; boundary=b 1", None),
        ] {
            assert_eq!(boundary("/v1/videos", content_type), found, "{content_type}");
        }
        assert_eq!(
            boundary("/v1/videos", &format!("multipart/form-data; boundary={}", "b".repeat(71))),
            None
        );
        for (query, is_read) in
            [("", true), ("api-version=1", true), ("model=a", false), ("api-version=1&m%6fdel=a", false)]
        {
            let found = boundary(&format!("/v1/videos?{query}"), "multipart/form-data; boundary=b1");
            assert_eq!(found.is_some(), is_read, "{query}");
        }
    }

    #[test]
    fn what_servers_read_differently_is_not_read() {
        let second = "--b1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n--b1--";
        for (from, to) in [
            // Two of one name, or nearly.
            ("--b1--", second),
            ("--b1--", &second.replace("model", "Model")),
            ("--b1--", &second.replace("name=\"model\"", "name=\"model\"; filename=\"x\"")),
            // Before the first boundary, after the last, and a boundary that only some see.
            (
                "--b1\r\nContent-Disposition: form-data; name=\"file\"",
                "x\r\n--b1\r\nContent-Disposition: form-data; name=\"file\"",
            ),
            ("--b1--\r\n", "--b1--\r\nx"),
            ("--b1--", &format!("--b1--\r\n{second}")),
            ("\0", "\n--b1\nContent-Disposition: form-data; name=\"model\"\n\ngpt-4o\n"),
            ("\0", "\r\n--b1 \r\n"),
            ("\0", "\r\n--b12\r\n"),
            // The name.
            ("name=\"model\"", "name=model"),
            ("name=\"model\"", "name=\"mo\\del\""),
            ("name=\"model\"", "name=\"model\"; name=\"user\""),
            ("name=\"model\"", "name=\"user\"; name*=utf-8''model"),
            ("name=\"model\"", "name=\"mod%65l\""),
            ("name=\"file\"; filename=\"a.wav\"", "name=\"file\"; filename=\"a\\\"; name=\"model\""),
            ("name=\"stream\"", "name=\"_charset_\""),
            ("name=\"stream\"", "name=\"=?utf-8?q?model?=\""),
            ("name=\"file\"; filename=\"a.wav\"", "filename=\"a.wav\"; name=\"file\""),
            ("filename=\"a.wav\"", "filename=\"\""),
            ("filename=\"a.wav\"", "filename=\" name=model \""),
            ("filename=\"a.wav\"", "filename=\"a; name=model; b\""),
            ("filename=\"a.wav\"", "filename*=utf-8''a.wav"),
            ("filename=\"a.wav\"", "filename=\"a.wav\"; filename*=x name=model"),
            ("audio/wav", "multipart/mixed; boundary=q"),
            ("audio/wav", "message/rfc822"),
            // The head.
            ("name=\"model\"\r\n", "name=\"model\"\n"),
            ("name=\"model\"\r\n", "name=\"model\"\r\n folded\r\n"),
            ("name=\"model\"\r\n", "name=\"model\"\r\nContent-Disposition: form-data; name=\"user\"\r\n"),
            ("name=\"model\"\r\n", "name=\"model\"\r\nContent-Transfer-Encoding: base64\r\n"),
            ("name=\"model\"\r\n", "name=\"model\"\r\nContent-Type: text/plain; charset=utf-16\r\n"),
            ("content-length: 4", "content-length: 5"),
            // The value.
            ("whisper-1", ""),
            ("whisper-1", " whisper-1"),
            ("whisper-1", "whisper-1\r\n"),
            ("whisper-1", "whisper\u{e9}"),
            ("name=\"model\"", "name=\"language\""),
        ] {
            let changed = SOUND.replacen(from, to, 1);
            assert_ne!(changed, SOUND, "{from}");
            assert_eq!(model(&changed), None, "{changed}");
        }
    }

    #[test]
    fn a_cut_form_is_not_read() {
        for length in 0..SOUND.len() - 2 {
            assert_eq!(model(&SOUND[..length]), None, "{length}");
        }
    }

    proptest::proptest! {
        /// Wherever a boundary turns up in a form, it is read with its own model or not at all.
        #[test]
        fn a_boundary_anywhere(at in 0..SOUND.len(), extra in "(\r\n)?(--b1)(--)?(\r\n)?[a-z]{0,3}") {
            if SOUND.is_char_boundary(at) {
                let mut changed = SOUND.to_owned();
                changed.insert_str(at, &extra);
                proptest::prop_assert!(model(&changed).is_none_or(|model| model == "whisper-1"));
            }
        }

        #[test]
        fn any_bytes(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = read("b1", &body);
            let _ = texts("b1", &body);
        }
    }
}
