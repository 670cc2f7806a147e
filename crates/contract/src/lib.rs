//! Every name that the filters, the service and Envoy's configuration must agree on.
//!
//! Nothing is computed here. A name that stands in two places of the code stands here instead.

pub mod filter_config;
pub mod handover;

/// Request headers inside Envoy. `provider-select` removes all that clients send under this prefix and
/// sets its own; the last filter before a provider removes them again.
pub mod request_header {
    /// The prefix that belongs to Weirgate.
    pub const PREFIX: &str = "x-weirgate-";
    /// The id of the request, made by `provider-select`: the reservation's, also where decide's answer is lost because the
    /// client has left meanwhile.
    pub const ID: &str = "x-weirgate-id";
    /// The provider chosen by the client or by a header rule. Absent: decide chooses.
    pub const PROVIDER: &str = "x-weirgate-provider";
    /// The model asked for, from the body, the client's header or a header rule.
    pub const MODEL: &str = "x-weirgate-model";
    /// The client's dialect: see [`weirgate_dialect::Dialect::as_str`].
    pub const DIALECT: &str = "x-weirgate-dialect";
    /// What is asked for: see [`weirgate_dialect::Operation::as_str`].
    pub const OPERATION: &str = "x-weirgate-operation";
    /// `1` if the answer is to be streamed.
    pub const STREAM: &str = "x-weirgate-stream";
    /// How many answers the client wants, if more than one.
    pub const CHOICES: &str = "x-weirgate-choices";
    /// The client's cap on the tokens of one answer, if it set one.
    pub const MAX_TOKENS: &str = "x-weirgate-max-tokens";
    /// The service tier that the client asks for, if it is a plain short name: see `service_tier` of OpenAI and Anthropic.
    pub const TIER: &str = "x-weirgate-tier";
    /// SHA-256 of the client's key in lower-case hexadecimal. The key itself leaves no filter.
    pub const KEY_DIGEST: &str = "x-weirgate-key-digest";
    /// Tokens counted in the prompt.
    pub const INPUT_TOKENS: &str = "x-weirgate-input-tokens";
    /// The address that the request comes from.
    pub const SOURCE: &str = "x-weirgate-source";
    /// The end user that the request names, from its body or from the client's header of this name.
    pub const END_USER: &str = "x-weirgate-end-user";
    /// The request's own tags, separated by commas.
    pub const TAGS: &str = "x-weirgate-tags";
    /// What becomes of fields that a provider cannot take, `drop` or `reject`, where the client says it.
    pub const UNSUPPORTED_FIELDS: &str = "x-weirgate-unsupported-fields";
    /// Set where the request may hold thinking of another provider's than those of its dialect, which they would refuse.
    pub const FOREIGN: &str = "x-weirgate-foreign";
    /// A [`crate::handover::Asked`] as JSON, where answers are cached.
    pub const ASKED: &str = "x-weirgate-asked";
    /// A [`crate::handover::Translated`] as JSON, where `provider-select` is to translate the answer.
    pub const TRANSLATED: &str = "x-weirgate-translated";
    /// By what other logs know a request, which Envoy sets where the client does not.
    pub const REQUEST_ID: &str = "x-request-id";
    /// The client's wishes for the cache (RFC 9111), which decide reads under their own name.
    pub const CACHE_CONTROL: &str = "cache-control";
    /// The betas of Anthropic's API that the client asks for.
    pub const ANTHROPIC_BETA: &str = "anthropic-beta";
    /// Names of the filters that saw this request, in order. Only on probes.
    pub const CHAIN: &str = "x-weirgate-chain";
    /// The secret of the probe that `/readyz` sends through the listener.
    pub const PROBE: &str = "x-weirgate-probe";
    /// Headers in which a client may send its key, in the order in which they are looked at.
    pub const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
}

/// Response headers that Weirgate adds.
pub mod response_header {
    /// How many attempts it took.
    pub const ATTEMPTS: &str = "x-weirgate-attempts";
    /// The deployment that answered, as `provider/model`.
    pub const DEPLOYMENT: &str = "x-weirgate-deployment";
    /// The most that the request may cost, in dollars.
    pub const RESERVED: &str = "x-weirgate-reserved-usd";
    /// What a plain answer has cost, in dollars.
    pub const COST: &str = "x-weirgate-cost-usd";
    /// The cap on generated tokens that the gateway has set, near a limit, for a request without one.
    pub const OUTPUT_CAP: &str = "x-weirgate-output-cap";
    /// What the cache did: `hit`, `miss`, `stale` or `bypass`.
    pub const CACHE: &str = "x-weirgate-cache";
    /// By what a cached answer was found: `exact` or `semantic`.
    pub const CACHE_KIND: &str = "x-weirgate-cache-kind";
    /// The id of a cached answer.
    pub const CACHE_ENTRY: &str = "x-weirgate-cache-entry";
    /// How alike the question is to that of the cached answer, from 0 to 1.
    pub const CACHE_SIMILARITY: &str = "x-weirgate-cache-similarity";
    /// How long ago a cached answer was generated, in seconds (RFC 9111).
    pub const AGE: &str = "age";
    /// Why a key is not accepted, on routes that only ask the rate limit service.
    pub const ERROR: &str = "x-weirgate-error";
    /// A limit that is reached and refuses nothing.
    pub const WARNING: &str = "x-weirgate-warning";
    /// What clients are told besides the answer: each header, and the key of the metadata that it is taken from.
    pub const TOLD: [(&str, &str); 13] = [
        ("x-ratelimit-limit-requests", crate::metadata::LIMIT_REQUESTS),
        ("x-ratelimit-remaining-requests", crate::metadata::REMAINING_REQUESTS),
        ("x-ratelimit-reset-requests", crate::metadata::RESET_REQUESTS),
        ("x-ratelimit-limit-tokens", crate::metadata::LIMIT_TOKENS),
        ("x-ratelimit-remaining-tokens", crate::metadata::REMAINING_TOKENS),
        ("x-ratelimit-reset-tokens", crate::metadata::RESET_TOKENS),
        ("x-weirgate-budget-limit-usd", crate::metadata::BUDGET_LIMIT),
        ("x-weirgate-budget-remaining-usd", crate::metadata::BUDGET_REMAINING),
        ("x-weirgate-budget-reset", crate::metadata::BUDGET_RESET),
        (RESERVED, crate::metadata::RESERVED),
        (WARNING, crate::metadata::WARNING),
        (CACHE, crate::metadata::CACHE),
        (OUTPUT_CAP, crate::metadata::OUTPUT_CAP),
    ];
    /// Fields of the request that the provider cannot take and that were left out.
    pub const DROPPED: &str = "x-weirgate-dropped-fields";
}

