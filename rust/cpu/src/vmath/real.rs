//! The two native float types and their functions.
//!
//! A formula that serves both types is written once, as a provided method; a type brings the constants and
//! the bits. Sources: exp's and f64's log polynomials after SLEEF (Shibata and Petrogalli, 2020) and fdlibm
//! (Sun, 1993), sine and cosine after Cephes (Moshier) and fdlibm.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::Arch;

/// f32 or f64, with functions that vectorise. Greatest errors, in ULP, that the tests allow:
///
/// | function               | f32 | f64       |
/// |------------------------|-----|-----------|
/// | exp, exp2              | 1.5 | 1.5       |
/// | expm1                  | 1.5 | 2         |
/// | ln, ln_1p              | 2   | 2         |
/// | log2, log10            | 0.6 | 1 (std)   |
/// | sin, cos               | 1.6 | 2         |
/// | tan                    | 3.5 | 3.5       |
/// | tanh                   | 3   | 3         |
/// | sigmoid, softplus      | 3   | 3         |
/// | erf                    | 1.5 | 1 (libm)  |
/// | erfc                   | 4   | 1 (libm)  |
/// | pow                    | 0.6 | 1 (std)   |
///
/// `std` and `libm` mean scalar code: functions of f64 that nothing waits for.
pub(crate) trait Real:
    Copy
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// Arguments of exp outside of this range overflow or vanish.
    const EXP_RANGE: [f64; 2];
    const EXP2_RANGE: [f64; 2];
    /// Below it, expm1 is -1.
    const EXPM1_LOW: f64;
    /// From here on, tanh is 1.
    const TANH_HIGH: f64;
    /// ln 2 in two parts, the first with so few bits that its multiples up to the exponent's range are exact.
    const LN2: [f64; 2];
    /// Adding it rounds to an integer, which is then in the low bits of the sum.
    const ROUNDER: Self;

    fn of(x: f64) -> Self;
    fn wide(self) -> f64;
    fn mul_add<A: Arch>(self, b: Self, c: Self) -> Self;
    fn sqrt(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    /// To nearest, halves to even.
    fn round(self) -> Self;
    fn trunc(self) -> Self;
    fn abs(self) -> Self;
    fn copysign(self, y: Self) -> Self;

    /// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2.
    fn exp_polynomial<A: Arch>(r: Self) -> Self;
    /// `x` times two to the integer in the low bits of `shifted`, a sum with [`Real::ROUNDER`].
    fn scale(x: Self, shifted: Self) -> Self;
    /// Half of two to that integer.
    fn half_power(shifted: Self) -> Self;
    /// `x` as 2^k (1 + f) with f in [1/sqrt(2) - 1, sqrt(2) - 1): (k, f). For positive finite x.
    fn split(x: Self) -> (Self, Self);
    /// log(1 + f) to second order is f - f^2 / 2; this is fdlibm's R(z), z = (f / (2 + f))^2.
    fn log_polynomial<A: Arch>(z: Self) -> Self;

    fn sin<A: Arch>(self) -> Self;
    fn cos<A: Arch>(self) -> Self;
    fn tan<A: Arch>(self) -> Self;
    fn erf<A: Arch>(self) -> Self;
    fn erfc<A: Arch>(self) -> Self;
    fn log2<A: Arch>(self) -> Self;
    fn log10<A: Arch>(self) -> Self;
    fn pow<A: Arch>(self, y: Self) -> Self;
    /// Sine of an argument that is not [`near`](Real::is_near).
    fn far_sin(self) -> Self;
    /// Cosine of such an argument.
    fn far_cos(self) -> Self;
    /// Tangent of such an argument.
    fn far_tan(self) -> Self;

    /// Whether sin, cos and tan are accurate: multiples of pi / 2 up to here are exact.
    #[inline(always)]
    fn is_near(self) -> bool {
        self.abs() <= Self::of(1e5)
    }

    /// `x` as n ln 2 + r: (n, still shifted; r).
    #[inline(always)]
    fn reduce<A: Arch>(x: Self) -> (Self, Self) {
        let shifted = x.mul_add::<A>(Self::of(std::f64::consts::LOG2_E), Self::ROUNDER);
        let n = shifted - Self::ROUNDER;
        let r = n.mul_add::<A>(Self::of(-Self::LN2[0]), x);
        (shifted, n.mul_add::<A>(Self::of(-Self::LN2[1]), r))
    }

    #[inline(always)]
    fn exp<A: Arch>(self) -> Self {
        let (shifted, r) = Self::reduce::<A>(clamp(self, Self::EXP_RANGE));
        Self::scale(Self::exp_polynomial::<A>(r).mul_add::<A>(r * r, r) + Self::of(1.0), shifted)
    }

    #[inline(always)]
    fn exp2<A: Arch>(self) -> Self {
        let x = clamp(self, Self::EXP2_RANGE);
        let shifted = x + Self::ROUNDER;
        let r = (x - (shifted - Self::ROUNDER)) * Self::of(std::f64::consts::LN_2);
        Self::scale(Self::exp_polynomial::<A>(r).mul_add::<A>(r * r, r) + Self::of(1.0), shifted)
    }

    #[inline(always)]
    fn expm1<A: Arch>(self) -> Self {
        let (shifted, r) = Self::reduce::<A>(clamp(self, [Self::EXPM1_LOW, Self::EXP_RANGE[1]]));
        let p = Self::exp_polynomial::<A>(r).mul_add::<A>(r * r, r);
        // 2^n (e^r - 1) + (2^n - 1), halved so that 2^n fits.
        let half = Self::half_power(shifted);
        let y = p.mul_add::<A>(half, half - Self::of(0.5)) * Self::of(2.0);
        choose(self == Self::of(0.0), self, y)
    }

    #[inline(always)]
    fn ln<A: Arch>(self) -> Self {
        let (k, f) = Self::split(self);
        let half_square = Self::of(0.5) * f * f;
        let s = f / (Self::of(2.0) + f);
        let tail = s * (half_square + Self::log_polynomial::<A>(s * s));
        let y = k.mul_add::<A>(Self::of(Self::LN2[1]), tail) - half_square + f;
        let y = k.mul_add::<A>(Self::of(Self::LN2[0]), y);
        let y = choose(self == Self::of(f64::INFINITY), self, y);
        let y = choose(self == Self::of(0.0), Self::of(f64::NEG_INFINITY), y);
        choose(self >= Self::of(0.0), y, Self::of(f64::NAN))
    }

    #[inline(always)]
    fn ln_1p<A: Arch>(self) -> Self {
        let (zero, one) = (Self::of(0.0), Self::of(1.0));
        let u = one + self;
        // What u has lost, to first order.
        let lost = (self - (u - one)) / u;
        let lost = choose(u > zero && u < Self::of(f64::INFINITY), lost, zero);
        choose(self == zero, self, u.ln::<A>() + lost)
    }

    #[inline(always)]
    fn tanh<A: Arch>(self) -> Self {
        let x = self.abs();
        let x = choose(x > Self::of(Self::TANH_HIGH), Self::of(Self::TANH_HIGH), x);
        let e = (x + x).expm1::<A>();
        (e / (e + Self::of(2.0))).copysign(self)
    }

    #[inline(always)]
    fn sigmoid<A: Arch>(self) -> Self {
        // From the side on which e^-|x| does not overflow, so that small results keep their digits.
        let e = (-self.abs()).exp::<A>();
        choose(self < Self::of(0.0), e, Self::of(1.0)) / (Self::of(1.0) + e)
    }

    #[inline(always)]
    fn softplus<A: Arch>(self) -> Self {
        choose(self < Self::of(0.0), Self::of(0.0), self) + (-self.abs()).exp::<A>().ln_1p::<A>()
    }

    #[inline(always)]
    fn logaddexp<A: Arch>(self, y: Self) -> Self {
        let sum = choose(self < y, y, self) + (-(self - y).abs()).exp::<A>().ln_1p::<A>();
        choose(self == y, self + Self::of(std::f64::consts::LN_2), sum)
    }
}

