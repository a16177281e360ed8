use proptest::prelude::*;

use super::*;
use crate::op::{Cond, Ew, ReduceKind};
use crate::passes::testing::{cases, evaluate, random_graph, same, samples};
use crate::passes::{cse, resolve};
use crate::reference::HostTensor;
use crate::{DType, NodeId, verify};

fn f32s(shape: &[usize]) -> TensorType {
    TensorType::new(DType::F32, shape)
}

/// The graph of one expression over x (2, 3) and y (2, 3), canonical and without dead nodes.
fn canonical(make: impl FnOnce(&mut Graph, Value, Value) -> Result<Value>) -> Result<Graph> {
    let mut g = Graph::new();
    let (x, y) = (g.input(f32s(&[2, 3])), g.input(f32s(&[2, 3])));
    let out = make(&mut g, x, y)?;
    g.outputs = vec![out];
    let before = samples(&g, 5);
    let expected = evaluate(&g, &before);
    let canonical = resolve(cse::run(&run(&resolve(g)?)?)?)?;
    verify::graph(&canonical)?;
    assert!(same(&evaluate(&canonical, &before), &expected));
    Ok(canonical)
}

/// The names of the nodes, inputs left out.
fn names(g: &Graph) -> Vec<&'static str> {
    g.nodes().map(|(_, n)| n.op.name()).filter(|&n| n != "input").collect()
}

fn number(g: &mut Graph, n: f64) -> Result<Value> {
    g.full([2, 3], Scalar::from_f64(n, DType::F32))
}

#[test]
fn arithmetic() -> Result<()> {
    type Make = fn(&mut Graph, Value, Value) -> Result<Value>;
    let cases: &[(Make, &[&str])] = &[
        (
            |g, x, _| {
                let c = number(g, 1.0)?;
                g.elementwise(Ew::Mul, &[x, c])
            },
            &[],
        ),
        (
            |g, x, _| {
                let c = number(g, 1.0)?;
                g.elementwise(Ew::Mul, &[c, x])
            },
            &[],
        ),
        (
            |g, x, _| {
                let c = number(g, -0.0)?;
                g.elementwise(Ew::Add, &[x, c])
            },
            &[],
        ),
        (
            |g, x, _| {
                let c = number(g, 0.0)?;
                g.elementwise(Ew::Add, &[x, c])
            },
            &["full", "add"],
        ),
        (
            |g, x, _| {
                let c = number(g, 0.0)?;
                g.elementwise(Ew::Sub, &[x, c])
            },
            &[],
        ),
        (
            |g, x, _| {
                let c = number(g, 0.0)?;
                g.elementwise(Ew::Mul, &[x, c])
            },
            &["full", "multiply"],
        ),
        (
            |g, x, _| {
                let c = number(g, 8.0)?;
                g.elementwise(Ew::Div, &[x, c])
            },
            &["full", "multiply"],
        ),
        (
            |g, x, _| {
                let c = number(g, 3.0)?;
                g.elementwise(Ew::Div, &[x, c])
            },
            &["full", "divide"],
        ),
        (
            |g, x, _| {
                let c = number(g, 2.0)?;
                g.elementwise(Ew::Pow, &[x, c])
            },
            &["square"],
        ),
        (
            |g, x, _| {
                let c = number(g, 3.0)?;
                g.elementwise(Ew::Pow, &[x, c])
            },
            &["square", "multiply"],
        ),
        (
            |g, x, _| {
                let c = number(g, 0.0)?;
                g.elementwise(Ew::Pow, &[x, c])
            },
            &["full"],
        ),
        (
            |g, x, _| {
                let c = number(g, 2.5)?;
                g.elementwise(Ew::Pow, &[x, c])
            },
            &["full", "power"],
        ),
        (
            |g, x, _| {
                let y = g.elementwise(Ew::Neg, &[x])?;
                g.elementwise(Ew::Neg, &[y])
            },
            &[],
        ),
        (
            |g, x, y| {
                let y = g.elementwise(Ew::Neg, &[y])?;
                g.elementwise(Ew::Add, &[x, y])
            },
            &["subtract"],
        ),
        (
            |g, x, y| {
                let y = g.elementwise(Ew::Neg, &[y])?;
                g.elementwise(Ew::Add, &[y, x])
            },
            &["subtract"],
        ),
        (|g, x, _| g.elementwise(Ew::Mul, &[x, x]), &["square"]),
        (
            |g, x, y| {
                let c = number(g, 1.0)?;
                let c = g.elementwise(Ew::Lt, &[c, c])?;
                g.elementwise(Ew::Select, &[c, x, y])
            },
            &[],
        ),
        (
            |g, x, y| {
                let c = g.elementwise(Ew::Eq, &[x, y])?;
                let c = g.elementwise(Ew::LogicalNot, &[c])?;
                g.elementwise(Ew::Select, &[c, x, y])
            },
            &["not_equal", "where"],
        ),
        (
            |g, x, y| {
                let (a, b) = (g.elementwise(Ew::Add, &[x, y])?, g.elementwise(Ew::Add, &[y, x])?);
                g.elementwise(Ew::Max, &[a, b])
            },
            &["add", "maximum"],
        ),
        (
            |g, x, _| {
                let y = g.cast(x, DType::F64)?;
                g.cast(y, DType::F32)
            },
            &[],
        ),
        (
            |g, x, _| {
                let y = g.cast(x, DType::F16)?;
                g.cast(y, DType::F32)
            },
            &["cast", "cast"],
        ),
        (
            |g, x, _| {
                let y = g.cast(x, DType::I8)?;
                let y = g.cast(y, DType::I32)?;
                g.cast(y, DType::F32)
            },
            &["cast", "cast"],
        ),
        (
            |g, x, _| {
                let c = number(g, 4.0)?;
                let c = g.reduce(ReduceKind::Sum, c, &[0], true)?;
                g.elementwise(Ew::Add, &[x, c])
            },
            &["full", "add"],
        ),
    ];
    for (i, (make, expected)) in cases.iter().enumerate() {
        assert_eq!(names(&canonical(make)?), *expected, "case {i}");
    }
    Ok(())
}

