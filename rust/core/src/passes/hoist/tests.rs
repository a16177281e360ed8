use proptest::prelude::*;

use super::*;
use crate::op::{Ew, ReduceKind};
use crate::passes::testing::{cases, evaluate, random_graph, random_graph_over, random_scan, same, samples};
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

/// Before and after every pass, and as a plan; with loops whole and in blocks.
fn check(graph: Graph) -> Result<Graph> {
    check_with(graph.clone(), true)?;
    check_with(graph, false)
}

fn check_with(graph: Graph, blocks: bool) -> Result<Graph> {
    let options = PassOptions { verify: true, blocks, ..PassOptions::default() };
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
    let simple = simplify(graph.clone(), &options)?;
    verify::graph(&simple)?;
    assert!(same(&evaluate(&simple, &inputs), &expected), "{graph}{simple}");
    let plan = Plan::build(&optimise(graph, &options)?)?;
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
    g.add(
        Scan { body: body.into(), carry: 1, xs: 1, length: T, reverse: false, blocks: None },
        &[h0, xs, w, u, b],
    )
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
    let out =
        g.add(Scan { body: body.into(), carry: 1, xs: 1, length: T, reverse: true, blocks: None }, &[n, x])?;
    g.outputs = out.to_vec();
    let simple = check(g)?;
    assert!(scans(&simple).is_empty(), "{simple}");
    Ok(())
}

/// An LSTM in miniature, its gates cut out of one product, with a mask over time and one per sample.
fn lstm(g: &mut Graph, batch: usize, operands: [Value; 5]) -> Result<SmallVec<[Value; 1]>> {
    let [xs, valid, dropped, w, u] = operands;
    let mut body = Graph::new();
    let (h, c) = (body.input(f64s(&[batch, N])), body.input(f64s(&[batch, N])));
    let (x, valid_now) = (body.input(f64s(&[batch, F])), body.input(TensorType::new(DType::Bool, [batch])));
    let dropped_now = body.input(f64s(&[batch, N]));
    let (w_now, u_now) = (body.input(f64s(&[F, 3 * N])), body.input(f64s(&[N, 3 * N])));
    let product = body.matmul(x, w_now, false, false)?;
    let kept = body.elementwise(Ew::Mul, &[h, dropped_now])?;
    let z = body.matmul(kept, u_now, false, false)?;
    let z = body.elementwise(Ew::Add, &[product, z])?;
    let gate = |body: &mut Graph, i: usize| body.slice(z, &[0, i * N], &[batch, (i + 1) * N], &[1, 1]);
    let (i, f, o) = (gate(&mut body, 0)?, gate(&mut body, 1)?, gate(&mut body, 2)?);
    let (i, f) = (body.elementwise(Ew::Tanh, &[i])?, body.elementwise(Ew::Sigmoid, &[f])?);
    let kept = body.elementwise(Ew::Mul, &[c, f])?;
    let new_c = body.elementwise(Ew::Add, &[kept, i])?;
    let (o, y) = (body.elementwise(Ew::Sigmoid, &[o])?, body.elementwise(Ew::Tanh, &[new_c])?);
    let new_h = body.elementwise(Ew::Mul, &[o, y])?;
    let column = body.reshape(valid_now, [batch, 1])?;
    let new_h = body.elementwise(Ew::Select, &[column, new_h, h])?;
    let new_c = body.elementwise(Ew::Select, &[column, new_c, c])?;
    body.outputs = vec![new_h, new_c, new_h];
    let zero = g.full([batch, N], crate::Scalar::zero(DType::F64))?;
    let scan = Scan { body: body.into(), carry: 2, xs: 2, length: T, reverse: false, blocks: None };
    g.add(scan, &[zero, zero, xs, valid, dropped, w, u])
}

