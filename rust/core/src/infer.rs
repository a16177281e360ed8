//! Types of a node's outputs from those of its inputs, and the checks that shape rules share.
//!
//! A rule never panics, whatever its operands and attributes: what it accepts can be planned and run.

use smallvec::{SmallVec, smallvec};

use crate::kernel::Kernel;
use crate::op::Types;
use crate::shape::Dims;
use crate::{DType, Error, Op, Result, Shape, TensorType};

/// Checks the operands of `op` and gives its output types.
///
/// The loops of a [`Kernel`] may be merged axes, so the type of a fused node is known only to the pass
/// that makes it; here its outputs have the shape of the kernel's loops.
pub fn infer(op: &Op, inputs: &[TensorType]) -> Result<Types> {
    match op {
        Op::Input(_) => Err(Error::Internal("an input's type is given when it is made".into())),
        Op::Elementwise(ew) => elementwise(*ew, inputs),
        Op::Cast(dtype) => {
            let [x] = operands("cast", inputs)?;
            one(*dtype, x.shape.clone())
        }
        Op::Bitcast(dtype) => {
            let [x] = operands("bitcast", inputs)?;
            if *dtype == DType::Bool || dtype.size() != x.dtype.size() {
                let expected = format!("an operand of {} bytes that is not bool", dtype.size());
                return Err(Error::dtype("bitcast", expected, x.dtype));
            }
            one(*dtype, x.shape.clone())
        }
        Op::Fused(kernel) => fused(kernel, inputs),
        other => match other.rule() {
            Some(rule) => rule.infer(inputs),
            None => Err(Error::Internal(format!("{} has no rule", other.name()))),
        },
    }
}

fn elementwise(ew: crate::op::Ew, inputs: &[TensorType]) -> Result<Types> {
    let op = ew.name();
    if inputs.len() != ew.arity() {
        return Err(arity(op, &ew.arity().to_string(), inputs.len()));
    }
    let typed = match (ew.takes_condition(), inputs) {
        (true, [condition, rest @ ..]) => {
            expect_dtype(op, condition, DType::Bool)?;
            rest
        }
        _ => inputs,
    };
    let Some(first) = typed.first() else {
        return Err(arity(op, "at least 1", 0));
    };
    for x in typed {
        same_dtype(op, first, x)?;
    }
    for x in inputs {
        same_shape(op, &first.shape, x)?;
    }
    if !ew.accepts(first.dtype) {
        return Err(Error::dtype(op, ew.expected(), first.dtype));
    }
    Ok(smallvec![TensorType::new(ew.result_dtype(first.dtype), first.shape.clone())])
}

fn fused(kernel: &Kernel, inputs: &[TensorType]) -> Result<Types> {
    const OP: &str = "fused";
    for load in &kernel.loads {
        let Some(operand) = inputs.get(load.operand as usize) else {
            return Err(arity(OP, &format!("more than {}", load.operand), inputs.len()));
        };
        expect_dtype(OP, operand, load.dtype)?;
        if load.strides.len() != kernel.space.len() {
            return Err(Error::Internal("fused: a load has not one stride per loop".into()));
        }
    }
    let Some(outer) = kernel.space.len().checked_sub(kernel.reduced) else {
        return Err(Error::Internal("fused: more reduced axes than loops".into()));
    };
    let registers = kernel.loads.len() + kernel.body.len();
    let shape = Shape(kernel.space[..outer].into()).check()?;
    let known = |register: u32| (register as usize) < registers;
    match &kernel.reduction {
        Some(r) if known(r.register) => Ok(smallvec![TensorType::new(r.dtype, shape)]),
        None if kernel.reduced == 0 && kernel.stores.iter().all(|&r| known(r)) => {
            Ok(kernel.stores.iter().map(|&r| TensorType::new(kernel.dtype(r), shape.clone())).collect())
        }
        _ => Err(Error::Internal("fused: stores and reduction do not fit the loops".into())),
    }
}

