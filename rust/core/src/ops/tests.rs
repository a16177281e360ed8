//! First and second gradients of every structural op against finite differences.

use smallvec::{SmallVec, smallvec};

use crate::op::*;
use crate::reference::HostTensor;
use crate::testing::{Random, check_gradients, floats, integers};
use crate::{DType, Graph, Op, Result, Value};

fn inputs<const N: usize>(shapes: [&[usize]; N]) -> Vec<HostTensor> {
    let mut random = Random(11);
    shapes.iter().map(|&s| random.floats(s)).collect()
}

/// Checks a single node.
fn check(name: &str, inputs: &[HostTensor], op: impl Into<Op>) {
    let op = op.into();
    check_gradients(name, 2, inputs, |g, v| Ok(g.add(op.clone(), v)?.to_vec()));
}

/// Checks what a builder makes.
fn check_built(name: &str, inputs: &[HostTensor], build: impl Fn(&mut Graph, &[Value]) -> Result<Value>) {
    check_gradients(name, 2, inputs, |g, v| Ok(vec![build(g, v)?]));
}

#[test]
fn movement() {
    let x = inputs([&[2, 3, 4]]);
    check("reshape", &x, Reshape { shape: [4, 6].into() });
    check("transpose", &x, Transpose { perm: smallvec![2, 0, 1] });
    check("broadcast", &inputs([&[2, 1, 3]]), Broadcast { shape: [2, 4, 3].into() });
    let slice = Slice { start: smallvec![0, 1, 1], limit: smallvec![2, 3, 4], stride: smallvec![1, 1, 2] };
    check("slice", &x, slice);
    check(
        "slice to nothing",
        &x,
        Slice { start: smallvec![1; 3], limit: smallvec![1; 3], stride: smallvec![2; 3] },
    );
    let pad = Pad { low: smallvec![1, -1, 0], high: smallvec![0, 2, -2], interior: smallvec![0, 1, 2] };
    check("pad", &inputs([&[2, 3, 4], &[]]), pad);
    check("concat", &inputs([&[2, 3], &[2, 1], &[2, 0]]), Concat { axis: 1 });
    check("reverse", &x, Reverse { axes: smallvec![0, 2] });
    check("cast", &x, Op::Cast(DType::F64));
}

#[test]
fn gathers() {
    let x = inputs([&[3, 4]]);
    let with = |indices: HostTensor| vec![x[0].clone(), indices];
    check("gather 0", &with(integers([2, 2], &[2, 0, 2, 1])), Gather { axis: 0 });
    check("gather 1", &with(integers([3], &[3, 3, 0])), Gather { axis: 1 });
    check("gather scalar", &with(integers([], &[1])), Gather { axis: 0 });
    check("gather_along", &with(integers([3, 2], &[3, 3, 0, 1, 2, 0])), GatherAlong { axis: 1 });
    check("gather_nd", &with(integers([3, 2], &[0, 1, 2, 3, 0, 1])), GatherNd);
    check("gather_nd rows", &with(integers([2, 1], &[2, 2])), GatherNd);
    check("gather_nd all", &with(integers([2, 0], &[])), GatherNd);
    check("dynamic_slice", &with(integers([2], &[2, 1])), DynamicSlice { sizes: smallvec![2, 3] });
    let update = vec![x[0].clone(), inputs([&[2, 2]])[0].clone(), integers([2], &[1, 9])];
    check("dynamic_update_slice", &update, DynamicUpdateSlice);
}

#[test]
fn scatters() {
    let indices = [integers([4, 1], &[1, 2, 1, 7]), integers([3, 2], &[0, 1, 2, 1, 0, 1])];
    let updates: [&[usize]; 2] = [&[4, 2], &[3]];
    for mode in [ScatterMode::Set, ScatterMode::Add, ScatterMode::Mul, ScatterMode::Max, ScatterMode::Min] {
        for (indices, updates) in indices.iter().zip(updates) {
            let [x, u] = [&[3, 2], updates].map(|s| Random(s.len() as u64).tensor(s, (0.5, 2.0)));
            check(&format!("scatter_nd {mode:?}"), &[x, indices.clone(), u], ScatterNd { mode });
        }
    }
    let along = [
        inputs([&[3, 2]])[0].clone(),
        integers([4, 2], &[0, 1, 2, 2, 0, 1, 5, -1]),
        inputs([&[4, 2]])[0].clone(),
    ];
    check("scatter_along", &along, ScatterAlong { axis: 0 });
}

