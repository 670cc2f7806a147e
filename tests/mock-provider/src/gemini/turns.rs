//! The checks of a conversation: its parts, the order of calls and results, the thought signatures.

use serde_json::Value;

use super::{
    broken_rule, field, known, list, parts, signs_thoughts, snake, string, wrong_message, wrong_type,
};

/// What a part may hold, exactly one of them.
const DATA: [&str; 7] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
];

/// What may stand beside it.
const PART: [&str; 12] = [
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "thought",
    "thoughtSignature",
    "videoMetadata",
    "partMetadata",
    "mediaResolution",
];

const CALL_OUT_OF_PLACE: &str = "Please ensure that function call turn comes immediately after a user turn or \
                                 after a function response turn.";
const RESPONSE_OUT_OF_PLACE: &str =
    "Please ensure that function response turn comes immediately after a function call turn.";
const COUNTS_DIFFER: &str = "Please ensure that the number of function response parts is equal to the number of \
                             function call parts of the function call turn.";

/// What a part means for the order of turns.
enum Part<'a> {
    Text,
    Call(&'a str),
    Response(&'a str),
    Other,
}

pub(super) fn check_contents(body: &Value, model: &str) -> Result<(), String> {
    let contents = list(body, "contents", "contents", "Content")?;
    let contents = &one_side_at_a_time(contents);
    if contents.is_empty() {
        return Err(broken_rule("contents", "contents is not specified"));
    }
    // Calls of the content before, all of which this one must answer.
    let mut called: Vec<&str> = Vec::new();
    let mut role_before = "";
    for (index, content) in contents.iter().enumerate() {
        let place = format!("contents[{index}]");
        known(content, &place, "Content", &["parts", "role"])?;
        let role = string(content, "role", &place)?.unwrap_or("user");
        if !["user", "model"].contains(&role) {
            return Err("Please use a valid role: user, model.".to_owned());
        }
        let parts = check_parts(content, &place)?;
        let calls: Vec<_> = parts
            .iter()
            .filter_map(|part| if let Part::Call(name) = part { Some(*name) } else { None })
            .collect();
        let responses: Vec<_> = parts
            .iter()
            .filter_map(|part| if let Part::Response(name) = part { Some(*name) } else { None })
            .collect();
        if !responses.is_empty() && (role != "user" || called.is_empty()) {
            return Err(RESPONSE_OUT_OF_PLACE.to_owned());
        }
        check_answered(called, &responses)?;
        if !calls.is_empty() && (role != "model" || role_before != "user") {
            return Err(CALL_OUT_OF_PLACE.to_owned());
        }
        called = calls;
        role_before = role;
    }
    check_answered(called, &[])?;
    if signs_thoughts(model) { check_signatures(contents) } else { Ok(()) }
}

/// The model's neighbours say one turn: a client that keeps a stream has a content for each of its events.
fn one_side_at_a_time(contents: &[Value]) -> Vec<Value> {
    let mut turns: Vec<Value> = Vec::with_capacity(contents.len());
    for content in contents {
        let is_models = |content: &Value| content.get("role").and_then(Value::as_str) == Some("model");
        let before = turns.last_mut().filter(|before| is_models(before) && is_models(content));
        let parts = before.and_then(|before| before.get_mut("parts")).and_then(Value::as_array_mut);
        match (parts, content.get("parts").and_then(Value::as_array)) {
            (Some(parts), Some(more)) => parts.extend(more.iter().cloned()),
            _ => turns.push(content.clone()),
        }
    }
    turns
}

pub(super) fn check_system(system: &Value) -> Result<(), String> {
    known(system, "system_instruction", "Content", &["parts", "role"])?;
    let parts = check_parts(system, "system_instruction")?;
    if parts.iter().all(|part| matches!(part, Part::Text)) {
        Ok(())
    } else {
        Err(broken_rule("system_instruction.parts", "only text is supported."))
    }
}

fn check_answered(mut called: Vec<&str>, responses: &[&str]) -> Result<(), String> {
    if called.len() != responses.len() {
        return Err(COUNTS_DIFFER.to_owned());
    }
    for name in responses {
        let place = called.iter().position(|call| call == name).ok_or_else(|| {
            format!("Please ensure that the function response `{name}` answers a function call of that name.")
        })?;
        called.remove(place);
    }
    Ok(())
}

/// In the current turn, which begins with the user's last own words, the first call of every model
/// content must be signed. Reference: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
fn check_signatures(contents: &[Value]) -> Result<(), String> {
    let is_words = |content: &Value| {
        field(content, "role").is_none_or(|role| role == "user")
            && !parts(content).iter().any(|part| field(part, "functionResponse").is_some())
    };
    let start = contents.iter().rposition(is_words).unwrap_or(0);
    for (index, content) in contents.iter().enumerate().skip(start) {
        let first_call = parts(content).iter().find(|part| field(part, "functionCall").is_some());
        let unsigned = first_call
            .filter(|part| field(part, "thoughtSignature").and_then(Value::as_str).is_none_or(str::is_empty));
        if let Some(part) = unsigned {
            let name = part.pointer("/functionCall/name").and_then(Value::as_str).unwrap_or_default();
            return Err(format!(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools \
                 to work correctly, and missing thought_signature may lead to degraded model performance. \
                 Additional data, function call `default_api:{name}` , position {}. Please refer to \
                 https://ai.google.dev/gemini-api/docs/thought-signatures for more details.",
                index + 1
            ));
        }
    }
    Ok(())
}

fn check_parts<'a>(content: &'a Value, place: &str) -> Result<Vec<Part<'a>>, String> {
    let place = format!("{place}.parts");
    let parts = list(content, "parts", &place, "Part")?;
    if parts.is_empty() {
        return Err(broken_rule(&place, "contents.parts must not be empty."));
    }
    parts.iter().enumerate().map(|(index, part)| check_part(part, &format!("{place}[{index}]"))).collect()
}

