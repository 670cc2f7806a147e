use super::access::Caller;
use super::*;
use crate::config::read;
use crate::store::Measure;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use weirgate_dialect::error::ClientError;

const FILE: &str = r#"
providers:
  openai: {dialect: openai}
  claude: {dialect: anthropic}
models:
  - name: gpt-4o
    deployments: [{provider: openai, model: gpt-4o}]
  - name: chat
    deployments: [{provider: claude, model: claude-sonnet-4-5}, {provider: openai, model: gpt-4o}]
    retries: 1
  - name: twice
    deployments: [{provider: openai, model: gpt-4o}, {provider: openai, model: gpt-4o-mini}]
  - name: unpriced
    deployments: [{provider: openai, model: secret-model}]
passthrough: openai
users:
  - {name: ann, team: research, limits: [{name: hers, requests: 1, window: minute}]}
organizations: [{name: acme, limits: [{name: all, usd: 100, window: month}]}]
teams:
  - {name: research, organization: acme, models: [gpt-4o, chat], limits: {requests_per_minute: 100}}
keys:
  - {name: all, key: key-of-everybody, limits: {budget: {usd: 1}}}
  - {name: one, key: key-of-one-model, models: [chat]}
  - {name: free, key: key-without-limits}
  - {name: team, key: key-of-the-team-, team: research, models: [chat, unpriced], tags: [batch]}
  - {name: provider, key: key-of-one-provider, providers: [openai]}
  - {name: office, key: key-of-the-office, networks: [10.0.0.0/8], operations: [messages]}
  - {name: old, key: key-of-yesterday, expires_at: 2026-01-01T00:00:00Z}
  - {name: blocked, key: key-that-is-blocked, blocked: true}
  - name: saver
    key: key-that-saves-money
    limits: [{name: budget, usd: 1, window: month, downgrade: {at_percent: 80, model: gpt-4o}}]
  - name: narrow-saver
    key: key-that-saves-with-claude
    providers: [claude]
    limits: [{name: budget, usd: 1, window: month, downgrade: {at_percent: 80, model: gpt-4o}}]
limits:
  - {name: providers, requests: 5, window: minute, per: [provider], only: {models: [twice]}}
  - {name: eu, requests: 5, window: minute, per: [tag]}
"#;
const NOW: u64 = 1_790_000_000;

fn policy() -> Policy {
    Policy::new(Arc::new(read(FILE, &BTreeMap::new()).unwrap()), &Directory::default())
}

fn question(model: &str) -> Question {
    Question {
        dialect: Dialect::OpenAi,
        operation: Operation::ChatCompletions,
        changes: true,
        stream: false,
        foreign: false,
        model: model.to_owned(),
        provider: None,
        key_digest: None,
        claims: None,
        source: None,
        end_user: String::new(),
        tags: Vec::new(),
        tier: String::new(),
        unsupported_fields: String::new(),
        input_tokens: 1_000,
        max_tokens: Some(100),
        choices: 1,
    }
}

fn with_key(key: &str, question: Question) -> Question {
    Question { key_digest: Some(Sha256::digest(key.as_bytes()).into()), ..question }
}

fn caller(policy: &Policy, key: &str) -> Caller {
    policy.authenticate(&with_key(key, question("chat")), NOW).unwrap()
}

fn refusal(policy: &Policy, question: &Question) -> &'static str {
    policy.authenticate(question, NOW).unwrap_err().code
}

/// The first plan: its order, and what it takes.
fn planned(policy: &Policy, question: &Question, key: &str) -> Result<(Vec<String>, u64), ClientError> {
    let caller = caller(policy, key);
    let plan = policy.plans(question, &caller, 1024, &[])?.remove(0);
    Ok((plan.order, plan.amounts.micro_dollars))
}

