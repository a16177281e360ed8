//! The element-wise table's rows as functions on native types.
//!
//! float16 and bfloat16 are computed in f32: their registers hold f32 values that have been rounded to
//! the dtype after each op, which gives correctly rounded + - * / and sqrt.

use std::marker::PhantomData;

use oxhorn_core::DType;
use oxhorn_core::op::Ew;

use super::micro::{
    Binary, MicroFn, Ternary, Unary, pick_binary, pick_binary_uniform, pick_ternary, pick_ternary_uniform,
    pick_unary,
};
use crate::isa::Isa;
use crate::vmath::{Arch, Real};
use crate::vmath::{bf16_from_f32, bf16_to_f32, f16_from_f32, f16_to_f32};

/// The dtype in which values of `dtype` are computed: registers hold this.
pub(crate) fn compute_dtype(dtype: DType) -> DType {
    match dtype {
        DType::F16 | DType::BF16 => DType::F32,
        other => other,
    }
}

/// An integer type with the arithmetic of the table: wrapping, and total.
pub(crate) trait Int: Copy + Ord + 'static {
    fn add(self, y: Self) -> Self;
    fn sub(self, y: Self) -> Self;
    fn mul(self, y: Self) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn signum(self) -> Self;
    fn floor_div(self, y: Self) -> Self;
    fn modulo(self, y: Self) -> Self;
    fn pow(self, y: Self) -> Self;
    fn not(self) -> Self;
    fn and(self, y: Self) -> Self;
    fn or(self, y: Self) -> Self;
    fn xor(self, y: Self) -> Self;
    fn shl(self, y: Self) -> Self;
    fn shr(self, y: Self) -> Self;
    const ZERO: Self;
}

