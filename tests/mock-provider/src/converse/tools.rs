//! The checks of the tools.

use serde_json::Value;

use super::blocks::check_cache_point;
use super::{check_name, items, known, only, required_text};

pub(super) fn check_tools(config: &Value) -> Result<(), String> {
    known(config, "toolConfig", &["tools", "toolChoice"])?;
    let tools = items(config, "tools", "toolConfig")?;
    if tools.is_empty() {
        return Err("Value at 'toolConfig.tools' failed to satisfy constraint: Member must have length greater than or \
                    equal to 1"
            .to_owned());
    }
    let mut names = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let place = format!("toolConfig.tools.{index}");
        match only(tool, &place, &["toolSpec", "systemTool", "cachePoint"])? {
            ("toolSpec", spec) => names.push(check_spec(spec, &format!("{place}.toolSpec"))?),
            ("cachePoint", point) => check_cache_point(point, &place)?,
            (_, system) => {
                known(system, &format!("{place}.systemTool"), &["name"])?;
                required_text(system, "name", &place)?;
            }
        }
    }
    if let Some((index, name)) =
        names.iter().enumerate().find(|(index, name)| names.iter().take(*index).any(|n| n == *name))
    {
        return Err(format!("The name {name} of toolConfig.tools.{index} is there twice."));
    }
    let Some(choice) = config.get("toolChoice") else { return Ok(()) };
    match only(choice, "toolConfig.toolChoice", &["auto", "any", "tool"])? {
        ("tool", tool) => {
            known(tool, "toolConfig.toolChoice.tool", &["name"])?;
            let name = required_text(tool, "name", "toolConfig.toolChoice.tool")?;
            if names.contains(&name) {
                return Ok(());
            }
            Err(format!("The tool {name} at toolConfig.toolChoice.tool is not among the tools."))
        }
        (kind, empty) => known(empty, &format!("toolConfig.toolChoice.{kind}"), &[]).map(|_| ()),
    }
}

fn check_spec<'a>(spec: &'a Value, place: &str) -> Result<&'a str, String> {
    known(spec, place, &["name", "description", "inputSchema", "strict"])?;
    let name = required_text(spec, "name", place)?;
    check_name(name, &format!("{place}.name"), "_-")?;
    if spec.get("description").is_some() && required_text(spec, "description", place)?.is_empty() {
        return Err(format!(
            "Value at '{place}.description' failed to satisfy constraint: Member must have length greater than or equal to 1"
        ));
    }
    if spec.get("strict").is_some_and(|strict| !strict.is_boolean()) {
        return Err(format!("Expected a boolean at {place}.strict."));
    }
    let schema = spec.get("inputSchema");
    let schema = schema.ok_or_else(|| {
        format!("Value at '{place}.inputSchema' failed to satisfy constraint: Member must not be null")
    })?;
    let (_, json) = only(schema, &format!("{place}.inputSchema"), &["json"])?;
    if json.get("type").is_none_or(|kind| kind != "object") {
        return Err(format!(
            "The value at {place}.inputSchema.json.type must be one of the following: object."
        ));
    }
    Ok(name)
}
