//! For tests of passes and plans: random graphs, sample inputs, comparison of results.

use crate::dtype::Class;
use crate::op::{Ew, ReduceKind, Scan};
use crate::reference::HostTensor;
use crate::shape::Shape;
use crate::{DType, Graph, Result, Scalar, TensorType, Value};

/// That many random cases, or as many as `PROPTEST_CASES` says.
pub(crate) fn cases(count: u32) -> proptest::prelude::ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok());
    proptest::prelude::ProptestConfig {
        cases: asked.unwrap_or(count),
        failure_persistence: None,
        ..Default::default()
    }
}

/// Small whole numbers: exact in every dtype, sums of them too.
pub(crate) fn sample(ty: &TensorType, seed: usize) -> HostTensor {
    let low = if ty.dtype.class() == Class::Unsigned { 0 } else { -3 };
    let mut i = 0usize;
    HostTensor::build(ty.clone(), |_| {
        i += 1;
        let mixed = i.wrapping_mul(2654435761).wrapping_add(seed.wrapping_mul(40503)) >> 7;
        let n = match ty.dtype {
            DType::Bool => (mixed % 2) as i64,
            _ => (mixed % 7) as i64 + low,
        };
        Scalar::from_i64(n, ty.dtype)
    })
}

/// The inputs that tests feed.
pub(crate) fn samples(graph: &Graph, seed: usize) -> Vec<HostTensor> {
    graph.input_types().iter().enumerate().map(|(i, ty)| sample(ty, seed + 31 * i)).collect()
}

/// A graph's results.
pub(crate) fn evaluate(graph: &Graph, inputs: &[HostTensor]) -> Vec<HostTensor> {
    crate::reference::evaluate(graph, inputs).expect("reference")
}

/// Whether two results are equal but for rounding: relative to the largest element, since sums may be
/// added up in another order. NaN equals NaN, infinity infinity.
pub(crate) fn same(a: &[HostTensor], b: &[HostTensor]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.ty == b.ty && same_elements(a, b))
}

fn same_elements(a: &HostTensor, b: &HostTensor) -> bool {
    let tolerance = match a.ty.dtype {
        DType::F16 => 2e-3,
        DType::BF16 => 2e-2,
        DType::F32 | DType::F64 => 1e-5,
        _ => 0.0,
    };
    let (a, b) = (a.to_f64(), b.to_f64());
    let largest = a.iter().filter(|x| x.is_finite()).fold(0.0f64, |m, x| m.max(x.abs()));
    let close = |x: f64, y: f64| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance * largest;
    a.iter().zip(&b).all(|(&x, &y)| close(x, y))
}

/// A random graph: element-wise ops, casts, movements, reductions and a few library ops over tensors of
/// one family of shapes, so that much can be fused.
pub(crate) fn random_graph(seed: u64, nodes: usize) -> Graph {
    random_graph_over([[2, 3, 4], [4, 1, 3], [1, 6, 2]][(seed >> 7) as usize % 3], seed, nodes)
}

