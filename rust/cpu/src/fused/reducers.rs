//! What reductions do with a tile, per kind and dtype.
//!
//! Sums and products of f32 are accumulated in f32 over at most a few thousand elements, spread over
//! many lanes, and in f64 above that: the error is that of the additions inside one lane, a few ULP.

use std::marker::PhantomData;

use half::{bf16, f16};
use oxhorn_core::DType;
use oxhorn_core::op::ReduceKind;

use crate::isa::Isa;
use crate::multiversion;

/// Lanes of the accumulator of a row.
const LANES: usize = 64;

/// A reduction of elements of one type.
pub(crate) trait Reducer: 'static {
    /// Elements as registers hold them.
    type Lane: Copy;
    /// Accumulator across tiles.
    type Wide: Copy;
    /// Elements as the result holds them.
    type Out: Copy;
    const IDENTITY: Self::Lane;
    const WIDE_IDENTITY: Self::Wide;
    fn join(a: Self::Lane, x: Self::Lane) -> Self::Lane;
    fn join_wide(a: Self::Wide, x: Self::Wide) -> Self::Wide;
    fn widen(x: Self::Lane) -> Self::Wide;
    fn finish(x: Self::Wide) -> Self::Out;
}

multiversion! {
    /// Reduces all of `src` into `wide`.
    fn contract[R: Reducer](_kind: PhantomData<R>, src: &[R::Lane], wide: &mut R::Wide) {
        *wide = R::join_wide(*wide, R::widen(row::<R>(src)));
    }

    /// Reduces every `n` elements of `src` to one of `wide`.
    fn contract_rows[R: Reducer](_kind: PhantomData<R>, n: usize, src: &[R::Lane], wide: &mut [R::Wide]) {
        for (row_of, wide) in src.chunks_exact(n).zip(wide) {
            *wide = R::widen(row::<R>(row_of));
        }
    }

    /// Element-wise: `lanes = join(lanes, src)`.
    fn accumulate[R: Reducer](_kind: PhantomData<R>, src: &[R::Lane], lanes: &mut [R::Lane]) {
        for (lane, &x) in lanes.iter_mut().zip(src) {
            *lane = R::join(*lane, x);
        }
    }

    /// Reduces `lanes`, rows of `wide.len()` elements, into `wide`.
    fn fold[R: Reducer](_kind: PhantomData<R>, lanes: &[R::Lane], wide: &mut [R::Wide]) {
        for lanes in lanes.chunks_exact(wide.len()) {
            for (wide, &lane) in wide.iter_mut().zip(lanes) {
                *wide = R::join_wide(*wide, R::widen(lane));
            }
        }
    }

    /// Element-wise: `into = join(into, from)`.
    fn combine[R: Reducer](_kind: PhantomData<R>, from: &[R::Wide], into: &mut [R::Wide]) {
        for (a, &x) in into.iter_mut().zip(from) {
            *a = R::join_wide(*a, x);
        }
    }
}