macro_rules! int {
    ($signed:literal: $($t:ident)*) => { $(impl Int for $t {
        const ZERO: Self = 0;
        #[inline(always)]
        fn add(self, y: Self) -> Self { self.wrapping_add(y) }
        #[inline(always)]
        fn sub(self, y: Self) -> Self { self.wrapping_sub(y) }
        #[inline(always)]
        fn mul(self, y: Self) -> Self { self.wrapping_mul(y) }
        #[inline(always)]
        fn neg(self) -> Self { self.wrapping_neg() }
        #[inline(always)]
        #[allow(unused_comparisons)]
        fn abs(self) -> Self { if self < 0 { self.wrapping_neg() } else { self } }
        #[inline(always)]
        #[allow(unused_comparisons)]
        fn signum(self) -> Self { ((self > 0) as $t).wrapping_sub((self < 0) as $t) }
        #[inline(always)]
        #[allow(unused_comparisons)]
        fn floor_div(self, y: Self) -> Self {
            if y == 0 {
                return 0;
            }
            let q = self.wrapping_div(y);
            let inexact = self.wrapping_rem(y) != 0;
            if inexact && (self < 0) != (y < 0) { q.wrapping_sub(1) } else { q }
        }
        #[inline(always)]
        #[allow(unused_comparisons)]
        fn modulo(self, y: Self) -> Self {
            if y == 0 {
                return 0;
            }
            let r = self.wrapping_rem(y);
            if r != 0 && (r < 0) != (y < 0) { r.wrapping_add(y) } else { r }
        }
        #[inline(always)]
        #[allow(unused_comparisons)]
        fn pow(self, y: Self) -> Self {
            if y < 0 {
                // The reciprocal power, truncated: 0 but for 1 and -1.
                let odd = y & 1 == 1;
                return if self == 1 { 1 } else if $signed && self == !0 { if odd { !0 } else { 1 } } else { 0 };
            }
            let (mut base, mut exponent, mut power): ($t, $t, $t) = (self, y, 1);
            while exponent > 0 {
                if exponent & 1 == 1 {
                    power = power.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                exponent >>= 1;
            }
            power
        }
        #[inline(always)]
        fn not(self) -> Self { !self }
        #[inline(always)]
        fn and(self, y: Self) -> Self { self & y }
        #[inline(always)]
        fn or(self, y: Self) -> Self { self | y }
        #[inline(always)]
        fn xor(self, y: Self) -> Self { self ^ y }
        #[inline(always)]
        #[allow(unused_comparisons)]
        fn shl(self, y: Self) -> Self {
            let inside = y >= 0 && y < $t::BITS as $t;
            if inside { self.wrapping_shl(y as u32) } else { 0 }
        }
        #[inline(always)]
        #[allow(unused_comparisons)]
        fn shr(self, y: Self) -> Self {
            let inside = y >= 0 && y < $t::BITS as $t;
            if inside { self.wrapping_shr(y as u32) } else if self < 0 { !0 } else { 0 }
        }
    })* };
}

int!(false: u8 u16 u32 u64);
int!(true: i8 i16 i32 i64);

macro_rules! unary_ops {
    ($bound:ident: $($name:ident |$x:ident| $value:expr;)*) => { $(
        struct $name<T>(PhantomData<T>);
        impl<T: $bound> Unary for $name<T> {
            type In = T;
            type Out = T;
            #[inline(always)]
            fn apply<L: Arch>($x: T) -> T { $value }
        }
    )* };
}

macro_rules! unary_tests {
    ($bound:ident: $($name:ident |$x:ident| $value:expr;)*) => { $(
        struct $name<T>(PhantomData<T>);
        impl<T: $bound> Unary for $name<T> {
            type In = T;
            type Out = u8;
            #[inline(always)]
            fn apply<L: Arch>($x: T) -> u8 { u8::from($value) }
        }
    )* };
}

macro_rules! binary_ops {
    ($bound:ident: $($name:ident |$x:ident, $y:ident| $value:expr;)*) => { $(
        struct $name<T>(PhantomData<T>);
        impl<T: $bound> Binary for $name<T> {
            type A = T;
            type B = T;
            type Out = T;
            #[inline(always)]
            fn apply<L: Arch>($x: T, $y: T) -> T { $value }
        }
    )* };
}

macro_rules! comparisons {
    ($($name:ident $op:tt;)*) => { $(
        struct $name<T>(PhantomData<T>);
        impl<T: Copy + PartialOrd + 'static> Binary for $name<T> {
            type A = T;
            type B = T;
            type Out = u8;
            #[inline(always)]
            fn apply<L: Arch>(x: T, y: T) -> u8 { u8::from(x $op y) }
        }
    )* };
}

/// `a` where `condition`, else `b`: both are evaluated, nothing branches.
#[inline(always)]
fn choose<T>(condition: bool, a: T, b: T) -> T {
    if condition { a } else { b }
}

#[inline(always)]
fn is_nan<T: Real>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

unary_ops! { Real:
    Neg |x| x.neg();
    Abs |x| x.abs();
    Sign |x| choose(x > T::of(0.0), T::of(1.0), choose(x < T::of(0.0), T::of(-1.0), choose(is_nan(x), x, T::of(0.0))));
    Exp |x| x.exp::<L>();
    Exp2 |x| x.exp2::<L>();
    Expm1 |x| x.expm1::<L>();
    Log |x| x.ln::<L>();
    Log1p |x| x.ln_1p::<L>();
    Log2 |x| x.log2::<L>();
    Log10 |x| x.log10::<L>();
    Sqrt |x| x.sqrt();
    Rsqrt |x| T::of(1.0).div(x.sqrt());
    Square |x| x.mul(x);
    Reciprocal |x| T::of(1.0).div(x);
    Tanh |x| x.tanh::<L>();
    Erf |x| x.erf::<L>();
    Erfc |x| x.erfc::<L>();
    Sigmoid |x| x.sigmoid::<L>();
    Softplus |x| x.softplus::<L>();
    Relu |x| choose(x < T::of(0.0), T::of(0.0), x);
    Floor |x| x.floor();
    Ceil |x| x.ceil();
    Round |x| x.round();
    Trunc |x| x.trunc();
}

