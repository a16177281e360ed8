//! 64-bit hashes of byte strings, the same on every machine and in every version.
//!
//! [`farm`] is `Fingerprint64` of FarmHash (Geoff Pike, Google, 2014: `farmhashna::Hash64`); [`sip`] is
//! SipHash-2-4 (Jean-Philippe Aumasson and Daniel J. Bernstein, "SipHash: a fast short-input PRF", 2012). They
//! are the functions by which Keras's layers put strings into bins.

const K0: u64 = 0xc3a5_c85c_97cb_3127;
const K1: u64 = 0xb492_b66f_be98_f273;
const K2: u64 = 0x9ae1_6a3b_2f90_404f;

/// Eight bytes from `at`, or zero beyond the end, which callers never ask for.
fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u64::from_le_bytes(*b))
}

fn half_word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |b| u64::from(u32::from_le_bytes(*b)))
}

fn shift_mix(value: u64) -> u64 {
    value ^ (value >> 47)
}

fn mix(u: u64, v: u64, multiplier: u64) -> u64 {
    let a = shift_mix((u ^ v).wrapping_mul(multiplier));
    shift_mix((v ^ a).wrapping_mul(multiplier)).wrapping_mul(multiplier)
}

fn up_to_16(s: &[u8]) -> u64 {
    let len = s.len();
    let multiplier = K2.wrapping_add(2 * len as u64);
    if len >= 8 {
        let a = word(s, 0).wrapping_add(K2);
        let b = word(s, len - 8);
        let c = b.rotate_right(37).wrapping_mul(multiplier).wrapping_add(a);
        let d = a.rotate_right(25).wrapping_add(b).wrapping_mul(multiplier);
        return mix(c, d, multiplier);
    }
    if len >= 4 {
        return mix((len as u64).wrapping_add(half_word(s, 0) << 3), half_word(s, len - 4), multiplier);
    }
    let (Some(&first), Some(&last)) = (s.first(), s.last()) else { return K2 };
    let y = u64::from(first) + (u64::from(s[len >> 1]) << 8);
    let z = len as u64 + (u64::from(last) << 2);
    shift_mix(y.wrapping_mul(K2) ^ z.wrapping_mul(K0)).wrapping_mul(K2)
}

fn up_to_32(s: &[u8]) -> u64 {
    let len = s.len();
    let multiplier = K2.wrapping_add(2 * len as u64);
    let a = word(s, 0).wrapping_mul(K1);
    let b = word(s, 8);
    let c = word(s, len - 8).wrapping_mul(multiplier);
    let d = word(s, len - 16).wrapping_mul(K2);
    let u = a.wrapping_add(b).rotate_right(43).wrapping_add(c.rotate_right(30)).wrapping_add(d);
    let v = a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c);
    mix(u, v, multiplier)
}

fn up_to_64(s: &[u8]) -> u64 {
    let len = s.len();
    let multiplier = K2.wrapping_add(2 * len as u64);
    let a = word(s, 0).wrapping_mul(K2);
    let b = word(s, 8);
    let c = word(s, len - 8).wrapping_mul(multiplier);
    let d = word(s, len - 16).wrapping_mul(K2);
    let y = a.wrapping_add(b).rotate_right(43).wrapping_add(c.rotate_right(30)).wrapping_add(d);
    let z = mix(y, a.wrapping_add(b.wrapping_add(K2).rotate_right(18)).wrapping_add(c), multiplier);
    let e = word(s, 16).wrapping_mul(multiplier);
    let f = word(s, 24);
    let g = y.wrapping_add(word(s, len - 32)).wrapping_mul(multiplier);
    let h = z.wrapping_add(word(s, len - 24)).wrapping_mul(multiplier);
    let u = e.wrapping_add(f).rotate_right(43).wrapping_add(g.rotate_right(30)).wrapping_add(h);
    let v = e.wrapping_add(f.wrapping_add(a).rotate_right(18)).wrapping_add(g);
    mix(u, v, multiplier)
}

/// The state of the loop over blocks of 64 bytes.
struct State {
    x: u64,
    y: u64,
    z: u64,
    v: (u64, u64),
    w: (u64, u64),
}

fn weak(s: &[u8], a: u64, b: u64) -> (u64, u64) {
    let a = a.wrapping_add(word(s, 0));
    let last = word(s, 24);
    let b = b.wrapping_add(a).wrapping_add(last).rotate_right(21);
    let sum = a.wrapping_add(word(s, 8)).wrapping_add(word(s, 16));
    (sum.wrapping_add(last), b.wrapping_add(sum.rotate_right(44)).wrapping_add(a))
}

impl State {
    /// Takes in 64 bytes; the last block weighs the state differently.
    fn absorb(&mut self, s: &[u8], multiplier: u64, weights: (u64, u64)) {
        let x = self.x.wrapping_add(self.y).wrapping_add(self.v.0).wrapping_add(word(s, 8));
        let x = x.rotate_right(37).wrapping_mul(multiplier) ^ self.w.1.wrapping_mul(weights.0);
        let y = self.y.wrapping_add(self.v.1).wrapping_add(word(s, 48)).rotate_right(42);
        let y = y.wrapping_mul(multiplier).wrapping_add(self.v.0.wrapping_mul(weights.1));
        let y = y.wrapping_add(word(s, 40));
        let z = self.z.wrapping_add(self.w.0).rotate_right(33).wrapping_mul(multiplier);
        self.v = weak(s, self.v.1.wrapping_mul(multiplier), x.wrapping_add(self.w.0));
        self.w = weak(&s[32..], z.wrapping_add(self.w.1), y.wrapping_add(word(s, 16)));
        (self.x, self.y, self.z) = (z, y, x);
    }
}

