//! What a lookup by meaning costs, part by part: embedding a question, and in each store finding the kept questions that are nearest to it
//! and judging them.
//!
//! Half of the lookups ask in other words for what is kept, the others for something new of the same topics.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::task::JoinSet;
use weirgate::store::redis::Settings as RedisSettings;
use weirgate::store::{Clock, Redis};
use weirgate::vectors::{Memory, Neighbour, Point, Postgres, PostgresSettings, Shared, Vectors};
use weirgate_bench::cpu::{Sampler, rss_kib};
use weirgate_bench::process::Process;
use weirgate_bench::stats::Samples;
use weirgate_bench::{LoadResult, Row};
use weirgate_semantic::compare::{Candidate, NEAREST, Verifier};
use weirgate_semantic::embed::{Embedder, MiniLm, cosine};

use super::questions;
use super::stack::{PATIENCE, free_port};

/// Names of the rows, and what each measures.
pub(super) const ROWS: [(&str, Part); 4] = [
    ("semantic-embed", Part::Embedding),
    ("semantic-memory", Part::Memory),
    ("semantic-redis", Part::Redis),
    ("semantic-postgres", Part::Postgres),
];

/// `make setup-model` and `tests/setup.sh` put them there.
const MODEL: &str = ".tools/models/all-minilm-l6-v2.onnx";
const REDIS: &str = ".tools/bin/redis-search-server";
const POSTGRES: &str = ".tools/bin/postgres-server";

/// Questions that are embedded.
const EMBEDDED: u64 = 300;
/// Lookups of a store.
const LOOKUPS: u64 = 1_000;
/// How many of them are compared with what a search of all finds.
const RECALLED: usize = 100;
/// What embedded stores may take, by default, in bytes.
const MAX_BYTES: u64 = 256 << 20;
/// Nothing is forgotten for its age.
const LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// Stores on a server get so many questions at once.
const AT_ONCE: usize = 32;
/// The group that is searched for the row, and one that is so much smaller.
const LARGE: u64 = 0;
const SMALL: u64 = 1;
const LARGE_TO_SMALL: u64 = 1_000;
/// From here on questions are not kept but asked.
const ASKED: u64 = 1 << 40;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Embedding,
    Memory,
    Redis,
    Postgres,
}

/// Runs one row. `entries`: how many questions a store keeps in the group that is searched.
pub(super) async fn run(name: &str, entries: u64) -> Result<Vec<Row>, Box<dyn Error>> {
    let found = ROWS.into_iter().find(|(row, _)| *row == name);
    let (_, part) = found.ok_or_else(|| format!("no such row: {name}"))?;
    let (needed, from) = match part {
        Part::Embedding => (MODEL, "make setup-model"),
        Part::Memory => return Ok(vec![memory(name, entries).await?]),
        Part::Redis => (REDIS, "tests/setup.sh"),
        Part::Postgres => (POSTGRES, "tests/setup.sh"),
    };
    if !Path::new(needed).exists() {
        eprintln!("{name}: there is no {needed}; run {from}");
        return Ok(Vec::new());
    }
    if part == Part::Embedding {
        return Ok(vec![embedding(name)?]);
    }
    let server = Server::start(part, Path::new(needed)).await?;
    let row = on_server(name, entries, &server).await;
    let stopped = server.stop().await;
    let row = row?;
    stopped?;
    Ok(vec![row])
}

/// One question after another, as a thread of the service embeds them.
fn embedding(name: &str) -> Result<Row, Box<dyn Error>> {
    let model = MiniLm::load(Path::new(MODEL))?;
    let texts: Vec<String> = (0..EMBEDDED + EMBEDDED / 10).map(questions::text).collect();
    let (measured, warmup) = texts.split_at(EMBEDDED as usize);
    for text in warmup {
        model.embed(&[text])?;
    }
    let mut latency = Samples::default();
    let sampler = Sampler::start(&[std::process::id()])?;
    let begun = Instant::now();
    for text in measured {
        let begun = Instant::now();
        model.embed(&[text])?;
        latency.push(begun.elapsed());
    }
    let elapsed = begun.elapsed();
    let used = sampler.stop()?;
    let mut result = LoadResult { requests: EMBEDDED, elapsed, latency, used, ..LoadResult::default() };
    Ok(Row::new(name, 1, &mut result))
}

