//! Measures the semantic cache on labelled pairs of questions: how many lookups it answers, and how many it answers wrongly.
//!
//! Every `a` of a pair is kept; then every `b` is looked up among all of them, but for one that is the same text. An answer is right if
//! the two belong to one group. The figures stand beside those of one cosine threshold over the same embeddings: the best there is,
//! chosen on these very pairs, while the verifier keeps the threshold that it has in production.

mod figures;
mod picture;

use clap::{Parser, ValueEnum};
use figures::{Answer, Operating};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use weirgate_semantic::compare::{Candidate, NEAREST, Verifier};
use weirgate_semantic::embed::{Embedder, MiniLm, Table};
use weirgate_semantic::index::{Index, Item};

/// Wrong answers a lookup that the single threshold may give.
const MOST_WRONG: f64 = 0.01;

#[derive(Parser)]
#[command(about = "Measures the semantic cache on labelled pairs of questions")]
struct Arguments {
    /// Pairs, a JSON object a line, perhaps compressed with gzip: {"a", "b", "same", "group_a", "group_b"}
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// Pairs that differ in little, and their twins: {"a", "b", "same", "kind"}
    #[arg(long, default_value = "tests/eval-cache/data/hard.jsonl")]
    hard: PathBuf,
    /// The sentence model
    #[arg(long, default_value = ".tools/models/all-minilm-l6-v2.onnx")]
    model: PathBuf,
    /// What embeds
    #[arg(long, value_enum, default_value = "minilm")]
    embedder: Kind,
    /// Where the figures go, as JSON; the picture goes beside them
    #[arg(long, default_value = "target/eval/cache.json")]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Minilm,
    Table,
}

#[derive(Deserialize)]
struct Pair {
    a: String,
    b: String,
    #[serde(default)]
    group_a: i64,
    #[serde(default)]
    group_b: i64,
}

#[derive(Deserialize)]
struct HardPair {
    a: String,
    b: String,
    same: bool,
    kind: String,
}

#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<Test>,
    hard: Hard,
}

#[derive(Serialize)]
struct Test {
    pairs: usize,
    hit_rate: f64,
    wrong_rate: f64,
    best_threshold: Operating,
    /// The same for the verifier, with its threshold chosen in the same way: what its order of answers is worth.
    best_score: Operating,
}

#[derive(Serialize)]
struct Hard {
    negatives: usize,
    served: usize,
    paraphrases: usize,
    served_paraphrases: usize,
}

/// What looks up: the parts that the service has, put together as there.
struct Lookup {
    embedder: Box<dyn Embedder>,
    verifier: Verifier,
    vectors: HashMap<String, Vec<f32>>,
    embedding: Duration,
    searching: Duration,
    judging: Duration,
}

/// What one lookup found.
struct Outcome {
    /// The nearest question: its key, and the cosine.
    nearest: Option<(String, f32)>,
    /// The one that the verifier would answer with, and its score.
    best: Option<(String, f64)>,
}

impl Lookup {
    fn vector(&mut self, text: &str) -> Result<Vec<f32>, Box<dyn Error>> {
        if let Some(known) = self.vectors.get(text) {
            return Ok(known.clone());
        }
        let start = Instant::now();
        let vector = self.embedder.embed(&[text])?.pop().ok_or("the model gave no vector")?;
        self.embedding += start.elapsed();
        self.vectors.insert(text.to_owned(), vector.clone());
        Ok(vector)
    }

