//! The framing of `application/vnd.amazon.eventstream`.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the whole message |
//! | 4 | length of the headers |
//! | 4 | CRC of these eight bytes |
//! | … | headers: a byte for the length of the name, the name, the type 7 for a text, two bytes for its length, the text |
//! | … | payload |
//! | 4 | CRC of all that comes before |

/// The type of a header that is a text.
const TEXT: u8 = 7;

/// A message with the headers of an event.
pub(crate) fn event(kind: &str, payload: &str) -> Vec<u8> {
    message(":event-type", kind, "event", payload)
}

/// A message that tells of a failure.
pub(super) fn exception(kind: &str, payload: &str) -> Vec<u8> {
    message(":exception-type", kind, "exception", payload)
}

fn message(name: &str, kind: &str, message_type: &str, payload: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in
        [(name, kind), (":content-type", "application/json"), (":message-type", message_type)]
    {
        // Names and values are this program's own and short.
        headers.push(name.len() as u8);
        headers.extend_from_slice(name.as_bytes());
        headers.push(TEXT);
        headers.extend_from_slice(&(value.len() as u16).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = 12 + headers.len() + payload.len() + 4;
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&(length as u32).to_be_bytes());
    message.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    put_crc(&mut message);
    message.extend_from_slice(&headers);
    message.extend_from_slice(payload.as_bytes());
    put_crc(&mut message);
    message
}

fn put_crc(message: &mut Vec<u8>) {
    let crc = crc32fast::hash(message);
    message.extend_from_slice(&crc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_the_specification_has_it() {
        let message = event("messageStop", "{}");
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        assert_eq!(number(0) as usize, message.len());
        assert_eq!(number(8), crc32fast::hash(&message[..8]));
        assert_eq!(number(message.len() - 4), crc32fast::hash(&message[..message.len() - 4]));
        assert_eq!(&message[12..12 + 1 + 11 + 1 + 2 + 11], b"\x0b:event-type\x07\x00\x0bmessageStop");
        let payload = 12 + number(4) as usize;
        assert_eq!(&message[payload..message.len() - 4], b"{}");
    }
}
