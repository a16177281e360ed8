//! The interpreter against known answers.

use std::sync::Arc;

use smallvec::smallvec;

use super::*;
use crate::kernel::{Instr, Kernel, Load, Reduction};
use crate::op::*;
use crate::testing::{Random, close, compute, flags, floats, integers};
use crate::{DType, Node};

/// The generator's published answer for a zero counter and key (Random123, kat_vectors).
#[test]
fn philox() {
    let key = HostTensor::zeros(TensorType::new(DType::U32, [2]));
    let out = compute(&[key], |g, v| Ok(g.add(RandomBits { shape: [5].into() }, v)?.to_vec()));
    let words: Vec<u64> = (0..4).map(|i| out[0].get(i).as_u64()).collect();
    assert_eq!(words, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    let ones =
        HostTensor::build(TensorType::new(DType::U32, [2]), |_| Scalar::from_u64(u64::MAX, DType::U32));
    let other = compute(&[ones], |g, v| Ok(g.add(RandomBits { shape: [5].into() }, v)?.to_vec()));
    assert_ne!(out, other);
}

#[test]
fn bytes_go_there_and_back() {
    for dtype in DType::ALL {
        let ty = TensorType::new(dtype, [2, 3]);
        let t = HostTensor::build(ty.clone(), |i| Scalar::from_i64(i as i64 - 2, dtype));
        let bytes = t.to_bytes();
        assert_eq!(bytes.len(), ty.bytes());
        assert_eq!(HostTensor::from_bytes(ty.clone(), &bytes).unwrap(), t);
        assert!(HostTensor::from_bytes(ty, &bytes[1..]).is_err());
    }
    assert_eq!(floats([1], &[1.0]).to_bytes(), 1.0f64.to_le_bytes());
}

#[test]
fn inputs_must_fit() {
    let mut g = Graph::new();
    let x = g.input(TensorType::new(DType::F32, [2]));
    g.outputs = vec![x];
    assert!(evaluate(&g, &[]).is_err());
    assert!(evaluate(&g, &[HostTensor::zeros(TensorType::new(DType::F64, [2]))]).is_err());
}

/// Every op rounds to its dtype.
#[test]
fn rounding() {
    let x = HostTensor::from_f64(TensorType::new(DType::F16, [1]), &[2048.0]).unwrap();
    let one = HostTensor::from_f64(TensorType::new(DType::F16, [1]), &[1.0]).unwrap();
    let out = compute(&[x, one], |g, v| {
        let sum = g.elementwise(Ew::Add, v)?;
        Ok(vec![sum, g.elementwise(Ew::Add, &[sum, v[1]])?])
    });
    assert_eq!((out[0].to_f64(), out[1].to_f64()), (vec![2048.0], vec![2048.0]));
}

#[test]
fn nan_and_order() {
    let nan = f64::NAN;
    let x = floats([5], &[2.0, nan, 1.0, 2.0, -1.0]);
    let out = compute(&[x], |g, v| {
        let up = g.add(Sort { axis: 0, descending: false }, v)?;
        let down = g.add(Sort { axis: 0, descending: true }, v)?;
        let top = g.add(TopK { k: 3 }, v)?;
        let most = g.add1(ArgReduce { kind: ArgKind::Max, axis: 0 }, v)?;
        let least = g.add1(ArgReduce { kind: ArgKind::Min, axis: 0 }, v)?;
        let max = g.reduce(ReduceKind::Max, v[0], &[0], false)?;
        Ok(vec![up[1], down[1], top[1], most, least, max])
    });
    assert_eq!(out[0].to_f64(), [4., 2., 0., 3., 1.]);
    assert_eq!(out[1].to_f64(), [0., 3., 2., 4., 1.]);
    assert_eq!(out[2].to_f64(), [0., 3., 2.]);
    assert_eq!((out[3].to_f64(), out[4].to_f64()), (vec![1.0], vec![1.0]));
    assert!(out[5].to_f64()[0].is_nan());
}

#[test]
fn indices_out_of_range() {
    let x = floats([3], &[1.0, 2.0, 3.0]);
    let out = compute(&[x, integers([4], &[-5, 0, 2, 9]), floats([4], &[10., 20., 30., 40.])], |g, v| {
        let rows = g.reshape(v[1], [4, 1])?;
        let read = g.add1(Gather { axis: 0 }, &[v[0], v[1]])?;
        let set = g.add1(ScatterNd { mode: ScatterMode::Set }, &[v[0], rows, v[2]])?;
        let along = g.add1(ScatterAlong { axis: 0 }, &[v[0], v[1], v[2]])?;
        let start = g.slice(v[1], &[3], &[4], &[1])?;
        Ok(vec![read, set, along, g.add1(DynamicSlice { sizes: smallvec![2] }, &[v[0], start])?])
    });
    assert_eq!(out[0].to_f64(), [1., 1., 3., 3.]);
    assert_eq!(out[1].to_f64(), [20., 2., 30.]);
    assert_eq!(out[2].to_f64(), [21., 2., 33.]);
    assert_eq!(out[3].to_f64(), [2., 3.]);
}

#[test]
fn empty_reductions_give_the_identity() {
    let x = HostTensor::zeros(TensorType::new(DType::F32, [0, 2]));
    let out = compute(&[x], |g, v| {
        let kinds = [ReduceKind::Sum, ReduceKind::Prod, ReduceKind::Max, ReduceKind::Min];
        kinds.into_iter().map(|kind| g.reduce(kind, v[0], &[0], false)).collect()
    });
    let expected = [0.0, 1.0, f64::NEG_INFINITY, f64::INFINITY];
    for (t, value) in out.iter().zip(expected) {
        assert_eq!(t.to_f64(), [value; 2]);
    }
}

/// Factorisations give back their matrix.
#[test]
fn factorisations() {
    for shape in [[4, 4], [5, 3], [3, 5]] {
        let x = Random(3).floats([2, shape[0], shape[1]]);
        for full in [false, true] {
            let out = compute(std::slice::from_ref(&x), |g, v| {
                let qr = g.add(Linalg { kind: LinalgKind::Qr { complete: full } }, v)?;
                let product = g.matmul(qr[0], qr[1], false, false)?;
                let unit = g.matmul(qr[0], qr[0], true, false)?;
                let svd = g.add(Linalg { kind: LinalgKind::Svd { full_matrices: full } }, v)?;
                let left = g.matmul(svd[0], svd[0], true, false)?;
                let right = g.matmul(svd[2], svd[2], false, true)?;
                let k = shape[0].min(shape[1]);
                let u = g.slice_axis(svd[0], 2, 0, k)?;
                let vt = g.slice_axis(svd[2], 1, 0, k)?;
                let s = g.reshape(svd[1], [2, 1, k])?;
                let scaled = g.elementwise(Ew::Mul, &[u, s])?;
                Ok(vec![product, g.matmul(scaled, vt, false, false)?, unit, left, right])
            });
            assert!(close(&out[0], &x, 1e-12) && close(&out[1], &x, 1e-12));
            for unit in &out[2..] {
                let n = unit.ty.shape[1];
                let eye: Vec<f64> = (0..2 * n * n).map(|i| f64::from(u8::from(i / n % n == i % n))).collect();
                assert!(close(unit, &floats([2, n, n], &eye), 1e-12), "{unit:?}");
            }
        }
    }
    let x = floats([2, 2], &[2.0, 1.0, 1.0, 3.0]);
    let out = compute(&[x], |g, v| {
        let linalg = |g: &mut Graph, kind| g.add(Linalg { kind }, v).map(|r| r.to_vec());
        let l = linalg(g, LinalgKind::Cholesky)?[0];
        let square = g.matmul(l, l, false, true)?;
        let (det, inv) = (linalg(g, LinalgKind::Det)?[0], linalg(g, LinalgKind::Inv)?[0]);
        let lu = linalg(g, LinalgKind::LuFactor)?;
        let w = linalg(g, LinalgKind::Eigh)?[0];
        Ok(vec![square, det, inv, lu[0], lu[1], w])
    });
    let root = 5f64.sqrt();
    let expected: [&[f64]; 6] = [
        &[2., 1., 1., 3.],
        &[5.],
        &[0.6, -0.2, -0.2, 0.4],
        &[2., 1., 0.5, 2.5],
        &[0., 1.],
        &[2.5 - root / 2.0, 2.5 + root / 2.0],
    ];
    for (t, expected) in out.iter().zip(expected) {
        let near = t.to_f64().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-13);
        assert!(near, "{t:?} {expected:?}");
    }
}