/// The embedded store: what a lookup costs, and whether it keeps to its bound. How much the process grows tells something only of the first
/// row of a run, for later ones use the memory that others gave back.
async fn memory(name: &str, entries: u64) -> Result<Row, Box<dyn Error>> {
    let own = [std::process::id()];
    let before = rss_kib(&own)?;
    let store = Arc::new(Memory::open(MAX_BYTES, LIFETIME, None)?);
    let shared: Arc<dyn Vectors> = store.clone();
    fill(name, &shared, entries).await?;
    let grown = rss_kib(&own)?.saturating_sub(before) as f64 / 1024.0;
    let taken = within(&store, MAX_BYTES)?;
    eprintln!(
        "{name}: {} of at most {} MiB by its own count; the process has grown by {grown:.1} MiB",
        mib(taken),
        mib(MAX_BYTES)
    );
    let row = lookups(name, &*shared, entries, None).await?;
    drop((store, shared));
    bounded(name, entries, taken / 10 * 9).await?;
    Ok(row)
}

/// Keeps all questions in a store that has not the room for them.
async fn bounded(name: &str, entries: u64, max_bytes: u64) -> Result<(), Box<dyn Error>> {
    let store = Memory::open(max_bytes, LIFETIME, None)?;
    let mut most = 0;
    for point in points(entries) {
        store.put(point).await?;
        most = within(&store, max_bytes)?.max(most);
    }
    let (kept, _) = store.size();
    let all = entries + small(entries);
    eprintln!("{name}: of at most {} MiB it took {}, and kept {kept} of {all}", mib(max_bytes), mib(most));
    Ok(())
}

/// How many bytes a store takes; an error if they are more than it may.
fn within(store: &Memory, max_bytes: u64) -> Result<u64, String> {
    match store.size() {
        (_, bytes) if bytes <= max_bytes => Ok(bytes),
        (kept, bytes) => Err(format!("{kept} questions take {bytes} bytes, more than {max_bytes}")),
    }
}

/// A store on a server.
async fn on_server(name: &str, entries: u64, server: &Server) -> Result<Row, Box<dyn Error>> {
    let (url, kind) = (server.url.clone(), "bench");
    let store: Arc<dyn Vectors> = if server.part == Part::Redis {
        let (prefix, clock) = ("bench".to_owned(), Clock::System);
        let redis = Redis::connect(RedisSettings { url, prefix, timeout: PATIENCE, clock })?;
        Arc::new(Shared::new(Arc::new(redis), kind, LIFETIME))
    } else {
        let kind = kind.to_owned();
        Arc::new(Postgres::new(&PostgresSettings { url, kind, lifetime: LIFETIME, timeout: PATIENCE })?)
    };
    fill(name, &store, entries).await?;
    lookups(name, &*store, entries, Some(server)).await
}

/// How many questions there are in the small group: enough that there are as many as are wanted.
fn small(entries: u64) -> u64 {
    (entries / LARGE_TO_SMALL).max(NEAREST as u64)
}

/// All that is kept: the large group, and then the small one.
fn points(entries: u64) -> impl Iterator<Item = Point> {
    (0..entries + small(entries)).map(move |number| Point {
        group: name_of(if number < entries { LARGE } else { SMALL }),
        key: name_of(number),
        text: questions::text(number),
        vector: questions::embedding(number),
    })
}

/// The name of a question or a group: any number does in place of a digest.
fn name_of(number: u64) -> String {
    format!("{number:064x}")
}

/// Keeps all questions, many at once.
async fn fill(name: &str, store: &Arc<dyn Vectors>, entries: u64) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let mut puts = JoinSet::new();
    for point in points(entries) {
        if puts.len() >= AT_ONCE
            && let Some(put) = puts.join_next().await
        {
            put??;
        }
        let store = store.clone();
        puts.spawn(async move { store.put(point).await });
    }
    while let Some(put) = puts.join_next().await {
        put??;
    }
    let (all, seconds) = (entries + small(entries), begun.elapsed().as_secs_f64());
    eprintln!("{name}: {all} questions were kept in {seconds:.1} s");
    Ok(())
}

/// A question that is looked up.
struct Lookup {
    text: String,
    vector: Vec<f32>,
    /// The number of the kept question that it asks in other words.
    asks: Option<u64>,
}

impl Lookup {
    /// One after another asks for something new, and for what one of these questions asks: another each time, while there are more.
    fn of(number: u64, kept: Range<u64>) -> Self {
        if number.is_multiple_of(2) {
            let of = ASKED + number;
            return Self { text: questions::text(of), vector: questions::embedding(of), asks: None };
        }
        // The step is a prime, so that all topics have their turn.
        let of = kept.start + number * 7_919 % (kept.end - kept.start).max(1);
        let (text, vector) = (questions::rephrased_text(of), questions::rephrased_embedding(of));
        Self { text, vector, asks: Some(of) }
    }
}

