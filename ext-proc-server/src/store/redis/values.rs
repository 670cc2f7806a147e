//! Values in the server that are kept for a time, by their names, and points that are found by their vectors.

use super::link::{Call, Repeat};
use super::{Redis, StoreError};
use redis::{FromRedisValue, Script, Value};
use std::time::Duration;

/// How many names are looked through at a time.
const BATCH: usize = 500;
/// How many neighbours a vector has in the graph of an index, how many candidates are looked at to choose them, and how many when
/// the nearest are looked for. The server's own last number, 10, finds too few of them.
const GRAPH: [(&str, usize); 3] = [("M", 16), ("EF_CONSTRUCTION", 200), ("EF_RUNTIME", 100)];

/// Keeps a point in place of what was there. KEYS: its key. ARGV: its lifetime in milliseconds, then names of fields and values.
const KEEP: &str = r"
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
";

/// A point that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What the name of the point had after that of its space.
    pub name: String,
    /// What it is.
    pub text: String,
    /// Where it is.
    pub vector: Vec<f32>,
    /// One less the cosine of the angle between its vector and the one that was asked for.
    pub distance: f32,
}

impl Redis {
    /// The reason of an error that says that the server cannot look for vectors.
    pub const NO_SEARCH: &str =
        "the server has no vector search: it takes Redis 8, Redis Stack, or Valkey with its search module";

    /// A value.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn value(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.keys.value(name));
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }

    /// Keeps a value for so long.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn set_value(&self, name: &str, value: &str, lifetime: Duration) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        command.arg(self.keys.value(name)).arg(value).arg("PX").arg(millis(lifetime, i64::MAX as u64));
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }

    /// Forgets the values whose names begin so and which are meant, and says how many.
    ///
    /// # Errors
    /// The server cannot be used. Some may have been forgotten.
    pub async fn forget_values(
        &self,
        begin: &str,
        meant: impl Fn(&str) -> bool + Send,
    ) -> Result<u64, StoreError> {
        // What a pattern would take for something else does not stand in names of ours.
        let pattern = format!("{}*", self.keys.value(begin).replace('[', "\\[").replace('{', "\\{"));
        let (mut cursor, mut forgotten) = (0u64, 0u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(BATCH);
            let found = self.link.send(Call::Command(&scan), Repeat::Safe, self.link.deadline()).await?;
            let (next, names): (u64, Vec<String>) = found;
            if !names.is_empty() {
                let mut get = redis::cmd("MGET");
                get.arg(&names);
                let values: Vec<Option<String>> =
                    self.link.send(Call::Command(&get), Repeat::Safe, self.link.deadline()).await?;
                let found = names.iter().zip(&values);
                let wanted = found.filter(|(_, value)| value.as_deref().is_some_and(&meant));
                let wanted: Vec<&String> = wanted.map(|(name, _)| name).collect();
                if !wanted.is_empty() {
                    let mut delete = redis::cmd("DEL");
                    delete.arg(&wanted);
                    forgotten += self
                        .link
                        .send::<u64>(Call::Command(&delete), Repeat::Safe, self.link.deadline())
                        .await?;
                }
            }
            if next == 0 {
                return Ok(forgotten);
            }
            cursor = next;
        }
    }

    /// Makes the index of the vectors of so many dimensions in a space, if it is missing.
    ///
    /// # Errors
    /// The server cannot be used, or has no vector search: [`Redis::NO_SEARCH`].
    pub async fn index_points(&self, space: &str, dimensions: usize) -> Result<(), StoreError> {
        let mut command = redis::cmd("FT.CREATE");
        command.arg(self.keys.index(space, dimensions)).arg(&["ON", "HASH", "PREFIX", "1"]);
        command.arg(self.keys.point(space, "")).arg(&["SCHEMA", "group", "TAG"]);
        command.arg(field(dimensions)).arg(&["VECTOR", "HNSW"]).arg(6 + 2 * GRAPH.len());
        command.arg(&["TYPE", "FLOAT32", "DISTANCE_METRIC", "COSINE", "DIM"]).arg(dimensions);
        for (name, value) in GRAPH {
            command.arg(name).arg(value);
        }
        let made: Result<Value, StoreError> =
            self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await;
        match made {
            Err(error) if error.reason.to_lowercase().contains("already exists") => Ok(()),
            Err(error) => Err(explained(error)),
            Ok(_) => Ok(()),
        }
    }

    /// Keeps a point for so long, in place of the one that has its name. It is found if the space has an index for its dimensions.
    ///
    /// # Errors
    /// The server cannot be used, or the group is not of ASCII letters and digits.
    pub async fn keep_point(
        &self,
        space: &str,
        name: &str,
        group: &str,
        text: &str,
        vector: &[f32],
        lifetime: Duration,
    ) -> Result<(), StoreError> {
        let script = Script::new(KEEP);
        let mut call = script.prepare_invoke();
        // The server adds the time to a date, which must not pass what a number holds.
        call.key(self.keys.point(space, name)).arg(millis(lifetime, i64::MAX as u64 / 4));
        call.arg("group").arg(tag(group)?).arg("text").arg(text);
        call.arg(field(vector.len())).arg(bytes(vector));
        self.link.send(Call::Script(&call), Repeat::Safe, self.link.deadline()).await
    }

    /// The points of a group that are nearest to a vector, at most so many. Makes the index if it is missing: a server that was
    /// emptied has lost it.
    ///
    /// # Errors
    /// The server cannot be used, or has no vector search: [`Redis::NO_SEARCH`].
    pub async fn nearest_points(
        &self,
        space: &str,
        group: &str,
        vector: &[f32],
        count: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let field = field(vector.len());
        let query = format!("(@group:{{{}}})=>[KNN {count} @{field} $vector AS distance]", tag(group)?);
        let mut command = redis::cmd("FT.SEARCH");
        command.arg(self.keys.index(space, vector.len())).arg(query);
        command.arg(&["PARAMS", "2", "vector"]).arg(bytes(vector));
        command.arg(&["RETURN", "3", "distance", "text"]).arg(&field);
        command.arg(&["LIMIT", "0"]).arg(count).arg(&["DIALECT", "2"]);
        let mut made = false;
        loop {
            let answer: Result<Value, StoreError> =
                self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await;
            match answer {
                Ok(answer) => return Ok(found(answer, &self.keys.point(space, ""), &field)),
                Err(error) if !made && is_missing(&error) => {
                    self.index_points(space, vector.len()).await?;
                    made = true;
                }
                Err(error) => return Err(explained(error)),
            }
        }
    }

    /// Forgets the point of a name.
    ///
    /// # Errors
    /// The server cannot be used.
    pub async fn forget_point(&self, space: &str, name: &str) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.keys.point(space, name));
        self.link.send(Call::Command(&command), Repeat::Safe, self.link.deadline()).await
    }
}

