//! Gzip without compression: valid for every reader, and no library is needed to write it.

use crate::body::Plan;

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// Most bytes that a stored block can hold.
const BLOCK: usize = 65_535;

/// Wraps a plan's bytes, each event in blocks of its own, so that a stream can still be read event by
/// event.
pub(crate) fn wrap(plan: &Plan) -> Plan {
    let mut wrapped = Plan::default();
    wrapped.bytes.extend_from_slice(&HEADER);
    let mut events = plan.events().peekable();
    while let Some((bytes, tokens)) = events.next() {
        for block in bytes.chunks(BLOCK) {
            put_block(&mut wrapped.bytes, 0, block);
        }
        if events.peek().is_none() {
            put_block(&mut wrapped.bytes, 1, &[]);
            wrapped.bytes.extend_from_slice(&crc32(&plan.bytes).to_le_bytes());
            // The length modulo 2^32, as the format wants it.
            wrapped.bytes.extend_from_slice(&(plan.bytes.len() as u32).to_le_bytes());
        }
        wrapped.end_event(tokens);
    }
    wrapped
}

fn put_block(bytes: &mut Vec<u8>, last: u8, data: &[u8]) {
    // A block holds at most what 16 bits can say.
    let length = data.len() as u16;
    bytes.push(last);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&(!length).to_le_bytes());
    bytes.extend_from_slice(data);
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_format_is_the_known_one() {
        let wrapped = wrap(&Plan::whole(b"hi".to_vec(), 1));
        let mut expected = HEADER.to_vec();
        expected.extend_from_slice(&[0, 2, 0, 0xfd, 0xff, b'h', b'i', 1, 0, 0, 0xff, 0xff]);
        expected.extend_from_slice(&crc32(b"hi").to_le_bytes());
        expected.extend_from_slice(&[2, 0, 0, 0]);
        assert_eq!(wrapped.bytes, expected);
        assert_eq!(wrapped.events().count(), 1);
    }
}
