//! Builders against their definitions.

use proptest::prelude::*;
use rustc_hash::FxHashMap;

use crate::op::{Convolution, Ew, ReduceKind};
use crate::reference::HostTensor;
use crate::testing::{Random, check_gradients, close, compute, flags, floats, integers};
use crate::{DType, Graph, Op, Scalar, Shape, TensorType, Value};

/// einsum by looping over all labels.
fn naive_einsum(inputs: &[&str], output: &str, operands: &[HostTensor]) -> HostTensor {
    let mut sizes: FxHashMap<char, usize> = FxHashMap::default();
    for (labels, t) in inputs.iter().zip(operands) {
        for (label, &d) in labels.chars().zip(t.ty.shape.iter()) {
            let known = sizes.entry(label).or_insert(d);
            *known = if *known == 1 { d } else { *known };
        }
    }
    let mut labels: Vec<char> = sizes.keys().copied().collect();
    labels.sort_unstable();
    let shape: Shape = output.chars().map(|l| sizes[&l]).collect();
    let mut out = vec![0.0; shape.numel()];
    let count: usize = labels.iter().map(|l| sizes[l]).product();
    for mut i in 0..count {
        let mut at: FxHashMap<char, usize> = FxHashMap::default();
        for l in &labels {
            at.insert(*l, i % sizes[l]);
            i /= sizes[l];
        }
        let number = |labels: &str, shape: &Shape| {
            labels.chars().zip(shape.iter()).fold(0, |n, (l, &d)| n * d + if d == 1 { 0 } else { at[&l] })
        };
        let terms = inputs.iter().zip(operands).map(|(l, t)| t.get(number(l, &t.ty.shape)).as_f64());
        out[number(output, &shape)] += terms.product::<f64>();
    }
    floats(shape, &out)
}

/// Equation, the same with all labels written out, shapes.
type Case = (&'static str, &'static [&'static str], &'static str, &'static [&'static [usize]]);

const CASES: &[Case] = &[
    ("ij,jk->ik", &["ij", "jk"], "ik", &[&[2, 3], &[3, 4]]),
    ("ij,jk->ki", &["ij", "jk"], "ki", &[&[2, 3], &[3, 4]]),
    ("ji,kj", &["ji", "kj"], "ik", &[&[3, 2], &[4, 3]]),
    ("ii->i", &["ii"], "i", &[&[3, 3]]),
    ("ii", &["ii"], "", &[&[3, 3]]),
    ("iji->j", &["iji"], "j", &[&[2, 3, 2]]),
    ("iii->i", &["iii"], "i", &[&[2, 2, 2]]),
    ("ij->", &["ij"], "", &[&[2, 3]]),
    ("ba", &["ba"], "ab", &[&[2, 3]]),
    ("i,j->ij", &["i", "j"], "ij", &[&[2], &[3]]),
    ("i,j->ji", &["i", "j"], "ji", &[&[2], &[3]]),
    ("i,i->", &["i", "i"], "", &[&[3], &[3]]),
    ("bi,bi->b", &["bi", "bi"], "b", &[&[2, 3], &[2, 3]]),
    ("bqhd,bkhd->bhqk", &["bqhd", "bkhd"], "bhqk", &[&[2, 3, 2, 4], &[2, 5, 2, 4]]),
    ("bhqk,bkhd->bqhd", &["bhqk", "bkhd"], "bqhd", &[&[2, 2, 3, 5], &[2, 5, 2, 4]]),
    ("abc,cd->abd", &["abc", "cd"], "abd", &[&[2, 3, 4], &[4, 2]]),
    ("abc,bcd->ad", &["abc", "bcd"], "ad", &[&[2, 3, 4], &[3, 4, 2]]),
    ("abc,dcb->ad", &["abc", "dcb"], "ad", &[&[2, 3, 4], &[2, 4, 3]]),
    ("ijk,k->ij", &["ijk", "k"], "ij", &[&[2, 3, 4], &[4]]),
    ("ij,kl->jl", &["ij", "kl"], "jl", &[&[2, 3], &[2, 4]]),
    ("ij,jk,kl->il", &["ij", "jk", "kl"], "il", &[&[2, 3], &[3, 4], &[4, 2]]),
    ("a,ab,b,bc->c", &["a", "ab", "b", "bc"], "c", &[&[2], &[2, 3], &[3], &[3, 2]]),
    ("...ij,...jk->...ik", &["xij", "xjk"], "xik", &[&[2, 2, 3], &[2, 3, 4]]),
    ("...ij,jk", &["xyij", "jk"], "xyik", &[&[2, 1, 2, 3], &[3, 4]]),
    ("...i,...i->...", &["xyi", "yi"], "xy", &[&[2, 3, 4], &[1, 4]]),
    ("i...->...", &["ix"], "x", &[&[2, 3]]),
    ("ij,ij->ij", &["ij", "ij"], "ij", &[&[1, 3], &[2, 3]]),
    ("ii,ij->j", &["ii", "ij"], "j", &[&[2, 2], &[2, 3]]),
    (" i j , j k -> i k ", &["ij", "jk"], "ik", &[&[2, 0], &[0, 4]]),
];

