//! The closed loop: connections that send a request as soon as the last was answered.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cpu::{ProcError, Sampler, Used};
use crate::http::ResponseReader;
use crate::sse::EventCounter;
use crate::stats::Samples;

/// Size of a connection's read buffer.
const READ_BUFFER: usize = 64 << 10;

/// What to send, and how much of it.
#[derive(Debug, Clone)]
pub struct LoadConfig {
    /// `http://host:port/path`; nothing but plain HTTP.
    pub url: String,
    /// Request headers beside `host`, `content-length` and `content-type: application/json`.
    pub headers: Vec<(String, String)>,
    /// The body of every request, sent by POST.
    pub body: Bytes,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Requests before anything is measured.
    pub warmup: u64,
    /// Requests measured.
    pub requests: u64,
    /// Whether answers are streams, whose events are timed one by one.
    pub streaming: bool,
    /// How long an answer may take; one that takes longer is an error.
    pub timeout: Duration,
    /// Processes whose CPU and memory are measured, from the end of the warm-up on.
    pub pids: Vec<u32>,
}

impl Default for LoadConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            connections: 1,
            warmup: 100,
            requests: 1_000,
            streaming: false,
            timeout: Duration::from_secs(30),
            pids: Vec::new(),
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct LoadResult {
    /// Requests sent, failed ones included.
    pub requests: u64,
    /// From the first request sent to the last answer complete.
    pub elapsed: Duration,
    /// From sending to the end of the answer, of good answers only.
    pub latency: Samples,
    /// From sending to the first event; streams only.
    pub first_event: Samples,
    /// Between events; events that arrive in one read have no gap. Streams only.
    pub gaps: Samples,
    /// Events of good answers; streams only.
    pub chunks: u64,
    /// Bytes of good answers' bodies.
    pub body_bytes: u64,
    /// Answers that were not 2xx, not complete or not there, by what was wrong.
    pub errors: BTreeMap<String, u64>,
    /// What the processes used.
    pub used: Used,
}

impl LoadResult {
    /// The number of failed requests.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.latency.extend(other.latency);
        self.first_event.extend(other.first_event);
        self.gaps.extend(other.gaps);
        self.chunks += other.chunks;
        self.body_bytes += other.body_bytes;
        for (what, count) in other.errors {
            *self.errors.entry(what).or_default() += count;
        }
    }
}