/// The loop is cut along the batch both ways; products are inside, sums over the batch in parts.
#[test]
fn training_in_blocks() -> Result<()> {
    for batch in [16, 7 * 16, F, N] {
        let mut g = Graph::new();
        let operands = [
            g.input(f64s(&[T, batch, F])),
            g.input(TensorType::new(DType::Bool, [T, batch])),
            g.input(f64s(&[batch, N])),
            g.input(f64s(&[F, 3 * N])),
            g.input(f64s(&[N, 3 * N])),
        ];
        let out = lstm(&mut g, batch, operands)?;
        let loss = g.elementwise(Ew::Square, &[out[2]])?;
        let loss = g.reduce(ReduceKind::Sum, loss, &[0, 1, 2], false)?;
        let sources = [operands[0], operands[2], operands[3], operands[4]];
        let gradients = autodiff::gradient(&mut g, &[(loss, None)], &sources)?;
        g.outputs = gradients.into_iter().flatten().chain([loss, out[0]]).collect();
        assert_eq!(g.outputs.len(), 6);
        let whole = check(g.clone())?;
        assert!(scans(&whole).iter().all(|s| s.blocks.is_none()), "{whole}");
        let simple = check_with(g, true)?;
        let scans = scans(&simple);
        assert_eq!(scans.len(), 2);
        if batch < 16 {
            assert!(scans.iter().all(|s| s.blocks.is_none()), "{simple}");
            continue;
        }
        let rows = if batch == 16 { 8 } else { 28 };
        assert!(scans.iter().all(|s| s.block_count() == batch / rows), "{simple}");
        // Forwards x W and h U; backwards dx, dh, dW and dU.
        let mut products: Vec<usize> = scans.iter().map(|s| count(&s.body, "matmul")).collect();
        products.sort_unstable();
        assert_eq!((products, count(&simple, "matmul")), (vec![2, 4], 0), "{simple}");
        // The gates' gradients lie side by side; their weights are turned once.
        assert!(scans.iter().all(|s| count(&s.body, "pad") == 0), "{simple}");
        assert!(scans.iter().all(|s| count(&s.body, "transpose") == 0), "{simple}");
    }
    Ok(())
}

/// A batch as large as the weights' axes is not mistaken for one of them.
#[test]
fn batches_like_weights() -> Result<()> {
    let n = 16;
    let mut body = Graph::new();
    let h = body.input(f64s(&[n, n]));
    let (w, b) = (body.input(f64s(&[n, n])), body.input(f64s(&[n, n])));
    let z = body.matmul(h, w, false, true)?;
    let z = body.elementwise(Ew::Add, &[z, b])?;
    let h = body.elementwise(Ew::Tanh, &[z])?;
    body.outputs = vec![h];
    let mut g = Graph::new();
    let operands = [0; 3].map(|_| g.input(f64s(&[n, n])));
    let scan = Scan { body: body.into(), carry: 1, xs: 0, length: T, reverse: true, blocks: None };
    let out = g.add(scan, &operands)?;
    let loss = g.elementwise(Ew::Square, &[out[0]])?;
    let loss = g.reduce(ReduceKind::Sum, loss, &[0, 1], false)?;
    let gradients = autodiff::gradient(&mut g, &[(loss, None)], &operands)?;
    g.outputs = gradients.into_iter().flatten().collect();
    assert_eq!(g.outputs.len(), 3);
    let simple = check_with(g, true)?;
    let cuts: Vec<_> = scans(&simple).iter().filter_map(|s| s.blocks.clone()).collect();
    assert_eq!(cuts.len(), 2, "{simple}");
    // Weights are shared, the bias per sample is not.
    assert_eq!(cuts[0].cut.as_slice(), [true, false], "{simple}");
    Ok(())
}

/// Samples that meet are not separated.
#[test]
fn no_blocks_where_samples_meet() -> Result<()> {
    let meets: [fn(&mut Graph, Value) -> Result<Value>; 4] = [
        |g, h| g.reverse(h, &[0]),
        |g, h| g.reduce(ReduceKind::Max, h, &[0], true).and_then(|m| g.elementwise(Ew::Sub, &[h, m])),
        |g, h| g.add1(crate::op::Softmax { axis: 0 }, &[h]),
        |g, h| g.matmul(h, h, false, true).and_then(|gram| g.matmul(gram, h, false, false)),
    ];
    for meet in meets {
        let mut body = Graph::new();
        let h = body.input(f64s(&[16, N]));
        let next = meet(&mut body, h)?;
        body.outputs = vec![next];
        let mut g = Graph::new();
        let h = g.input(f64s(&[16, N]));
        let scan = Scan { body: body.into(), carry: 1, xs: 0, length: 2, reverse: false, blocks: None };
        g.outputs = g.add(scan, &[h])?.to_vec();
        let simple = check_with(g, true)?;
        assert!(scans(&simple).iter().all(|s| s.blocks.is_none()), "{simple}");
    }
    Ok(())
}

/// Random loops over a batch that can be cut: some are, and all give what they gave.
#[test]
fn random_blocks() -> Result<()> {
    let mut cut = 0;
    for seed in 0..400 {
        let graph = random_graph_over([16, 3, 4], seed * 977, 3 + seed as usize % 12);
        let simple = check_with(random_scan(graph, seed * 31 + 5)?, true)?;
        cut += scans(&simple).iter().filter(|s| s.blocks.is_some()).count();
    }
    assert!(cut >= 20, "only {cut} loops were cut");
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
