//! Embedding questions without holding up requests: by a model in this process, or by a provider.
//!
//! A question waits for no other for long: where the model has enough to do, or has used its share of the processors, the lookup is
//! left out.

use crate::outgoing::{self, Endpoint};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use weirgate_semantic::embed::{Embedder, normalize};

/// How many questions wait at most.
const WAITING: usize = 8;
/// How many questions go to a provider in one call.
const TOGETHER: usize = 32;
/// How many calls of a provider there are at once.
const CALLS: usize = 4;
/// For how long a share of the processors may be saved up.
const SAVED: Duration = Duration::from_secs(1);
/// The longest answer of a provider, in bytes.
const ANSWER_BYTES: usize = 8 << 20;

/// Why there is no vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoVector {
    /// There is too much to do.
    Busy,
    /// The model reads no texts of this length.
    TooLong,
    /// It failed.
    Failed(String),
}

type Reply = oneshot::Sender<Result<Vec<f32>, NoVector>>;

#[derive(Debug)]
struct Job {
    text: String,
    reply: Reply,
}

/// What embeds.
#[derive(Debug)]
pub(super) struct Embedding {
    name: String,
    to: To,
}

#[derive(Debug)]
enum To {
    Model { model: Arc<dyn Embedder>, jobs: SyncSender<Job>, budget: Arc<Budget> },
    Provider { jobs: mpsc::Sender<Job> },
}

/// A model of a provider that speaks OpenAI's embeddings API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) endpoint: Endpoint,
    pub(crate) model: String,
}

impl Embedding {
    /// A model, run by so many threads that use so many per cent of one processor together.
    pub(super) fn local(model: Arc<dyn Embedder>, threads: usize, cpu_percent: u64) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        let budget = Arc::new(Budget::new(cpu_percent));
        for number in 0..threads.max(1) {
            let (model, receiver, budget) = (model.clone(), receiver.clone(), budget.clone());
            let name = format!("embed-{number}");
            std::thread::Builder::new().name(name).spawn(move || work(&*model, &receiver, &budget))?;
        }
        let name = model.name().to_owned();
        Ok(Self { name, to: To::Model { model, jobs: sender, budget } })
    }

    /// A model of a provider.
    pub(super) fn remote(remote: Remote, timeout: Duration) -> Self {
        let name = format!("{}#{}", remote.endpoint, remote.model);
        let (sender, receiver) = mpsc::channel(WAITING * TOGETHER);
        tokio::spawn(call(remote, receiver, timeout));
        Self { name, to: To::Provider { jobs: sender } }
    }

    /// Names the model. Vectors of two names cannot be compared.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The vector of a text.
    pub(super) async fn vector(&self, text: &str) -> Result<Vec<f32>, NoVector> {
        let (reply, answer) = oneshot::channel();
        let job = Job { text: text.to_owned(), reply };
        match &self.to {
            To::Model { model, jobs, budget } => {
                if !budget.has_some() {
                    return Err(NoVector::Busy);
                }
                if !model.reads_all(text) {
                    return Err(NoVector::TooLong);
                }
                jobs.try_send(job).map_err(|error| match error {
                    TrySendError::Full(_) => NoVector::Busy,
                    TrySendError::Disconnected(_) => NoVector::Failed("the model has stopped".to_owned()),
                })?;
            }
            To::Provider { jobs } => jobs.try_send(job).map_err(|_| NoVector::Busy)?,
        }
        answer.await.unwrap_or_else(|_| Err(NoVector::Failed("the model has stopped".to_owned())))
    }
}

fn work(model: &dyn Embedder, jobs: &Mutex<Receiver<Job>>, budget: &Budget) {
    loop {
        // Whoever waits for a job holds the lock; the others wait for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { text, reply }) = job else { return };
        // Whoever asked may have gone meanwhile.
        if reply.is_closed() {
            continue;
        }
        let start = Instant::now();
        let vectors = model.embed(&[&text]).map_err(|error| NoVector::Failed(error.to_string()));
        budget.used(start.elapsed());
        let missing = || NoVector::Failed("the model gave no vector".to_owned());
        let _ = reply.send(vectors.and_then(|mut vectors| vectors.pop().ok_or_else(missing)));
    }
}

/// A share of the processors: it grows with time, up to what a second brings, and shrinks by what is used.
#[derive(Debug)]
struct Budget {
    share: f64,
    left: Mutex<(f64, Instant)>,
    spent: AtomicBool,
}

impl Budget {
    fn new(percent: u64) -> Self {
        let share = f64::from(u32::try_from(percent).unwrap_or(u32::MAX)) / 100.0;
        let saved = share * SAVED.as_secs_f64();
        Self { share, left: Mutex::new((saved, Instant::now())), spent: AtomicBool::new(false) }
    }

    /// Whether some is left. Looks at the clock only where there was none.
    fn has_some(&self) -> bool {
        !self.spent.load(Ordering::Relaxed) || self.settle(0.0)
    }

    fn used(&self, time: Duration) {
        self.settle(time.as_secs_f64());
    }

