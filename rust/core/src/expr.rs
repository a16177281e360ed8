//! Graph values as arithmetic expressions: the notation of gradient rules.
//!
//! An [`Expr`] is a value and the scope it lives in; its operators append nodes. Since `a * b + c` cannot
//! carry a `Result`, a scope remembers the first error and [`emit`] returns it.

use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::op::{Ew, ReduceKind};
use crate::{DType, Error, Graph, Op, Result, Shape, Value};

/// Where expressions append their nodes.
#[derive(Debug)]
pub struct Scope {
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    graph: Graph,
    error: Option<Error>,
}

/// A value of a scope's graph.
#[derive(Clone, Copy, Debug)]
pub struct Expr<'s> {
    scope: &'s Scope,
    /// The value in the graph.
    pub value: Value,
}

/// Runs `body` in a scope over `graph`; the first error of its expressions is the error of the whole.
pub fn emit<T>(graph: &mut Graph, body: impl FnOnce(&Scope) -> T) -> Result<T> {
    // The graph moves into the scope and back: a few pointers, and expressions need no second lifetime.
    let scope = Scope { state: RefCell::new(State { graph: std::mem::take(graph), error: None }) };
    let out = body(&scope);
    let state = scope.state.into_inner();
    *graph = state.graph;
    match state.error {
        Some(error) => Err(error),
        None => Ok(out),
    }
}

impl Scope {
    /// A value as an expression.
    pub fn of(&self, value: Value) -> Expr<'_> {
        Expr { scope: self, value }
    }

    /// Appends nodes by the builder. After a failure, `fallback` stands for the result.
    pub fn build(&self, fallback: Value, make: impl FnOnce(&mut Graph) -> Result<Value>) -> Expr<'_> {
        let mut state = self.state.borrow_mut();
        if state.error.is_none() {
            match make(&mut state.graph) {
                Ok(value) => return Expr { scope: self, value },
                Err(error) => state.error = Some(error),
            }
        }
        Expr { scope: self, value: fallback }
    }

    /// Makes the whole emission fail.
    pub fn fail(&self, error: Error) {
        self.state.borrow_mut().error.get_or_insert(error);
    }
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $row:ident),* $(,)?) => {
        impl<'s> Expr<'s> {
            $($(#[$doc])* pub fn $name(self) -> Self { self.ew(Ew::$row, &[]) })*
        }
    };
}

unary! {
    /// e to the power of it.
    exp Exp,
    /// Natural logarithm.
    log Log,
    /// Square root.
    sqrt Sqrt,
    /// One over the square root.
    rsqrt Rsqrt,
    /// Its square.
    square Square,
    /// -1, 0 or 1.
    sign Sign,
    /// Logistic function.
    sigmoid Sigmoid,
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $row:ident),* $(,)?) => {
        impl<'s> Expr<'s> {
            $($(#[$doc])* pub fn $name(self, other: impl Operand<'s>) -> Self {
                self.ew(Ew::$row, &[other.like(self)])
            })*
        }
    };
}

binary! {
    /// Whether equal.
    eq Eq,
    /// Whether different.
    ne Ne,
    /// Whether less.
    lt Lt,
    /// Whether less or equal.
    le Le,
    /// Whether greater.
    gt Gt,
    /// Whether greater or equal.
    ge Ge,
    /// Python's floor division.
    floor_div FloorDiv,
    /// Both (bools).
    and And,
}

/// What an expression combines with: another one, or a number in its shape and dtype.
pub trait Operand<'s> {
    /// The operand as an expression beside `other`.
    fn like(self, other: Expr<'s>) -> Expr<'s>;
}

impl<'s> Operand<'s> for Expr<'s> {
    fn like(self, _: Self) -> Self {
        self
    }
}

impl<'s> Operand<'s> for f64 {
    fn like(self, other: Expr<'s>) -> Expr<'s> {
        other.constant(self)
    }
}

impl<'s> Expr<'s> {
    /// The scope.
    pub fn scope(self) -> &'s Scope {
        self.scope
    }

    /// Appends nodes by the builder.
    pub fn build(self, make: impl FnOnce(&mut Graph, Value) -> Result<Value>) -> Self {
        self.scope.build(self.value, |graph| make(graph, self.value))
    }