macro_rules! angular {
    ($($name:ident $near:ident $far:ident;)*) => { $(
        struct $name<T>(PhantomData<T>);
        impl<T: Real> Unary for $name<T> {
            type In = T;
            type Out = T;
            const GUARDED: bool = true;
            #[inline(always)]
            fn apply<L: Arch>(x: T) -> T {
                x.$near::<L>()
            }
            #[inline(always)]
            fn is_easy(x: T) -> bool {
                x.is_near()
            }
            #[cold]
            fn hard(x: T) -> T {
                x.$far()
            }
        }
    )* };
}

angular! { Sin sin far_sin; Cos cos far_cos; Tan tan far_tan; }

unary_tests! { Real:
    IsNan |x| is_nan(x);
    IsInf |x| x.abs() == T::of(f64::INFINITY);
    IsFinite |x| x.abs() < T::of(f64::INFINITY);
}

unary_ops! { Int:
    IntNeg |x| x.neg();
    IntAbs |x| x.abs();
    IntSign |x| x.signum();
    IntSquare |x| x.mul(x);
    IntRelu |x| x.max(T::ZERO);
    BitwiseNot |x| x.not();
}

binary_ops! { Real:
    Add |x, y| x.add(y);
    Sub |x, y| x.sub(y);
    Mul |x, y| x.mul(y);
    Div |x, y| x.div(y);
    Pow |x, y| x.pow::<L>(y);
    // NaN if either is.
    Max |x, y| choose(is_nan(x) || x >= y, x, y);
    Min |x, y| choose(is_nan(x) || x <= y, x, y);
    LogAddExp |x, y| x.logaddexp::<L>(y);
    CopySign |x, y| x.copysign(y);
}

binary_ops! { Int:
    IntAdd |x, y| x.add(y);
    IntSub |x, y| x.sub(y);
    IntMul |x, y| x.mul(y);
    IntMax |x, y| x.max(y);
    IntMin |x, y| x.min(y);
    BitAnd |x, y| x.and(y);
    BitOr |x, y| x.or(y);
    BitXor |x, y| x.xor(y);
    Shl |x, y| x.shl(y);
    Shr |x, y| x.shr(y);
}

comparisons! { Eq ==; Ne !=; Lt <; Le <=; Gt >; Ge >=; }

macro_rules! branchy_int_ops {
    ($($name:ident $method:ident;)*) => { $(
        struct $name<T>(PhantomData<T>);
        impl<T: Int> Binary for $name<T> {
            type A = T;
            type B = T;
            type Out = T;
            const SCALAR: bool = true;
            #[inline(always)]
            fn apply<L: Arch>(x: T, y: T) -> T { x.$method(y) }
        }
    )* };
}

branchy_int_ops! { IntFloorDiv floor_div; IntMod modulo; IntPow pow; }

/// `!x` on bools.
struct Not;
impl Unary for Not {
    type In = u8;
    type Out = u8;
    #[inline(always)]
    fn apply<L: Arch>(x: u8) -> u8 {
        x ^ 1
    }
}

/// `condition ? a : b`.
struct Select<T>(PhantomData<T>);
impl<T: Copy + 'static> Ternary for Select<T> {
    type A = u8;
    type B = T;
    type C = T;
    type Out = T;
    #[inline(always)]
    fn apply<L: Arch>(condition: u8, a: T, b: T) -> T {
        choose(condition != 0, a, b)
    }
}

