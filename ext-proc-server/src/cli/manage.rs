//! `weirgate organizations|teams|users|keys|limits`, `spend` and `audit`: the admin API from a terminal.

use super::client::{Server, escape, query};
use super::print;
use super::table::{plain, table};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The most items of one page.
const PAGE: usize = 1_000;
/// Fields whose texts are lists, with commas between the items.
const LISTS: [&str; 11] = [
    "models",
    "providers",
    "operations",
    "networks",
    "tags",
    "per",
    "warn_at",
    "organizations",
    "teams",
    "users",
    "keys",
];

/// Fields that are numbers.
const NUMBERS: [&str; 5] = ["amount", "burst", "warn_at", "at_percent", "local"];

/// A kind of thing that is managed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// Its path.
    plural: &'static str,
    /// The columns of its list.
    columns: &'static [&'static str],
}

/// Organisations.
pub(crate) const ORGANIZATIONS: Kind =
    Kind { plural: "organizations", columns: &["name", "source", "limits", "metadata"] };
/// Teams.
pub(crate) const TEAMS: Kind =
    Kind { plural: "teams", columns: &["name", "organization", "models", "source", "metadata"] };
/// Users.
pub(crate) const USERS: Kind = Kind { plural: "users", columns: &["name", "team", "source", "metadata"] };
/// Keys.
pub(crate) const KEYS: Kind = Kind {
    plural: "keys",
    columns: &[
        "name",
        "status",
        "secrets.0.prefix",
        "principal.organization",
        "principal.team",
        "principal.user",
        "expires_at",
        "source",
    ],
};
/// Limits.
pub(crate) const LIMITS: Kind =
    Kind { plural: "limits", columns: &["name", "measure", "amount", "window", "per", "mode", "source"] };