    /// `besides`: the key of a question that is not to be found.
    fn look(&mut self, index: &Index, text: &str, besides: Option<&str>) -> Result<Outcome, Box<dyn Error>> {
        let vector = self.vector(text)?;
        let start = Instant::now();
        let mut found = index.nearest("all", &vector, NEAREST + usize::from(besides.is_some()));
        self.searching += start.elapsed();
        found.retain(|found| Some(&*found.item.key) != besides);
        found.truncate(NEAREST);
        let start = Instant::now();
        let kept: Vec<Vec<f32>> = found.iter().map(|found| found.item.vector()).collect();
        let near: Vec<Candidate<'_>> = found
            .iter()
            .zip(&kept)
            .map(|(found, vector)| Candidate { text: &found.item.text, vector, similarity: found.similarity })
            .collect();
        // The service neither keeps nor looks up what the model does not read whole.
        let best = self.verifier.best(&self.verifier.read(text), &near);
        let best = best.filter(|(place, _)| {
            let kept = found.get(*place).is_some_and(|found| self.embedder.reads_all(&found.item.text));
            kept && self.embedder.reads_all(text)
        });
        self.judging += start.elapsed();
        let key = |place: usize| found.get(place).map(|found| found.item.key.to_string());
        Ok(Outcome {
            nearest: found.first().map(|found| (found.item.key.to_string(), found.similarity)),
            best: best.and_then(|(place, score)| Some((key(place)?, score))),
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let model = MiniLm::load(&arguments.model)?;
    let embedder: Box<dyn Embedder> = match arguments.embedder {
        Kind::Minilm => Box::new(model),
        Kind::Table => {
            let path = arguments.model.with_extension("table");
            if !path.exists() {
                Table::distil(&model, &path)?;
            }
            Box::new(Table::load(&path)?)
        }
    };
    let mut lookup = Lookup {
        embedder,
        verifier: Verifier::fitted()?,
        vectors: HashMap::new(),
        embedding: Duration::ZERO,
        searching: Duration::ZERO,
        judging: Duration::ZERO,
    };
    let test = match &arguments.pairs {
        Some(path) => Some(test(&mut lookup, &read(path)?, &arguments.out)?),
        None => {
            println!("no pairs given: only the hard set is measured (make eval-cache PAIRS=file.jsonl.gz)");
            None
        }
    };
    let hard = hard(&mut lookup, &read(&arguments.hard)?)?;
    if let Some(folder) = arguments.out.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&arguments.out, serde_json::to_string_pretty(&Report { test, hard })?)?;
    println!("\nfigures: {}", arguments.out.display());
    Ok(())
}

/// Runs the pairs, and prints what came of them.
fn test(lookup: &mut Lookup, pairs: &[Pair], out: &Path) -> Result<Test, Box<dyn Error>> {
    let mut index = Index::new(usize::MAX);
    let mut groups: HashMap<&str, i64> = HashMap::new();
    for pair in pairs {
        if groups.insert(&pair.a, pair.group_a).is_none() {
            let vector = lookup.vector(&pair.a)?;
            index.put("all", Arc::new(Item::new(&pair.a, &pair.a, &vector, 0)));
        }
    }
    let (mut by_cosine, mut by_verifier) = (Vec::new(), Vec::new());
    for pair in pairs {
        let same_text = groups.contains_key(pair.b.as_str()).then_some(pair.b.as_str());
        let outcome = lookup.look(&index, &pair.b, same_text)?;
        let answer = |key: &str, score: f64| Answer { score, right: groups.get(key) == Some(&pair.group_b) };
        by_cosine.extend(outcome.nearest.map(|(key, cosine)| answer(&key, f64::from(cosine))));
        by_verifier.extend(outcome.best.map(|(key, score)| answer(&key, score)));
    }
    let lookups = pairs.len();
    let best_threshold = figures::best(&by_cosine, lookups, MOST_WRONG);
    let best_score = figures::best(&by_verifier, lookups, MOST_WRONG);
    let ours = figures::at(&by_verifier, lookups, lookup.verifier.threshold());
    println!("{lookups} lookups among {} kept questions\n", groups.len());
    println!("{:34} {:>9} {:>9} {:>9}", "", "threshold", "answered", "wrong");
    let line = |name: &str, figures: &Operating| {
        let (hit, wrong) = (figures.hit_rate * 100.0, figures.wrong_rate * 100.0);
        println!("{name:34} {:9.4} {hit:7.2} % {wrong:7.2} %", figures.threshold);
    };
    for threshold in [0.80, 0.85, 0.90, 0.95, 0.98] {
        line("cosine", &figures::at(&by_cosine, lookups, threshold));
    }
    line("cosine, best at 1 % wrong", &best_threshold);
    line("verifier, its own threshold", &ours);
    line("verifier, best at 1 % wrong", &best_score);
    let times = |figures: &Operating| figures.hit_rate / best_threshold.hit_rate.max(f64::MIN_POSITIVE);
    println!(
        "\nhits, times those of the best cosine: {:.2}, at its own threshold {:.2}",
        times(&best_score),
        times(&ours)
    );
    println!(
        "\nanswered at so many wrong answers a lookup:\n{:>8} {:>9} {:>9}",
        "wrong", "cosine", "verifier"
    );
    for wrong in [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05] {
        let hits = |answers: &[Answer]| figures::best(answers, lookups, wrong).hit_rate * 100.0;
        println!("{:6.2} % {:7.2} % {:7.2} %", wrong * 100.0, hits(&by_cosine), hits(&by_verifier));
    }
    let each = |time: Duration, count: usize| time.as_secs_f64() * 1e3 / count.max(1) as f64;
    println!(
        "\nmilliseconds: {:.2} to embed a question, {:.3} to find its neighbours, {:.3} to judge them",
        each(lookup.embedding, lookup.vectors.len()),
        each(lookup.searching, lookups),
        each(lookup.judging, lookups)
    );
    let curves = [
        ("one cosine threshold", figures::curve(&by_cosine, lookups)),
        ("verifier", figures::curve(&by_verifier, lookups)),
    ];
    let picture = out.with_extension("svg");
    if let Some(folder) = picture.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&picture, picture::draw(&curves, &ours))?;
    println!("picture: {}", picture.display());
    Ok(Test {
        pairs: lookups,
        hit_rate: ours.hit_rate,
        wrong_rate: ours.wrong_rate,
        best_threshold,
        best_score,
    })
}

/// Runs pairs that differ in little, each as a cache of one question.
fn hard(lookup: &mut Lookup, pairs: &[HardPair]) -> Result<Hard, Box<dyn Error>> {
    #[derive(Default)]
    struct Counts {
        all: [usize; 2],
        served: [usize; 2],
    }
    let mut kinds: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut total = Counts::default();
    for pair in pairs {
        let mut index = Index::new(usize::MAX);
        let vector = lookup.vector(&pair.a)?;
        index.put("all", Arc::new(Item::new("a", &pair.a, &vector, 0)));
        let outcome = lookup.look(&index, &pair.b, None)?;
        let served = outcome.best.is_some_and(|(_, score)| score >= lookup.verifier.threshold());
        for counts in [kinds.entry(&pair.kind).or_default(), &mut total] {
            let (all, given) = match pair.same {
                true => (&mut counts.all[1], &mut counts.served[1]),
                false => (&mut counts.all[0], &mut counts.served[0]),
            };
            *all += 1;
            *given += usize::from(served);
        }
    }
    println!("\n{:12} {:>20} {:>20}", "hard set", "negatives answered", "twins answered");
    for (kind, counts) in kinds.iter().map(|(kind, counts)| (*kind, counts)).chain([("all", &total)]) {
        let [negatives, twins] = [0, 1].map(|at| {
            let (served, all) = (counts.served.get(at).unwrap_or(&0), counts.all.get(at).unwrap_or(&0));
            format!("{served} of {all} ({:.1} %)", *served as f64 * 100.0 / (*all).max(1) as f64)
        });
        println!("{kind:12} {negatives:>20} {twins:>20}");
    }
    let [negatives, paraphrases] = total.all;
    let [served, served_paraphrases] = total.served;
    Ok(Hard { negatives, served, paraphrases, served_paraphrases })
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Vec<T>, Box<dyn Error>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let reader: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "gz" => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut pairs = Vec::new();
    for (number, line) in BufReader::new(reader).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let pair = serde_json::from_str(&line);
        pairs.push(pair.map_err(|error| format!("{}, line {}: {error}", path.display(), number + 1))?);
    }
    Ok(pairs)
}
