//! What OpenAI's older completions generate besides what they return.

use serde::Deserialize;

/// No provider generates more for one request. What would is nonsense, and would break every sum that it entered.
const MOST_TOKENS: u64 = 10_000_000_000;

/// How many answers a completion generates for each prompt, and how many of them it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Answers {
    n: Option<u64>,
    best_of: Option<u64>,
}

impl Answers {
    /// Reads a request. What cannot be read is for the provider to refuse.
    pub fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// How many tokens were generated where those that were returned have so many. With `best_of` the provider bills answers that
    /// nobody sees; they are taken to be as long as the others, and to be there even where the provider has ignored the field.
    pub fn generated(&self, returned: u64) -> u64 {
        let n = self.n.unwrap_or(1).max(1);
        let best_of = self.best_of.unwrap_or(n);
        if best_of <= n {
            return returned;
        }
        let tokens = (u128::from(returned) * u128::from(best_of)).div_ceil(u128::from(n));
        u64::try_from(tokens).unwrap_or(u64::MAX).min(MOST_TOKENS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_are_not_returned_were_not_counted() {
        let generated = |body: &str| Answers::read(body.as_bytes()).generated(10);
        for (body, tokens) in [
            (r#"{"best_of":5}"#, 50),
            (r#"{"best_of":5,"n":2}"#, 25),
            (r#"{"best_of":4,"n":3}"#, 14),
            (r#"{"best_of":3,"n":3}"#, 10),
            (r#"{"n":3}"#, 10),
            (r#"{"best_of":null,"n":null,"prompt":"x"}"#, 10),
            (r#"{"best_of":1,"n":3}"#, 10),
            (r#"{"best_of":2,"n":0}"#, 20),
            (r#"{"best_of":18446744073709551615}"#, MOST_TOKENS),
            ("no json", 10),
        ] {
            assert_eq!(generated(body), tokens, "{body}");
        }
    }
}
