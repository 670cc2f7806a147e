//! Counts that are remembered: a conversation sends all its earlier turns again with each new one, and many requests share a
//! system prompt.

use crate::encoding::Encoding;
use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};

/// Shorter texts are as quickly counted as looked up.
const WORTHWHILE_BYTES: usize = 64;
/// How many counts a thread remembers: a quarter of a megabyte.
const SLOTS: usize = 1 << 14;

thread_local! {
    static MEMO: RefCell<Memo> = RefCell::new(Memo::default());
}

/// Counts with `count`, unless this thread has counted the same text not long ago.
pub(crate) fn counted(encoding: Encoding, text: &str, count: impl FnOnce() -> usize) -> usize {
    if text.len() < WORTHWHILE_BYTES {
        return count();
    }
    MEMO.with_borrow_mut(|memo| memo.counted(encoding, text, count))
}

/// A table in which each text has one place, and the latest of a place stays.
///
/// A text is known by 64 bits of `SipHash` under a key that nobody outside knows, so no client can find two texts that are taken
/// for each other. By chance it is one in 10^15 with a full table, and costs a wrong count.
#[derive(Default)]
struct Memo {
    hasher: RandomState,
    /// Empty until the first use.
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u64,
    /// One more than the count; 0: nothing is remembered here.
    count: u32,
}

impl Memo {
    fn counted(&mut self, encoding: Encoding, text: &str, count: impl FnOnce() -> usize) -> usize {
        let hash = self.hasher.hash_one((encoding, text));
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Slot::default());
        }
        let Some(slot) = self.slots.get_mut(hash as usize % SLOTS) else { return count() };
        if slot.hash == hash
            && let Some(count) = slot.count.checked_sub(1)
        {
            return count as usize;
        }
        let count = count();
        *slot = Slot { hash, count: u32::try_from(count + 1).unwrap_or(0) };
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_counted_once_for_each_encoding() {
        let mut memo = Memo::default();
        let again = || panic!("it was counted before");
        assert_eq!(memo.counted(Encoding::O200k, "text", || 7), 7);
        assert_eq!(memo.counted(Encoding::Cl100k, "text", || 8), 8);
        assert_eq!(memo.counted(Encoding::O200k, "text", again), 7);
        assert_eq!(memo.counted(Encoding::Cl100k, "text", again), 8);
        assert_eq!(memo.counted(Encoding::O200k, "other", || 0), 0);
        assert_eq!(memo.counted(Encoding::O200k, "other", again), 0);
    }

    #[test]
    fn more_texts_than_there_are_places_take_no_more_room() {
        let mut memo = Memo::default();
        for number in 0..3 * SLOTS {
            assert_eq!(memo.counted(Encoding::O200k, &number.to_string(), || number), number);
        }
        assert_eq!(memo.slots.len(), SLOTS);
    }

    proptest! {
        #[test]
        fn a_remembered_count_is_that_of_the_text(texts in prop::collection::vec("[ab ]{60,70}", 1..20)) {
            for text in texts.iter().chain(&texts) {
                let fresh = Encoding::O200k.count_anew(text);
                prop_assert_eq!(Encoding::O200k.count(text), fresh);
            }
        }
    }
}
