//! The gRPC side: one server for Envoy's external processing and its access log.

use crate::decide::{self, Step};
use crate::gateway::Gateway;
use crate::translate::{self, Attempt};
use crate::{ratelimit, record};
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::{StreamAccessLogsMessage, StreamAccessLogsResponse};
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{ProcessingRequest, ProcessingResponse};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use std::pin::Pin;
use std::sync::Arc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

/// The largest message of Envoy: a body at its limit and what is around it.
const MESSAGE_BYTES: usize = 256 << 20;

/// Bytes that take so long to translate, some milliseconds, that other streams of the thread should not wait for it.
const LARGE: usize = 256 << 10;

/// How many streams Envoy may take back before they are accepted.
const RESETS: usize = 1 << 20;

/// The services.
#[derive(Clone, Debug)]
pub struct Services {
    gateway: Arc<Gateway>,
}

impl Services {
    /// The services over one gateway.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }

    /// The gRPC routes.
    pub fn router(self) -> tonic::transport::server::Router {
        tonic::transport::Server::builder()
            .tcp_nodelay(true)
            // Envoy takes back what a client leaves before it is accepted here. Ending the connection for that, which all requests
            // share, would let one client end everybody's.
            .http2_max_pending_accept_reset_streams(Some(RESETS))
            .initial_stream_window_size(Some(1 << 20))
            .initial_connection_window_size(Some(16 << 20))
            .add_service(
                ExternalProcessorServer::new(self.clone())
                    .max_decoding_message_size(MESSAGE_BYTES)
                    .max_encoding_message_size(MESSAGE_BYTES),
            )
            .add_service(RateLimitServiceServer::new(self.clone()))
            .add_service(AccessLogServiceServer::new(self).max_decoding_message_size(MESSAGE_BYTES))
    }
}

type Replies = Pin<Box<dyn Stream<Item = Result<ProcessingResponse, Status>> + Send>>;

#[tonic::async_trait]
impl ExternalProcessor for Services {
    type ProcessStream = Replies;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let attempt = Attempt::read(request.metadata());
        let messages = request.into_inner();
        let replies: Replies = match attempt {
            Some(attempt) => Box::pin(translate(messages, attempt)),
            None => Box::pin(decide(messages, self.gateway.clone())),
        };
        Ok(Response::new(replies))
    }
}

/// decide speaks once, and the stream is over; but for requests that wait and for answers that it has to follow.
fn decide(
    mut messages: Streaming<ProcessingRequest>,
    gateway: Arc<Gateway>,
) -> impl Stream<Item = Result<ProcessingResponse, Status>> + Send {
    async_stream::try_stream! {
        let first = messages.message().await?;
        let first = first.ok_or_else(|| Status::cancelled("the request ended before decide was asked"))?;
        let (spoken, follow) = match decide::answer(&gateway, &first).await {
            Step::Answer(spoken, follow) => (spoken, follow),
            Step::Wait(wait) => {
                yield decide::patience(wait.limit);
                wait.finish(&gateway).await
            }
        };
        for (number, message) in spoken.messages.into_iter().enumerate() {
            if number > 0 {
                tokio::time::sleep(spoken.pause).await;
            }
            yield message;
        }
        let Some(mut follow) = follow else { return };
        while let Some(message) = messages.message().await? {
            let Some(reply) = follow.answer(&gateway, message).await else { return };
            yield reply;
            if follow.has_ended() {
                return;
            }
        }
    }
}

/// translate answers every message of its stream, until it has no more to say.
fn translate(
    mut messages: Streaming<ProcessingRequest>,
    mut attempt: Attempt,
) -> impl Stream<Item = Result<ProcessingResponse, Status>> + Send {
    async_stream::try_stream! {
        while !attempt.has_ended() {
            let Some(message) = messages.message().await? else { return };
            let reply;
            if translate::work(&message) < LARGE {
                reply = attempt.answer(message);
            } else {
                let answered = tokio::task::spawn_blocking(move || (attempt.answer(message), attempt)).await;
                (reply, attempt) = answered.map_err(|error| Status::internal(error.to_string()))?;
            }
            if let Some(reply) = reply {
                yield reply;
            }
        }
    }
}

#[tonic::async_trait]
impl RateLimitService for Services {
    async fn should_rate_limit(
        &self,
        request: Request<RateLimitRequest>,
    ) -> Result<Response<RateLimitResponse>, Status> {
        ratelimit::answer(&self.gateway, request.get_ref()).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl AccessLogService for Services {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let mut messages = request.into_inner();
        let mut attempts = record::Attempts::default();
        while let Some(message) = messages.message().await? {
            record::entries(&self.gateway, &mut attempts, message).await;
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}
