//! The gRPC side: one server for Envoy's external processing and its access log.

use crate::gateway::Gateway;
use crate::translate::{Attempt, Job};
use crate::{decide, record};
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::{StreamAccessLogsMessage, StreamAccessLogsResponse};
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{ProcessingRequest, ProcessingResponse};
use std::pin::Pin;
use std::sync::Arc;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

/// The largest message of Envoy: a body at its limit and what is around it.
const MESSAGE_BYTES: usize = 256 << 20;

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
            .initial_stream_window_size(Some(1 << 20))
            .initial_connection_window_size(Some(16 << 20))
            .add_service(
                ExternalProcessorServer::new(self.clone())
                    .max_decoding_message_size(MESSAGE_BYTES)
                    .max_encoding_message_size(MESSAGE_BYTES),
            )
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
        let job = Job::read(request.metadata());
        let messages = request.into_inner();
        let replies: Replies = match job {
            Some(job) => Box::pin(translate(messages, Attempt::new(job))),
            None => Box::pin(decide_once(messages, self.gateway.clone())),
        };
        Ok(Response::new(replies))
    }
}

/// decide speaks once, and the stream is over.
fn decide_once(
    messages: Streaming<ProcessingRequest>,
    gateway: Arc<Gateway>,
) -> impl Stream<Item = Result<ProcessingResponse, Status>> + Send {
    futures_util::stream::once(async move {
        let mut messages = messages;
        match messages.message().await? {
            Some(message) => Ok(decide::answer(&gateway, &message).await),
            None => Err(Status::cancelled("the request ended before decide was asked")),
        }
    })
}

/// translate answers every message of its stream.
fn translate(
    messages: Streaming<ProcessingRequest>,
    attempt: Attempt,
) -> impl Stream<Item = Result<ProcessingResponse, Status>> + Send {
    futures_util::stream::unfold((messages, attempt), |(mut messages, mut attempt)| async move {
        loop {
            match messages.message().await {
                Ok(Some(message)) => {
                    if let Some(reply) = attempt.answer(message) {
                        return Some((Ok(reply), (messages, attempt)));
                    }
                }
                Ok(None) => return None,
                Err(status) => return Some((Err(status), (messages, attempt))),
            }
        }
    })
}

#[tonic::async_trait]
impl AccessLogService for Services {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let mut messages = request.into_inner();
        while let Some(message) = messages.message().await? {
            record::entries(&self.gateway, message).await;
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}