/// Row `OP` of the table for values of `DType::ALL[DTYPE]`, by core's own f64 function: for the rows that
/// are too rare to vectorise. A `T` holds the values.
struct Rare<T, const OP: usize, const DTYPE: usize>(PhantomData<T>);
impl<T: Real, const OP: usize, const DTYPE: usize> Unary for Rare<T, OP, DTYPE> {
    type In = T;
    type Out = T;
    const SCALAR: bool = true;
    #[inline]
    fn apply<L: Arch>(x: T) -> T {
        T::of(Ew::ALL[OP].eval_real(&[x.wide()], DType::ALL[DTYPE]))
    }
}
impl<T: Real, const OP: usize, const DTYPE: usize> Binary for Rare<T, OP, DTYPE> {
    type A = T;
    type B = T;
    type Out = T;
    const SCALAR: bool = true;
    #[inline]
    fn apply<L: Arch>(x: T, y: T) -> T {
        T::of(Ew::ALL[OP].eval_real(&[x.wide(), y.wide()], DType::ALL[DTYPE]))
    }
}

/// Conversion of one element, as core's `Scalar::cast` does it.
pub(crate) trait CastTo<U>: Copy {
    fn cast(self) -> U;
}

macro_rules! casts {
    // Integers and floats by `as`: wrapping between integers, saturating from floats.
    ($($from:ident)*) => { $(casts!(@to $from: u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);)* };
    (@to $from:ident: $($to:ident)*) => { $(impl CastTo<$to> for $from {
        #[inline(always)]
        fn cast(self) -> $to { casts!(@convert self, $from, $to) }
    })* };
    // A float goes through i64 or u64 and then wraps, like core's.
    (@convert $x:expr, f32, u8) => { $x as u64 as u8 };
    (@convert $x:expr, f32, u16) => { $x as u64 as u16 };
    (@convert $x:expr, f32, u32) => { $x as u64 as u32 };
    (@convert $x:expr, f32, i8) => { $x as i64 as i8 };
    (@convert $x:expr, f32, i16) => { $x as i64 as i16 };
    (@convert $x:expr, f32, i32) => { $x as i64 as i32 };
    (@convert $x:expr, f64, u8) => { $x as u64 as u8 };
    (@convert $x:expr, f64, u16) => { $x as u64 as u16 };
    (@convert $x:expr, f64, u32) => { $x as u64 as u32 };
    (@convert $x:expr, f64, i8) => { $x as i64 as i8 };
    (@convert $x:expr, f64, i16) => { $x as i64 as i16 };
    (@convert $x:expr, f64, i32) => { $x as i64 as i32 };
    (@convert $x:expr, $from:ident, $to:ident) => { $x as $to };
}

casts! { u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 }

struct Cast<A, B>(PhantomData<(A, B)>);
impl<A: CastTo<B> + 'static, B: Copy + 'static> Unary for Cast<A, B> {
    type In = A;
    type Out = B;
    #[inline(always)]
    fn apply<L: Arch>(x: A) -> B {
        x.cast()
    }
}

/// Anything but zero is true.
struct ToBool<T>(PhantomData<T>);
impl<T: Copy + Default + PartialEq + 'static> Unary for ToBool<T> {
    type In = T;
    type Out = u8;
    #[inline(always)]
    fn apply<L: Arch>(x: T) -> u8 {
        u8::from(x != T::default())
    }
}

/// f64 to f32 rounded to odd, so that rounding again to 16 bits rounds correctly (Boldo and Melquiond,
/// "Emulation of a FMA and correctly-rounded sums", 2008).
struct ToOdd;
impl Unary for ToOdd {
    type In = f64;
    type Out = f32;
    #[inline(always)]
    fn apply<L: Arch>(x: f64) -> f32 {
        let nearest = x as f32;
        let back = f64::from(nearest);
        let away = back.abs() > x.abs();
        let bits = nearest.to_bits().wrapping_sub(u32::from(away)) | 1;
        choose(back == x || is_nan(x), nearest, f32::from_bits(bits))
    }
}

