//! Structural ops against core's reference, through the whole way: graph, passes, plan, executable.

#![allow(missing_docs)] // the names say what is checked

use smallvec::{SmallVec, smallvec};

use super::{Random, Subject, Tensor, close};
use crate::op::*;
use crate::passes::{PassOptions, optimise};
use crate::reference::{HostTensor, evaluate};
use crate::{DType, Graph, Op, Plan, Scalar, Shape, TensorType, Value};

fn host(x: &Tensor) -> HostTensor {
    HostTensor::from_bytes(x.ty.clone(), &x.bytes()).unwrap()
}

fn tensor(x: &HostTensor) -> Tensor {
    Tensor { ty: x.ty.clone(), values: (0..x.len()).map(|i| x.get(i)).collect() }
}

/// Runs a graph on the device and by the reference.
fn check_graph(
    subject: &dyn Subject,
    graph: &Graph,
    inputs: &[Tensor],
    ulps: f64,
    floor: f64,
    what: &str,
) -> Vec<Tensor> {
    let hosts: Vec<HostTensor> = inputs.iter().map(host).collect();
    let expected: Vec<Tensor> = evaluate(graph, &hosts).unwrap().iter().map(tensor).collect();
    let optimised = optimise(graph.clone(), &PassOptions::default()).unwrap();
    let plan = Plan::build(&optimised).unwrap();
    let got = subject.run(&plan, inputs);
    for (got, expected) in got.iter().zip(&expected) {
        close(got, expected, ulps, floor, what);
    }
    got
}

/// One op on these operands.
fn check(subject: &dyn Subject, op: impl Into<Op>, inputs: &[Tensor], ulps: f64, floor: f64) {
    let op = op.into();
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|x| graph.input(x.ty.clone())).collect();
    let types: Vec<&TensorType> = inputs.iter().map(|x| &x.ty).collect();
    let what = format!("{op:?} {types:?}");
    graph.outputs = graph.add(op, &values).unwrap().to_vec();
    check_graph(subject, &graph, inputs, ulps, floor, &what);
}

const NUMERIC: [DType; 12] = [
    DType::F32,
    DType::F64,
    DType::F16,
    DType::BF16,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
];

/// Shapes with an axis, some of them empty, some large enough for several tasks.
const SHAPES: [(&[usize], usize); 9] = [
    (&[7], 0),
    (&[3, 5], 1),
    (&[3, 5], 0),
    (&[2, 3, 4], 1),
    (&[70, 900], 1),
    (&[900, 70], 0),
    (&[3, 40, 500], 1),
    (&[0, 5], 1),
    (&[5, 0], 0),
];

fn indices(shape: &[usize], n: usize, wide: bool, random: &mut Random) -> Tensor {
    let dtype = if wide { DType::I64 } else { DType::I32 };
    // Some out of range on either side.
    Tensor::new(dtype, shape, std::iter::repeat_with(|| random.below(n + 2) as f64 - 1.0))
}

/// What sums of a few numbers of size 10 that cancel may be off by, when each addition rounds.
fn sum_floor(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 0.05,
        DType::BF16 => 0.4,
        DType::F32 => 1e-5,
        _ => 1e-12,
    }
}

pub fn softmax_along_any_axis(subject: &dyn Subject) {
    let mut random = Random(10);
    for (shape, axis) in SHAPES {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let x = Tensor::random(dtype, shape, &mut random);
            check(subject, Softmax { axis }, std::slice::from_ref(&x), 20.0, 0.0);
            check(subject, LogSoftmax { axis }, &[x], 20.0, 0.0);
        }
    }
    let hard = Tensor::new(DType::F32, &[2, 3], [1e30, -1e30, 0.0, f64::NEG_INFINITY, 3.0, 3.0]);
    check(subject, Softmax { axis: 1 }, std::slice::from_ref(&hard), 4.0, 0.0);
    check(subject, LogSoftmax { axis: 1 }, &[hard], 4.0, 0.0);
}

pub fn running_totals(subject: &dyn Subject) {
    let mut random = Random(11);
    for (shape, axis) in SHAPES {
        for dtype in NUMERIC {
            let x = Tensor::random(dtype, shape, &mut random);
            for kind in [
                CumulativeKind::Sum,
                CumulativeKind::Prod,
                CumulativeKind::Max,
                CumulativeKind::Min,
                CumulativeKind::LogSumExp,
            ] {
                let reverse = random.below(2) == 0;
                if kind == CumulativeKind::LogSumExp && !dtype.is_float() {
                    continue;
                }
                check(subject, Cumulative { kind, axis, reverse }, std::slice::from_ref(&x), 4.0, 1e-4);
            }
        }
    }
}

