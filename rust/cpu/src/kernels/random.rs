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
const LANES: usize = 16;

multiversion! {
    /// Fills `out` with the words from block `first` on.
    fn philox(key: [u32; 2], first: u64, out: &mut [u32]) {
        for (group, words) in out.chunks_mut(4 * LANES).enumerate() {
            let block = first + (group * LANES) as u64;
            let mut x = [[0u32; LANES]; 4];
            for lane in 0..LANES {
                let counter = block + lane as u64;
                x[0][lane] = counter as u32;
                x[1][lane] = (counter >> 32) as u32;
            }
            let mut key = key;
            for _ in 0..ROUNDS {
                for lane in 0..LANES {
                    let a = u64::from(x[0][lane]) * u64::from(MULTIPLIERS[0]);
                    let b = u64::from(x[2][lane]) * u64::from(MULTIPLIERS[1]);
                    let next0 = (b >> 32) as u32 ^ x[1][lane] ^ key[0];
                    let next2 = (a >> 32) as u32 ^ x[3][lane] ^ key[1];
                    x[0][lane] = next0;
                    x[1][lane] = b as u32;
                    x[2][lane] = next2;
                    x[3][lane] = a as u32;
                }
                key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
            }
            for (i, word) in words.iter_mut().enumerate() {
                *word = x[i % 4][i / 4];
            }
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