/// `a` where `condition`, else `b`: both are computed, nothing branches.
#[inline(always)]
fn choose<T>(condition: bool, a: T, b: T) -> T {
    if condition { a } else { b }
}

/// `x` in a range; NaN stays.
#[inline(always)]
fn clamp<T: Real>(x: T, [low, high]: [f64; 2]) -> T {
    let x = choose(x > T::of(high), T::of(high), x);
    choose(x < T::of(low), T::of(low), x)
}

/// A polynomial, highest power first.
#[inline(always)]
fn horner<T: Real, A: Arch, const N: usize>(x: T, coefficients: [f64; N]) -> T {
    let mut p = T::of(coefficients[0]);
    for i in 1..N {
        p = p.mul_add::<A>(x, T::of(coefficients[i]));
    }
    p
}

/// pi / 2 in three parts, the first two of 33 bits (fdlibm's).
const HALF_PI: [f64; 3] = [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_7e-21];

/// `x` as a multiple of pi / 2 and what remains: (remainder; the multiple modulo 4).
#[inline(always)]
fn quadrant<A: Arch>(x: f64) -> (f64, u64) {
    let shifted = Real::mul_add::<A>(x, std::f64::consts::FRAC_2_PI, f64::ROUNDER);
    let n = shifted - f64::ROUNDER;
    let r = Real::mul_add::<A>(n, -HALF_PI[0], x);
    let r = Real::mul_add::<A>(n, -HALF_PI[1], r);
    (Real::mul_add::<A>(n, -HALF_PI[2], r), shifted.to_bits() & 3)
}