/// Dynamic metadata.
pub mod metadata {
    /// The namespace of what decide tells record.
    pub const NAMESPACE: &str = "weirgate";
    /// The key in [`NAMESPACE`] that holds a [`crate::handover::Decision`] as JSON.
    pub const DECISION: &str = "decision";
    /// The key in [`NAMESPACE`] that is set when decide ended a stream because no more could be reserved for it.
    pub const CUT: &str = "cut";
    /// The key in [`NAMESPACE`] that is set when decide has answered itself and recorded that, so that Envoy need not log it.
    pub const RECORDED: &str = "recorded";
    /// Keys in [`NAMESPACE`] from which Envoy takes what clients are told of their limits: requests, tokens, then money in dollars.
    pub const LIMIT_REQUESTS: &str = "limit_requests";
    /// See [`LIMIT_REQUESTS`].
    pub const REMAINING_REQUESTS: &str = "remaining_requests";
    /// See [`LIMIT_REQUESTS`].
    pub const RESET_REQUESTS: &str = "reset_requests";
    /// See [`LIMIT_REQUESTS`].
    pub const LIMIT_TOKENS: &str = "limit_tokens";
    /// See [`LIMIT_REQUESTS`].
    pub const REMAINING_TOKENS: &str = "remaining_tokens";
    /// See [`LIMIT_REQUESTS`].
    pub const RESET_TOKENS: &str = "reset_tokens";
    /// See [`LIMIT_REQUESTS`].
    pub const BUDGET_LIMIT: &str = "budget_limit";
    /// See [`LIMIT_REQUESTS`].
    pub const BUDGET_REMAINING: &str = "budget_remaining";
    /// See [`LIMIT_REQUESTS`].
    pub const BUDGET_RESET: &str = "budget_reset";
    /// The key in [`NAMESPACE`] of what a client is warned of.
    pub const WARNING: &str = "warning";
    /// The key in [`NAMESPACE`] of what the cache did for a request that a provider answers.
    pub const CACHE: &str = "cache";
    /// The key in [`NAMESPACE`] of the cap that the gateway has set.
    pub const OUTPUT_CAP: &str = "output_cap";
    /// The key in [`NAMESPACE`] of what was reserved, in dollars.
    pub const RESERVED: &str = "reserved";
    /// Where Envoy's filter for JSON Web Tokens puts what they say.
    pub const JWT_NAMESPACE: &str = "envoy.filters.http.jwt_authn";
    /// The key in [`JWT_NAMESPACE`] of a token's claims.
    pub const JWT_PAYLOAD: &str = "claims";
    /// The namespace and key from which Envoy's `priority_group` takes the order of clusters.
    pub const ROUTING_NAMESPACE: &str = "envoy.filters.http.ext_proc";
    /// See [`ROUTING_NAMESPACE`].
    pub const PRIORITY_GROUPS: &str = "priority_groups";
}

/// Filter state. A name set from wasm gets the prefix `wasm.` outside.
pub mod filter_state {
    /// A [`crate::handover::RequestHead`] as JSON, set by `provider-select`.
    pub const REQUEST: &str = "weirgate_request";
    /// The client's path after `/v1`, from which the upstream filters make the provider's path.
    pub const ENDPOINT: &str = "weirgate_endpoint";
    /// A [`crate::handover::Counted`] as JSON, set by `token-counter`.
    pub const USAGE: &str = "weirgate_usage";
}

/// gRPC metadata by which an upstream filter says what to translate: set once in Envoy's configuration,
/// so that translate needs no state and no configuration of its own.
pub mod translate_metadata {
    /// The client's dialect.
    pub const FROM: &str = "x-weirgate-from";
    /// The provider's dialect.
    pub const TO: &str = "x-weirgate-to";
    /// The path of the provider's API, such as `/v1`.
    pub const PATH: &str = "x-weirgate-base-path";
    /// The provider's name of the model. Absent: the body's stays.
    pub const MODEL: &str = "x-weirgate-upstream-model";
    /// The field in which the provider takes a cap on generated tokens, where its dialect has two.
    pub const CAP_FIELD: &str = "x-weirgate-cap-field";
    /// `reject` or `drop`: what to do with a field that cannot be carried.
    pub const UNSUPPORTED: &str = "x-weirgate-unsupported";
    /// What `provider-select` read of this request: a [`crate::handover::RequestHead`] as JSON.
    pub const REQUEST: &str = "x-weirgate-request";
    /// decide's [`crate::handover::Decision`] of this request, as JSON.
    pub const DECISION: &str = "x-weirgate-decision";
}

/// Paths that the gateway answers itself.
pub mod path {
    /// The probe of `/readyz`.
    pub const PROBE: &str = "/.weirgate/probe";
}
