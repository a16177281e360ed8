//! Instruction sets: which one this machine runs, and functions compiled once for each.
//!
//! Loops that the compiler vectorises by itself are written once, as plain Rust, inside
//! [`multiversion!`]; explicit intrinsics live in the GEMM's micro-kernels only.

use std::sync::OnceLock;

/// The instruction sets that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// What every machine of the target architecture has (SSE2 on x86-64); no fused multiply-add.
    Baseline,
    /// aarch64's vectors.
    Neon,
    /// AVX2, FMA, F16C, BMI: x86-64-v3.
    Avx2,
    /// AVX-512 F, BW, CD, DQ, VL besides: x86-64-v4.
    Avx512,
}

/// An instruction set that this machine has: proof that its kernels may be called.
///
/// There is no way to make one for an instruction set that was not detected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Isa(Level);

impl Isa {
    /// What every machine has.
    pub const BASELINE: Self = Self(Level::Baseline);

    /// The instruction set to use: the best that the machine has, unless `OXHORN_ISA` names another
    /// that it has too (`baseline`, `neon`, `avx2` or `avx512`). Looked up once per process.
    pub fn get() -> Self {
        static CHOICE: OnceLock<Isa> = OnceLock::new();
        *CHOICE.get_or_init(|| {
            let asked = std::env::var("OXHORN_ISA").ok();
            let all = Self::available();
            let named = all.iter().find(|isa| asked.as_deref() == Some(isa.name()));
            named.or(all.last()).copied().unwrap_or(Self::BASELINE)
        })
    }

    /// All that the machine has, the best one last.
    pub fn available() -> Vec<Self> {
        [Level::Baseline, Level::Neon, Level::Avx2, Level::Avx512]
            .into_iter()
            .filter(|&l| detected(l))
            .map(Self)
            .collect()
    }

    /// Which one it is.
    pub const fn level(self) -> Level {
        self.0
    }

    /// Its name, as `OXHORN_ISA` takes it.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Level::Baseline => "baseline",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn detected(level: Level) -> bool {
    macro_rules! all {
        ($($feature:tt)*) => { true $(&& is_x86_feature_detected!($feature))* };
    }
    let v3 = || all!("avx2" "fma" "f16c" "bmi1" "bmi2" "lzcnt" "popcnt");
    match level {
        Level::Baseline => true,
        Level::Neon => false,
        Level::Avx2 => v3(),
        Level::Avx512 => v3() && all!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl"),
    }
}

#[cfg(target_arch = "aarch64")]
fn detected(level: Level) -> bool {
    match level {
        Level::Baseline => true,
        Level::Neon => std::arch::is_aarch64_feature_detected!("neon"),
        _ => false,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected(level: Level) -> bool {
    level == Level::Baseline
}

/// Compiles one function for every instruction set and calls the one that its first argument, an
/// [`Isa`], names.
///
/// ```ignore
/// multiversion! {
///     /// y += a x.
///     pub fn axpy[T: Float](a: T, x: &[T], y: &mut [T]) {
///         for (y, &x) in y.iter_mut().zip(x) { *y = *y + a * x; }
///     }
/// }
/// axpy(Isa::get(), 2.0f32, &x, &mut y);
/// ```
///
/// The body may call `#[inline(always)]` functions; these are compiled with it. Results can differ
/// between instruction sets only where the body asks for it (it must not use `mul_add` under
/// `Baseline`, which would call libm for each element; see [`Isa::level`]).
#[macro_export]
macro_rules! multiversion {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident $([$($generics:tt)*])? ($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $crate::multiversion!(@one [$(#[$meta])*] [$vis] $name [$($($generics)*)?] ($($arg: $ty),*) [$($ret)?] $body);
    )*};
    (@one [$($meta:tt)*] [$vis:vis] $name:ident [$($generics:tt)*] ($($arg:ident: $ty:ty),*) [] $body:block) => {
        $crate::multiversion!(@one [$($meta)*] [$vis] $name [$($generics)*] ($($arg: $ty),*) [()] $body);
    };
    (@one [$($meta:tt)*] [$vis:vis] $name:ident [$($generics:tt)*] ($($arg:ident: $ty:ty),*) [$ret:ty] $body:block) => {
        $($meta)*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$($generics)*>(isa: $crate::isa::Isa, $($arg: $ty),*) -> $ret {
            #[inline(always)]
            fn generic<$($generics)*>($($arg: $ty),*) -> $ret $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            fn avx2<$($generics)*>($($arg: $ty),*) -> $ret {
                generic($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            fn avx512<$($generics)*>($($arg: $ty),*) -> $ret {
                generic($($arg),*)
            }

            match isa.level() {
                // SAFETY: an Isa exists only for instruction sets that were detected.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::isa::Level::Avx2 => unsafe { avx2($($arg),*) },
                // aarch64's baseline has NEON, so the generic function is the NEON one there.
                _ => generic($($arg),*),
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    multiversion! {
        /// y += a x.
        fn axpy[T: Copy + std::ops::Add<Output = T> + std::ops::Mul<Output = T>](a: T, x: &[T], y: &mut [T]) {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = *y + a * x;
            }
        }

        fn sum(x: &[i32]) -> i32 {
            x.iter().sum()
        }
    }

    #[test]
    fn every_version_computes_the_same() {
        let x: Vec<i32> = (0..100).collect();
        for isa in Isa::available() {
            let mut y = vec![1; 100];
            axpy(isa, 2, &x, &mut y);
            assert!(y.iter().enumerate().all(|(i, &y)| y as usize == 2 * i + 1));
            assert_eq!(sum(isa, &x), 4950);
        }
    }

    #[test]
    fn the_choice_is_available() {
        assert!(Isa::available().contains(&Isa::get()));
        assert_eq!(Isa::available()[0], Isa::BASELINE);
    }
}