/// Methods that are the same text for both types.
macro_rules! plain {
    ($t:ident) => {
        #[inline(always)]
        fn of(x: f64) -> Self {
            x as $t
        }
        #[inline(always)]
        fn wide(self) -> f64 {
            self as f64
        }
        #[inline(always)]
        fn mul_add<A: Arch>(self, b: Self, c: Self) -> Self {
            if A::FMA { self.mul_add(b, c) } else { self * b + c }
        }
        #[inline(always)]
        fn sqrt(self) -> Self {
            self.sqrt()
        }
        #[inline(always)]
        fn floor(self) -> Self {
            self.floor()
        }
        #[inline(always)]
        fn ceil(self) -> Self {
            self.ceil()
        }
        #[inline(always)]
        fn round(self) -> Self {
            self.round_ties_even()
        }
        #[inline(always)]
        fn trunc(self) -> Self {
            self.trunc()
        }
        #[inline(always)]
        fn abs(self) -> Self {
            self.abs()
        }
        #[inline(always)]
        fn copysign(self, y: Self) -> Self {
            self.copysign(y)
        }
        #[inline(always)]
        fn sin<A: Arch>(self) -> Self {
            let (sin, cos, n) = sin_cos::$t::<A>(self);
            let y = choose(n & 1 == 0, sin, cos);
            choose(self == 0.0, self, choose(n & 2 == 0, y, -y))
        }
        #[inline(always)]
        fn cos<A: Arch>(self) -> Self {
            let (sin, cos, n) = sin_cos::$t::<A>(self);
            let y = choose(n & 1 == 0, cos, sin);
            choose((n + 1) & 2 == 0, y, -y)
        }
        #[inline(always)]
        fn tan<A: Arch>(self) -> Self {
            let (sin, cos, n) = sin_cos::$t::<A>(self);
            let y = choose(n & 1 == 0, sin, -cos) / choose(n & 1 == 0, cos, sin);
            choose(self == 0.0, self, y)
        }
        fn far_sin(self) -> Self {
            self.sin()
        }
        fn far_cos(self) -> Self {
            self.cos()
        }
        fn far_tan(self) -> Self {
            self.tan()
        }
    };
}

/// erf(x) for |x| < 0.93, by N. Juffa.
#[inline(always)]
fn erf_near_zero<A: Arch>(x: f32) -> f32 {
    let p = horner::<f32, A, 6>(
        x * x,
        [
            -5.967_617_03e-4,
            4.991_194_23e-3,
            -2.676_813_49e-2,
            1.128_199_25e-1,
            -3.761_253_36e-1,
            1.283_791_66e-1,
        ],
    );
    Real::mul_add::<A>(p, x, x)
}

impl Real for f32 {
    const EXP_RANGE: [f64; 2] = [-104.0, 89.0];
    const EXP2_RANGE: [f64; 2] = [-151.0, 129.0];
    const EXPM1_LOW: f64 = -18.0;
    const TANH_HIGH: f64 = 9.1;
    const LN2: [f64; 2] = [0.693_359_375, -2.121_944_4e-4];
    const ROUNDER: f32 = 12_582_912.0;

