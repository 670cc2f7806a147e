//! Signatures in the hands of clients that know those of one other provider only.
//!
//! What proves a model's thinking is sent back with the next request, which may go to another provider. So a signature that goes to
//! clients of another dialect is marked as its provider's, and no other provider is given it: it would refuse it. Writers of requests
//! see to that; for a provider of the client's own dialect, whose requests nobody rewrites, [`without_marked`] does.

use super::neutral::Text;
use super::raw::{self, Object};
use crate::Dialect;
use memchr::memmem;
use serde_json::value::RawValue;

/// What Gemini's signatures begin with.
pub(super) const GEMINI: &str = "gemini:";
/// What OpenAI's sealed reasoning begins with.
pub(super) const OPENAI: &str = "openai:";
/// What the signatures of others begin with as clients of OpenAI's responses get them.
pub(super) const SIGNATURE: &str = "signature:";
/// What sealed thinking of others begins with as those clients get it.
pub(super) const SEALED: &str = "sealed:";

/// Whether a signature is marked as that of a provider that marks its own.
pub(super) fn is_marked(signature: &Text<'_>) -> bool {
    let text = signature.decode();
    [GEMINI, OPENAI].iter().any(|mark| text.starts_with(mark))
}

/// Whether a client's body may hold thinking of another provider's than those of the client's dialect. A search for a few words:
/// what it finds may be something else.
pub fn may_hold_marked(dialect: Dialect, body: &[u8]) -> bool {
    let has = |mark: &str| memmem::find_iter(body, mark).any(|at| at > 0 && body.get(at - 1) == Some(&b'"'));
    match dialect {
        Dialect::Anthropic | Dialect::Converse => has(GEMINI) || has(OPENAI),
        Dialect::Responses => has(SIGNATURE) || has(SEALED),
        // Clients of these could not have got it, or there are none.
        Dialect::OpenAi | Dialect::Gemini | Dialect::Cohere | Dialect::Invoke | Dialect::RawPredict => false,
    }
}

/// The body without thinking of other providers; `None` where it holds none. What else it says stays as it came.
pub fn without_marked(dialect: Dialect, body: &[u8]) -> Option<Vec<u8>> {
    if !may_hold_marked(dialect, body) {
        return None;
    }
    let fields = raw::open_body(body).ok()?.into_fields();
    let (list, is_foreign): (_, fn(&RawValue) -> bool) = match dialect {
        Dialect::Responses => ("input", is_foreign_item),
        Dialect::Anthropic => ("messages", is_foreign_block),
        _ => ("messages", is_foreign_content),
    };
    let mut changed = false;
    let mut out = vec![b'{'];
    for (number, (name, value)) in fields.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        raw::write_string(&mut out, name);
        out.push(b':');
        match raw::array(value).filter(|_| name == list) {
            Some(items) if dialect == Dialect::Responses => {
                let kept: Vec<_> = items.iter().filter(|item| !is_foreign(item)).collect();
                changed |= kept.len() < items.len();
                raw::write_list(&mut out, &kept, |out, item| raw::write_raw(out, item));
            }
            Some(turns) => {
                let kept: Vec<Vec<u8>> = turns.iter().filter_map(|turn| without(turn, is_foreign)).collect();
                changed |= kept.iter().map(Vec::len).sum::<usize>()
                    < turns.iter().map(|turn| turn.get().len()).sum();
                raw::write_list(&mut out, &kept, |out, turn| out.extend_from_slice(turn));
            }
            None => raw::write_raw(&mut out, value),
        }
    }
    out.push(b'}');
    changed.then_some(out)
}

/// A turn without parts of its content; `None` if nothing is left of it.
fn without(turn: &RawValue, is_foreign: fn(&RawValue) -> bool) -> Option<Vec<u8>> {
    let as_it_is = || turn.get().as_bytes().to_vec();
    let Some(fields) = Object::open(turn) else { return Some(as_it_is()) };
    let Some(parts) = fields.get("content").and_then(raw::array) else { return Some(as_it_is()) };
    let kept: Vec<_> = parts.iter().filter(|part| !is_foreign(part)).collect();
    if kept.len() == parts.len() {
        return Some(as_it_is());
    }
    if kept.is_empty() {
        return None;
    }
    let mut out = br#"{"content":"#.to_vec();
    raw::write_list(&mut out, &kept, |out, part| raw::write_raw(out, part));
    let mut rest = fields;
    rest.remove(&["content"]);
    rest.write_rest(&mut out);
    out.push(b'}');
    Some(out)
}

fn is_foreign_item(item: &RawValue) -> bool {
    let Some(item) = Object::open(item) else { return false };
    let sealed = item.get("encrypted_content").and_then(raw::string).unwrap_or_default();
    item.get("type").and_then(raw::string).as_deref() == Some("reasoning")
        && [SIGNATURE, SEALED].iter().any(|mark| sealed.starts_with(mark))
}

fn is_foreign_block(block: &RawValue) -> bool {
    Object::open(block)
        .and_then(|block| block.get("signature"))
        .and_then(Text::read)
        .is_some_and(|text| is_marked(&text))
}

fn is_foreign_content(block: &RawValue) -> bool {
    let thought = Object::open(block).and_then(|block| block.get("reasoningContent")).and_then(Object::open);
    let text = thought.and_then(|thought| thought.get("reasoningText")).and_then(Object::open);
    text.and_then(|text| text.get("signature")).and_then(Text::read).is_some_and(|text| is_marked(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn kept(dialect: Dialect, body: &Value) -> Option<Value> {
        without_marked(dialect, body.to_string().as_bytes())
            .map(|body| serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn thinking_of_others_is_taken_out_and_nothing_else() {
        let thinking =
            |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
        let user = json!({"role": "user", "content": "what is \"gemini:\"?"});
        let turn = |content: Value| json!({"role": "assistant", "content": content});
        let text = json!({"type": "text", "text": "a"});
        let body = |turns: Vec<Value>| json!({"model": "m", "n": 1.50, "messages": turns});
        let given = body(vec![
            user.clone(),
            turn(json!([thinking("gemini:0:x"), thinking("EqQB"), text])),
            turn(json!([thinking("openai:rs:x")])),
        ]);
        let expected = body(vec![user.clone(), turn(json!([thinking("EqQB"), text]))]);
        assert_eq!(kept(Dialect::Anthropic, &given).unwrap(), expected);
        assert_eq!(kept(Dialect::Anthropic, &body(vec![user])), None);
    }

    #[test]
    fn what_responses_clients_got_from_others_does_not_go_to_openai() {
        let reasoning =
            |sealed: &str| json!({"type": "reasoning", "summary": [], "encrypted_content": sealed});
        let body = |items: Value| json!({"input": items, "store": false});
        let given = body(
            json!([reasoning("signature:x"), reasoning("gAAAA"), reasoning("sealed:y"), {"role": "user", "content": "signature:"}]),
        );
        let expected = body(json!([reasoning("gAAAA"), {"role": "user", "content": "signature:"}]));
        assert_eq!(kept(Dialect::Responses, &given).unwrap(), expected);
        assert_eq!(kept(Dialect::Responses, &expected), None);
    }

    #[test]
    fn converse_has_it_in_a_content_of_its_own() {
        let thought = |signature: &str| json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": signature}}});
        let body = |content: Value| json!({"messages": [{"content": content, "role": "assistant"}]});
        let given = body(json!([thought("gemini:0:x"), thought("EqQB"), {"text": "a"}]));
        assert_eq!(kept(Dialect::Converse, &given).unwrap(), body(json!([thought("EqQB"), {"text": "a"}])));
    }
}
