//! The last raw requests, for assertions on what a gateway really sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

/// Requests kept.
const CAPACITY: usize = 1_000;
/// Body bytes kept over all requests; the newest request is kept whatever its size.
const BODY_BYTES: usize = 64 << 20;

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The ledger's number for it.
    pub id: u64,
    /// The port it came in on.
    pub port: u16,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Recorded {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "port": self.port,
            "method": self.method,
            "path": self.path,
            "headers": headers_json(&self.headers),
            "body": String::from_utf8_lossy(&self.body),
        })
    }
}

/// Headers as an object; the values of a repeated name are joined with commas, as HTTP allows.
pub(crate) fn headers_json(headers: &HeaderMap) -> Value {
    let fields = headers.keys().map(|name| {
        let values: Vec<_> = headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        (name.as_str().to_owned(), Value::from(values.join(", ")))
    });
    Value::Object(fields.collect())
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<Arc<Recorded>>,
    body_bytes: usize,
}

/// A bounded memory of requests.
#[derive(Debug, Default)]
pub struct Recorder {
    kept: Mutex<Kept>,
}

impl Recorder {
    /// The last `last` requests, oldest first.
    pub fn requests(&self, last: usize) -> Vec<Arc<Recorded>> {
        let kept = self.lock();
        let skip = kept.requests.len().saturating_sub(last);
        kept.requests.iter().skip(skip).cloned().collect()
    }

    pub(crate) fn requests_json(&self, last: usize) -> Value {
        self.requests(last).iter().map(|request| request.to_json()).collect()
    }

    pub(crate) fn push(&self, request: Arc<Recorded>) {
        let mut kept = self.lock();
        kept.body_bytes += request.body.len();
        kept.requests.push_back(request);
        while kept.requests.len() > CAPACITY || (kept.body_bytes > BODY_BYTES && kept.requests.len() > 1) {
            if let Some(oldest) = kept.requests.pop_front() {
                kept.body_bytes -= oldest.body.len();
            }
        }
    }

    pub(crate) fn reset(&self) {
        *self.lock() = Kept::default();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