/// Why no load could be sent at all.
#[derive(Debug)]
pub enum LoadError {
    /// The URL is not of the form `http://host:port/path`.
    Url(String),
    /// A process cannot be measured.
    Process(ProcError),
    /// A connection's task ended before its time.
    Task(tokio::task::JoinError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => write!(f, "not a plain http address: {url}"),
            Self::Process(error) => write!(f, "{error}"),
            Self::Task(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<ProcError> for LoadError {
    fn from(error: ProcError) -> Self {
        Self::Process(error)
    }
}

/// Sends the load and measures it.
pub async fn run(config: LoadConfig) -> Result<LoadResult, LoadError> {
    let (address, request) = render(&config)?;
    let shared = Arc::new(Shared { address, request, streaming: config.streaming, timeout: config.timeout });
    let clients = (0..config.connections.max(1)).map(|_| Client::new(Arc::clone(&shared))).collect();
    let (clients, _) = phase(clients, config.warmup).await?;
    let sampler = Sampler::start(&config.pids)?;
    let started = Instant::now();
    let (_clients, mut result) = phase(clients, config.requests).await?;
    result.elapsed = started.elapsed();
    // While the connections are still open, so that their memory counts.
    result.used = sampler.stop()?;
    Ok(result)
}

/// The address to connect to, and the whole request as it is sent.
fn render(config: &LoadConfig) -> Result<(String, Bytes), LoadError> {
    let refused = || LoadError::Url(config.url.clone());
    let rest = config.url.strip_prefix("http://").ok_or_else(refused)?;
    let (host, path) = rest.find('/').and_then(|slash| rest.split_at_checked(slash)).unwrap_or((rest, "/"));
    if host.is_empty() {
        return Err(refused());
    }
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    head.push_str(&format!("content-length: {}\r\n", config.body.len()));
    for (name, value) in &config.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    Ok((address, Bytes::from([head.as_bytes(), &config.body].concat())))
}

/// Sends `requests` over all clients, which are returned with their connections.
async fn phase(clients: Vec<Client>, requests: u64) -> Result<(Vec<Client>, LoadResult), LoadError> {
    let tickets = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let tickets = Arc::clone(&tickets);
        tasks.spawn(async move {
            let mut result = LoadResult::default();
            while tickets.fetch_add(1, Ordering::Relaxed) < requests {
                client.request(&mut result).await;
            }
            (client, result)
        });
    }
    let mut clients = Vec::new();
    let mut total = LoadResult::default();
    while let Some(ended) = tasks.join_next().await {
        let (client, result) = ended.map_err(LoadError::Task)?;
        clients.push(client);
        total.add(result);
    }
    Ok((clients, total))
}

#[derive(Debug)]
struct Shared {
    address: String,
    request: Bytes,
    streaming: bool,
    timeout: Duration,
}

/// One connection, reopened when it breaks.
#[derive(Debug)]
struct Client {
    shared: Arc<Shared>,
    stream: Option<TcpStream>,
    reader: ResponseReader,
    buffer: Vec<u8>,
}

/// The times of one answer.
#[derive(Debug, Default)]
struct Timing {
    events: u64,
    body_bytes: u64,
    first_event: Option<Instant>,
    last_event: Option<Instant>,
}

impl Client {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, stream: None, reader: ResponseReader::new(), buffer: vec![0; READ_BUFFER] }
    }

    async fn request(&mut self, result: &mut LoadResult) {
        result.requests += 1;
        let mut timing = Timing::default();
        // Gaps of an answer that breaks are dropped with it.
        let mut gaps = Samples::default();
        let mut sent = Instant::now();
        let timeout = self.shared.timeout;
        let answered = tokio::time::timeout(timeout, self.exchange(&mut sent, &mut timing, &mut gaps)).await;
        let answered = answered.unwrap_or_else(|_| Err("timeout".to_owned()));
        let ended = Instant::now();
        if !self.reader.keeps_alive() {
            self.stream = None;
        }
        if let Err(what) = answered {
            *result.errors.entry(what).or_default() += 1;
            return;
        }
        result.latency.push(ended - sent);
        result.body_bytes += timing.body_bytes;
        if self.shared.streaming {
            result.chunks += timing.events;
            result.gaps.extend(gaps);
            if let Some(first) = timing.first_event {
                result.first_event.push(first - sent);
            }
        }
    }

    async fn exchange(
        &mut self,
        sent: &mut Instant,
        timing: &mut Timing,
        gaps: &mut Samples,
    ) -> Result<(), String> {
        let named = |error: io::Error| error.kind().to_string();
        // Taken out until the answer is complete, so that whatever breaks the exchange closes it.
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.shared.address).await.map_err(named)?;
                stream.set_nodelay(true).map_err(named)?;
                stream
            }
        };
        // Connecting is not part of a request: the loop is about connections that are kept.
        *sent = Instant::now();
        stream.write_all(&self.shared.request).await.map_err(named)?;
        self.reader.reset();
        let mut counter = EventCounter::default();
        while !self.reader.is_done() {
            let length = stream.read(&mut self.buffer).await.map_err(named)?;
            let read = self.buffer.get(..length).unwrap_or_default();
            if read.is_empty() {
                if self.reader.closed() {
                    break;
                }
                return Err("closed before the end".to_owned());
            }
            let mut events = 0;
            let streaming = self.shared.streaming;
            let fed = self.reader.feed(read, |body| {
                timing.body_bytes += body.len() as u64;
                if streaming {
                    events += counter.count(body);
                }
            });
            fed.map_err(|error| error.to_string())?;
            if events > 0 {
                timing.arrived(events, gaps);
            }
        }
        self.stream = Some(stream);
        match self.reader.status() {
            200..=299 => Ok(()),
            status => Err(format!("status {status}")),
        }
    }
}

