//! Whom the file makes known: organisations, teams, users, keys, and limits.

use super::document::{Fields, Node, Problems, Value, nearest};
use super::hex_digest;
use super::values::Reader;
use crate::directory::bounds;
use crate::policy::identity::{Directory, Key, Metadata, Network, Organization, Secret, Team, User};
use crate::policy::limit::{Dimension, Downgrade, Limit, Mode, Only, Overrun, StoreFailure};
use crate::store::Measure;
use crate::store::window::{Unit, Window, Zone};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use weirgate_contract::filter_config::SecretText;
use weirgate_dialect::Operation;

/// The fewest characters of a key that somebody made up.
const KEY_CHARACTERS: usize = 16;
/// How many of a key's first characters are kept for people.
pub(crate) const PREFIX_CHARACTERS: usize = 8;

/// What the names in a file may refer to.
pub(super) struct Known<'k> {
    pub(super) models: Vec<&'k str>,
    pub(super) providers: Vec<&'k str>,
    /// The secret of the checksum in generated keys.
    pub(super) key_checksum: Option<&'k SecretText>,
}

impl Reader<'_> {
    /// Reads everybody and every limit.
    pub(super) fn directory(&self, fields: &mut Fields<'_>, known: &Known<'_>) -> Directory {
        let problems = &self.problems;
        let organization_nodes = fields.list("organizations", problems);
        let organizations = self.names(organization_nodes);
        let team_nodes = fields.list("teams", problems);
        let teams = self.names(team_nodes);
        let user_nodes = fields.list("users", problems);
        let users = self.names(user_nodes);
        let key_nodes = fields.list("keys", problems);
        self.names(key_nodes);
        let limit_nodes = fields.list("limits", problems);
        let people = People { organizations: &organizations, teams: &teams, users: &users };
        let mut directory = Directory {
            organizations: by_name(
                organization_nodes,
                |node| self.organization(node, known),
                |one| &one.name,
            ),
            teams: by_name(team_nodes, |node| self.team(node, known, &people), |one| &one.name),
            users: by_name(user_nodes, |node| self.user(node, known, &people), |one| &one.name),
            keys: BTreeMap::new(),
            limits: by_name(limit_nodes, |node| self.limit(node, known, true), |one| &one.name),
        };
        self.limit_names(limit_nodes);
        let mut digests = HashMap::new();
        for node in key_nodes {
            let Some(key) = self.key(node, known, &people) else { continue };
            for secret in &key.secrets {
                if let Some(other) = digests.insert(secret.digest, key.name.clone()) {
                    problems.add(node, format!("is the same key as \"{other}\""));
                }
            }
            directory.keys.insert(key.name.clone(), key);
        }
        directory
    }

    fn organization(&self, node: &Node, known: &Known<'_>) -> Option<Organization> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        let limits = self.limits(&mut fields, known);
        let metadata = self.metadata(&mut fields);
        fields.finish(problems);
        Some(Organization { name: name?, limits, metadata })
    }

    fn team(&self, node: &Node, known: &Known<'_>, people: &People<'_>) -> Option<Team> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        let organization = self.reference(&mut fields, "organization", people.organizations);
        let models = self.references(&mut fields, "models", "model", &known.models);
        let limits = self.limits(&mut fields, known);
        self.downgrades(&mut fields, &models, &limits);
        let metadata = self.metadata(&mut fields);
        fields.finish(problems);
        Some(Team { name: name?, organization, models, limits, metadata })
    }

    fn user(&self, node: &Node, known: &Known<'_>, people: &People<'_>) -> Option<User> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        let team = self.reference(&mut fields, "team", people.teams);
        let limits = self.limits(&mut fields, known);
        let metadata = self.metadata(&mut fields);
        fields.finish(problems);
        Some(User { name: name?, team, limits, metadata })
    }

    fn key(&self, node: &Node, known: &Known<'_>, people: &People<'_>) -> Option<Key> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        if let (Some(key), Some(checksum)) = (fields.get("key"), known.key_checksum) {
            self.genuine(key, checksum);
        }
        let secret = self.key_secret(node, &mut fields);
        let operations: Vec<&str> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
        let key = Key {
            name: String::new(),
            secrets: Vec::new(),
            team: self.reference(&mut fields, "team", people.teams),
            user: self.reference(&mut fields, "user", people.users),
            organization: self.reference(&mut fields, "organization", people.organizations),
            tags: self.texts(&mut fields, "tags"),
            models: self.references(&mut fields, "models", "model", &known.models),
            providers: self.references(&mut fields, "providers", "provider", &known.providers),
            operations: self.references(&mut fields, "operations", "operation", &operations),
            networks: self.networks(&mut fields),
            expires_at: fields.get("expires_at").and_then(|node| self.time(node)),
            blocked: fields.get("blocked").and_then(|node| self.flag(node)).unwrap_or(false),
            limits: self.limits(&mut fields, known),
            metadata: self.metadata(&mut fields),
        };
        self.downgrades(&mut fields, &key.models, &key.limits);
        fields.finish(problems);
        Some(Key { name: name?, secrets: vec![secret?], ..key })
    }

    /// A key that looks like a generated one must be one, or Envoy refuses it. The key itself is not repeated.
    fn genuine(&self, node: &Node, checksum: &SecretText) {
        // What cannot be read is told where the key is.
        let quiet = Reader { problems: Problems::default(), environment: self.environment };
        let Some(key) = quiet.text(node) else { return };
        if weirgate_keys::verify(&key, checksum.as_bytes()) == weirgate_keys::Form::Forged {
            let prefix = weirgate_keys::PREFIX;
            let message = format!(
                "begins with {prefix} and was not made under this key_checksum, so that Envoy would refuse it: take one that begins with something else"
            );
            self.problems.add(node, message);
        }
    }

    pub(super) fn key_secret(&self, node: &Node, fields: &mut Fields<'_>) -> Option<Secret> {
        let problems = &self.problems;
        match (fields.get("key"), fields.get("sha256")) {
            (Some(key), None) => self.text(key).map(|text| {
                if text.len() < KEY_CHARACTERS {
                    problems.add(key, format!("a key needs at least {KEY_CHARACTERS} characters"));
                }
                let digest = Sha256::digest(text.as_bytes()).into();
                Secret { digest, prefix: text.chars().take(PREFIX_CHARACTERS).collect(), until: None }
            }),
            (None, Some(sha256)) => self.text(sha256).and_then(|text| {
                let digest = hex_digest(&text);
                if digest.is_none() {
                    problems.add(sha256, "must be 64 hexadecimal digits");
                }
                Some(Secret { digest: digest?, ..Secret::default() })
            }),
            _ => {
                problems.add(node, "give either key or sha256");
                None
            }
        }
    }

    /// A list that is no longer than others of its name.
    fn list<'n>(&self, fields: &mut Fields<'n>, name: &'static str) -> &'n [Node] {
        let nodes = fields.list(name, &self.problems);
        if let (Some(node), Some(problem)) = (fields.get(name), bounds::list_problem(name, nodes.len())) {
            self.problems.add(node, problem);
        }
        nodes
    }

    fn reference(&self, fields: &mut Fields<'_>, name: &'static str, known: &[String]) -> Option<String> {
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        fields.get(name).and_then(|node| self.one_of(node, name, &known))
    }

    fn references(
        &self,
        fields: &mut Fields<'_>,
        name: &'static str,
        what: &str,
        known: &[&str],
    ) -> Vec<String> {
        self.allows_something(fields, name);
        self.list(fields, name).iter().filter_map(|node| self.one_of(node, what, known)).collect()
    }

    pub(super) fn texts(&self, fields: &mut Fields<'_>, name: &'static str) -> Vec<String> {
        let texts = self.list(fields, name).iter().filter_map(|node| {
            let text = self.text(node)?;
            self.name(node, &text);
            Some(text)
        });
        texts.collect()
    }

    /// An empty list of what is allowed would allow everything, which whoever writes it can hardly mean.
    fn allows_something(&self, fields: &mut Fields<'_>, name: &'static str) {
        if let Some(node) =
            fields.get(name).filter(|node| matches!(&node.value, Value::List(items) if items.is_empty()))
        {
            self.problems.add(
                node,
                "is empty, which would allow all: leave the field out for that, or name at least one",
            );
        }
    }

    fn networks(&self, fields: &mut Fields<'_>) -> Vec<Network> {
        self.allows_something(fields, "networks");
        self.list(fields, "networks").iter().filter_map(|node| self.parsed_text(node)).collect()
    }

    fn parsed_text<T: FromStr<Err = String>>(&self, node: &Node) -> Option<T> {
        let text = self.text(node)?;
        text.parse().map_err(|problem: String| self.problems.add(node, problem)).ok()
    }

    fn window(&self, node: &Node) -> Option<Window> {
        let text = self.text(node)?;
        let hint = || {
            let (unit, zone) = text.split_once(' ')?;
            Unit::parse(unit)?;
            let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.to_string()).collect();
            let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
            Some(format!("; did you mean \"{}\"?", nearest(zone.trim(), &zones)?))
        };
        let problem = |problem: String| self.problems.add(node, problem + &hint().unwrap_or_default());
        text.parse().map_err(problem).ok()
    }

    fn time(&self, node: &Node) -> Option<u64> {
        let text = self.text(node)?;
        let time: Option<jiff::Timestamp> = text.parse().ok();
        if time.is_none() {
            self.problems.add(node, format!("\"{text}\" is not a time such as 2027-01-31T00:00:00Z"));
        }
        u64::try_from(time?.as_second()).ok()
    }

    fn metadata(&self, fields: &mut Fields<'_>) -> Metadata {
        let entries = fields.named("metadata", &self.problems).iter();
        let metadata: Metadata =
            entries.filter_map(|(name, node)| Some((name.clone(), self.text(node)?))).collect();
        if let (Some(node), Some(problem)) = (fields.get("metadata"), bounds::metadata_problem(&metadata)) {
            self.problems.add(node, problem);
        }
        metadata
    }

    /// The limits of an owner: the short form, a map of the usual ones, or a list.
    fn limits(&self, fields: &mut Fields<'_>, known: &Known<'_>) -> Vec<Limit> {
        let Some(node) = fields.get("limits") else { return Vec::new() };
        match &node.value {
            Value::List(_) => {
                let nodes = self.list(fields, "limits");
                self.limit_names(nodes);
                nodes.iter().filter_map(|node| self.limit(node, known, false)).collect()
            }
            _ => self.usual_limits(node),
        }
    }

    fn usual_limits(&self, node: &Node) -> Vec<Limit> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let minute = || Window::Calendar(Unit::Minute, Zone::default());
        let mut limits = Vec::new();
        for (name, measure) in
            [("requests_per_minute", Measure::Requests), ("tokens_per_minute", Measure::Tokens)]
        {
            if let Some(amount) = fields.get(name).and_then(|node| self.count(node)) {
                limits.push(Limit::hard(name, measure, amount, minute()));
            }
        }
        if let Some(amount) = fields.get("concurrent_requests").and_then(|node| self.count(node)) {
            limits.push(Limit::hard("concurrent_requests", Measure::Concurrent, amount, minute()));
        }
        if let Some(node) = fields.get("budget") {
            let mut fields = Fields::of(node, problems);
            let amount = fields.need("usd", problems).and_then(|node| self.dollars(node));
            let period = fields.get("period").map_or_else(|| "month".parse().ok(), |node| self.window(node));
            fields.finish(problems);
            if let (Some(amount), Some(period)) = (amount, period) {
                limits.push(Limit::hard("budget", Measure::MicroDollars, amount, period));
            }
        }
        fields.finish(problems);
        limits
    }

    /// Limits may only turn to models that their owner may use.
    fn downgrades(&self, fields: &mut Fields<'_>, models: &[String], limits: &[Limit]) {
        let problems = limits.iter().filter_map(|limit| Some((limit, limit.downgrade_problem(models)?)));
        for (limit, problem) in problems {
            if let Some(node) = fields.get("limits") {
                self.problems.add(node, format!("the limit \"{}\": downgrade.model: {problem}", limit.name));
            }
        }
    }

    /// The names of the limits in one list, which tell their counters apart.
    fn limit_names(&self, nodes: &[Node]) {
        self.names(nodes);
    }

    fn limit(&self, node: &Node, known: &Known<'_>, of_nobody: bool) -> Option<Limit> {
        let problems = &self.problems;
        let mut fields = Fields::of(node, problems);
        let name = fields.need("name", problems).and_then(|node| self.text(node));
        let amounts = [
            ("usd", Measure::MicroDollars),
            ("tokens", Measure::Tokens),
            ("input_tokens", Measure::InputTokens),
            ("output_tokens", Measure::OutputTokens),
            ("requests", Measure::Requests),
            ("concurrent", Measure::Concurrent),
        ];
        let mut given = Vec::new();
        for (name, measure) in amounts {
            if let Some(node) = fields.get(name) {
                let money = measure == Measure::MicroDollars;
                given.push((measure, if money { self.dollars(node) } else { self.count(node) }));
            }
        }
        if given.len() != 1 {
            problems.add(
                node,
                "a limit counts one of usd, tokens, input_tokens, output_tokens, requests and concurrent",
            );
        }
        let window_node = fields.get("window");
        let window = window_node.map_or_else(|| "month".parse().ok(), |node| self.window(node));
        let concurrent = matches!(given.as_slice(), [(Measure::Concurrent, _)]);
        if let Some(node) = window_node.filter(|_| concurrent) {
            problems.add(node, "requests under way have no window");
        }
        if window_node.is_none() && !concurrent {
            problems.add(node, "window is missing");
        }
        let per = self.list(&mut fields, "per").iter();
        let per = per.filter_map(|node| self.choice(node, &Dimension::ALL)).collect();
        let only = fields.get("only").map(|node| self.only(node, known, of_nobody)).unwrap_or_default();
        let mode = fields.get("mode").and_then(|node| self.choice(node, &Mode::ALL)).unwrap_or_default();
        let warn_at = self.list(&mut fields, "warn_at").iter();
        let warn_at = warn_at.filter_map(|node| u8::try_from(self.count(node)?).ok()).collect();
        let downgrade = fields.get("downgrade").and_then(|node| {
            let mut fields = Fields::of(node, problems);
            let at = fields.need("at_percent", problems).and_then(|node| self.count(node));
            let model =
                fields.need("model", problems).and_then(|node| self.one_of(node, "model", &known.models));
            fields.finish(problems);
            Some(Downgrade { at_percent: u8::try_from(at?).unwrap_or(0), model: model? })
        });
        let on_store_failure = fields.get("on_store_failure").and_then(|node| self.store_failure(node));
        let overruns = [("end", Overrun::End), ("flag", Overrun::Flag)];
        let on_overrun =
            fields.get("on_overrun").and_then(|node| self.choice(node, &overruns)).unwrap_or_default();
        let burst = fields.get("burst").and_then(|node| self.count(node));
        fields.finish(problems);
        let (measure, amount) = given.pop()?;
        let limit = Limit {
            name: name?,
            measure,
            amount: amount?,
            window: window?,
            burst,
            per,
            only,
            mode,
            warn_at,
            downgrade,
            on_store_failure,
            on_overrun,
        };
        if let Some((field, problem)) = limit.problem() {
            problems.add(node, format!("{field}: {problem}"));
        }
        Some(limit)
    }

    /// `refuse`, or `{local: 100}`.
    fn store_failure(&self, node: &Node) -> Option<StoreFailure> {
        if matches!(node.value, Value::Scalar(_)) {
            return self.choice(node, &[("refuse", StoreFailure::Refuse)]);
        }
        let mut fields = Fields::of(node, &self.problems);
        let local = fields.need("local", &self.problems).and_then(|node| self.count(node));
        fields.finish(&self.problems);
        Some(StoreFailure::Local(local?))
    }

    fn only(&self, node: &Node, known: &Known<'_>, of_nobody: bool) -> Only {
        let mut fields = Fields::of(node, &self.problems);
        let mut only = Only {
            models: self.references(&mut fields, "models", "model", &known.models),
            providers: self.references(&mut fields, "providers", "provider", &known.providers),
            end_users: self.texts(&mut fields, "end_users"),
            tags: self.texts(&mut fields, "tags"),
            ..Only::default()
        };
        // Whose limit it is, is said by where it stands. People may also be made known by the admin API, so names are not
        // looked up.
        if of_nobody {
            only.organizations = self.texts(&mut fields, "organizations");
            only.teams = self.texts(&mut fields, "teams");
            only.users = self.texts(&mut fields, "users");
            only.keys = self.texts(&mut fields, "keys");
        }
        fields.finish(&self.problems);
        only
    }
}

