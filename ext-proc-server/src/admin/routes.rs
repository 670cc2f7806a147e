//! The table of the admin API: what is served, what its document says, and who may call it.

use super::access::Role;
use super::call::Call;
use super::resources::ApiResource;
use super::{audit, keys, me, resources, spend, standings};
use crate::directory::log::{Action, Kind};
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
    /// The other statuses, besides those that every route may have.
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

/// Every route but that of the document.
pub(super) fn all() -> Vec<Route> {
    let mut routes = Vec::new();
    resource::<Organization>(&mut routes, ["/organizations", "/organizations/{name}"], READERS, ADMINS);
    resource::<Team>(&mut routes, ["/teams", "/teams/{name}"], READERS_AND_TEAMS, ADMINS);
    resource::<User>(&mut routes, ["/users", "/users/{name}"], READERS_AND_TEAMS, ADMINS_AND_TEAMS);
    resource::<Key>(&mut routes, ["/keys", "/keys/{name}"], READERS_AND_TEAMS, ADMINS_AND_TEAMS);
    resource::<Limit>(&mut routes, ["/limits", "/limits/{name}"], READERS, ADMINS);
    for (path, action, body, answer, handler) in [
        (
            "/keys/{name}/rotate",
            Action::Rotate,
            Body::Optional("Rotation".to_owned()),
            "NewKey",
            (|call| Box::pin(keys::rotate(call))) as Handler,
        ),
        ("/keys/{name}/block", Action::Block, Body::None, "KeyView", |call| {
            Box::pin(keys::block(call, true))
        }),
        ("/keys/{name}/unblock", Action::Unblock, Body::None, "KeyView", |call| {
            Box::pin(keys::block(call, false))
        }),
    ] {
        let (id, summary) = match action {
            Action::Rotate => {
                ("rotate_key", "Gives a key a new secret; the old one is accepted for a grace period")
            }
            Action::Block => ("block_key", "Refuses a key until it is unblocked"),
            _ => ("unblock_key", "Accepts a key again"),
        };
        routes.push(Route {
            method: Method::POST,
            path,
            id: id.to_owned(),
            summary: summary.to_owned(),
            roles: ADMINS_AND_TEAMS,
            query: Vec::new(),
            refusals: if matches!(body, Body::None) {
                &[404, 409, 503]
            } else {
                &[400, 404, 409, 413, 415, 422, 503]
            },
            body,
            answer: (200, Some(answer.to_owned())),
            handler,
        });
    }
    routes.extend([standings_route(), spend_route(), audit_route()]);
    routes.push(Route {
        method: Method::GET,
        path: "/me",
        id: "get_me".to_owned(),
        summary: "Who calls, and their key if they have shown one".to_owned(),
        roles: EVERYBODY,
        query: Vec::new(),
        body: Body::None,
        answer: (200, Some("Me".to_owned())),
        refusals: &[503],
        handler: |call| Box::pin(me::get(call)),
    });
    routes.push(Route {
        method: Method::POST,
        path: "/me/rotate",
        id: "rotate_me".to_owned(),
        summary: "Gives the caller's own key a new secret".to_owned(),
        roles: OWNERS,
        query: Vec::new(),
        body: Body::Optional("Rotation".to_owned()),
        answer: (200, Some("NewKey".to_owned())),
        refusals: &[400, 404, 409, 413, 415, 422, 503],
        handler: |call| Box::pin(me::rotate(call)),
    });
    routes
}