impl super::wire::Keys {
    /// A point. Points of all dimensions are kept by the same names, so that one is found to be forgotten whatever its vector.
    fn point(&self, space: &str, name: &str) -> String {
        format!("{}vector:{space}:{name}", self.prefix)
    }

    /// The index of the points of a space whose vectors have so many dimensions.
    fn index(&self, space: &str, dimensions: usize) -> String {
        format!("{}vectors:{space}:{dimensions}", self.prefix)
    }
}

/// An error that says so where the server does not know the commands.
fn explained(error: StoreError) -> StoreError {
    if error.reason.to_lowercase().contains("unknown command") {
        return StoreError { reason: Redis::NO_SEARCH.to_owned() };
    }
    error
}

fn millis(lifetime: Duration, most: u64) -> u64 {
    u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).clamp(1, most)
}

/// The field that holds a vector of so many dimensions: an index takes only those it is made for.
fn field(dimensions: usize) -> String {
    format!("vector{dimensions}")
}

/// A group as the server keeps it. A text of digits only is a number to some servers.
fn tag(group: &str) -> Result<String, StoreError> {
    if group.is_empty() || !group.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(StoreError { reason: "a group has other characters than letters and digits".to_owned() });
    }
    Ok(format!("g{group}"))
}

fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

/// Whether an error says that there is no index of this name. Every server and version has its own words for it.
fn is_missing(error: &StoreError) -> bool {
    let reason = error.reason.to_lowercase();
    reason.contains("index")
        && ["no such", "unknown index", "not found", "not_found"].iter().any(|words| reason.contains(words))
}

/// What a search found, in the form of either protocol. What cannot be read, as a point that expired meanwhile, is left out.
fn found(answer: Value, begin: &str, field: &str) -> Vec<Found> {
    let points: Vec<(Value, Value)> = match answer {
        // The number of points, then the key and the fields of each.
        Value::Array(answer) => {
            let mut rest = answer.into_iter().skip(1);
            std::iter::from_fn(|| Some((rest.next()?, rest.next()?))).collect()
        }
        Value::Map(answer) => {
            let results = answer.into_iter().filter(|(name, _)| is(name, "results")).map(|(_, value)| value);
            let results = results.flat_map(|value| Vec::<Value>::from_redis_value(value).unwrap_or_default());
            results.filter_map(keyed).collect()
        }
        _ => Vec::new(),
    };
    points.into_iter().filter_map(|(key, fields)| read(key, fields, begin, field)).collect()
}

/// The key and the fields of a point in the form of the newer protocol.
fn keyed(point: Value) -> Option<(Value, Value)> {
    let Value::Map(parts) = point else { return None };
    let (mut key, mut fields) = (None, None);
    for (name, value) in parts {
        if is(&name, "id") {
            key = Some(value);
        } else if is(&name, "extra_attributes") {
            fields = Some(value);
        }
    }
    Some((key?, fields?))
}

fn is(value: &Value, text: &str) -> bool {
    match value {
        Value::BulkString(bytes) => bytes == text.as_bytes(),
        Value::SimpleString(simple) => simple == text,
        Value::VerbatimString { text: verbatim, .. } => verbatim == text,
        _ => false,
    }
}

fn read(key: Value, fields: Value, begin: &str, field: &str) -> Option<Found> {
    let key = String::from_redis_value(key).ok()?;
    let fields = Vec::<(String, Vec<u8>)>::from_redis_value(fields).ok()?;
    let named = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let distance: f32 = std::str::from_utf8(named("distance")?).ok()?.parse().ok()?;
    Some(Found {
        name: key.strip_prefix(begin)?.to_owned(),
        text: String::from_utf8_lossy(named("text")?).into_owned(),
        vector: numbers(named(field)?),
        distance,
    })
    .filter(|found| found.distance.is_finite())
}
