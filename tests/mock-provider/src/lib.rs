//! A model provider that answers by script: the upstream of tests and benchmarks.
//!
//! It speaks OpenAI chat completions, responses and embeddings, Anthropic messages, Gemini's generateContent, Amazon Bedrock's
//! Converse and the second version of Cohere's chat, streamed and not; OpenAI's older completions, rankings, pictures, sound, moderation,
//! files and batches; and Anthropic messages as Bedrock and Vertex AI serve them. It echoes any other path, and what it hears over a websocket. It checks requests as the real providers do, so that a bad translation is refused
//! here and not only in production, and it keeps its own account of the tokens it wrote, so that a
//! gateway's figures can be compared with figures the gateway had no part in.
//!
//! * [`steering`] is what a test may ask for: errors, delays, broken streams, tool calls.
//! * [`script`] applies steering by path, model, key or header, for gateways that strip headers.
//! * [`ledger`] is the account, [`recorder`] keeps the raw requests.
//! * [`server`] starts it in-process; the binary is a thin command line over that.

mod answer;
mod anthropic;
mod base64;
mod body;
mod cohere;
mod control;
mod converse;
mod dialect;
mod embeddings;
mod endpoint;
mod gemini;
mod gzip;
mod hosted;
pub mod ledger;
mod media;
mod openai;
pub mod recorder;
mod rerank;
mod respond;
mod responses;
mod sample;
pub mod script;
pub mod server;
pub mod steering;
mod websocket;
mod wire;

pub use server::{Config, MockServer};