pub fn positions_of_extrema(subject: &dyn Subject) {
    let mut random = Random(12);
    let short_rows: [(&[usize], usize); 3] = [(&[300, 10], 1), (&[37, 64], 1), (&[50, 1], 1)];
    let shapes = SHAPES.into_iter().chain(short_rows);
    for (shape, axis) in shapes.filter(|(shape, axis)| shape[*axis] > 0) {
        for dtype in NUMERIC {
            let mut x = Tensor::random(dtype, shape, &mut random);
            if dtype.is_float() && x.values.len() > 3 {
                let at = random.below(x.values.len());
                x.values[at] = Scalar::from_f64(f64::NAN, dtype);
            }
            for kind in [ArgKind::Max, ArgKind::Min] {
                check(subject, ArgReduce { kind, axis }, std::slice::from_ref(&x), 0.0, 0.0);
            }
        }
    }
}

pub fn sorting(subject: &dyn Subject) {
    let mut random = Random(13);
    for (shape, axis) in SHAPES {
        for dtype in NUMERIC {
            let mut x = Tensor::random(dtype, shape, &mut random);
            if dtype.is_float() && x.values.len() > 3 {
                for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0] {
                    let at = random.below(x.values.len());
                    x.values[at] = Scalar::from_f64(value, dtype);
                }
            }
            for descending in [false, true] {
                check(subject, Sort { axis, descending }, std::slice::from_ref(&x), 0.0, 0.0);
            }
            let n = *shape.last().unwrap();
            for k in [0, 1.min(n), 3.min(n), n] {
                check(subject, TopK { k }, std::slice::from_ref(&x), 0.0, 0.0);
            }
        }
    }
}

pub fn random_bits(subject: &dyn Subject) {
    for shape in [&[][..], &[1], &[7, 3], &[0], &[100_000]] {
        let key = Tensor::new(DType::U32, &[2], [123_456_789.0, 42.0]);
        check(subject, RandomBits { shape: shape.into() }, &[key], 0.0, 0.0);
    }
}

pub fn padding(subject: &dyn Subject) {
    let mut random = Random(14);
    for _ in 0..150 {
        let rank = random.below(4);
        let shape: Vec<usize> = (0..rank).map(|_| random.below(6)).collect();
        let dtype = DType::ALL[random.below(13)];
        let x = Tensor::random(dtype, &shape, &mut random);
        let value = Tensor::random(dtype, &[], &mut random);
        let interior: SmallVec<[usize; 6]> = (0..rank).map(|_| random.below(3)).collect();
        let mut pads =
            || -> SmallVec<[isize; 6]> { (0..rank).map(|_| random.below(6) as isize - 2).collect() };
        let (low, high) = (pads(), pads());
        let pad = Pad { low, high, interior };
        if pad.infer(&[x.ty.clone(), value.ty.clone()]).is_ok() {
            check(subject, pad, &[x, value], 0.0, 0.0);
        }
    }
    let x = Tensor::random(DType::F32, &[20, 60, 60], &mut random);
    let value = Tensor::random(DType::F32, &[], &mut random);
    check(
        subject,
        Pad { low: smallvec![0, 1, 1], high: smallvec![0, 1, 2], interior: smallvec![0, 0, 0] },
        &[x, value],
        0.0,
        0.0,
    );
}

pub fn concatenation(subject: &dyn Subject) {
    let mut random = Random(15);
    for (shape, axis) in SHAPES {
        for dtype in [DType::F32, DType::Bool, DType::F16, DType::I64] {
            let parts: Vec<Tensor> = [1, 0, 3, 2]
                .iter()
                .map(|&n| {
                    let mut shape = shape.to_vec();
                    shape[axis] = n;
                    Tensor::random(dtype, &shape, &mut random)
                })
                .collect();
            check(subject, Concat { axis }, &parts, 0.0, 0.0);
        }
    }
}

