//! A YAML document whose every node knows where it stands.
//!
//! The file is read into plain nodes, scalars as the text they were written in, so that a price of 0.1 stays 0.1. Reading
//! goes on after an error: [`Problems`] collects them all, each with its line, its column and the field.

use saphyr::{MarkedYaml, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle};
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// Something wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 if the problem has no place in the file.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The field, as a path: `models[0].deployments[1].provider`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, column {}: ", self.line, self.column)?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// All that was found wrong so far.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Adds a problem of a node.
    pub fn add(&self, node: &Node, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem {
            line: node.line,
            column: node.column,
            field: node.path.clone(),
            message: message.into(),
        });
    }

    /// The problems in the order of the file.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0.into_inner();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// Where it stands, as a path.
    pub path: String,
    /// The value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing: an empty field or `null`.
    Null,
    /// A scalar, as it was written.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Fields in the order of the file.
    Map(Vec<(String, Node)>),
}

/// YAML's flow style gives braces a meaning, so `{key: ${NAME}}` would be cut in two. These characters, which no file
/// has reason to hold, stand for the braces of a reference while the file is parsed.
const OPEN: char = '\u{E000}';
const CLOSE: char = '\u{E001}';

/// Parses a file with one document.
///
/// # Errors
/// Where the file is no YAML.
pub fn parse(text: &str) -> Result<Node, Problem> {
    let hidden = hide_references(text);
    let problem = |line, column, message: String| Problem { line, column, field: String::new(), message };
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    loader.early_parse(false);
    let scan = Parser::new_from_str(&hidden).load(&mut loader, true);
    if let Some(error) = scan.err().or_else(|| loader.error().cloned()) {
        let marker = error.marker();
        return Err(problem(marker.line(), marker.col() + 1, error.info().to_owned()));
    }
    let mut documents = loader.into_documents();
    match (documents.pop(), documents.pop()) {
        (Some(document), None) => Ok(node(document, String::new())),
        (None, _) => Ok(Node { line: 1, column: 1, path: String::new(), value: Value::Null }),
        (Some(second), Some(_)) => {
            let start = second.span.start;
            Err(problem(start.line(), start.col() + 1, "the file must hold one document".to_owned()))
        }
    }
}

fn hide_references(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut inside = false;
    let mut previous = '\0';
    for character in text.chars() {
        hidden.push(match character {
            '{' if previous == '$' => {
                inside = true;
                OPEN
            }
            '}' if inside => {
                inside = false;
                CLOSE
            }
            '\n' => {
                inside = false;
                '\n'
            }
            other => other,
        });
        previous = character;
    }
    hidden
}

fn show_references(text: &str) -> String {
    text.replace(OPEN, "{").replace(CLOSE, "}")
}

fn node(yaml: MarkedYaml<'_>, path: String) -> Node {
    let value = match yaml.data {
        YamlData::Representation(text, ScalarStyle::Plain, _) if matches!(&*text, "" | "~" | "null") => {
            Value::Null
        }
        YamlData::Representation(text, _, _) => Value::Scalar(show_references(&text)),
        YamlData::Sequence(items) => Value::List(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| node(item, format!("{path}[{index}]")))
                .collect(),
        ),
        YamlData::Mapping(fields) => Value::Map(
            fields
                .into_iter()
                .map(|(key, value)| {
                    let key = match &key.data {
                        YamlData::Representation(text, _, _) => show_references(text),
                        _ => "?".to_owned(),
                    };
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    (key, node(value, path))
                })
                .collect(),
        ),
        YamlData::Tagged(_, inner) => return node(*inner, path),
        YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => Value::Null,
    };
    let start = yaml.span.start;
    Node { line: start.line(), column: start.col() + 1, path, value }
}

