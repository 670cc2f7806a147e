//! HTTP for operators: health, readiness, metrics and usage; and the admin API under `/admin/v1`.

mod access;
mod answer;
mod audit;
mod cache;
mod call;
mod keys;
mod me;
mod openapi;
mod operators;
mod resources;
mod routes;
mod spend;
mod standings;

pub use operators::probe_address;

use crate::directory::refusal::{Reason, Refusal};
use crate::gateway::Gateway;
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter};
use call::Call;
use routes::Route;
use std::sync::Arc;

/// The routes.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let api = api(gateway.clone());
    // Without a version it is the newest.
    operators::router(gateway).nest("/admin/v1", api.clone()).nest("/admin", api)
}

/// The admin API, made of the same table as its document.
fn api(gateway: Arc<Gateway>) -> Router {
    let document: Arc<str> = openapi::document(&routes::all()).to_string().into();
    let mut router = Router::new();
    for route in routes::all() {
        let (path, route, gateway) = (route.path, Arc::new(route), gateway.clone());
        let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::GET);
        let handler = MethodRouter::new().on(filter, move |request: Request| {
            let (route, gateway) = (route.clone(), gateway.clone());
            async move { serve(&route, gateway, request).await }
        });
        router = router.route(path, handler);
    }
    let openapi = move || async move { answer::json_text(document.to_string()) };
    router
        .route(openapi::PATH, axum::routing::get(openapi))
        .fallback(|| async {
            answer::refuse(&Refusal::new(Reason::NotFound, "not_found", "there is no such path"))
        })
        .method_not_allowed_fallback(|| async {
            answer::refuse(&Refusal::new(Reason::Method, "method_not_allowed", "the path has no such method"))
        })
}

async fn serve(route: &Route, gateway: Arc<Gateway>, request: Request) -> axum::response::Response {
    let answered = async {
        let call = Call::read(route, gateway, request).await?;
        (route.handler)(call).await
    };
    match answered.await {
        Ok(response) => response.into_response(),
        Err(refusal) => answer::refuse(&refusal),
    }
}

#[cfg(test)]
mod tests;