/// A product over several updates of one element, some of them zero.
#[test]
fn scatter_mul_with_zeros() {
    let x = floats([3], &[2.0, 3.0, 0.0]);
    let indices = integers([5, 1], &[0, 0, 1, 1, 2]);
    let updates = floats([5], &[0.0, 5.0, 0.0, 0.0, 4.0]);
    check_gradients("scatter_mul", 1, &[x, indices, updates], |g, v| {
        Ok(g.add(ScatterNd { mode: ScatterMode::Mul }, v)?.to_vec())
    });
}

#[test]
fn reductions() {
    let x = inputs([&[2, 3, 2]]);
    for kind in [ReduceKind::Sum, ReduceKind::Prod, ReduceKind::Max, ReduceKind::Min] {
        for axes in [&[1][..], &[0, 2], &[0, 1, 2]] {
            check(&format!("reduce {kind:?} {axes:?}"), &x, Reduce { kind, axes: axes.into() });
        }
    }
    let zeros = [floats([2, 3], &[0.0, 2.0, 3.0, 0.0, 0.0, 5.0])];
    check("prod with zeros", &zeros, Reduce { kind: ReduceKind::Prod, axes: smallvec![1] });
    check("prod of nothing", &inputs([&[2, 0]]), Reduce { kind: ReduceKind::Prod, axes: smallvec![1] });
    for axis in 0..3 {
        check("softmax", &x, Softmax { axis });
        check("log_softmax", &x, LogSoftmax { axis });
    }
}

/// Equal maxima share the cotangent.
#[test]
fn ties() {
    let x = floats([4], &[1.0, 3.0, 3.0, 0.0]);
    let out = crate::testing::compute(&[x], |g, v| {
        let y = g.reduce(ReduceKind::Max, v[0], &[0], false)?;
        Ok(crate::autodiff::gradient(g, &[(y, None)], v)?.into_iter().flatten().collect())
    });
    assert_eq!(out[0].to_f64(), [0.0, 0.5, 0.5, 0.0]);
}

#[test]
fn running_totals() {
    use CumulativeKind::*;
    let x = inputs([&[2, 4]]);
    for kind in [Sum, Prod, Max, Min, LogSumExp] {
        for reverse in [false, true] {
            for axis in 0..2 {
                check(&format!("cumulative {kind:?} {reverse}"), &x, Cumulative { kind, axis, reverse });
            }
        }
    }
    let zeros = [floats([5], &[2.0, 0.0, 3.0, 0.0, 5.0])];
    for reverse in [false, true] {
        check("cumprod with zeros", &zeros, Cumulative { kind: Prod, axis: 0, reverse });
    }
}

#[test]
fn sorting() {
    let x = inputs([&[3, 4]]);
    for (axis, descending) in [(0, false), (1, true)] {
        check("sort", &x, Sort { axis, descending });
    }
    check("top_k", &x, TopK { k: 2 });
}

#[test]
fn matrix_products() {
    for transpose_a in [false, true] {
        for transpose_b in [false, true] {
            let a: [usize; 2] = if transpose_a { [3, 2] } else { [2, 3] };
            let b: [usize; 2] = if transpose_b { [4, 3] } else { [3, 4] };
            let op = MatMul { transpose_a, transpose_b };
            check("matmul", &inputs([&a, &b]), op.clone());
            let batch = |m: [usize; 2]| [2, m[0], m[1]];
            check("batched matmul", &inputs([&batch(a), &batch(b)]), op.clone());
            check("shared matmul", &inputs([&batch(a), &b]), op);
        }
    }
}

#[test]
fn convolutions() {
    let spec = |strides: &[usize], padding: &[(isize, isize)], dilation: &[usize], groups: usize| ConvSpec {
        strides: strides.into(),
        padding: SmallVec::from_slice(padding),
        dilation: dilation.into(),
        groups,
    };
    let cases: [(ConvSpec, &[usize], &[usize]); 5] = [
        (spec(&[1], &[(0, 0)], &[1], 1), &[2, 5, 2], &[3, 2, 3]),
        (spec(&[2], &[(1, 2)], &[2], 1), &[1, 6, 2], &[2, 2, 2]),
        (spec(&[2, 1], &[(1, 1), (-1, 2)], &[1, 2], 2), &[2, 4, 4, 4], &[2, 2, 2, 2]),
        (spec(&[1, 1], &[(1, 1), (1, 1)], &[1, 1], 3), &[1, 3, 3, 3], &[3, 3, 1, 6]),
        (spec(&[1, 2, 1], &[(0, 1), (0, 0), (1, 0)], &[1, 1, 1], 1), &[1, 2, 3, 2, 1], &[2, 2, 2, 1, 2]),
    ];
    for (spec, x, kernel) in cases {
        let both = inputs([x, kernel]);
        check("convolution", &both, Convolution { spec: spec.clone() });
        let y =
            crate::testing::compute(&both, |g, v| Ok(g.add(Convolution { spec: spec.clone() }, v)?.to_vec()));
        let dy = y[0].clone();
        let input = ConvGradInput { spec: spec.clone(), input: both[0].ty.shape.clone() };
        check("conv_grad_input", &[dy.clone(), both[1].clone()], input);
        let kernel = ConvGradKernel { spec, kernel: both[1].ty.shape.clone() };
        check("conv_grad_kernel", &[both[0].clone(), dy], kernel);
    }
}

