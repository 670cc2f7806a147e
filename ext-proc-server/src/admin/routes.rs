//! The table of the admin API: what is served, what its document says, and who may call it.

use super::access::Role;
use super::call::Call;
use super::resources::ApiResource;
use super::{audit, cache, keys, me, resources, spend, standings};
use crate::directory::log::Kind;
use crate::directory::refusal::Refusal;
use crate::policy::identity::{Key, Organization, Team, User};
use crate::policy::limit::{Dimension, Limit};
use crate::record::spend::Group;
use axum::http::Method;
use axum::response::Response;
use std::future::Future;
use std::pin::Pin;

/// What a route does.
pub(super) type Handler = fn(Call) -> Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// One route.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// Its name in the document.
    pub(super) id: String,
    /// What it is for.
    pub(super) summary: String,
    /// Who may call it.
    pub(super) roles: &'static [Role],
    pub(super) query: Vec<Parameter>,
    pub(super) body: Body,
    /// The status of success, and the name of the schema of what is answered then.
    pub(super) answer: (u16, Option<String>),
    /// The other statuses, besides those that follow from method, path and body.
    pub(super) refusals: &'static [u16],
    pub(super) handler: Handler,
}

/// A parameter of a query.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) values: Values,
    pub(super) about: &'static str,
}

/// What a parameter may be.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// Any text that is not empty.
    Text,
    /// A whole number from 1.
    Count {
        /// The largest.
        most: u64,
    },
    /// A day, such as `2026-11-21`.
    Day,
    /// One of these.
    One(Vec<&'static str>),
    /// Some of these, with commas between them.
    Several(Vec<&'static str>),
}

/// What body a route reads, by the name of its schema.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// None.
    None,
    /// JSON.
    Json(String),
    /// JSON, or nothing.
    Optional(String),
    /// A JSON merge patch (RFC 7396).
    Patch(String),
}

const EVERYBODY: &[Role] = &[Role::Admin, Role::Viewer, Role::TeamAdmin, Role::KeyOwner];
const READERS: &[Role] = &[Role::Admin, Role::Viewer];
const READERS_AND_TEAMS: &[Role] = &[Role::Admin, Role::Viewer, Role::TeamAdmin];
const ADMINS: &[Role] = &[Role::Admin];
const ADMINS_AND_TEAMS: &[Role] = &[Role::Admin, Role::TeamAdmin];
const OWNERS: &[Role] = &[Role::KeyOwner];

const LIMIT: Parameter = Parameter {
    name: "limit",
    values: Values::Count { most: 1_000 },
    about: "How many at most; 100 if it is not given",
};
const CURSOR: Parameter =
    Parameter { name: "cursor", values: Values::Text, about: "Where the page before ended: its next_cursor" };

/// Every route but that of the document.
pub(super) fn all() -> Vec<Route> {
    let mut routes = Vec::new();
    resource::<Organization>(&mut routes, ["/organizations", "/organizations/{name}"], READERS, ADMINS);
    resource::<Team>(&mut routes, ["/teams", "/teams/{name}"], READERS_AND_TEAMS, ADMINS);
    resource::<User>(&mut routes, ["/users", "/users/{name}"], READERS_AND_TEAMS, ADMINS_AND_TEAMS);
    resource::<Key>(&mut routes, ["/keys", "/keys/{name}"], READERS_AND_TEAMS, ADMINS_AND_TEAMS);
    resource::<Limit>(&mut routes, ["/limits", "/limits/{name}"], READERS, ADMINS);
    routes.extend(of_keys());
    routes.extend([standings_route(), spend_route(), audit_route()]);
    routes.extend(of_cache());
    routes.push(Route {
        summary: "Who calls, and their key if they have shown one".to_owned(),
        ..route(Method::GET, "/me", "get_me", EVERYBODY, "Me", |call| Box::pin(me::get(call)))
    });
    let rotate: Handler = |call| Box::pin(me::rotate(call));
    routes.push(Route {
        summary: "Gives the caller's own key a new secret".to_owned(),
        body: Body::Optional("Rotation".to_owned()),
        // It may have been deleted in the meantime.
        refusals: &[404],
        ..route(Method::POST, "/me/rotate", "rotate_me", OWNERS, "NewKey", rotate)
    });
    routes
}

/// A route without a query and a body.
fn route(
    method: Method,
    path: &'static str,
    id: impl Into<String>,
    roles: &'static [Role],
    answer: impl Into<String>,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        id: id.into(),
        summary: String::new(),
        roles,
        query: Vec::new(),
        body: Body::None,
        answer: (200, Some(answer.into())),
        refusals: &[],
        handler,
    }
}

/// What keys have besides what all resources have.
fn of_keys() -> [Route; 3] {
    let act = |path, id, view, handler| route(Method::POST, path, id, ADMINS_AND_TEAMS, view, handler);
    [
        Route {
            summary: "Gives a key a new secret; the old one is accepted for a grace period".to_owned(),
            body: Body::Optional("Rotation".to_owned()),
            ..act("/keys/{name}/rotate", "rotate_key", "NewKey", |call| Box::pin(keys::rotate(call)))
        },
        Route {
            summary: "Refuses a key until it is unblocked".to_owned(),
            ..act("/keys/{name}/block", "block_key", "KeyView", |call| Box::pin(keys::block(call, true)))
        },
        Route {
            summary: "Accepts a key again".to_owned(),
            ..act("/keys/{name}/unblock", "unblock_key", "KeyView", |call| Box::pin(keys::block(call, false)))
        },
    ]
}

