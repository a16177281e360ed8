//! The table of element-wise ops: one row per op.
//!
//! A row says all that core knows of an op: its name, the dtypes it takes, its value in f64 and in exact
//! integers (the references that kernels are tested against), its gradient as expressions over the same
//! ops, its text in the kernel languages, and where its gradient may be checked. Semantics are NumPy's.

mod special;

use crate::expr::{Expr, emit};
use crate::op::VjpContext;
use crate::{DType, Error, Op, Result, Scalar, Value};

/// The dtypes that an op takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Any,
    /// Integers and floats.
    Numeric,
    Float,
    Int,
    Bool,
}

/// What a gradient is written in: operands x and y (the first two), result r, cotangent d.
struct At<'s> {
    x: Expr<'s>,
    y: Expr<'s>,
    r: Expr<'s>,
    d: Expr<'s>,
}

type Gradient = for<'s> fn(At<'s>) -> Expr<'s>;

/// One row.
struct Row {
    /// Name in Python.
    name: &'static str,
    arity: usize,
    takes: Takes,
    /// The result is bool.
    predicate: bool,
    commutative: bool,
    /// Rough cost of an element; an addition is 1.
    cost: u32,
    /// The op that does this to bools, for an op that does not take them.
    on_bool: Option<Ew>,
    /// Value for floats (rounded to the dtype by the caller). The dtype matters only to nextafter.
    real: fn([f64; 3], DType) -> f64,
    /// Exact value for integers of the given number of bits (wrapped to them by the caller).
    int: Option<fn([i128; 3], u32) -> i128>,
    /// Cotangent of each operand; none of them for an op that is flat or not differentiable.
    gradient: &'static [Gradient],
    /// Text in CUDA C++: $0, $1, $2 are the operands (names), $t is the type that holds the operands, $d
    /// their dtype; ox_* are in the device's prelude.
    c: &'static str,
    /// Text in WGSL, in which float16 and bfloat16 are held in f32; empty where there is none.
    wgsl: &'static str,
    /// Interval of each operand (the last one for all that follow) in which the op is smooth.
    domain: &'static [(f64, f64)],
}

/// What most rows have in common.
const UNARY: Row = Row {
    name: "",
    arity: 1,
    takes: Takes::Float,
    predicate: false,
    commutative: false,
    cost: 1,
    on_bool: None,
    real: |_, _| f64::NAN,
    int: None,
    gradient: &[],
    c: "",
    wgsl: "",
    domain: &[(-2.0, 2.0)],
};
const BINARY: Row = Row { arity: 2, takes: Takes::Numeric, ..UNARY };
const COMPARISON: Row = Row { takes: Takes::Any, predicate: true, ..BINARY };
const LOGICAL: Row = Row { takes: Takes::Bool, predicate: true, commutative: true, ..BINARY };
const BITS: Row = Row { takes: Takes::Int, commutative: true, ..BINARY };

macro_rules! table {
    ($($variant:ident: $base:ident { $($field:ident: $value:expr),* $(,)? })*) => {
        /// An element-wise op: a row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum Ew { $($variant),* }

        impl Ew {
            /// Every op.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        const ROWS: &[Row] = &[$(Row { $($field: $value,)* ..$base }),*];
    };
}

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LOG2_E, LOG10_E};

