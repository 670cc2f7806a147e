//! No answer goes to a request that differs in anything but how its question is put.

use super::*;
use crate::config::{EmbedderSettings, SemanticSettings, VectorStore};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use semantic::Semantic;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::HashSet;
use weirgate_dialect::cached::fingerprint;
use weirgate_semantic::embed::Embedder;

/// For this model all texts mean the same, so that nothing but what surrounds a question keeps answers apart.
#[derive(Debug)]
struct AllAlike;

impl Embedder for AllAlike {
    fn name(&self) -> &'static str {
        "all-alike"
    }
    fn dimensions(&self) -> usize {
        4
    }
    fn reads_all(&self, _: &str) -> bool {
        true
    }
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, weirgate_semantic::Error> {
        Ok(texts.iter().map(|_| vec![0.5; 4]).collect())
    }
}

/// What a request can differ in.
const DIFFERENCES: usize = 17;

/// A request: which of two values it has in each place, and how it puts its question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asking {
    places: [bool; DIFFERENCES],
    wording: usize,
}

/// The same question for the verifier too: nothing in which they differ is a word.
const WORDINGS: [&str; 3] = [
    "how do i open a bank account in france",
    "How do I open a bank account in France?",
    "How do I open a  bank account in France",
];

fn settings_of(scope: Scope) -> CacheSettings {
    let semantic = SemanticSettings {
        shadow: false,
        embedder: EmbedderSettings::MiniLm { model: "none".into() },
        min_similarity: Some(0.5),
        tools: true,
        threads: 1,
        cpu_percent: 100,
        timeout: Duration::from_secs(10),
        check_percent: 0,
        max_bytes: 16 << 20,
        vectors: VectorStore::Memory,
    };
    CacheSettings { scope, any_temperature: true, semantic: Some(semantic), ..settings() }
}

fn cache(scope: Scope) -> Cache {
    let settings = settings_of(scope);
    let semantic = Semantic::with(settings.semantic.clone().unwrap(), Arc::new(AllAlike)).unwrap();
    Cache {
        semantic: Some(Arc::new(semantic)),
        ..Cache::open(CacheSettings { semantic: None, ..settings }, None, None).unwrap()
    }
}

impl Asking {
    fn either<'a>(&self, place: usize, one: &'a str, other: &'a str) -> &'a str {
        if self.places[place] { other } else { one }
    }

    fn body(&self) -> Vec<u8> {
        let mut messages = vec![
            json!({"role": self.either(0, "system", "developer"), "content": self.either(1, "Be brief.", "Be brief!")}),
        ];
        if self.places[2] {
            messages.push(json!({"role": "user", "content": "hello"}));
            messages.push(json!({"role": "assistant", "content": self.either(3, "hi", "Hi")}));
        }
        messages.push(json!({"role": "user", "content": WORDINGS[self.wording]}));
        let tool =
            json!({"type": "function", "function": {"name": self.either(4, "f", "g"), "parameters": {}}});
        let mut body = json!({
            "model": "m", "messages": messages, "temperature": f64::from(u8::from(self.places[5])) / 2.0,
            "max_tokens": if self.places[6] { 10 } else { 11 },
            "response_format": {"type": self.either(7, "text", "json_object")},
        });
        if self.places[8] {
            body["tools"] = json!([tool]);
        }
        if self.places[9] {
            body["a_field_of_next_year"] = Value::Null;
        }
        body.to_string().into_bytes()
    }

    fn request(&self, cache: &Cache) -> Request {
        let headers = [("openai-beta", self.either(10, "", "new"))];
        let print = fingerprint(Operation::ChatCompletions, &self.body(), &headers).unwrap();
        let asked = Asked {
            digest: crate::policy::identity::hex(&print.digest),
            context: crate::policy::identity::hex(&print.context),
            question: print.question,
            deterministic: print.deterministic,
            tools: print.tools,
        };
        let question = Question { model: self.either(11, "m", "n").to_owned(), ..question() };
        let whose = Principal {
            key: self.either(12, "k", "l").to_owned(),
            team: self.either(13, "red", "blue").to_owned(),
            organization: self.either(14, "north", "south").to_owned(),
            end_user: self.either(15, "ann", "bob").to_owned(),
            ..Principal::default()
        };
        let order = [self.either(16, "openai/m", "azure/m").to_owned()];
        let control = Control::parse("");
        Request::new(&cache.settings, cache.semantic(), &asked, control, &question, &whose, &order).unwrap()
    }

    /// All that has to be equal for two to share an answer.
    fn shape(&self, scope: Scope) -> [bool; DIFFERENCES] {
        let mut shape = self.places;
        // What an absent turn or tool would have said says nothing.
        shape[3] &= shape[2];
        shape[4] &= shape[8];
        let apart: &[usize] = match scope {
            Scope::Shared => &[],
            Scope::Organization => &[14],
            Scope::Team => &[13],
            Scope::Key => &[12],
            Scope::EndUser => &[12, 15],
        };
        for place in [12, 13, 14, 15] {
            shape[place] &= apart.contains(&place);
        }
        shape
    }
}

fn askings() -> impl Strategy<Value = Vec<Asking>> {
    // Few differences each, so that many pairs differ in one thing alone.
    let places = prop::collection::hash_set(0..DIFFERENCES, 0..4).prop_map(|set: HashSet<usize>| {
        let mut places = [false; DIFFERENCES];
        set.into_iter().for_each(|place| places[place] = true);
        places
    });
    let asking = (places, 0..WORDINGS.len()).prop_map(|(places, wording)| Asking { places, wording });
    prop::collection::vec(asking, 2..30)
}

#[test]
fn an_answer_is_given_to_another_wording_and_never_across_anything_that_matters() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scopes = [Scope::Shared, Scope::Organization, Scope::Team, Scope::Key, Scope::EndUser];
    let mut runner = TestRunner::new(Config { cases: 60, ..Config::default() });
    let (given, alike) = (Cell::new(0), Cell::new(0));
    runner
        .run(&(prop::sample::select(scopes.to_vec()), askings()), |(scope, askings)| {
            runtime.block_on(async {
                let cache = cache(scope);
                let mut answered: Vec<Asking> = Vec::new();
                for (number, asking) in askings.iter().enumerate() {
                    let request = asking.request(&cache);
                    let same: Vec<_> =
                        answered.iter().filter(|other| other.shape(scope) == asking.shape(scope)).collect();
                    match cache.find(&request, true).await {
                        Found::Hit(hit) => {
                            let from: usize = hit.answered.entry.id.parse().unwrap();
                            let from = &askings[from];
                            prop_assert_eq!(
                                from.shape(scope),
                                asking.shape(scope),
                                "{:?} got that of {:?}",
                                asking,
                                from
                            );
                            given.set(given.get() + 1);
                            alike.set(alike.get() + usize::from(hit.answered.similarity.is_some()));
                        }
                        Found::Miss(_, sought) => {
                            prop_assert!(same.is_empty(), "{:?} has the answer of {:?}", asking, same);
                            let entry = Entry {
                                id: number.to_string(),
                                scope: request.scope.clone(),
                                ..Entry::clone(&entry(&request.key, ago(0)))
                            };
                            cache.put(Arc::new(entry), sought.as_deref()).await;
                            answered.push(*asking);
                        }
                        Found::Wait(_) => prop_assert!(false, "nobody else asks"),
                    }
                }
                Ok(())
            })
        })
        .unwrap();
    let (given, alike) = (given.get(), alike.get());
    assert!(given > alike && alike > 0, "{given} were given, {alike} of them to another wording");
}