pub fn slices_at_run_time(subject: &dyn Subject) {
    let mut random = Random(16);
    for round in 0..60 {
        let rank = random.below(4);
        let shape: Vec<usize> =
            (0..rank).map(|_| 1 + random.below(if round % 9 == 0 { 60 } else { 6 })).collect();
        let sizes: Vec<usize> = shape.iter().map(|&d| random.below(d + 1)).collect();
        let dtype = DType::ALL[random.below(13)];
        let x = Tensor::random(dtype, &shape, &mut random);
        let start = indices(&[rank], 6, round % 2 == 0, &mut random);
        check(
            subject,
            DynamicSlice { sizes: sizes.as_slice().into() },
            &[x.clone(), start.clone()],
            0.0,
            0.0,
        );
        let update = Tensor::random(dtype, &sizes, &mut random);
        check(subject, DynamicUpdateSlice, &[x, update, start], 0.0, 0.0);
    }
}

pub fn gathers(subject: &dyn Subject) {
    let mut random = Random(17);
    for (round, (shape, axis)) in SHAPES.into_iter().filter(|(s, a)| s[*a] > 0).enumerate() {
        for dtype in [DType::F32, DType::Bool, DType::F16, DType::I64] {
            let wide = round % 2 == 0;
            let x = Tensor::random(dtype, shape, &mut random);
            for places in [&[][..], &[4], &[2, 3], &[0]] {
                let i = indices(places, shape[axis], wide, &mut random);
                check(subject, Gather { axis }, &[x.clone(), i], 0.0, 0.0);
            }
            let mut along = shape.to_vec();
            along[axis] = 6;
            let i = indices(&along, shape[axis], wide, &mut random);
            check(subject, GatherAlong { axis }, &[x.clone(), i.clone()], 0.0, 0.0);
            if dtype != DType::Bool {
                let updates = Tensor::random(dtype, &along, &mut random);
                check(subject, ScatterAlong { axis }, &[x.clone(), i, updates], 4.0, sum_floor(dtype));
            }
            for depth in 0..=shape.len() {
                if shape.contains(&0) {
                    continue;
                }
                let i = indices(&[5, depth], 6, wide, &mut random);
                check(subject, GatherNd, &[x.clone(), i], 0.0, 0.0);
            }
        }
    }
}

pub fn scatters(subject: &dyn Subject) {
    let mut random = Random(18);
    let modes = [ScatterMode::Set, ScatterMode::Add, ScatterMode::Mul, ScatterMode::Max, ScatterMode::Min];
    for mode in modes {
        for dtype in NUMERIC {
            for (shape, depth, count) in
                [(&[6, 3][..], 1, 20), (&[4, 3, 2], 2, 9), (&[5], 1, 0), (&[4], 0, 3)]
            {
                let x = Tensor::random(dtype, shape, &mut random);
                let i = indices(&[count, depth], 5, count % 2 == 0, &mut random);
                let updates: Vec<usize> = [&[count], &shape[depth..]].concat();
                let updates = Tensor::random(dtype, &updates, &mut random);
                check(subject, ScatterNd { mode }, &[x, i, updates], 8.0, sum_floor(dtype));
            }
        }
    }
    // The gradient of an embedding: many updates of wide rows, in several tasks.
    let x = Tensor::random(DType::F32, &[100, 64], &mut random);
    let i = indices(&[2000, 1], 99, false, &mut random);
    let updates = Tensor::random(DType::F32, &[2000, 64], &mut random);
    check(subject, ScatterNd { mode: ScatterMode::Add }, &[x, i, updates], 8.0, 1e-5);
}

pub fn products(subject: &dyn Subject) {
    let mut random = Random(19);
    for dtype in NUMERIC {
        for (batch, shared) in [(&[][..], false), (&[3], false), (&[2, 2], true), (&[0], false)] {
            for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
                let (m, n, k) = (1 + random.below(20), 1 + random.below(20), random.below(40));
                let shape = |rows, columns, swap: bool, batch: &[usize]| -> Vec<usize> {
                    [batch, &if swap { [columns, rows] } else { [rows, columns] }].concat()
                };
                let a = Tensor::random(dtype, &shape(m, k, ta, batch), &mut random);
                let b =
                    Tensor::random(dtype, &shape(k, n, tb, if shared { &[] } else { batch }), &mut random);
                check(subject, MatMul { transpose_a: ta, transpose_b: tb }, &[a, b], 4.0, 2e-5);
            }
        }
    }
}

