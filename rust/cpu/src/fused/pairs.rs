//! Super-instructions: two float32 ops as one micro-op. What passes between them stays in a register
//! instead of being written to a tile and read again, which is most of the cost of cheap ops. The two
//! round as they would apart, so results are the same bits.

use std::marker::PhantomData;

use oxhorn_core::op::Ew;

use super::micro::{Binary, MicroFn, Ternary, pick_binary_uniform, pick_ternary_uniform};
use crate::isa::Isa;
use crate::vmath::Arch;

/// An op on the value so far and one more operand.
trait Link: 'static {
    fn apply(x: f32, y: f32) -> f32;
}

/// An op on the value so far.
trait End: 'static {
    fn apply(x: f32) -> f32;
}

macro_rules! links {
    ($($name:ident |$x:ident, $y:ident| $value:expr;)*) => { $(
        struct $name;
        impl Link for $name {
            #[inline(always)]
            fn apply($x: f32, $y: f32) -> f32 { $value }
        }
    )* };
}

links! {
    Plus |x, y| x + y;
    Minus |x, y| x - y;
    MinusFrom |x, y| y - x;
    Times |x, y| x * y;
    Over |x, y| x / y;
    Into |x, y| y / x;
}

macro_rules! ends {
    ($($name:ident |$x:ident| $value:expr;)*) => { $(
        struct $name;
        impl End for $name {
            #[inline(always)]
            fn apply($x: f32) -> f32 { $value }
        }
    )* };
}

ends! {
    Squared |x| x * x;
    Root |x| x.sqrt();
    InverseRoot |x| 1.0 / x.sqrt();
    Rectified |x| if x < 0.0 { 0.0 } else { x };
}

/// `(a F b) S c`.
struct Pair<F, S>(PhantomData<(F, S)>);
impl<F: Link, S: Link> Ternary for Pair<F, S> {
    type A = f32;
    type B = f32;
    type C = f32;
    type Out = f32;
    #[inline(always)]
    fn apply<L: Arch>(a: f32, b: f32, c: f32) -> f32 {
        S::apply(F::apply(a, b), c)
    }
}

/// `E(a F b)`.
struct Ended<F, E>(PhantomData<(F, E)>);
impl<F: Link, E: End> Binary for Ended<F, E> {
    type A = f32;
    type B = f32;
    type Out = f32;
    #[inline(always)]
    fn apply<L: Arch>(a: f32, b: f32) -> f32 {
        E::apply(F::apply(a, b))
    }
}

/// `a > b ? c : b`: what a rectifier lets through of a gradient.
struct Gate;
impl Ternary for Gate {
    type A = f32;
    type B = f32;
    type C = f32;
    type Out = f32;
    #[inline(always)]
    fn apply<L: Arch>(a: f32, b: f32, c: f32) -> f32 {
        if a > b { c } else { b }
    }
}

/// An op that can be the first of a pair, its first operand a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    Plus,
    Minus,
    MinusFrom,
    Times,
    Greater,
}

impl First {
    /// The op as a first one, and whether its operands are to be exchanged.
    pub fn of(op: Ew, uniform_first: bool) -> Option<(Self, bool)> {
        let plain = match op {
            Ew::Add => Self::Plus,
            Ew::Mul => Self::Times,
            Ew::Sub if uniform_first => Self::MinusFrom,
            Ew::Sub => Self::Minus,
            Ew::Gt if !uniform_first => Self::Greater,
            _ => return None,
        };
        Some((plain, uniform_first))
    }
}

macro_rules! after {
    ($first:expr, $f:ident => $body:expr) => {
        match $first {
            First::Plus => {
                type $f = Plus;
                Some($body)
            }
            First::Minus => {
                type $f = Minus;
                Some($body)
            }
            First::MinusFrom => {
                type $f = MinusFrom;
                Some($body)
            }
            First::Times => {
                type $f = Times;
                Some($body)
            }
            First::Greater => None,
        }
    };
}

/// The loop of `first` followed by the binary `second`, whose operand number `place` is the first's result;
/// operands are the first's two and the second's other. `uniform`: of the second and the third.
pub(crate) fn pair(first: First, second: Ew, place: usize, uniform: [bool; 2], isa: Isa) -> Option<MicroFn> {
    macro_rules! then {
        ($s:ty) => {
            after!(first, F => pick_ternary_uniform::<Pair<F, $s>>(isa, uniform))
        };
    }
    match (second, place) {
        (Ew::Add, _) => then!(Plus),
        (Ew::Mul, _) => then!(Times),
        (Ew::Sub, 0) => then!(Minus),
        (Ew::Sub, _) => then!(MinusFrom),
        (Ew::Div, 0) => then!(Over),
        (Ew::Div, _) => then!(Into),
        _ => None,
    }
}

/// The loop of `first` followed by the unary `second`.
pub(crate) fn ended(first: First, second: Ew, uniform: bool, isa: Isa) -> Option<MicroFn> {
    macro_rules! then {
        ($e:ty) => {
            after!(first, F => pick_binary_uniform::<Ended<F, $e>>(isa, [false, uniform]))
        };
    }
    match second {
        Ew::Square => then!(Squared),
        Ew::Sqrt => then!(Root),
        Ew::Rsqrt => then!(InverseRoot),
        Ew::Relu => then!(Rectified),
        _ => None,
    }
}

/// The loop of a comparison "greater" followed by a selection whose last operand is also compared with:
/// operands are the comparison's two and the selection's other.
pub(crate) fn gate(uniform: [bool; 2], isa: Isa) -> MicroFn {
    pick_ternary_uniform::<Gate>(isa, uniform)
}
