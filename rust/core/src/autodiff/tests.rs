//! The walk itself, and gradients through control flow.

use std::sync::Arc;

use super::*;
use crate::op::{Cond, CustomVjp, Ew, Gather, MatMul, ReduceKind, Scan, While};
use crate::ops::control::CustomRule;
use crate::reference::{HostTensor, evaluate};
use crate::testing::{Random, check_gradients, close, compute, flags, floats, integers};
use crate::{DType, TensorType};

fn scalar() -> TensorType {
    TensorType::new(DType::F64, [])
}

#[test]
fn only_what_is_on_a_path() {
    let mut g = Graph::new();
    let [x, y, z] = [0; 3].map(|_| g.input(scalar()));
    let a = g.elementwise(Ew::Mul, &[x, y]).unwrap();
    let stopped = g.elementwise(Ew::StopGradient, &[y]).unwrap();
    let b = g.elementwise(Ew::Add, &[a, stopped]).unwrap();
    let whole = g.cast(z, DType::I32).unwrap();
    let back = g.cast(whole, DType::F64).unwrap();
    let c = g.elementwise(Ew::Add, &[b, back]).unwrap();
    let before = g.len();
    let found = gradient(&mut g, &[(c, None)], &[x, z, c, a]).unwrap();
    assert!(found[1].is_none());
    // A one for the target and the product for x; the sum's cotangent is handed on as it is.
    assert_eq!(g.len() - before, 2);
    assert_eq!(found[2], found[3]);
    let found = gradient(&mut g, &[(whole, None), (stopped, None)], &[y, z]).unwrap();
    assert_eq!(found, [None, None]);
    assert_eq!(gradient(&mut g, &[], &[x]).unwrap(), [None]);
    let wrong = g.full([2], Scalar::one(DType::F64)).unwrap();
    assert!(gradient(&mut g, &[(c, Some(wrong))], &[x]).is_err());
}

#[test]
fn contributions_add_up() {
    let x = Random(1).floats([3]);
    check_gradients("repeated uses", 2, &[x], |g, v| {
        let square = g.elementwise(Ew::Mul, &[v[0], v[0]])?;
        let sine = g.elementwise(Ew::Sin, &[square])?;
        let sum = g.elementwise(Ew::Add, &[sine, square])?;
        Ok(vec![g.elementwise(Ew::Mul, &[sum, v[0]])?, square])
    });
}

/// A chain of n nodes costs a number of nodes proportional to n, whatever else the graph holds.
/// Parts of one value: their gradients are put side by side, those that overlap or are of another axis added.
#[test]
fn parts_lie_side_by_side() {
    let names = |g: &Graph, from: usize| -> Vec<&'static str> {
        g.nodes().skip(from).map(|(_, n)| n.op.name()).filter(|n| ["concat", "add"].contains(n)).collect()
    };
    // Axis, start and end.
    type Part = (usize, usize, usize);
    let windows: [(&[Part], &[&str]); 4] = [
        (&[(1, 0, 2), (1, 4, 6), (1, 2, 4)], &["concat"]),
        (&[(1, 4, 5), (1, 1, 2)], &["concat"]),
        (&[(1, 0, 3), (1, 2, 6)], &["add"]),
        (&[(1, 0, 3), (0, 1, 2), (1, 3, 6), (1, 0, 1)], &["concat", "add", "add"]),
    ];
    for (windows, expected) in windows {
        let mut g = Graph::new();
        let x = g.input(TensorType::new(DType::F64, [2, 6]));
        let mut parts = Vec::new();
        for &(axis, start, end) in windows {
            let part = g.slice_axis(x, axis, start, end).unwrap();
            let part = g.elementwise(Ew::Square, &[part]).unwrap();
            let all: Vec<usize> = (0..2).collect();
            parts.push(g.reduce(ReduceKind::Sum, part, &all, false).unwrap());
        }
        let targets: Vec<_> = parts.iter().map(|&p| (p, None)).collect();
        let before = g.len();
        let dx = gradient(&mut g, &targets, &[x]).unwrap()[0].unwrap();
        assert_eq!(names(&g, before), expected);
        g.outputs = vec![dx];
        let values: Vec<f64> = (0..12).map(f64::from).collect();
        let input = HostTensor::from_f64(TensorType::new(DType::F64, [2, 6]), &values).unwrap();
        let got = evaluate(&g, &[input]).unwrap()[0].to_f64();
        for (i, (got, x)) in got.iter().zip(values).enumerate() {
            let inside =
                windows.iter().filter(|&&(axis, a, b)| (a..b).contains(&[i / 6, i % 6][axis])).count() as f64;
            assert_eq!(*got, 2.0 * x * inside, "{windows:?} at {i}");
        }
    }
}

