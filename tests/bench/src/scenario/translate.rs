//! What the translation of a request costs by its size, in this process. It has to grow as the size does.

use std::error::Error;
use std::time::Instant;

use serde_json::{Value, json};
use weirgate_bench::cpu::Sampler;
use weirgate_bench::{Row, stats};
use weirgate_dialect::Dialect;
use weirgate_dialect::translate::{self, Options, Unsupported};

/// Names of the rows, and the bytes of their requests.
pub(super) const ROWS: [(&str, usize); 4] = [
    ("translate-10kb", 10_000),
    ("translate-100kb", 100_000),
    ("translate-1mb", 1_000_000),
    ("translate-10mb", 10_000_000),
];
/// Bytes that all requests of a row have together.
const BYTES: usize = 400_000_000;
/// What a message says: with what JSON has to escape, and letters of several bytes.
const TEXT: &str = "The \"river\" rises in the hills\nnorth of the town \\ and is dammed twice – before it reaches the plain. ";
/// The dialects of clients.
const CLIENTS: [Dialect; 5] =
    [Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini, Dialect::Converse];

/// Runs one row: each request from one dialect to another, all pairs in their turn.
pub(super) fn run(name: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let found = ROWS.into_iter().find(|(row, _)| *row == name);
    let (_, bytes) = found.ok_or_else(|| format!("no such row: {name}"))?;
    let bodies = CLIENTS.map(|client| (client, request(client, bytes).to_string()));
    let pairs: Vec<_> = bodies
        .iter()
        .flat_map(|(from, body)| Dialect::ALL.map(|to| (*from, to, body)))
        .filter(|(from, to, _)| translate::is_supported(*from, *to))
        .collect();
    let requests = (BYTES / bytes).max(pairs.len());
    let mut times = stats::Samples::default();
    // The first of each pair is not counted.
    for (from, to, body) in &pairs {
        translated(*from, *to, body)?;
    }
    let sampler = Sampler::start(&[std::process::id()])?;
    let begun = Instant::now();
    for (from, to, body) in pairs.iter().cycle().take(requests) {
        let begun = Instant::now();
        translated(*from, *to, body)?;
        times.push(begun.elapsed());
    }
    let elapsed = begun.elapsed();
    let used = sampler.stop()?;
    let cpu_us = used.cpu.as_micros() as f64 / requests as f64;
    eprintln!("{name}: {:.2} us a kB", cpu_us / (bytes as f64 / 1_000.0));
    Ok(vec![Row {
        name: name.to_owned(),
        connections: 1,
        requests: requests as u64,
        rps: requests as f64 / elapsed.as_secs_f64(),
        p50_ms: times.percentile_ms(50.0).unwrap_or_default(),
        p99_ms: times.percentile_ms(99.0).unwrap_or_default(),
        max_ms: times.max_ms().unwrap_or_default(),
        cpu_us,
        rss_mib: used.rss_kib as f64 / 1024.0,
        ..Row::default()
    }])
}

fn translated(from: Dialect, to: Dialect, body: &str) -> Result<(), Box<dyn Error>> {
    let options = Options {
        model: "claude-sonnet-4-5",
        unsupported: Unsupported::Reject,
        default_max_tokens: 4096,
        output_cap: None,
        older_cap_field: false,
        betas: "",
        stream: false,
    };
    let request = translate::request(from, to, body.as_bytes(), &options);
    let request = request.map_err(|error| format!("{from} to {to}: {:?}", error.kind()))?;
    std::hint::black_box(request);
    Ok(())
}

/// A conversation of so many bytes, with the call of a tool and its result in every fourth turn.
fn request(client: Dialect, bytes: usize) -> Value {
    let text = TEXT.repeat(10);
    let turns = bytes / (4 * text.len()) + 1;
    let each = |turn: &dyn Fn(usize) -> Vec<Value>, last: Value| {
        (0..turns).flat_map(turn).chain([last]).collect::<Vec<Value>>()
    };
    let question = json!({"role": "user", "content": "q"});
    match client {
        Dialect::Responses => {
            let list = each(
                &|number| {
                    vec![
                        json!({"role": "user", "content": text}),
                        json!({"type": "function_call", "call_id": format!("c{number}"), "name": "f", "arguments": json!({"a": text}).to_string()}),
                        json!({"type": "function_call_output", "call_id": format!("c{number}"), "output": text}),
                        json!({"role": "assistant", "content": text}),
                    ]
                },
                question,
            );
            let tools = json!([{"type": "function", "name": "f", "parameters": {"type": "object"}}]);
            json!({"model": "m", "input": list, "tools": tools})
        }
        Dialect::Anthropic => {
            let list = each(
                &|number| {
                    vec![
                        json!({"role": "user", "content": text}),
                        json!({"role": "assistant", "content": [{"type": "tool_use", "id": format!("c{number}"), "name": "f", "input": {"a": text}}]}),
                        json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": format!("c{number}"), "content": text}]}),
                        json!({"role": "assistant", "content": text}),
                    ]
                },
                question,
            );
            let tools = json!([{"name": "f", "input_schema": {"type": "object"}}]);
            json!({"model": "m", "max_tokens": 9, "messages": list, "tools": tools})
        }
        Dialect::Gemini => {
            let said = |role: &str, part: Value| json!({"role": role, "parts": [part]});
            let list = each(
                &|_| {
                    vec![
                        said("user", json!({"text": text})),
                        said("model", json!({"functionCall": {"name": "f", "args": {"a": text}}})),
                        said(
                            "user",
                            json!({"functionResponse": {"name": "f", "response": {"result": text}}}),
                        ),
                        said("model", json!({"text": text})),
                    ]
                },
                said("user", json!({"text": "q"})),
            );
            let tools = json!([{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}]);
            json!({"contents": list, "tools": tools})
        }
        Dialect::Converse => {
            let said = |role: &str, part: Value| json!({"role": role, "content": [part]});
            let list = each(
                &|number| {
                    let id = format!("c{number}");
                    vec![
                        said("user", json!({"text": text})),
                        said(
                            "assistant",
                            json!({"toolUse": {"toolUseId": id, "name": "f", "input": {"a": text}}}),
                        ),
                        said("user", json!({"toolResult": {"toolUseId": id, "content": [{"text": text}]}})),
                        said("assistant", json!({"text": text})),
                    ]
                },
                said("user", json!({"text": "q"})),
            );
            let tools =
                json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}]});
            json!({"messages": list, "toolConfig": tools})
        }
        Dialect::OpenAi | Dialect::Cohere | Dialect::Invoke | Dialect::RawPredict => {
            let list = each(
                &|number| {
                    let function = json!({"name": "f", "arguments": json!({"a": text}).to_string()});
                    vec![
                        json!({"role": "user", "content": text}),
                        json!({"role": "assistant", "tool_calls": [{"id": format!("c{number}"), "type": "function", "function": function}]}),
                        json!({"role": "tool", "tool_call_id": format!("c{number}"), "content": text}),
                        json!({"role": "assistant", "content": text}),
                    ]
                },
                question,
            );
            let tools =
                json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
            json!({"model": "m", "messages": list, "tools": tools})
        }
    }
}
