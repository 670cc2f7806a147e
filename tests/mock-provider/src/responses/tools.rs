//! The checks of the tools.

use serde_json::Value;

use super::{check_name, check_strict, given, known, missing, required_text, wrong_type, wrong_value};

/// Tools that OpenAI runs itself, or that have forms of their own.
const HOSTED: [&str; 15] = [
    "file_search",
    "computer",
    "computer_use_preview",
    "web_search",
    "web_search_2025_08_26",
    "web_search_preview",
    "mcp",
    "code_interpreter",
    "image_generation",
    "local_shell",
    "shell",
    "custom",
    "namespace",
    "tool_search",
    "apply_patch",
];

const FUNCTION: [&str; 8] = [
    "type",
    "name",
    "description",
    "parameters",
    "strict",
    "allowed_callers",
    "defer_loading",
    "output_schema",
];

pub(super) fn check_tools(body: &Value) -> Result<(), String> {
    let tools = match given(body, "tools") {
        None => &[],
        Some(tools) => tools.as_array().ok_or_else(|| wrong_type("tools", "an array"))?.as_slice(),
    };
    for (index, tool) in tools.iter().enumerate() {
        check_tool(tool, &format!("tools[{index}]"))?;
    }
    match given(body, "tool_choice") {
        None => Ok(()),
        Some(Value::String(choice)) => match choice.as_str() {
            "none" | "auto" => Ok(()),
            "required" if !tools.is_empty() => Ok(()),
            "required" => Err("Tool choice 'required' must be specified with 'tools' parameter.".to_owned()),
            _ => Err(format!(
                "Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
            )),
        },
        Some(choice) => check_choice(choice, tools),
    }
}

fn check_tool(tool: &Value, place: &str) -> Result<(), String> {
    let kind = required_text(tool, "type", place)?;
    if HOSTED.contains(&kind) {
        return Ok(());
    }
    if kind != "function" {
        return Err(wrong_value(&format!("{place}.type"), &Value::from(kind), &HOSTED));
    }
    let name = required_text(tool, "name", place)?;
    known(tool, place, &FUNCTION)?;
    check_name(name, &format!("{place}.name"))?;
    if given(tool, "description").is_some_and(|description| !description.is_string()) {
        return Err(wrong_type(&format!("{place}.description"), "a string"));
    }
    let parameters = given(tool, "parameters");
    if parameters.is_some_and(|parameters| !parameters.is_object()) {
        return Err(wrong_type(&format!("{place}.parameters"), "an object"));
    }
    match given(tool, "strict") {
        Some(Value::Bool(true)) => match parameters {
            Some(schema) => check_strict(schema, name),
            None => Err(missing(&format!("{place}.parameters"))),
        },
        None | Some(Value::Bool(false)) => Ok(()),
        Some(_) => Err(wrong_type(&format!("{place}.strict"), "a boolean")),
    }
}

fn check_choice(choice: &Value, tools: &[Value]) -> Result<(), String> {
    let has = |name: &str| tools.iter().any(|tool| tool.get("name").is_some_and(|known| known == name));
    let not_found = |name: &str| format!("Tool choice '{name}' not found in 'tools' parameter.");
    match required_text(choice, "type", "tool_choice")? {
        "function" => {
            known(choice, "tool_choice", &["type", "name"])?;
            let name = required_text(choice, "name", "tool_choice")?;
            if has(name) { Ok(()) } else { Err(not_found(name)) }
        }
        "allowed_tools" => {
            known(choice, "tool_choice", &["type", "mode", "tools"])?;
            let mode = required_text(choice, "mode", "tool_choice")?;
            if !["auto", "required"].contains(&mode) {
                return Err(wrong_value("tool_choice.mode", &Value::from(mode), &["auto", "required"]));
            }
            let allowed = choice.get("tools").and_then(Value::as_array).filter(|allowed| !allowed.is_empty());
            for tool in allowed.ok_or_else(|| missing("tool_choice.tools"))? {
                let name = tool.get("name").and_then(Value::as_str);
                if let Some(name) = name.filter(|name| !has(name)) {
                    return Err(not_found(name));
                }
            }
            Ok(())
        }
        kind if HOSTED.contains(&kind) => Ok(()),
        kind => Err(not_found(kind)),
    }
}