    plain!(f32);

    #[inline(always)]
    fn exp_polynomial<A: Arch>(r: f32) -> f32 {
        horner::<f32, A, 6>(
            r,
            [
                0.000_198_527_617_612_853_65,
                0.001_393_043_552_525_341_5,
                0.008_333_360_776_305_187,
                0.041_666_485_369_205_475,
                0.166_666_671_633_720_4,
                0.5,
            ],
        )
    }

    #[inline(always)]
    fn scale(x: f32, shifted: f32) -> f32 {
        // In two steps, since 2^n itself may be out of range. Kept positive, so that shifts are logical.
        let n = shifted.to_bits().wrapping_sub(Self::ROUNDER.to_bits()).wrapping_add(512);
        let half = n >> 1;
        let power = |n: u32| f32::from_bits(n.wrapping_sub(256 - 127) << 23);
        x * power(half) * power(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn half_power(shifted: f32) -> f32 {
        let n = shifted.to_bits().wrapping_sub(Self::ROUNDER.to_bits());
        f32::from_bits(n.wrapping_add(126) << 23)
    }

    #[inline(always)]
    fn split(x: f32) -> (f32, f32) {
        let tiny = x < f32::MIN_POSITIVE;
        let bits = choose(tiny, x * 8_388_608.0, x).to_bits();
        // Counted from 1/sqrt(2), so that the fraction lies on both sides of 1.
        let offset = bits.wrapping_sub(0x3f35_04f3);
        let k = (offset as i32 >> 23) as f32 - choose(tiny, 23.0, 0.0);
        (k, f32::from_bits((offset & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0)
    }

    #[inline(always)]
    fn log_polynomial<A: Arch>(z: f32) -> f32 {
        z * horner::<f32, A, 4>(z, [0.242_790_788_41, 0.284_987_866_88, 0.400_009_721_52, 0.666_666_626_93])
    }

    #[inline(always)]
    fn erf<A: Arch>(self) -> f32 {
        // Two polynomials by N. Juffa; the second is of log(1 - erf(x)).
        let t = self.abs();
        let small = erf_near_zero::<A>(self);
        let capped = choose(t > 4.0, 4.0, t);
        let r = Real::mul_add::<A>(-1.728_534_7e-5, capped, 3.831_971_3e-4);
        let u = Real::mul_add::<A>(-3.883_964_4e-3, capped, 2.425_462_2e-2);
        let r = Real::mul_add::<A>(r, capped * capped, u);
        let r = Real::mul_add::<A>(r, capped, -1.067_778_8e-1);
        let r = Real::mul_add::<A>(r, capped, -6.348_467e-1);
        let r = Real::mul_add::<A>(r, capped, -1.287_175_1e-1);
        let r = Real::mul_add::<A>(r, capped, -capped);
        let large = (1.0 - Real::exp::<A>(r)).copysign(self);
        choose(t > 0.927_734_4, large, small)
    }

    #[inline(always)]
    fn erfc<A: Arch>(self) -> f32 {
        // e^(a^2) erfc(a) (a + 2) is a polynomial of q = (a - 2) / (a + 2), fitted on [0, 10.19] by Chebyshev
        // interpolation with a relative error of 7e-9. From there on erfc vanishes.
        let a = clamp(self.abs(), [0.0, 10.19]);
        let inverse = 1.0 / (a + 2.0);
        let p = horner::<f32, A, 11>(
            (a - 2.0) * inverse,
            [
                6.411_238_606_93e-5,
                3.933_842_948_34e-5,
                -5.879_203_513_58e-4,
                -8.233_258_103_07e-4,
                3.061_433_301_18e-3,
                6.472_438_812_27e-3,
                -2.150_563_239_74e-2,
                -3.644_126_887_8e-2,
                2.794_717_666_92e-1,
                -6.871_607_181_93e-1,
                1.021_582_708_85,
            ],
        );
        // a^2 in two parts, since its rounding error would be magnified: the square of a's upper half is exact.
        let upper = f32::from_bits(a.to_bits() & 0xffff_f000);
        let (shifted, r) = Self::reduce::<A>(-(upper * upper));
        let r = r - (a - upper) * (a + upper);
        let e = Self::scale(Real::mul_add::<A>(Self::exp_polynomial::<A>(r), r * r, r) + 1.0, shifted);
        let y = p * inverse * e;
        let far = choose(self < 0.0, 2.0 - y, y);
        choose(a < 0.5, 1.0 - erf_near_zero::<A>(self), far)
    }

    #[inline(always)]
    fn log2<A: Arch>(self) -> f32 {
        log_in_f64::<A>(self, 1.0, std::f64::consts::LOG2_E)
    }

    #[inline(always)]
    fn log10<A: Arch>(self) -> f32 {
        log_in_f64::<A>(self, std::f64::consts::LOG10_2, std::f64::consts::LOG10_E)
    }

    #[inline(always)]
    fn pow<A: Arch>(self, y: f32) -> f32 {
        // In f64, which has the digits that the exponential takes away.
        let (k, f) = f64::split(f64::from(self.abs()));
        let log2 = Real::mul_add::<A>(log_1p_in_f64::<A>(f), std::f64::consts::LOG2_E, k);
        let log2 = choose(self == 0.0, f64::NEG_INFINITY, log2);
        let log2 = choose(self.abs() == f32::INFINITY, f64::INFINITY, log2);
        let log2 = choose(self.is_nan(), f64::NAN, log2);
        let power = Real::exp2::<A>(clamp(log2 * f64::from(y), [-300.0, 300.0])) as f32;
        let whole = y.trunc() == y;
        let odd = whole && (y * 0.5).trunc() != y * 0.5;
        let negative = self.to_bits() >> 31 == 1;
        let signed = choose(negative && odd, -power, power);
        let signed = choose(self < 0.0 && !whole && self != f32::NEG_INFINITY, f32::NAN, signed);
        choose(y == 0.0 || self == 1.0 || (self == -1.0 && y.abs() == f32::INFINITY), 1.0, signed)
    }
}

/// log(1 + f) for the f of [`Real::split`].
#[inline(always)]
fn log_1p_in_f64<A: Arch>(f: f64) -> f64 {
    let half_square = 0.5 * f * f;
    let s = f / (2.0 + f);
    s * (half_square + f64::log_polynomial::<A>(s * s)) - half_square + f
}

/// `of_two` times the exponent plus `of_e` times the natural logarithm of the fraction.
#[inline(always)]
fn log_in_f64<A: Arch>(x: f32, of_two: f64, of_e: f64) -> f32 {
    let (k, f) = f64::split(f64::from(x));
    let y = Real::mul_add::<A>(log_1p_in_f64::<A>(f), of_e, k * of_two) as f32;
    let y = choose(x == f32::INFINITY, x, y);
    let y = choose(x == 0.0, f32::NEG_INFINITY, y);
    choose(x >= 0.0, y, f32::NAN)
}

impl Real for f64 {
    const EXP_RANGE: [f64; 2] = [-746.0, 710.0];
    const EXP2_RANGE: [f64; 2] = [-1076.0, 1025.0];
    const EXPM1_LOW: f64 = -38.0;
    const TANH_HIGH: f64 = 20.0;
    const LN2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
    const ROUNDER: f64 = 6_755_399_441_055_744.0;

    plain!(f64);

    #[inline(always)]
    fn exp_polynomial<A: Arch>(r: f64) -> f64 {
        // The Taylor series: what is left out is less than a tenth of an ULP.
        horner::<f64, A, 12>(
            r,
            [
                1.6059043836821613e-10,
                2.08767569878681e-09,
                2.505210838544172e-08,
                2.755731922398589e-07,
                2.7557319223985893e-06,
                2.48015873015873e-05,
                0.0001984126984126984,
                0.001388888888888889,
                0.008333333333333333,
                0.041666666666666664,
                0.16666666666666666,
                0.5,
            ],
        )
    }

    #[inline(always)]
    fn scale(x: f64, shifted: f64) -> f64 {
        let n = shifted.to_bits().wrapping_sub(Self::ROUNDER.to_bits()).wrapping_add(4096);
        let half = n >> 1;
        let power = |n: u64| f64::from_bits(n.wrapping_sub(2048 - 1023) << 52);
        x * power(half) * power(n.wrapping_sub(half))
    }

    #[inline(always)]
    fn half_power(shifted: f64) -> f64 {
        let n = shifted.to_bits().wrapping_sub(Self::ROUNDER.to_bits());
        f64::from_bits(n.wrapping_add(1022) << 52)
    }

    #[inline(always)]
    fn split(x: f64) -> (f64, f64) {
        const FROM: u64 = 0x3fe6_a09e_667f_3bcd;
        let tiny = x < f64::MIN_POSITIVE;
        let bits = choose(tiny, x * 18_014_398_509_481_984.0, x).to_bits();
        // 1024 exponents more, so that the difference is positive and its shift logical.
        let offset = bits.wrapping_add((1024 << 52) - FROM);
        // The exponent goes into the low bits of a float of that size: no conversion from u64 is needed.
        let k =
            f64::from_bits((offset >> 52) | 4_503_599_627_370_496.0f64.to_bits()) - 4_503_599_627_370_496.0;
        let k = k - 1024.0 - choose(tiny, 54.0, 0.0);
        (k, f64::from_bits((offset & 0x000f_ffff_ffff_ffff) + FROM) - 1.0)
    }

    #[inline(always)]
    fn log_polynomial<A: Arch>(z: f64) -> f64 {
        z * horner::<f64, A, 7>(
            z,
            [
                1.479_819_860_511_658_6e-1,
                1.531_383_769_920_937_3e-1,
                1.818_357_216_161_805e-1,
                2.222_219_843_214_978_4e-1,
                2.857_142_874_366_239e-1,
                3.999_999_999_940_942e-1,
                6.666_666_666_666_735e-1,
            ],
        )
    }

    fn erf<A: Arch>(self) -> f64 {
        libm::erf(self)
    }

    fn erfc<A: Arch>(self) -> f64 {
        libm::erfc(self)
    }

    fn log2<A: Arch>(self) -> f64 {
        self.log2()
    }

    fn log10<A: Arch>(self) -> f64 {
        self.log10()
    }

    fn pow<A: Arch>(self, y: f64) -> f64 {
        self.powf(y)
    }
}

/// Sine and cosine of what remains after multiples of pi / 2, and the multiple modulo 4.
mod sin_cos {
    use super::{Arch, Real, horner, quadrant};

    #[inline(always)]
    pub fn f32<A: Arch>(x: f32) -> (f32, f32, u32) {
        let (r, n) = quadrant::<A>(f64::from(x));
        let r = r as f32;
        let z = r * r;
        let sin = horner::<f32, A, 3>(z, [-1.951_529_589_1e-4, 8.332_160_873_6e-3, -1.666_665_461_1e-1]);
        let cos = horner::<f32, A, 3>(
            z,
            [2.443_315_711_809_948e-5, -1.388_731_625_493_765e-3, 4.166_664_568_298_827e-2],
        );
        let sin = Real::mul_add::<A>(sin * z, r, r);
        let cos = Real::mul_add::<A>(cos, z * z, Real::mul_add::<A>(z, -0.5, 1.0));
        (sin, cos, n as u32)
    }

    #[inline(always)]
    pub fn f64<A: Arch>(x: f64) -> (f64, f64, u64) {
        let (r, n) = quadrant::<A>(x);
        let z = r * r;
        let sin = horner::<f64, A, 6>(
            z,
            [
                1.589_690_995_211_55e-10,
                -2.505_076_025_340_686_3e-8,
                2.755_731_370_707_006_8e-6,
                -1.984_126_982_985_795e-4,
                8.333_333_333_322_49e-3,
                -1.666_666_666_666_663_2e-1,
            ],
        );
        let cos = horner::<f64, A, 6>(
            z,
            [
                -1.135_964_755_778_819_5e-11,
                2.087_572_321_298_175e-9,
                -2.755_731_435_139_066_3e-7,
                2.480_158_728_947_673e-5,
                -1.388_888_888_887_411e-3,
                4.166_666_666_666_66e-2,
            ],
        );
        let sin = Real::mul_add::<A>(sin * z, r, r);
        // 1 - z / 2 loses what its rounding takes; that is added back.
        let half = 0.5 * z;
        let one = 1.0 - half;
        let cos = one + ((1.0 - one) - half + cos * (z * z));
        (sin, cos, n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::Real;
    use crate::isa::Isa;

    /// Distance in units of the last place of the correctly rounded result.
    fn ulps<T: Real>(got: T, expected: f64, epsilon: f64, smallest: f64) -> f64 {
        let got = got.wide();
        let rounded = T::of(expected).wide();
        if got == rounded || (got.is_nan() && expected.is_nan()) {
            return 0.0;
        }
        if !got.is_finite() || !rounded.is_finite() {
            // One step over the border is one ULP.
            return if rounded.abs() > 1e38 && got.abs() > 1e38 && got * rounded > 0.0 {
                1.0
            } else {
                f64::INFINITY
            };
        }
        let exponent = expected.abs().log2().floor().max(smallest.log2());
        (got - expected).abs() / (exponent.exp2() * epsilon)
    }

    const EPS32: (f64, f64) = (1.0 / 8_388_608.0, 1.1754943508222875e-38);
    const EPS64: (f64, f64) = (f64::EPSILON, f64::MIN_POSITIVE);

    /// Runs a function over an array with a given instruction set.
    macro_rules! apply {
        ($isa:expr, $t:ident, $f:ident, $x:expr) => {{
            fn body<T: Real, A: Arch>(x: &[T], y: &mut [T]) {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x.$f::<A>();
                }
            }
            per_arch! { fn all<T: Real>(x: &[T], y: &mut [T]) = body; }
            let mut y: Vec<$t> = vec![0.0; $x.len()];
            all::<$t>($isa, $x, &mut y);
            y
        }};
    }

    const SPECIAL: [f64; 17] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        1e-45,
        -1e-45,
        1e-40,
        1e-310,
        5e-324,
        3e38,
        -3e38,
        1e-20,
        2.0,
        0.5,
    ];

    /// Every 997th f32 in a range of values, both signs, and special values.
    fn samples(low: f32, high: f32) -> Vec<f32> {
        let all = (low.to_bits()..high.to_bits()).step_by(997).map(f32::from_bits);
        all.flat_map(|x| [x, -x]).chain(SPECIAL.map(|x| x as f32)).collect()
    }

    fn samples64(low: f64, high: f64) -> Vec<f64> {
        let step = (high.to_bits() - low.to_bits()) / 400_000;
        let all = (low.to_bits()..high.to_bits()).step_by(step as usize).map(f64::from_bits);
        all.flat_map(|x| [x, -x]).chain(SPECIAL).collect()
    }

    macro_rules! accuracy {
        ($($test:ident $t:ident $f:ident on $samples:expr, at most $limit:expr, |$x:ident| $expected:expr;)*) => { $(
            #[test]
            fn $test() {
                let x = $samples;
                let (epsilon, smallest) = if size_of::<$t>() == 4 { EPS32 } else { EPS64 };
                for isa in Isa::available() {
                    let y = apply!(isa, $t, $f, &x);
                    let mut worst = (0.0, 0.0);
                    for (&a, &y) in x.iter().zip(&y) {
                        let angular = matches!(stringify!($f), "sin" | "cos" | "tan");
                        if angular && !a.is_near() && a.is_finite() {
                            continue;
                        }
                        let $x = f64::from(a);
                        let error = ulps(y, $expected, epsilon, smallest);
                        if error > worst.0 {
                            worst = (error, $x);
                        }
                    }
                    println!("{} {}: {:.3} ulp at {:e}", stringify!($test), isa.name(), worst.0, worst.1);
                    assert!(worst.0 <= $limit, "{}: {} ulp at {:e}", isa.name(), worst.0, worst.1);
                }
            }
        )* };
    }

    accuracy! {
        exp_f32 f32 exp on samples(1e-10, 120.0), at most 1.5, |x| x.exp();
        exp2_f32 f32 exp2 on samples(1e-10, 200.0), at most 1.5, |x| x.exp2();
        expm1_f32 f32 expm1 on samples(1e-42, 120.0), at most 1.5, |x| x.exp_m1();
        ln_f32 f32 ln on samples(1e-45, 3e38), at most 2.0, |x| x.ln();
        ln_1p_f32 f32 ln_1p on samples(1e-42, 3e38), at most 2.0, |x| x.ln_1p();
        log2_f32 f32 log2 on samples(1e-45, 3e38), at most 0.6, |x| x.log2();
        log10_f32 f32 log10 on samples(1e-45, 3e38), at most 0.6, |x| x.log10();
        sin_f32 f32 sin on samples(1e-42, 1e5), at most 1.5, |x| x.sin();
        cos_f32 f32 cos on samples(1e-42, 1e5), at most 1.6, |x| x.cos();
        tan_f32 f32 tan on samples(1e-42, 1e5), at most 3.5, |x| x.tan();
        tanh_f32 f32 tanh on samples(1e-42, 100.0), at most 3.0, |x| x.tanh();
        sigmoid_f32 f32 sigmoid on samples(1e-42, 120.0), at most 3.0, |x| 1.0 / (1.0 + (-x).exp());
        softplus_f32 f32 softplus on samples(1e-42, 120.0), at most 3.0, |x| if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
        erf_f32 f32 erf on samples(1e-42, 10.0), at most 1.5, |x| libm::erf(x);
        erfc_f32 f32 erfc on samples(1e-42, 12.0), at most 4.0, |x| libm::erfc(x);

        exp_f64 f64 exp on samples64(1e-20, 800.0), at most 1.5, |x| x.exp();
        exp2_f64 f64 exp2 on samples64(1e-20, 1100.0), at most 1.5, |x| x.exp2();
        expm1_f64 f64 expm1 on samples64(1e-300, 800.0), at most 2.0, |x| x.exp_m1();
        ln_f64 f64 ln on samples64(5e-324, 1e308), at most 2.0, |x| x.ln();
        ln_1p_f64 f64 ln_1p on samples64(1e-300, 1e308), at most 2.0, |x| x.ln_1p();
        sin_f64 f64 sin on samples64(1e-300, 1e5), at most 2.0, |x| x.sin();
        cos_f64 f64 cos on samples64(1e-300, 1e5), at most 2.0, |x| x.cos();
        tan_f64 f64 tan on samples64(1e-300, 1e5), at most 3.5, |x| x.tan();
        tanh_f64 f64 tanh on samples64(1e-300, 100.0), at most 3.0, |x| x.tanh();
        sigmoid_f64 f64 sigmoid on samples64(1e-300, 700.0), at most 3.0, |x| 1.0 / (1.0 + (-x).exp());
        softplus_f64 f64 softplus on samples64(1e-300, 700.0), at most 3.0, |x| if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() };
    }

    #[test]
    fn signs_of_zero() {
        let negative = |y: f32| y == 0.0 && y.is_sign_negative();
        assert!(negative(Real::expm1::<Baseline>(-0.0f32)) && negative(Real::ln_1p::<Baseline>(-0.0f32)));
        assert!(negative(Real::sin::<Baseline>(-0.0f32)) && negative(Real::tanh::<Baseline>(-0.0f32)));
        assert!(negative(Real::erf::<Baseline>(-0.0f32)) && negative(Real::tan::<Baseline>(-0.0f32)));
    }

    #[test]
    fn powers() {
        let bases = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            2.0,
            -2.0,
            0.5,
            -0.3,
            1e-40,
            3e38,
            1.000_001,
            -7.5,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        let exponents = [
            0.0,
            1.0,
            -1.0,
            2.0,
            3.0,
            -3.0,
            0.5,
            -0.5,
            1e10,
            -1e10,
            33.0,
            1e-8,
            127.0,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        let mut pairs: Vec<(f32, f32)> = bases.iter().flat_map(|&x| exponents.map(|y| (x, y))).collect();
        let mut random = oxhorn_core::conformance::Random(3);
        pairs
            .extend((0..200_000).map(|_| {
                ((random.unit() * 20.0).exp2() as f32 * 1e-3, (random.unit() * 20.0 - 10.0) as f32)
            }));
        for (x, y) in pairs {
            let got = Real::pow::<Baseline>(x, y);
            let expected = f64::from(x).powf(f64::from(y));
            let error = ulps(got, expected, EPS32.0, EPS32.1);
            assert!(error <= 0.6, "{x:e} ^ {y:e}: expected {expected:e}, got {got:e}");
            let signs = got.is_nan() || got.is_sign_negative() == expected.is_sign_negative();
            assert!(signs, "{x:e} ^ {y:e}: expected {expected:e}, got {got:e}");
        }
    }

    #[test]
    fn far_arguments_are_told_apart() {
        assert!(1e5f32.is_near() && !1.1e5f32.is_near() && !f32::NAN.is_near() && !f64::INFINITY.is_near());
    }
}
