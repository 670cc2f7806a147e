//! Where a request goes and what it may cost.

use super::access::Caller;
use super::limit::{Counted, Overrun, Ruled, taken};
use super::prices::{Found, Price};
use super::{Attempt, Order, Policy, Question, models};
use crate::envoy::clusters::{self, Adaptation, Asked};
use crate::store::{Alternative, Amounts, Measure};
use std::borrow::Cow;
use std::sync::Arc;
use weirgate_dialect::error::{ClientError, ErrorKind};
use weirgate_dialect::{Dialect, Operation};
use weirgate_tokens::family::generates_unseen;

/// One way to serve a request.
#[derive(Clone, Debug)]
pub struct Plan<'p> {
    /// The model that is served, which may be another than the one that was asked for.
    pub model: String,
    /// The cluster of each attempt, in order; never empty.
    pub order: Vec<String>,
    /// What it may use, and is reserved.
    pub amounts: Amounts,
    /// The cap on the tokens of one answer that has to be set, so that no more is generated than was reserved.
    pub output_cap: Option<u64>,
    /// What is taken at a time for a stream that may generate more than was reserved; `None`: no more is ever taken.
    pub slice: Option<Slice>,
    /// What it takes from each limit.
    pub claims: Vec<Ruled<'p>>,
}

/// What is taken at a time for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Tokens of output.
    pub tokens: u64,
    /// What they cost at most, in micro-dollars.
    pub micro_dollars: u64,
}

impl Plan<'_> {
    /// The same claims for a request that costs something else.
    pub fn costing(&self, amounts: Amounts) -> Self {
        let mut plan = self.clone();
        for Ruled { claim, .. } in &mut plan.claims {
            claim.amount = taken(claim.measure, &amounts);
        }
        plan.amounts = amounts;
        plan
    }

    /// What a store is asked for.
    pub fn alternative(&self) -> Alternative {
        Alternative {
            claims: self.claims.iter().map(|ruled| ruled.claim.clone()).collect(),
            amounts: self.amounts,
        }
    }
}

/// How many tokens an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    tokens: u64,
    /// Whether the provider has to be told.
    cap: bool,
    /// Whether more is taken as the answer goes on.
    metered: bool,
    /// Whether it is more than the answer is likely to need, which is taken only where there is plenty.
    generous: bool,
}

/// Where not all that a model can generate fits, this part of it is tried next.
const LESS: u64 = 8;
/// A cap for models whose own is not known, in tokens.
const GENEROUS_TOKENS: u64 = 16_384;