/// A scan whose carry and outputs depend on everything, in both directions.
pub fn scans(subject: &dyn Subject) {
    let mut random = Random(20);
    let f = DType::F32;
    for length in [0usize, 1, 2, 5] {
        for reverse in [false, true] {
            let mut body = Graph::new();
            let ty = TensorType::new(f, [3]);
            let (a, b) = (body.input(ty.clone()), body.input(ty.clone()));
            let (x, c) = (body.input(ty.clone()), body.input(ty.clone()));
            let sum = body.add1(Op::Elementwise(Ew::Add), &[a, x]).unwrap();
            let next_a = body.add1(Op::Elementwise(Ew::Mul), &[sum, c]).unwrap();
            let next_b = body.add1(Op::Elementwise(Ew::Sub), &[b, next_a]).unwrap();
            let y = body.add1(Op::Elementwise(Ew::Max), &[sum, b]).unwrap();
            // The second carry is also swapped in, so that carries cannot all be written in place.
            body.outputs = vec![next_b, a, y];
            let scan =
                Scan { body: std::sync::Arc::new(body), carry: 2, xs: 1, length, reverse, blocks: None };
            let inputs = [&[3][..], &[3], &[length, 3], &[3]].map(|s| Tensor::random(f, s, &mut random));
            check(subject, scan, &inputs, 0.0, 0.0);
        }
    }
}

/// Blocks of a batch: what is cut and what is not, in both directions.
pub fn scans_in_blocks(subject: &dyn Subject) {
    let mut random = Random(24);
    let f = DType::F32;
    for (length, reverse, count) in [(0usize, false, 2), (1, true, 3), (4, false, 1), (5, true, 4)] {
        let mut body = Graph::new();
        let [a, b, x, y, c, d] = [&[2, 3][..], &[2, 3], &[2, 3], &[3], &[2, 3], &[3, 3]]
            .map(|s| body.input(TensorType::new(f, s)));
        let product = body.matmul(a, d, false, false).unwrap();
        let sum = body.elementwise(Ew::Add, &[product, y]).unwrap();
        let sum = body.elementwise(Ew::Mul, &[sum, c]).unwrap();
        let next = body.elementwise(Ew::Sub, &[sum, x]).unwrap();
        body.outputs = vec![b, next, sum, x];
        let blocks = Blocks { count, cut: smallvec![true, false, true, false] };
        let body = std::sync::Arc::new(body);
        let scan = Scan { body, carry: 2, xs: 2, length, reverse, blocks: Some(blocks) };
        let rows = 2 * count;
        let inputs = [&[rows, 3][..], &[rows, 3], &[length, rows, 3], &[length, 3], &[rows, 3], &[3, 3]]
            .map(|s| Tensor::random(f, s, &mut random));
        // Five steps of sums of three terms, against the same in f64.
        check(subject, scan, &inputs, 8.0, 1e-5);
    }
}

pub fn loops_and_branches(subject: &dyn Subject) {
    let mut random = Random(21);
    let f = DType::F32;
    let scalar = TensorType::new(f, []);
    for (limit, max_iterations) in
        [(0.0, None), (5.0, None), (100.0, Some(3)), (100.0, Some(0)), (7.0, Some(50))]
    {
        let mut condition = Graph::new();
        let (i, _, n) = (
            condition.input(scalar.clone()),
            condition.input(scalar.clone()),
            condition.input(scalar.clone()),
        );
        condition.outputs = vec![condition.add1(Op::Elementwise(Ew::Lt), &[i, n]).unwrap()];
        let mut body = Graph::new();
        let (i, x, c) = (body.input(scalar.clone()), body.input(scalar.clone()), body.input(scalar.clone()));
        let one = body.add1(Full { shape: Shape::scalar(), value: Scalar::one(f) }, &[]).unwrap();
        let next = body.add1(Op::Elementwise(Ew::Add), &[i, one]).unwrap();
        let x = body.add1(Op::Elementwise(Ew::Mul), &[x, c]).unwrap();
        let x = body.add1(Op::Elementwise(Ew::Add), &[x, i]).unwrap();
        body.outputs = vec![next, x];
        let op = While {
            condition: std::sync::Arc::new(condition),
            body: std::sync::Arc::new(body),
            carry: 2,
            condition_constants: 1,
            max_iterations,
        };
        let mut inputs = [(); 4].map(|()| Tensor::random(f, &[], &mut random));
        inputs[0] = Tensor::new(f, &[], [0.0]);
        inputs[2] = Tensor::new(f, &[], [limit]);
        check(subject, op, &inputs, 0.0, 0.0);
    }
    for predicate in [0.0, 1.0] {
        let branch = |op: Ew| {
            let mut graph = Graph::new();
            let (x, y) = (graph.input(scalar.clone()), graph.input(scalar.clone()));
            graph.outputs = vec![graph.add1(Op::Elementwise(op), &[x, y]).unwrap(), x];
            std::sync::Arc::new(graph)
        };
        let op = Cond { then: branch(Ew::Add), otherwise: branch(Ew::Mul) };
        let x = [(); 2].map(|()| Tensor::random(f, &[], &mut random));
        let inputs = [Tensor::new(DType::Bool, &[], [predicate]), x[0].clone(), x[1].clone()];
        check(subject, op, &inputs, 0.0, 0.0);
    }
}

