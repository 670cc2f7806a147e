//! Questions that say who somebody is. Their answers may say it too, so they are not for others who ask about the same.

/// What begins a sentence with a name, in the languages that the verifier knows.
const NAMING: [&str; 18] = [
    "my name is",
    "i am called",
    "call me ",
    "my email",
    "my address",
    "my phone",
    "my password",
    "my account number",
    "ich heiße",
    "ich heisse",
    "mein name ist",
    "meine adresse",
    "mein passwort",
    "je m'appelle",
    "je m’appelle",
    "mon nom est",
    "me llamo",
    "mi nombre es",
];
/// As many digits, with what stands between the digits of phone, card and account numbers.
const DIGITS: usize = 7;

/// Whether a text names its author, or holds an e-mail address or a number as of telephones, cards and accounts.
pub(super) fn is_personal(text: &str) -> bool {
    let lower = text.to_lowercase();
    NAMING.iter().any(|phrase| lower.contains(phrase)) || has_address(text) || has_long_number(text)
}

fn has_address(text: &str) -> bool {
    let inner = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    text.match_indices('@').any(|(at, _)| {
        let (before, after) = text.split_at(at);
        inner(before.chars().next_back()) && inner(after.chars().nth(1))
    })
}

fn has_long_number(text: &str) -> bool {
    let mut digits = 0;
    // Two letters may begin an account number, and groups may be apart by one character.
    let mut since = 0;
    for character in text.chars() {
        if character.is_ascii_digit() {
            digits += 1;
            since = 0;
            if digits >= DIGITS {
                return true;
            }
        } else {
            since += 1;
            if since > 2 || !matches!(character, ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}') {
                digits = 0;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_who_speaks_of_himself() {
        for text in [
            "My name is Ann, write me a poem",
            "Schreibe an anna.b@example.com eine Absage",
            "Is +49 (30) 901820-0 a Berlin number?",
            "Check IBAN DE89 3704 0044 0532 0130 00",
            "Je m’appelle Luc",
        ] {
            assert!(is_personal(text), "{text}");
        }
        for text in [
            "What happened in 1989 and 2001?",
            "How do I mention somebody with @ in a chat?",
            "What is 3.14159?",
            "How can I lose weight?",
            "What is my best option?",
        ] {
            assert!(!is_personal(text), "{text}");
        }
    }
}
