//! The checks that Gemini makes of a request: all but the conversation itself.

use serde_json::Value;

use super::schema::check_schema;
use super::turns::{check_contents, check_system};
use super::{
    broken_rule, declarations, field, known, list, signs_thoughts, snake, string, wrong_message, wrong_type,
};

const FIELDS: [&str; 10] = [
    "model",
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "safetySettings",
    "generationConfig",
    "cachedContent",
    "serviceTier",
    "store",
];

const CONFIG: [&str; 21] = [
    "candidateCount",
    "stopSequences",
    "maxOutputTokens",
    "temperature",
    "topP",
    "topK",
    "seed",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "_responseJsonSchema",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "enableEnhancedCivicAnswers",
    "responseModalities",
    "speechConfig",
    "thinkingConfig",
    "imageConfig",
    "mediaResolution",
];

const TOOLS: [&str; 9] = [
    "functionDeclarations",
    "googleSearchRetrieval",
    "codeExecution",
    "googleSearch",
    "computerUse",
    "urlContext",
    "fileSearch",
    "mcpServers",
    "googleMaps",
];

const FUNCTION: [&str; 7] = [
    "name",
    "description",
    "behavior",
    "parameters",
    "parametersJsonSchema",
    "response",
    "responseJsonSchema",
];

const MIME_TYPES: [&str; 5] =
    ["text/plain", "application/json", "application/xml", "application/yaml", "text/x.enum"];

/// The first fault that Gemini would name, if there is one.
pub(crate) fn check_generate(body: &Value, model: &str) -> Result<(), String> {
    if !body.is_object() {
        return Err("Invalid JSON payload received. Expected an object.".to_owned());
    }
    known(body, "", "GenerateContentRequest", &FIELDS)?;
    if let Some(config) = field(body, "generationConfig") {
        check_config(config, model)?;
    }
    check_tools(body)?;
    check_calling(body)?;
    for (index, setting) in
        list(body, "safetySettings", "safety_settings", "SafetySetting")?.iter().enumerate()
    {
        known(setting, &format!("safety_settings[{index}]"), "SafetySetting", &["category", "threshold"])?;
    }
    let wants_json =
        body.pointer("/generationConfig/responseMimeType").is_some_and(|kind| kind != "text/plain");
    if wants_json && declarations(body).next().is_some() && !signs_thoughts(model) {
        return Err(
            "Function calling with a response mime type: 'application/json' is unsupported".to_owned()
        );
    }
    if let Some(system) = field(body, "systemInstruction") {
        check_system(system)?;
    }
    check_contents(body, model)
}

/// As [`check_generate`], for the counting of tokens.
pub(crate) fn check_count(body: &Value, model: &str) -> Result<(), String> {
    if !body.is_object() {
        return Err("Invalid JSON payload received. Expected an object.".to_owned());
    }
    known(body, "", "CountTokensRequest", &["model", "contents", "generateContentRequest"])?;
    match field(body, "generateContentRequest") {
        None => check_contents(body, model),
        Some(_) if field(body, "contents").is_some() => {
            Err("Only one of contents and generate_content_request can be set.".to_owned())
        }
        Some(request) if field(request, "model").is_none() => {
            Err("* CountTokensRequest.generate_content_request.model: model is not specified\n".to_owned())
        }
        Some(request) => check_generate(request, model),
    }
}

/// The request whose tokens are to be counted.
pub(crate) fn counted(body: &Value) -> &Value {
    field(body, "generateContentRequest").unwrap_or(body)
}

