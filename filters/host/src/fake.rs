//! A host for tests: headers, bodies and answers in memory.

use crate::{Filter, Flow, Host};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// An answer given by a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

/// A host whose state a test sets and looks at.
#[derive(Debug, Default)]
pub struct FakeHost {
    /// The request's headers.
    pub request_headers: RefCell<Vec<(String, String)>>,
    /// The request's body.
    pub request_body: RefCell<Vec<u8>>,
    /// The answer's headers.
    pub response_headers: RefCell<BTreeMap<String, String>>,
    /// The part of the answer's body that is passing.
    pub response_body: RefCell<Vec<u8>>,
    /// Properties by their path, joined by dots.
    pub properties: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Filter state that was set.
    pub filter_state: RefCell<BTreeMap<String, String>>,
    /// What the filter answered.
    pub answer: RefCell<Option<Answer>>,
    /// Whether the filter has ended the answer at once.
    pub is_reset: Cell<bool>,
    /// Envoy shows a filter the request's headers only until the filter has let them go; asking later is an error on which
    /// the SDK panics.
    pub request_is_gone: Cell<bool>,
    /// How many bytes of the request's body were copied.
    pub request_bytes_read: Cell<usize>,
}

impl FakeHost {
    /// A request with this method, path and headers.
    pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let pseudo = [(":method", method), (":path", path)];
        let all = pseudo.iter().chain(headers);
        let host = Self::default();
        *host.request_headers.borrow_mut() =
            all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        host
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(self, body: &str) -> Self {
        *self.request_body.borrow_mut() = body.as_bytes().to_vec();
        self
    }

    /// The request's body as text.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.request_body.borrow()).into_owned()
    }

    /// The status of the answer that the filter gave, if it did.
    pub fn status(&self) -> Option<u16> {
        self.answer.borrow().as_ref().map(|answer| answer.status)
    }

    /// Runs the request through the filter, headers and then the whole body.
    pub fn run_request<F: Filter>(&self, filter: &mut F) -> Flow {
        let end = self.request_body.borrow().is_empty();
        match filter.on_request_headers(self, end) {
            Flow::Answered => Flow::Answered,
            _ if end => Flow::Continue,
            flow => {
                self.request_is_gone.set(flow == Flow::Continue);
                let flow = filter.on_request_body(self, true);
                self.request_is_gone.set(false);
                flow
            }
        }
    }

    /// Runs an answer through the filter in the given chunks and returns what comes out.
    pub fn run_response<F: Filter>(
        &self,
        filter: &mut F,
        headers: &[(&str, &str)],
        chunks: &[&[u8]],
    ) -> Vec<u8> {
        *self.response_headers.borrow_mut() =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.request_is_gone.set(true);
        filter.on_response_headers(self, chunks.is_empty());
        let mut out = Vec::new();
        let mut held = Vec::new();
        for (index, chunk) in chunks.iter().enumerate() {
            held.extend_from_slice(chunk);
            *self.response_body.borrow_mut() = std::mem::take(&mut held);
            let flow = filter.on_response_body(self, index + 1 == chunks.len());
            let body = std::mem::take(&mut *self.response_body.borrow_mut());
            match flow {
                Flow::Hold => held = body,
                Flow::Continue | Flow::Answered => out.extend(body),
            }
        }
        out
    }
}

/// The filter for one request, with this JSON configuration.
///
/// # Errors
/// What the filter would write to Envoy's log.
pub fn filter<F: Filter>(config: &str) -> Result<F, String> {
    let shared = F::configure(crate::read_config(config.as_bytes())?)?;
    Ok(F::new(Rc::new(shared)))
}

impl Host for FakeHost {
    fn request_headers(&self) -> Vec<(String, String)> {
        assert!(!self.request_is_gone.get(), "the request's headers are gone");
        self.request_headers.borrow().clone()
    }

    fn request_header(&self, name: &str) -> Option<String> {
        assert!(!self.request_is_gone.get(), "the request's headers are gone");
        let headers = self.request_headers.borrow();
        headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone())
    }

    fn set_request_header(&self, name: &str, value: Option<&str>) {
        assert!(!self.request_is_gone.get(), "the request's headers are gone");
        let mut headers = self.request_headers.borrow_mut();
        headers.retain(|(header, _)| header != name);
        if let Some(value) = value {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn request_body_size(&self) -> usize {
        self.request_body.borrow().len()
    }

    fn request_body(&self) -> Vec<u8> {
        self.request_body_start(usize::MAX)
    }

    fn request_body_start(&self, most: usize) -> Vec<u8> {
        let body: Vec<u8> = self.request_body.borrow().iter().take(most).copied().collect();
        self.request_bytes_read.set(self.request_bytes_read.get() + body.len());
        body
    }

    fn set_request_body(&self, body: &[u8]) {
        *self.request_body.borrow_mut() = body.to_vec();
    }

    fn response_header(&self, name: &str) -> Option<String> {
        self.response_headers.borrow().get(name).cloned()
    }

    fn set_response_header(&self, name: &str, value: Option<&str>) {
        let mut headers = self.response_headers.borrow_mut();
        headers.remove(name);
        if let Some(value) = value {
            headers.insert(name.to_owned(), value.to_owned());
        }
    }

    fn response_body(&self) -> Vec<u8> {
        self.response_body.borrow().clone()
    }

    fn set_response_body(&self, body: &[u8]) {
        *self.response_body.borrow_mut() = body.to_vec();
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        let name = path.join(".");
        let property = self.properties.borrow().get(&name).cloned();
        property.or_else(|| self.filter_state.borrow().get(&name).map(|text| text.clone().into_bytes()))
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) {
        self.filter_state.borrow_mut().insert(name.to_owned(), String::from_utf8_lossy(value).into_owned());
    }

    fn respond(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        *self.answer.borrow_mut() = Some(Answer {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: String::from_utf8_lossy(body).into_owned(),
        });
    }

    fn reset_response(&self) {
        self.is_reset.set(true);
    }

    fn warn(&self, _: &str) {}
}