/// Reduces a row in lanes that are then joined in pairs.
#[inline(always)]
fn row<R: Reducer>(src: &[R::Lane]) -> R::Lane {
    if src.len() <= 16 {
        return src.iter().fold(R::IDENTITY, |a, &x| R::join(a, x));
    }
    let mut lanes = [R::IDENTITY; LANES];
    let (chunks, rest) = src.as_chunks::<LANES>();
    for chunk in chunks {
        for j in 0..LANES {
            lanes[j] = R::join(lanes[j], chunk[j]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = R::join(*lane, x);
    }
    let mut half = LANES / 2;
    while half > 0 {
        for j in 0..half {
            lanes[j] = R::join(lanes[j], lanes[j + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// The functions of one reduction, with types erased.
///
/// All take element counts and pointers to as many initialised, aligned elements; `lanes` and `src` are
/// of the lane type, `wide` of the wide type, `out` of the result's type. Regions do not overlap.
#[derive(Clone, Copy)]
pub(crate) struct ReduceFns {
    pub lane_size: usize,
    pub wide_size: usize,
    pub out_size: usize,
    pub contract: unsafe fn(isa: Isa, n: usize, src: *const u8, wide: *mut u8),
    pub contract_rows: unsafe fn(isa: Isa, rows: usize, n: usize, src: *const u8, wide: *mut u8),
    pub accumulate: unsafe fn(isa: Isa, n: usize, src: *const u8, lanes: *mut u8),
    pub fold: unsafe fn(isa: Isa, rows: usize, n: usize, lanes: *const u8, wide: *mut u8),
    pub combine: unsafe fn(isa: Isa, n: usize, from: *const u8, into: *mut u8),
    pub clear: unsafe fn(n: usize, lanes: *mut u8),
    pub clear_wide: unsafe fn(n: usize, wide: *mut u8),
    pub finish: unsafe fn(n: usize, wide: *const u8, out: *mut u8),
}

fn erased<R: Reducer>() -> ReduceFns {
    use std::slice::{from_raw_parts as of, from_raw_parts_mut as of_mut};
    unsafe fn e_contract<R: Reducer>(isa: Isa, n: usize, src: *const u8, wide: *mut u8) {
        // SAFETY: the contract of `ReduceFns`.
        unsafe { contract(isa, PhantomData::<R>, of(src.cast(), n), &mut *wide.cast()) }
    }
    unsafe fn e_contract_rows<R: Reducer>(isa: Isa, rows: usize, n: usize, src: *const u8, wide: *mut u8) {
        // SAFETY: the contract of `ReduceFns`; `wide` elements are plain numbers, written before read.
        unsafe {
            contract_rows(isa, PhantomData::<R>, n, of(src.cast(), rows * n), of_mut(wide.cast(), rows))
        }
    }
    unsafe fn e_accumulate<R: Reducer>(isa: Isa, n: usize, src: *const u8, lanes: *mut u8) {
        // SAFETY: the contract of `ReduceFns`.
        unsafe { accumulate(isa, PhantomData::<R>, of(src.cast(), n), of_mut(lanes.cast(), n)) }
    }
    unsafe fn e_fold<R: Reducer>(isa: Isa, rows: usize, n: usize, lanes: *const u8, wide: *mut u8) {
        // SAFETY: the contract of `ReduceFns`.
        unsafe { fold(isa, PhantomData::<R>, of(lanes.cast(), rows * n), of_mut(wide.cast(), n)) }
    }
    unsafe fn e_combine<R: Reducer>(isa: Isa, n: usize, from: *const u8, into: *mut u8) {
        // SAFETY: the contract of `ReduceFns`.
        unsafe { combine(isa, PhantomData::<R>, of(from.cast(), n), of_mut(into.cast(), n)) }
    }
    unsafe fn e_clear<R: Reducer>(n: usize, lanes: *mut u8) {
        for i in 0..n {
            // SAFETY: the contract of `ReduceFns`.
            unsafe { lanes.cast::<R::Lane>().add(i).write(R::IDENTITY) };
        }
    }
    unsafe fn e_clear_wide<R: Reducer>(n: usize, wide: *mut u8) {
        for i in 0..n {
            // SAFETY: the contract of `ReduceFns`.
            unsafe { wide.cast::<R::Wide>().add(i).write(R::WIDE_IDENTITY) };
        }
    }
    unsafe fn e_finish<R: Reducer>(n: usize, wide: *const u8, out: *mut u8) {
        for i in 0..n {
            // SAFETY: the contract of `ReduceFns`.
            unsafe { out.cast::<R::Out>().add(i).write(R::finish(wide.cast::<R::Wide>().add(i).read())) };
        }
    }
    ReduceFns {
        lane_size: size_of::<R::Lane>(),
        wide_size: size_of::<R::Wide>(),
        out_size: size_of::<R::Out>(),
        contract: e_contract::<R>,
        contract_rows: e_contract_rows::<R>,
        accumulate: e_accumulate::<R>,
        fold: e_fold::<R>,
        combine: e_combine::<R>,
        clear: e_clear::<R>,
        clear_wide: e_clear_wide::<R>,
        finish: e_finish::<R>,
    }
}

struct Sum<T>(PhantomData<T>);
struct Prod<T>(PhantomData<T>);
struct Max<T>(PhantomData<T>);
struct Min<T>(PhantomData<T>);

/// A reducer whose accumulator is of the element type.
macro_rules! plain {
    ($kind:ident<$t:ident> $out:ident $identity:expr, |$a:ident, $x:ident| $join:expr, |$f:ident| $finish:expr) => {
        impl Reducer for $kind<$out> {
            type Lane = $t;
            type Wide = $t;
            type Out = $out;
            const IDENTITY: $t = $identity;
            const WIDE_IDENTITY: $t = $identity;
            #[inline(always)]
            fn join($a: $t, $x: $t) -> $t {
                $join
            }
            #[inline(always)]
            fn join_wide($a: $t, $x: $t) -> $t {
                $join
            }
            #[inline(always)]
            fn widen(x: $t) -> $t {
                x
            }
            #[inline(always)]
            fn finish($f: $t) -> $out {
                $finish
            }
        }
    };
}

/// A reducer of f32 that accumulates in f64.
macro_rules! wide {
    ($kind:ident $out:ident $identity:expr, |$a:ident, $x:ident| $join:expr, |$f:ident| $finish:expr) => {
        impl Reducer for $kind<$out> {
            type Lane = f32;
            type Wide = f64;
            type Out = $out;
            const IDENTITY: f32 = $identity;
            const WIDE_IDENTITY: f64 = $identity;
            #[inline(always)]
            fn join($a: f32, $x: f32) -> f32 {
                $join
            }
            #[inline(always)]
            fn join_wide($a: f64, $x: f64) -> f64 {
                $join
            }
            #[inline(always)]
            fn widen(x: f32) -> f64 {
                f64::from(x)
            }
            #[inline(always)]
            fn finish($f: f64) -> $out {
                $finish
            }
        }
    };
}

macro_rules! ints {
    ($($t:ident)*) => { $(
        plain!(Sum<$t> $t 0, |a, x| a.wrapping_add(x), |f| f);
        plain!(Prod<$t> $t 1, |a, x| a.wrapping_mul(x), |f| f);
        plain!(Max<$t> $t $t::MIN, |a, x| a.max(x), |f| f);
        plain!(Min<$t> $t $t::MAX, |a, x| a.min(x), |f| f);
    )* };
}
ints! { u8 u16 u32 u64 i8 i16 i32 i64 }

macro_rules! extrema {
    ($($t:ident $out:ident |$f:ident| $finish:expr;)*) => { $(
        // A NaN wins, and then stays.
        plain!(Max<$t> $out $t::NEG_INFINITY, |a, x| if x > a || x.is_nan() { x } else { a }, |$f| $finish);
        plain!(Min<$t> $out $t::INFINITY, |a, x| if x < a || x.is_nan() { x } else { a }, |$f| $finish);
    )* };
}
extrema! {
    f64 f64 |f| f;
    f32 f32 |f| f;
    f32 f16 |f| f16::from_f32(f);
    f32 bf16 |f| bf16::from_f32(f);
}

plain!(Sum<f64> f64 0.0, |a, x| a + x, |f| f);
plain!(Prod<f64> f64 1.0, |a, x| a * x, |f| f);

macro_rules! totals {
    ($($out:ident |$f:ident| $finish:expr;)*) => { $(
        wide!(Sum $out 0.0, |a, x| a + x, |$f| $finish);
        wide!(Prod $out 1.0, |a, x| a * x, |$f| $finish);
    )* };
}
totals! {
    f32 |f| f as f32;
    f16 |f| f16::from_f64(f);
    bf16 |f| bf16::from_f64(f);
}

/// The functions of a reduction of elements of `dtype`.
pub(crate) fn reduce_fns(kind: ReduceKind, dtype: DType) -> ReduceFns {
    macro_rules! by_dtype {
        ($kind:ident) => {
            match dtype {
                DType::U8 | DType::Bool => erased::<$kind<u8>>(),
                DType::U16 => erased::<$kind<u16>>(),
                DType::U32 => erased::<$kind<u32>>(),
                DType::U64 => erased::<$kind<u64>>(),
                DType::I8 => erased::<$kind<i8>>(),
                DType::I16 => erased::<$kind<i16>>(),
                DType::I32 => erased::<$kind<i32>>(),
                DType::I64 => erased::<$kind<i64>>(),
                DType::F16 => erased::<$kind<f16>>(),
                DType::BF16 => erased::<$kind<bf16>>(),
                DType::F32 => erased::<$kind<f32>>(),
                DType::F64 => erased::<$kind<f64>>(),
            }
        };
    }
    match kind {
        ReduceKind::Sum => by_dtype!(Sum),
        ReduceKind::Prod => by_dtype!(Prod),
        ReduceKind::Max => by_dtype!(Max),
        ReduceKind::Min => by_dtype!(Min),
        // Of zeros and ones, with 0 for any of nothing and 1 for all of nothing.
        ReduceKind::Any => erased::<Max<u8>>(),
        ReduceKind::All => erased::<AllOf>(),
    }
}

struct AllOf;
impl Reducer for AllOf {
    type Lane = u8;
    type Wide = u8;
    type Out = u8;
    const IDENTITY: u8 = 1;
    const WIDE_IDENTITY: u8 = 1;
    #[inline(always)]
    fn join(a: u8, x: u8) -> u8 {
        a & x
    }
    #[inline(always)]
    fn join_wide(a: u8, x: u8) -> u8 {
        a & x
    }
    #[inline(always)]
    fn widen(x: u8) -> u8 {
        x
    }
    #[inline(always)]
    fn finish(x: u8) -> u8 {
        x
    }
}