fn check_part<'a>(part: &'a Value, place: &str) -> Result<Part<'a>, String> {
    known(part, place, "Part", &PART)?;
    if let Some(thought) = field(part, "thought").filter(|thought| !thought.is_boolean()) {
        return Err(wrong_type(&format!("{place}.thought"), "TYPE_BOOL", thought));
    }
    check_bytes(part, "thoughtSignature", place)?;
    let mut given = DATA.iter().filter(|name| field(part, name).is_some());
    let Some(name) = given.next() else {
        let rule = "required oneof field 'data' must have one initialized field";
        return Err(broken_rule(&format!("{place}.data"), rule));
    };
    if let Some(second) = given.next() {
        return Err(format!(
            "Invalid value at '{place}' (oneof), oneof field 'data' is already set. Cannot set '{second}'"
        ));
    }
    let data = field(part, name).unwrap_or(&Value::Null);
    let inner = format!("{place}.{}", snake(name));
    match *name {
        "text" => string(part, "text", place).map(|_| Part::Text),
        "inlineData" => {
            known(data, &inner, "Blob", &["mimeType", "data"])?;
            check_bytes(data, "data", &inner)?;
            for name in ["mimeType", "data"] {
                required(data, name, &inner)?;
            }
            Ok(Part::Other)
        }
        "fileData" => {
            known(data, &inner, "FileData", &["mimeType", "fileUri"])?;
            required(data, "fileUri", &inner)?;
            Ok(Part::Other)
        }
        "functionCall" => {
            known(data, &inner, "FunctionCall", &["id", "name", "args"])?;
            check_struct(data, "args", &inner)?;
            name_of(data, &inner).map(Part::Call)
        }
        "functionResponse" => {
            let names = ["id", "name", "response", "parts", "willContinue", "scheduling"];
            known(data, &inner, "FunctionResponse", &names)?;
            check_struct(data, "response", &inner)?;
            if field(data, "response").is_none() {
                return Err(broken_rule(&format!("{inner}.response"), "response is not specified"));
            }
            name_of(data, &inner).map(Part::Response)
        }
        _ if data.is_object() => Ok(Part::Other),
        _ => Err(wrong_message(&inner, "Part", data)),
    }
}

fn name_of<'a>(data: &'a Value, place: &str) -> Result<&'a str, String> {
    string(data, "id", place)?;
    let name = string(data, "name", place)?.filter(|name| !name.is_empty());
    name.ok_or_else(|| broken_rule(&format!("{place}.name"), "Name cannot be empty."))
}

fn required(data: &Value, name: &str, place: &str) -> Result<(), String> {
    match string(data, name, place)? {
        None | Some("") => {
            let name = snake(name);
            Err(broken_rule(&format!("{place}.{name}"), &format!("{name} is not specified")))
        }
        Some(_) => Ok(()),
    }
}

fn check_struct(data: &Value, name: &str, place: &str) -> Result<(), String> {
    match field(data, name).filter(|value| !value.is_object()) {
        Some(value) => {
            Err(wrong_type(&format!("{place}.{name}"), "type.googleapis.com/google.protobuf.Struct", value))
        }
        None => Ok(()),
    }
}

/// Bytes are base64, in either alphabet.
fn check_bytes(data: &Value, name: &str, place: &str) -> Result<(), String> {
    let Some(value) = field(data, name) else { return Ok(()) };
    let is_base64 = |text: &str| {
        let digits = text.trim_end_matches('=');
        digits.len() % 4 != 1 && digits.chars().all(|c| c.is_ascii_alphanumeric() || "+/-_".contains(c))
    };
    match value.as_str() {
        Some(text) if is_base64(text) => Ok(()),
        _ => Err(format!(
            "Invalid value at '{place}.{}' (TYPE_BYTES), Base64 decoding failed for {value}",
            snake(name)
        )),
    }
}
