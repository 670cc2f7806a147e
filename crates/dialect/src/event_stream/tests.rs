//! Vectors are those of Amazon's own implementations (`aws-c-event-stream`, botocore).

use super::*;
use proptest::prelude::*;

const UNLIMITED: usize = 1 << 26;

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

const EMPTY: &str = "000000100000000005c248eb7d98c8ff";
const PAYLOAD: &str = "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936";
const HEADER: &str = "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1";

fn frame(chunks: &[&[u8]], limit: usize) -> (Vec<Vec<u8>>, Vec<u8>, Result<(), Error>) {
    let mut framer = Framer::new(limit);
    let mut messages = Vec::new();
    let result =
        chunks.iter().try_for_each(|chunk| framer.push(chunk, |message| messages.push(message.to_vec())));
    (messages, framer.pending().to_vec(), result)
}

#[test]
fn published_messages_are_read_and_written() {
    let content_type = [("content-type", Value::Text("application/json"))];
    type Case<'a> = (&'a str, &'a [(&'a str, Value<'a>)], &'a [u8]);
    let cases: [Case<'_>; 3] =
        [(EMPTY, &[], b""), (PAYLOAD, &[], b"{'foo':'bar'}"), (HEADER, &content_type, b"{'foo':'bar'}")];
    for (hex, headers, payload) in cases {
        let raw = bytes(hex);
        let message = parse(&raw).unwrap();
        assert_eq!((message.headers().collect::<Vec<_>>().as_slice(), message.payload), (headers, payload));
        let mut out = Vec::new();
        write(&mut out, headers, payload).unwrap();
        assert_eq!(out, raw);
    }
}

#[test]
fn headers_of_every_type_come_back() {
    let headers = [
        ("a", Value::Bool(true)),
        ("b", Value::Bool(false)),
        ("c", Value::Byte(-49)),
        ("d", Value::Short(-2)),
        ("e", Value::Int(40972)),
        ("f", Value::Long(i64::MIN)),
        ("g", Value::Bytes(b"I'm a little teapot!")),
        ("h", Value::Text("gr\u{fc}\u{df}")),
        ("i", Value::Timestamp(8_675_309)),
        ("j", Value::Uuid(*b"0123456789abcdef")),
    ];
    let mut out = Vec::new();
    write(&mut out, &headers, b"x").unwrap();
    let message = parse(&out).unwrap();
    assert_eq!(message.headers().collect::<Vec<_>>(), headers);
    assert_eq!(
        (message.text("h"), message.text("a"), message.text("z")),
        (Some("gr\u{fc}\u{df}"), None, None)
    );
}

#[test]
fn events_and_exceptions_have_the_headers_of_the_sdks() {
    let mut out = Vec::new();
    write_event(&mut out, "messageStart", b"{}").unwrap();
    let message = parse(&out).unwrap();
    assert_eq!(message.text(":event-type"), Some("messageStart"));
    assert_eq!(message.text(":message-type"), Some("event"));
    assert_eq!(message.text(":content-type"), Some("application/json"));
    let mut out = Vec::new();
    write_exception(&mut out, "throttlingException", b"{}").unwrap();
    let message = parse(&out).unwrap();
    assert_eq!(message.text(":exception-type"), Some("throttlingException"));
    assert_eq!(message.text(":message-type"), Some("exception"));
}

#[test]
fn what_is_broken_is_named() {
    let mut raw = bytes(HEADER);
    raw[1] ^= 1;
    assert_eq!(parse(&raw), Err(Error::PreludeChecksum));
    assert_eq!(frame(&[&raw], UNLIMITED).2, Err(Error::PreludeChecksum));
    let mut raw = bytes(HEADER);
    raw[50] ^= 1;
    assert_eq!(parse(&raw), Err(Error::Checksum));
    assert_eq!(parse(&bytes(HEADER)[..60]), Err(Error::Length));
    assert_eq!(parse(b""), Err(Error::Length));
    assert_eq!(parse(&[0; 11]), Err(Error::Length));
    for (length, headers, error) in
        [(15_u32, 0_u32, Error::Length), (20, 5, Error::Length), (u32::MAX, 128 * 1024 + 1, Error::TooLong)]
    {
        let mut raw = [length.to_be_bytes(), headers.to_be_bytes()].concat();
        raw.extend(crc32fast::hash(&raw).to_be_bytes());
        raw.extend([0; 8]);
        assert_eq!(frame(&[&raw], UNLIMITED).2, Err(error), "{length} {headers}");
    }
}

