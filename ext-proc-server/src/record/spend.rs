//! What was used and spent, by day and by everything that a line of the ledger tells apart.
//!
//! Names are kept once and stand in a row as numbers, so that a year of rows fits in memory. End users and tags are summed by
//! themselves, since clients make them up and one request may have several tags: a day keeps so many of their names, and the
//! rest are one.

pub(crate) use super::totals::Sums;

use super::totals::OTHER;
use crate::policy::identity::Principal;
use crate::policy::limit::Dimension;
use crate::store::Date;
use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// The most names of end users, and the most of tags, that one day tells apart.
const NAMES_A_DAY: usize = 10_000;
/// The most rows of one answer.
pub(crate) const ROWS: usize = 100_000;

/// What rows are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The day, in UTC.
    Day,
    /// The month, in UTC.
    Month,
    /// A dimension of limits.
    By(Dimension),
}

impl Group {
    /// All, with their names.
    pub(crate) const ALL: [(&'static str, Self); 10] = [
        ("day", Self::Day),
        ("month", Self::Month),
        ("organization", Self::By(Dimension::Organization)),
        ("team", Self::By(Dimension::Team)),
        ("user", Self::By(Dimension::User)),
        ("key", Self::By(Dimension::Key)),
        ("model", Self::By(Dimension::Model)),
        ("provider", Self::By(Dimension::Provider)),
        ("end_user", Self::By(Dimension::EndUser)),
        ("tag", Self::By(Dimension::Tag)),
    ];
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// The first day; all before it are left out.
    pub(crate) from: Option<Date>,
    /// The last day.
    pub(crate) to: Option<Date>,
    /// What rows are told apart by, in order.
    pub(crate) group_by: Vec<Group>,
    /// Only what has these values.
    pub(crate) only: Vec<(Dimension, String)>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// End users and tags are not known together with this.
    Apart(Dimension),
    /// There are more rows than one answer has.
    TooMany,
}

/// A row: a value for each group, and the sums.
pub(crate) type Row = (Vec<Arc<str>>, Sums);

/// The dimensions of a row, in its order.
const OF_ROW: [Dimension; 6] = [
    Dimension::Organization,
    Dimension::Team,
    Dimension::User,
    Dimension::Key,
    Dimension::Model,
    Dimension::Provider,
];

/// The sums.
#[derive(Debug, Default)]
pub(crate) struct Spend {
    names: Names,
    rows: BTreeMap<(Date, [u32; 6]), Sums>,
    end_users: Apart,
    tags: Apart,
}

/// The sums of names that clients make up, by day, team and name.
#[derive(Debug, Default)]
struct Apart {
    rows: BTreeMap<(Date, [u32; 2]), Sums>,
    names: HashMap<Date, usize>,
}

#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let (number, name) = (u32::try_from(self.texts.len()).unwrap_or(u32::MAX), Arc::<str>::from(name));
        self.texts.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    fn text(&self, number: u32) -> Arc<str> {
        self.texts.get(number as usize).cloned().unwrap_or_else(|| OTHER.into())
    }
}

impl Apart {
    fn add(&mut self, day: Date, team: u32, name: u32, other: u32, sums: &Sums) {
        let row = (day, [team, name]);
        let names = self.names.entry(day).or_default();
        let known = self.rows.contains_key(&row);
        if known || *names < NAMES_A_DAY {
            *names += usize::from(!known);
            self.rows.entry(row).or_default().add(sums);
        } else {
            self.rows.entry((day, [team, other])).or_default().add(sums);
        }
    }
}

impl Spend {
    /// Adds what one line of the ledger says.
    pub(super) fn add(&mut self, day: Date, whose: &Principal, model: &str, provider: &str, sums: &Sums) {
        let names = &mut self.names;
        let row = [&whose.organization, &whose.team, &whose.user, &whose.key, model, provider];
        let row = row.map(|name| names.number(name));
        self.rows.entry((day, row)).or_default().add(sums);
        let [_, team, ..] = row;
        if whose.end_user.is_empty() && whose.tags.is_empty() {
            return;
        }
        let other = names.number(OTHER);
        if !whose.end_user.is_empty() {
            let name = names.number(&whose.end_user);
            self.end_users.add(day, team, name, other, sums);
        }
        for tag in &whose.tags {
            let name = names.number(tag);
            self.tags.add(day, team, name, other, sums);
        }
    }