fn check_config(config: &Value, model: &str) -> Result<(), String> {
    let place = "generation_config";
    known(config, place, "GenerationConfig", &CONFIG)?;
    let rule = |name: &str, rule: &str| Err(broken_rule(&format!("{place}.{}", snake(name)), rule));
    for (name, limit) in [("temperature", 2.0), ("topP", 1.0)] {
        if float(config, name)?.is_some_and(|value| !(0.0..=limit).contains(&value)) {
            return rule(name, &format!("{} must be in the range [0.0, {limit:.1}].", snake(name)));
        }
    }
    for name in ["presencePenalty", "frequencyPenalty"] {
        float(config, name)?;
    }
    for name in ["maxOutputTokens", "topK"] {
        if integer(config, name, place)?.is_some_and(|value| value < 1) {
            return rule(name, &format!("{} must be positive.", snake(name)));
        }
    }
    integer(config, "seed", place)?;
    if integer(config, "candidateCount", place)?.is_some_and(|value| !(1..=8).contains(&value)) {
        return rule("candidateCount", "candidate_count must be in the range [1, 8].");
    }
    let stops = match field(config, "stopSequences") {
        None => &[],
        Some(Value::Array(stops)) => stops.as_slice(),
        Some(other) => return Err(wrong_type("generation_config.stop_sequences", "TYPE_STRING", other)),
    };
    if let Some((index, stop)) = stops.iter().enumerate().find(|(_, stop)| !stop.is_string()) {
        return Err(wrong_type(&format!("generation_config.stop_sequences[{index}]"), "TYPE_STRING", stop));
    }
    if stops.len() > 5 {
        return rule("stopSequences", "the number of stop sequences must be at most 5.");
    }
    if integer(config, "logprobs", place)?.is_some()
        && config.get("responseLogprobs") != Some(&Value::Bool(true))
    {
        return rule("logprobs", "logprobs can only be set if response_logprobs is true.");
    }
    check_format(config)?;
    match field(config, "thinkingConfig") {
        Some(thinking) => check_thinking(thinking, model),
        None => Ok(()),
    }
}

fn check_format(config: &Value) -> Result<(), String> {
    let place = "generation_config.response_mime_type";
    let kind = string(config, "responseMimeType", "generation_config")?.unwrap_or("text/plain");
    if !MIME_TYPES.contains(&kind) {
        let rule = "allowed mimetypes are `text/plain`, `application/json`, `application/xml`, \
                    `application/yaml` and `text/x.enum`.";
        return Err(broken_rule(place, rule));
    }
    let names = ["responseSchema", "responseJsonSchema", "_responseJsonSchema"];
    let mut given = names.iter().filter(|name| field(config, name).is_some());
    let Some(first) = given.next() else { return Ok(()) };
    if given.next().is_some() {
        let rule = "only one of response_schema and response_json_schema can be set.";
        return Err(broken_rule("generation_config", rule));
    }
    if kind == "text/plain" {
        let place = format!("generation_config.{}", snake(first));
        return Err(broken_rule(&place, "only allowed with response_mime_type `application/json`."));
    }
    match field(config, "responseSchema") {
        Some(schema) => {
            check_schema(schema, "generation_config.response_schema", "generation_config.response_schema")
        }
        None => Ok(()),
    }
}

fn check_thinking(thinking: &Value, model: &str) -> Result<(), String> {
    let place = "generation_config.thinking_config";
    known(thinking, place, "ThinkingConfig", &["includeThoughts", "thinkingBudget", "thinkingLevel"])?;
    if let Some(include) = field(thinking, "includeThoughts").filter(|include| !include.is_boolean()) {
        return Err(wrong_type(&format!("{place}.include_thoughts"), "TYPE_BOOL", include));
    }
    let budget = integer(thinking, "thinkingBudget", place)?;
    if let Some(level) = string(thinking, "thinkingLevel", place)? {
        if !["MINIMAL", "LOW", "MEDIUM", "HIGH"].contains(&level.to_ascii_uppercase().as_str()) {
            return Err(wrong_message(
                &format!("{place}.thinking_level"),
                "ThinkingConfig.ThinkingLevel",
                &Value::from(level),
            ));
        }
        if budget.is_some() {
            return Err("You can only set only one of thinking budget and thinking level.".to_owned());
        }
        if !signs_thoughts(model) {
            return Err("Thinking level is not supported for this model.".to_owned());
        }
    }
    // -1 leaves the budget to the model; flash models take 0 for no thinking at all.
    let (least, most, can_rest) = if model.starts_with("gemini-2.5-pro") {
        (128, 32_768, false)
    } else if model.starts_with("gemini-2.5-flash-lite") {
        (512, 24_576, true)
    } else if model.starts_with("gemini-2.5-flash") {
        (0, 24_576, true)
    } else {
        (0, 32_768, true)
    };
    match budget {
        None | Some(-1) => Ok(()),
        Some(0) if can_rest => Ok(()),
        Some(0) => Err("Budget 0 is invalid. This model only works in thinking mode.".to_owned()),
        Some(budget) if (least..=most).contains(&budget) => Ok(()),
        Some(budget) => Err(format!(
            "The thinking budget {budget} is invalid. Please choose a value between {least} and {most}."
        )),
    }
}