/// FarmHash's 64-bit fingerprint.
pub fn farm(s: &[u8]) -> u64 {
    match s.len() {
        0..=16 => return up_to_16(s),
        17..=32 => return up_to_32(s),
        33..=64 => return up_to_64(s),
        _ => {}
    }
    const SEED: u64 = 81;
    let y = SEED.wrapping_mul(K1).wrapping_add(113);
    let mut state = State {
        x: SEED.wrapping_mul(K2).wrapping_add(word(s, 0)),
        y,
        z: shift_mix(y.wrapping_mul(K2).wrapping_add(113)).wrapping_mul(K2),
        v: (0, 0),
        w: (0, 0),
    };
    let blocks = (s.len() - 1) / 64;
    for block in s.chunks_exact(64).take(blocks) {
        state.absorb(block, K1, (1, 1));
    }
    let multiplier = K1.wrapping_add((state.z & 0xff) << 1);
    state.w.0 = state.w.0.wrapping_add((s.len() as u64 - 1) & 63);
    state.v.0 = state.v.0.wrapping_add(state.w.0);
    state.w.0 = state.w.0.wrapping_add(state.v.0);
    state.absorb(&s[s.len() - 64..], multiplier, (9, 9));
    let State { x, y, z, v, w } = state;
    let first = mix(v.0, w.0, multiplier).wrapping_add(shift_mix(y).wrapping_mul(K0)).wrapping_add(z);
    mix(first, mix(v.1, w.1, multiplier).wrapping_add(x), multiplier)
}

/// SipHash-2-4 under a key of two words.
pub fn sip(s: &[u8], key: [u64; 2]) -> u64 {
    let [k0, k1] = key;
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let chunks = s.chunks_exact(8);
    let mut last = [0; 8];
    last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
    last[7] = s.len() as u8;
    for block in chunks.chain([&last[..]]) {
        let message = word(block, 0);
        v[3] ^= message;
        sip_rounds(&mut v, 2);
        v[0] ^= message;
    }
    v[2] ^= 0xff;
    sip_rounds(&mut v, 4);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_rounds(v: &mut [u64; 4], rounds: usize) {
    for _ in 0..rounds {
        v[0] = v[0].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(13) ^ v[0];
        v[0] = v[0].rotate_left(32);
        v[2] = v[2].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(16) ^ v[2];
        v[0] = v[0].wrapping_add(v[3]);
        v[3] = v[3].rotate_left(21) ^ v[0];
        v[2] = v[2].wrapping_add(v[1]);
        v[1] = v[1].rotate_left(17) ^ v[2];
        v[2] = v[2].rotate_left(32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strings, and what TensorFlow's `to_hash_bucket_fast` and `to_hash_bucket_strong` (key 133, 137) give for
    /// 2**63 - 1 bins.
    #[test]
    fn values_are_those_of_tensorflow() {
        let all: String = (0u8..200).map(|i| char::from(33 + i % 90)).collect();
        let repeated = |c: &str, n| c.repeat(n);
        let cases: [(String, u64, u64); 14] = [
            (String::new(), 1936946117179621456, 4928313950774450900),
            ("a".into(), 3694432073954588132, 7077939996121841354),
            ("abc".into(), 2640714258260161385, 6899845086433867945),
            ("abcd".into(), 1897425971756105985, 7808205235328240072),
            ("hello world".into(), 6381520714923946011, 3672456908529363296),
            ("0123456789abcdef".into(), 6105018409752412263, 4045071960732599655),
            ("0123456789abcdefg".into(), 2800675501336285771, 2112349501170619355),
            (repeated("x", 32), 3678204687145032710, 814092544179586341),
            (repeated("x", 33), 3046993373088323128, 7959349581776540777),
            (repeated("y", 64), 4471793200125962424, 6417337102380857910),
            (repeated("z", 65), 8299915583762718517, 1285846017453303240),
            (repeated("w", 128), 1651997402916279192, 6700412559713051720),
            (all, 6368916165102340679, 868739854419449243),
            ("ü€ text".into(), 4470813213717463613, 8521077821777199542),
        ];
        const BINS: u64 = (1 << 63) - 1;
        for (text, fast, strong) in cases {
            assert_eq!(farm(text.as_bytes()) % BINS, fast, "farm of {text:?}");
            assert_eq!(sip(text.as_bytes(), [133, 137]) % BINS, strong, "sip of {text:?}");
        }
    }

    #[test]
    fn sip_is_that_of_the_paper() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let message: Vec<u8> = (0..15).collect();
        assert_eq!(sip(&message, key), 0xa129_ca61_49be_45e5);
    }

    #[test]
    fn every_length_has_its_own_value() {
        let bytes = [7u8; 300];
        let mut values: Vec<u64> = (0..=300).map(|n| farm(&bytes[..n])).collect();
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), 301);
    }
}
