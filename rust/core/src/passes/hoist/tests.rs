use proptest::prelude::*;

use super::*;
use crate::passes::testing::{cases, evaluate, random_graph, random_scan, same, samples};
use crate::passes::{PassOptions, optimise, resolve, simplify};
use crate::plan::tests::run as run_plan;
use crate::{DType, Plan, Shape, TensorType, autodiff, verify};

fn f64s(shape: &[usize]) -> TensorType {
    TensorType::new(DType::F64, shape)
}

fn scans(g: &Graph) -> Vec<&Scan> {
    let ops = g.nodes().map(|(_, n)| &n.op);
    ops.filter_map(|op| if let Op::Scan(s) = op { Some(s) } else { None }).collect()
}

fn count(g: &Graph, name: &str) -> usize {
    g.nodes().filter(|(_, n)| n.op.name() == name).count()
}

/// Before and after every pass, and as a plan.
fn check(graph: Graph) -> Result<Graph> {
    let graph = resolve(graph)?;
    let inputs = samples(&graph, 3);
    let inputs: Vec<_> = inputs
        .iter()
        .map(|t| {
            // Smaller, so that nothing saturates.
            let small = |x: f64| if t.ty.dtype.is_float() { x / 8.0 } else { x };
            let values: Vec<f64> = t.to_f64().into_iter().map(small).collect();
            crate::reference::HostTensor::from_f64(t.ty.clone(), &values)
        })
        .collect::<Result<_>>()?;
    let expected = evaluate(&graph, &inputs);
    let simple = simplify(graph.clone(), &PassOptions { verify: true, ..PassOptions::default() })?;
    verify::graph(&simple)?;
    assert!(same(&evaluate(&simple, &inputs), &expected), "{graph}{simple}");
    let plan = Plan::build(&optimise(graph, &PassOptions::default())?)?;
    verify::plan(&plan)?;
    assert!(same(&run_plan(&plan, &inputs, true), &expected), "{plan}");
    Ok(simple)
}

const T: usize = 5;
const B: usize = 2;
const F: usize = 3;
const N: usize = 4;

/// h' = tanh(x W + h U + b); all h and the last.
fn rnn(g: &mut Graph, xs: Value, weights: [Value; 3]) -> Result<SmallVec<[Value; 1]>> {
    let mut body = Graph::new();
    let h = body.input(f64s(&[B, N]));
    let x = body.input(f64s(&[B, F]));
    let [w, u, b] = [&[F, N][..], &[N, N], &[N]].map(|s| body.input(f64s(s)));
    let x = body.matmul(x, w, false, false)?;
    let z = body.matmul(h, u, false, false)?;
    let z = body.elementwise(Ew::Add, &[x, z])?;
    let z = body.elementwise(Ew::Add, &[z, b])?;
    let h = body.elementwise(Ew::Tanh, &[z])?;
    body.outputs = vec![h, h];
    let h0 = g.full([B, N], crate::Scalar::zero(DType::F64))?;
    let [w, u, b] = weights;
    g.add(Scan { body: body.into(), carry: 1, xs: 1, length: T, reverse: false }, &[h0, xs, w, u, b])
}

fn rnn_inputs(g: &mut Graph) -> (Value, [Value; 3]) {
    (g.input(f64s(&[T, B, F])), [&[F, N][..], &[N, N], &[N]].map(|s| g.input(f64s(s))))
}

#[test]
fn forward() -> Result<()> {
    let mut g = Graph::new();
    let (xs, weights) = rnn_inputs(&mut g);
    let out = rnn(&mut g, xs, weights)?;
    g.outputs = out.to_vec();
    let simple = check(g)?;
    assert_eq!(count(&simple, "matmul"), 1, "{simple}");
    let scan = scans(&simple)[0];
    assert_eq!(count(&scan.body, "matmul"), 1, "{simple}");
    Ok(())
}

#[test]
fn training() -> Result<()> {
    let mut g = Graph::new();
    let (xs, weights) = rnn_inputs(&mut g);
    let out = rnn(&mut g, xs, weights)?;
    let loss = g.elementwise(Ew::Square, &[out[1]])?;
    let loss = g.reduce(ReduceKind::Sum, loss, &[0, 1, 2], false)?;
    let sources = [xs, weights[0], weights[1], weights[2]];
    let gradients = autodiff::gradient(&mut g, &[(loss, None)], &sources)?;
    g.outputs = gradients.into_iter().flatten().collect();
    g.outputs.push(loss);
    assert_eq!(g.outputs.len(), 5);
    let simple = check(g)?;
    let scans = scans(&simple);
    assert_eq!(scans.len(), 2);
    // Forwards h U, backwards dz U^T; everything else around the loops: x W, dW, dU, dx.
    assert!(scans.iter().all(|s| count(&s.body, "matmul") == 1), "{simple}");
    assert!(scans.iter().all(|s| s.carry == 1), "{simple}");
    assert!(scans.iter().all(|s| count(&s.body, "reduce") == 0), "{simple}");
    assert_eq!(count(&simple, "matmul"), 4, "{simple}");
    Ok(())
}

/// A loop whose carry is only a counter and whose results do not need it is no loop.
#[test]
fn no_loop_left() -> Result<()> {
    let mut body = Graph::new();
    let (n, x) = (body.input(f64s(&[])), body.input(f64s(&[3])));
    let one = body.full(Shape::scalar(), crate::Scalar::one(DType::F64))?;
    let n = body.elementwise(Ew::Add, &[n, one])?;
    let y = body.elementwise(Ew::Exp, &[x])?;
    body.outputs = vec![n, y];
    let mut g = Graph::new();
    let (n, x) = (g.input(f64s(&[])), g.input(f64s(&[T, 3])));
    let out = g.add(Scan { body: body.into(), carry: 1, xs: 1, length: T, reverse: true }, &[n, x])?;
    g.outputs = out.to_vec();
    let simple = check(g)?;
    assert!(scans(&simple).is_empty(), "{simple}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(500))]
    #[test]
    fn nothing_changes(seed in any::<u64>(), nodes in 3usize..25) {
        let scan = random_scan(random_graph(seed, nodes), seed)?;
        if nodes % 3 == 0 {
            check(random_scan(scan.clone(), seed)?)?;
        }
        check(scan)?;
    }
}
