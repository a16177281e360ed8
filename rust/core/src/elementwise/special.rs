//! Scalar functions of the table that the standard library does not have, in f64 and exact integers.

use half::{bf16, f16};

use crate::DType;

/// -1, 0 or 1; NaN for NaN.
pub(super) fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else if x == 0.0 {
        0.0
    } else {
        x
    }
}

/// The larger one, NaN if either is.
pub(super) fn maximum(x: f64, y: f64) -> f64 {
    if x.is_nan() || x >= y { x } else { y }
}

/// The smaller one, NaN if either is.
pub(super) fn minimum(x: f64, y: f64) -> f64 {
    if x.is_nan() || x <= y { x } else { y }
}

/// Python's modulo: the sign of y. NaN for y = 0, as NumPy.
pub(super) fn modulo(x: f64, y: f64) -> f64 {
    let r = x % y;
    if r == 0.0 {
        return r.copysign(y);
    }
    if (r < 0.0) != (y < 0.0) { r + y } else { r }
}

/// Python's floor division, computed as NumPy's divmod does so that x = y * (x // y) + x % y holds as
/// nearly as it can.
pub(super) fn floor_div(x: f64, y: f64) -> f64 {
    if y == 0.0 {
        return x / y;
    }
    let remainder = x % y;
    let mut quotient = (x - remainder) / y;
    if remainder != 0.0 && (remainder < 0.0) != (y < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0.0f64.copysign(x / y);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 { floor + 1.0 } else { floor }
}

/// Python's modulo on integers, 0 for y = 0.
pub(super) fn int_modulo(x: i128, y: i128) -> i128 {
    if y == 0 {
        return 0;
    }
    let r = x % y;
    if r != 0 && (r < 0) != (y < 0) { r + y } else { r }
}

/// Python's floor division on integers, 0 for y = 0.
pub(super) fn int_floor_div(x: i128, y: i128) -> i128 {
    if y == 0 { 0 } else { (x - int_modulo(x, y)) / y }
}

/// x to the power y modulo 2^128; for negative y the truncated reciprocal power (0 for x = 0).
pub(super) fn int_power(x: i128, y: i128) -> i128 {
    if y < 0 {
        return match x {
            1 => 1,
            -1 if y % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        };
    }
    let (mut base, mut exponent, mut power) = (x, y, 1i128);
    while exponent > 0 {
        if exponent & 1 == 1 {
            power = power.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    power
}

/// x << y; 0 for shifts outside of the width.
pub(super) fn shift_left([x, y, _]: [i128; 3], bits: u32) -> i128 {
    if (0..i128::from(bits)).contains(&y) { x << y } else { 0 }
}

/// x >> y, arithmetic; shifts outside of the width give 0 or -1.
pub(super) fn shift_right([x, y, _]: [i128; 3], bits: u32) -> i128 {
    x >> if (0..i128::from(bits)).contains(&y) { y } else { 127 }
}

/// log(e^x + e^y) without overflow.
pub(super) fn log_add_exp(x: f64, y: f64) -> f64 {
    if x == y {
        return x + std::f64::consts::LN_2;
    }
    maximum(x, y) + (-(x - y).abs()).exp().ln_1p()
}

/// The neighbour of x in direction y among the values of `dtype`.
pub(super) fn next_after(x: f64, y: f64, dtype: DType) -> f64 {
    if x.is_nan() || y.is_nan() {
        return f64::NAN;
    }
    if x == y {
        return y;
    }
    // The bits of finite floats of one sign are ordered as they are, so a neighbour is one bit pattern away.
    macro_rules! step {
        ($float:expr, $tiny:expr, $from_bits:expr) => {{
            let bits = $float;
            if x == 0.0 {
                f64::from($from_bits($tiny)).copysign(y)
            } else if (y > x) == (x > 0.0) {
                f64::from($from_bits(bits + 1))
            } else {
                f64::from($from_bits(bits - 1))
            }
        }};
    }
    match dtype {
        DType::F16 => step!(f16::from_f64(x).to_bits(), 1, f16::from_bits),
        DType::BF16 => step!(bf16::from_f64(x).to_bits(), 1, bf16::from_bits),
        DType::F32 => step!((x as f32).to_bits(), 1, f32::from_bits),
        _ => step!(x.to_bits(), 1, f64::from_bits),
    }
}

/// Inverse error function: Winitzki's approximation (2008), then Halley's iteration on erf or erfc.
pub(super) fn erfinv(x: f64) -> f64 {
    if x.is_nan() || x.abs() > 1.0 {
        return f64::NAN;
    }
    if x.abs() == 1.0 {
        return f64::INFINITY.copysign(x);
    }
    let a = x.abs();
    let log = (-a * a).ln_1p();
    let t = 2.0 / (std::f64::consts::PI * 0.147) + log / 2.0;
    let mut y = ((t * t - log / 0.147).sqrt() - t).max(0.0).sqrt();
    for _ in 0..4 {
        // Near 1, erf has no digits left and erfc has all of them.
        let error = if a < 0.5 { libm::erf(y) - a } else { (1.0 - a) - libm::erfc(y) };
        let step = error / (std::f64::consts::FRAC_2_SQRT_PI * (-y * y).exp());
        y -= step / (1.0 + y * step);
    }
    y.copysign(x)
}

/// Derivative of lgamma: reflection, recurrence to x >= 10, then the asymptotic series (Abramowitz and
/// Stegun, 6.3.18).
pub(super) fn digamma(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x == 0.0 {
        return f64::NEG_INFINITY.copysign(-x);
    }
    if x < 0.0 {
        return if x == x.floor() { f64::NAN } else { digamma(1.0 - x) - PI / (PI * x).tan() };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    const SERIES: [f64; 6] =
        [1.0 / 12.0, -1.0 / 120.0, 1.0 / 252.0, -1.0 / 240.0, 1.0 / 132.0, -691.0 / 32760.0];
    let square = 1.0 / (x * x);
    let tail = SERIES.iter().rev().fold(0.0, |tail, c| (tail + c) * square);
    sum + x.ln() - 0.5 / x - tail
}

/// Derivative of digamma, by the same steps (Abramowitz and Stegun, 6.4.12).
pub(super) fn trigamma(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x <= 0.0 {
        return if x == x.floor() {
            f64::INFINITY
        } else {
            (PI / (PI * x).sin()).powi(2) - trigamma(1.0 - x)
        };
    }
    let (mut x, mut sum) = (x, 0.0);
    while x < 10.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    const SERIES: [f64; 6] = [1.0 / 6.0, -1.0 / 30.0, 1.0 / 42.0, -1.0 / 30.0, 5.0 / 66.0, -691.0 / 2730.0];
    let square = 1.0 / (x * x);
    let tail = SERIES.iter().rev().fold(0.0, |tail, c| (tail + c) * square);
    sum + (1.0 + tail) / x + square / 2.0
}
