mod isolation;

use super::*;
use crate::config::Scope;
use crate::policy::Question;
use crate::policy::identity::Principal;
use weirgate_contract::handover::Asked;
use weirgate_dialect::{Dialect, Operation};

fn settings() -> CacheSettings {
    CacheSettings {
        ttl: Duration::from_secs(60),
        stale: Duration::from_secs(60),
        scope: Scope::Key,
        any_temperature: false,
        models: Vec::new(),
        charge_percent: 0,
        tokens_per_second: None,
        max_bytes: 1 << 20,
        max_entry_bytes: 1 << 16,
        timeout: Duration::from_secs(1),
        shared: false,
        semantic: None,
    }
}

fn question() -> Question {
    Question {
        dialect: Dialect::OpenAi,
        operation: Operation::ChatCompletions,
        changes: true,
        stream: false,
        foreign: false,
        model: "m".to_owned(),
        provider: None,
        key_digest: None,
        claims: None,
        source: None,
        end_user: String::new(),
        tags: Vec::new(),
        tier: String::new(),
        unsupported_fields: String::new(),
        input_tokens: 1,
        max_tokens: None,
        choices: 1,
    }
}

fn asked(digest: &str) -> Asked {
    Asked { digest: digest.to_owned(), deterministic: true, ..Asked::default() }
}

fn principal(key: &str, team: &str) -> Principal {
    Principal { key: key.to_owned(), team: team.to_owned(), ..Principal::default() }
}

fn request(control: &str) -> Request {
    let order = ["openai/m".to_owned()];
    let control = Control::parse(control);
    Request::new(&settings(), None, &asked("d"), control, &question(), &principal("k", ""), &order).unwrap()
}

fn entry(key: &str, created_ms: u64) -> Arc<Entry> {
    Arc::new(Entry {
        id: format!("id of {key}"),
        key: key.to_owned(),
        scope: "key:k".to_owned(),
        dialect: Dialect::OpenAi,
        model: "m".to_owned(),
        tags: vec!["t".to_owned()],
        created_ms,
        cost_micros: 7,
        answer: "{}".to_owned(),
    })
}

fn ago(seconds: u64) -> u64 {
    now_ms() - seconds * 1_000
}

#[test]
fn an_answer_is_shared_with_nobody_to_whom_it_does_not_belong() {
    let key = |settings: &CacheSettings, principal: &Principal, question: &Question, order: &[&str]| {
        let order: Vec<String> = order.iter().map(|name| (*name).to_owned()).collect();
        let control = Control::default();
        Request::new(settings, None, &asked("d"), control, question, principal, &order).unwrap().key
    };
    let same = key(&settings(), &principal("k", "red"), &question(), &["a", "b"]);
    assert_eq!(same, key(&settings(), &principal("k", "blue"), &question(), &["a", "b"]));
    assert_ne!(same, key(&settings(), &principal("other", "red"), &question(), &["a", "b"]));
    assert_ne!(same, key(&settings(), &principal("k", "red"), &question(), &["b", "a"]));
    assert_ne!(same, key(&settings(), &principal("k", "red"), &question(), &["ab"]));
    for changed in [
        Question { model: "other".to_owned(), ..question() },
        Question { dialect: Dialect::Anthropic, ..question() },
        Question { unsupported_fields: "drop".to_owned(), ..question() },
    ] {
        assert_ne!(same, key(&settings(), &principal("k", "red"), &changed, &["a", "b"]));
    }
    let by = |scope, key_name: &str, team: &str| {
        key(&CacheSettings { scope, ..settings() }, &principal(key_name, team), &question(), &[])
    };
    assert_eq!(by(Scope::Team, "one", "red"), by(Scope::Team, "other", "red"));
    assert_ne!(by(Scope::Team, "one", "red"), by(Scope::Team, "one", "blue"));
    // Keys without a team share with nobody.
    assert_ne!(by(Scope::Team, "one", ""), by(Scope::Team, "other", ""));
    assert_eq!(by(Scope::Shared, "one", "red"), by(Scope::Shared, "other", "blue"));
    let user = |end_user: &str| {
        let whose = Principal { end_user: end_user.to_owned(), ..principal("k", "") };
        key(&CacheSettings { scope: Scope::EndUser, ..settings() }, &whose, &question(), &[])
    };
    assert_ne!(user("ann"), user("bob"));
}

