//! What each provider's API is given of what a client can ask for: a table in `docs/`, made of what the translations do.

mod chat;
mod converse;
mod gemini;
mod messages;
mod responses;

use crate::support::options;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::{self, Kind, Options, Unsupported};

const PNG: &str = "iVBORw0KGgo=";

/// The dialects of providers, each with the title of its column and a model of its own.
const PROVIDERS: [(Dialect, &str, &str); 8] = [
    (Dialect::OpenAi, "OpenAI chat", "gpt-5.1"),
    (Dialect::Responses, "OpenAI responses", "gpt-5.1"),
    (Dialect::Anthropic, "Anthropic", "claude-sonnet-4-5"),
    (Dialect::Gemini, "Gemini", "gemini-2.5-flash"),
    (Dialect::Converse, "Amazon Converse, a Claude", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (Dialect::Cohere, "Cohere", "command-a-reasoning-08-2025"),
    (Dialect::Invoke, "Anthropic at Bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (Dialect::RawPredict, "Anthropic at Vertex AI", "claude-sonnet-4-5@20250929"),
];

/// A dialect of clients.
struct Client {
    dialect: Dialect,
    title: &'static str,
    /// A request that asks for nothing special.
    plain: Value,
    features: Vec<Feature>,
}

/// What a client can ask for: its name, and the fields that it adds to a plain request.
type Feature = (&'static str, Value);

/// A conversation in the form that OpenAI's chat and Anthropic's messages share.
fn says(parts: Value) -> Value {
    json!({"messages": [{"role": "user", "content": parts}]})
}

/// What becomes of a feature on its way.
fn fate(client: &Client, to: Dialect, model: &str, fields: &Value) -> String {
    let from = client.dialect;
    if from == to.bodies() {
        return "as it is".to_owned();
    }
    let mut body = client.plain.clone();
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let options = Options { model, unsupported: Unsupported::Reject, ..options() };
    match translate::request(from, to, body.to_string().as_bytes(), &options) {
        Ok(request) if request.dropped.is_empty() => "carried".to_owned(),
        Ok(_) => "left out and named".to_owned(),
        Err(error) => match error.kind() {
            Kind::Unsupported { reason, .. } => format!("refused: {reason}"),
            Kind::NoPair { .. } => "no translation yet".to_owned(),
            other => panic!("{from} to {to}: {fields} is no valid request: {other:?}"),
        },
    }
}

fn table(client: &Client) -> String {
    let names: BTreeSet<_> = client.features.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), client.features.len());
    let titles = PROVIDERS.map(|(_, title, _)| title).join(" | ");
    let rule = " --- |".repeat(PROVIDERS.len() + 1);
    let mut text = format!("## {}\n\n| asked for | {titles} |\n|{rule}\n", client.title);
    for (name, fields) in &client.features {
        let cells = PROVIDERS.map(|(to, _, model)| fate(client, to, model, fields));
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{name} has an empty cell");
        writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    text + "\n"
}

#[test]
fn the_table_in_the_documents_says_what_translations_do() {
    let mut text = concat!(
        "# What is carried\n\n",
        "Made by `UPDATE_EXPECTED=1 cargo test -p weirgate-dialect --test translate table`, from what the translations do; a test holds it equal.\n\n",
        "*carried*: the provider gets it in its own words. *left out and named*: it changes nothing in the answer, and its path stands in the header\n",
        "`x-weirgate-dropped-fields`. *refused*: 422 with its path; with `unsupported_fields: drop` it is left out and named instead.\n",
        "[translation.md](translation.md) says how.\n\n",
    )
    .to_owned();
    for client in
        [chat::client(), responses::client(), messages::client(), gemini::client(), converse::client()]
    {
        text += &table(&client);
    }
    let text = text.trim_end().to_owned() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/translation-table.md");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
}