#[test]
fn cost_is_linear() {
    let nodes = |n: usize| {
        let mut g = Graph::new();
        let x = g.input(TensorType::new(DType::F64, [2]));
        let mut y = x;
        for _ in 0..n {
            let a = g.elementwise(Ew::Tanh, &[y]).unwrap();
            y = g.elementwise(Ew::Add, &[a, y]).unwrap();
        }
        let before = g.len();
        gradient(&mut g, &[(y, None)], &[x]).unwrap();
        g.len() - before
    };
    assert_eq!(nodes(200) - nodes(100), nodes(300) - nodes(200));
}

struct Triple;

impl CustomRule for Triple {
    fn vjp(&self, graph: &mut Graph, cotangents: &[Value]) -> Result<Vec<Option<Value>>> {
        let three = graph.scalar_like(cotangents[0], 3.0)?;
        Ok(vec![Some(graph.elementwise(Ew::Mul, &[cotangents[0], three])?), None])
    }
}

#[test]
fn custom_gradients_hide_what_is_inside() {
    let inputs = [floats([], &[2.0]), floats([], &[5.0])];
    let out = compute(&inputs, |g, v| {
        let hidden = g.elementwise(Ew::Mul, &[v[0], v[1]])?;
        let op = CustomVjp { outputs: 1, rule: Arc::new(Triple) };
        let y = g.add1(op, &[hidden, v[0], v[1]])?;
        let found = gradient(g, &[(y, None)], &[v[0], v[1], hidden])?;
        assert_eq!((found[1], found[2]), (None, None));
        Ok(vec![y, found[0].unwrap()])
    });
    assert_eq!((out[0].to_f64(), out[1].to_f64()), (vec![10.0], vec![3.0]));
}

#[test]
fn while_says_that_it_has_none() {
    let mut g = Graph::new();
    let x = g.input(scalar());
    let mut condition = Graph::new();
    let c = condition.input(scalar());
    condition.outputs = vec![condition.elementwise(Ew::Lt, &[c, c]).unwrap()];
    let mut body = Graph::new();
    body.outputs = vec![body.input(scalar())];
    let op = While {
        condition: Arc::new(condition),
        body: Arc::new(body),
        carry: 1,
        condition_constants: 0,
        max_iterations: None,
    };
    let y = g.add1(op, &[x]).unwrap();
    assert!(matches!(
        gradient(&mut g, &[(y, None)], &[x]),
        Err(Error::NotDifferentiable { op: "while", .. })
    ));
}

#[test]
fn conditionals() {
    let branch = |flip: bool| {
        let mut g = Graph::new();
        let [x, y] = [0; 2].map(|_| g.input(TensorType::new(DType::F64, [3])));
        let sine = g.elementwise(Ew::Sin, &[x]).unwrap();
        let product = g.elementwise(Ew::Mul, &[sine, y]).unwrap();
        g.outputs = if flip { vec![product, x] } else { vec![sine, sine] };
        Arc::new(g)
    };
    for predicate in [true, false] {
        let inputs = [flags([], &[predicate]), Random(1).floats([3]), Random(2).floats([3])];
        check_gradients("cond", 2, &inputs, |g, v| {
            Ok(g.add(Cond { then: branch(true), otherwise: branch(false) }, v)?.to_vec())
        });
    }
}