pub fn convolutions(subject: &dyn Subject) {
    let mut random = Random(22);
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
        let spec = ConvSpec {
            strides: smallvec![2, 1],
            padding: smallvec![(1, 0), (1, 1)],
            dilation: smallvec![1, 2],
            groups: 2,
        };
        let x = Tensor::random(dtype, &[2, 7, 8, 4], &mut random);
        let w = Tensor::random(dtype, &[3, 2, 2, 6], &mut random);
        let op = Convolution { spec: spec.clone() };
        let y = op.infer(&[x.ty.clone(), w.ty.clone()]).unwrap()[0].clone();
        let dy = Tensor::random(dtype, &y.shape, &mut random);
        let floor = if dtype == DType::F64 { 1e-13 } else { 2e-5 };
        check(subject, op, &[x.clone(), w.clone()], 4.0, floor);
        check(
            subject,
            ConvGradInput { spec: spec.clone(), input: x.ty.shape.clone() },
            &[dy.clone(), w.clone()],
            4.0,
            floor,
        );
        check(subject, ConvGradKernel { spec, kernel: w.ty.shape.clone() }, &[x, dy], 4.0, floor);
    }
}

pub fn pooling(subject: &dyn Subject) {
    let mut random = Random(23);
    for dtype in [DType::F32, DType::F16, DType::I32] {
        let window = Window {
            size: smallvec![1, 3, 2, 1],
            strides: smallvec![1, 2, 2, 1],
            padding: smallvec![(0, 0), (1, 1), (0, 1), (0, 0)],
            dilation: smallvec![1, 1, 1, 1],
        };
        let x = Tensor::random(dtype, &[2, 7, 6, 3], &mut random);
        for kind in [ReduceKind::Max, ReduceKind::Min, ReduceKind::Sum] {
            let op = WindowReduce { kind, window: window.clone() };
            let y = op.infer(std::slice::from_ref(&x.ty)).unwrap()[0].clone();
            let dy = Tensor::random(dtype, &y.shape, &mut random);
            check(subject, op, std::slice::from_ref(&x), 4.0, 1e-3);
            if kind == ReduceKind::Sum {
                let op = WindowScatterSum { window: window.clone(), input: x.ty.shape.clone() };
                check(subject, op, &[dy], 4.0, 4e-3);
                continue;
            }
            check(subject, MaxScatter { kind, window: window.clone() }, &[x.clone(), dy], 4.0, 4e-3);
            let v = Tensor::random(dtype, &x.ty.shape, &mut random);
            check(subject, MaxPick { kind, window: window.clone() }, &[x.clone(), v], 0.0, 0.0);
        }
    }
}

pub fn linear_algebra(subject: &dyn Subject) {
    let mut random = Random(24);
    for dtype in [DType::F32, DType::F64] {
        let a = Tensor::random(dtype, &[3, 4, 4], &mut random);
        let b = Tensor::random(dtype, &[3, 4, 2], &mut random);
        // Results that are unique; the others are tested by what they multiply back to.
        let well = Tensor::new(
            dtype,
            &[3, 4, 4],
            a.values
                .iter()
                .enumerate()
                .map(|(i, v)| v.as_f64() * 0.3 + if (i % 16) % 5 == 0 { 3.0 } else { 0.0 }),
        );
        for kind in [LinalgKind::Inv, LinalgKind::Det, LinalgKind::LuFactor, LinalgKind::Cholesky] {
            check(subject, Linalg { kind }, std::slice::from_ref(&well), 64.0, 1e-6);
        }
        check(subject, Linalg { kind: LinalgKind::Solve }, &[well.clone(), b.clone()], 64.0, 1e-6);
        for (lower, transpose) in [(true, false), (false, true)] {
            let kind = LinalgKind::TriangularSolve { lower, transpose };
            check(subject, Linalg { kind }, &[well.clone(), b.clone()], 64.0, 1e-6);
        }
        for complete in [false, true] {
            check(
                subject,
                Linalg { kind: LinalgKind::Qr { complete } },
                &[Tensor::random(dtype, &[2, 3, 3], &mut random)],
                64.0,
                1e-6,
            );
        }
    }
}
