//! Envoy's secret discovery service: whoever asks for a secret gets it, and gets it again when it changes.

use super::board::{Board, Keys};
use envoy_types::pb::envoy::config::core::v3::DataSource;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{GenericSecret, Secret, secret};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use envoy_types::util::pack_any;
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use weirgate_contract::filter_config::SecretText;

/// What the messages of this service are about.
const TYPE_URL: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Discovery(Board);

/// The secrets that one Envoy asks for, as they are now.
type Asked = Vec<(String, Option<SecretText>)>;

enum Event {
    Request(Box<Result<Option<DiscoveryRequest>, Status>>),
    Change,
}

impl Discovery {
    pub(super) fn new(board: Board) -> Self {
        Self(board)
    }

    /// The gRPC service.
    pub(crate) fn server(self) -> SecretDiscoveryServiceServer<Self> {
        SecretDiscoveryServiceServer::new(self)
    }
}

/// Those of the secrets that are known here.
fn select(keys: &Keys, names: &[String]) -> Asked {
    names.iter().filter_map(|name| Some((name.clone(), keys.get(name)?.clone()))).collect()
}

/// A key that is not there is an empty secret: Envoy then refuses requests that need it, and does not wait for it at its start.
fn response(asked: &Asked, version: u64) -> DiscoveryResponse {
    let secret = |(name, key): &(String, Option<SecretText>)| {
        let key = key.as_ref().map(SecretText::as_bytes).unwrap_or_default().to_vec();
        let source = DataSource { specifier: Some(Specifier::InlineBytes(key)), ..DataSource::default() };
        let secret = GenericSecret { secret: Some(source), ..GenericSecret::default() };
        pack_any(Secret { name: name.clone(), r#type: Some(secret::Type::GenericSecret(secret)) })
    };
    DiscoveryResponse {
        version_info: version.to_string(),
        resources: asked.iter().map(secret).collect(),
        type_url: TYPE_URL.to_owned(),
        nonce: version.to_string(),
        ..DiscoveryResponse::default()
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Discovery {
    type DeltaSecretsStream = Replies<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Replies<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        _request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented("use StreamSecrets"))
    }

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let mut requests = request.into_inner();
        let mut keys = self.0.read();
        let replies = async_stream::try_stream! {
            let mut names = Vec::new();
            let mut sent: Option<Asked> = None;
            let mut version = 0;
            loop {
                let event = tokio::select! {
                    request = requests.message() => Event::Request(Box::new(request)),
                    changed = keys.changed() => match changed {
                        Ok(()) => Event::Change,
                        Err(_) => return,
                    },
                };
                if let Event::Request(request) = event {
                    let request = *request;
                    let Some(request) = request? else { return };
                    // What it does not like of a secret it says itself, and better than could be said here.
                    if sent.is_some() && request.resource_names == names {
                        continue;
                    }
                    (names, sent) = (request.resource_names, None);
                }
                let asked = select(&keys.borrow_and_update(), &names);
                // What nobody knows of yet is waited for, by Envoy too.
                if !asked.is_empty() && sent.as_ref() != Some(&asked) {
                    version += 1;
                    yield response(&asked, version);
                    sent = Some(asked);
                }
            }
        };
        Ok(Response::new(Box::pin(replies)))
    }

    async fn fetch_secrets(
        &self,
        request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        let names = request.into_inner().resource_names;
        Ok(Response::new(response(&select(&self.0.read().borrow(), &names), 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn keys(key: Option<&str>) -> Keys {
        let key = key.map(|key| SecretText::new(key.to_owned()));
        Keys::from([("provider:p".to_owned(), key), ("provider:q".to_owned(), None)])
    }

    #[test]
    fn only_what_is_asked_for_and_known_is_told() {
        let names = ["provider:p".to_owned(), "provider:nobody".to_owned()];
        let asked = select(&keys(Some("key")), &names);
        assert_eq!(asked.len(), 1);
        let response = response(&asked, 7);
        assert_eq!((response.nonce.as_str(), response.resources.len()), ("7", 1));
        assert_eq!(response.resources[0].type_url, TYPE_URL);
        assert_ne!(asked, select(&keys(None), &names));
    }
}