/// A recurrent cell: a matrix product of the carry, gates, an integer counter, a mask and a constant that
/// is computed inside the body.
fn cell(reverse: bool, length: usize) -> Scan {
    let mut g = Graph::new();
    let row = TensorType::new(DType::F64, [2, 3]);
    let (h, n) = (g.input(row.clone()), g.input(TensorType::new(DType::I32, [])));
    let (x, mask) = (g.input(row), g.input(TensorType::new(DType::Bool, [2, 1])));
    let (w, bias) = (g.input(TensorType::new(DType::F64, [3, 3])), g.input(TensorType::new(DType::F64, [3])));
    let mut build = || -> Result<Vec<Value>> {
        let scaled = g.elementwise(Ew::Sin, &[bias])?;
        let product = g.matmul(h, w, false, false)?;
        let shifted = g.elementwise(Ew::Add, &[product, scaled])?;
        let sum = g.elementwise(Ew::Add, &[shifted, x])?;
        let new = g.elementwise(Ew::Tanh, &[sum])?;
        let projected = g.matmul(x, w, false, true)?;
        let gate = g.elementwise(Ew::Sigmoid, &[projected])?;
        let new = g.elementwise(Ew::Mul, &[new, gate])?;
        let new = g.elementwise(Ew::Select, &[mask, new, h])?;
        let one = g.full([], Scalar::one(DType::I32))?;
        let count = g.elementwise(Ew::Add, &[n, one])?;
        let counted = g.cast(count, DType::F64)?;
        let y = g.elementwise(Ew::Mul, &[new, counted])?;
        Ok(vec![new, count, y, h])
    };
    g.outputs = build().unwrap();
    Scan { body: Arc::new(g), carry: 2, xs: 2, length, reverse, blocks: None }
}

fn cell_inputs(length: usize) -> Vec<HostTensor> {
    let mut random = Random(9);
    let h = random.floats([2, 3]);
    let x = random.floats([length, 2, 3]);
    let mask: Vec<bool> = (0..2 * length).map(|_| random.below(3) > 0).collect();
    let mask = flags([length, 2, 1], &mask);
    vec![h, integers([], &[0]), x, mask, random.floats([3, 3]), random.floats([3])]
}

type Build<'a> = dyn Fn(&mut Graph, &[Value]) -> Result<Vec<Value>> + 'a;

/// The scan step by step, in the outer graph.
fn unrolled(scan: &Scan, g: &mut Graph, inputs: &[Value]) -> Result<Vec<Value>> {
    let (carry, rest) = inputs.split_at(scan.carry);
    let (xs, constants) = rest.split_at(scan.xs);
    let mut carry = carry.to_vec();
    let mut ys = vec![Vec::new(); scan.body.outputs.len() - scan.carry];
    let steps: Vec<usize> =
        if scan.reverse { (0..scan.length).rev().collect() } else { (0..scan.length).collect() };
    for step in steps {
        let mut map: Vec<Vec<Value>> = Vec::new();
        let mut operands = carry.clone();
        for &x in xs {
            let slice = g.slice_axis(x, 0, step, step + 1)?;
            let shape = crate::Shape::from(&g.shape(slice)[1..]);
            operands.push(g.reshape(slice, shape)?);
        }
        operands.extend(constants);
        for (_, node) in scan.body.nodes() {
            map.push(match node.op {
                Op::Input(number) => vec![operands[number as usize]],
                _ => {
                    let of = |v: &Value| -> Value { map[v.node.0 as usize][v.index as usize] };
                    let inputs: Vec<Value> = node.inputs.iter().map(of).collect();
                    g.add(node.op.clone(), &inputs)?.to_vec()
                }
            });
        }
        let outputs: Vec<Value> =
            scan.body.outputs.iter().map(|v| map[v.node.0 as usize][v.index as usize]).collect();
        carry = outputs[..scan.carry].to_vec();
        for (y, &value) in ys.iter_mut().zip(&outputs[scan.carry..]) {
            let shape: crate::Shape = std::iter::once(1).chain(g.shape(value).iter().copied()).collect();
            y.push(g.reshape(value, shape)?);
        }
    }
    for mut y in ys {
        if scan.reverse {
            y.reverse();
        }
        carry.push(g.concat(&y, 0)?);
    }
    Ok(carry)
}

