//! Micro-ops: loops over one tile, instantiated per element op, instruction set and operand form.

use std::mem::MaybeUninit;

use crate::isa::{Isa, Level};
use crate::vmath::{Arch, Avx2, Avx512, Baseline};

/// Computes `n` elements at `out` from up to three operands. An operand is `n` elements, or one where
/// the instance was picked for a uniform operand.
///
/// # Safety
/// Operands are readable and `out` is writable for the elements that the instance touches, aligned for
/// their types. `out` may be an operand's address, otherwise it overlaps none. The processor has the
/// instruction set the instance was picked for.
pub type MicroFn = unsafe fn(n: usize, args: [*const u8; 3], out: *mut u8);

/// Elements that one trip of a loop handles. Operands are copied to local arrays first, so `out` may be
/// an operand; the inner loop of constant length, too long to be unrolled, is what LLVM vectorises.
const LANES: usize = 64;

/// An op on one element.
pub trait Unary: 'static {
    /// Operand.
    type In: Copy;
    /// Result.
    type Out: Copy;
    /// Too large or too branchy to vectorise: loops do not pad the last trip.
    const SCALAR: bool = false;
    /// Some operands need [`Unary::hard`]: trips with one such are computed element by element.
    const GUARDED: bool = false;
    /// The op.
    fn apply<L: Arch>(x: Self::In) -> Self::Out;
    /// Whether [`Unary::apply`] serves for this operand.
    #[inline(always)]
    fn is_easy(_x: Self::In) -> bool {
        true
    }
    /// The op on an operand that is not easy.
    #[inline(always)]
    fn hard(x: Self::In) -> Self::Out {
        Self::apply::<Baseline>(x)
    }
}

/// An op on two elements.
pub trait Binary: 'static {
    /// First operand.
    type A: Copy;
    /// Second operand.
    type B: Copy;
    /// Result.
    type Out: Copy;
    /// See [`Unary::SCALAR`].
    const SCALAR: bool = false;
    /// The op.
    fn apply<L: Arch>(a: Self::A, b: Self::B) -> Self::Out;
}

/// An op on three elements.
pub trait Ternary: 'static {
    /// First operand.
    type A: Copy;
    /// Second operand.
    type B: Copy;
    /// Third operand.
    type C: Copy;
    /// Result.
    type Out: Copy;
    /// The op.
    fn apply<L: Arch>(a: Self::A, b: Self::B, c: Self::C) -> Self::Out;
}

/// `LANES` elements at `p`, or copies of the element at `p`.
///
/// # Safety
/// That many elements are readable.
#[inline(always)]
unsafe fn take<T: Copy, const UNIFORM: bool>(p: *const T) -> [T; LANES] {
    // SAFETY: the caller's promise.
    unsafe { if UNIFORM { [p.read(); LANES] } else { p.cast::<[T; LANES]>().read_unaligned() } }
}

/// As [`take`] for the last `n < LANES` elements; the others are zero bytes.
///
/// # Safety
/// `n` elements (one when uniform) are readable, and zero bytes are a valid `T`.
#[inline(always)]
unsafe fn take_some<T: Copy, const UNIFORM: bool>(p: *const T, n: usize) -> [T; LANES] {
    // SAFETY: the caller's promise; the array has room for n elements.
    unsafe {
        if UNIFORM {
            return [p.read(); LANES];
        }
        let mut lanes = MaybeUninit::<[T; LANES]>::zeroed();
        std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr().cast::<T>(), n);
        lanes.assume_init()
    }
}

/// The loop of every micro-op: `step` computes one trip, `one` a single element.
///
/// # Safety
/// As [`MicroFn`].
#[inline(always)]
unsafe fn trips<Out: Copy>(
    n: usize,
    out: *mut Out,
    whole: impl Fn(usize) -> [Out; LANES],
    part: impl Fn(usize, usize) -> [Out; LANES],
    one: impl Fn(usize) -> Out,
    scalar: bool,
) {
    // SAFETY: the caller's promise: `out` has n elements.
    unsafe {
        if n == 1 || scalar {
            for i in 0..n {
                out.add(i).write(one(i));
            }
            return;
        }
        let mut i = 0;
        while i + LANES <= n {
            out.add(i).cast::<[Out; LANES]>().write_unaligned(whole(i));
            i += LANES;
        }
        if i < n {
            let last = part(i, n - i);
            std::ptr::copy_nonoverlapping(last.as_ptr(), out.add(i), n - i);
        }
    }
}

/// Applies `f` to every index into a fresh array, without a bounds check or a drop flag.
#[inline(always)]
fn lanes<T: Copy>(f: impl Fn(usize) -> T) -> [T; LANES] {
    let mut out = MaybeUninit::<[T; LANES]>::uninit();
    let p = out.as_mut_ptr().cast::<T>();
    for j in 0..LANES {
        // SAFETY: j is inside the array.
        unsafe { p.add(j).write(f(j)) };
    }
    // SAFETY: every element has been written.
    unsafe { out.assume_init() }
}

#[inline(always)]
unsafe fn unary<O: Unary, L: Arch>(n: usize, args: [*const u8; 3], out: *mut u8) {
    let a = args[0].cast::<O::In>();
    let one = |x: O::In| if !O::GUARDED || O::is_easy(x) { O::apply::<L>(x) } else { O::hard(x) };
    let trip = |x: [O::In; LANES]| {
        let easy = !O::GUARDED || x.iter().fold(true, |all, &x| all & O::is_easy(x));
        if easy { lanes(|j| O::apply::<L>(x[j])) } else { x.map(one) }
    };
    // SAFETY: the contract of `MicroFn`.
    unsafe {
        trips(
            n,
            out.cast::<O::Out>(),
            |i| trip(take::<_, false>(a.add(i))),
            |i, m| trip(take_some::<_, false>(a.add(i), m)),
            |i| one(a.add(i).read()),
            O::SCALAR,
        );
    }
}

