//! Amazon Bedrock's `Converse` and `ConverseStream`, whose requests are the same.
//!
//! The model and whether the answer is a stream stand in the path of a request, not in its body. Streams are in Amazon's own framing
//! ([`crate::event_stream`]).
//!
//! What only one model knows (`top_k`, how to think) stands in `additionalModelRequestFields`, in that model's words, so that a few
//! families of models are told apart by their names.
//!
//! Sources: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>, and the model of the service in Amazon's
//! SDKs (`bedrock-runtime/2023-09-30`), which says more of lengths and letters.

mod citation;
mod family;
mod media;
pub(super) mod read_answer;
pub(super) mod read_request;
pub(super) mod write_answer;
pub(super) mod write_request;
