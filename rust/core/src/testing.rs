//! For tests: sample tensors and gradients against finite differences.

use crate::op::{Ew, ReduceKind};
use crate::reference::{HostTensor, evaluate};
use crate::{DType, Graph, Result, Scalar, Shape, TensorType, Value, autodiff};

/// Pseudo-random numbers in [0, 1).
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }

    /// A float64 tensor with elements in an interval.
    pub fn tensor(&mut self, shape: impl Into<Shape>, (low, high): (f64, f64)) -> HostTensor {
        let ty = TensorType::new(DType::F64, shape);
        HostTensor::build(ty, |_| Scalar::from_f64(low + (high - low) * self.next(), DType::F64))
    }

    /// A float64 tensor with elements in [-1, 1).
    pub fn floats(&mut self, shape: impl Into<Shape>) -> HostTensor {
        self.tensor(shape, (-1.0, 1.0))
    }
}

/// An integer tensor.
pub(crate) fn integers(shape: impl Into<Shape>, values: &[i64]) -> HostTensor {
    let ty = TensorType::new(DType::I32, shape);
    assert_eq!(ty.shape.numel(), values.len());
    HostTensor::build(ty, |i| Scalar::from_i64(values[i], DType::I32))
}

/// A bool tensor.
pub(crate) fn flags(shape: impl Into<Shape>, values: &[bool]) -> HostTensor {
    let ty = TensorType::new(DType::Bool, shape);
    HostTensor::build(ty, |i| Scalar::from_i64(i64::from(values[i]), DType::Bool))
}

/// A float64 tensor with the given elements.
pub(crate) fn floats(shape: impl Into<Shape>, values: &[f64]) -> HostTensor {
    HostTensor::from_f64(TensorType::new(DType::F64, shape), values).unwrap()
}

/// Runs a function that is given by its builder.
pub(crate) fn compute(
    inputs: &[HostTensor],
    build: impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>,
) -> Vec<HostTensor> {
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|t| graph.input(t.ty.clone())).collect();
    graph.outputs = build(&mut graph, &values).unwrap();
    evaluate(&graph, inputs).unwrap()
}

/// Whether two tensors agree to a relative and absolute tolerance.
pub(crate) fn close(a: &HostTensor, b: &HostTensor, tolerance: f64) -> bool {
    let near = |(x, y): (&f64, &f64)| {
        x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= tolerance * (1.0 + x.abs().max(y.abs()))
    };
    a.ty == b.ty && a.to_f64().iter().zip(&b.to_f64()).all(near)
}

/// Sum over all elements of x weighted by fixed numbers.
fn weighted_sum(graph: &mut Graph, x: Value, random: &mut Random) -> Result<Value> {
    let shape = graph.shape(x).clone();
    let mut total = x;
    // Weights of a product form need no input of their own.
    for axis in 0..shape.rank() {
        let positions = graph.iota(shape.clone(), axis, DType::F64)?;
        let (scale, shift) = (random.next() + 0.5, random.next());
        let (scale, shift) = (graph.scalar_like(positions, scale)?, graph.scalar_like(positions, shift)?);
        let scaled = graph.elementwise(Ew::Mul, &[positions, scale])?;
        let shifted = graph.elementwise(Ew::Add, &[scaled, shift])?;
        let weights = graph.elementwise(Ew::Sin, &[shifted])?;
        let two = graph.scalar_like(weights, 1.5)?;
        let weights = graph.elementwise(Ew::Add, &[weights, two])?;
        total = graph.elementwise(Ew::Mul, &[total, weights])?;
    }
    let axes: Vec<usize> = (0..shape.rank()).collect();
    graph.reduce(ReduceKind::Sum, total, &axes, false)
}

fn sum(graph: &mut Graph, parts: &[Value]) -> Result<Value> {
    let zero = graph.full(Shape::scalar(), Scalar::zero(DType::F64))?;
    parts.iter().try_fold(zero, |total, &part| graph.elementwise(Ew::Add, &[total, part]))
}

/// Checks the first `order` gradients of a function with respect to its float64 inputs: that of a weighted
/// sum of its float64 results, then that of a weighted sum of the gradient, and so on.
pub(crate) fn check_gradients(
    name: &str,
    order: usize,
    inputs: &[HostTensor],
    build: impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>,
) {
    let mut random = Random(7);
    let mut graph = Graph::new();
    let values: Vec<Value> = inputs.iter().map(|t| graph.input(t.ty.clone())).collect();
    let sources: Vec<usize> = (0..inputs.len()).filter(|&i| inputs[i].ty.dtype == DType::F64).collect();
    let variables: Vec<Value> = sources.iter().map(|&i| values[i]).collect();
    let outputs = build(&mut graph, &values).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut terms = Vec::new();
    for y in outputs {
        if graph.dtype(y) == DType::F64 {
            terms.push(weighted_sum(&mut graph, y, &mut random).unwrap());
        }
    }
    for level in 1..=order {
        let target = sum(&mut graph, &terms).unwrap();
        let gradients = autodiff::gradient(&mut graph, &[(target, None)], &variables)
            .unwrap_or_else(|e| panic!("{name}, order {level}: {e}"));
        graph.outputs = vec![target];
        let numeric = finite_differences(&graph, inputs, &sources);
        graph.outputs = gradients.iter().flatten().copied().collect();
        let mut analytic = evaluate(&graph, inputs).unwrap().into_iter();
        for ((&i, gradient), numeric) in sources.iter().zip(&gradients).zip(numeric) {
            let analytic = match gradient {
                Some(_) => analytic.next().unwrap(),
                None => HostTensor::zeros(inputs[i].ty.clone()),
            };
            let context = format!("{name}, order {level}, input {i}\n{analytic:?}\n{numeric:?}");
            assert!(close(&analytic, &numeric, 2e-6), "{context}");
        }
        terms.clear();
        for &gradient in gradients.iter().flatten() {
            terms.push(weighted_sum(&mut graph, gradient, &mut random).unwrap());
        }
    }
}

/// Derivatives of a graph's scalar output with respect to some inputs.
fn finite_differences(graph: &Graph, inputs: &[HostTensor], sources: &[usize]) -> Vec<HostTensor> {
    let mut inputs = inputs.to_vec();
    let differentiate = |&source: &usize| {
        let base = inputs[source].clone();
        let slopes: Vec<f64> = (0..base.len())
            .map(|i| {
                let step = 1e-5;
                let mut at = |offset: f64| {
                    let mut moved = base.to_f64();
                    moved[i] += offset;
                    inputs[source] = HostTensor::from_f64(base.ty.clone(), &moved).unwrap();
                    evaluate(graph, &inputs).unwrap()[0].get(0).as_f64()
                };
                // The fourth-order rule: its error is far below the tolerance.
                (8.0 * (at(step) - at(-step)) - (at(2.0 * step) - at(-2.0 * step))) / (12.0 * step)
            })
            .collect();
        inputs[source] = base.clone();
        HostTensor::from_f64(base.ty, &slopes).unwrap()
    };
    sources.iter().map(differentiate).collect()
}