#[inline(always)]
unsafe fn binary<O: Binary, L: Arch, const UA: bool, const UB: bool>(
    n: usize,
    args: [*const u8; 3],
    out: *mut u8,
) {
    let (a, b) = (args[0].cast::<O::A>(), args[1].cast::<O::B>());
    let (sa, sb) = (usize::from(!UA), usize::from(!UB));
    // SAFETY: the contract of `MicroFn`.
    unsafe {
        trips(
            n,
            out.cast::<O::Out>(),
            |i| {
                let (x, y) = (take::<_, UA>(a.add(i * sa)), take::<_, UB>(b.add(i * sb)));
                lanes(|j| O::apply::<L>(x[j], y[j]))
            },
            |i, m| {
                let (x, y) = (take_some::<_, UA>(a.add(i * sa), m), take_some::<_, UB>(b.add(i * sb), m));
                lanes(|j| O::apply::<L>(x[j], y[j]))
            },
            |i| O::apply::<L>(a.add(i * sa).read(), b.add(i * sb).read()),
            O::SCALAR,
        );
    }
}

#[inline(always)]
unsafe fn ternary<O: Ternary, L: Arch, const UB: bool, const UC: bool>(
    n: usize,
    args: [*const u8; 3],
    out: *mut u8,
) {
    let (a, b, c) = (args[0].cast::<O::A>(), args[1].cast::<O::B>(), args[2].cast::<O::C>());
    let (sb, sc) = (usize::from(!UB), usize::from(!UC));
    // SAFETY: the contract of `MicroFn`.
    unsafe {
        trips(
            n,
            out.cast::<O::Out>(),
            |i| {
                let x = take::<_, false>(a.add(i));
                let (y, z) = (take::<_, UB>(b.add(i * sb)), take::<_, UC>(c.add(i * sc)));
                lanes(|j| O::apply::<L>(x[j], y[j], z[j]))
            },
            |i, m| {
                let x = take_some::<_, false>(a.add(i), m);
                let (y, z) = (take_some::<_, UB>(b.add(i * sb), m), take_some::<_, UC>(c.add(i * sc), m));
                lanes(|j| O::apply::<L>(x[j], y[j], z[j]))
            },
            |i| O::apply::<L>(a.add(i).read(), b.add(i * sb).read(), c.add(i * sc).read()),
            false,
        );
    }
}

/// One function per instruction set around a generic loop body.
macro_rules! instances {
    ($($name:ident $body:ident <$o:ident: $bound:ident $(, $c:ident)*>;)*) => { $(
        mod $name {
            use super::*;
            pub unsafe fn baseline<$o: $bound $(, const $c: bool)*>(n: usize, a: [*const u8; 3], out: *mut u8) {
                // SAFETY: the contract of `MicroFn`.
                unsafe { $body::<$o, Baseline $(, $c)*>(n, a, out) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            pub unsafe fn avx2<$o: $bound $(, const $c: bool)*>(n: usize, a: [*const u8; 3], out: *mut u8) {
                // SAFETY: the contract of `MicroFn`.
                unsafe { $body::<$o, Avx2 $(, $c)*>(n, a, out) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx512cd,avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            pub unsafe fn avx512<$o: $bound $(, const $c: bool)*>(n: usize, a: [*const u8; 3], out: *mut u8) {
                // SAFETY: the contract of `MicroFn`.
                unsafe { $body::<$o, Avx512 $(, $c)*>(n, a, out) }
            }
        }
    )* };
}

instances! {
    unary_in unary<O: Unary>;
    binary_in binary<O: Binary, UA, UB>;
    ternary_in ternary<O: Ternary, UB, UC>;
}

/// Picks the instance for `$isa`.
macro_rules! pick {
    ($isa:expr, $m:ident [$($g:tt)*]) => {
        match $isa.level() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => $m::avx512::<$($g)*> as MicroFn,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => $m::avx2::<$($g)*> as MicroFn,
            _ => $m::baseline::<$($g)*> as MicroFn,
        }
    };
}

/// The loop of a unary op.
pub fn pick_unary<O: Unary>(isa: Isa) -> MicroFn {
    if O::SCALAR {
        return unary_in::baseline::<O>;
    }
    pick!(isa, unary_in[O])
}

/// The loop of a binary op on two vectors.
pub fn pick_binary<O: Binary>(isa: Isa) -> MicroFn {
    if O::SCALAR {
        return binary_in::baseline::<O, false, false>;
    }
    pick!(isa, binary_in [O, false, false])
}

/// The loop of a binary op whose operands may be uniform.
pub fn pick_binary_uniform<O: Binary>(isa: Isa, uniform: [bool; 2]) -> MicroFn {
    match uniform {
        [true, false] => pick!(isa, binary_in [O, true, false]),
        [false, true] => pick!(isa, binary_in [O, false, true]),
        _ => pick!(isa, binary_in [O, false, false]),
    }
}

/// The loop of a ternary op on three vectors.
pub fn pick_ternary<O: Ternary>(isa: Isa) -> MicroFn {
    pick!(isa, ternary_in [O, false, false])
}

/// The loop of a ternary op whose second and third operands may be uniform.
pub fn pick_ternary_uniform<O: Ternary>(isa: Isa, uniform: [bool; 2]) -> MicroFn {
    match uniform {
        [true, true] => pick!(isa, ternary_in [O, true, true]),
        [true, false] => pick!(isa, ternary_in [O, true, false]),
        [false, true] => pick!(isa, ternary_in [O, false, true]),
        _ => pick!(isa, ternary_in [O, false, false]),
    }
}
