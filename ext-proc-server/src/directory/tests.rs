use super::*;
use crate::config::read;
use crate::policy::identity::Secret;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::task::{Context, Waker};

const CONFIG: &str =
    "providers: {p: {dialect: openai}}\nkeys: [{name: of-file, key: sixteen-characters-or-more}]";

struct Book {
    managed: Managed,
    policy: ArcSwap<Policy>,
}

fn book(log: Arc<dyn AuditLog>, restored: Restored) -> Book {
    let config = Arc::new(read(CONFIG, &BTreeMap::new()).unwrap());
    let policy = ArcSwap::from_pointee(Policy::new(config.clone(), &restored.directory));
    Book { managed: Managed::new(log, restored, config), policy }
}

fn open(path: &Path) -> Book {
    let (log, restored) = FileLog::open(path).unwrap();
    book(Arc::new(log), restored)
}

fn actor() -> Actor {
    Actor { name: "root".to_owned(), role: "admin".to_owned() }
}

fn user(name: &str) -> User {
    User { name: name.to_owned(), ..User::default() }
}

impl Book {
    async fn create(&self, name: &str) -> Result<(), Refusal> {
        let create = |_: &World<'_>, _: Option<&User>| Ok(Some(user(name)));
        self.managed.change(&self.policy, &actor(), Action::Create, name, create).await.map(|_| ())
    }

    fn users(&self) -> Vec<String> {
        self.policy.load().directory().users.keys().cloned().collect()
    }
}

#[tokio::test]
async fn a_restart_knows_everything_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/audit.jsonl");
    let book = open(&path);
    book.create("ann").await.unwrap();
    book.create("bob").await.unwrap();
    let delete = |_: &World<'_>, _: Option<&User>| Ok(None);
    book.managed.change(&book.policy, &actor(), Action::Delete, "ann", delete).await.unwrap();
    assert_eq!(book.users(), ["bob"]);
    drop(book);
    let book = open(&path);
    assert_eq!(book.users(), ["bob"]);
    book.create("cay").await.unwrap();
    assert_eq!(book.managed.log().last().await.unwrap(), 4);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_part_of_a_line_is_taken_away_and_a_broken_log_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    open(&path).create("ann").await.unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{whole}{{\"sequence\":2,\"ti")).unwrap();
    let book = open(&path);
    assert_eq!(book.users(), ["ann"]);
    book.create("bob").await.unwrap();
    drop(book);
    assert_eq!(open(&path).users(), ["ann", "bob"]);
    std::fs::write(&path, format!("nonsense\n{whole}")).unwrap();
    assert!(FileLog::open(&path).unwrap_err().to_string().contains("line 1"));
    std::fs::write(&path, format!("{whole}{whole}")).unwrap();
    assert!(FileLog::open(&path).unwrap_err().to_string().contains("entry 1 comes after entry 1"));
}

#[tokio::test]
async fn one_process_at_a_time_has_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let _book = open(&path);
    assert!(FileLog::open(&path).unwrap_err().to_string().starts_with("another process uses"));
}

#[tokio::test]
async fn what_another_process_has_changed_is_seen_before_a_change_and_by_a_refresh() {
    let log: Arc<log::MemoryLog> = Arc::default();
    let (one, other) = (book(log.clone(), Restored::default()), book(log, Restored::default()));
    one.create("ann").await.unwrap();
    assert_eq!(other.create("ann").await.unwrap_err().code, "already_exists");
    assert_eq!(other.users(), ["ann"]);
    other.create("bob").await.unwrap();
    one.managed.refresh(&one.policy).await.unwrap();
    assert_eq!(one.users(), ["ann", "bob"]);
}

#[tokio::test]
async fn changes_at_the_same_time_happen_one_after_the_other() {
    let book = Arc::new(book(Arc::new(log::MemoryLog::default()), Restored::default()));
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let book = book.clone();
            tokio::spawn(async move { book.create(&format!("u{}", number % 25)).await.is_ok() })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.unwrap());
    }
    assert_eq!((made, book.users().len()), (25, 25));
}

#[tokio::test]
async fn a_change_whose_maker_has_left_comes_into_force_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(&folder.path().join("audit.jsonl"));
    let mut change = Box::pin(book.create("ann"));
    // It has begun to write when it is left.
    assert!(change.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(change);
    while book.users().is_empty() {
        book.managed.refresh(&book.policy).await.unwrap();
    }
    assert_eq!(book.users(), ["ann"]);
    book.create("bob").await.unwrap();
    assert_eq!(book.managed.log().last().await.unwrap(), 2);
}

#[derive(Debug)]
struct Broken;

#[tonic::async_trait]
impl AuditLog for Broken {
    async fn append(&self, _: &Entry) -> Result<(), AppendError> {
        Err(AppendError::Failed(io::Error::other("no space")))
    }

    async fn read(&self, _: u64, _: usize) -> io::Result<Vec<Entry>> {
        Ok(Vec::new())
    }

    async fn last(&self) -> io::Result<u64> {
        Ok(0)
    }
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let book = book(Arc::new(Broken), Restored::default());
    assert_eq!(book.create("ann").await.unwrap_err().code, "log_unavailable");
    assert!(book.users().is_empty());
}

/// A log that can be taken away.
#[derive(Debug, Default)]
struct Away(std::sync::atomic::AtomicBool);

#[tonic::async_trait]
impl AuditLog for Away {
    async fn append(&self, _: &Entry) -> Result<(), AppendError> {
        Ok(())
    }

    async fn read(&self, _: u64, _: usize) -> io::Result<Vec<Entry>> {
        match self.0.load(std::sync::atomic::Ordering::SeqCst) {
            true => Err(io::Error::other("away")),
            false => Ok(Vec::new()),
        }
    }

    async fn last(&self) -> io::Result<u64> {
        Ok(0)
    }
}

#[tokio::test]
async fn a_log_that_is_away_is_told_of_once_and_not_every_second() {
    let log = Arc::new(Away::default());
    let book = book(log.clone(), Restored::default());
    let away = |away| log.0.store(away, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..2 {
        away(true);
        assert!(book.managed.refresh(&book.policy).await.is_err());
        assert!(book.managed.refresh(&book.policy).await.is_ok());
        away(false);
        assert!(book.managed.refresh(&book.policy).await.is_ok());
    }
}

#[tokio::test]
async fn the_file_goes_first() {
    let book = book(Arc::new(log::MemoryLog::default()), Restored::default());
    let key = Key { name: "of-file".to_owned(), secrets: vec![Secret::default()], ..Key::default() };
    let change = |_: &World<'_>, _: Option<&Key>| Ok(Some(key.clone()));
    let change = book.managed.change(&book.policy, &actor(), Action::Create, "of-file", change).await;
    assert_eq!(change.unwrap_err().code, "already_exists");
}