/// The same over tensors of a given shape and parts of it.
pub(crate) fn random_graph_over(dims: [usize; 3], seed: u64, nodes: usize) -> Graph {
    let mut state = seed.wrapping_mul(2862933555777941757).wrapping_add(3037000493);
    let mut pick = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n.max(1)
    };
    let mut g = Graph::new();
    let mut values: Vec<Value> = Vec::new();
    for _ in 0..1 + pick(4) {
        let shape: Vec<usize> = match pick(5) {
            0 => vec![],
            1 => vec![dims[2]],
            2 => vec![dims[1], dims[2]],
            _ => dims.to_vec(),
        };
        values.push(g.input(TensorType::new(
            [DType::F32, DType::F64, DType::I32, DType::F32][pick(4)],
            shape.as_slice(),
        )));
    }
    let mut attempts = 0;
    while values.len() < nodes && attempts < 20 * nodes {
        attempts += 1;
        let x = values[values.len() - 1 - pick(values.len().min(12))];
        let (shape, dtype) = (g.shape(x).clone(), g.dtype(x));
        let rank = shape.rank();
        let made = match pick(22) {
            0 => g.elementwise(Ew::Neg, &[x]),
            1 if dtype != DType::Bool => g.elementwise(Ew::Square, &[x]),
            2 if dtype.is_float() => g.elementwise([Ew::Tanh, Ew::Relu, Ew::Sigmoid][pick(3)], &[x]),
            3 => g.cast(x, [DType::F32, DType::F64, DType::I32, DType::Bool, DType::F16][pick(5)]),
            4 => {
                let mut perm: Vec<usize> = (0..rank).collect();
                for i in (1..rank).rev() {
                    perm.swap(i, pick(i + 1));
                }
                g.transpose(x, &perm)
            }
            5 if shape.numel() > 0 && pick(3) == 0 => {
                let (mut start, mut limit, mut stride) = (vec![], vec![], vec![]);
                for &d in shape.iter() {
                    start.push(pick(d));
                    limit.push(start[start.len() - 1] + 1 + pick(d - start[start.len() - 1]));
                    stride.push(1 + pick(2));
                }
                g.slice(x, &start, &limit, &stride)
            }
            6 => g.reverse(x, &(0..rank).filter(|_| pick(2) == 0).collect::<Vec<_>>()),
            7 => {
                let flat = shape.numel();
                match pick(3) {
                    0 => g.reshape(x, [flat]),
                    1 if flat % 2 == 0 => g.reshape(x, [2, flat / 2]),
                    _ => g.reshape(x, [1, flat, 1]),
                }
            }
            8 => {
                let kind = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min][pick(3)];
                let axes: Vec<usize> = (0..rank).filter(|_| pick(2) == 0).collect();
                let keep = pick(2) == 0;
                g.reduce(kind, x, &axes, keep)
            }
            9 => g.full(dims, Scalar::from_i64(pick(4) as i64 - 1, DType::F32)),
            10 if dtype != DType::Bool => g.iota(dims, pick(3), dtype),
            11 => {
                let to = Shape::from(&dims[..]);
                g.broadcast_to(x, &to)
            }
            12 if rank > 0 => g.concat(&[x, x], pick(rank)),
            13 if rank >= 2 && dtype.is_float() && shape[rank - 1] == shape[rank - 2] => {
                g.matmul(x, x, pick(2) == 0, pick(2) == 0)
            }
            14 if rank > 0 && dtype.is_float() => g.add1(crate::op::Softmax { axis: pick(rank) }, &[x]),
            15 if rank > 0 => {
                let fill = g.full(Shape::scalar(), Scalar::one(dtype)).expect("scalar");
                let mut low = smallvec::SmallVec::from_elem(0, rank);
                let high = smallvec::SmallVec::from_elem(pick(3) as isize - 1, rank);
                low[pick(rank)] = 1;
                g.add1(
                    crate::op::Pad { low, high, interior: smallvec::SmallVec::from_elem(0, rank) },
                    &[x, fill],
                )
            }
            16 => {
                let candidates: Vec<Value> = values
                    .iter()
                    .copied()
                    .filter(|&c| g.dtype(c) == DType::Bool && *g.shape(c) == shape)
                    .collect();
                match candidates.as_slice() {
                    [] => g.elementwise(Ew::Eq, &[x, x]),
                    c => {
                        let (c, y) = (c[pick(c.len())], values[pick(values.len())]);
                        if g.ty(y) != g.ty(x) {
                            continue;
                        }
                        g.elementwise(Ew::Select, &[c, x, y])
                    }
                }
            }
            _ => {
                let y = values[values.len() - 1 - pick(values.len().min(12))];
                if g.dtype(y) != dtype || g.shape(y).broadcast(&shape).is_none() {
                    continue;
                }
                let op = [Ew::Add, Ew::Mul, Ew::Max, Ew::Sub, Ew::Lt, Ew::Eq][pick(6)];
                g.elementwise(op, &[x, y])
            }
        };
        let Ok(v) = made else { continue };
        if g.shape(v).numel() <= 200 {
            values.push(v);
        }
    }
    for _ in 0..2 + pick(5) {
        g.outputs.push(values[values.len() - 1 - pick(values.len().min(10))]);
    }
    g
}

/// A scan over a random body: values of the body that have a carry's type become its next value, with
/// something added now and then.
pub(crate) fn random_scan(mut body: Graph, seed: u64) -> Result<Graph> {
    let mut state = seed | 1;
    let mut pick = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n.max(1)
    };
    let types = body.input_types();
    let inputs: Vec<Value> = body.input_values().collect();
    let carry = pick(inputs.len() + 1);
    let xs = pick(inputs.len() - carry + 1);
    let ys = std::mem::take(&mut body.outputs);
    for i in 0..carry {
        let like: Vec<Value> = body
            .nodes()
            .flat_map(|(id, n)| (0..n.types.len() as u32).map(move |index| Value { node: id, index }))
            .filter(|&v| *body.ty(v) == types[i])
            .collect();
        let next = like[pick(like.len())];
        let next = match pick(4) {
            _ if types[i].dtype == DType::Bool => next,
            0 => body.elementwise(Ew::Add, &[inputs[i], next])?,
            1 => body.elementwise(Ew::Sub, &[inputs[i], next])?,
            _ => next,
        };
        body.outputs.push(next);
    }
    body.outputs.extend(ys);
    let mut g = Graph::new();
    let length = 1 + pick(3);
    let operands: Vec<Value> = types
        .iter()
        .enumerate()
        .map(|(i, ty)| {
            let steps = (carry..carry + xs).contains(&i);
            let shape = if steps {
                std::iter::once(length).chain(ty.shape.iter().copied()).collect()
            } else {
                ty.shape.clone()
            };
            match pick(6) {
                0 if i >= carry + xs => g.full(shape, Scalar::one(ty.dtype)),
                1 if i < carry => g.full(shape, Scalar::zero(ty.dtype)),
                _ => Ok(g.input(TensorType { dtype: ty.dtype, shape })),
            }
        })
        .collect::<Result<_>>()?;
    let reverse = pick(2) == 0;
    let out = g.add(Scan { body: body.into(), carry, xs, length, reverse, blocks: None }, &operands)?;
    g.outputs = out.iter().copied().filter(|_| pick(3) > 0).collect();
    Ok(g)
}
