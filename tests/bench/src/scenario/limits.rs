//! What a check of five limits, a reservation and its settlement cost, in this process and against each store.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use weirgate::config::{self, Config};
use weirgate::gateway::Gateway;
use weirgate::policy::Question;
use weirgate::store::{Amounts, Ask, Outcome, Used};
use weirgate_bench::cpu::Sampler;
use weirgate_bench::process::Process;
use weirgate_bench::{Row, stats};
use weirgate_dialect::{Dialect, Operation};

use super::stack::free_port;

/// Names of the rows, the keys that are known, and the lines of the ledger that is read at the start.
pub(super) const ROWS: [(&str, Store, usize, usize); 5] = [
    ("limits-memory", Store::Memory, 1, 0),
    ("limits-journal", Store::Journal, 1, 0),
    ("limits-journal-10k-keys", Store::Journal, 10_000, 0),
    ("limits-journal-1m-lines", Store::Journal, 1, 1_000_000),
    ("limits-redis", Store::Redis, 1, 0),
];
/// Requests of a row; against Redis a tenth.
const REQUESTS: usize = 100_000;
/// Debian's package and the tests put it there.
const REDIS: &str = ".tools/bin/redis-server";

/// Where the counters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Memory,
    Journal,
    Redis,
}

/// Runs one row.
pub(super) async fn run(name: &str, folder: &Path) -> Result<Vec<Row>, Box<dyn Error>> {
    let found = ROWS.into_iter().find(|(row, ..)| *row == name);
    let (_, store, keys, lines) = found.ok_or_else(|| format!("no such row: {name}"))?;
    let folder = folder.join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let redis = match store {
        Store::Redis if !Path::new(REDIS).exists() => {
            eprintln!("{name}: there is no {REDIS}; run tests/setup.sh");
            return Ok(Vec::new());
        }
        Store::Redis => Some(Redis::start(&folder).await?),
        Store::Memory | Store::Journal => None,
    };
    let ledger = folder.join("ledger.jsonl");
    if lines > 0 {
        std::fs::write(&ledger, LEDGER_LINE.repeat(lines))?;
    }
    let config = configuration(store, keys, &folder, &ledger, redis.as_ref())?;
    let begun = Instant::now();
    let gateway = Gateway::open(config)?;
    if lines > 0 {
        eprintln!("{name}: {lines} lines of the ledger were read in {:.1} s", begun.elapsed().as_secs_f64());
    }
    let requests = if store == Store::Redis { REQUESTS / 10 } else { REQUESTS };
    cycles(&gateway, keys, 0, requests / 10).await?;
    let calls = redis.as_ref().map(Redis::calls).transpose()?;
    let sampler = Sampler::start(&[std::process::id()])?;
    let begun = Instant::now();
    let times = cycles(&gateway, keys, requests, requests).await?;
    let elapsed = begun.elapsed();
    let used = sampler.stop()?;
    if let (Some(redis), Some(before)) = (&redis, calls) {
        let calls = redis.calls()?.saturating_sub(before) as f64 / requests as f64;
        eprintln!("{name}: {calls:.2} calls of Redis a request, of which one reserves and one settles");
    }
    let mut latency = stats::Samples::default();
    times.into_iter().for_each(|time| latency.push(time));
    Ok(vec![Row {
        name: name.to_owned(),
        connections: 1,
        requests: requests as u64,
        rps: requests as f64 / elapsed.as_secs_f64(),
        p50_ms: latency.percentile_ms(50.0).unwrap_or_default(),
        p99_ms: latency.percentile_ms(99.0).unwrap_or_default(),
        max_ms: latency.max_ms().unwrap_or_default(),
        cpu_us: used.cpu.as_micros() as f64 / requests as f64,
        rss_mib: used.rss_kib as f64 / 1024.0,
        ..Row::default()
    }])
}