impl Policy {
    /// The ways to serve a request `without` some providers, the best first. `predicted` is how many tokens an answer without a cap
    /// is likely to have.
    ///
    /// # Errors
    /// 403 or 404 if the caller may not have it or nobody does, 400 if nobody offers it in the client's dialect.
    pub fn plans<'p>(
        &self,
        question: &Question,
        caller: &'p Caller,
        predicted: u64,
        without: &[String],
    ) -> Result<Vec<Plan<'p>>, ClientError> {
        let order = self.order(question, caller)?;
        let order = order.without(without);
        if order.attempts.is_empty() {
            return Err(models::no_allowed_provider(&question.model, &caller.principal.key));
        }
        let mut plans = Vec::new();
        self.sized(question, caller, &question.model, &order, predicted, &mut plans)?;
        let lower = plans.first().and_then(|plan| {
            plan.claims
                .iter()
                .find_map(|ruled| ruled.rule.limit.downgrade.as_ref())
                .map(|down| down.model.clone())
        });
        match lower.filter(|lower| *lower != question.model && caller.may_use(lower)) {
            Some(lower) => {
                let kind = super::kind(question.dialect, question.operation);
                let known = self.orders.get(&(lower.clone(), question.dialect, kind));
                let order = known.map(|order| self.renamed(question, caller, &order.without(without)));
                if let Some(order) = order.filter(|order| !order.attempts.is_empty()) {
                    let first = plans.len();
                    self.sized(question, caller, &lower, &order, predicted, &mut plans)?;
                    // The lower model is what is used near the limit.
                    for ruled in plans.iter_mut().skip(first).flat_map(|plan| &mut plan.claims) {
                        ruled.claim.admits = None;
                    }
                }
            }
            None => plans.iter_mut().flat_map(|plan| &mut plan.claims).for_each(|ruled| {
                // There is no other model to use, so the limit is what it is.
                if ruled.rule.limit.downgrade.is_some() {
                    ruled.claim.admits = None;
                }
            }),
        }
        Ok(plans)
    }

    /// The plans for one model, by how much is reserved for the answer.
    fn sized<'p>(
        &self,
        question: &Question,
        caller: &'p Caller,
        model: &str,
        order: &Order,
        predicted: u64,
        plans: &mut Vec<Plan<'p>>,
    ) -> Result<(), ClientError> {
        let mut providers: Vec<String> = Vec::new();
        for attempt in &order.attempts {
            // Several deployments of one provider are counted once.
            if !providers.contains(&attempt.cluster.provider) {
                providers.push(attempt.cluster.provider.clone());
            }
        }
        let counted = Counted { principal: &caller.principal, model, providers: &providers };
        let mut claims = Vec::new();
        for rule in caller.rules() {
            rule.claims(counted, &mut claims);
        }
        let budget = claims.iter().any(|ruled| ruled.rule.limit.is_budget());
        // The deployment's price, or that of the model as the client names it where the name passes as it is.
        let found =
            order.attempts.iter().map(|attempt| self.config.prices.find(attempt.served(&question.model)));
        let found: Vec<Found> = found.collect();
        let may_cost = !question.is_free() && (question.changes || !question.model.is_empty());
        if budget && found.contains(&Found::Unknown) && may_cost {
            // Whoever has a budget must know what a request costs before it is made.
            return Err(unpriced(model));
        }
        let prices: Vec<&Price> = found.iter().filter_map(Found::price).collect();
        let bounded = claims.iter().any(|ruled| {
            ruled.claim.ceiling != u64::MAX
                && matches!(
                    ruled.claim.measure,
                    Measure::MicroDollars | Measure::OutputTokens | Measure::Tokens
                )
        });
        let most = found.iter().map(|found| found.price()?.max_output_tokens).collect::<Option<Vec<u64>>>();
        let most = most.and_then(|most| most.into_iter().max());
        let overrun = claims
            .iter()
            .any(|ruled| ruled.rule.limit.on_overrun == Overrun::End && ruled.claim.ceiling != u64::MAX);
        let unseen =
            || order.attempts.iter().any(|attempt| generates_unseen(attempt.served(&question.model)));
        let bound = match question.stream {
            _ if !bounded => Bound::None,
            true if !overrun => Bound::None,
            // What nobody sees cannot be followed.
            true if unseen() => Bound::Cap,
            true => Bound::Meter,
            false => Bound::Cap,
        };
        for size in sizes(question, bound, most, predicted, self.config.default_output_tokens) {
            let worst = |price: &&Price| match question.is_free() {
                true => 0,
                false => price
                    .upper_bound(question.input_tokens, size.tokens, &question.tier)
                    .saturating_add(price.more_calls(question.calls())),
            };
            let micro_dollars = prices.iter().map(worst).max().unwrap_or(0);
            let amounts = Amounts {
                micro_dollars,
                input_tokens: question.input_tokens,
                output_tokens: size.tokens,
                requests: 1,
            };
            let mut claims = claims.clone();
            for Ruled { claim, .. } in &mut claims {
                claim.amount = taken(claim.measure, &amounts);
                let by_size = !matches!(claim.measure, Measure::Requests | Measure::Concurrent);
                if size.generous && by_size && claim.ceiling != u64::MAX {
                    claim.admits = Some(claim.admits.unwrap_or(u64::MAX).min(claim.ceiling / 2));
                }
            }
            let output_cap = size.cap.then(|| size.tokens / question.choices.max(1));
            let capped = |attempt: &Attempt| {
                let mut cluster = Cow::Borrowed(&attempt.cluster);
                if (size.cap || question.foreign) && cluster.adaptation == Adaptation::None {
                    cluster.to_mut().adaptation = Adaptation::Prepare;
                }
                std::iter::repeat_n(cluster.name(), attempt.times)
            };
            let order = order.attempts.iter().flat_map(capped).collect();
            let slice = size.metered.then(|| Slice {
                tokens: size.tokens,
                // What the output adds to the input's price, which may make it dearer.
                micro_dollars: prices
                    .iter()
                    .map(|price| {
                        let input = price.upper_bound(question.input_tokens, 0, &question.tier);
                        worst(price).saturating_sub(input)
                    })
                    .max()
                    .unwrap_or(0),
            });
            plans.push(Plan { model: model.to_owned(), order, amounts, output_cap, slice, claims });
        }
        Ok(())
    }

    /// Whether the gateway has to count the tokens of a prompt itself, for a caller who asks for nothing else: no provider of the model
    /// has such a call in the client's dialect.
    ///
    /// # Errors
    /// As [`Self::plans`] of a chat with that model.
    pub fn counts_itself(&self, question: &Question, caller: &Caller) -> Result<bool, ClientError> {
        if question.operation != Operation::CountTokens || self.order(question, caller).is_ok() {
            return Ok(false);
        }
        let operation = question.dialect.chat().unwrap_or(Operation::Passthrough);
        self.order(&Question { operation, ..question.clone() }, caller).map(|_| true)
    }

    fn order(&self, question: &Question, caller: &Caller) -> Result<Arc<Order>, ClientError> {
        let chat = is_chat(question);
        if chat && question.model.is_empty() {
            // The filters see to it; this is for an Envoy whose filters are not ours.
            return Err(models::missing());
        }
        if let Some(provider) = &question.provider {
            return self.explicit(question, caller, provider);
        }
        let kind = super::kind(question.dialect, question.operation);
        let known = self.orders.get(&(question.model.clone(), question.dialect, kind));
        let key = &caller.principal.key;
        match known {
            Some(_) if !caller.may_use(&question.model) => Err(models::forbidden(&question.model, key)),
            Some(order) if order.attempts.is_empty() => Err(unreachable(question, |dialect, operation| {
                let known = self.orders.get(&(question.model.clone(), dialect, operation));
                let providers = known.iter().flat_map(|order| &order.attempts);
                let mut providers = providers.map(|attempt| &attempt.cluster.provider);
                providers
                    .any(|provider| caller.providers().is_empty() || caller.providers().contains(provider))
            })),
            Some(order) if caller.providers().is_empty() => Ok(order.clone()),
            Some(order) => {
                let mut order = Order::clone(order);
                order.attempts.retain(|attempt| caller.providers().contains(&attempt.cluster.provider));
                if order.attempts.is_empty() {
                    return Err(models::no_allowed_provider(&question.model, key));
                }
                Ok(Arc::new(order))
            }
            None if chat => Err(models::not_found(&question.model, self.models(caller))),
            None => match &self.config.passthrough {
                Some(provider) => self.explicit(question, caller, provider),
                None if names_model(question) => Err(models::not_found(&question.model, self.models(caller))),
                None => Err(models::no_passthrough(&question.model, self.models(caller))),
            },
        }
    }

    /// A provider that was named: any model of it, unless the caller is bound to models.
    fn explicit(
        &self,
        question: &Question,
        caller: &Caller,
        provider: &String,
    ) -> Result<Arc<Order>, ClientError> {
        let config = &self.config;
        if !config.providers.contains_key(provider) {
            return Err(models::no_provider(provider, config.providers.keys().map(String::as_str)));
        }
        if !caller.providers().is_empty() && !caller.providers().contains(provider) {
            return Err(models::provider_forbidden(provider, &caller.principal.key));
        }
        if !caller.may_use(&question.model) {
            return Err(models::forbidden(&question.model, &caller.principal.key));
        }
        // A name of ours becomes the provider's name for it, if this provider serves it.
        let model = config.model(&question.model);
        let deployment = model
            .and_then(|model| config.deployments(model).find(|deployment| deployment.provider == *provider));
        let target = deployment.map(|deployment| deployment.model.as_str());
        let target = target.filter(|target| *target != question.model);
        let reach = |dialect, operation| {
            clusters::reach(config, provider, target, Asked { dialect, operation, model: &question.model })
        };
        let cluster = reach(question.dialect, question.operation)
            .ok_or_else(|| unreachable(question, |dialect, operation| reach(dialect, operation).is_some()))?;
        Ok(Arc::new(Order::new(vec![cluster], 0)))
    }

    /// The order of a model for a request that names another, as far as its caller may go there.
    fn renamed(&self, question: &Question, caller: &Caller, order: &Order) -> Order {
        let mut order = order.clone();
        order.attempts.retain(|attempt| {
            let cluster = &attempt.cluster;
            let chosen = question.provider.as_ref().is_none_or(|provider| *provider == cluster.provider);
            let allowed = caller.providers().is_empty() || caller.providers().contains(&cluster.provider);
            chosen && allowed
        });
        for attempt in &mut order.attempts {
            let differs = attempt.cluster.model.as_ref().is_some_and(|model| *model != question.model);
            if attempt.cluster.adaptation == Adaptation::None && differs {
                attempt.cluster.adaptation = Adaptation::Prepare;
            }
        }
        order
    }
}

