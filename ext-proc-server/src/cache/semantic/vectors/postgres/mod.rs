//! The store for more than one process: questions in a PostgreSQL database that has the extension pgvector.
//!
//! What it promises: what one process keeps, all find. Questions that are too old are not found, and are deleted a few at a time as
//! others are kept. The nearest are found by a graph (HNSW), which may miss some, in groups that are large, and by comparing with
//! all in groups that are small. The graph has embeddings of up to 4,000 dimensions, rounded to 16 bits: it takes half the memory, and
//! half the time. Larger embeddings are compared with the whole group. A table whose graph is of embeddings as they are, as earlier
//! versions made it, is searched by that one.
//!
//! Every embedder has a table of its own for each number of dimensions, `weirgate_vectors_NAME_DIMENSIONS`. The user needs the right
//! to make the tables and the extension where they are missing, or somebody else makes them: see [`Statements::create`].
//!
//! There is one connection, which must lead to the server itself or to a pooler that keeps sessions: it has settings and prepared
//! statements.

mod link;

use super::name::name;
use super::{Error, Neighbour, Point, Vectors};
use bytes::{BufMut as _, BytesMut};
use link::{Link, Session};
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};

/// How often questions that are too old are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// How many of them are deleted at a time.
const SWEPT: u64 = 1_000;
/// The longest lifetime: dates end at some time.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);
/// A group is large from so many questions on, and from the square root of so many times all questions of the table on.
const LARGE: u32 = 100;
const LARGE_OF_ALL: u32 = 10;
/// About what a row takes without its embedding, and how many numbers an embedding may have to be kept in it: larger ones have a
/// table of their own.
const ROW: usize = 250;
const IN_ROW: usize = 430;
/// How many dimensions the extension's type has at most, its index, and its index of numbers of 16 bits.
const DIMENSIONS: usize = 16_000;
const INDEXED: usize = 2_000;
const HALVED: usize = 4_000;
/// The first version of the extension that has numbers of 16 bits.
const HALVES: (u32, u32) = (0, 7);
/// The lock in the database under which tables are made: two that make the same at the same time disturb each other.
const LOCK: i64 = 0x7765_6972_6761_7465;