#[test]
fn windows() {
    let window = Window {
        size: smallvec![1, 3, 2],
        strides: smallvec![1, 2, 1],
        padding: smallvec![(0, 0), (1, 1), (0, 1)],
        dilation: smallvec![1, 1, 2],
    };
    let x = inputs([&[2, 5, 4]]);
    for kind in [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min] {
        check("window_reduce", &x, WindowReduce { kind, window: window.clone() });
    }
    let kind = ReduceKind::Max;
    let reduce = WindowReduce { kind, window: window.clone() };
    let dy = crate::testing::compute(&x, |g, v| Ok(g.add(reduce.clone(), v)?.to_vec()))[0].clone();
    let input = x[0].ty.shape.clone();
    check(
        "window_scatter_sum",
        std::slice::from_ref(&dy),
        WindowScatterSum { window: window.clone(), input },
    );
    check("max_scatter", &[x[0].clone(), dy], MaxScatter { kind, window: window.clone() });
    check("max_pick", &inputs([&[2, 5, 4], &[2, 5, 4]]), MaxPick { kind, window });
}

/// A well-conditioned matrix per batch.
fn regular(g: &mut Graph, x: Value) -> Result<Value> {
    crate::expr::emit(g, |s| {
        let x = s.of(x);
        let rank = x.shape().rank();
        let eye = x.iota(rank - 2, DType::I32).eq(x.iota(rank - 1, DType::I32)).cast(DType::F64);
        (x + eye * 3.0).value
    })
}

fn positive_definite(g: &mut Graph, x: Value) -> Result<Value> {
    let square = g.matmul(x, x, false, true)?;
    regular(g, square)
}

#[test]
fn linear_algebra() {
    use LinalgKind::*;
    let x = inputs([&[2, 3, 3]]);
    let pair = inputs([&[2, 3, 3], &[2, 3, 2]]);
    check_built("cholesky", &x, |g, v| {
        let a = positive_definite(g, v[0])?;
        g.add1(Linalg { kind: Cholesky }, &[a])
    });
    for kind in [Inv, Det] {
        check_built("inv, det", &x, |g, v| {
            let a = regular(g, v[0])?;
            g.add1(Linalg { kind }, &[a])
        });
    }
    for (lower, transpose) in [(true, false), (true, true), (false, false), (false, true)] {
        check_built("triangular_solve", &pair, |g, v| {
            let a = regular(g, v[0])?;
            g.add1(Linalg { kind: TriangularSolve { lower, transpose } }, &[a, v[1]])
        });
    }
    check_built("solve", &pair, |g, v| {
        let a = regular(g, v[0])?;
        g.add1(Linalg { kind: Solve }, &[a, v[1]])
    });
    check_built("lu_factor", &x, |g, v| {
        let a = regular(g, v[0])?;
        Ok(g.add(Linalg { kind: LuFactor }, &[a])?[0])
    });
}

#[test]
fn factorisations() {
    let many = |name: &str, inputs: &[HostTensor], kind: LinalgKind, square: bool| {
        check_gradients(name, 2, inputs, |g, v| {
            let a = if square { positive_definite(g, v[0])? } else { v[0] };
            Ok(g.add(Linalg { kind }, &[a])?.to_vec())
        });
    };
    for shape in [[3, 3], [4, 2], [2, 4]] {
        let x = [Random(21).floats([2, shape[0], shape[1]])];
        many("qr", &x, LinalgKind::Qr { complete: false }, false);
        many("svd", &x, LinalgKind::Svd { full_matrices: false }, false);
    }
    many("qr complete", &inputs([&[2, 3]]), LinalgKind::Qr { complete: true }, false);
    many("svd full", &inputs([&[3, 3]]), LinalgKind::Svd { full_matrices: true }, false);
    many("eigh", &inputs([&[2, 3, 3]]), LinalgKind::Eigh, true);
    let x = inputs([&[2, 4]]);
    check_gradients("singular values", 1, &x, |g, v| {
        Ok(vec![g.add(Linalg { kind: LinalgKind::Svd { full_matrices: true } }, v)?[1]])
    });
}