/// Checks, reserves and settles; each key in its turn.
async fn cycles(
    gateway: &Gateway,
    keys: usize,
    first: usize,
    count: usize,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(count);
    let policy = gateway.policy.load_full();
    let digests: Vec<[u8; 32]> = (0..keys).map(digest).collect();
    for number in first..first + count {
        let begun = Instant::now();
        let digest = digests.get(number % keys).copied();
        let question = question(digest);
        let caller = policy.authenticate(&question, 1_800_000_000).map_err(|error| error.message)?;
        let plans = policy.plans(&question, &caller, 100, &[]).map_err(|error| error.message)?;
        let alternatives: Vec<_> = plans.iter().map(weirgate::policy::plan::Plan::alternative).collect();
        if alternatives.iter().any(|alternative| alternative.claims.len() != 5) {
            return Err("a request is not counted by five limits".into());
        }
        let id = format!("{number:032x}");
        let ask =
            Ask { id: id.clone(), alternatives, subject: String::new(), lifetime: Duration::from_secs(60) };
        if !matches!(gateway.store.reserve(ask).await?, Outcome::Granted { .. }) {
            return Err("a limit was reached".into());
        }
        let amounts = Amounts { micro_dollars: 10, input_tokens: 300, output_tokens: 20, requests: 1 };
        gateway
            .store
            .settle(&id, Used { amounts, at_least_reserved: false, provider: "openai".to_owned() })
            .await?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

fn question(key_digest: Option<[u8; 32]>) -> Question {
    Question {
        dialect: Dialect::OpenAi,
        operation: Operation::ChatCompletions,
        changes: true,
        stream: false,
        foreign: false,
        model: "gpt-4o".to_owned(),
        provider: None,
        key_digest,
        claims: None,
        source: None,
        end_user: String::new(),
        tags: Vec::new(),
        tier: String::new(),
        unsupported_fields: String::new(),
        input_tokens: 300,
        max_tokens: Some(100),
        choices: 1,
    }
}

/// The digest of a key is its number, so that nothing has to be hashed.
fn digest(number: usize) -> [u8; 32] {
    let mut digest = [0; 32];
    for (place, byte) in digest.iter_mut().zip(number.to_be_bytes()) {
        *place = byte;
    }
    digest
}

/// Keys with three limits each in a team with one, in an organisation with one.
fn configuration(
    store: Store,
    keys: usize,
    folder: &Path,
    ledger: &Path,
    redis: Option<&Redis>,
) -> Result<Config, Box<dyn Error>> {
    let store = match (store, redis) {
        (Store::Redis, Some(redis)) => format!("redis: redis://127.0.0.1:{}, folder: none", redis.port),
        (Store::Memory, _) => "folder: none".to_owned(),
        _ => format!("folder: {}", folder.join("store").display()),
    };
    let mut text = format!(
        "providers: {{openai: {{dialect: openai, base_url: 'http://127.0.0.1:1/v1'}}}}
models: [{{name: gpt-4o, deployments: [{{provider: openai, model: gpt-4o}}]}}]
store: {{{store}}}
ledger: {}
organizations: [{{name: acme, limits: [{{name: hour, tokens: 1000000000000, window: sliding 1h}}]}}]
teams: [{{name: research, organization: acme, limits: [{{name: day, usd: 1000000, window: day Europe/Berlin}}]}}]
keys:
",
        ledger.display()
    );
    for number in 0..keys {
        let sha256 = digest(number).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        writeln!(
            text,
            "- {{name: k{number}, sha256: '{sha256}', team: research, limits: {{requests_per_minute: 1000000000, \
             tokens_per_minute: 1000000000000, budget: {{usd: 1000000, period: month}}}}}}"
        )?;
    }
    let read = config::read(&text, &BTreeMap::<String, String>::new());
    read.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n").into())
}

/// A line as the ledger writes it.
const LEDGER_LINE: &str = concat!(
    r#"{"time_ms":1790000000000,"id":"019fd0ca1ee72d3ae9d07adb99a50e0","request_id":"1b6d0049-724b-4afc-b75f-7711c4188175","#,
    r#""key":"k0","team":"research","organization":"acme","model":"gpt-4o","provider":"openai","upstream_model":"gpt-4o","#,
    r#""operation":"chat_completions","stream":false,"status":200,"error":"","attempts":1,"input":300,"cache_read":0,"#,
    r#""cache_write":0,"cache_write_1h":0,"output":20,"reasoning":0,"source":"provider","tier":"","complete":true,"#,
    r#""cost_micros":10,"reserved_micros":100,"latency_ms":3.7,"first_byte_ms":3.6}"#,
    "\n"
);

/// A server of its own, without a file.
struct Redis {
    port: u16,
    _process: Process,
}

impl Redis {
    async fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""].map(str::to_owned);
        let mut process = Process::start(&PathBuf::from(REDIS), arguments, &folder.join("redis.log"))?;
        let ready = async || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
        process.until(Duration::from_secs(10), ready).await?;
        Ok(Self { port, _process: process })
    }

    /// How many scripts it has run.
    fn calls(&self) -> Result<u64, Box<dyn Error>> {
        use std::io::{Read, Write};
        let mut connection = std::net::TcpStream::connect(("127.0.0.1", self.port))?;
        connection.write_all(b"INFO commandstats\r\nQUIT\r\n")?;
        let mut text = String::new();
        connection.read_to_string(&mut text)?;
        let count = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":calls="));
            line.and_then(|rest| rest.split(',').next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        Ok(count("cmdstat_evalsha") + count("cmdstat_eval"))
    }
}
