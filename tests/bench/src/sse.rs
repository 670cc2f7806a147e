//! Counting server-sent events as they arrive, however the bytes are split.

const FIELD: &[u8] = b"data:";

/// Counts the lines that begin with `data:`, so that comments and event names do not count.
#[derive(Debug, Default)]
pub(crate) struct EventCounter {
    /// How far the line agrees with the field name.
    matched: Matched,
}

#[derive(Debug, Clone, Copy)]
enum Matched {
    /// This many bytes.
    Bytes(usize),
    /// It is another line, or one that was counted.
    Over,
}

impl Default for Matched {
    fn default() -> Self {
        Self::Bytes(0)
    }
}

impl EventCounter {
    /// The number of events that begin in `bytes`.
    pub(crate) fn count(&mut self, bytes: &[u8]) -> u64 {
        let mut events = 0;
        for &byte in bytes {
            self.matched = match (byte, self.matched) {
                (b'\n', _) => Matched::Bytes(0),
                (_, Matched::Bytes(matched)) if FIELD.get(matched) == Some(&byte) => {
                    if matched + 1 == FIELD.len() {
                        events += 1;
                        Matched::Over
                    } else {
                        Matched::Bytes(matched + 1)
                    }
                }
                _ => Matched::Over,
            };
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_split_counts_the_same() {
        let stream =
            b"event: ping\ndata: {\"a\":\"data:\"}\n\n: data: no\ndata:2\n\ndat: no\ndata: [DONE]\n\n";
        for size in 1..stream.len() {
            let mut counter = EventCounter::default();
            let events: u64 = stream.chunks(size).map(|piece| counter.count(piece)).sum();
            assert_eq!(events, 3, "pieces of {size}");
        }
    }
}