fn resource<R: ApiResource>(
    routes: &mut Vec<Route>,
    [many, one]: [&'static str; 2],
    readers: &'static [Role],
    writers: &'static [Role],
) {
    let kind = R::KIND;
    let plural = many.trim_start_matches('/');
    let view = format!("{}View", R::SCHEMA);
    let mut filters = vec![
        Parameter {
            name: "limit",
            values: Values::Count { most: 1_000 },
            about: "How many at most; 100 if it is not given",
        },
        Parameter {
            name: "cursor",
            values: Values::Text,
            about: "Where the page before ended: its next_cursor",
        },
    ];
    filters.extend(R::FILTERS.iter().map(|name| Parameter {
        name,
        values: Values::Text,
        about: "Only those with this value",
    }));
    routes.push(Route {
        method: Method::GET,
        path: many,
        id: format!("list_{plural}"),
        summary: format!("Lists {plural}, by name"),
        roles: readers,
        query: filters,
        body: Body::None,
        answer: (200, Some(format!("{}List", R::SCHEMA))),
        refusals: &[400, 503],
        handler: |call| Box::pin(resources::list::<R>(call)),
    });
    routes.push(Route {
        method: Method::POST,
        path: many,
        id: format!("create_{kind}"),
        summary: format!("Makes a new {kind}"),
        roles: writers,
        query: Vec::new(),
        body: Body::Json(R::SCHEMA.to_owned()),
        answer: (201, Some(if kind == Kind::Key { "NewKey".to_owned() } else { view.clone() })),
        refusals: &[400, 409, 413, 415, 422, 503],
        handler: |call| Box::pin(resources::create::<R>(call)),
    });
    routes.push(Route {
        method: Method::GET,
        path: one,
        id: format!("get_{kind}"),
        summary: format!("Shows one {kind}"),
        roles: readers,
        query: Vec::new(),
        body: Body::None,
        answer: (200, Some(view.clone())),
        refusals: &[404, 503],
        handler: |call| Box::pin(resources::get::<R>(call)),
    });
    routes.push(Route {
        method: Method::PATCH,
        path: one,
        id: format!("update_{kind}"),
        summary: format!("Changes fields of one {kind}; what is null goes back to its default"),
        roles: writers,
        query: Vec::new(),
        body: Body::Patch(format!("{}Patch", R::SCHEMA)),
        answer: (200, Some(view)),
        refusals: &[400, 404, 409, 413, 415, 422, 503],
        handler: |call| Box::pin(resources::update::<R>(call)),
    });
    routes.push(Route {
        method: Method::DELETE,
        path: one,
        id: format!("delete_{kind}"),
        summary: format!("Deletes one {kind} to which nothing refers"),
        roles: writers,
        query: Vec::new(),
        body: Body::None,
        answer: (204, None),
        refusals: &[404, 409, 503],
        handler: |call| Box::pin(resources::remove::<R>(call)),
    });
}

fn page() -> Vec<Parameter> {
    vec![
        Parameter {
            name: "limit",
            values: Values::Count { most: 1_000 },
            about: "How many at most; 100 if it is not given",
        },
        Parameter {
            name: "cursor",
            values: Values::Text,
            about: "Where the page before ended: its next_cursor",
        },
    ]
}

fn filters(dimensions: &[&'static str]) -> impl Iterator<Item = Parameter> {
    dimensions.iter().map(|name| Parameter { name, values: Values::Text, about: "Only what is of this one" })
}

fn standings_route() -> Route {
    let mut query = page();
    query.extend(filters(&["organization", "team", "user", "key"]));
    query.push(Parameter { name: "name", values: Values::Text, about: "Only limits of this name" });
    Route {
        method: Method::GET,
        path: "/standings",
        id: "list_standings".to_owned(),
        summary: "How every counter stands whose name is known beforehand".to_owned(),
        roles: READERS_AND_TEAMS,
        query,
        body: Body::None,
        answer: (200, Some("StandingList".to_owned())),
        refusals: &[400, 503],
        handler: |call| Box::pin(standings::list(call)),
    }
}

fn spend_route() -> Route {
    let mut query = vec![
        Parameter { name: "from", values: Values::Day, about: "The first day (UTC)" },
        Parameter { name: "to", values: Values::Day, about: "The last day (UTC)" },
        Parameter {
            name: "group_by",
            values: Values::Several(Group::ALL.iter().map(|(name, _)| *name).collect()),
            about: "What rows are told apart by; without it there is one row. end_user and tag go with day, month and team only",
        },
        Parameter {
            name: "format",
            values: Values::One(vec!["json", "csv"]),
            about: "json if it is not given",
        },
    ];
    query.extend(Dimension::ALL.iter().map(|(name, _)| Parameter {
        name,
        values: Values::Text,
        about: "Only what is of this one",
    }));
    Route {
        method: Method::GET,
        path: "/spend",
        id: "get_spend".to_owned(),
        summary: "What was used and spent".to_owned(),
        roles: READERS_AND_TEAMS,
        query,
        body: Body::None,
        answer: (200, Some("Spend".to_owned())),
        refusals: &[400, 422, 503],
        handler: |call| Box::pin(spend::get(call)),
    }
}

fn audit_route() -> Route {
    let mut query = vec![
        Parameter {
            name: "limit",
            values: Values::Count { most: 1_000 },
            about: "How many at most; 100 if it is not given",
        },
        Parameter {
            name: "cursor",
            values: Values::Count { most: i64::MAX as u64 },
            about: "Where the page before ended: its next_cursor",
        },
    ];
    query.push(Parameter {
        name: "kind",
        values: Values::One(Kind::ALL.iter().map(|(name, _)| *name).collect()),
        about: "Only changes of this kind of thing",
    });
    query.push(Parameter { name: "name", values: Values::Text, about: "Only changes of what has this name" });
    query.push(Parameter { name: "actor", values: Values::Text, about: "Only changes that they have made" });
    Route {
        method: Method::GET,
        path: "/audit",
        id: "list_audit".to_owned(),
        summary: "Every change, the last first".to_owned(),
        roles: ADMINS,
        query,
        body: Body::None,
        answer: (200, Some("AuditList".to_owned())),
        refusals: &[400, 503],
        handler: |call| Box::pin(audit::list(call)),
    }
}