macro_rules! halves {
    ($($round:ident $widen:ident $narrow:ident: $from:ident $to:ident;)*) => { $(
        struct $round;
        impl Unary for $round {
            type In = f32;
            type Out = f32;
            #[inline(always)]
            fn apply<L: Arch>(x: f32) -> f32 { $to($from(x)) }
        }
        struct $widen;
        impl Unary for $widen {
            type In = u16;
            type Out = f32;
            #[inline(always)]
            fn apply<L: Arch>(x: u16) -> f32 { $to(x) }
        }
        struct $narrow;
        impl Unary for $narrow {
            type In = f32;
            type Out = u16;
            #[inline(always)]
            fn apply<L: Arch>(x: f32) -> u16 { $from(x) }
        }
    )* };
}

halves! {
    RoundF16 WidenF16 NarrowF16: f16_from_f32 f16_to_f32;
    RoundBf16 WidenBf16 NarrowBf16: bf16_from_f32 bf16_to_f32;
}

/// Rounds f32 values to `dtype` if that is a 16-bit float.
pub(crate) fn round_fn(dtype: DType, isa: Isa) -> Option<MicroFn> {
    match dtype {
        DType::F16 => Some(pick_unary::<RoundF16>(isa)),
        DType::BF16 => Some(pick_unary::<RoundBf16>(isa)),
        _ => None,
    }
}

/// From memory of a 16-bit float to f32.
pub(crate) fn widen_fn(dtype: DType, isa: Isa) -> Option<MicroFn> {
    match dtype {
        DType::F16 => Some(pick_unary::<WidenF16>(isa)),
        DType::BF16 => Some(pick_unary::<WidenBf16>(isa)),
        _ => None,
    }
}

/// From f32 to memory of a 16-bit float.
pub(crate) fn narrow_fn(dtype: DType, isa: Isa) -> Option<MicroFn> {
    match dtype {
        DType::F16 => Some(pick_unary::<NarrowF16>(isa)),
        DType::BF16 => Some(pick_unary::<NarrowBf16>(isa)),
        _ => None,
    }
}

/// `n` elements of `size` bytes moved.
pub(crate) fn copy_fn(size: usize) -> MicroFn {
    unsafe fn copy<T: Copy>(n: usize, args: [*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `MicroFn`; `copy` allows overlap.
        unsafe { std::ptr::copy(args[0].cast::<T>(), out.cast::<T>(), n) }
    }
    match size {
        1 => copy::<u8>,
        2 => copy::<u16>,
        4 => copy::<u32>,
        _ => copy::<u64>,
    }
}

/// One element of `size` bytes repeated `n` times.
pub(crate) fn splat_fn(size: usize) -> MicroFn {
    unsafe fn splat<T: Copy>(n: usize, args: [*const u8; 3], out: *mut u8) {
        // SAFETY: the contract of `MicroFn`.
        unsafe {
            let value = args[0].cast::<T>().read();
            std::slice::from_raw_parts_mut(out.cast::<std::mem::MaybeUninit<T>>(), n)
                .fill(std::mem::MaybeUninit::new(value));
        }
    }
    match size {
        1 => splat::<u8>,
        2 => splat::<u16>,
        4 => splat::<u32>,
        _ => splat::<u64>,
    }
}

/// Calls `$use!(T)` with the native type that holds values of an integer dtype.
macro_rules! with_int {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::U8 => {
                type $t = u8;
                Some($body)
            }
            DType::U16 => {
                type $t = u16;
                Some($body)
            }
            DType::U32 => {
                type $t = u32;
                Some($body)
            }
            DType::U64 => {
                type $t = u64;
                Some($body)
            }
            DType::I8 => {
                type $t = i8;
                Some($body)
            }
            DType::I16 => {
                type $t = i16;
                Some($body)
            }
            DType::I32 => {
                type $t = i32;
                Some($body)
            }
            DType::I64 => {
                type $t = i64;
                Some($body)
            }
            _ => None,
        }
    };
}

