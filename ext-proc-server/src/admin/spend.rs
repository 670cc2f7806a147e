//! What was used and spent, as JSON and as CSV.

use super::answer;
use super::call::Call;
use crate::directory::refusal::{Reason, Refusal};
use crate::policy::limit::Dimension;
use crate::record::spend::{Group, Question, ROWS, Row, Sums, Unanswered};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};

/// A sum by its name.
type Sum = (&'static str, fn(&Sums) -> u64);

/// The sums, in the order of the columns.
const SUMS: [Sum; 6] = [
    ("requests", |sums| sums.requests),
    ("failed", |sums| sums.failed),
    ("input_tokens", |sums| sums.input_tokens),
    ("output_tokens", |sums| sums.output_tokens),
    ("cached_tokens", |sums| sums.cached_tokens),
    ("cost_micros", |sums| sums.cost_micros),
];

/// The rows that are asked for.
pub(super) async fn get(call: Call) -> Result<Response, Refusal> {
    let question = question(&call)?;
    let names: Vec<&str> = call.get("group_by").into_iter().flat_map(|names| names.split(',')).collect();
    let gateway = call.gateway.clone();
    let answered = tokio::task::spawn_blocking(move || gateway.ledger.totals().spend().answer(&question));
    let answered = answered.await.map_err(|_| {
        Refusal::new(Reason::Unavailable, "ledger_unavailable", "the ledger cannot be summed at the moment")
    })?;
    let rows = answered.map_err(|unanswered| match unanswered {
        Unanswered::Apart(dimension) => {
            let name = dimension.as_str();
            let message = format!("end users and tags are summed by day and team only, and not by {name}");
            Refusal::new(Reason::Invalid, "not_summed", message).of_field(name)
        }
        Unanswered::TooMany => {
            let message =
                format!("there are more than {ROWS} rows: ask for a shorter time, or for less detail");
            Refusal::new(Reason::Invalid, "too_many_rows", message)
        }
    })?;
    if call.get("format") == Some("csv") {
        return Ok(answer::csv(csv(&names, &rows)));
    }
    let rows: Vec<Value> = rows.iter().map(|(values, sums)| object(&names, values, sums)).collect();
    let body = json!({"from": call.get("from"), "to": call.get("to"), "group_by": names, "rows": rows});
    Ok(answer::json(StatusCode::OK, &body))
}

fn question(call: &Call) -> Result<Question, Refusal> {
    let day = |name| call.get(name).and_then(|text| text.parse().ok());
    let names = call.get("group_by").into_iter().flat_map(|names| names.split(','));
    let groups = names.filter_map(|name| Group::ALL.iter().find(|(known, _)| *known == name));
    let only =
        Dimension::ALL.iter().filter_map(|(name, dimension)| Some((*dimension, call.get(name)?.to_owned())));
    let mut question = Question {
        from: day("from"),
        to: day("to"),
        group_by: groups.map(|(_, group)| *group).collect(),
        only: only.collect(),
    };
    if let Some(own) = &call.caller.team {
        if call.get("team").is_some_and(|team| team != own) {
            return Err(Refusal::forbidden(format!("only the team \"{own}\" is shown")).of_field("team"));
        }
        question.only.push((Dimension::Team, own.clone()));
    }
    Ok(question)
}

fn object(names: &[&str], values: &[std::sync::Arc<str>], sums: &Sums) -> Value {
    let mut row = Map::new();
    for (name, value) in names.iter().zip(values) {
        row.insert((*name).to_owned(), json!(&**value));
    }
    for (name, sum) in SUMS {
        row.insert(name.to_owned(), json!(sum(sums)));
    }
    Value::Object(row)
}

/// As RFC 4180 has it.
fn csv(names: &[&str], rows: &[Row]) -> String {
    let mut text = String::new();
    let columns = names.iter().copied().chain(SUMS.iter().map(|(name, _)| *name));
    line(&mut text, columns.map(str::to_owned));
    for (values, sums) in rows {
        let sums = SUMS.iter().map(|(_, sum)| sum(sums).to_string());
        line(&mut text, values.iter().map(|value| field(value)).chain(sums));
    }
    text
}

fn line(text: &mut String, fields: impl Iterator<Item = String>) {
    text.push_str(&fields.collect::<Vec<_>>().join(","));
    text.push_str("\r\n");
}

/// A text that clients made up must not become a formula in a spreadsheet.
fn field(value: &str) -> String {
    let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let value = if formula { format!("'{value}") } else { value.to_owned() };
    if value.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_what_needs_it_and_holds_no_formula() {
        let row = |name: &str| (vec![name.into()], Sums { requests: 1, cost_micros: 7, ..Sums::default() });
        let text = csv(&["end_user"], &[row("ann"), row("a,\"b\""), row("=1+1")]);
        assert_eq!(
            text,
            "end_user,requests,failed,input_tokens,output_tokens,cached_tokens,cost_micros\r\n\
             ann,1,0,0,0,0,7\r\n\"a,\"\"b\"\"\",1,0,0,0,0,7\r\n'=1+1,1,0,0,0,0,7\r\n"
        );
    }
}