/// Where the database is and how it is used.
#[derive(Clone)]
pub struct Settings {
    /// The address: `postgres://user:password@host:port/database`. `sslmode=require` behind a question mark insists on TLS,
    /// `disable` does without; otherwise it is used if the server has it. The server's certificate must always be good: the
    /// system's authorities are trusted, or those in the file that the environment variable `SSL_CERT_FILE` names.
    pub url: String,
    /// The embedder. Two never share a table.
    pub kind: String,
    /// How long a question is kept.
    pub lifetime: Duration,
    /// How long a call may take.
    pub timeout: Duration,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        f.debug_struct("Settings")
            .field("kind", &self.kind)
            .field("lifetime", &self.lifetime)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The store in a PostgreSQL database.
#[derive(Debug)]
pub struct Postgres {
    link: Link,
    /// What the embedder's tables are called, before the number of dimensions.
    tables: String,
    lifetime: Duration,
    /// When questions that are too old are looked for again.
    sweep: Mutex<Instant>,
}

impl Postgres {
    /// A store in this database, which need not be there yet: it is connected to at the first call.
    ///
    /// # Errors
    /// The address cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Ok(Self {
            link: Link::new(&settings.url, settings.timeout)?,
            tables: format!("weirgate_vectors_{}_", name(&settings.kind)),
            lifetime: settings.lifetime.min(LONGEST),
            sweep: Mutex::new(Instant::now() + SWEEP),
        })
    }

    /// Does something with the statements for so many dimensions, and again with new ones if the table was gone.
    async fn with<T, F>(
        &self,
        dimensions: usize,
        work: impl Fn(Arc<Session>, Arc<Statements>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        if dimensions == 0 || dimensions > DIMENSIONS {
            return Err(Error {
                reason: format!("an embedding has {dimensions} dimensions, not 1 to {DIMENSIONS}"),
            });
        }
        self.link
            .call(async |session| {
                let mut again = true;
                loop {
                    let statements = session.statements(&self.tables, dimensions).await?;
                    match work(session.clone(), statements).await {
                        Err(error) if again && error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
                            session.forget_statements(dimensions);
                            again = false;
                        }
                        other => return other,
                    }
                }
            })
            .await
    }

    /// Whether it is time to look for questions that are too old. If so nobody else is told so for a while.
    fn sweeps(&self) -> bool {
        let mut sweep = self.sweep.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = *sweep <= now;
        if due {
            *sweep = now + SWEEP;
        }
        due
    }

    /// Lets the next who keeps a question look for those that are too old.
    pub(super) fn sweep_now(&self) {
        *self.sweep.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

#[tonic::async_trait]
impl Vectors for Postgres {
    async fn nearest(&self, group: &str, vector: &[f32], count: usize) -> Result<Vec<Neighbour>, Error> {
        let wanted = i64::try_from(count).unwrap_or(i64::MAX);
        let embedding = Embedding(vector.to_vec());
        let rows = self.with(vector.len(), async |session, statements| {
            session.client.query(&statements.nearest, &[&group, &embedding, &wanted]).await
        });
        let read = |row: tokio_postgres::Row| -> Result<Neighbour, tokio_postgres::Error> {
            let distance: f64 = row.try_get(3)?;
            let Embedding(vector) = row.try_get(2)?;
            let similarity = 1.0 - distance as f32;
            Ok(Neighbour { key: row.try_get(0)?, text: row.try_get(1)?, vector, similarity })
        };
        let neighbours: Result<Vec<Neighbour>, tokio_postgres::Error> =
            rows.await?.into_iter().map(read).collect();
        let mut neighbours = neighbours.map_err(|error| link::said(&error))?;
        // Numbers of 16 bits may have put two in another order.
        neighbours.sort_by(|one, other| other.similarity.total_cmp(&one.similarity));
        Ok(neighbours)
    }

    async fn put(&self, point: Point) -> Result<(), Error> {
        let dimensions = point.vector.len();
        let embedding = Embedding(point.vector);
        // The one character that the database's texts cannot have.
        let text = point.text.replace('\0', "\u{fffd}");
        let seconds = self.lifetime.as_secs_f64();
        let due = self.sweeps();
        let swept = self.with(dimensions, async |session, statements| {
            let values: [&(dyn ToSql + Sync); 5] = [&point.key, &point.group, &text, &embedding, &seconds];
            session.client.execute(&statements.put, &values).await?;
            if !due {
                return Ok(0);
            }
            session.client.execute(&statements.sweep, &[]).await
        });
        if swept.await? >= SWEPT {
            // There may be more.
            self.sweep_now();
        }
        Ok(())
    }

    async fn forget(&self, _group: &str, key: &str) -> Result<(), Error> {
        self.link
            .call(async |session| {
                // Its dimensions are not known, but which tables there are.
                let pattern = format!("^{}[0-9]+$", self.tables);
                let find = "SELECT relname::text FROM pg_class \
                    WHERE relkind IN ('r', 'p') AND relname::text ~ $1 AND pg_table_is_visible(oid)";
                for row in session.client.query_typed(find, &[(&pattern, Type::TEXT)]).await? {
                    let table: String = row.try_get(0)?;
                    let delete = format!("DELETE FROM {table} WHERE key = $1");
                    session.client.query_typed(&delete, &[(&key, Type::TEXT)]).await?;
                }
                Ok(())
            })
            .await
    }
}

/// What is asked of a table.
pub(super) struct Statements {
    nearest: Statement,
    put: Statement,
    sweep: Statement,
}

impl Statements {
    /// Prepares what is asked of a table, which is made if it is missing.
    async fn new(
        client: &Client,
        tables: &str,
        dimensions: usize,
        version: (u32, u32),
    ) -> Result<Self, tokio_postgres::Error> {
        let table = &format!("{tables}{dimensions}");
        // Who may not make tables may not even ask for one that is there to be made.
        let graph = match Graph::found(client, table).await? {
            Some(graph) => graph,
            None => {
                client.batch_execute(&Self::create(table, dimensions, version)).await?;
                // Another may have been faster, and have made another.
                Graph::found(client, table).await?.unwrap_or(Graph::None)
            }
        };
        let nearest = Self::search(table, dimensions, graph);
        let put = format!(
            "INSERT INTO {table} (key, grp, text, vector, expires) \
             VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5)) \
             ON CONFLICT (key) DO UPDATE SET \
             grp = excluded.grp, text = excluded.text, vector = excluded.vector, expires = excluded.expires"
        );
        // Several gateways do this at the same time, each with others.
        let sweep = format!(
            "DELETE FROM {table} WHERE key IN (SELECT key FROM {table} \
             WHERE expires <= now() ORDER BY expires LIMIT {SWEPT} FOR UPDATE SKIP LOCKED)"
        );
        Ok(Self {
            nearest: client.prepare(&nearest).await?,
            put: client.prepare(&put).await?,
            sweep: client.prepare(&sweep).await?,
        })
    }

    /// What finds the nearest. It leaves nothing to the planner, who takes all groups for equally large until the table is analyzed: by
    /// the graph, a small group of a large table takes a hundred times as long, and not all of the nearest are found.
    fn search(table: &str, dimensions: usize, graph: Graph) -> String {
        let columns = "SELECT key, text, vector, (vector <=> $2::vector)::float8";
        // By this condition and this order only the index of groups can be used.
        let all = |condition: &str| {
            format!(
                "{columns} FROM {table} WHERE {condition} grp = $1 AND (expires > now()) IS TRUE \
                 ORDER BY (vector <=> $2::vector) + 0 LIMIT $3"
            )
        };
        let by = match graph {
            Graph::Halved => format!("vector::halfvec({dimensions}) <=> $2::vector::halfvec({dimensions})"),
            Graph::Whole => "vector <=> $2::vector".to_owned(),
            Graph::None => return all(""),
        };
        // Of n questions a graph gives about 8 n / g until eight are of a group of g. Comparing with all of the group takes g.
        let row = ROW + if dimensions <= IN_ROW { dimensions * 4 } else { 0 };
        let size = format!("pg_relation_size('{table}'::regclass)");
        let few = format!("greatest({LARGE}, sqrt({LARGE_OF_ALL} * {size} / {row}))::bigint");
        let all = all("NOT (SELECT large FROM size) AND");
        // By the first condition and order only the graph can be used.
        format!(
            "WITH size AS (SELECT EXISTS (SELECT FROM {table} WHERE grp = $1 OFFSET {few}) AS large) \
             ({columns} FROM {table} \
             WHERE (SELECT large FROM size) AND (grp = $1 AND expires > now()) IS TRUE \
             ORDER BY {by} LIMIT $3) \
             UNION ALL ({all})"
        )
    }

    /// What makes a table. All of it is done, or nothing.
    fn create(table: &str, dimensions: usize, version: (u32, u32)) -> String {
        let graph = match Graph::of(dimensions, version) {
            Graph::Whole => "(vector vector_cosine_ops)".to_owned(),
            Graph::Halved => format!("((vector::halfvec({dimensions})) halfvec_cosine_ops)"),
            Graph::None => String::new(),
        };
        let graph = match graph.as_str() {
            "" => graph,
            columns => format!("CREATE INDEX IF NOT EXISTS {table}_hnsw ON {table} USING hnsw {columns};"),
        };
        format!(
            "SELECT pg_advisory_xact_lock({LOCK});
             CREATE TABLE IF NOT EXISTS {table} (
                 key text PRIMARY KEY,
                 grp text NOT NULL,
                 text text NOT NULL,
                 vector vector({dimensions}) NOT NULL,
                 expires timestamptz NOT NULL
             );
             CREATE INDEX IF NOT EXISTS {table}_grp ON {table} (grp);
             CREATE INDEX IF NOT EXISTS {table}_expires ON {table} (expires);
             {graph}"
        )
    }
}

/// How embeddings are indexed.
enum Graph {
    /// As they are.
    Whole,
    /// Rounded to 16 bits: more of them stay in memory, and more dimensions fit into the page that a node of the graph must fit into.
    Halved,
    /// Not at all.
    None,
}

impl Graph {
    /// That of a table to be made.
    fn of(dimensions: usize, version: (u32, u32)) -> Self {
        match dimensions {
            ..=HALVED if version >= HALVES => Self::Halved,
            ..=INDEXED => Self::Whole,
            _ => Self::None,
        }
    }

    /// That of a table, if there is such a table. One that is still being built is none.
    async fn found(client: &Client, table: &str) -> Result<Option<Self>, tokio_postgres::Error> {
        let find = "SELECT to_regclass($1) IS NOT NULL, \
            coalesce(bool_or(opcname = 'halfvec_cosine_ops'), false), \
            coalesce(bool_or(opcname = 'vector_cosine_ops'), false) \
            FROM pg_index JOIN pg_opclass ON pg_opclass.oid = indclass[0] \
            WHERE indrelid = to_regclass($1) AND indisvalid";
        let rows = client.query_typed(find, &[(&table, Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(match (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?) {
            (false, _, _) => None,
            (true, true, _) => Some(Self::Halved),
            (true, false, true) => Some(Self::Whole),
            (true, false, false) => Some(Self::None),
        })
    }
}

/// A value of the extension's type: how many numbers there are, two bytes of nothing, and the numbers.
#[derive(Debug)]
struct Embedding(Vec<f32>);

impl ToSql for Embedding {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_u16(u16::try_from(self.0.len())?);
        out.put_u16(0);
        self.0.iter().for_each(|number| out.put_f32(*number));
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        of.name() == "vector"
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Embedding {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let numbers = raw.get(4..).ok_or("a vector is cut short")?;
        Ok(Self(numbers.as_chunks().0.iter().map(|four| f32::from_be_bytes(*four)).collect()))
    }

    fn accepts(of: &Type) -> bool {
        of.name() == "vector"
    }
}