/// Names that others may refer to.
struct People<'p> {
    organizations: &'p [String],
    teams: &'p [String],
    users: &'p [String],
}

fn by_name<T>(
    nodes: &[Node],
    mut read: impl FnMut(&Node) -> Option<T>,
    name: impl Fn(&T) -> &String,
) -> BTreeMap<String, T> {
    nodes.iter().filter_map(|node| read(node).map(|one| (name(&one).clone(), one))).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, read};
    use std::collections::BTreeMap;

    const CHECKSUM: &str = "a-secret-of-checksums";

    fn load(rest: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let text = format!("providers: {{openai: {{dialect: openai}}}}\n{rest}");
        let environment: BTreeMap<_, _> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let problems = read(&text, &environment);
        problems.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    fn key(rest: &str) -> String {
        format!("keys: [{{name: k, key: sixteen-or-more-characters, {rest}}}]")
    }

    #[test]
    fn lists_that_are_too_long_are_errors_with_their_place() {
        let list = |item: &str, count: usize| format!("[{}]", vec![item; count].join(", "));
        let limit = |rest: String| key(&format!("limits: [{{name: l, requests: 1, window: day, {rest}}}]"));
        let map = (0..65).map(|number| format!("k{number}: v")).collect::<Vec<_>>().join(", ");
        for (text, problem) in [
            (key(&format!("tags: {}", list("t", 65))), "keys[0].tags: has at most 64 items"),
            (
                key(&format!("networks: {}", list("10.0.0.1", 1_001))),
                "keys[0].networks: has at most 1000 items",
            ),
            (key(&format!("limits: {}", list("{}", 65))), "keys[0].limits: has at most 64 items"),
            (limit(format!("per: {}", list("team", 9))), "keys[0].limits[0].per: has at most 8 items"),
            (limit(format!("warn_at: {}", list("5", 65))), "keys[0].limits[0].warn_at: has at most 64 items"),
            (
                limit(format!("only: {{end_users: {}}}", list("u", 1_001))),
                "keys[0].limits[0].only.end_users: has at most 1000 items",
            ),
            (key(&format!("metadata: {{{map}}}")), "keys[0].metadata: has at most 64 entries"),
        ] {
            let error = load(&text, &[]).unwrap_err();
            assert!(error.contains(problem), "{problem}: {error}");
        }
        let tags = key(&format!("tags: {}", list("t", 64)));
        assert_eq!(load(&tags, &[]).unwrap().directory.keys["k"].tags.len(), 64);
    }

    #[test]
    fn an_empty_list_does_not_silently_allow_everything() {
        for field in ["models", "providers", "operations", "networks"] {
            let error = load(&key(&format!("{field}: []")), &[]).unwrap_err();
            assert!(error.contains(&format!("keys[0].{field}: is empty, which would allow all")), "{error}");
        }
        let team = load(&format!("{}\nteams: [{{name: t, models: []}}]", key("")), &[]).unwrap_err();
        assert!(team.contains("teams[0].models: is empty"), "{team}");
        assert!(load(&key("tags: []"), &[]).is_ok());
    }

    #[test]
    fn a_share_that_would_never_be_told_is_an_error() {
        let limit = |rest: &str| load(&key(&format!("limits: [{{name: l, warn_at: [80], {rest}}}]")), &[]);
        for never in ["requests: 9, window: sliding 1h", "tokens: 9, window: bucket 1m", "concurrent: 9"] {
            assert!(limit(never).unwrap_err().contains("warn_at: needs a window of the calendar"), "{never}");
        }
        assert!(limit("usd: 9, window: total").is_ok());
    }

    #[test]
    fn a_downgrade_leads_to_a_model_that_its_owner_may_use() {
        let with = |owner: &str| {
            let models = "models: [{name: big, deployments: [{provider: openai, model: gpt-4o}]}, {name: small, deployments: [{provider: openai, model: gpt-4o-mini}]}]";
            load(&format!("{models}\n{owner}"), &[])
        };
        let limits = "limits: [{name: l, usd: 9, window: day, downgrade: {at_percent: 80, model: small}}]";
        let error = with(&key(&format!("models: [big], {limits}"))).unwrap_err();
        assert!(
            error.contains("the limit \"l\": downgrade.model: \"small\" is none of its owner's models"),
            "{error}"
        );
        let team = format!("{}\nteams: [{{name: t, models: [big], {limits}}}]", key(""));
        assert!(with(&team).unwrap_err().contains("teams[0].limits"));
        assert!(with(&key(&format!("models: [big, small], {limits}"))).is_ok());
        assert!(with(&key(limits)).is_ok());
    }

    #[test]
    fn a_time_zone_that_is_misspelt_and_an_amount_with_commas_are_put_right() {
        let limit = |rest: &str| load(&key(&format!("limits: [{{name: l, {rest}}}]")), &[]);
        let zone = limit("usd: 1, window: day Europe/Berln").unwrap_err();
        assert!(zone.contains("did you mean \"Europe/Berlin\"?"), "{zone}");
        let commas = limit("usd: \"$1,000\", window: day").unwrap_err();
        assert!(commas.contains("write 1000 or 1_000, without commas"), "{commas}");
        assert_eq!(
            limit("usd: 1_000, window: day").unwrap().directory.keys["k"].limits[0].amount,
            1_000_000_000
        );
    }

    #[test]
    fn a_name_has_at_most_256_bytes() {
        let team =
            |length: usize| load(&format!("{}\nteams: [{{name: {}}}]", key(""), "a".repeat(length)), &[]);
        assert!(team(256).is_ok());
        assert!(team(257).unwrap_err().contains("teams[0].name: \"aaa"));
    }

    #[test]
    fn a_name_from_the_environment_is_checked_like_any_other() {
        let teams = format!("{}\nteams: [{{name: red}}, {{name: \"${{TEAM}}\"}}]", key(""));
        assert!(load(&teams, &[("TEAM", "a b")]).unwrap_err().contains("teams[1].name: \"a b\" is no name"));
        assert!(load(&teams, &[("TEAM", "red")]).unwrap_err().contains("the name \"red\" is given twice"));
        assert!(load(&teams, &[("TEAM", "blue")]).is_ok());
        let unset = load(&teams, &[]).unwrap_err();
        assert_eq!(unset.matches("TEAM is not set").count(), 1, "{unset}");
    }

    #[test]
    fn a_key_that_envoy_would_refuse_as_forged_is_an_error_that_does_not_repeat_it() {
        let genuine = |secret: &str| {
            weirgate_keys::generate(secret.as_bytes(), |bytes| {
                bytes.fill(7);
                Ok::<_, std::convert::Infallible>(())
            })
            .unwrap()
        };
        let file = "keys: [{name: k, key: \"${KEY}\"}]";
        let with = format!("{file}\nkey_checksum: {CHECKSUM}");
        for forged in [genuine("another-secret-of-checksums"), "sk-wg-made-up-by-hand".to_owned()] {
            let error = load(&with, &[("KEY", &forged)]).unwrap_err();
            assert!(error.contains("keys[0].key: begins with sk-wg-"), "{error}");
            assert!(!error.contains(&forged) && !error.contains(CHECKSUM), "{error}");
            assert!(load(file, &[("KEY", &forged)]).is_ok(), "without key_checksum nothing is refused");
        }
        for good in [&*genuine(CHECKSUM), "sixteen-or-more-characters"] {
            assert!(load(&with, &[("KEY", good)]).is_ok());
        }
        assert_eq!(load(&with, &[]).unwrap_err().matches("KEY is not set").count(), 1);
    }
}