#[test]
fn requests_that_name_no_end_user_share_nothing() {
    let settings = CacheSettings { scope: Scope::EndUser, ..settings() };
    let of = |end_user: &str| {
        let whose = Principal { end_user: end_user.to_owned(), ..principal("k", "") };
        Request::new(&settings, None, &asked("d"), Control::default(), &question(), &whose, &[]).is_some()
    };
    assert!(of("ann") && !of(""));
}

#[tokio::test]
async fn what_was_asked_for_before_a_purge_is_not_kept_after_it() {
    let cache = Cache::open(settings(), None, None).unwrap();
    let mut fill = fill::Fill::new(request(""), Dialect::OpenAi, "m", &[], (None, None), &cache);
    fill.headers("200", "application/json");
    fill.body(br#"{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#);
    let whole = fill.end().unwrap();
    cache.purge(&Which::default()).await.unwrap();
    fill.keep(&cache, whole, 1).await;
    assert_eq!(cache.store.size().entries, 0);
}

#[tokio::test]
async fn what_is_forgotten_is_in_no_file_and_nobody_else_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(settings(), Some(folder.path()), None).unwrap();
    let answer = "a secret answer".to_owned();
    cache.put(Arc::new(Entry { answer, ..Entry::clone(&entry("one", ago(1))) }), None).await;
    cache.maintain().unwrap();
    let file = folder.path().join(FILE);
    assert!(std::fs::read_to_string(&file).unwrap().contains("secret"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // The scope of a key holds those of its end users.
    let which = Which { scope: Some("key:k".to_owned()), ..Which::default() };
    assert_eq!(cache.purge(&which).await.unwrap(), 1);
    cache.maintain().unwrap();
    assert!(!std::fs::read_to_string(&file).unwrap().contains("secret"));
}

#[test]
fn what_need_not_come_out_the_same_is_cached_only_where_that_is_wanted() {
    let random = Asked { deterministic: false, ..asked("d") };
    let new = |settings: &CacheSettings, asked: &Asked| {
        Request::new(settings, None, asked, Control::default(), &question(), &principal("k", ""), &[])
            .is_some()
    };
    assert!(new(&settings(), &asked("d")));
    assert!(!new(&settings(), &random));
    assert!(new(&CacheSettings { any_temperature: true, ..settings() }, &random));
    let others = CacheSettings { models: vec!["other".to_owned()], ..settings() };
    assert!(!new(&others, &asked("d")));
}

#[tokio::test]
async fn an_answer_is_given_until_it_is_too_old() {
    let cache = Cache::open(settings(), None, None).unwrap();
    let ask = request("");
    cache.put(entry(&ask.key, ago(10)), None).await;
    assert!(
        matches!(cache.find(&ask, false).await, Found::Hit(hit) if !hit.stale && hit.age.as_secs() == 10)
    );
    assert!(matches!(cache.find(&request("max-age=5"), true).await, Found::Miss(..)));
    assert!(matches!(cache.find(&request("no-cache"), false).await, Found::Miss(None, _)));
    cache.put(entry(&ask.key, ago(130)), None).await;
    assert!(matches!(cache.find(&ask, true).await, Found::Miss(None, _)));
}

#[tokio::test]
async fn while_one_renews_a_stale_answer_others_are_given_it() {
    let cache = Cache::open(settings(), None, None).unwrap();
    let ask = request("");
    cache.put(entry(&ask.key, ago(70)), None).await;
    for control in ["only-if-cached", "no-store"] {
        let found = cache.find(&request(control), false).await;
        assert!(matches!(found, Found::Hit(hit) if hit.stale), "{control} renews nothing");
    }
    let Found::Miss(Some(leading), _) = cache.find(&ask, false).await else { panic!("the first renews it") };
    assert!(matches!(cache.find(&ask, false).await, Found::Hit(hit) if hit.stale));
    leading.land(Answered { entry: entry(&ask.key, ago(0)), similarity: None });
    cache.put(entry(&ask.key, ago(0)), None).await;
    assert!(matches!(cache.find(&ask, false).await, Found::Hit(hit) if !hit.stale));
}

#[tokio::test]
async fn of_many_who_ask_at_once_one_gets_the_answer_for_all() {
    let cache = Cache::open(settings(), None, None).unwrap();
    let ask = request("");
    let Found::Miss(Some(leading), _) = cache.find(&ask, false).await else { panic!("the first leads") };
    let mut waiting = Vec::new();
    for _ in 0..500 {
        let Found::Wait(wait) = cache.find(&ask, false).await else { panic!("the others wait") };
        waiting.push(wait);
    }
    leading.land(Answered { entry: entry(&ask.key, ago(0)), similarity: None });
    for wait in waiting {
        assert_eq!(wait.landed().await.unwrap().entry.id, format!("id of {}", ask.key));
    }
}

#[tokio::test]
async fn who_waits_is_woken_when_there_will_be_no_answer() {
    let cache = Cache::open(settings(), None, None).unwrap();
    let ask = request("");
    let Found::Miss(Some(leading), _) = cache.find(&ask, false).await else { panic!("the first leads") };
    let Found::Wait(wait) = cache.find(&ask, false).await else { panic!("the second waits") };
    drop(leading);
    assert!(wait.landed().await.is_none());
    assert!(matches!(cache.find(&ask, false).await, Found::Miss(Some(_), _)));
}

#[tokio::test]
async fn answers_survive_a_restart_and_a_line_that_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Cache::open(settings(), Some(folder.path()), None).unwrap();
    let cache = open();
    cache.put(entry("one", ago(1)), None).await;
    cache.put(entry("old", ago(1_000)), None).await;
    cache.put(entry("forgotten", ago(1)), None).await;
    cache.maintain().unwrap();
    let which = Which { entry: Some("id of forgotten".to_owned()), ..Which::default() };
    assert_eq!(cache.purge(&which).await.unwrap(), 1);
    cache.maintain().unwrap();
    drop(cache);
    let file = folder.path().join(FILE);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.clone() + &text[..text.len() / 3]).unwrap();
    let cache = open();
    assert!(cache.store.get("one").await.unwrap().is_some());
    for gone in ["old", "forgotten"] {
        assert_eq!(cache.store.get(gone).await.unwrap(), None, "{gone}");
    }
}