impl Order {
    /// This order but for some providers.
    fn without(&self, providers: &[String]) -> Cow<'_, Self> {
        if providers.is_empty() {
            return Cow::Borrowed(self);
        }
        let mut order = self.clone();
        order.attempts.retain(|attempt| !providers.contains(&attempt.cluster.provider));
        Cow::Owned(order)
    }
}

/// What keeps an answer without a cap from generating more than was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Nothing has to.
    None,
    /// A cap that the provider is told.
    Cap,
    /// More is taken as the stream goes on, and it is ended where none is left.
    Meter,
}

/// How much to reserve for the answer, in the order in which it is tried. In tokens: `most` that the model can generate, `predicted`
/// that it is likely to, and what is `usual` where nothing is known.
fn sizes(question: &Question, bound: Bound, most: Option<u64>, predicted: u64, usual: u64) -> Vec<Size> {
    let size = |tokens: u64| Size { tokens, cap: false, metered: false, generous: false };
    // A call without a model generates nothing that could be counted, nor does a websocket; any other may generate until its cap.
    let counts = question.changes && question.operation != Operation::Realtime;
    if question.model.is_empty() || !counts {
        return vec![size(0)];
    }
    if let Some(cap) = question.max_tokens {
        // A provider that takes a cap of 0 for none would generate for nothing.
        let cap = if is_chat(question) { cap.max(1) } else { cap };
        let size = size(cap.saturating_mul(question.choices));
        // Not every provider heeds the client's cap, so near a limit the stream is followed all the same.
        return match bound {
            Bound::Meter => vec![Size { generous: true, ..size }, Size { metered: true, ..size }],
            Bound::None | Bound::Cap => vec![size],
        };
    }
    let predicted = predicted.saturating_mul(question.choices).max(question.choices);
    if bound == Bound::None || !is_chat(question) {
        return vec![size(predicted)];
    }
    // Where there is plenty, what the model can generate at most is reserved, and nothing more has to be done.
    let all = most.unwrap_or(GENEROUS_TOKENS).saturating_mul(question.choices);
    let whole = Size {
        cap: most.is_none() && bound == Bound::Cap,
        metered: most.is_none() && bound == Bound::Meter,
        ..size(all)
    };
    let mut sizes = vec![Size { generous: true, ..whole }];
    // Nearer to the limit less is reserved. A plain answer then gets a cap; of a stream the rest is taken as it goes on.
    let less = |tokens| Size { cap: bound == Bound::Cap, metered: bound == Bound::Meter, ..size(tokens) };
    if bound == Bound::Cap {
        // Short answers before do not mean that this one is short: a cap is as large as fits, and small only at the very end.
        let usual = usual.saturating_mul(question.choices).max(predicted.saturating_mul(4));
        let large = (all / LESS).max(usual);
        let generous = |tokens| Size { generous: true, ..less(tokens) };
        sizes.extend(
            [generous(large), generous(usual), less(usual)].into_iter().filter(|size| size.tokens < all),
        );
        sizes.dedup();
    }
    sizes.push(if predicted < all { less(predicted) } else { whole });
    sizes
}