/// As `with_int`, by size: for ops that do not care for the sign.
macro_rules! with_bits {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $t = u8;
                $body
            }
            2 => {
                type $t = u16;
                $body
            }
            4 => {
                type $t = u32;
                $body
            }
            _ => {
                type $t = u64;
                $body
            }
        }
    };
}

/// The loop that converts between registers of two compute dtypes. The result still has to be rounded
/// if `to` is a 16-bit float. `None`: the value is the same.
pub(crate) fn cast_fn(from: DType, to: DType, isa: Isa) -> Option<MicroFn> {
    let half = |d| matches!(d, DType::F16 | DType::BF16);
    let (from, to, odd) = (compute_dtype(from), compute_dtype(to), half(to) && from == DType::F64);
    if from == to {
        return None;
    }
    macro_rules! to {
        ($a:ty) => {
            match to {
                DType::Bool => pick_unary::<ToBool<$a>>(isa),
                DType::U8 => pick_unary::<Cast<$a, u8>>(isa),
                DType::U16 => pick_unary::<Cast<$a, u16>>(isa),
                DType::U32 => pick_unary::<Cast<$a, u32>>(isa),
                DType::U64 => pick_unary::<Cast<$a, u64>>(isa),
                DType::I8 => pick_unary::<Cast<$a, i8>>(isa),
                DType::I16 => pick_unary::<Cast<$a, i16>>(isa),
                DType::I32 => pick_unary::<Cast<$a, i32>>(isa),
                DType::I64 => pick_unary::<Cast<$a, i64>>(isa),
                DType::F64 => pick_unary::<Cast<$a, f64>>(isa),
                _ => pick_unary::<Cast<$a, f32>>(isa),
            }
        };
    }
    if odd {
        return Some(pick_unary::<ToOdd>(isa));
    }
    Some(match from {
        DType::Bool | DType::U8 => to!(u8),
        DType::U16 => to!(u16),
        DType::U32 => to!(u32),
        DType::U64 => to!(u64),
        DType::I8 => to!(i8),
        DType::I16 => to!(i16),
        DType::I32 => to!(i32),
        DType::I64 => to!(i64),
        DType::F64 => to!(f64),
        _ => to!(f32),
    })
}

/// How a row runs: its loop, and what became of its operands.
pub(crate) struct Resolved {
    /// The loop.
    pub function: MicroFn,
    /// Whether the first two operands are to be exchanged.
    pub swap: bool,
    /// Whether uniform operands must be repeated into vectors before.
    pub splat: bool,
    /// Rough cost of an element, one for an addition.
    pub cost: usize,
}

/// Finds the loop of a row. `dtype` is that of the operands, `uniform` says which operands are single
/// elements while the result is a vector.
pub(crate) fn resolve(op: Ew, dtype: DType, uniform: [bool; 3], isa: Isa) -> Option<Resolved> {
    let plain = |function, cost| Some(Resolved { function, swap: false, splat: true, cost });
    if op == Ew::Select {
        let pair = [uniform[1], uniform[2]];
        let function = with_bits!(compute_dtype(dtype), T => {
            if size_of::<T>() >= 4 && !uniform[0] {
                pick_ternary_uniform::<Select<T>>(isa, pair)
            } else {
                pick_ternary::<Select<T>>(isa)
            }
        });
        let splat = dtype.size() < 4 && compute_dtype(dtype) == dtype || uniform[0];
        return Some(Resolved { function, swap: false, splat, cost: 1 });
    }
    match compute_dtype(dtype) {
        DType::F32 => real::<f32>(op, dtype, uniform, isa),
        DType::F64 => real::<f64>(op, dtype, uniform, isa),
        DType::Bool => {
            let function = match op {
                Ew::LogicalNot => pick_unary::<Not>(isa),
                Ew::And => pick_binary::<BitAnd<u8>>(isa),
                Ew::Or => pick_binary::<BitOr<u8>>(isa),
                Ew::Xor => pick_binary::<BitXor<u8>>(isa),
                _ => return comparison::<u8>(op, isa).and_then(|f| plain(f, 1)),
            };
            plain(function, 1)
        }
        int => integer(op, int, isa),
    }
}

