use oxhorn_core::op::*;
use oxhorn_core::*;
use std::time::Instant;
fn conv_bn(g: &mut Graph, x: Value, params: &mut Vec<Value>, cout: usize, k: usize, s: usize, relu: bool) -> Value {
    let cin = g.shape(x)[3];
    let w = g.input(TensorType::new(DType::F32, [k, k, cin, cout]));
    let (gamma, beta) = (g.input(TensorType::new(DType::F32, [cout])), g.input(TensorType::new(DType::F32, [cout])));
    params.extend([w, gamma, beta]);
    let p = (k / 2) as isize;
    let y = g.conv(x, w, &[s, s], &[(p, p), (p, p)], &[1, 1], &[1, 1], 1).unwrap();
    let n = g.shape(y).numel() / cout;
    let mean = g.reduce(ReduceKind::Sum, y, &[0, 1, 2], true).unwrap();
    let c = g.scalar_like(mean, 1.0 / n as f64).unwrap();
    let mean = g.elementwise(Ew::Mul, &[mean, c]).unwrap();
    let d = g.elementwise(Ew::Sub, &[y, mean]).unwrap();
    let sq = g.elementwise(Ew::Square, &[d]).unwrap();
    let var = g.reduce(ReduceKind::Sum, sq, &[0, 1, 2], true).unwrap();
    let var = g.elementwise(Ew::Mul, &[var, c]).unwrap();
    let eps = g.scalar_like(var, 1e-3).unwrap();
    let var = g.elementwise(Ew::Add, &[var, eps]).unwrap();
    let r = g.elementwise(Ew::Rsqrt, &[var]).unwrap();
    let z = g.elementwise(Ew::Mul, &[d, r]).unwrap();
    let z = g.elementwise(Ew::Mul, &[z, gamma]).unwrap();
    let z = g.elementwise(Ew::Add, &[z, beta]).unwrap();
    if relu { g.elementwise(Ew::Relu, &[z]).unwrap() } else { z }
}
fn main() {
    for _ in 0..5 {
        let t = Instant::now();
        let mut g = Graph::new();
        let mut params = vec![];
        let x = g.input(TensorType::new(DType::F32, [32, 224, 224, 3]));
        let mut x = conv_bn(&mut g, x, &mut params, 64, 7, 2, true);
        for (blocks, width) in [(3, 64), (4, 128), (6, 256), (3, 512)] {
            for b in 0..blocks {
                let s = if b == 0 && width > 64 { 2 } else { 1 };
                let short = if b == 0 { conv_bn(&mut g, x, &mut params, width * 4, 1, s, false) } else { x };
                let y = conv_bn(&mut g, x, &mut params, width, 1, s, true);
                let y = conv_bn(&mut g, y, &mut params, width, 3, 1, true);
                let y = conv_bn(&mut g, y, &mut params, width * 4, 1, 1, false);
                let sum = g.elementwise(Ew::Add, &[y, short]).unwrap();
                x = g.elementwise(Ew::Relu, &[sum]).unwrap();
            }
        }
        let pooled = g.reduce(ReduceKind::Sum, x, &[1, 2], false).unwrap();
        let w = g.input(TensorType::new(DType::F32, [2048, 1000]));
        params.push(w);
        let logits = g.matmul(pooled, w, false, false).unwrap();
        let y = g.add1(LogSoftmax { axis: 1 }, &[logits]).unwrap();
        let loss = g.reduce(ReduceKind::Sum, y, &[0, 1], false).unwrap();
        let traced = (t.elapsed(), g.len());
        let t = Instant::now();
        let grads = autodiff::gradient(&mut g, &[(loss, None)], &params).unwrap();
        let diff = (t.elapsed(), g.len());
        let t = Instant::now();
        let mut outs = vec![loss];
        for (&p, gr) in params.iter().zip(&grads) {
            let (m, v) = (g.input(g.ty(p).clone()), g.input(g.ty(p).clone()));
            let upd = expr::emit(&mut g, |s| {
                let (gr, m, v, p) = (s.of(gr.unwrap()), s.of(m), s.of(v), s.of(p));
                let m = m * 0.9 + gr * 0.1;
                let v = v * 0.999 + gr.square() * 0.001;
                [m.value, v.value, (p - m * 1e-3 / (v.sqrt() + 1e-7)).value]
            }).unwrap();
            outs.extend(upd);
        }
        println!("trace {:?} grad {:?} adam {:?} {}", traced, diff, t.elapsed(), g.len());
    }
}
