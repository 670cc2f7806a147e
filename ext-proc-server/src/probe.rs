//! Whether Envoy's chain really holds the filters.
//!
//! A gateway whose filters were forgotten still answers, only without keys, guard and counts. So readiness is shown, not
//! assumed: a request goes through Envoy's listener, each filter signs it, decide answers with the signatures, and record
//! must see its log entry. Nobody outside can ask: the request carries a secret of this process.

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::net::TcpStream;
use weirgate_contract::{path, request_header};

/// The filters that must have signed, in this order.
const CHAIN: &str = "provider-select,prompt-guard,token-counter";
const TIMEOUT: Duration = Duration::from_secs(2);

/// The state of the check.
#[derive(Debug)]
pub struct Probe {
    secret: String,
    recorded: AtomicBool,
}

impl Probe {
    pub(crate) fn new() -> Self {
        Self { secret: uuid::Uuid::new_v4().simple().to_string(), recorded: AtomicBool::new(false) }
    }

    /// decide's answer to a probe: the chain, if the secret is ours.
    pub(crate) fn answer(&self, secret: Option<&str>, chain: Option<&str>) -> Option<String> {
        let ours = bool::from(secret?.as_bytes().ct_eq(self.secret.as_bytes()));
        ours.then(|| chain.unwrap_or_default().to_owned())
    }

    /// record has seen the log entry of a probe.
    pub(crate) fn recorded(&self) {
        self.recorded.store(true, Ordering::Relaxed);
    }

    /// Sends a probe through the listener at `address`.
    ///
    /// # Errors
    /// What is missing, for an operator.
    pub async fn check(&self, address: &str) -> Result<(), String> {
        let seen = tokio::time::timeout(TIMEOUT, self.send(address)).await;
        let (status, chain) = seen.map_err(|_| format!("envoy at {address} does not answer"))??;
        if status != 200 {
            return Err(format!("envoy at {address} answered {status}: decide is not in its chain"));
        }
        if chain != CHAIN {
            return Err(format!("envoy's chain holds the filters [{chain}], but [{CHAIN}] are needed"));
        }
        if !self.recorded.load(Ordering::Relaxed) {
            return Err("envoy's access log has not reached record yet".to_owned());
        }
        Ok(())
    }

    async fn send(&self, address: &str) -> Result<(u16, String), String> {
        let failed =
            |what: &str, error: &dyn std::fmt::Display| format!("{what} envoy at {address}: {error}");
        let stream = TcpStream::connect(address).await.map_err(|error| failed("cannot reach", &error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed("cannot talk to", &error))?;
        let connection = tokio::spawn(connection);
        let request = hyper::Request::get(path::PROBE)
            .header("host", address)
            .header(request_header::PROBE, &self.secret)
            .body(Empty::<bytes::Bytes>::new())
            .map_err(|error| failed("cannot ask", &error))?;
        let answer = sender.send_request(request).await.map_err(|error| failed("no answer from", &error))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), 4096).collect().await;
        let body = body.map_err(|error| failed("broken answer from", &error))?.to_bytes();
        connection.abort();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self::new()
    }
}