table! {
    Neg: UNARY {
        name: "negative", takes: Takes::Numeric, real: |[x, ..], _| -x, int: Some(|[x, ..], _| -x),
        gradient: &[|At { d, .. }| -d], c: "-$0", wgsl: "ox_neg_$t($0)",
    }
    Abs: UNARY {
        name: "abs", takes: Takes::Numeric, real: |[x, ..], _| x.abs(), int: Some(|[x, ..], _| x.abs()),
        gradient: &[|At { x, d, .. }| d * x.sign()], c: "ox_abs($0)", wgsl: "ox_abs_$t($0)", domain: &[(0.2, 2.0)],
    }
    Sign: UNARY {
        name: "sign", takes: Takes::Numeric, real: |[x, ..], _| special::sign(x),
        int: Some(|[x, ..], _| x.signum()), c: "ox_sign($0)", wgsl: "ox_sign_$t($0)", domain: &[(0.2, 2.0)],
    }
    Exp: UNARY {
        name: "exp", cost: 10, real: |[x, ..], _| x.exp(),
        gradient: &[|At { r, d, .. }| d * r], c: "exp($0)", wgsl: "ox_exp($0)",
    }
    Exp2: UNARY {
        name: "exp2", cost: 10, real: |[x, ..], _| x.exp2(),
        gradient: &[|At { r, d, .. }| d * (r * LN_2)], c: "exp2($0)", wgsl: "ox_exp2($0)",
    }
    Expm1: UNARY {
        name: "expm1", cost: 10, real: |[x, ..], _| x.exp_m1(),
        gradient: &[|At { r, d, .. }| d * (r + 1.0)], c: "expm1($0)", wgsl: "ox_expm1($0)",
    }
    Log: UNARY {
        name: "log", cost: 10, real: |[x, ..], _| x.ln(),
        gradient: &[|At { x, d, .. }| d / x], c: "log($0)", wgsl: "ox_log($0)", domain: &[(0.3, 3.0)],
    }
    Log1p: UNARY {
        name: "log1p", cost: 10, real: |[x, ..], _| x.ln_1p(),
        gradient: &[|At { x, d, .. }| d / (x + 1.0)], c: "log1p($0)", wgsl: "ox_log1p($0)", domain: &[(-0.6, 3.0)],
    }
    Log2: UNARY {
        name: "log2", cost: 10, real: |[x, ..], _| x.log2(),
        gradient: &[|At { x, d, .. }| d / x * LOG2_E], c: "log2($0)", wgsl: "ox_log2($0)", domain: &[(0.3, 3.0)],
    }
    Log10: UNARY {
        name: "log10", cost: 10, real: |[x, ..], _| x.log10(),
        gradient: &[|At { x, d, .. }| d / x * LOG10_E], c: "log10($0)",
        wgsl: "ox_log10($0)", domain: &[(0.3, 3.0)],
    }
    Sqrt: UNARY {
        name: "sqrt", cost: 3, real: |[x, ..], _| x.sqrt(),
        gradient: &[|At { r, d, .. }| d * (r.constant(0.5) / r)], c: "sqrt($0)", wgsl: "sqrt($0)",
        domain: &[(0.3, 3.0)],
    }
    Rsqrt: UNARY {
        name: "rsqrt", cost: 3, real: |[x, ..], _| 1.0 / x.sqrt(),
        gradient: &[|At { x, r, d, .. }| d * (r / x * -0.5)], c: "rsqrt($0)", wgsl: "1.0 / sqrt($0)",
        domain: &[(0.3, 3.0)],
    }
    Square: UNARY {
        name: "square", takes: Takes::Numeric, real: |[x, ..], _| x * x,
        int: Some(|[x, ..], _| x.wrapping_mul(x)),
        gradient: &[|At { x, d, .. }| d * (x * 2.0)], c: "($0) * ($0)", wgsl: "$0 * $0",
    }
    Reciprocal: UNARY {
        name: "reciprocal", cost: 3, real: |[x, ..], _| 1.0 / x,
        gradient: &[|At { r, d, .. }| -(d * (r * r))], c: "1 / ($0)", wgsl: "1.0 / $0", domain: &[(0.3, 3.0)],
    }
    Sin: UNARY {
        name: "sin", cost: 10, real: |[x, ..], _| x.sin(),
        gradient: &[|At { x, d, .. }| d * x.ew(Ew::Cos, &[])], c: "sin($0)", wgsl: "ox_sin($0)",
    }
    Cos: UNARY {
        name: "cos", cost: 10, real: |[x, ..], _| x.cos(),
        gradient: &[|At { x, d, .. }| -(d * x.ew(Ew::Sin, &[]))], c: "cos($0)", wgsl: "ox_cos($0)",
    }
    Tan: UNARY {
        name: "tan", cost: 10, real: |[x, ..], _| x.tan(),
        gradient: &[|At { r, d, .. }| d * (r * r + 1.0)], c: "tan($0)", wgsl: "ox_tan($0)", domain: &[(-1.0, 1.0)],
    }
    Asin: UNARY {
        name: "arcsin", cost: 10, real: |[x, ..], _| x.asin(),
        gradient: &[|At { x, d, .. }| d * (1.0 - x * x).rsqrt()], c: "asin($0)", wgsl: "ox_asin($0)",
        domain: &[(-0.8, 0.8)],
    }
    Acos: UNARY {
        name: "arccos", cost: 10, real: |[x, ..], _| x.acos(),
        gradient: &[|At { x, d, .. }| -(d * (1.0 - x * x).rsqrt())], c: "acos($0)", wgsl: "ox_acos($0)",
        domain: &[(-0.8, 0.8)],
    }
    Atan: UNARY {
        name: "arctan", cost: 10, real: |[x, ..], _| x.atan(),
        gradient: &[|At { x, d, .. }| d / (x * x + 1.0)], c: "atan($0)", wgsl: "ox_atan($0)",
    }
    Sinh: UNARY {
        name: "sinh", cost: 10, real: |[x, ..], _| x.sinh(),
        gradient: &[|At { x, d, .. }| d * x.ew(Ew::Cosh, &[])], c: "sinh($0)", wgsl: "ox_sinh($0)",
    }
    Cosh: UNARY {
        name: "cosh", cost: 10, real: |[x, ..], _| x.cosh(),
        gradient: &[|At { x, d, .. }| d * x.ew(Ew::Sinh, &[])], c: "cosh($0)", wgsl: "ox_cosh($0)",
    }
    Tanh: UNARY {
        name: "tanh", cost: 10, real: |[x, ..], _| x.tanh(),
        gradient: &[|At { r, d, .. }| d * (1.0 - r * r)], c: "tanh($0)", wgsl: "ox_tanh($0)",
    }
    Asinh: UNARY {
        name: "arcsinh", cost: 10, real: |[x, ..], _| x.asinh(),
        gradient: &[|At { x, d, .. }| d * (x * x + 1.0).rsqrt()], c: "asinh($0)", wgsl: "ox_asinh($0)",
    }
    Acosh: UNARY {
        name: "arccosh", cost: 10, real: |[x, ..], _| x.acosh(),
        gradient: &[|At { x, d, .. }| d * ((x - 1.0) * (x + 1.0)).rsqrt()], c: "acosh($0)", wgsl: "ox_acosh($0)",
        domain: &[(1.3, 4.0)],
    }
    Atanh: UNARY {
        name: "arctanh", cost: 10, real: |[x, ..], _| x.atanh(),
        gradient: &[|At { x, d, .. }| d / (1.0 - x * x)], c: "atanh($0)", wgsl: "ox_atanh($0)",
        domain: &[(-0.8, 0.8)],
    }
    Erf: UNARY {
        name: "erf", cost: 10, real: |[x, ..], _| libm::erf(x),
        gradient: &[|At { x, d, .. }| d * ((-(x * x)).exp() * FRAC_2_SQRT_PI)], c: "erf($0)", wgsl: "ox_erf($0)",
    }
    Erfc: UNARY {
        name: "erfc", cost: 10, real: |[x, ..], _| libm::erfc(x),
        gradient: &[|At { x, d, .. }| d * ((-(x * x)).exp() * -FRAC_2_SQRT_PI)], c: "erfc($0)", wgsl: "ox_erfc($0)",
    }
    Erfinv: UNARY {
        name: "erfinv", cost: 60, real: |[x, ..], _| special::erfinv(x),
        gradient: &[|At { r, d, .. }| d * ((r * r).exp() * (1.0 / FRAC_2_SQRT_PI))], c: "erfinv($0)",
        wgsl: "ox_erfinv($0)", domain: &[(-0.8, 0.8)],
    }
    Lgamma: UNARY {
        name: "lgamma", cost: 60, real: |[x, ..], _| libm::lgamma(x),
        gradient: &[|At { x, d, .. }| d * x.ew(Ew::Digamma, &[])], c: "lgamma($0)", wgsl: "",
        domain: &[(0.4, 4.0)],
    }
    Digamma: UNARY {
        name: "digamma", cost: 60, real: |[x, ..], _| special::digamma(x),
        gradient: &[|At { x, d, .. }| d * x.ew(Ew::Trigamma, &[])], c: "ox_digamma($0)", wgsl: "",
        domain: &[(0.4, 4.0)],
    }
    Trigamma: UNARY {
        name: "trigamma", cost: 60, real: |[x, ..], _| special::trigamma(x),
        gradient: &[|At { d, .. }| not_differentiable(d, "trigamma", "polygamma functions end at trigamma")],
        c: "ox_trigamma($0)", wgsl: "", domain: &[(0.4, 4.0)],
    }
    Sigmoid: UNARY {
        name: "sigmoid", cost: 10, real: |[x, ..], _| 1.0 / (1.0 + (-x).exp()),
        gradient: &[|At { r, d, .. }| d * (r * (1.0 - r))], c: "1 / (1 + exp(-($0)))", wgsl: "ox_sigmoid($0)",
    }
    Softplus: UNARY {
        name: "softplus", cost: 10, real: |[x, ..], _| special::log_add_exp(x, 0.0),
        gradient: &[|At { x, d, .. }| d * x.sigmoid()], c: "ox_softplus($0)", wgsl: "ox_softplus($0)",
    }
    Relu: UNARY {
        name: "relu", takes: Takes::Numeric, real: |[x, ..], _| special::maximum(x, 0.0),
        int: Some(|[x, ..], _| x.max(0)),
        gradient: &[|At { r, d, .. }| r.gt(0.0).select(d, 0.0)], c: "ox_max($0, $t(0))", wgsl: "ox_max_$t($0, $t(0))",
        domain: &[(0.2, 2.0)],
    }
    Floor: UNARY {
        name: "floor", real: |[x, ..], _| x.floor(), c: "floor($0)", wgsl: "floor($0)", domain: &[(0.1, 0.9)],
    }
    Ceil: UNARY {
        name: "ceil", real: |[x, ..], _| x.ceil(), c: "ceil($0)", wgsl: "ceil($0)", domain: &[(0.1, 0.9)],
    }
    Round: UNARY {
        name: "round", real: |[x, ..], _| x.round_ties_even(), c: "rint($0)", wgsl: "round($0)",
        domain: &[(0.6, 1.4)],
    }
    Trunc: UNARY {
        name: "trunc", real: |[x, ..], _| x.trunc(), c: "trunc($0)", wgsl: "trunc($0)", domain: &[(0.1, 0.9)],
    }
    LogicalNot: UNARY {
        name: "logical_not", takes: Takes::Bool, predicate: true, int: Some(|[x, ..], _| i128::from(x == 0)),
        c: "!($0)", wgsl: "!$0",
    }
    BitwiseNot: UNARY {
        name: "bitwise_not", takes: Takes::Int, on_bool: Some(Ew::LogicalNot), int: Some(|[x, ..], _| !x),
        c: "~($0)", wgsl: "~$0",
    }
    IsNan: UNARY {
        name: "isnan", predicate: true, real: |[x, ..], _| f64::from(x.is_nan()), c: "isnan($0)",
        wgsl: "ox_isnan($0)",
    }
    IsInf: UNARY {
        name: "isinf", predicate: true, real: |[x, ..], _| f64::from(x.is_infinite()), c: "isinf($0)",
        wgsl: "ox_isinf($0)",
    }
    IsFinite: UNARY {
        name: "isfinite", predicate: true, real: |[x, ..], _| f64::from(x.is_finite()), c: "isfinite($0)",
        wgsl: "ox_isfinite($0)",
    }
    StopGradient: UNARY {
        name: "stop_gradient", takes: Takes::Any, real: |[x, ..], _| x, int: Some(|[x, ..], _| x),
        c: "$0", wgsl: "$0",
    }
    Add: BINARY {
        name: "add", commutative: true, on_bool: Some(Ew::Or), real: |[x, y, _], _| x + y,
        int: Some(|[x, y, _], _| x + y),
        gradient: &[|At { d, .. }| d, |At { d, .. }| d], c: "$0 + $1", wgsl: "$0 + $1",
    }
    Sub: BINARY {
        name: "subtract", real: |[x, y, _], _| x - y, int: Some(|[x, y, _], _| x - y),
        gradient: &[|At { d, .. }| d, |At { d, .. }| -d], c: "$0 - $1", wgsl: "$0 - $1",
    }
    Mul: BINARY {
        name: "multiply", commutative: true, on_bool: Some(Ew::And), real: |[x, y, _], _| x * y,
        int: Some(|[x, y, _], _| x.wrapping_mul(y)),
        gradient: &[|At { y, d, .. }| d * y, |At { x, d, .. }| d * x], c: "$0 * $1", wgsl: "$0 * $1",
    }
    Div: BINARY {
        name: "divide", cost: 3, takes: Takes::Float, real: |[x, y, _], _| x / y,
        gradient: &[|At { y, d, .. }| d / y, |At { y, r, d, .. }| -(d / y * r)], c: "$0 / $1", wgsl: "$0 / $1",
        domain: &[(-2.0, 2.0), (0.4, 2.0)],
    }
    FloorDiv: BINARY {
        name: "floor_divide", cost: 10, real: |[x, y, _], _| special::floor_div(x, y),
        int: Some(|[x, y, _], _| special::int_floor_div(x, y)), c: "ox_floor_div($0, $1)",
        wgsl: "ox_floor_div_$t($0, $1)", domain: &[(1.05, 1.4), (0.9, 1.0)],
    }
    Mod: BINARY {
        name: "mod", cost: 10, real: |[x, y, _], _| special::modulo(x, y), int: Some(|[x, y, _], _| special::int_modulo(x, y)),
        gradient: &[|At { d, .. }| d, |At { x, y, d, .. }| -(d * x.floor_div(y))], c: "ox_mod($0, $1)",
        wgsl: "ox_mod_$t($0, $1)", domain: &[(2.05, 2.4), (0.9, 1.0)],
    }
    Pow: BINARY {
        name: "power", cost: 60, on_bool: None, real: |[x, y, _], _| x.powf(y),
        int: Some(|[x, y, _], _| special::int_power(x, y)),
        gradient: &[
            |At { x, y, d, .. }| d * (y * x.ew(Ew::Pow, &[y.eq(0.0).select(y.constant(1.0), y - 1.0)])),
            |At { x, r, d, .. }| d * (r * x.eq(0.0).select(x.constant(1.0), x).log()),
        ],
        c: "ox_pow($0, $1)", wgsl: "ox_pow_$t($0, $1)", domain: &[(0.3, 2.0), (-2.0, 2.0)],
    }
    Max: BINARY {
        name: "maximum", commutative: true, on_bool: Some(Ew::Or), real: |[x, y, _], _| special::maximum(x, y),
        int: Some(|[x, y, _], _| x.max(y)),
        gradient: &[
            |At { x, y, d, .. }| x.eq(y).select(d * 0.5, x.gt(y).select(d, 0.0)),
            |At { x, y, d, .. }| x.eq(y).select(d * 0.5, x.lt(y).select(d, 0.0)),
        ],
        c: "ox_max($0, $1)", wgsl: "ox_max_$t($0, $1)", domain: &[(-2.0, -0.1), (0.1, 2.0)],
    }
    Min: BINARY {
        name: "minimum", commutative: true, on_bool: Some(Ew::And), real: |[x, y, _], _| special::minimum(x, y),
        int: Some(|[x, y, _], _| x.min(y)),
        gradient: &[
            |At { x, y, d, .. }| x.eq(y).select(d * 0.5, x.lt(y).select(d, 0.0)),
            |At { x, y, d, .. }| x.eq(y).select(d * 0.5, x.gt(y).select(d, 0.0)),
        ],
        c: "ox_min($0, $1)", wgsl: "ox_min_$t($0, $1)", domain: &[(-2.0, -0.1), (0.1, 2.0)],
    }
    Atan2: BINARY {
        name: "arctan2", cost: 10, takes: Takes::Float, real: |[x, y, _], _| x.atan2(y),
        gradient: &[
            |At { x, y, d, .. }| d * (y / (x * x + y * y)),
            |At { x, y, d, .. }| -(d * (x / (x * x + y * y))),
        ],
        c: "atan2($0, $1)", wgsl: "ox_atan2($0, $1)", domain: &[(0.3, 2.0)],
    }
    Hypot: BINARY {
        name: "hypot", cost: 10, takes: Takes::Float, commutative: true, real: |[x, y, _], _| x.hypot(y),
        gradient: &[
            |At { x, r, d, .. }| d * (x / r.eq(0.0).select(r.constant(1.0), r)),
            |At { y, r, d, .. }| d * (y / r.eq(0.0).select(r.constant(1.0), r)),
        ],
        c: "hypot($0, $1)", wgsl: "ox_hypot($0, $1)", domain: &[(0.3, 2.0)],
    }
    LogAddExp: BINARY {
        name: "logaddexp", cost: 10, takes: Takes::Float, commutative: true, real: |[x, y, _], _| special::log_add_exp(x, y),
        gradient: &[
            |At { x, y, d, .. }| d * (x - y).sigmoid(),
            |At { x, y, d, .. }| d * (y - x).sigmoid(),
        ],
        c: "ox_logaddexp($0, $1)", wgsl: "ox_logaddexp($0, $1)",
    }
    NextAfter: BINARY {
        name: "nextafter", takes: Takes::Float, real: |[x, y, _], dtype| special::next_after(x, y, dtype),
        c: "nextafter($0, $1)", wgsl: "ox_nextafter_$d($0, $1)", domain: &[(-2.0, -0.1), (0.1, 2.0)],
    }
    CopySign: BINARY {
        name: "copysign", takes: Takes::Float, real: |[x, y, _], _| x.copysign(y),
        gradient: &[|At { x, y, d, .. }| d * (x.sign() * x.constant(1.0).ew(Ew::CopySign, &[y]))],
        c: "copysign($0, $1)", wgsl: "ox_copysign($0, $1)", domain: &[(0.2, 2.0)],
    }
    Eq: COMPARISON {
        name: "equal", commutative: true, real: |[x, y, _], _| f64::from(x == y),
        int: Some(|[x, y, _], _| i128::from(x == y)), c: "$0 == $1", wgsl: "$0 == $1",
    }
    Ne: COMPARISON {
        name: "not_equal", commutative: true, real: |[x, y, _], _| f64::from(x != y),
        int: Some(|[x, y, _], _| i128::from(x != y)), c: "$0 != $1", wgsl: "!($0 == $1)",
    }
    Lt: COMPARISON {
        name: "less", real: |[x, y, _], _| f64::from(x < y), int: Some(|[x, y, _], _| i128::from(x < y)),
        c: "$0 < $1", wgsl: "ox_lt_$t($0, $1)",
    }
    Le: COMPARISON {
        name: "less_equal", real: |[x, y, _], _| f64::from(x <= y), int: Some(|[x, y, _], _| i128::from(x <= y)),
        c: "$0 <= $1", wgsl: "ox_le_$t($0, $1)",
    }
    Gt: COMPARISON {
        name: "greater", real: |[x, y, _], _| f64::from(x > y), int: Some(|[x, y, _], _| i128::from(x > y)),
        c: "$0 > $1", wgsl: "ox_lt_$t($1, $0)",
    }
    Ge: COMPARISON {
        name: "greater_equal", real: |[x, y, _], _| f64::from(x >= y), int: Some(|[x, y, _], _| i128::from(x >= y)),
        c: "$0 >= $1", wgsl: "ox_le_$t($1, $0)",
    }
    And: LOGICAL {
        name: "logical_and", int: Some(|[x, y, _], _| x & y), c: "$0 && $1", wgsl: "$0 && $1",
    }
    Or: LOGICAL {
        name: "logical_or", int: Some(|[x, y, _], _| x | y), c: "$0 || $1", wgsl: "$0 || $1",
    }
    Xor: LOGICAL {
        name: "logical_xor", int: Some(|[x, y, _], _| x ^ y), c: "$0 != $1", wgsl: "$0 != $1",
    }
    BitAnd: BITS {
        name: "bitwise_and", on_bool: Some(Ew::And), int: Some(|[x, y, _], _| x & y), c: "$0 & $1", wgsl: "$0 & $1",
    }
    BitOr: BITS {
        name: "bitwise_or", on_bool: Some(Ew::Or), int: Some(|[x, y, _], _| x | y), c: "$0 | $1", wgsl: "$0 | $1",
    }
    BitXor: BITS {
        name: "bitwise_xor", on_bool: Some(Ew::Xor), int: Some(|[x, y, _], _| x ^ y), c: "$0 ^ $1", wgsl: "$0 ^ $1",
    }
    Shl: BITS {
        name: "left_shift", commutative: false, int: Some(special::shift_left), c: "ox_shl($0, $1)",
        wgsl: "ox_shl_$t($0, $1)",
    }
    Shr: BITS {
        name: "right_shift", commutative: false, int: Some(special::shift_right), c: "ox_shr($0, $1)",
        wgsl: "ox_shr_$t($0, $1)",
    }
    Select: UNARY {
        name: "where", arity: 3, takes: Takes::Any, real: |[x, y, z], _| if x != 0.0 { y } else { z },
        int: Some(|[x, y, z], _| if x != 0 { y } else { z }),
        gradient: &[
            |At { d, .. }| d,
            |At { x, d, .. }| x.select(d, 0.0),
            |At { x, d, .. }| x.select(d.constant(0.0), d),
        ],
        c: "$0 ? $1 : $2", wgsl: "select($2, $1, $0)",
    }
}

