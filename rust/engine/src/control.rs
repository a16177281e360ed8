//! Loops and branches over Rust closures, recorded once as sub-graphs.

use std::sync::Arc;

use oxhorn_core::op::{Cond, Scan, While};
use oxhorn_core::{DType, Graph, TensorType};

use crate::context::apply;
use crate::tensor::Tensor;
use crate::trace::{Body, Trace};
use crate::{Error, Result};

/// What the body of [`scan`] returns: the new carry and one slice of each sequence produced.
pub type Step = (Vec<Tensor>, Vec<Tensor>);

/// Runs `body(carry, slices)` for each of `length` steps over the leading axis of `xs`, from the last to
/// the first if `reverse`; returns the final carry and the stacked results. Tensors that the body closes
/// over become constants of the loop, and gradients reach them.
pub fn scan(
    body: impl FnOnce(Vec<Tensor>, Vec<Tensor>) -> Result<Step>,
    carry: &[Tensor],
    xs: &[Tensor],
    length: usize,
    reverse: bool,
) -> Result<Step> {
    if let Some(bad) = xs.iter().find(|x| x.shape().first() != Some(&length)) {
        let message = format!("scan: expected sequences of {length} steps, got shape {}", bad.shape());
        return Err(Error::invalid(message));
    }
    let slice = |x: &Tensor| TensorType::new(x.dtype(), &x.shape()[1..]);
    let recorded = record_body(
        carry.iter().map(|c| c.ty().clone()).chain(xs.iter().map(slice)).collect(),
        |mut inputs| {
            let slices = inputs.split_off(carry.len());
            let (new, ys) = body(inputs, slices)?;
            same_types("scan", "carry", carry.iter().map(Tensor::ty), &new)?;
            Ok(new.into_iter().chain(ys).collect())
        },
    )?;
    let op = Scan {
        body: Arc::new(recorded.graph),
        carry: carry.len(),
        xs: xs.len(),
        length,
        reverse,
        blocks: None,
    };
    let operands: Vec<Tensor> = carry.iter().chain(xs).chain(&recorded.captures).cloned().collect();
    let mut outputs = emit(op, &operands)?;
    let ys = outputs.split_off(carry.len());
    Ok((outputs, ys))
}

/// Repeats `body` while `condition` holds, at most `max_iterations` times. Not differentiable in reverse.
pub fn while_loop(
    condition: impl FnOnce(Vec<Tensor>) -> Result<Tensor>,
    body: impl FnOnce(Vec<Tensor>) -> Result<Vec<Tensor>>,
    carry: &[Tensor],
    max_iterations: Option<u64>,
) -> Result<Vec<Tensor>> {
    let types: Vec<TensorType> = carry.iter().map(|c| c.ty().clone()).collect();
    let test = record_body(types.clone(), |inputs| {
        let test = condition(inputs)?;
        same_types(
            "while_loop",
            "condition",
            [&TensorType::new(DType::Bool, [])],
            std::slice::from_ref(&test),
        )?;
        Ok(vec![test])
    })?;
    let step = record_body(types, |inputs| {
        let new = body(inputs)?;
        same_types("while_loop", "carry", carry.iter().map(Tensor::ty), &new)?;
        Ok(new)
    })?;
    let op = While {
        condition: Arc::new(test.graph),
        body: Arc::new(step.graph),
        carry: carry.len(),
        condition_constants: test.captures.len(),
        max_iterations,
    };
    let operands: Vec<Tensor> = carry.iter().chain(&test.captures).chain(&step.captures).cloned().collect();
    emit(op, &operands)
}

/// The results of `then` or of `otherwise`. A concrete predicate calls only one of them.
pub fn cond(
    predicate: &Tensor,
    then: impl FnOnce() -> Result<Vec<Tensor>>,
    otherwise: impl FnOnce() -> Result<Vec<Tensor>>,
) -> Result<Vec<Tensor>> {
    same_types("cond", "predicate", [&TensorType::new(DType::Bool, [])], std::slice::from_ref(predicate))?;
    if !predicate.is_traced() {
        let holds = predicate.to_bytes()?.first().is_some_and(|&b| b != 0);
        return if holds { then() } else { otherwise() };
    }
    let mut types = Vec::new();
    let then = record_body(Vec::new(), |_| {
        let outputs = then()?;
        types.extend(outputs.iter().map(|t| t.ty().clone()));
        Ok(outputs)
    })?;
    let otherwise = record_body(Vec::new(), |_| {
        let outputs = otherwise()?;
        same_types("cond", "second branch", &types, &outputs)?;
        Ok(outputs)
    })?;
    // Both branches take the constants of both.
    let operands: Vec<Tensor> =
        std::iter::once(predicate).chain(&then.captures).chain(&otherwise.captures).cloned().collect();
    let first = then.captures.len();
    let all: Vec<TensorType> = operands[1..].iter().map(|t| t.ty().clone()).collect();
    let op = Cond {
        then: Arc::new(widen(then.graph, &all, 0)?),
        otherwise: Arc::new(widen(otherwise.graph, &all, first)?),
    };
    emit(op, &operands)
}

/// A copy of `graph` with inputs of `types`, of which its own begin at `first`.
fn widen(graph: Graph, types: &[TensorType], first: usize) -> Result<Graph> {
    let mut wide = Graph::new();
    let inputs: Vec<_> = types.iter().map(|ty| wide.input(ty.clone())).collect();
    let own = &inputs[first..first + graph.inputs().len()];
    wide.outputs = oxhorn_core::graph::inline(&mut wide, &graph, own)?;
    Ok(wide)
}

fn emit(op: impl Into<oxhorn_core::Op>, operands: &[Tensor]) -> Result<Vec<Tensor>> {
    let op = op.into();
    apply(operands, &mut |graph, values| Ok(graph.add(op.clone(), values)?.into_iter().collect()))
}

/// Records `f`, given tensors of `types`, as a graph.
fn record_body(types: Vec<TensorType>, f: impl FnOnce(Vec<Tensor>) -> Result<Vec<Tensor>>) -> Result<Body> {
    let trace = Trace::nested();
    let inputs = types.into_iter().map(|ty| trace.input(ty)).collect();
    let outputs = trace.scope(|| f(inputs))?;
    trace.finish_body(&outputs)
}

fn same_types<'a>(
    op: &str,
    what: &str,
    expected: impl IntoIterator<Item = &'a TensorType>,
    got: &[Tensor],
) -> Result<()> {
    let expected: Vec<_> = expected.into_iter().collect();
    if expected.len() == got.len() && expected.iter().zip(got).all(|(e, g)| **e == *g.ty()) {
        return Ok(());
    }
    let got: Vec<_> = got.iter().map(Tensor::ty).collect();
    Err(Error::invalid(format!("{op}: expected {what} of types {expected:?}, got {got:?}")))
}