/// What can be done with every kind.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Makes a new one.
    Create(Write),
    /// Lists all.
    List {
        #[command(flatten)]
        server: Server,
        /// Prints JSON rather than a table.
        #[arg(long)]
        json: bool,
    },
    /// Shows one.
    Show(One),
    /// Changes fields of one.
    Update(Write),
    /// Deletes one.
    Delete(One),
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyVerb {
    #[command(flatten)]
    Any(Verb),
    /// Gives a key a new secret.
    Rotate {
        #[command(flatten)]
        one: One,
        /// For how long the old secret is still accepted, in seconds.
        #[arg(long, default_value_t = 0)]
        grace_seconds: u64,
    },
    /// Refuses a key until it is unblocked.
    Block(One),
    /// Accepts a key again.
    Unblock(One),
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Its name.
    name: String,
    #[command(flatten)]
    server: Server,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Write {
    #[command(flatten)]
    one: One,
    /// A field and its value: `team=research`, `models=chat,small`, `metadata.owner=ann`, `limits=[...]`. What begins as
    /// JSON's lists, objects and texts do is taken as JSON; `null` takes a field away.
    #[arg(long, value_name = "FIELD=VALUE")]
    set: Vec<String>,
    /// A file with a JSON object of fields; `-` is the standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What was used and spent.
#[derive(Debug, Args)]
pub(crate) struct Spend {
    #[command(flatten)]
    server: Server,
    /// The first day, such as 2026-11-01.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// The last day.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
    /// What rows are told apart by: day, month, organization, team, user, key, model, provider, end_user or tag; several with
    /// commas between them.
    #[arg(long, value_name = "NAMES")]
    group_by: Option<String>,
    /// Only what is of this one: `team=research`.
    #[arg(long, value_name = "DIMENSION=NAME")]
    only: Vec<String>,
    /// How to print it: table, json or csv.
    #[arg(long, default_value = "table", value_parser = ["table", "json", "csv"])]
    format: String,
}

/// Who changed what.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    server: Server,
    /// How many changes at most, the last first.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Only changes of this kind: organization, team, user, key or limit.
    #[arg(long)]
    kind: Option<String>,
    /// Only changes of what has this name.
    #[arg(long)]
    name: Option<String>,
    /// Only changes that they have made.
    #[arg(long)]
    actor: Option<String>,
    /// Prints JSON, with what there was before and after.
    #[arg(long)]
    json: bool,
}

/// Does what was asked for of a kind.
pub(crate) async fn run(kind: Kind, verb: Verb) -> Result<(), String> {
    match verb {
        Verb::Create(write) => {
            let mut fields = write.fields()?;
            fields.insert("name".to_owned(), json!(write.one.name));
            let path = format!("/{}", kind.plural);
            let text = write.one.server.call(Method::POST, &path, Some(&Value::Object(fields))).await?;
            write.one.print(&text)
        }
        Verb::Update(write) => {
            let fields = Value::Object(write.fields()?);
            let text = write.one.server.call(Method::PATCH, &write.one.path(kind), Some(&fields)).await?;
            write.one.print(&text)
        }
        Verb::Show(one) => one.print(&one.server.call(Method::GET, &one.path(kind), None).await?),
        Verb::Delete(one) => one.server.call(Method::DELETE, &one.path(kind), None).await.map(|_| ()),
        Verb::List { server, json } => {
            let items = pages(&server, kind.plural, Vec::new(), usize::MAX).await?;
            show(&items, kind.columns, json)
        }
    }
}

/// Does what was asked for of keys.
pub(crate) async fn keys(verb: KeyVerb) -> Result<(), String> {
    let post = async |one: One, action: &str, body: Option<Value>| {
        let path = format!("{}/{action}", one.path(KEYS));
        one.print(&one.server.call(Method::POST, &path, body.as_ref()).await?)
    };
    match verb {
        KeyVerb::Any(verb) => run(KEYS, verb).await,
        KeyVerb::Rotate { one, grace_seconds } => {
            post(one, "rotate", Some(json!({"grace_seconds": grace_seconds}))).await
        }
        KeyVerb::Block(one) => post(one, "block", None).await,
        KeyVerb::Unblock(one) => post(one, "unblock", None).await,
    }
}

/// Prints what was used and spent.
pub(crate) async fn spend(spend: Spend) -> Result<(), String> {
    let csv = (spend.format == "csv").then(|| "csv".to_owned());
    let mut parameters = vec![
        ("from", spend.from),
        ("to", spend.to),
        ("group_by", spend.group_by.clone()),
        ("format", csv.clone()),
    ];
    for only in &spend.only {
        let (name, value) = only
            .split_once('=')
            .ok_or_else(|| format!("\"{only}\" is not DIMENSION=NAME, as in team=research"))?;
        parameters.push((name, Some(value.to_owned())));
    }
    let text = spend.server.call(Method::GET, &format!("/spend{}", query(parameters)), None).await?;
    if csv.is_some() {
        return print(text);
    }
    let body = parsed(&text)?;
    if spend.format == "json" {
        return print(format_args!("{body:#}\n"));
    }
    let groups = spend.group_by.unwrap_or_default();
    let sums = ["requests", "failed", "input_tokens", "output_tokens", "cached_tokens", "cost_micros"];
    let columns: Vec<&str> = groups.split(',').filter(|name| !name.is_empty()).chain(sums).collect();
    print(table(&items(&body, "rows"), &columns))
}

/// Prints who changed what.
pub(crate) async fn audit(audit: Audit) -> Result<(), String> {
    let filters = vec![("kind", audit.kind), ("name", audit.name), ("actor", audit.actor)];
    let changes = pages(&audit.server, "audit", filters, audit.limit).await?;
    show(&changes, &["sequence", "time", "role", "actor", "action", "kind", "name"], audit.json)
}

impl One {
    fn path(&self, kind: Kind) -> String {
        format!("/{}/{}", kind.plural, escape(&self.name))
    }

    fn print(&self, text: &str) -> Result<(), String> {
        let value = parsed(text)?;
        if self.json {
            return print(format_args!("{value:#}\n"));
        }
        let lines = value.as_object().into_iter().flatten();
        print(lines.map(|(name, value)| format!("{name}: {}\n", plain(value))).collect::<String>())
    }
}

impl Write {
    fn fields(&self) -> Result<Map<String, Value>, String> {
        let mut fields = match &self.file {
            Some(file) => object(file)?,
            None => Map::new(),
        };
        for set in &self.set {
            let (name, text) = set
                .split_once('=')
                .ok_or_else(|| format!("\"{set}\" is not FIELD=VALUE, as in team=research"))?;
            put(&mut fields, name, text);
        }
        Ok(fields)
    }
}

/// Sets a field, or a field of a field.
fn put(fields: &mut Map<String, Value>, path: &str, text: &str) {
    match path.split_once('.') {
        Some((outer, inner)) => {
            let entry = fields.entry(outer).or_insert_with(|| json!({}));
            if !entry.is_object() {
                *entry = json!({});
            }
            if let Some(fields) = entry.as_object_mut() {
                // What people keep with something is text, also where it looks like a number.
                if outer == "metadata" && text != "null" {
                    fields.insert(inner.to_owned(), json!(text));
                } else {
                    put(fields, inner, text);
                }
            }
        }
        None => {
            fields.insert(path.to_owned(), value(path, text));
        }
    }
}

fn value(name: &str, text: &str) -> Value {
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| NUMBERS.contains(&name)).map(Value::from);
    let one = |text: &str| number(text).unwrap_or_else(|| json!(text));
    // A name may look like a number, but none looks like these.
    if text == "null" || text.starts_with(['[', '{', '"']) {
        return serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    }
    if LISTS.contains(&name) {
        return text.split(',').filter(|item| !item.is_empty()).map(|item| one(item.trim())).collect();
    }
    one(text)
}