#[test]
fn scans_are_their_unrolled_loops() {
    for reverse in [false, true] {
        let scan = cell(reverse, 4);
        let inputs = cell_inputs(4);
        let run = |build: &Build<'_>| {
            compute(&inputs, |g, v| {
                let mut out = build(g, v)?;
                let targets: Vec<_> = out.iter().map(|&y| (y, None)).collect();
                let found = gradient(g, &targets, v)?;
                assert_eq!(
                    found.iter().map(Option::is_some).collect::<Vec<_>>(),
                    [true, false, true, false, true, true]
                );
                out.extend(found.into_iter().flatten());
                Ok(out)
            })
        };
        let whole = run(&|g, v| Ok(g.add(scan.clone(), v)?.to_vec()));
        let steps = run(&|g, v| unrolled(&scan, g, v));
        for (a, b) in whole.iter().zip(&steps) {
            assert!(close(a, b, 1e-12), "{a:?}\n{b:?}");
        }
    }
}

#[test]
fn scan_gradients() {
    for length in [0, 1, 3] {
        check_gradients("scan", 2, &cell_inputs(length), |g, v| Ok(g.add(cell(true, length), v)?.to_vec()));
    }
    check_gradients("scan, some results", 2, &cell_inputs(3), |g, v| Ok(vec![g.add(cell(false, 3), v)?[2]]));
    check_gradients("scan, last carry", 2, &cell_inputs(3), |g, v| Ok(vec![g.add(cell(false, 3), v)?[0]]));
}

/// A scan in a scan in a conditional, with a gradient taken inside the body.
#[test]
fn nested_control_flow() {
    let row = TensorType::new(DType::F64, [2]);
    let mut inner = Graph::new();
    let (h, x, w) = (inner.input(row.clone()), inner.input(row.clone()), inner.input(row.clone()));
    let product = inner.elementwise(Ew::Mul, &[h, w]).unwrap();
    let sum = inner.elementwise(Ew::Add, &[product, x]).unwrap();
    let new = inner.elementwise(Ew::Sin, &[sum]).unwrap();
    inner.outputs = vec![new, new];
    let inner = Scan { body: Arc::new(inner), carry: 1, xs: 1, length: 2, reverse: false, blocks: None };
    let mut outer = Graph::new();
    let (h, w) = (outer.input(row.clone()), outer.input(row.clone()));
    let xs = outer.input(TensorType::new(DType::F64, [2, 2]));
    let results = outer.add(inner, &[h, xs, w]).unwrap();
    let total = outer.reduce(ReduceKind::Sum, results[1], &[0, 1], false).unwrap();
    let slope = gradient(&mut outer, &[(total, None)], &[h]).unwrap()[0].unwrap();
    let new = outer.elementwise(Ew::Add, &[results[0], slope]).unwrap();
    outer.outputs = vec![new];
    let outer = Scan { body: Arc::new(outer), carry: 1, xs: 0, length: 2, reverse: false, blocks: None };
    let mut then = Graph::new();
    let parts =
        [then.input(row.clone()), then.input(row.clone()), then.input(TensorType::new(DType::F64, [2, 2]))];
    then.outputs = then.add(outer, &parts).unwrap().to_vec();
    let mut otherwise = Graph::new();
    let (h, _, _) = (
        otherwise.input(row.clone()),
        otherwise.input(row),
        otherwise.input(TensorType::new(DType::F64, [2, 2])),
    );
    otherwise.outputs = vec![h];
    let op = Cond { then: Arc::new(then), otherwise: Arc::new(otherwise) };
    let inputs = [flags([], &[true]), Random(1).floats([2]), Random(2).floats([2]), Random(3).floats([2, 2])];
    check_gradients("nested", 2, &inputs, |g, v| Ok(g.add(op.clone(), v)?.to_vec()));
}

