//! Elementary functions written so that LLVM vectorises loops over them: no branches, no calls, no
//! tables. Accuracy is stated at each function and tested against f64 (f32) or libm (f64).

mod float16;
mod real;

pub(crate) use float16::{bf16_from_f32, bf16_to_f32, f16_from_f32, f16_to_f32};
pub(crate) use real::Real;

/// What the code around a function may use.
pub(crate) trait Arch: 'static {
    /// Whether a fused multiply-add is one instruction.
    const FMA: bool;
}

/// Any processor of the target.
pub(crate) struct Baseline;
/// x86-64 with AVX2, FMA and F16C.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Avx2;
/// x86-64 with AVX-512 F, VL, BW and DQ.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Avx512;

impl Arch for Baseline {
    const FMA: bool = cfg!(target_arch = "aarch64");
}
#[cfg(target_arch = "x86_64")]
impl Arch for Avx2 {
    const FMA: bool = true;
}
#[cfg(target_arch = "x86_64")]
impl Arch for Avx512 {
    const FMA: bool = true;
}

/// Compiles `$body::<T, A>` for every instruction set, `A` being its [`Arch`], as a function that takes an
/// [`Isa`](crate::isa::Isa) first.
macro_rules! per_arch {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident<$t:ident: $bound:ident>($($arg:ident: $ty:ty),* $(,)?) = $body:ident;)*) => { $(
        $(#[$meta])*
        $vis fn $name<$t: $bound>(isa: $crate::isa::Isa, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            fn avx2<$t: $bound>($($arg: $ty),*) {
                $body::<$t, $crate::vmath::Avx2>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            fn avx512<$t: $bound>($($arg: $ty),*) {
                $body::<$t, $crate::vmath::Avx512>($($arg),*)
            }
            match isa.level() {
                // SAFETY: an Isa exists only for instruction sets that were detected.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Level::Avx2 => unsafe { avx2($($arg),*) },
                _ => $body::<$t, $crate::vmath::Baseline>($($arg),*),
            }
        }
    )* };
}
pub(crate) use per_arch;