/// What came of lookups.
#[derive(Default)]
struct Looked {
    /// The whole of each.
    latency: Samples,
    /// What the search took of it.
    search: Samples,
    /// How many could be answered.
    sure: usize,
    /// The keys that each of the first found.
    found: Vec<Vec<String>>,
}

/// Looks questions up in the large group for the row, and tells how good the search is there and in the small one.
async fn lookups(
    name: &str,
    store: &dyn Vectors,
    entries: u64,
    server: Option<&Server>,
) -> Result<Row, Box<dyn Error>> {
    let verifier = Verifier::fitted()?;
    let asked = |count: u64, kept: Range<u64>| -> Vec<Lookup> {
        (0..count).map(|number| Lookup::of(number, kept.clone())).collect()
    };
    let (large, small) = (0..entries, entries..entries + small(entries));
    look(store, &verifier, &name_of(LARGE), &asked(LOOKUPS / 10, large.clone())).await?;
    let wanted = asked(LOOKUPS, large.clone());
    let of_server = server.map(Server::samplers).transpose()?;
    let sampler = Sampler::start(&[std::process::id()])?;
    let begun = Instant::now();
    let mut looked = look(store, &verifier, &name_of(LARGE), &wanted).await?;
    let elapsed = begun.elapsed();
    let used = sampler.stop()?;
    for sampler in of_server.into_iter().flatten() {
        // One that was not there all the time did not serve the lookups.
        let Ok(used) = sampler.stop() else { continue };
        if !used.cpu.is_zero() {
            let (cpu, rss) = (used.cpu.as_micros() as u64 / LOOKUPS, used.rss_kib as f64 / 1024.0);
            eprintln!("{name}: a process of the server used {cpu} us a lookup and {rss:.1} MiB");
        }
    }
    eprintln!("{name}: {} of {LOOKUPS} could be answered", looked.sure);
    recall(name, "large", &mut looked, &wanted, large);
    let wanted = asked(RECALLED as u64, small.clone());
    let mut in_small = look(store, &verifier, &name_of(SMALL), &wanted).await?;
    recall(name, "small", &mut in_small, &wanted, small);
    let latency = looked.latency;
    let mut result = LoadResult { requests: LOOKUPS, elapsed, latency, used, ..LoadResult::default() };
    Ok(Row::new(name, 1, &mut result))
}

/// Looks questions up in a group, one after another.
async fn look(
    store: &dyn Vectors,
    verifier: &Verifier,
    group: &str,
    wanted: &[Lookup],
) -> Result<Looked, Box<dyn Error>> {
    let mut looked = Looked::default();
    for Lookup { text, vector, .. } in wanted {
        let begun = Instant::now();
        let near = store.nearest(group, vector, NEAREST).await?;
        let searched = begun.elapsed();
        let is_sure = is_sure(verifier, text, &near);
        looked.latency.push(begun.elapsed());
        looked.search.push(searched);
        if near.is_empty() {
            return Err("a search found nothing".into());
        }
        looked.sure += usize::from(is_sure);
        if looked.found.len() < RECALLED {
            looked.found.push(near.into_iter().map(|found| found.key).collect());
        }
    }
    Ok(looked)
}

/// Whether a question may be given the answer of one that is near to it.
fn is_sure(verifier: &Verifier, text: &str, near: &[Neighbour]) -> bool {
    let candidates: Vec<Candidate<'_>> = near
        .iter()
        .map(|kept| Candidate { text: &kept.text, vector: &kept.vector, similarity: kept.similarity })
        .collect();
    let best = verifier.best(&verifier.read(text), &candidates);
    best.is_some_and(|(_, score)| score >= verifier.threshold())
}

/// Says how many of the nearest questions a search has found, and how long it took.
fn recall(name: &str, group: &str, looked: &mut Looked, wanted: &[Lookup], kept: Range<u64>) {
    let wanted = wanted.get(..looked.found.len()).unwrap_or(wanted);
    let share = |found: &[bool]| {
        found.iter().filter(|is_found| **is_found).count() as f64 / found.len().max(1) as f64
    };
    let (mut of_nearest, mut of_asked) = (Vec::new(), Vec::new());
    for ((lookup, found), nearest) in wanted.iter().zip(&looked.found).zip(nearest_of_all(wanted, kept)) {
        let is_found = |number: u64| found.contains(&name_of(number));
        of_nearest.extend(nearest.into_iter().map(is_found));
        of_asked.extend(lookup.asks.map(is_found));
    }
    eprintln!(
        "{name}: in the {group} group a search takes {:.3} ms (p50) and finds {:.3} of the nearest {NEAREST}, \
         {:.3} of the questions that were asked in other words",
        looked.search.percentile_ms(50.0).unwrap_or_default(),
        share(&of_nearest),
        share(&of_asked)
    );
}

