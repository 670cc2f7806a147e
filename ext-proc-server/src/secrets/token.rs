//! A token that is renewed before it ends.

use super::board::Board;
use super::token_server::{Token, TokenServer};
use crate::config::OAuth;
use std::time::Duration;
use tokio::time::Instant;

/// How soon after a failure a token is asked for again, for the first time. The wait doubles with each failure, to [`MOST_RETRY`].
const RETRY: Duration = Duration::from_secs(1);
const MOST_RETRY: Duration = Duration::from_secs(30);
/// A token that ends sooner is not asked for more often.
const LEAST: Duration = Duration::from_secs(1);

/// A provider's token.
#[derive(Debug)]
pub(super) struct Renewed {
    provider: String,
    server: TokenServer,
    /// When the token that is in force ends.
    ends: Option<Instant>,
    failures: u32,
}

impl Renewed {
    pub(super) fn new(provider: String, oauth: OAuth) -> Self {
        Self { provider, server: TokenServer::new(oauth), ends: None, failures: 0 }
    }

    /// Gets tokens for ever.
    pub(super) async fn follow(mut self, board: Board) {
        loop {
            let answer = self.server.token().await;
            let wait = self.answered(answer, &board, Instant::now());
            tokio::time::sleep(wait).await;
        }
    }

    /// Tells of a token, or that there is none, and says when to ask again.
    fn answered(&mut self, answer: Result<Token, String>, board: &Board, now: Instant) -> Duration {
        let provider = self.provider.as_str();
        match answer {
            Ok(token) => {
                if self.failures > 0 {
                    tracing::warn!(provider, "there is a token for the provider again");
                }
                self.failures = 0;
                self.ends = Some(now + token.lifetime);
                board.put(provider, Some(token.key));
                // With half of its time left there is time for a server that is away.
                (token.lifetime / 2).max(LEAST)
            }
            Err(problem) => {
                if self.failures == 0 {
                    tracing::error!(provider, problem, "a token for the provider cannot be got");
                }
                self.failures = self.failures.saturating_add(1);
                let left = self.ends.map(|ends| ends.saturating_duration_since(now));
                let left = left.filter(|left| !left.is_zero());
                if left.is_none() {
                    board.put(provider, None);
                }
                let wait = RETRY.saturating_mul(1 << self.failures.saturating_sub(1).min(8)).min(MOST_RETRY);
                left.map_or(wait, |left| left.min(wait))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weirgate_contract::filter_config::SecretText;

    fn renewed() -> Renewed {
        let oauth = OAuth {
            token_url: "http://localhost/token".to_owned(),
            client_id: "me".to_owned(),
            client_secret: SecretText::new("very-secret".to_owned()),
            in_body: false,
            scopes: Vec::new(),
            params: Vec::new(),
        };
        Renewed::new("p".to_owned(), oauth)
    }

    #[test]
    fn a_token_is_kept_until_it_ends_while_no_other_can_be_got() {
        let (mut renewed, board, start) = (renewed(), Board::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(board.key("p"), None, "nobody knows yet");
        let failed = || Err("no".to_owned());
        assert_eq!(renewed.answered(failed(), &board, start), RETRY);
        assert_eq!(renewed.answered(failed(), &board, start), 2 * RETRY);
        assert_eq!(board.key("p"), Some(None));
        let key = SecretText::new("token".to_owned());
        let token = Token { key, lifetime: Duration::from_secs(60) };
        assert_eq!(renewed.answered(Ok(token), &board, start), Duration::from_secs(30));
        assert_eq!(renewed.answered(failed(), &board, after(30)), RETRY);
        for _ in 0..9 {
            renewed.answered(failed(), &board, after(50));
        }
        assert_eq!(renewed.answered(failed(), &board, after(55)), Duration::from_secs(5));
        assert_eq!(board.key("p"), Some(Some("token".to_owned())));
        assert_eq!(renewed.answered(failed(), &board, after(60)), MOST_RETRY);
        assert_eq!(board.key("p"), Some(None));
        assert!(!format!("{renewed:?}").contains("very-secret"));
    }
}
