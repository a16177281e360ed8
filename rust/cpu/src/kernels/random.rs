//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

use oxhorn_core::Result;

use super::element::Tensor;
use crate::isa::Isa;
use crate::multiversion;
use crate::pool::{SharedMut, parallel_for};
use crate::step::{Args, Task};

const ROUNDS: usize = 10;
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
/// Blocks computed side by side.
const LANES: usize = 8;

/// The words of `LANES` blocks: word w of block l is the low half of `[w][l]`, which is how processors
/// multiply 32 bits to 64.
#[inline(always)]
fn blocks(mut key: [u32; 2], first: u64) -> [[u64; LANES]; 4] {
    const LOW: u64 = u32::MAX as u64;
    let mut x = [[0u64; LANES]; 4];
    for lane in 0..LANES {
        let counter = first + lane as u64;
        x[0][lane] = counter & LOW;
        x[1][lane] = counter >> 32;
    }
    for _ in 0..ROUNDS {
        let mut next = [[0u64; LANES]; 4];
        for lane in 0..LANES {
            let a = (x[0][lane] & LOW) * u64::from(MULTIPLIERS[0]);
            let b = (x[2][lane] & LOW) * u64::from(MULTIPLIERS[1]);
            next[0][lane] = (b >> 32) ^ (x[1][lane] & LOW) ^ u64::from(key[0]);
            next[1][lane] = b;
            next[2][lane] = (a >> 32) ^ (x[3][lane] & LOW) ^ u64::from(key[1]);
            next[3][lane] = a;
        }
        x = next;
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    x
}

multiversion! {
    /// Fills `out` with the words from block `first` on.
    fn philox(key: [u32; 2], first: u64, out: &mut [u32]) {
        for (group, words) in out.chunks_mut(4 * LANES).enumerate() {
            let x = blocks(key, first + (group * LANES) as u64);
            let mut all = [0u32; 4 * LANES];
            for lane in 0..LANES {
                for w in 0..4 {
                    all[4 * lane + w] = x[w][lane] as u32;
                }
            }
            words.copy_from_slice(&all[..words.len()]);
        }
    }
}

/// See [`oxhorn_core::op::RandomBits`].
pub(crate) fn random_bits(args: &Args<'_>) -> Result<Task> {
    let (key, y) = args.unary()?;
    let n = y.numel();
    let (key, y, isa) = (Tensor::of(key), Tensor::of(y), Isa::get());
    Ok(Box::new(move |frame| {
        // SAFETY: both are uint32; the result is this step's own.
        let (key, y) = unsafe { (key.read::<u32>(frame), SharedMut::new(y.write::<u32>(frame))) };
        let key = [key[0], key[1]];
        parallel_for(frame.pool, n, 1 << 14, |range| {
            let first = (range.start / 4) as u64;
            // SAFETY: ranges of different tasks are disjoint.
            philox(isa, key, first, unsafe { y.slice(range) });
        });
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // kat_vectors of Random123 for philox4x32-10: counter and key zero; counters of our form only.
        let mut out = [0u32; 8];
        philox(Isa::get(), [0, 0], 0, &mut out);
        assert_eq!(out[..4], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    }

    #[test]
    fn any_part_is_the_same_in_every_instruction_set() {
        let mut whole = vec![0u32; 1000];
        philox(Isa::BASELINE, [7, 9], 0, &mut whole);
        for isa in Isa::available() {
            let mut part = vec![0u32; 101];
            philox(isa, [7, 9], 25, &mut part);
            assert_eq!(part, whole[100..201]);
        }
    }
}