#[test]
fn loops() {
    // Doubles until 100 is passed, at most `max` times.
    let doubling = |max| {
        let ty = TensorType::new(DType::I32, []);
        let mut condition = Graph::new();
        let (x, limit) = (condition.input(ty.clone()), condition.input(ty.clone()));
        condition.outputs = vec![condition.elementwise(Ew::Lt, &[x, limit]).unwrap()];
        let mut body = Graph::new();
        let x = body.input(ty);
        body.outputs = vec![body.elementwise(Ew::Add, &[x, x]).unwrap()];
        While {
            condition: Arc::new(condition),
            body: Arc::new(body),
            carry: 1,
            condition_constants: 1,
            max_iterations: max,
        }
    };
    let inputs = [integers([], &[3]), integers([], &[100]), flags([], &[false])];
    let out = compute(&inputs, |g, v| {
        let free = g.add1(doubling(None), &v[..2])?;
        Ok(vec![free, g.add1(doubling(Some(2)), &v[..2])?])
    });
    assert_eq!((out[0].to_f64(), out[1].to_f64()), (vec![192.0], vec![12.0]));
}

/// A fused kernel: sum over columns of (x * 2 + column number), x read transposed.
#[test]
fn kernels() {
    let x = floats([3, 2], &[1., 2., 3., 4., 5., 6.]);
    let kernel = |reduced: usize| Kernel {
        space: smallvec![2, 3],
        reduced,
        loads: vec![Load { operand: 0, dtype: DType::F64, offset: 0, strides: smallvec![1, 2] }],
        body: vec![
            Instr::Const(Scalar::from_f64(2.0, DType::F64)),
            Instr::Elementwise { op: Ew::Mul, dtype: DType::F64, args: smallvec![0, 1] },
            Instr::Index { dtype: DType::I32, offset: 0, strides: smallvec![0, 1] },
            Instr::Cast { from: DType::I32, to: DType::F64, arg: 3 },
            Instr::Elementwise { op: Ew::Add, dtype: DType::F64, args: smallvec![2, 4] },
        ],
        reduction: (reduced > 0).then_some(Reduction {
            kind: ReduceKind::Sum,
            dtype: DType::F64,
            register: 5,
        }),
        stores: if reduced > 0 { smallvec![] } else { smallvec![5, 3] },
    };
    let out = compute(&[x], |g, v| {
        let map = g.add(Op::Fused(Arc::new(kernel(0))), v)?;
        let sum = g.add1(Op::Fused(Arc::new(kernel(1))), v)?;
        let flat = Node {
            op: Op::Fused(Arc::new(kernel(0))),
            inputs: v.into(),
            types: smallvec![TensorType::new(DType::F64, [6]), TensorType::new(DType::I32, [6])],
        };
        let flat = crate::Value { node: g.push_node(flat), index: 0 };
        Ok(vec![map[0], map[1], sum, flat])
    });
    assert_eq!(out[0].to_f64(), [2., 7., 12., 4., 9., 14.]);
    assert_eq!(out[1].to_f64(), [0., 1., 2., 0., 1., 2.]);
    assert_eq!(out[2].to_f64(), [21., 27.]);
    assert_eq!(out[3].to_f64(), out[0].to_f64());
}