#[test]
fn a_model_goes_to_its_deployments_in_order() {
    let policy = policy();
    let (order, _) = planned(&policy, &question("chat"), "key-of-everybody").unwrap();
    // The second must set what the translation of the first left behind.
    let (first, second) = ("claude/claude-sonnet-4-5+from-openai", "openai/gpt-4o+prepare");
    assert_eq!(order, [first, first, second, second]);
    let (order, micro_dollars) = planned(&policy, &question("gpt-4o"), "key-of-everybody").unwrap();
    assert_eq!(order, ["openai/gpt-4o"]);
    assert_eq!(micro_dollars, 2_500 + 1_000);
}

#[test]
fn every_cluster_of_every_plan_is_rendered() {
    let policy = policy();
    for key in ["key-of-everybody", "key-without-limits", "key-that-saves-money"] {
        let caller = caller(&policy, key);
        for model in ["chat", "gpt-4o", "other"] {
            for provider in [None, Some("openai"), Some("claude")] {
                for (dialect, operation) in [
                    (Dialect::OpenAi, Operation::ChatCompletions),
                    (Dialect::Anthropic, Operation::Messages),
                    (Dialect::OpenAi, Operation::Embeddings),
                    (Dialect::OpenAi, Operation::Passthrough),
                    (Dialect::Anthropic, Operation::Passthrough),
                ] {
                    for max_tokens in [None, Some(5)] {
                        let provider = provider.map(str::to_owned);
                        let question =
                            Question { dialect, operation, provider, max_tokens, ..question(model) };
                        for plan in policy.plans(&question, &caller, 1024, &[]).unwrap_or_default() {
                            for cluster in plan.order {
                                assert!(policy.cluster(&cluster).is_some(), "{cluster} of {question:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn keys_are_known_or_not() {
    let policy = policy();
    assert_eq!(refusal(&policy, &question("chat")), "missing_api_key");
    assert_eq!(refusal(&policy, &with_key("key-of-nobody-here", question("chat"))), "invalid_api_key");
    assert_eq!(refusal(&policy, &with_key("key-of-yesterday", question("chat"))), "expired_api_key");
    assert_eq!(refusal(&policy, &with_key("key-that-is-blocked", question("chat"))), "blocked_api_key");
}

#[test]
fn a_key_works_only_where_and_for_what_it_may_be_used() {
    let policy = policy();
    let office = |source: &str, operation| {
        let question = Question { source: source.parse().ok(), operation, ..question("chat") };
        policy.authenticate(&with_key("key-of-the-office", question), NOW).map_err(|error| error.code)
    };
    assert!(office("10.1.2.3", Operation::Messages).is_ok());
    assert!(office("10.1.2.3", Operation::Models).is_ok());
    assert_eq!(office("11.1.2.3", Operation::Messages).unwrap_err(), "network_not_allowed");
    assert_eq!(office("", Operation::Messages).unwrap_err(), "network_not_allowed");
    assert_eq!(office("10.1.2.3", Operation::ChatCompletions).unwrap_err(), "operation_not_allowed");
}

#[test]
fn a_key_of_a_team_may_use_what_both_may() {
    let policy = policy();
    let team = caller(&policy, "key-of-the-team-");
    assert_eq!(policy.models(&team).collect::<Vec<_>>(), ["chat"]);
    assert_eq!((team.principal.team.as_str(), team.principal.organization.as_str()), ("research", "acme"));
    assert_eq!(policy.plans(&question("unpriced"), &team, 1, &[]).unwrap_err().code, "model_not_allowed");
}

#[test]
fn limits_of_team_organization_and_tag_count_together() {
    let policy = policy();
    let question = Question { tags: vec!["eu".to_owned()], ..question("chat") };
    let team = policy.authenticate(&with_key("key-of-the-team-", question.clone()), NOW).unwrap();
    let plan = policy.plans(&question, &team, 1024, &[]).unwrap().remove(0);
    let mut counters: Vec<_> = plan.claims.iter().map(|ruled| ruled.claim.counter.as_str()).collect();
    counters.sort_unstable();
    assert_eq!(
        counters,
        [
            "key:team/spend@micro_dollars total",
            "limit:eu@requests minute|tag=batch",
            "limit:eu@requests minute|tag=eu",
            "organization:acme/all@micro_dollars month",
            "team:research/requests_per_minute@requests minute",
        ]
    );
}

#[test]
fn a_provider_with_two_deployments_is_counted_once() {
    let policy = policy();
    let caller = caller(&policy, "key-without-limits");
    let plan = policy.plans(&question("twice"), &caller, 100, &[]).unwrap().remove(0);
    let of_providers = plan.claims.iter().filter(|ruled| ruled.rule.limit.name == "providers");
    assert_eq!(of_providers.count(), 1);
}

#[test]
fn an_unknown_model_is_answered_with_near_names() {
    let policy = policy();
    let error = planned(&policy, &question("gtp-4o"), "key-of-everybody").unwrap_err();
    assert_eq!(error.status(), 404);
    assert!(error.message.contains("did you mean \"gpt-4o\"?"), "{}", error.message);
}

fn without_passthrough() -> Policy {
    let file = FILE.replace("passthrough: openai\n", "");
    Policy::new(Arc::new(read(&file, &BTreeMap::new()).unwrap()), &Directory::default())
}

#[test]
fn a_misspelt_model_of_a_call_other_than_a_chat_was_an_unknown_path() {
    let policy = without_passthrough();
    for operation in [Operation::Rerank, Operation::Embeddings, Operation::Completions] {
        let misspelt = Question { operation, ..question("gtp-4o") };
        let error = planned(&policy, &misspelt, "key-without-limits").unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), ("model_not_found", Some("model")), "{operation}");
        assert!(error.message.contains("did you mean \"gpt-4o\"?"), "{}", error.message);
    }
    // A provider that takes other calls may know a model that this file does not.
    let misspelt = Question { operation: Operation::Rerank, ..question("gtp-4o") };
    assert!(planned(&self::policy(), &misspelt, "key-without-limits").is_ok());
}

#[test]
fn an_unknown_path_did_not_say_what_would_let_it_pass() {
    let policy = without_passthrough();
    let message = |model: &str| {
        let call = Question { operation: Operation::Passthrough, ..question(model) };
        let error = planned(&policy, &call, "key-without-limits").unwrap_err();
        assert_eq!(error.code, "path_not_found");
        error.message
    };
    assert_eq!(
        message(""),
        "this path is not known here, nor could a model be read; such calls need a provider named by `passthrough` in the gateway's configuration"
    );
    assert!(message("gtp-4o").starts_with(
        "this path is not known here, nor is the model \"gtp-4o\" (did you mean \"gpt-4o\"?); such calls need"
    ));
}

#[test]
fn a_call_that_a_model_does_not_have_did_not_name_the_dialects_that_it_has() {
    let policy = policy();
    let message = |question: &Question, key: &str| {
        let error = planned(&policy, question, key).unwrap_err();
        assert_eq!(error.code, "dialect_not_available");
        error.message
    };
    let chats = "for chats in openai, responses, anthropic, gemini, converse";
    let gemini = Question { dialect: Dialect::Gemini, operation: Operation::Passthrough, ..question("chat") };
    assert_eq!(
        message(&gemini, "key-without-limits"),
        format!(
            "no provider offers the model \"chat\" for this call of the gemini API; it is available {chats}, and for calls other than chats in openai, responses, anthropic"
        )
    );
    // What the key may not use is not available to it.
    let own = "and for calls other than chats in openai, responses";
    assert!(message(&gemini, "key-of-one-provider").ends_with(own));
    let named = Question {
        provider: Some("claude".to_owned()),
        operation: Operation::Embeddings,
        ..question("chat")
    };
    assert!(
        message(&named, "key-without-limits")
            .ends_with(&format!("it is available {chats}, and for calls other than chats in anthropic"))
    );
}

#[test]
fn a_key_bound_to_a_model_cannot_have_another() {
    let policy = policy();
    let status =
        |question: &Question| planned(&policy, question, "key-of-one-model").map_err(|error| error.status());
    assert_eq!(status(&question("gpt-4o")).unwrap_err(), 403);
    let named = Question { provider: Some("openai".to_owned()), ..question("gpt-4o") };
    assert_eq!(status(&named).unwrap_err(), 403);
    assert!(status(&question("chat")).is_ok());
}

#[test]
fn a_key_bound_to_a_provider_skips_the_others() {
    let policy = policy();
    let (order, _) = planned(&policy, &question("chat"), "key-of-one-provider").unwrap();
    assert_eq!(order, ["openai/gpt-4o+prepare", "openai/gpt-4o+prepare"]);
    let named = Question { provider: Some("claude".to_owned()), ..question("chat") };
    assert_eq!(planned(&policy, &named, "key-of-one-provider").unwrap_err().code, "provider_not_allowed");
}

#[test]
fn a_named_provider_gets_its_own_name_of_the_model() {
    let policy = policy();
    let named = Question { provider: Some("openai".to_owned()), ..question("chat") };
    let (order, _) = planned(&policy, &named, "key-of-everybody").unwrap();
    assert_eq!(order, ["openai/gpt-4o+prepare"]);
}

#[test]
fn a_budget_refuses_what_has_no_price() {
    let policy = policy();
    let code =
        |question: &Question| planned(&policy, question, "key-of-everybody").map_err(|error| error.code);
    assert_eq!(code(&question("unpriced")).unwrap_err(), "unknown_price");
    let upload = Question { operation: Operation::Passthrough, ..question("") };
    assert_eq!(code(&upload).unwrap_err(), "unknown_price");
    assert!(code(&Question { changes: false, ..upload }).is_ok());
    assert!(planned(&policy, &question("unpriced"), "key-without-limits").is_ok());
}

#[test]
fn without_a_cap_a_budget_reserves_what_the_model_can_generate_and_less_near_its_end() {
    let policy = policy();
    let uncapped = Question { max_tokens: None, ..question("gpt-4o") };
    let caller = caller(&policy, "key-of-everybody");
    let plans = policy.plans(&uncapped, &caller, 100, &[]).unwrap();
    let tokens: Vec<u64> = plans.iter().map(|plan| plan.amounts.output_tokens).collect();
    assert_eq!(tokens, [16_384, 2_048, 1_024, 1_024, 100]);
    // Only where less is reserved than the model can generate has the provider to be told.
    let caps: Vec<_> = plans.iter().map(|plan| plan.output_cap).collect();
    assert_eq!(caps, [None, Some(2_048), Some(1_024), Some(1_024), Some(100)]);
    assert_eq!(plans[4].order, ["openai/gpt-4o+prepare"]);
    // The smallest two may use all that is left.
    let admits: Vec<_> = plans.iter().map(|plan| plan.claims[0].claim.admits).collect();
    assert_eq!(admits, [Some(500_000), Some(500_000), Some(500_000), None, None]);
    let free = self::caller(&policy, "key-without-limits");
    let plans = policy.plans(&uncapped, &free, 100, &[]).unwrap();
    assert_eq!((plans.len(), plans[0].amounts.output_tokens, plans[0].output_cap), (1, 100, None));
}

#[test]
fn another_model_is_planned_for_where_a_limit_says_so() {
    let policy = policy();
    let caller = caller(&policy, "key-that-saves-money");
    let plans = policy.plans(&question("chat"), &caller, 100, &[]).unwrap();
    let models: Vec<_> =
        plans.iter().map(|plan| (plan.model.as_str(), plan.claims[0].claim.admits)).collect();
    assert_eq!(models, [("chat", Some(800_000)), ("gpt-4o", None)]);
    assert_eq!(plans[1].order, ["openai/gpt-4o+prepare"], "the body still names the other");
    let plans = policy.plans(&question("gpt-4o"), &caller, 100, &[]).unwrap();
    assert_eq!((plans.len(), plans[0].claims[0].claim.admits), (1, None));
    assert_eq!(plans[0].claims[0].claim.measure, Measure::MicroDollars);
}

#[test]
fn a_stream_without_a_cap_is_followed_near_a_budgets_end() {
    let policy = policy();
    let streamed = Question { max_tokens: None, stream: true, ..question("gpt-4o") };
    let caller = caller(&policy, "key-of-everybody");
    let plans = policy.plans(&streamed, &caller, 100, &[]).unwrap();
    assert_eq!((plans.len(), plans[0].slice), (2, None));
    assert_eq!(plans[1].slice, Some(plan::Slice { tokens: 100, micro_dollars: 1_000 }));
    assert_eq!((plans[1].output_cap, plans[1].order.as_slice()), (None, &["openai/gpt-4o".to_owned()][..]));
}

#[test]
fn another_model_is_served_only_where_the_key_and_the_client_allow() {
    let policy = policy();
    let narrow = caller(&policy, "key-that-saves-with-claude");
    let plans = policy.plans(&question("chat"), &narrow, 100, &[]).unwrap();
    assert!(
        plans.iter().all(|plan| plan.order.iter().all(|cluster| cluster.starts_with("claude/"))),
        "{plans:?}"
    );
    let named = Question { provider: Some("claude".to_owned()), ..question("chat") };
    let saver = caller(&policy, "key-that-saves-money");
    let plans = policy.plans(&named, &saver, 100, &[]).unwrap();
    assert!(
        plans.iter().all(|plan| plan.order.iter().all(|cluster| cluster.starts_with("claude/"))),
        "{plans:?}"
    );
}

#[test]
fn a_user_of_another_team_with_the_same_name_is_somebody_else() {
    let policy = policy();
    let limits = |team: &str| {
        let principal = Principal { user: "ann".to_owned(), team: team.to_owned(), ..Principal::default() };
        let mut claims = Vec::new();
        for rule in policy.rules().counting(&principal) {
            let counted = limit::Counted { principal: &principal, model: "chat", providers: &[] };
            let mut found = Vec::new();
            rule.claims(counted, &mut found);
            claims.extend(found.into_iter().map(|ruled| ruled.rule.limit.name.clone()));
        }
        claims.contains(&"hers".to_owned())
    };
    assert!(limits("research"));
    assert!(!limits("sales"));
}

#[test]
fn what_only_reads_reserves_nothing_to_generate() {
    let policy = policy();
    let get = Question {
        operation: Operation::Passthrough,
        changes: false,
        max_tokens: None,
        ..question("gpt-4o")
    };
    let caller = caller(&policy, "key-of-everybody");
    let plan = policy.plans(&get, &caller, 100, &[]).unwrap().remove(0);
    assert_eq!(plan.amounts.output_tokens, 0);
}

#[test]
fn prompts_are_counted_here_where_no_provider_does() {
    let policy = policy();
    let itself = |key: &str, dialect: Dialect, model: &str| {
        let question = Question { dialect, operation: Operation::CountTokens, ..question(model) };
        policy.counts_itself(&question, &caller(&policy, key)).map_err(|error| error.code)
    };
    assert_eq!(itself("key-without-limits", Dialect::Anthropic, "gpt-4o"), Ok(true));
    assert_eq!(itself("key-without-limits", Dialect::Anthropic, "chat"), Ok(false));
    assert_eq!(itself("key-without-limits", Dialect::Gemini, "chat"), Ok(true));
    // The provider that has the call is not this key's.
    assert_eq!(itself("key-of-one-provider", Dialect::Anthropic, "chat"), Ok(true));
    assert_eq!(itself("key-of-one-model", Dialect::Anthropic, "gpt-4o"), Err("model_not_allowed"));
    assert_eq!(itself("key-without-limits", Dialect::Anthropic, "gpt-5o"), Err("model_not_found"));
    let chat = caller(&policy, "key-without-limits");
    assert!(!policy.counts_itself(&question("gpt-4o"), &chat).unwrap());
}

#[test]
fn what_nobody_bills_needs_no_price_and_reserves_no_money() {
    let policy = policy();
    let caller = caller(&policy, "key-of-everybody");
    let count = Question { operation: Operation::CountTokens, max_tokens: Some(0), ..question("unpriced") };
    let plan = policy.plans(&count, &caller, 100, &[]).unwrap().remove(0);
    assert_eq!(plan.amounts.micro_dollars, 0);
}