#[test]
fn einsum_is_its_definition() {
    for (equation, inputs, output, shapes) in CASES {
        let operands: Vec<HostTensor> = shapes.iter().map(|&s| Random(5).floats(s)).collect();
        let got = compute(&operands, |g, v| Ok(vec![g.einsum(equation, v)?]));
        let expected = naive_einsum(inputs, output, &operands);
        assert!(close(&got[0], &expected, 1e-12), "{equation}: {got:?} {expected:?}");
    }
}

#[test]
fn einsum_gradients() {
    for (equation, _, _, shapes) in &CASES[..20] {
        let operands: Vec<HostTensor> = shapes.iter().map(|&s| Random(5).floats(s)).collect();
        check_gradients(equation, 1, &operands, |g, v| Ok(vec![g.einsum(equation, v)?]));
    }
}

#[test]
fn einsum_refuses_nonsense() {
    let mut g = Graph::new();
    let x = g.input(TensorType::new(DType::F32, [2, 3]));
    for equation in
        ["ij,jk->ik", "i", "ijk", "ij->ii", "ij->k", "i1", "ii", "ij->i->j", "...ijk", "i..j", "ij..."]
    {
        let result = g.einsum(equation, &[x]);
        assert_eq!(result.is_ok(), equation == "ij...", "{equation}");
    }
    assert!(g.einsum("ij,jk->ik", &[x, x]).is_err());
    assert!(g.einsum("", &[]).is_err());
}

#[test]
fn products_use_transpose_flags() {
    let count = |equation: &str, shapes: [&[usize]; 2]| {
        let mut g = Graph::new();
        let [a, b] = shapes.map(|s| g.input(TensorType::new(DType::F32, s)));
        g.einsum(equation, &[a, b]).unwrap();
        g.nodes().filter(|(_, n)| matches!(n.op, Op::Transpose(_))).count()
    };
    assert_eq!(count("ij,jk->ik", [&[2, 3], &[3, 4]]), 0);
    assert_eq!(count("ij,kj->ik", [&[2, 3], &[4, 3]]), 0);
    assert_eq!(count("ji,jk->ik", [&[3, 2], &[3, 4]]), 0);
    assert_eq!(count("ji,kj->ki", [&[3, 2], &[4, 3]]), 0);
    assert_eq!(count("bij,bkj->bik", [&[2, 2, 3], &[2, 4, 3]]), 0);
    assert_eq!(count("abc,bcd->ad", [&[2, 3, 4], &[3, 4, 2]]), 0);
}

#[test]
fn tensordot_is_einsum() {
    let operands = [Random(1).floats([2, 3, 4]), Random(2).floats([4, 5, 2])];
    let got = compute(&operands, |g, v| Ok(vec![g.tensordot(v[0], v[1], &[2, 0], &[0, 2])?]));
    assert!(close(&got[0], &naive_einsum(&["abc", "cda"], "bd", &operands), 1e-12));
    let outer = compute(&operands, |g, v| Ok(vec![g.tensordot(v[0], v[1], &[], &[])?]));
    assert!(close(&outer[0], &naive_einsum(&["abc", "def"], "abcdef", &operands), 1e-12));
    let mut g = Graph::new();
    let x = g.input(TensorType::new(DType::F32, [2, 3]));
    assert!(g.tensordot(x, x, &[0], &[1]).is_err());
    assert!(g.tensordot(x, x, &[0, 0], &[0, 0]).is_err());
    assert!(g.tensordot(x, x, &[7], &[0]).is_err());
}