    /// A row of the element-wise table with this as its first operand.
    pub fn ew(self, op: Ew, rest: &[Self]) -> Self {
        let args: smallvec::SmallVec<[Value; 3]> =
            std::iter::once(self.value).chain(rest.iter().map(|e| e.value)).collect();
        self.scope.build(self.value, |graph| graph.elementwise(op, &args))
    }

    /// `if self { yes } else { no }`, element by element; self is of dtype bool.
    pub fn select(self, yes: Self, no: impl Operand<'s>) -> Self {
        self.ew(Ew::Select, &[yes, no.like(yes)])
    }

    /// `number` in its shape and dtype.
    pub fn constant(self, number: f64) -> Self {
        self.build(|graph, value| graph.scalar_like(value, number))
    }

    /// Its shape.
    pub fn shape(self) -> Shape {
        self.scope.state.borrow().graph.shape(self.value).clone()
    }

    /// Its dtype.
    pub fn dtype(self) -> DType {
        self.scope.state.borrow().graph.dtype(self.value)
    }

    /// Converted.
    pub fn cast(self, dtype: DType) -> Self {
        self.build(|graph, value| graph.cast(value, dtype))
    }

    /// Sum over axes, kept with size 1.
    pub fn sum_kept(self, axes: &[usize]) -> Self {
        self.build(|graph, value| graph.reduce(ReduceKind::Sum, value, axes, true))
    }

    /// Under another shape.
    pub fn reshape(self, shape: impl Into<Shape>) -> Self {
        self.build(|graph, value| graph.reshape(value, shape))
    }

    /// Broadcast to another shape.
    pub fn broadcast_to(self, shape: &Shape) -> Self {
        self.build(|graph, value| graph.broadcast_to(value, shape))
    }

    /// Axes permuted.
    pub fn transpose(self, perm: &[usize]) -> Self {
        self.build(|graph, value| graph.transpose(value, perm))
    }

    /// Its matrices transposed.
    pub fn t(self) -> Self {
        self.build(Graph::swap_last_axes)
    }

    /// Matrix product.
    pub fn matmul(self, other: Self) -> Self {
        self.matmul_with(other, false, false)
    }

    /// Matrix product with transpose flags.
    pub fn matmul_with(self, other: Self, transpose_a: bool, transpose_b: bool) -> Self {
        self.build(|graph, value| graph.matmul(value, other.value, transpose_a, transpose_b))
    }

    /// A node with one output and this as its first operand.
    pub fn op(self, op: impl Into<Op>, rest: &[Self]) -> Self {
        let args: smallvec::SmallVec<[Value; 3]> =
            std::iter::once(self.value).chain(rest.iter().map(|e| e.value)).collect();
        self.scope.build(self.value, |graph| graph.add1(op, &args))
    }

    /// Padding of one axis with a number.
    pub fn pad_axis(self, axis: usize, low: isize, high: isize, number: f64) -> Self {
        self.build(|graph, value| graph.pad_axis(value, axis, low, high, number))
    }

    /// 0, 1, 2, ... along an axis of its shape.
    pub fn iota(self, axis: usize, dtype: DType) -> Self {
        self.build(|graph, value| {
            let shape = graph.shape(value).clone();
            graph.iota(shape, axis, dtype)
        })
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident $row:ident),*) => {
        $(impl<'s, T: Operand<'s>> $trait<T> for Expr<'s> {
            type Output = Self;
            fn $method(self, other: T) -> Self {
                self.ew(Ew::$row, &[other.like(self)])
            }
        })*
    };
}

operator!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div);

impl<'s> Mul<Expr<'s>> for f64 {
    type Output = Expr<'s>;
    fn mul(self, other: Expr<'s>) -> Expr<'s> {
        other * self
    }
}

impl<'s> Sub<Expr<'s>> for f64 {
    type Output = Expr<'s>;
    fn sub(self, other: Expr<'s>) -> Expr<'s> {
        other.constant(self) - other
    }
}

impl Neg for Expr<'_> {
    type Output = Self;
    fn neg(self) -> Self {
        self.ew(Ew::Neg, &[])
    }
}