#[test]
fn movements() -> Result<()> {
    type Make = fn(&mut Graph, Value, Value) -> Result<Value>;
    let cases: &[(Make, &[&str])] = &[
        (
            |g, x, _| {
                let y = g.transpose(x, &[1, 0])?;
                g.transpose(y, &[1, 0])
            },
            &[],
        ),
        (
            |g, x, _| {
                let y = g.reshape(x, [6])?;
                g.reshape(y, [3, 2])
            },
            &["reshape"],
        ),
        (
            |g, x, _| {
                let y = g.reshape(x, [6])?;
                g.reshape(y, [2, 3])
            },
            &[],
        ),
        (
            |g, x, _| {
                let y = g.reshape(x, [2, 1, 3])?;
                g.transpose(y, &[1, 0, 2])
            },
            &["reshape"],
        ),
        (
            |g, x, _| {
                let y = g.reverse(x, &[0, 1])?;
                g.reverse(y, &[1])
            },
            &["reverse"],
        ),
        (
            |g, x, _| {
                let y = g.reverse(x, &[0])?;
                g.reverse(y, &[0])
            },
            &[],
        ),
        (
            |g, x, y| {
                let z = g.concat(&[x, y], 1)?;
                g.slice(z, &[0, 3], &[2, 6], &[1, 1])
            },
            &[],
        ),
        (
            |g, x, y| {
                let z = g.concat(&[x, y], 1)?;
                g.slice(z, &[0, 4], &[2, 6], &[1, 1])
            },
            &["slice"],
        ),
        (
            |g, x, y| {
                let z = g.concat(&[x, y], 1)?;
                g.slice(z, &[0, 2], &[2, 6], &[1, 1])
            },
            &["concat", "slice"],
        ),
        (
            |g, x, _| {
                let y = g.slice(x, &[0, 1], &[2, 3], &[1, 1])?;
                g.slice(y, &[1, 0], &[2, 2], &[1, 1])
            },
            &["slice"],
        ),
        (|g, x, _| g.reduce(ReduceKind::Sum, x, &[], false), &[]),
        (
            |g, x, _| {
                let y = g.reshape(x, [2, 1, 3])?;
                g.reduce(ReduceKind::Sum, y, &[1], false)
            },
            &[],
        ),
        (
            |g, x, y| {
                let x = g.transpose(x, &[1, 0])?;
                g.matmul(x, y, false, false)
            },
            &["matmul"],
        ),
        (
            |g, x, y| {
                let z = g.matmul(x, y, true, false)?;
                g.transpose(z, &[1, 0])
            },
            &["matmul"],
        ),
        (
            |g, x, y| {
                let b = g.slice(x, &[0, 0], &[2, 1], &[1, 1])?;
                let b = g.broadcast_to(b, &[2, 3].into())?;
                let b = g.elementwise(Ew::Exp, &[b])?;
                g.elementwise(Ew::Add, &[b, y])
            },
            &["slice", "exp", "broadcast", "add"],
        ),
    ];
    for (i, (make, expected)) in cases.iter().enumerate() {
        assert_eq!(names(&canonical(make)?), *expected, "case {i}");
    }
    Ok(())
}