/// Exactly N operands.
pub(crate) fn operands<'a, const N: usize>(
    op: &'static str,
    inputs: &'a [TensorType],
) -> Result<&'a [TensorType; N]> {
    inputs.try_into().map_err(|_| arity(op, &N.to_string(), inputs.len()))
}

/// The error for a wrong number of operands.
pub(crate) fn arity(op: &'static str, expected: &str, got: usize) -> Error {
    Error::shape(op, format!("{expected} operands"), got.to_string())
}

/// The type of a node with one output, its size checked.
pub(crate) fn one(dtype: DType, shape: Shape) -> Result<Types> {
    Ok(smallvec![TensorType { dtype, shape: shape.check()? }])
}

/// `axis` is one of `rank` axes.
pub(crate) fn axis(op: &'static str, axis: usize, rank: usize) -> Result<()> {
    if axis < rank {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected an axis of a tensor of rank {rank}, got {axis}")))
}

/// `axes` are ascending axes of `rank` axes.
pub(crate) fn axes(op: &'static str, axes: &[usize], rank: usize) -> Result<()> {
    if axes.is_sorted_by(|a, b| a < b) && axes.last().is_none_or(|&a| a < rank) {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected ascending axes of a tensor of rank {rank}, got {axes:?}")))
}

/// A list attribute has one entry per axis.
pub(crate) fn per_axis(op: &'static str, what: &str, len: usize, rank: usize) -> Result<()> {
    if len == rank {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected {rank} entries in {what}, got {len}")))
}

/// Every entry is at least 1.
pub(crate) fn positive(op: &'static str, what: &str, values: &[usize]) -> Result<()> {
    if values.iter().all(|&v| v > 0) {
        return Ok(());
    }
    Err(Error::attribute(op, format!("expected {what} of at least 1, got {values:?}")))
}

/// Operand `x` has `dtype`.
pub(crate) fn expect_dtype(op: &'static str, x: &TensorType, dtype: DType) -> Result<()> {
    if x.dtype == dtype { Ok(()) } else { Err(Error::dtype(op, dtype.name(), x.dtype)) }
}

/// Two operands have one dtype.
pub(crate) fn same_dtype(op: &'static str, a: &TensorType, b: &TensorType) -> Result<()> {
    expect_dtype(op, b, a.dtype)
}

/// Operand `x` has `shape`.
pub(crate) fn same_shape(op: &'static str, shape: &Shape, x: &TensorType) -> Result<()> {
    if *shape == x.shape {
        return Ok(());
    }
    Err(Error::shape(op, format!("an operand of shape {shape}"), x.shape.to_string()))
}

/// Operand `x` is exactly of type `ty`.
pub(crate) fn same_type(op: &'static str, what: &str, ty: &TensorType, x: &TensorType) -> Result<()> {
    if ty == x { Ok(()) } else { Err(Error::shape(op, format!("{what} {ty:?}"), format!("{x:?}"))) }
}

/// Operand `x` is of a floating-point dtype.
pub(crate) fn float(op: &'static str, x: &TensorType) -> Result<()> {
    if x.dtype.is_float() { Ok(()) } else { Err(Error::dtype(op, "a float dtype", x.dtype)) }
}

/// Operand `x` is of an integer or floating-point dtype.
pub(crate) fn numeric(op: &'static str, x: &TensorType) -> Result<()> {
    if x.dtype != DType::Bool {
        return Ok(());
    }
    Err(Error::dtype(op, "an integer or float dtype", x.dtype))
}

/// Operand `x` holds indices.
pub(crate) fn index(op: &'static str, x: &TensorType) -> Result<()> {
    if matches!(x.dtype, DType::I32 | DType::I64) {
        return Ok(());
    }
    Err(Error::dtype(op, "int32 or int64 indices", x.dtype))
}

/// Operand `x` has at least `rank` axes.
pub(crate) fn min_rank(op: &'static str, x: &TensorType, rank: usize) -> Result<()> {
    if x.shape.rank() >= rank {
        return Ok(());
    }
    Err(Error::shape(op, format!("an operand of rank {rank} or more"), x.shape.to_string()))
}

/// Number of positions of a window on an axis of `size` elements: 0 when the axis has none.
pub(crate) fn window_positions(
    op: &'static str,
    size: usize,
    window: usize,
    stride: usize,
    dilation: usize,
    padding: (isize, isize),
) -> Result<usize> {
    let padded = size as i128 + padding.0 as i128 + padding.1 as i128;
    let extent = (window as i128 - 1) * dilation as i128 + 1;
    if padded < extent && size > 0 {
        let expected = format!("an axis of at least {extent} elements, padding included");
        return Err(Error::shape(op, expected, padded.to_string()));
    }
    if padded < extent {
        return Ok(0);
    }
    let positions = (padded - extent) / stride.max(1) as i128 + 1;
    usize::try_from(positions).map_err(|_| Error::attribute(op, format!("padding {padding:?} is too large")))
}

/// `a` without its entry at `axis`, with `middle` in its place.
pub(crate) fn splice(dims: &[usize], axis: usize, middle: &[usize]) -> Shape {
    let mut out: Dims = SmallVec::with_capacity(dims.len() + middle.len());
    out.extend_from_slice(&dims[..axis]);
    out.extend_from_slice(middle);
    out.extend_from_slice(&dims[axis + 1..]);
    Shape(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smallvec::SmallVec;

    use super::*;
    use crate::op::*;

    fn ty(dtype: DType, shape: &[usize]) -> TensorType {
        TensorType::new(dtype, shape)
    }

    /// Errors name the op, what was expected and what came.
    #[test]
    fn messages() {
        let message = |op: Op, inputs: &[TensorType]| infer(&op, inputs).unwrap_err().to_string();
        let (x, y) = (ty(DType::F32, &[2, 3]), ty(DType::F32, &[4, 3]));
        let cases = [
            (
                message(Ew::Add.into(), &[x.clone(), y.clone()]),
                "add: expected an operand of shape (2, 3), got (4, 3)",
            ),
            (message(Ew::Add.into(), std::slice::from_ref(&x)), "add: expected 2 operands, got 1"),
            (message(Ew::Exp.into(), &[ty(DType::I32, &[2])]), "exp: expected a float dtype, got int32"),
            (
                message(Reshape { shape: [7].into() }.into(), std::slice::from_ref(&x)),
                "reshape: expected a shape of 6 elements, got (7,)",
            ),
            (
                message(MatMul { transpose_a: false, transpose_b: false }.into(), &[x.clone(), y]),
                "matmul: expected a second operand of 3 rows that fits the first, (2, 3), got (4, 3)",
            ),
            (
                message(Gather { axis: 2 }.into(), &[x, ty(DType::I32, &[])]),
                "gather: expected an axis of a tensor of rank 2, got 2",
            ),
        ];
        for (got, expected) in cases {
            assert_eq!(got, expected);
        }
    }

    fn dtype() -> impl Strategy<Value = DType> {
        prop::sample::select(vec![
            DType::F32,
            DType::F32,
            DType::F64,
            DType::I32,
            DType::I64,
            DType::Bool,
            DType::U8,
        ])
    }

    fn size() -> impl Strategy<Value = usize> {
        prop_oneof![8 => 0usize..5, 1 => Just(usize::MAX), 1 => Just(1 << 40), 1 => Just(isize::MAX as usize)]
    }

    fn dims() -> impl Strategy<Value = Dims> {
        prop::collection::vec(size(), 0..5).prop_map(Dims::from_vec)
    }

    fn pads() -> impl Strategy<Value = Vec<isize>> {
        let pad = prop_oneof![6 => -3isize..4, 1 => Just(isize::MIN), 1 => Just(isize::MAX)];
        prop::collection::vec(pad, 0..5)
    }

    /// Types that a graph can have: of sizes that were checked.
    fn operand() -> impl Strategy<Value = TensorType> {
        (dtype(), dims()).prop_filter_map("too large", |(dtype, dims)| {
            Shape(dims).check().ok().map(|shape| TensorType { dtype, shape })
        })
    }

    fn ops(a: Dims, b: Dims, c: Dims, p: Vec<isize>, q: Vec<isize>, n: usize, flag: bool) -> Vec<Op> {
        let pairs: SmallVec<[(isize, isize); 3]> = p.iter().copied().zip(q.iter().copied()).collect();
        let spec = ConvSpec { strides: a.clone(), padding: pairs, dilation: b.clone(), groups: n };
        let padding = p.iter().map(|&v| (v.unsigned_abs(), n)).collect();
        let window = Window { size: a.clone(), strides: b.clone(), padding, dilation: c.clone() };
        let (shape, kind) = (Shape(c.clone()), ReduceKind::Max);
        let mut ops: Vec<Op> = vec![
            Full { shape: shape.clone(), value: crate::Scalar::one(DType::F32) }.into(),
            Iota { shape: shape.clone(), dtype: DType::I32, axis: n }.into(),
            RandomBits { shape: shape.clone() }.into(),
            Reshape { shape: shape.clone() }.into(),
            Transpose { perm: a.clone() }.into(),
            Broadcast { shape: shape.clone() }.into(),
            Slice { start: a.clone(), limit: b.clone(), stride: c.clone() }.into(),
            Pad { low: p.into(), high: q.into(), interior: a.clone() }.into(),
            Concat { axis: n }.into(),
            Reverse { axes: a.clone() }.into(),
            DynamicSlice { sizes: a.clone() }.into(),
            DynamicUpdateSlice.into(),
            Gather { axis: n }.into(),
            GatherAlong { axis: n }.into(),
            GatherNd.into(),
            ScatterAlong { axis: n }.into(),
            ScatterNd { mode: ScatterMode::Mul }.into(),
            Reduce { kind, axes: a.clone() }.into(),
            ArgReduce { kind: ArgKind::Max, axis: n }.into(),
            Cumulative { kind: CumulativeKind::Sum, axis: n, reverse: flag }.into(),
            Softmax { axis: n }.into(),
            LogSoftmax { axis: n }.into(),
            Sort { axis: n, descending: flag }.into(),
            TopK { k: n }.into(),
            MatMul { transpose_a: flag, transpose_b: !flag }.into(),
            Convolution { spec: spec.clone() }.into(),
            ConvGradInput { spec: spec.clone(), input: shape.clone() }.into(),
            ConvGradKernel { spec, kernel: shape.clone() }.into(),
            WindowReduce { kind, window: window.clone() }.into(),
            WindowScatterSum { window: window.clone(), input: shape }.into(),
            MaxScatter { kind, window: window.clone() }.into(),
            MaxPick { kind, window }.into(),
            Op::Bitcast(DType::F32),
            Op::Input(0),
        ];
        use LinalgKind::*;
        let transpose = TriangularSolve { lower: flag, transpose: flag };
        for kind in [
            Cholesky,
            transpose,
            Solve,
            Inv,
            Det,
            LuFactor,
            Qr { complete: flag },
            Eigh,
            Svd { full_matrices: flag },
        ] {
            ops.push(Linalg { kind }.into());
        }
        let body = std::sync::Arc::new(crate::Graph::new());
        ops.push(Scan { body: body.clone(), carry: n, xs: n, length: n, reverse: flag, blocks: None }.into());
        ops.push(Cond { then: body.clone(), otherwise: body.clone() }.into());
        let max_iterations = None;
        ops.push(
            While { condition: body.clone(), body, carry: n, condition_constants: n, max_iterations }.into(),
        );
        ops
    }

    proptest! {
        /// No attributes and no operands make a rule panic, and what it accepts has a checked size.
        #[test]
        fn never_panics(
            (a, b, c) in (dims(), dims(), dims()),
            (p, q) in (pads(), pads()),
            n in size(),
            flag in any::<bool>(),
            inputs in prop::collection::vec(operand(), 0..4),
        ) {
            for op in ops(a, b, c, p, q, n, flag) {
                if let Ok(types) = infer(&op, &inputs) {
                    prop_assert!(types.into_iter().all(|t| t.shape.check().is_ok()), "{op:?}");
                }
            }
            for &ew in Ew::ALL {
                let _ = infer(&ew.into(), &inputs);
            }
        }
    }
}