#[test]
fn headers_that_cannot_be_read_are_refused() {
    for block in [
        &[0_u8, 0][..],
        &[1, b'a'],
        &[1, b'a', 10],
        &[9, b'a', 0],
        &[1, b'a', 7, 0, 9, b'x'],
        &[1, 0xff, 0],
        &[1, b'a', 7, 0, 1, 0xff],
    ] {
        let length = u32::try_from(16 + block.len()).unwrap();
        let mut raw = [length.to_be_bytes(), u32::try_from(block.len()).unwrap().to_be_bytes()].concat();
        raw.extend(crc32fast::hash(&raw).to_be_bytes());
        raw.extend(block);
        raw.extend(crc32fast::hash(&raw).to_be_bytes());
        assert_eq!(parse(&raw), Err(Error::Header), "{block:?}");
    }
    let long = "x".repeat(40_000);
    let mut out = Vec::new();
    assert_eq!(write(&mut out, &[("a", Value::Text(&long))], b""), Err(Error::TooLong));
    assert_eq!(write(&mut out, &[(&long[..256], Value::Bool(true))], b""), Err(Error::TooLong));
    assert_eq!(write(&mut out, &[("", Value::Bool(true))], b""), Err(Error::Header));
    assert!(out.is_empty());
}

#[test]
fn a_message_over_the_limit_is_refused_before_it_is_kept() {
    let raw = [bytes(EMPTY), bytes(HEADER), bytes(EMPTY)].concat();
    for size in 1..raw.len() {
        let mut framer = Framer::new(60);
        let mut messages = 0;
        let result = raw.chunks(size).try_for_each(|chunk| framer.push(chunk, |_| messages += 1));
        assert_eq!((result, messages), (Err(Error::TooLong), 1), "chunks of {size}");
        assert!(framer.pending().len() <= PRELUDE);
        assert_eq!(framer.push(b"x", |_| ()), Err(Error::TooLong));
    }
}

#[test]
fn a_whole_message_is_borrowed_from_its_chunk() {
    let chunk = [bytes(EMPTY), bytes(HEADER), vec![0]].concat();
    let mut framer = Framer::new(UNLIMITED);
    let mut offsets = Vec::new();
    framer.push(&chunk, |message| offsets.push(message.as_ptr() as usize - chunk.as_ptr() as usize)).unwrap();
    assert_eq!((offsets, framer.pending()), (vec![0, 16], [0].as_slice()));
    assert_eq!(framer.finish(), [0]);
    assert!(framer.pending().is_empty());
}

fn cut<'a>(raw: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let mut left = raw;
    for size in sizes.iter().cycle() {
        if left.is_empty() {
            break;
        }
        let (chunk, rest) = left.split_at((*size).min(left.len()));
        chunks.push(chunk);
        left = rest;
    }
    chunks
}

proptest! {
    #[test]
    fn any_split_gives_the_same_messages(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..20),
        sizes in prop::collection::vec(1usize..30, 1..20),
    ) {
        let mut raw = Vec::new();
        for payload in &payloads {
            write_event(&mut raw, "chunk", payload).unwrap();
        }
        raw.extend(&tail);
        let whole = frame(&[&raw], 1000);
        let (messages, pending, result) = frame(&cut(&raw, &sizes), 1000);
        prop_assert_eq!((&messages, result), (&whole.0, whole.2));
        if result.is_ok() {
            prop_assert_eq!(pending, whole.1);
        }
        let read: Vec<Vec<u8>> = messages.iter().take(payloads.len()).map(|raw| parse(raw).unwrap().payload.to_vec()).collect();
        prop_assert_eq!(read, payloads);
    }

    #[test]
    fn bytes_of_any_kind_give_a_message_or_an_error(raw in prop::collection::vec(any::<u8>(), 0..80), limit in 0usize..100) {
        let _ = parse(&raw);
        let (_, pending, _) = frame(&[&raw], limit);
        prop_assert!(pending.len() <= limit.max(PRELUDE));
    }
}
