//! Names and values as a query or a form has them.

/// All of them, joined.
pub(crate) fn form<'t>(entries: impl IntoIterator<Item = (&'t str, &'t str)>) -> String {
    let entries = entries.into_iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    entries.collect::<Vec<_>>().join("&")
}

/// One of them.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_encoded() {
        assert_eq!(
            form([("api-version", "2024-10-21"), ("a b", "x&y=é")]),
            "api-version=2024-10-21&a%20b=x%26y%3D%C3%A9"
        );
        assert_eq!(form([]), "");
    }
}