impl Timing {
    fn arrived(&mut self, events: u64, gaps: &mut Samples) {
        let now = Instant::now();
        self.events += events;
        self.first_event.get_or_insert(now);
        if let Some(last) = self.last_event {
            gaps.push(now - last);
        }
        (1..events).for_each(|_| gaps.push(Duration::ZERO));
        self.last_event = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// Answers every request with the same bytes.
    async fn serve(answer: &'static [u8], close: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    loop {
                        let mut buffer = [0; 1024];
                        match stream.read(&mut buffer).await {
                            Ok(length) if length > 0 => seen.extend_from_slice(&buffer[..length]),
                            _ => break,
                        }
                        if seen.ends_with(b"\r\n\r\nbody") {
                            seen.clear();
                            stream.write_all(answer).await.unwrap();
                            if close {
                                break;
                            }
                        }
                    }
                });
            }
        });
        url
    }

    fn config(url: String) -> LoadConfig {
        LoadConfig {
            url,
            body: "body".into(),
            connections: 3,
            warmup: 3,
            requests: 10,
            ..LoadConfig::default()
        }
    }

    #[tokio::test]
    async fn good_answers_are_timed() {
        let url = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false).await;
        let pids = vec![std::process::id()];
        let mut result = run(LoadConfig { pids, ..config(url) }).await.unwrap();
        assert_eq!((result.requests, result.error_count(), result.body_bytes), (10, 0, 20));
        assert_eq!(result.latency.len(), 10);
        assert!(result.latency.percentile_ms(50.0).unwrap() > 0.0);
        assert!(result.used.rss_kib > 0);
    }

    #[tokio::test]
    async fn events_of_streams_are_counted() {
        let stream = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n";
        let url = serve(stream, false).await;
        let result = run(LoadConfig { streaming: true, ..config(url) }).await.unwrap();
        assert_eq!((result.chunks, result.first_event.len(), result.gaps.len()), (20, 10, 10));
    }

    #[tokio::test]
    async fn connections_are_reopened() {
        let url = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok", true).await;
        let result = run(config(url)).await.unwrap();
        assert_eq!((result.error_count(), result.latency.len()), (0, 10));
    }

    #[tokio::test]
    async fn bad_answers_are_errors_by_kind() {
        let url = serve(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", false).await;
        let result = run(config(url)).await.unwrap();
        assert_eq!(result.errors, BTreeMap::from([("status 503".to_owned(), 10)]));
        let url = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", true).await;
        let result = run(config(url)).await.unwrap();
        assert_eq!(result.errors, BTreeMap::from([("closed before the end".to_owned(), 10)]));
        assert!(result.latency.is_empty());
    }

    #[tokio::test]
    async fn nobody_there_is_an_error_each() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(run(config(url)).await.unwrap().error_count(), 10);
    }

    #[test]
    fn requests_are_rendered_once() {
        let headers = vec![("x-a".to_owned(), "b".to_owned())];
        let wanted = LoadConfig { headers, ..config("http://host:8080/v1/x?y=1".to_owned()) };
        let (address, request) = render(&wanted).unwrap();
        assert_eq!(address, "host:8080");
        let text = "POST /v1/x?y=1 HTTP/1.1\r\nhost: host:8080\r\ncontent-type: application/json\r\n\
                    content-length: 4\r\nx-a: b\r\n\r\nbody";
        assert_eq!(request, text);
        for url in ["https://host/", "host:80/", "http:///x"] {
            assert!(render(&config(url.to_owned())).is_err(), "{url}");
        }
    }
}