fn comparison<T: Copy + PartialOrd + 'static>(op: Ew, isa: Isa) -> Option<MicroFn> {
    Some(match op {
        Ew::Eq => pick_binary::<Eq<T>>(isa),
        Ew::Ne => pick_binary::<Ne<T>>(isa),
        Ew::Lt => pick_binary::<Lt<T>>(isa),
        Ew::Le => pick_binary::<Le<T>>(isa),
        Ew::Gt => pick_binary::<Gt<T>>(isa),
        Ew::Ge => pick_binary::<Ge<T>>(isa),
        _ => return None,
    })
}

fn integer(op: Ew, dtype: DType, isa: Isa) -> Option<Resolved> {
    // Where signedness makes no difference one instance serves both.
    let bits = with_bits!(dtype, T => match op {
        Ew::Neg => Some(pick_unary::<IntNeg<T>>(isa)),
        Ew::Square => Some(pick_unary::<IntSquare<T>>(isa)),
        Ew::BitwiseNot => Some(pick_unary::<BitwiseNot<T>>(isa)),
        Ew::Add => Some(pick_binary::<IntAdd<T>>(isa)),
        Ew::Sub => Some(pick_binary::<IntSub<T>>(isa)),
        Ew::Mul => Some(pick_binary::<IntMul<T>>(isa)),
        Ew::BitAnd => Some(pick_binary::<BitAnd<T>>(isa)),
        Ew::BitOr => Some(pick_binary::<BitOr<T>>(isa)),
        Ew::BitXor => Some(pick_binary::<BitXor<T>>(isa)),
        Ew::Eq => Some(pick_binary::<Eq<T>>(isa)),
        Ew::Ne => Some(pick_binary::<Ne<T>>(isa)),
        _ => None,
    });
    let (function, cost) = match bits {
        Some(function) => (function, 1),
        None => with_int!(dtype, T => match op {
            Ew::Abs => (pick_unary::<IntAbs<T>>(isa), 1),
            Ew::Sign => (pick_unary::<IntSign<T>>(isa), 1),
            Ew::Relu => (pick_unary::<IntRelu<T>>(isa), 1),
            Ew::FloorDiv => (pick_binary::<IntFloorDiv<T>>(isa), 20),
            Ew::Mod => (pick_binary::<IntMod<T>>(isa), 20),
            Ew::Pow => (pick_binary::<IntPow<T>>(isa), 20),
            Ew::Max => (pick_binary::<IntMax<T>>(isa), 1),
            Ew::Min => (pick_binary::<IntMin<T>>(isa), 1),
            Ew::Shl => (pick_binary::<Shl<T>>(isa), 1),
            Ew::Shr => (pick_binary::<Shr<T>>(isa), 1),
            other => (comparison::<T>(other, isa)?, 1),
        })?,
    };
    Some(Resolved { function, swap: false, splat: true, cost })
}