/// Roots by powers agree with powers where roots alone would not.
#[test]
fn roots() -> Result<()> {
    let values = [f64::NEG_INFINITY, -2.0, -0.0, 0.0, 0.25, f64::INFINITY, f64::NAN];
    for exponent in [0.5, -0.5, 0.0, 1.0, 2.0, 3.0, 4.0, -1.0] {
        let mut g = Graph::new();
        let x = g.input(f32s(&[values.len()]));
        let c = g.full([values.len()], Scalar::from_f64(exponent, DType::F32))?;
        let y = g.elementwise(Ew::Pow, &[x, c])?;
        g.outputs = vec![y];
        let input = HostTensor::from_f64(f32s(&[values.len()]), &values)?;
        let (a, b) = (evaluate(&g, std::slice::from_ref(&input)), evaluate(&run(&g)?, &[input]));
        for (a, b) in a[0].to_f64().into_iter().zip(b[0].to_f64()) {
            assert!(
                (a.is_nan() && b.is_nan()) || (a == b && a.is_sign_negative() == b.is_sign_negative()),
                "{exponent}: {a} {b}"
            );
        }
    }
    Ok(())
}

#[test]
fn constant_condition() -> Result<()> {
    let branch = |op: Ew| -> Result<std::sync::Arc<Graph>> {
        let mut g = Graph::new();
        let x = g.input(f32s(&[2, 3]));
        let y = g.elementwise(op, &[x])?;
        g.outputs = vec![y];
        Ok(g.into())
    };
    let mut g = Graph::new();
    let x = g.input(f32s(&[2, 3]));
    let p = g.full(Shape::scalar(), Scalar::zero(DType::Bool))?;
    let y = g.add1(Cond { then: branch(Ew::Neg)?, otherwise: branch(Ew::Abs)? }, &[p, x])?;
    g.outputs = vec![y];
    let out = resolve(run(&g)?)?;
    assert_eq!(names(&out), ["abs"]);
    assert_eq!(out.node(NodeId(1)).inputs[0].node, NodeId(0));
    Ok(())
}

proptest! {
    #![proptest_config(cases(1000))]
    #[test]
    fn nothing_changes(seed in any::<u64>(), nodes in 3usize..40) {
        let graph = resolve(random_graph(seed, nodes))?;
        let inputs = samples(&graph, 2);
        let expected = evaluate(&graph, &inputs);
        let canonical = run(&graph)?;
        verify::graph(&canonical)?;
        prop_assert!(same(&evaluate(&canonical, &inputs), &expected), "{graph}{canonical}");
        let merged = cse::run(&canonical)?;
        verify::graph(&merged)?;
        prop_assert!(same(&evaluate(&merged, &inputs), &expected), "{canonical}{merged}");
        // Canonical is canonical.
        let again = run(&resolve(canonical.clone())?)?;
        prop_assert_eq!(names(&resolve(again)?), names(&resolve(canonical)?));
    }
}
