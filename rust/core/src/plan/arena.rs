//! Offsets in one block of memory: best fit among the holes, holes merged when they meet.

use std::collections::{BTreeMap, BTreeSet};

/// What is free below the highest offset ever used.
#[derive(Debug)]
pub(super) struct Arena {
    alignment: usize,
    /// Size of each hole by its offset.
    holes: BTreeMap<usize, usize>,
    /// (size, offset) of each hole.
    by_size: BTreeSet<(usize, usize)>,
    end: usize,
}

impl Arena {
    /// An empty arena in which places are multiples of `alignment`.
    pub fn new(alignment: usize) -> Self {
        Self { alignment, holes: BTreeMap::new(), by_size: BTreeSet::new(), end: 0 }
    }

    /// What places are multiples of.
    pub fn alignment(&self) -> usize {
        self.alignment
    }

    /// A place for `bytes`, a multiple of the alignment.
    pub fn take(&mut self, bytes: usize) -> usize {
        let size = bytes.next_multiple_of(self.alignment);
        if size == 0 {
            return 0;
        }
        if let Some(&(hole, offset)) = self.by_size.range((size, 0)..).next() {
            self.remove(offset, hole);
            if hole > size {
                self.insert(offset + size, hole - size);
            }
            return offset;
        }
        // A hole at the end can grow.
        let last = self.holes.last_key_value().map(|(&o, &s)| (o, s)).filter(|&(o, s)| o + s == self.end);
        let offset = match last {
            Some((offset, hole)) => {
                self.remove(offset, hole);
                offset
            }
            None => self.end,
        };
        self.end = offset + size;
        offset
    }

    /// Gives a place back.
    pub fn give(&mut self, offset: usize, bytes: usize) {
        let (mut offset, mut size) = (offset, bytes.next_multiple_of(self.alignment));
        if size == 0 {
            return;
        }
        let below = self.holes.range(..offset).next_back().map(|(&o, &s)| (o, s));
        if let Some((o, s)) = below.filter(|&(o, s)| o + s == offset) {
            self.remove(o, s);
            offset = o;
            size += s;
        }
        if let Some(&s) = self.holes.get(&(offset + size)) {
            self.remove(offset + size, s);
            size += s;
        }
        self.insert(offset, size);
    }

    /// Size of the whole.
    pub fn size(&self) -> usize {
        self.end
    }

    fn insert(&mut self, offset: usize, size: usize) {
        self.holes.insert(offset, size);
        self.by_size.insert((size, offset));
    }

    fn remove(&mut self, offset: usize, size: usize) {
        self.holes.remove(&offset);
        self.by_size.remove(&(size, offset));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::ARENA_ALIGN;

    proptest! {
        #![proptest_config(crate::passes::testing::cases(200))]
        #[test]
        fn places_do_not_overlap(wide in any::<bool>(), ops in prop::collection::vec((0usize..500, any::<u8>()), 1..200)) {
            let alignment = if wide { 256 } else { ARENA_ALIGN };
            let mut arena = Arena::new(alignment);
            let mut live: Vec<(usize, usize)> = Vec::new();
            for (bytes, choice) in ops {
                if choice % 3 == 0 && !live.is_empty() {
                    let (offset, bytes) = live.swap_remove(choice as usize % live.len());
                    arena.give(offset, bytes);
                } else {
                    let offset = arena.take(bytes);
                    prop_assert_eq!(offset % alignment, 0);
                    prop_assert!(offset + bytes <= arena.size());
                    for &(o, b) in &live {
                        prop_assert!(bytes == 0 || b == 0 || offset + bytes <= o || o + b <= offset);
                    }
                    live.push((offset, bytes));
                }
            }
            for (offset, bytes) in live {
                arena.give(offset, bytes);
            }
            prop_assert!(arena.holes.len() <= 1);
        }
    }
}
