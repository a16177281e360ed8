//! The two native float types and their functions.

use super::Arch;

/// f32 or f64, with functions that vectorise.
pub(crate) trait Real: Copy + PartialOrd + 'static {
    fn of(x: f64) -> Self;
    fn wide(self) -> f64;
    fn mul_add<L: Arch>(self, b: Self, c: Self) -> Self;
    fn exp<L: Arch>(self) -> Self;
    fn exp2<L: Arch>(self) -> Self;
    fn expm1<L: Arch>(self) -> Self;
    fn ln<L: Arch>(self) -> Self;
    fn ln_1p<L: Arch>(self) -> Self;
    fn log2<L: Arch>(self) -> Self;
    fn log10<L: Arch>(self) -> Self;
    fn sqrt(self) -> Self;
    fn sin<L: Arch>(self) -> Self;
    fn cos<L: Arch>(self) -> Self;
    fn tan<L: Arch>(self) -> Self;
    fn tanh<L: Arch>(self) -> Self;
    fn sigmoid<L: Arch>(self) -> Self;
    fn softplus<L: Arch>(self) -> Self;
    fn erf<L: Arch>(self) -> Self;
    fn pow<L: Arch>(self, y: Self) -> Self;
    fn logaddexp<L: Arch>(self, y: Self) -> Self;
    fn add(self, y: Self) -> Self;
    fn sub(self, y: Self) -> Self;
    fn mul(self, y: Self) -> Self;
    fn div(self, y: Self) -> Self;
    fn neg(self) -> Self;
    fn floor(self) -> Self;
    fn ceil(self) -> Self;
    fn round(self) -> Self;
    fn trunc(self) -> Self;
    fn abs(self) -> Self;
    fn copysign(self, y: Self) -> Self;
}

macro_rules! real {
    ($t:ident) => {
        impl Real for $t {
            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn mul_add<L: Arch>(self, b: Self, c: Self) -> Self {
                if L::FMA { self.mul_add(b, c) } else { self * b + c }
            }
            fn exp<L: Arch>(self) -> Self {
                self.exp()
            }
            fn exp2<L: Arch>(self) -> Self {
                self.exp2()
            }
            fn expm1<L: Arch>(self) -> Self {
                self.exp_m1()
            }
            fn ln<L: Arch>(self) -> Self {
                self.ln()
            }
            fn ln_1p<L: Arch>(self) -> Self {
                self.ln_1p()
            }
            fn log2<L: Arch>(self) -> Self {
                self.log2()
            }
            fn log10<L: Arch>(self) -> Self {
                self.log10()
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            fn sin<L: Arch>(self) -> Self {
                self.sin()
            }
            fn cos<L: Arch>(self) -> Self {
                self.cos()
            }
            fn tan<L: Arch>(self) -> Self {
                self.tan()
            }
            fn tanh<L: Arch>(self) -> Self {
                self.tanh()
            }
            fn sigmoid<L: Arch>(self) -> Self {
                1.0 / (1.0 + (-self).exp())
            }
            fn softplus<L: Arch>(self) -> Self {
                self.max(0.0) + (-self.abs()).exp().ln_1p()
            }
            fn erf<L: Arch>(self) -> Self {
                libm::erf(self as f64) as $t
            }
            fn pow<L: Arch>(self, y: Self) -> Self {
                self.powf(y)
            }
            fn logaddexp<L: Arch>(self, y: Self) -> Self {
                if self == y { self + std::$t::consts::LN_2 } else { self.max(y) + (-(self - y).abs()).exp().ln_1p() }
            }
            #[inline(always)]
            fn add(self, y: Self) -> Self {
                self + y
            }
            #[inline(always)]
            fn sub(self, y: Self) -> Self {
                self - y
            }
            #[inline(always)]
            fn mul(self, y: Self) -> Self {
                self * y
            }
            #[inline(always)]
            fn div(self, y: Self) -> Self {
                self / y
            }
            #[inline(always)]
            fn neg(self) -> Self {
                -self
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
        }
    };
}

real!(f32);
real!(f64);

