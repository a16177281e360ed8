//! Conversions of float16 and bfloat16 without branches, so that loops over them vectorise.

/// float16 bits to f32, exact.
#[inline(always)]
pub(crate) fn f16_to_f32(h: u16) -> f32 {
    let h = u32::from(h);
    let magnitude = (h & 0x7fff) << 13;
    // Re-biases the exponent by 127 - 15 = 112; denormals become normal by the same product.
    let scaled = (f32::from_bits(magnitude) * f32::from_bits((127 + 112) << 23)).to_bits();
    let special = if magnitude >= 0x7c00 << 13 { 0x7f80_0000 } else { 0 };
    f32::from_bits(scaled | special | ((h & 0x8000) << 16))
}

/// f32 to float16 bits, rounded to nearest even; NaN becomes quiet.
#[inline(always)]
pub(crate) fn f16_from_f32(x: f32) -> u16 {
    let bits = x.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    // Below 2^-14: adding 0.5 leaves the rounded result in the low bits of the sum.
    let small = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let odd = (magnitude >> 13) & 1;
    let normal = magnitude.wrapping_sub(112 << 23).wrapping_add(0xfff + odd) >> 13;
    let finite = if magnitude < 113 << 23 { small } else { normal };
    let huge = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    // 65520 rounds to infinity.
    let result = if magnitude >= 0x477f_f000 { huge } else { finite };
    (sign | result) as u16
}

/// bfloat16 bits to f32, exact.
#[inline(always)]
pub(crate) fn bf16_to_f32(h: u16) -> f32 {
    f32::from_bits(u32::from(h) << 16)
}

/// f32 to bfloat16 bits, rounded to nearest even; NaN becomes quiet.
#[inline(always)]
pub(crate) fn bf16_from_f32(x: f32) -> u16 {
    let bits = x.to_bits();
    let odd = (bits >> 16) & 1;
    let rounded = bits.wrapping_add(0x7fff + odd) >> 16;
    let nan = (bits >> 16) | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { rounded }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn every_half_widens_exactly_and_comes_back() {
        for h in 0..=u16::MAX {
            let (wide, expected) = (f16_to_f32(h), f16::from_bits(h).to_f32());
            assert!(wide == expected || wide.is_nan() && expected.is_nan(), "{h:#x}");
            assert!(wide.is_nan() || f16_from_f32(wide) == h, "{h:#x}");
            let (wide, expected) = (bf16_to_f32(h), bf16::from_bits(h).to_f32());
            assert!(wide == expected || wide.is_nan() && expected.is_nan(), "{h:#x}");
            assert!(wide.is_nan() || bf16_from_f32(wide) == h, "{h:#x}");
        }
    }

    #[test]
    fn narrowing_rounds_as_half_does() {
        for i in 0..=u32::MAX / 251 {
            let x = f32::from_bits(i * 251);
            if x.is_nan() {
                assert!(
                    f16::from_bits(f16_from_f32(x)).is_nan() && bf16::from_bits(bf16_from_f32(x)).is_nan()
                );
                continue;
            }
            assert_eq!(f16_from_f32(x), f16::from_f32(x).to_bits(), "{x:e}");
            assert_eq!(bf16_from_f32(x), bf16::from_f32(x).to_bits(), "{x:e}");
        }
    }
}