#[tokio::test]
async fn memory_stays_under_its_bound_and_too_large_answers_are_not_kept() {
    let cache = Cache::open(CacheSettings { max_bytes: 100_000, ..settings() }, None, None).unwrap();
    for number in 0..2_000 {
        let answer = "x".repeat(1_000);
        cache
            .put(Arc::new(Entry { answer, ..Entry::clone(&entry(&number.to_string(), ago(0))) }), None)
            .await;
    }
    let size = cache.store.size();
    assert!(size.bytes <= 100_000 && size.entries > 10, "{size:?}");
    let answer = "x".repeat(1 << 17);
    cache.put(Arc::new(Entry { answer, ..Entry::clone(&entry("large", ago(0))) }), None).await;
    assert_eq!(cache.store.get("large").await.unwrap(), None);
}

/// A store that never answers.
#[derive(Debug)]
struct Silent;

#[tonic::async_trait]
impl Entries for Silent {
    async fn get(&self, _: &str) -> Result<Option<Arc<Entry>>, store::Error> {
        std::future::pending().await
    }
    async fn put(&self, _: Arc<Entry>) -> Result<(), store::Error> {
        std::future::pending().await
    }
    async fn purge(&self, _: &Which) -> Result<u64, store::Error> {
        std::future::pending().await
    }
    fn size(&self) -> store::Size {
        store::Size::default()
    }
}

#[tokio::test]
async fn a_store_that_never_answers_is_waited_for_no_longer_than_is_allowed() {
    let settings = CacheSettings { timeout: Duration::from_millis(1), ..settings() };
    let (store, flights, metrics) = (Arc::new(Silent), Flights::default(), Arc::default());
    let cache = Cache { settings, store, flights, semantic: None, metrics, purges: AtomicU64::new(0) };
    // A provider is asked, and its answer still serves those who wait.
    let Found::Miss(Some(leading), _) = cache.find(&request(""), false).await else {
        panic!("nothing is found")
    };
    let Found::Wait(wait) = cache.find(&request(""), false).await else { panic!("the second waits") };
    cache.put(entry("a", ago(0)), None).await;
    leading.land(Answered { entry: entry("a", ago(0)), similarity: None });
    assert!(wait.landed().await.is_some());
    assert!(cache.metrics().contains("weirgate_cache_store_failures_total 3"));
}
