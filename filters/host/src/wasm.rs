//! The host inside Envoy, over proxy-wasm.
//!
//! The SDK's trait methods unwrap every status, and a panic here ends all requests of the worker; its free functions
//! return most statuses, so those are called. They still panic when headers are asked for that Envoy no longer shows, which
//! [`Host`] forbids and the fake host checks.

use crate::{Filter, Flow, Host, read_config, refuse_trailers};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType};
use std::marker::PhantomData;
use std::rc::Rc;

/// Registers the filter with Envoy.
pub fn start<F: Filter>() {
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root::<F> { shared: None }));
}

struct Root<F: Filter> {
    shared: Option<Rc<F::Shared>>,
}

impl<F: Filter> Context for Root<F> {}

impl<F: Filter> RootContext for Root<F> {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size).ok().flatten();
        match read_config(&json.unwrap_or_default()).and_then(F::configure) {
            Ok(shared) => {
                if serves_requests() {
                    F::warm_up(&shared);
                }
                self.shared = Some(Rc::new(shared));
                true
            }
            Err(reason) => {
                let _ = hostcalls::log(LogLevel::Error, &reason);
                false
            }
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let shared = self.shared.clone()?;
        Some(Box::new(Http::<F> { filter: F::new(shared), shared: PhantomData, holds_request: false }))
    }
}

/// VMs that Envoy makes of a module before those of its workers: one to copy from, and one for the main thread. Neither ever
/// sees a request.
const IDLE_VMS: u32 = 2;
/// How often a number is asked for when others ask at the same time.
const TRIES: usize = 16;

/// Whether this VM is a worker's, by the order in which VMs are made. Should the order differ one day, a VM is warmed up in
/// vain or at its first request.
fn serves_requests() -> bool {
    const KEY: &str = "weirgate.vms";
    for _ in 0..TRIES {
        let Ok((value, version)) = hostcalls::get_shared_data(KEY) else { break };
        let made = value.and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes);
        if hostcalls::set_shared_data(KEY, Some(&(made + 1).to_le_bytes()), version).is_ok() {
            return made >= IDLE_VMS;
        }
    }
    true
}

struct Http<F: Filter> {
    filter: F,
    shared: PhantomData<F::Shared>,
    /// The filter waits for more of the request.
    holds_request: bool,
}

impl<F: Filter> Http<F> {
    fn request(&mut self, flow: Flow) -> Action {
        self.holds_request = flow == Flow::Hold;
        action(flow)
    }
}

impl<F: Filter> Context for Http<F> {}

impl<F: Filter> HttpContext for Http<F> {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        let flow = self.filter.on_request_headers(&Envoy { body: 0 }, end);
        self.request(flow)
    }

    fn on_http_request_body(&mut self, body: usize, end: bool) -> Action {
        let flow = self.filter.on_request_body(&Envoy { body }, end);
        self.request(flow)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        if !self.holds_request {
            return Action::Continue;
        }
        let flow = refuse_trailers(&Envoy { body: 0 });
        self.request(flow)
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        action(self.filter.on_response_headers(&Envoy { body: 0 }, end))
    }

    fn on_http_response_body(&mut self, body: usize, end: bool) -> Action {
        action(self.filter.on_response_body(&Envoy { body }, end))
    }

    fn on_log(&mut self) {
        self.filter.on_end(&Envoy { body: 0 });
    }
}

fn action(flow: Flow) -> Action {
    match flow {
        Flow::Continue => Action::Continue,
        Flow::Hold | Flow::Answered => Action::Pause,
    }
}

struct Envoy {
    /// The size of the body in the current callback.
    body: usize,
}

impl Envoy {
    fn header(map: MapType, name: &str) -> Option<String> {
        let value = hostcalls::get_map_value_bytes(map, name).ok().flatten()?;
        String::from_utf8(value).ok()
    }

    fn set_header(map: MapType, name: &str, value: Option<&str>) {
        let _ = match value {
            Some(value) => hostcalls::set_map_value_bytes(map, name, Some(value.as_bytes())),
            None => hostcalls::remove_map_value(map, name),
        };
    }

    fn buffer(&self, buffer: BufferType) -> Vec<u8> {
        hostcalls::get_buffer(buffer, 0, self.body).ok().flatten().unwrap_or_default()
    }
}

impl Host for Envoy {
    fn request_headers(&self) -> Vec<(String, String)> {
        let headers = hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default();
        headers
            .into_iter()
            .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
            .collect()
    }

    fn request_header(&self, name: &str) -> Option<String> {
        Self::header(MapType::HttpRequestHeaders, name)
    }

    fn set_request_header(&self, name: &str, value: Option<&str>) {
        Self::set_header(MapType::HttpRequestHeaders, name, value);
    }

    fn request_body_size(&self) -> usize {
        self.body
    }

    fn request_body(&self) -> Vec<u8> {
        self.buffer(BufferType::HttpRequestBody)
    }

    fn request_body_start(&self, most: usize) -> Vec<u8> {
        let most = most.min(self.body);
        hostcalls::get_buffer(BufferType::HttpRequestBody, 0, most).ok().flatten().unwrap_or_default()
    }

    fn set_request_body(&self, body: &[u8]) {
        let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, self.body, body);
    }

    fn response_header(&self, name: &str) -> Option<String> {
        Self::header(MapType::HttpResponseHeaders, name)
    }

    fn set_response_header(&self, name: &str, value: Option<&str>) {
        Self::set_header(MapType::HttpResponseHeaders, name, value);
    }

    fn response_body(&self) -> Vec<u8> {
        self.buffer(BufferType::HttpResponseBody)
    }

    fn set_response_body(&self, body: &[u8]) {
        let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, self.body, body);
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok().flatten()
    }

    fn set_filter_state(&self, name: &str, value: &[u8]) {
        let _ = hostcalls::set_property(vec![name], Some(value));
    }

    fn respond(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) {
        let _ = hostcalls::send_http_response(u32::from(status), headers.to_vec(), Some(body));
    }

    fn reset_response(&self) {
        let _ = hostcalls::reset_http_response();
    }

    fn warn(&self, message: &str) {
        let _ = hostcalls::log(LogLevel::Warn, message);
    }
}
