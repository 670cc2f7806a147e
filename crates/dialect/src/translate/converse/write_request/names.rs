//! Names and ids in the letters that Bedrock accepts.

use crate::translate::neutral::Text;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The longest id of a call.
const LONGEST_ID: usize = 64;

/// The longest name of a document, with some letters left for its number.
const LONGEST_NAME: usize = 180;

/// The id of a call. The same id always gives the same one, so that a call and its result stay together.
pub(super) fn tool_id(id: &str) -> Cow<'_, str> {
    let is_accepted =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | ':' | '-');
    if !id.is_empty() && id.len() <= LONGEST_ID && id.chars().all(is_accepted) {
        return Cow::Borrowed(id);
    }
    let mut accepted: String =
        id.chars().map(|letter| if is_accepted(letter) { letter } else { '_' }).collect();
    if accepted.len() > LONGEST_ID {
        // Ids of one answer may differ at their ends only.
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        accepted.truncate(LONGEST_ID - 17);
        accepted.push_str(&format!("_{:016x}", hasher.finish()));
    }
    Cow::Owned(if accepted.is_empty() { "_".to_owned() } else { accepted })
}

/// The names of the documents of a request, no two of which are alike.
#[derive(Debug, Default)]
pub(super) struct DocumentNames {
    used: HashSet<String>,
    /// How often a name was wanted.
    wanted: HashMap<String, u32>,
}

impl DocumentNames {
    /// A name of letters, digits, single spaces, hyphens and brackets. A model may read it, so nothing else is to be put in.
    pub(super) fn name(&mut self, title: Option<&Text<'_>>) -> String {
        let title = title.map(Text::decode).unwrap_or_default();
        let mut name = String::with_capacity(title.len().min(LONGEST_NAME));
        for letter in title.chars() {
            if name.len() >= LONGEST_NAME {
                break;
            }
            if letter.is_ascii_alphanumeric() || matches!(letter, '-' | '(' | ')' | '[' | ']') {
                name.push(letter);
            } else if !name.is_empty() && !name.ends_with(' ') {
                name.push(' ');
            }
        }
        let name = match name.trim_end() {
            "" => "document".to_owned(),
            name => name.to_owned(),
        };
        loop {
            let number = self.wanted.entry(name.clone()).or_default();
            *number += 1;
            let name = if *number == 1 { name.clone() } else { format!("{name} ({number})") };
            if self.used.insert(name.clone()) {
                return name;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_to_the_accepted_letters_and_length() {
        assert_eq!(tool_id("toolu_01.a:b-c"), "toolu_01.a:b-c");
        assert_eq!(tool_id("a b/\u{fc}"), "a_b__");
        assert_eq!(tool_id(""), "_");
        let (one, two) = ("x".repeat(70) + "1", "x".repeat(70) + "2");
        assert_eq!(tool_id(&one).len(), LONGEST_ID);
        assert_ne!(tool_id(&one), tool_id(&two));
        assert_eq!(tool_id(&one), tool_id(&one));
    }

    #[test]
    fn documents_have_names_of_their_own() {
        let mut names = DocumentNames::default();
        let mut name = |title: &str| names.name(Some(&title.into()));
        assert_eq!(name("Q3 report_final.pdf"), "Q3 report final pdf");
        assert_eq!(name("Q3  report/final.pdf"), "Q3 report final pdf (2)");
        assert_eq!(name("a (2)"), "a (2)");
        assert_eq!(name("a"), "a");
        assert_eq!(name("a"), "a (3)");
        assert_eq!(name("\u{4e2d}"), "document");
        assert_eq!(names.name(None), "document (2)");
        assert!(names.name(Some(&"x".repeat(1000).into())).len() <= 200);
    }
}
