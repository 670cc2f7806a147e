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
/// What a name of two words or more follows: one alone may say what somebody is ("I am German").
const BEFORE_NAME: [&str; 9] =
    ["i'm ", "i’m ", "i am ", "this is ", "ich bin ", "je suis ", "soy ", "yo soy ", "hier ist "];
/// As many digits, with what stands between the digits of phone, card and account numbers.
const DIGITS: usize = 7;

/// Whether a text names its author, or holds an e-mail address or a number as of telephones, cards and accounts.
pub(super) fn is_personal(text: &str) -> bool {
    let lower = text.to_lowercase();
    NAMING.iter().any(|phrase| lower.contains(phrase))
        || has_introduction(text)
        || has_address(text)
        || has_long_number(text)
}

/// Whether somebody is introduced: `I'm Ann Smith`.
fn has_introduction(text: &str) -> bool {
    let is_name = |word: &str| {
        let mut letters = word.chars();
        letters.next().is_some_and(char::is_uppercase) && letters.next().is_some_and(char::is_lowercase)
    };
    text.char_indices().filter(|(at, _)| starts_word(text, *at)).any(|(at, _)| {
        let rest = text.get(at..).unwrap_or_default();
        let name = BEFORE_NAME.iter().find_map(|phrase| strip_ignoring_case(rest, phrase));
        name.is_some_and(|name| name.split_whitespace().take(2).filter(|word| is_name(word)).count() == 2)
    })
}

fn starts_word(text: &str, at: usize) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    !before.is_some_and(char::is_alphanumeric)
}

fn strip_ignoring_case<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
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
            "Hi, I'm Ann Smith from Leeds. What is my tax?",
            "ICH BIN Jörg Müller, wie alt bin ich?",
        ] {
            assert!(is_personal(text), "{text}");
        }
        for text in [
            "What happened in 1989 and 2001?",
            "How do I mention somebody with @ in a chat?",
            "What is 3.14159?",
            "How can I lose weight?",
            "What is my best option?",
            "I am German and new here, where do I register?",
            "Is Miami Beach nice in May?",
        ] {
            assert!(!is_personal(text), "{text}");
        }
    }
}