    /// The rows that a question asks for, in their order.
    pub(crate) fn answer(&self, question: &Question) -> Result<Vec<Row>, Unanswered> {
        let asked = question.group_by.iter().filter_map(|group| match group {
            Group::By(dimension) => Some(*dimension),
            Group::Day | Group::Month => None,
        });
        let mut asked = asked.chain(question.only.iter().map(|(dimension, _)| *dimension));
        let apart = asked.clone().find(|dimension| matches!(dimension, Dimension::EndUser | Dimension::Tag));
        let Some(apart) = apart else {
            return self.sum(question, &self.rows, OF_ROW);
        };
        if let Some(other) = asked.find(|dimension| *dimension != apart && *dimension != Dimension::Team) {
            return Err(Unanswered::Apart(other));
        }
        let rows = if apart == Dimension::Tag { &self.tags.rows } else { &self.end_users.rows };
        self.sum(question, rows, [Dimension::Team, apart])
    }

    fn sum<const N: usize>(
        &self,
        question: &Question,
        rows: &BTreeMap<(Date, [u32; N]), Sums>,
        dimensions: [Dimension; N],
    ) -> Result<Vec<Row>, Unanswered> {
        let (from, to) = (question.from.unwrap_or(Date::FIRST), question.to.unwrap_or(Date::LAST));
        if to < from {
            return Ok(Vec::new());
        }
        let place = |dimension: Dimension| dimensions.iter().position(|known| *known == dimension);
        let mut only = Vec::new();
        for (dimension, name) in &question.only {
            // A name that no line has: there is nothing to sum.
            let Some(number) = self.names.numbers.get(name.as_str()) else { return Ok(Vec::new()) };
            only.push((place(*dimension), *number));
        }
        let mut sums: BTreeMap<Vec<Cell>, Sums> = BTreeMap::new();
        for ((day, row), sum) in rows.range(days(from, to)) {
            let value = |place: Option<usize>| place.and_then(|place| row.get(place)).copied();
            if !only.iter().all(|(place, number)| value(*place) == Some(*number)) {
                continue;
            }
            let cells = question.group_by.iter().map(|group| match group {
                Group::Day => Cell::Date(*day),
                Group::Month => Cell::Date(day.month()),
                Group::By(dimension) => Cell::Name(value(place(*dimension)).unwrap_or(u32::MAX)),
            });
            sums.entry(cells.collect()).or_default().add(sum);
            if sums.len() > ROWS {
                return Err(Unanswered::TooMany);
            }
        }
        let text = |(cell, group): (&Cell, &Group)| match (cell, group) {
            (Cell::Date(date), Group::Month) => date.to_string().get(..7).unwrap_or_default().into(),
            (Cell::Date(date), _) => date.to_string().into(),
            (Cell::Name(number), _) => self.names.text(*number),
        };
        let mut rows: Vec<Row> = sums
            .into_iter()
            .map(|(cells, sums)| (cells.iter().zip(&question.group_by).map(text).collect(), sums))
            .collect();
        // Names have the numbers of their first use, which is no order for people.
        rows.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(rows)
    }
}

/// A value of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Date(Date),
    Name(u32),
}