/// The error for a model that this call cannot be brought to, with the dialects in which others can.
fn unreachable(question: &Question, reaches: impl Fn(Dialect, Operation) -> bool) -> ClientError {
    let clients = || Dialect::ALL.into_iter().filter_map(|dialect| Some((dialect, dialect.chat()?)));
    let chats = clients().filter(|(dialect, chat)| reaches(*dialect, *chat)).map(|(dialect, _)| dialect);
    let calls = clients().filter(|(dialect, _)| reaches(*dialect, Operation::Passthrough));
    let calls: Vec<Dialect> = calls.map(|(dialect, _)| dialect).collect();
    models::unreachable(&question.model, question.dialect, &calls, &chats.collect::<Vec<_>>())
}

/// Whether a call needs a model that is known, although it is no chat.
fn names_model(question: &Question) -> bool {
    let may_name_another = matches!(question.operation, Operation::Passthrough | Operation::Realtime);
    !question.model.is_empty() && !may_name_another
}

fn is_chat(question: &Question) -> bool {
    question.operation.dialect().is_some()
}

fn unpriced(model: &str) -> ClientError {
    let what = match model {
        "" => "what this call costs".to_owned(),
        model => format!("the price of the model \"{model}\""),
    };
    let message = format!("{what} is not known, and this key has a budget");
    ClientError::new(ErrorKind::Forbidden, "unknown_price", message).with_param("model")
}