/// The numbers of the questions that are nearest to each lookup, the nearest first, by comparing with all. The embeddings are made anew:
/// all of them at once would be seen in the memory of the rows that follow.
fn nearest_of_all(wanted: &[Lookup], kept: Range<u64>) -> Vec<Vec<u64>> {
    let mut nearest: Vec<Vec<(f32, u64)>> = wanted.iter().map(|_| Vec::new()).collect();
    for number in kept {
        let vector = questions::embedding(number);
        for (lookup, nearest) in wanted.iter().zip(&mut nearest) {
            let similarity = cosine(&lookup.vector, &vector);
            let place = nearest.partition_point(|(other, _)| *other >= similarity);
            if place < NEAREST {
                nearest.insert(place, (similarity, number));
                nearest.truncate(NEAREST);
            }
        }
    }
    nearest.into_iter().map(|of_one| of_one.into_iter().map(|(_, number)| number).collect()).collect()
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// A server of its own, with a folder of its own.
struct Server {
    part: Part,
    process: Process,
    url: String,
    /// Goes with it.
    _folder: TempDir,
}

impl Server {
    async fn start(part: Part, program: &Path) -> Result<Self, Box<dyn Error>> {
        // Not beside the report: PostgreSQL runs as another user, who may not look everywhere.
        let folder = tempfile::tempdir()?;
        let data = folder.path().to_str().ok_or("the folder for temporary files is not called in UTF-8")?;
        let port = free_port()?;
        let (arguments, url): (Vec<String>, String) = if part == Part::Redis {
            let port = port.to_string();
            let arguments = ["--bind", "127.0.0.1", "--save", "", "--port", &port, "--dir", data];
            (arguments.map(str::to_owned).into(), format!("redis://127.0.0.1:{port}"))
        } else {
            // What is kept need not survive, and filling is not what is measured.
            let (port_option, address) = (format!("port={port}"), "listen_addresses=127.0.0.1");
            let options = [&port_option, address, "unix_socket_directories=", "fsync=off"];
            let arguments = [data].into_iter().chain(options.into_iter().flat_map(|option| ["-c", option]));
            let url = format!("postgres://weirgate:secret@127.0.0.1:{port}/postgres");
            (arguments.map(str::to_owned).collect(), url)
        };
        let log = folder.path().join("server.log");
        let mut process = Process::start(program, arguments, &log)?;
        let read = || std::fs::read_to_string(&log).unwrap_or_default();
        let ready = async || read().to_lowercase().contains("ready to accept connections").then_some(());
        let started = process.until(PATIENCE, ready).await;
        started.map_err(|error| format!("{}: {error}\n{}", program.display(), read()))?;
        Ok(Self { part, process, url, _folder: folder })
    }

    /// One for each of its processes, some of which may come and go.
    fn samplers(&self) -> std::io::Result<Vec<Sampler>> {
        let pids = self.process.family()?;
        Ok(pids.into_iter().filter_map(|pid| Sampler::start(&[pid]).ok()).collect())
    }

    async fn stop(self) -> std::io::Result<()> {
        // PostgreSQL has processes of its own to end, and memory to give back.
        match self.part {
            Part::Postgres => self.process.end("-QUIT", PATIENCE).await?,
            _ => self.process.stop().await?,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_of_all_finds_what_was_rephrased() {
        let wanted = [1, 2, 3, 5].map(|number| Lookup::of(number, 1_000..1_200));
        for (lookup, nearest) in wanted.iter().zip(nearest_of_all(&wanted, 1_000..1_200)) {
            assert_eq!(nearest.len(), NEAREST);
            assert!(lookup.asks.is_none_or(|number| nearest[0] == number), "{nearest:?} {:?}", lookup.asks);
        }
        assert_eq!(wanted.map(|lookup| lookup.asks.is_some()), [true, false, true, true]);
    }

    #[tokio::test]
    async fn a_store_in_memory_gives_a_row() {
        let row = memory("test", 20).await.unwrap();
        assert_eq!((row.requests, row.errors), (LOOKUPS, 0));
        assert!(row.p50_ms > 0.0 && row.rss_mib > 0.0);
    }
}