/// What every kind of resource has.
fn resource<R: ApiResource>(
    routes: &mut Vec<Route>,
    [many, one]: [&'static str; 2],
    readers: &'static [Role],
    writers: &'static [Role],
) {
    let kind = R::KIND;
    let plural = many.trim_start_matches('/');
    let view = format!("{}View", R::SCHEMA);
    let filters = R::FILTERS.iter();
    let filters = filters.map(|name| Parameter { name, ..text("Only those with this value") });
    let list: Handler = |call| Box::pin(resources::list::<R>(call));
    let create: Handler = |call| Box::pin(resources::create::<R>(call));
    let get: Handler = |call| Box::pin(resources::get::<R>(call));
    let update: Handler = |call| Box::pin(resources::update::<R>(call));
    let remove: Handler = |call| Box::pin(resources::remove::<R>(call));
    let made = if kind == Kind::Key { "NewKey" } else { &view };
    routes.extend([
        Route {
            summary: format!("Lists {plural}, by name"),
            query: [LIMIT, CURSOR].into_iter().chain(filters).collect(),
            ..route(Method::GET, many, format!("list_{plural}"), readers, format!("{}List", R::SCHEMA), list)
        },
        Route {
            summary: format!("Makes a new {kind}"),
            body: Body::Json(R::SCHEMA.to_owned()),
            answer: (201, Some(made.to_owned())),
            ..route(Method::POST, many, format!("create_{kind}"), writers, made, create)
        },
        Route {
            summary: format!("Shows one {kind}"),
            ..route(Method::GET, one, format!("get_{kind}"), readers, &view, get)
        },
        Route {
            summary: format!("Changes fields of one {kind}; what is null goes back to its default"),
            body: Body::Patch(format!("{}Patch", R::SCHEMA)),
            ..route(Method::PATCH, one, format!("update_{kind}"), writers, &view, update)
        },
        Route {
            summary: format!("Deletes one {kind} to which nothing refers"),
            answer: (204, None),
            ..route(Method::DELETE, one, format!("delete_{kind}"), writers, &view, remove)
        },
    ]);
}

/// A parameter that may be any text, yet without a name.
fn text(about: &'static str) -> Parameter {
    Parameter { name: "", values: Values::Text, about }
}

fn standings_route() -> Route {
    let of = ["organization", "team", "user", "key"];
    let of = of.map(|name| Parameter { name, ..text("Only what is of this one") });
    let named = Parameter { name: "name", ..text("Only limits of this name") };
    let list: Handler = |call| Box::pin(standings::list(call));
    Route {
        summary: "How every counter stands whose name is known beforehand".to_owned(),
        query: [LIMIT, CURSOR].into_iter().chain(of).chain([named]).collect(),
        ..route(Method::GET, "/standings", "list_standings", READERS_AND_TEAMS, "StandingList", list)
    }
}

fn spend_route() -> Route {
    let groups = Group::ALL.iter().map(|(name, _)| *name).collect();
    let mut query = vec![
        Parameter { name: "from", values: Values::Day, about: "The first day (UTC)" },
        Parameter { name: "to", values: Values::Day, about: "The last day (UTC)" },
        Parameter {
            name: "group_by",
            values: Values::Several(groups),
            about: "What rows are told apart by; without it there is one row. end_user and tag go with day, month and team only",
        },
        Parameter {
            name: "format",
            values: Values::One(vec!["json", "csv"]),
            about: "json if it is not given",
        },
    ];
    let of = Dimension::ALL.iter();
    query.extend(of.map(|(name, _)| Parameter { name, ..text("Only what is of this one") }));
    let get: Handler = |call| Box::pin(spend::get(call));
    Route {
        summary: "What was used and spent".to_owned(),
        query,
        refusals: &[422],
        ..route(Method::GET, "/spend", "get_spend", READERS_AND_TEAMS, "Spend", get)
    }
}

fn of_cache() -> [Route; 2] {
    let query = vec![
        Parameter { name: "entry", ..text("Only the answer of this id") },
        Parameter { name: "scope", ..text("Only those of this scope, such as key:NAME or team:NAME") },
        Parameter { name: "model", ..text("Only those of requests for this model") },
        Parameter { name: "tag", ..text("Only those of requests with this tag") },
    ];
    [
        Route {
            summary: "Forgets cached answers: all, or those that match all that is given".to_owned(),
            query,
            refusals: &[404],
            ..route(Method::DELETE, "/cache", "purge_cache", ADMINS, "Purged", |call| {
                Box::pin(cache::purge(call))
            })
        },
        Route {
            summary: "Says what a cached answer was worth; a wrong one is forgotten".to_owned(),
            body: Body::Json("Feedback".to_owned()),
            refusals: &[404],
            ..route(Method::POST, "/cache/feedback", "judge_cached", ADMINS, "Purged", |call| {
                Box::pin(cache::feedback(call))
            })
        },
    ]
}

fn audit_route() -> Route {
    let kinds = Kind::ALL.iter().map(|(name, _)| *name).collect();
    let query = vec![
        LIMIT,
        Parameter { values: Values::Count { most: i64::MAX as u64 }, ..CURSOR },
        Parameter { name: "kind", values: Values::One(kinds), about: "Only changes of this kind of thing" },
        Parameter { name: "name", ..text("Only changes of what has this name") },
        Parameter { name: "actor", ..text("Only changes that they have made") },
    ];
    Route {
        summary: "Every change, the last first".to_owned(),
        query,
        ..route(Method::GET, "/audit", "list_audit", ADMINS, "AuditList", |call| Box::pin(audit::list(call)))
    }
}