/// The fields of one map, taken by name. What nobody took is an error that names the nearest field.
#[derive(Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    entries: &'n [(String, Node)],
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of a node, which must be a map; an empty node is an empty map.
    pub fn of(node: &'n Node, problems: &Problems) -> Self {
        let entries: &[(String, Node)] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            Value::Scalar(_) | Value::List(_) => {
                problems.add(node, "must be a map of fields");
                &[]
            }
        };
        Self { node, entries, known: Vec::new() }
    }

    /// The field of this name.
    pub fn get(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        let found = self.entries.iter().find(|(key, _)| key == name);
        found.map(|(_, node)| node).filter(|node| !matches!(node.value, Value::Null))
    }

    /// Whether there is nothing under this name: no field, or an empty list or map. What is there and wrong is something.
    pub fn lacks(&mut self, name: &'static str) -> bool {
        self.get(name).is_none_or(|node| match &node.value {
            Value::Null => true,
            Value::Scalar(_) => false,
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        })
    }

    /// The field of this name, which must be there.
    pub fn need(&mut self, name: &'static str, problems: &Problems) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            problems.add(self.node, format!("{name} is missing"));
        }
        found
    }

    /// The items of a list; one that is missing is empty.
    pub fn list(&mut self, name: &'static str, problems: &Problems) -> &'n [Node] {
        match self.get(name) {
            None => &[],
            Some(Node { value: Value::List(items), .. }) => items,
            Some(other) => {
                problems.add(other, "must be a list");
                &[]
            }
        }
    }

    /// The entries of a map whose keys are names that the user chooses.
    pub fn named(&mut self, name: &'static str, problems: &Problems) -> &'n [(String, Node)] {
        match self.get(name) {
            None => &[],
            Some(Node { value: Value::Map(entries), .. }) => entries,
            Some(other) => {
                problems.add(other, "must be a map from names to settings");
                &[]
            }
        }
    }

    /// Ends the reading: every field that was not asked for is a problem.
    pub fn finish(self, problems: &Problems) {
        for (key, value) in self.entries {
            if !self.known.contains(&key.as_str()) {
                problems.add(value, unknown("field", key, self.known.iter().copied()));
            }
        }
    }
}

/// The text of an error about a name that nobody knows: with the nearest known one, if one is near, or else all.
pub fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    // A field that is read twice is known twice.
    let mut seen = HashSet::new();
    let known: Vec<&str> = known.filter(|name| seen.insert(*name)).collect();
    let nearest = nearest(name, &known);
    match nearest {
        Some(near) => format!("unknown {what} \"{name}\"; did you mean \"{near}\"?"),
        None if known.is_empty() => format!("unknown {what} \"{name}\""),
        None => format!("unknown {what} \"{name}\"; known are {}", known.join(", ")),
    }
}

/// The known name that is nearest to this one, if any is near. The case of letters makes no distance.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let scored =
        known.iter().map(|known| (strsim::damerau_levenshtein(&name, &known.to_lowercase()), *known));
    // Of two that are as far, the longer one may be near and the shorter one not.
    scored.filter(|(distance, near)| *distance <= near.len().max(3) / 3).min().map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_may_stand_in_a_flow_map() {
        let node = parse("a: {key: ${NAME}, other: 'x${Y}z'}").unwrap();
        let problems = Problems::default();
        let mut root = Fields::of(&node, &problems);
        let mut a = Fields::of(root.get("a").unwrap(), &problems);
        assert!(matches!(&a.get("key").unwrap().value, Value::Scalar(text) if text == "${NAME}"));
        assert!(matches!(&a.get("other").unwrap().value, Value::Scalar(text) if text == "x${Y}z"));
    }

    #[test]
    fn unknown_fields_are_named_with_their_place_and_the_nearest_known_one() {
        let node = parse("listen: x\nmodles:\n  - name: a\n").unwrap();
        let problems = Problems::default();
        let mut fields = Fields::of(&node, &problems);
        fields.get("listen");
        fields.get("models");
        fields.finish(&problems);
        let problem = problems.into_sorted().remove(0);
        assert_eq!((problem.line, problem.field.as_str()), (3, "modles"));
        assert_eq!(problem.message, "unknown field \"modles\"; did you mean \"models\"?");
    }

    #[test]
    fn known_names_are_listed_once_although_a_field_was_read_twice() {
        let node = parse("zzzzzz: 1").unwrap();
        let problems = Problems::default();
        let mut fields = Fields::of(&node, &problems);
        for name in ["listen", "keys", "listen", "keys"] {
            fields.get(name);
        }
        fields.finish(&problems);
        assert_eq!(
            problems.into_sorted().remove(0).message,
            "unknown field \"zzzzzz\"; known are listen, keys"
        );
    }

    #[test]
    fn a_short_name_as_far_away_did_not_leave_a_near_one_unnamed() {
        assert_eq!(nearest("abcdxy", &["abcd", "abcdef"]), Some("abcdef"));
    }

    #[test]
    fn a_name_in_capitals_was_near_none() {
        assert_eq!(nearest("OpenAI", &["groq", "openai"]), Some("openai"));
        assert_eq!(nearest("qwen-72b", &["Qwen-7B"]), Some("Qwen-7B"));
    }

    #[test]
    fn text_that_is_no_yaml_has_a_place_too() {
        let problem = parse("a: [1, 2\nb: 3").unwrap_err();
        assert!(problem.line >= 1 && !problem.message.is_empty());
        assert!(parse("a: 1\na: 2").is_err(), "a field given twice");
    }
}