/// Only what the gradient needs and cannot cheaply compute again is saved.
#[test]
fn scans_save_little() {
    let saved = |build: &dyn Fn(&mut Graph, Value, Value, Value) -> Result<Value>| {
        let mut body = Graph::new();
        let row = TensorType::new(DType::F64, [2]);
        let (h, x, w) = (body.input(row.clone()), body.input(row.clone()), body.input(row.clone()));
        body.outputs = vec![build(&mut body, h, x, w).unwrap()];
        let scan = Scan { body: Arc::new(body), carry: 1, xs: 1, length: 5, reverse: false, blocks: None };
        let mut g = Graph::new();
        let operands = [g.input(row.clone()), g.input(TensorType::new(DType::F64, [5, 2])), g.input(row)];
        let y = g.add1(scan, &operands).unwrap();
        gradient(&mut g, &[(y, None)], &operands).unwrap();
        g.outputs = vec![y];
        let id = g.resolve(y).node;
        g.node(id).types.len() - 1
    };
    let product = |g: &mut Graph, a, b| g.elementwise(Ew::Mul, &[a, b]);
    assert_eq!(saved(&|g, h, x, _| g.elementwise(Ew::Add, &[h, x])), 0);
    // The factor of the carry is computed from the slice and the constant again.
    assert_eq!(
        saved(&|g, h, x, w| {
            let factor = product(g, x, w)?;
            let factor = g.elementwise(Ew::Sin, &[factor])?;
            let flag = flag(g, x)?;
            g.elementwise(Ew::Select, &[flag, h, factor])
        }),
        0
    );
    // tanh needs only its result, the product also the carry.
    assert_eq!(saved(&|g, h, _, _| g.elementwise(Ew::Tanh, &[h])), 1);
    assert_eq!(
        saved(&|g, h, _, w| {
            let y = product(g, h, w)?;
            g.elementwise(Ew::Tanh, &[y])
        }),
        2
    );
}

fn flag(g: &mut Graph, x: Value) -> Result<Value> {
    let zero = g.scalar_like(x, 0.0)?;
    g.elementwise(Ew::Gt, &[x, zero])
}

/// Half precision, shared operands and embeddings keep types consistent.
#[test]
fn types_agree() {
    for dtype in [DType::F16, DType::BF16, DType::F32] {
        let mut g = Graph::new();
        let table = g.input(TensorType::new(dtype, [7, 4]));
        let ids = g.input(TensorType::new(DType::I32, [2, 3]));
        let kernel = g.input(TensorType::new(DType::F32, [4, 5]));
        let rows = g.add1(Gather { axis: 0 }, &[table, ids]).unwrap();
        let cast = g.cast(kernel, dtype).unwrap();
        let y = g.add1(MatMul { transpose_a: false, transpose_b: false }, &[rows, cast]).unwrap();
        let loss = g.reduce(ReduceKind::Sum, y, &[0, 1, 2], false).unwrap();
        let found = gradient(&mut g, &[(loss, None)], &[table, ids, kernel]).unwrap();
        assert_eq!(g.ty(found[0].unwrap()), g.ty(table));
        assert!(found[1].is_none());
        assert_eq!(g.ty(found[2].unwrap()), g.ty(kernel));
        g.outputs = found.into_iter().flatten().collect();
        let inputs: Vec<HostTensor> = g.input_types().into_iter().map(HostTensor::zeros).collect();
        evaluate(&g, &inputs).unwrap();
    }
}