/// The gradient of an op that has none although it is not flat.
fn not_differentiable<'s>(d: Expr<'s>, op: &'static str, reason: &'static str) -> Expr<'s> {
    d.scope().fail(Error::NotDifferentiable { op, reason });
    d
}

impl Ew {
    const fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Name as in Python.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The op of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|op| op.name() == name)
    }

    /// Number of operands.
    pub const fn arity(self) -> usize {
        self.row().arity
    }

    /// Whether the result is bool whatever the operands are.
    pub const fn is_predicate(self) -> bool {
        self.row().predicate
    }

    /// Result dtype for operands of `dtype` (of the last two operands for `where`).
    pub const fn result_dtype(self, dtype: DType) -> DType {
        if self.is_predicate() { DType::Bool } else { dtype }
    }

    /// Whether the first operand is a bool condition, apart from the dtype of the others.
    pub const fn takes_condition(self) -> bool {
        self.arity() == 3
    }

    /// Whether operands may have this dtype.
    pub const fn accepts(self, dtype: DType) -> bool {
        match self.row().takes {
            Takes::Any => true,
            Takes::Numeric => !matches!(dtype, DType::Bool),
            Takes::Float => dtype.is_float(),
            Takes::Int => dtype.is_int(),
            Takes::Bool => matches!(dtype, DType::Bool),
        }
    }

    /// What [`Ew::accepts`] takes, in words.
    pub const fn expected(self) -> &'static str {
        match self.row().takes {
            Takes::Any => "any dtype",
            Takes::Numeric => "an integer or float dtype",
            Takes::Float => "a float dtype",
            Takes::Int => "an integer dtype",
            Takes::Bool => "bool",
        }
    }

    /// Whether only floats are taken: integers must be promoted before.
    pub const fn is_float_only(self) -> bool {
        matches!(self.row().takes, Takes::Float)
    }

    /// The dtype to which operands of the dtype `promoted` are to be cast: `floatx` where an op takes only
    /// floats, int32 where arithmetic on bools is none of the logical ops.
    pub fn operand_dtype(self, promoted: DType, floatx: DType) -> DType {
        match self.row().takes {
            Takes::Bool => DType::Bool,
            Takes::Float if !promoted.is_float() => floatx,
            Takes::Numeric | Takes::Int if promoted == DType::Bool && self.row().on_bool.is_none() => {
                DType::I32
            }
            _ => promoted,
        }
    }

    /// Rough cost of one element; an addition is 1.
    pub const fn cost(self) -> u32 {
        self.row().cost
    }

    /// Whether only bools are taken: other dtypes count as true where they are not zero.
    pub const fn is_logical(self) -> bool {
        matches!(self.row().takes, Takes::Bool)
    }

    /// Whether the first two operands may be swapped.
    pub const fn is_commutative(self) -> bool {
        self.row().commutative
    }

    /// The op that does to bools what this does to numbers, as NumPy has it.
    pub const fn on_bool(self) -> Self {
        match self.row().on_bool {
            Some(op) => op,
            None => self,
        }
    }

    /// Whether a gradient flows through operand `i`.
    pub fn has_gradient(self, i: usize) -> bool {
        i < self.row().gradient.len() && !(self.takes_condition() && i == 0)
    }

    /// Text of the op in CUDA C++, for [`crate::codegen::expand`].
    pub const fn c_text(self) -> &'static str {
        self.row().c
    }

    /// Text of the op in WGSL; empty if the op cannot be written there.
    pub const fn wgsl_text(self) -> &'static str {
        self.row().wgsl
    }

    /// An interval of operand `i` in which gradients can be checked against finite differences.
    pub fn domain(self, i: usize) -> (f64, f64) {
        let domain = self.row().domain;
        domain[i.min(domain.len() - 1)]
    }

    /// Value for float operands of `dtype`, before rounding to it; predicates give 0 or 1. Operands beyond
    /// the op's arity are ignored, missing ones are 0.
    pub fn eval_real(self, args: &[f64], dtype: DType) -> f64 {
        (self.row().real)(padded(args), dtype)
    }

    /// Exact value for integers or bools of `dtype`, before wrapping to it; `None` for float-only ops.
    pub fn eval_int(self, args: &[i128], dtype: DType) -> Option<i128> {
        self.row().int.map(|f| f(padded(args), 8 * dtype.size() as u32))
    }

    /// The op on constants of one dtype that it accepts (the condition of `where` is bool).
    pub fn fold(self, args: &[Scalar]) -> Scalar {
        let dtype = args.last().map_or(DType::Bool, |a| a.dtype());
        let result = self.result_dtype(dtype);
        if dtype.is_float() {
            let args: smallvec::SmallVec<[f64; 3]> = args.iter().map(|a| a.as_f64()).collect();
            return Scalar::from_f64(self.eval_real(&args, dtype), result);
        }
        let args: smallvec::SmallVec<[i128; 3]> = args.iter().map(|a| a.as_i128()).collect();
        Scalar::from_i128(self.eval_int(&args, dtype).unwrap_or(0), result)
    }

    /// Emits the cotangents of the operands that need one.
    pub fn vjp(self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut out = vec![None; cx.inputs.len()];
        let (&[result], &[Some(cotangent)], &[first, ..]) = (cx.outputs, cx.cotangents, cx.inputs) else {
            return Ok(out);
        };
        let (inputs, needed) = (cx.inputs, cx.needed);
        emit(cx.graph, |scope| {
            let operand = |i: usize| scope.of(inputs.get(i).copied().unwrap_or(first));
            for (i, gradient) in self.row().gradient.iter().enumerate() {
                if needed[i] && self.has_gradient(i) {
                    let (r, d) = (scope.of(result), scope.of(cotangent));
                    let at = At { x: operand(0), y: operand(1), r, d };
                    out[i] = Some(gradient(at).value);
                }
            }
        })?;
        Ok(out)
    }
}

impl From<Ew> for Op {
    fn from(op: Ew) -> Self {
        Self::Elementwise(op)
    }
}

fn padded<T: Copy + Default>(args: &[T]) -> [T; 3] {
    std::array::from_fn(|i| args.get(i).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests;
