//! The store for more than one process: questions in a PostgreSQL database that has the extension pgvector.
//!
//! What it promises: what one process keeps, all find. Questions that are too old are not found, and are deleted a few at a time as
//! others are kept. The nearest are found by a graph (HNSW), which may miss some, in groups that are large, and by comparing with
//! all in groups that are small. Embeddings of up to 2,000 dimensions are looked for as they are, of up to 4,000 rounded to 16 bits,
//! and of more by comparing with the whole group.
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
        let there = client.query_typed("SELECT to_regclass($1) IS NOT NULL", &[(table, Type::TEXT)]).await?;
        if !there.first().map_or(Ok(false), |row| row.try_get(0))? {
            client.batch_execute(&Self::create(table, dimensions, version)).await?;
        }
        let by = match Column::of(dimensions, version) {
            Column::Halved => format!("vector::halfvec({dimensions}) <=> $2::vector::halfvec({dimensions})"),
            Column::Whole | Column::Alone => "vector <=> $2::vector".to_owned(),
        };
        let nearest = format!(
            "SELECT key, text, vector, (vector <=> $2::vector)::float8 FROM {table} \
             WHERE grp = $1 AND expires > now() ORDER BY {by} LIMIT $3"
        );
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

    /// What makes a table. All of it is done, or nothing.
    fn create(table: &str, dimensions: usize, version: (u32, u32)) -> String {
        let graph = match Column::of(dimensions, version) {
            Column::Whole => "(vector vector_cosine_ops)".to_owned(),
            Column::Halved => format!("((vector::halfvec({dimensions})) halfvec_cosine_ops)"),
            Column::Alone => String::new(),
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
enum Column {
    Whole,
    /// Rounded to 16 bits: more dimensions fit into the page that a node of the graph must fit into.
    Halved,
    /// Not at all.
    Alone,
}

impl Column {
    fn of(dimensions: usize, version: (u32, u32)) -> Self {
        match dimensions {
            ..=INDEXED => Self::Whole,
            ..=HALVED if version >= HALVES => Self::Halved,
            _ => Self::Alone,
        }
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