/// A period that does not end before it begins.
fn days<const N: usize>(from: Date, to: Date) -> RangeInclusive<(Date, [u32; N])> {
    (from, [0; N])..=(to, [u32::MAX; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(team: &str, key: &str, end_user: &str, tags: &[&str]) -> Principal {
        Principal {
            team: team.to_owned(),
            key: key.to_owned(),
            end_user: end_user.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Principal::default()
        }
    }

    fn cost(micros: u64) -> Sums {
        Sums { requests: 1, cost_micros: micros, ..Sums::default() }
    }

    fn spend() -> Spend {
        let mut spend = Spend::default();
        for (day, team, key, model, end_user, tags, micros) in [
            ("2026-10-31", "red", "b", "m", "ann", &["x"][..], 1),
            ("2026-11-01", "red", "b", "m", "ann", &["x", "y"], 20),
            ("2026-11-01", "red", "a", "n", "bob", &[], 300),
            ("2026-11-02", "blue", "c", "m", "ann", &["y"], 4_000),
        ] {
            spend.add(day.parse().unwrap(), &whose(team, key, end_user, tags), model, "p", &cost(micros));
        }
        spend
    }

    fn ask(question: Question) -> Vec<(String, u64)> {
        let rows = spend().answer(&question).unwrap();
        rows.into_iter().map(|(cells, sums)| (cells.join(" "), sums.cost_micros)).collect()
    }

    fn by(names: &[&str]) -> Question {
        let group = |name: &&str| Group::ALL.iter().find(|(known, _)| known == name).unwrap().1;
        Question { group_by: names.iter().map(group).collect(), ..Question::default() }
    }

    fn rows(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
        rows.iter().map(|(text, sum)| ((*text).to_owned(), *sum)).collect()
    }

    #[test]
    fn sums_are_told_apart_by_what_is_asked() {
        assert_eq!(ask(by(&[])), rows(&[("", 4_321)]));
        assert_eq!(ask(by(&["month"])), rows(&[("2026-10", 1), ("2026-11", 4_320)]));
        assert_eq!(
            ask(by(&["team", "day"])),
            rows(&[("blue 2026-11-02", 4_000), ("red 2026-10-31", 1), ("red 2026-11-01", 320)])
        );
        assert_eq!(ask(by(&["key"])), rows(&[("a", 300), ("b", 21), ("c", 4_000)]));
    }

    #[test]
    fn a_period_has_its_first_and_its_last_day() {
        let period = |from: &str, to: &str| {
            ask(Question { from: Some(from.parse().unwrap()), to: Some(to.parse().unwrap()), ..by(&[]) })
        };
        assert_eq!(period("2026-10-31", "2026-11-01"), rows(&[("", 321)]));
        assert_eq!(period("2026-11-02", "2026-11-01"), []);
        assert_eq!(period("2026-12-01", "2026-12-31"), []);
    }

    #[test]
    fn only_what_is_asked_for_counts() {
        let only = |dimension, name: &str| {
            ask(Question { only: vec![(dimension, name.to_owned())], ..by(&["key"]) })
        };
        assert_eq!(only(Dimension::Team, "red"), rows(&[("a", 300), ("b", 21)]));
        assert_eq!(only(Dimension::Model, "m"), rows(&[("b", 21), ("c", 4_000)]));
        assert_eq!(only(Dimension::Model, "nobody's"), []);
    }

    #[test]
    fn end_users_and_tags_are_known_by_team_and_day_alone() {
        assert_eq!(ask(by(&["end_user"])), rows(&[("ann", 4_021), ("bob", 300)]));
        assert_eq!(ask(by(&["tag", "team"])), rows(&[("x red", 21), ("y blue", 4_000), ("y red", 20)]));
        let team = Question { only: vec![(Dimension::Team, "red".to_owned())], ..by(&["tag"]) };
        assert_eq!(ask(team), rows(&[("x", 21), ("y", 20)]));
        assert_eq!(spend().answer(&by(&["tag", "key"])), Err(Unanswered::Apart(Dimension::Key)));
        assert_eq!(spend().answer(&by(&["tag", "end_user"])), Err(Unanswered::Apart(Dimension::EndUser)));
    }

    #[test]
    fn a_day_keeps_so_many_names_that_clients_make_up() {
        let mut spend = Spend::default();
        let day = "2026-11-01".parse().unwrap();
        for number in 0..NAMES_A_DAY + 5 {
            spend.add(day, &whose("t", "k", &format!("user-{number}"), &[]), "m", "p", &cost(1));
        }
        let rows = spend.answer(&by(&["end_user"])).unwrap();
        assert_eq!(rows.len(), NAMES_A_DAY + 1);
        let other = rows.iter().find(|(cells, _)| &*cells[0] == OTHER).unwrap();
        assert_eq!(other.1.cost_micros, 5);
        assert_eq!(spend.answer(&by(&["key"])).unwrap()[0].1.requests, 10_005);
    }
}