    fn settle(&self, used: f64) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let grown = left.0 + self.share * now.saturating_duration_since(left.1).as_secs_f64();
        *left = (grown.min(self.share * SAVED.as_secs_f64()) - used, now);
        let has_some = left.0 > 0.0;
        self.spent.store(!has_some, Ordering::Relaxed);
        has_some
    }
}

/// Sends what waits to the provider, together.
async fn call(remote: Remote, mut jobs: mpsc::Receiver<Job>, timeout: Duration) {
    let client = outgoing::Client::default();
    let places = Arc::new(tokio::sync::Semaphore::new(CALLS));
    let remote = Arc::new(remote);
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let mut batch = Vec::new();
        if jobs.recv_many(&mut batch, TOGETHER).await == 0 {
            return;
        }
        batch.retain(|job: &Job| !job.reply.is_closed());
        if batch.is_empty() {
            continue;
        }
        let (client, remote) = (client.clone(), remote.clone());
        tokio::spawn(async move {
            let texts: Vec<&str> = batch.iter().map(|job| job.text.as_str()).collect();
            let vectors = match tokio::time::timeout(timeout, ask(&client, &remote, &texts)).await {
                Ok(vectors) => vectors,
                Err(_) => Err("no answer in time".to_owned()),
            };
            match vectors {
                Ok(vectors) => batch.into_iter().zip(vectors).for_each(|(job, vector)| {
                    let _ = job.reply.send(Ok(vector));
                }),
                Err(reason) => batch.into_iter().for_each(|job| {
                    let _ = job.reply.send(Err(NoVector::Failed(reason.clone())));
                }),
            }
            drop(place);
        });
    }
}

/// OpenAI's `POST /v1/embeddings` (<https://platform.openai.com/docs/api-reference/embeddings/create>).
async fn ask(client: &outgoing::Client, remote: &Remote, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        data: Vec<Item>,
    }
    #[derive(serde::Deserialize)]
    struct Item {
        index: usize,
        embedding: Vec<f32>,
    }
    let body = serde_json::json!({"model": remote.model, "input": texts, "encoding_format": "float"});
    let (status, answer) = client.post_json(&remote.endpoint, body.to_string(), ANSWER_BYTES).await?;
    if !status.is_success() {
        return Err(format!("the answer was {}", status.as_u16()));
    }
    let answer: Answer =
        serde_json::from_slice(&answer).map_err(|_| "the answer is not one of embeddings".to_owned())?;
    let mut vectors = vec![Vec::new(); texts.len()];
    for Item { index, mut embedding } in answer.data {
        normalize(&mut embedding);
        if let Some(place) = vectors.get_mut(index) {
            *place = embedding;
        }
    }
    let size = vectors.first().map_or(0, Vec::len);
    if size == 0 || vectors.iter().any(|vector| vector.len() != size || !vector.iter().all(|x| x.is_finite()))
    {
        return Err("the answer lacks embeddings".to_owned());
    }
    Ok(vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weirgate_semantic::Error;

    /// A model that waits until it may go on.
    #[derive(Debug)]
    struct Slow(Mutex<Receiver<()>>);

    impl Embedder for Slow {
        fn name(&self) -> &str {
            "slow"
        }
        fn dimensions(&self) -> usize {
            1
        }
        fn reads_all(&self, text: &str) -> bool {
            text.len() < 100
        }
        fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, Error> {
            let _ = self.0.lock().unwrap().recv();
            Ok(texts.iter().map(|text| vec![text.len() as f32]).collect())
        }
    }

    #[tokio::test]
    async fn what_comes_when_there_is_enough_to_do_is_left_out_and_not_queued() {
        let (go, wait) = std::sync::mpsc::channel();
        let embedding = Arc::new(Embedding::local(Arc::new(Slow(Mutex::new(wait))), 1, 100).unwrap());
        let ask = |text: &'static str| {
            let embedding = embedding.clone();
            tokio::spawn(async move { embedding.vector(text).await })
        };
        let mut asked: Vec<_> = (0..WAITING + 20).map(|_| ask("four")).collect();
        // Those that find no place are told at once; the others need the model.
        let mut refused = 0;
        while refused < 19 {
            tokio::task::yield_now().await;
            refused = asked.iter().filter(|task| task.is_finished()).count();
        }
        (0..WAITING + 1).for_each(|_| go.send(()).unwrap());
        let mut given = 0;
        for task in asked.drain(..) {
            match task.await.unwrap() {
                Ok(vector) => given += usize::from(vector == [4.0]),
                Err(error) => assert_eq!(error, NoVector::Busy),
            }
        }
        assert!((WAITING..=WAITING + 1).contains(&given), "{given}");
        assert_eq!(embedding.vector(&"x".repeat(100)).await, Err(NoVector::TooLong));
    }

    #[test]
    fn a_budget_that_is_used_up_comes_back_with_time() {
        let budget = Budget::new(50);
        assert!(budget.has_some());
        budget.used(Duration::from_secs(3));
        assert!(!budget.has_some());
        budget.left.lock().unwrap().1 = Instant::now().checked_sub(Duration::from_secs(6)).unwrap();
        assert!(budget.has_some());
    }
}