fn check_tools(body: &Value) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    for (index, tool) in list(body, "tools", "tools", "Tool")?.iter().enumerate() {
        let place = format!("tools[{index}]");
        known(tool, &place, "Tool", &TOOLS)?;
        let place = format!("{place}.function_declarations");
        let functions = list(tool, "functionDeclarations", &place, "FunctionDeclaration")?;
        for (index, function) in functions.iter().enumerate() {
            let place = format!("{place}[{index}]");
            known(function, &place, "FunctionDeclaration", &FUNCTION)?;
            let name = string(function, "name", &place)?.unwrap_or_default();
            check_name(name, &place)?;
            if seen.contains(&name) {
                return Err(format!("Duplicate function declaration found: {name}"));
            }
            seen.push(name);
            string(function, "description", &place)?;
            let parameters = field(function, "parameters");
            if parameters.is_some() && field(function, "parametersJsonSchema").is_some() {
                return Err(broken_rule(
                    &place,
                    "only one of parameters and parameters_json_schema can be set.",
                ));
            }
            for name in ["parameters", "response"] {
                if let Some(schema) = field(function, name) {
                    let place = format!("{place}.{name}");
                    check_schema(schema, &place, &place)?;
                }
            }
            if parameters.and_then(|schema| schema.get("type")).is_some_and(|kind| !is_object_type(kind)) {
                return Err(broken_rule(&format!("{place}.parameters"), "schema must be of OBJECT type"));
            }
        }
    }
    Ok(())
}

fn is_object_type(kind: &Value) -> bool {
    kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("OBJECT"))
}

fn check_name(name: &str, place: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && name.len() <= 64 && name.chars().all(good) {
        return Ok(());
    }
    let rule = "[FIELD_INVALID] Invalid function name. Must start with a letter or an underscore. Must be \
                alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a \
                maximum length of 64.";
    Err(broken_rule(&format!("{place}.name"), rule))
}

fn check_calling(body: &Value) -> Result<(), String> {
    let Some(config) = field(body, "toolConfig") else { return Ok(()) };
    let names = ["functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"];
    known(config, "tool_config", "ToolConfig", &names)?;
    let Some(calling) = field(config, "functionCallingConfig") else { return Ok(()) };
    let place = "tool_config.function_calling_config";
    known(calling, place, "FunctionCallingConfig", &["mode", "allowedFunctionNames"])?;
    let mode = match field(calling, "mode") {
        None => "AUTO",
        Some(mode) => mode
            .as_str()
            .filter(|mode| ["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"].contains(mode))
            .ok_or_else(|| wrong_message(&format!("{place}.mode"), "FunctionCallingConfig.Mode", mode))?,
    };
    if mode != "NONE" && declarations(body).next().is_none() {
        return Err("Function calling config is set without function_declarations.".to_owned());
    }
    let place = format!("{place}.allowed_function_names");
    let allowed = match field(calling, "allowedFunctionNames") {
        None => &[],
        Some(Value::Array(names)) => names.as_slice(),
        Some(other) => return Err(wrong_type(&place, "TYPE_STRING", other)),
    };
    if !allowed.is_empty() && !["ANY", "VALIDATED"].contains(&mode) {
        return Err(broken_rule(&place, "allowed_function_names should only be set when the mode is ANY."));
    }
    let is_declared = |name: &&Value| declarations(body).any(|function| function.get("name") == Some(*name));
    match allowed.iter().find(|name| !is_declared(name)) {
        Some(name) => Err(broken_rule(&place, &format!("{name} is not declared."))),
        None => Ok(()),
    }
}

fn float(config: &Value, name: &str) -> Result<Option<f64>, String> {
    let Some(value) = field(config, name) else { return Ok(None) };
    let place = || format!("generation_config.{}", snake(name));
    value.as_f64().map(Some).ok_or_else(|| wrong_type(&place(), "TYPE_FLOAT", value))
}

/// Integers have 32 bits.
fn integer(config: &Value, name: &str, place: &str) -> Result<Option<i32>, String> {
    let Some(value) = field(config, name) else { return Ok(None) };
    let number = value.as_i64().and_then(|number| i32::try_from(number).ok());
    number.map(Some).ok_or_else(|| wrong_type(&format!("{place}.{}", snake(name)), "TYPE_INT32", value))
}