fn real<T: Real + RareOps>(op: Ew, dtype: DType, uniform: [bool; 3], isa: Isa) -> Option<Resolved> {
    macro_rules! unary {
        ($($name:ident $cost:literal),*) => {
            match op {
                $(Ew::$name => Some((pick_unary::<$name<T>>(isa), $cost)),)*
                _ => None,
            }
        };
    }
    let function = unary!(
        Neg 1, Abs 1, Sign 2, Exp 6, Exp2 6, Expm1 12, Log 8, Log1p 12, Log2 8, Log10 8, Sqrt 3, Rsqrt 4, Square 1,
        Reciprocal 2, Sin 10, Cos 10, Tan 14, Tanh 8, Erf 12, Erfc 16, Sigmoid 8, Softplus 16, Relu 1, Floor 1, Ceil 1,
        Round 1, Trunc 1, IsNan 1, IsInf 1, IsFinite 1
    );
    if let Some((function, cost)) = function {
        return Some(Resolved { function, swap: false, splat: true, cost });
    }
    // Comparisons and commutative ops run with the uniform operand second.
    let mirrored = match op {
        Ew::Lt => Some(Ew::Gt),
        Ew::Le => Some(Ew::Ge),
        Ew::Gt => Some(Ew::Lt),
        Ew::Ge => Some(Ew::Le),
        other => other.is_commutative().then_some(other),
    };
    let (op, swap) = match mirrored {
        Some(mirror) if uniform[0] && !uniform[1] => (mirror, true),
        _ => (op, false),
    };
    let pair = if swap { [false, true] } else { [uniform[0], uniform[1]] };
    macro_rules! binary {
        ($($name:ident $cost:literal),*) => {
            match op {
                $(Ew::$name => Some((pick_binary_uniform::<$name<T>>(isa, pair), $cost)),)*
                _ => None,
            }
        };
    }
    let function = binary!(
        Add 1, Sub 1, Mul 1, Div 2, Max 1, Min 1, Eq 1, Ne 1, Lt 1, Le 1, Gt 1, Ge 1
    );
    if let Some((function, cost)) = function {
        return Some(Resolved { function, swap, splat: false, cost });
    }
    let (function, cost) = match op {
        Ew::Pow => (pick_binary::<Pow<T>>(isa), 24),
        Ew::LogAddExp => (pick_binary::<LogAddExp<T>>(isa), 16),
        Ew::CopySign => (pick_binary::<CopySign<T>>(isa), 1),
        _ => (T::rare(op, dtype, isa)?, 50),
    };
    Some(Resolved { function, swap, splat: true, cost })
}

/// Rows by core's scalar functions.
trait RareOps {
    fn rare(op: Ew, dtype: DType, isa: Isa) -> Option<MicroFn>;
}

macro_rules! rare {
    ($t:ident $($dtype:ident)*) => {
        impl RareOps for $t {
            fn rare(op: Ew, dtype: DType, isa: Isa) -> Option<MicroFn> {
                macro_rules! rows {
                    ($pick:ident: $d:ident $name:ident) => { $pick::<Rare<$t, { Ew::$name as usize }, { DType::$d as usize }>>(isa) };
                }
                Some(match op {
                    Ew::Asin => rows!(pick_unary: F64 Asin),
                    Ew::Acos => rows!(pick_unary: F64 Acos),
                    Ew::Atan => rows!(pick_unary: F64 Atan),
                    Ew::Sinh => rows!(pick_unary: F64 Sinh),
                    Ew::Cosh => rows!(pick_unary: F64 Cosh),
                    Ew::Asinh => rows!(pick_unary: F64 Asinh),
                    Ew::Acosh => rows!(pick_unary: F64 Acosh),
                    Ew::Atanh => rows!(pick_unary: F64 Atanh),
                    Ew::Erfinv => rows!(pick_unary: F64 Erfinv),
                    Ew::Lgamma => rows!(pick_unary: F64 Lgamma),
                    Ew::Digamma => rows!(pick_unary: F64 Digamma),
                    Ew::Trigamma => rows!(pick_unary: F64 Trigamma),
                    Ew::FloorDiv => rows!(pick_binary: F64 FloorDiv),
                    Ew::Mod => rows!(pick_binary: F64 Mod),
                    Ew::Atan2 => rows!(pick_binary: F64 Atan2),
                    Ew::Hypot => rows!(pick_binary: F64 Hypot),
                    // The only row whose value depends on the dtype.
                    Ew::NextAfter => match dtype {
                        $(DType::$dtype => rows!(pick_binary: $dtype NextAfter),)*
                        _ => return None,
                    },
                    _ => return None,
                })
            }
        }
    };
}

rare!(f32 F16 BF16 F32);
rare!(f64 F64);
