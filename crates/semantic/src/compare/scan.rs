//! Cuts a text into words, numbers, dates and code.

/// Words in their written form: runs of letters (an apostrophe may stand inside) and runs of digits.
pub(crate) fn words(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    let letter = |i: usize| at(i).is_some_and(char::is_alphabetic);
    let digit = |i: usize| at(i).is_some_and(|c| c.is_ascii_digit());
    let mut out = Vec::new();
    let mut i = 0;
    while let Some(c) = at(i) {
        let mut word = String::new();
        if c.is_ascii_digit() {
            while digit(i) {
                word.extend(at(i));
                i += 1;
            }
        } else if c.is_alphabetic() {
            loop {
                if letter(i) || (matches!(at(i), Some('\'' | '’')) && letter(i + 1)) {
                    word.extend(at(i));
                    i += 1;
                } else {
                    break;
                }
            }
        } else {
            i += 1;
            continue;
        }
        out.push(word);
    }
    out
}

/// Numbers as written, sorted later; runs joined by `-`, `/`, `.` or `:` (dates, versions, times) stay one.
pub(crate) fn numbers(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied();
    let digit = |i: usize| at(i).is_some_and(|c| c.is_ascii_digit());
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        if !digit(i) {
            i += 1;
            continue;
        }
        let mut number = String::new();
        while digit(i) || (matches!(at(i), Some('-' | '/' | '.' | ':')) && digit(i + 1)) {
            number.extend(at(i));
            i += 1;
        }
        out.push(number);
    }
    out
}

const STRIP: &[char] = &[
    '?', '!', '.', ',', ';', ':', '"', '\'', '“', '”', '‘', '’', '(', ')', '[', ']', '{', '}', '<', '>', '¿',
    '¡', '«', '»', '`',
];

/// Words with signs that only code has: an inner underscore, a path, a call, a flag, camel case.
pub(crate) fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '“' | '”'))
        .filter(|t| is_code(t))
        .map(|t| t.trim_matches(STRIP))
}

fn is_code(token: &str) -> bool {
    if token.ends_with("()") {
        return true;
    }
    let core = token.trim_matches(STRIP);
    if core.is_empty() {
        return false;
    }
    if core.contains('_') || core.contains("::") || token.contains('`') {
        return true;
    }
    let flag = core.chars().count() > 1
        && core.trim_start_matches('-').chars().next().is_some_and(char::is_alphabetic);
    if token.starts_with('-') && flag {
        return true;
    }
    let chars: Vec<char> = core.chars().collect();
    chars.windows(3).any(|w| matches!(w, [a, '.', b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic()))
        || chars.windows(2).any(|w| matches!(w, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()))
}

/// A word without its commonest endings, so that "books" and "book" are one.
pub(crate) fn stem(word: &str) -> String {
    let w = word.strip_suffix("'s").unwrap_or(word);
    let n = w.chars().count();
    let cut = |end: &str, longer: usize| if n > longer { w.strip_suffix(end) } else { None };
    if let Some(s) = cut("ing", 6).or_else(|| cut("ed", 5)) {
        return s.to_owned();
    }
    if let Some(s) = cut("ies", 4) {
        return format!("{s}y");
    }
    if !w.ends_with("ss")
        && let Some(s) = cut("s", 3)
    {
        return s.to_owned();
    }
    cut("e", 4).unwrap_or(w).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_words_numbers_and_code() {
        assert_eq!(words("Is 16GB of l'été OK?"), ["Is", "16", "GB", "of", "l'été", "OK"]);
        assert_eq!(numbers("on 2024-03-05, 3.8 or 12."), ["2024-03-05", "3.8", "12"]);
        assert_eq!(
            code("use `os.path` or getUser() with -v.").collect::<Vec<_>>(),
            ["os.path", "getUser", "-v"]
        );
        assert_eq!(stem("stories"), "story");
    }
}