#[test]
fn matmul_is_numpys() {
    /// Shapes of a and b, labels of a, b and the result.
    type Case = (&'static [usize], &'static [usize], [&'static str; 3]);
    let cases: [Case; 9] = [
        (&[3], &[3], ["k", "k", ""]),
        (&[3], &[3, 2], ["k", "kn", "n"]),
        (&[2, 3], &[3], ["mk", "k", "m"]),
        (&[4, 2, 3], &[3], ["amk", "k", "am"]),
        (&[3], &[4, 3, 2], ["k", "akn", "an"]),
        (&[4, 2, 3], &[3, 2], ["amk", "kn", "amn"]),
        (&[2, 3], &[4, 3, 2], ["mk", "akn", "amn"]),
        (&[5, 1, 2, 3], &[4, 3, 2], ["abmk", "bkn", "abmn"]),
        (&[2, 3], &[1, 3, 2], ["mk", "akn", "amn"]),
    ];
    for (a, b, [la, lb, out]) in cases {
        let operands = [Random(3).floats(a), Random(4).floats(b)];
        let got = compute(&operands, |g, v| Ok(vec![g.matmul(v[0], v[1], false, false)?]));
        let expected = naive_einsum(&[la, lb], out, &operands);
        assert!(close(&got[0], &expected, 1e-12), "{a:?} {b:?} {got:?} {expected:?}");
    }
    let mut g = Graph::new();
    let [x, y] = [[2, 3, 4], [3, 4, 4]].map(|s| g.input(TensorType::new(DType::F32, s)));
    let z = g.input(TensorType::new(DType::F32, Shape::scalar()));
    assert!(g.matmul(x, y, false, false).is_err());
    assert!(g.matmul(x, z, false, false).is_err());
    assert!(g.matmul(x, x, false, false).is_err());
}

proptest! {
    /// A convolution of a dilated input, whichever op it becomes, is one of an input with zeros put in.
    #[test]
    fn dilated_input(
        (size, window) in (1usize..5, 1usize..4),
        (stride, lhs, rhs) in (1usize..3, 1usize..4, 1usize..3),
        (low, high) in (-1isize..4, 0isize..4),
        groups in 1usize..3,
    ) {
        let (strides, dilation) = ([stride, 1], [rhs, 1]);
        let padding = [(low, high), (0, 0)];
        let operands = [Random(1).floats([2, size, 2, 2 * groups]), Random(2).floats([window, 2, 2, 3 * groups])];
        let mut g = Graph::new();
        let v: Vec<Value> = operands.iter().map(|t| g.input(t.ty.clone())).collect();
        let direct = g.conv(v[0], v[1], &strides, &padding, &[lhs, 1], &dilation, groups);
        let zero = g.fill_for(v[0], 0.0).unwrap();
        let spread = g.pad(v[0], zero, &[0; 4], &[0; 4], &[0, lhs - 1, 0, 0]).unwrap();
        let spec = crate::op::ConvSpec {
            strides: strides.as_slice().into(),
            padding: padding.as_slice().into(),
            dilation: dilation.as_slice().into(),
            groups,
        };
        let plain = g.add1(Convolution { spec }, &[spread, v[1]]);
        prop_assert!(direct.is_ok() || plain.is_err());
        if let (Ok(direct), Ok(plain)) = (direct, plain) {
            g.outputs = vec![direct, plain];
            let out = crate::reference::evaluate(&g, &operands).unwrap();
            prop_assert!(close(&out[0], &out[1], 1e-12), "{:?} {:?}", out[0], out[1]);
        }
    }

    /// Broadcasting and its transpose.
    #[test]
    fn broadcasts(dims in prop::collection::vec((1usize..4, any::<bool>()), 0..4), lead in 0usize..3) {
        let to: Shape = dims.iter().map(|d| d.0).collect();
        let from: Shape = dims.iter().skip(lead).map(|&(d, one)| if one { 1 } else { d }).collect();
        let operands = [Random(1).floats(from.clone()), Random(2).floats(to.clone())];
        let out = compute(&operands, |g, v| {
            let x = g.broadcast_to(v[0], &to)?;
            let back = g.sum_to(v[1], &from)?;
            let axes: Vec<usize> = (0..to.rank()).collect();
            let left = g.elementwise(Ew::Mul, &[x, v[1]])?;
            let right = g.elementwise(Ew::Mul, &[v[0], back])?;
            let left = g.reduce(ReduceKind::Sum, left, &axes, false)?;
            let axes: Vec<usize> = (0..from.rank()).collect();
            Ok(vec![left, g.reduce(ReduceKind::Sum, right, &axes, false)?])
        });
        prop_assert!(close(&out[0], &out[1], 1e-12));
    }
}

#[test]
fn what_does_nothing_is_left_out() {
    let mut g = Graph::new();
    let x = g.input(TensorType::new(DType::F32, [2, 1, 3]));
    let same = [
        g.reshape(x, [2, 1, 3]),
        g.cast(x, DType::F32),
        g.transpose(x, &[0, 1, 2]),
        g.broadcast_to(x, &[2, 1, 3].into()),
        g.sum_to(x, &[2, 1, 3].into()),
        g.slice(x, &[0; 3], &[2, 1, 3], &[1; 3]),
        g.pad(x, x, &[0; 3], &[0; 3], &[0; 3]),
        g.concat(&[x], 1),
        g.reverse(x, &[1]),
        g.reduce(ReduceKind::Max, x, &[], false),
        g.reduce(ReduceKind::Sum, x, &[1], true),
    ];
    for (i, value) in same.into_iter().enumerate().filter(|(i, _)| *i != 10) {
        assert_eq!(value.unwrap(), x, "{i}");
    }
    let wrong = [
        g.transpose(x, &[0, 1]),
        g.slice(x, &[0], &[2], &[1]),
        g.slice(x, &[0; 3], &[2, 1, 3], &[]),
        g.reverse(x, &[3]),
        g.reduce(ReduceKind::Sum, x, &[1, 1], false),
        g.concat(&[x], 3),
        g.concat(&[], 0),
        g.broadcast_to(x, &[2, 3].into()),
        g.move_axis(x, 3, 0),
        g.slice_axis(x, 3, 0, 0),
        g.slice_axis(x, 0, 1, 0),
    ];
    assert!(wrong.iter().all(|r| r.is_err()), "{wrong:?}");
}

#[test]
fn bools_and_narrow_integers() {
    let both = [flags([4], &[true, true, false, false]), flags([4], &[true, false, true, false])];
    let out = compute(&both, |g, v| {
        let mut results = Vec::new();
        for op in [Ew::Add, Ew::Mul, Ew::Max, Ew::Min, Ew::BitXor] {
            results.push(g.elementwise(op, v)?);
        }
        results.push(g.reduce(ReduceKind::Sum, v[0], &[0], false)?);
        results.push(g.reduce(ReduceKind::Max, v[0], &[0], false)?);
        let number = g.full([], Scalar::from_f64(0.5, DType::F32))?;
        results.push(g.elementwise(Ew::And, &[v[0], number])?);
        Ok(results)
    });
    let expected = [[1., 1., 1., 0.], [1., 0., 0., 0.], [1., 1., 1., 0.], [1., 0., 0., 0.], [0., 1., 1., 0.]];
    for (got, expected) in out.iter().zip(expected) {
        assert_eq!((got.ty.dtype, got.to_f64()), (DType::Bool, expected.to_vec()));
    }
    assert_eq!((out[5].ty.dtype, out[5].to_f64()), (DType::I32, vec![2.0]));
    assert_eq!((out[6].ty.dtype, out[6].to_f64()), (DType::Bool, vec![1.0]));
    assert_eq!(out[7].to_f64(), [1., 1., 0., 0.]);
}

#[test]
fn negative_indices_count_from_the_end() {
    let out = compute(&[integers([2, 2], &[-1, 0, 1, -2])], |g, v| {
        let small = g.cast(v[0], DType::I8)?;
        Ok(vec![g.wrap_indices(small, &[5])?, g.wrap_indices(v[0], &[3, 4])?, g.wrap_indices(v[0], &[])?])
    });
    assert_eq!(out[0].to_f64(), [4., 0., 1., 3.]);
    assert_eq!(out[0].ty.dtype, DType::I32);
    assert_eq!(out[1].to_f64(), [2., 0., 1., 2.]);
    let mut g = Graph::new();
    let x = g.input(TensorType::new(DType::F32, [2]));
    assert!(g.wrap_indices(x, &[3]).is_err());
}