fn object(file: &Path) -> Result<Map<String, Value>, String> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        _ => std::fs::read_to_string(file).map(|read| text = read),
    };
    read.map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{} is no JSON object: {error}", file.display()))
}

/// All items of a list, page after page.
async fn pages(
    server: &Server,
    path: &str,
    filters: Vec<(&str, Option<String>)>,
    most: usize,
) -> Result<Vec<Value>, String> {
    let (mut found, mut cursor) = (Vec::new(), None);
    while found.len() < most {
        let size = PAGE.min(most - found.len()).max(1).to_string();
        let mut parameters = filters.clone();
        parameters.extend([("limit", Some(size)), ("cursor", cursor)]);
        let body = parsed(&server.call(Method::GET, &format!("/{path}{}", query(parameters)), None).await?)?;
        found.extend(items(&body, "items"));
        cursor = body.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(found)
}

fn show(items: &[Value], columns: &[&str], json: bool) -> Result<(), String> {
    if json {
        print(format_args!("{:#}\n", Value::Array(items.to_vec())))
    } else {
        print(table(items, columns))
    }
}

fn items(body: &Value, name: &str) -> Vec<Value> {
    body.get(name).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn parsed(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("the answer cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(set: &[&str]) -> Value {
        let mut fields = Map::new();
        for set in set {
            let (name, text) = set.split_once('=').unwrap();
            put(&mut fields, name, text);
        }
        Value::Object(fields)
    }

    #[test]
    fn fields_are_what_they_look_like() {
        assert_eq!(
            fields(&[
                "team=red",
                "amount=5",
                "user=null",
                "models=chat,small",
                "tags=[\"a\"]",
                "warn_at=80,90",
                "only.models=chat"
            ]),
            json!({"team": "red", "amount": 5, "user": null, "models": ["chat", "small"], "tags": ["a"], "warn_at": [80, 90],
                "only": {"models": ["chat"]}})
        );
        assert_eq!(
            fields(&["metadata.desk=7", "metadata.floor=null"]),
            json!({"metadata": {"desk": "7", "floor": null}})
        );
        assert_eq!(fields(&["models="]), json!({"models": []}));
        assert_eq!(
            fields(&["team=7", "tags=1,2", "user=\"a\""]),
            json!({"team": "7", "tags": ["1", "2"], "user": "a"})
        );
    }
}
