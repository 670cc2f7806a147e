//! Base64, in which clouds wrap what is not theirs and vectors are packed.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number = group.iter().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte));
        let number = number << (8 * (3 - group.len()));
        for position in 0..4 {
            let sextet = (number >> (18 - 6 * position)) & 63;
            let letter = ALPHABET.get(sextet).copied().filter(|_| position <= group.len());
            text.push(char::from(letter.unwrap_or(b'=')));
        }
    }
    text
}
