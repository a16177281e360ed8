//! Gradients of traced and of taped computations.

use std::cell::RefCell;
use std::sync::Arc;

use oxhorn_core::autodiff;
use oxhorn_core::op::CustomVjp;
use oxhorn_core::ops::control::CustomRule;
use oxhorn_core::{Graph, Value};

use crate::context::{self, Context, apply};
use crate::slot::Slot;
use crate::tape::Recording;
use crate::tensor::{Repr, Tensor};
use crate::trace::{Source, Trace};
use crate::{Error, Result};

/// What to differentiate with respect to.
#[derive(Debug, Clone, Copy)]
pub enum Wrt<'a> {
    /// A tensor.
    Tensor(&'a Tensor),
    /// The values read from a slot.
    Slot(&'a Slot),
}

/// Reverse-mode gradients of the sum of `targets`, each weighted by its cotangent (default: ones), with
/// respect to each source; `None` for a source on which no target depends.
///
/// The targets must come from the trace in which this is called, or from a tape that is still alive.
pub fn gradient(targets: &[(&Tensor, Option<&Tensor>)], sources: &[Wrt<'_>]) -> Result<Vec<Option<Tensor>>> {
    let Some((first, _)) = targets.first() else {
        return Ok(vec![None; sources.len()]);
    };
    if let Context::Trace(trace) = context::current()
        && targets.iter().any(|(t, _)| t.is_traced())
    {
        return traced(&trace, targets, sources);
    }
    let recording = targets.iter().find_map(|(t, _)| match t.repr() {
        Repr::Concrete { record: Some(position), .. } => Recording::find(position.recording),
        _ => None,
    });
    match recording {
        Some(recording) => taped(&recording, targets, sources),
        None if first.is_traced() => Err(Error::ForeignTrace),
        None => Ok(vec![None; sources.len()]),
    }
}

fn traced(
    trace: &Trace,
    targets: &[(&Tensor, Option<&Tensor>)],
    sources: &[Wrt<'_>],
) -> Result<Vec<Option<Tensor>>> {
    let mut pairs = Vec::with_capacity(targets.len());
    for (target, cotangent) in targets {
        pairs.push((trace.value_of(target)?, cotangent.map(|c| trace.value_of(c)).transpose()?));
    }
    let leaves: Vec<Vec<Value>> = sources
        .iter()
        .map(|source| match source {
            Wrt::Slot(slot) => trace.slot_reads(slot),
            Wrt::Tensor(tensor) => trace.value_of(tensor).into_iter().collect(),
        })
        .collect();
    let mut graph = trace.take_graph();
    let (result, added) = differentiate(trace.id(), trace.parent().cloned(), &mut graph, &pairs, &leaves);
    let result = result.map(|gradients| {
        gradients.into_iter().map(|g| g.map(|v| trace.tensor(graph.ty(v).clone(), v))).collect()
    });
    trace.restore(graph, added);
    result
}

fn taped(
    recording: &Recording,
    targets: &[(&Tensor, Option<&Tensor>)],
    sources: &[Wrt<'_>],
) -> Result<Vec<Option<Tensor>>> {
    let mut pairs = Vec::with_capacity(targets.len());
    for (target, cotangent) in targets {
        if let Some(target) = recording.value_of(target) {
            let cotangent = match cotangent {
                Some(c) => recording.value_of(&recording.watch(c)?),
                None => None,
            };
            pairs.push((target, cotangent));
        }
    }
    let leaves: Vec<Vec<Value>> = sources
        .iter()
        .map(|source| match source {
            Wrt::Slot(slot) => recording.slot_reads(slot),
            Wrt::Tensor(tensor) => recording.value_of(tensor).into_iter().collect(),
        })
        .collect();
    let mut graph = recording.take_graph();
    let (result, added) = differentiate(recording.id(), None, &mut graph, &pairs, &leaves);
    recording.restore(graph, added)?;
    let gradients = result?;
    let wanted: Vec<Value> = gradients.iter().flatten().copied().collect();
    let mut tensors = recording.compute(&wanted)?.into_iter();
    Ok(gradients.into_iter().map(|g| g.and_then(|_| tensors.next())).collect())
}

/// The recording under differentiation, for the gradient rules that users write.
struct Differentiation {
    id: u64,
    parent: Option<Trace>,
    /// Sources of the inputs that such rules added to the graph.
    added: Vec<Source>,
}

thread_local! {
    static CURRENT: RefCell<Vec<Differentiation>> = const { RefCell::new(Vec::new()) };
    static CALLBACK_ERROR: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Appends the gradient to `graph`; gradients with respect to several leaves of one source are summed.
fn differentiate(
    id: u64,
    parent: Option<Trace>,
    graph: &mut Graph,
    pairs: &[(Value, Option<Value>)],
    leaves: &[Vec<Value>],
) -> (Result<Vec<Option<Value>>>, Vec<Source>) {
    CURRENT.with_borrow_mut(|stack| stack.push(Differentiation { id, parent, added: Vec::new() }));
    let flat: Vec<Value> = leaves.iter().flatten().copied().collect();
    let result = autodiff::gradient(graph, pairs, &flat)
        .map_err(|error| CALLBACK_ERROR.with_borrow_mut(Option::take).unwrap_or(Error::Core(error)));
    let added = CURRENT.with_borrow_mut(|stack| stack.pop().map(|d| d.added).unwrap_or_default());
    let summed = result.and_then(|flat| {
        let mut flat = flat.into_iter();
        leaves
            .iter()
            .map(|group| {
                let mut total: Option<Value> = None;
                for gradient in flat.by_ref().take(group.len()).flatten() {
                    total = Some(match total {
                        Some(sum) => graph.elementwise(oxhorn_core::op::Ew::Add, &[sum, gradient])?,
                        None => gradient,
                    });
                }
                Ok(total)
            })
            .collect()
    });
    (summed, added)
}

/// Maps cotangents of the outputs to cotangents of the inputs.
pub type VjpFn = dyn Fn(&[Tensor]) -> Result<Vec<Option<Tensor>>> + Send + Sync;

struct UserRule(Box<VjpFn>);

impl CustomRule for UserRule {
    fn vjp(&self, graph: &mut Graph, cotangents: &[Value]) -> oxhorn_core::Result<Vec<Option<Value>>> {
        let Some((id, parent)) = CURRENT.with_borrow(|s| s.last().map(|d| (d.id, d.parent.clone()))) else {
            return Err(oxhorn_core::Error::Internal("custom gradient outside differentiation".into()));
        };
        let trace = Trace::resume(id, parent, std::mem::take(graph));
        let result = trace.scope(|| {
            let ty = |value| trace.with_graph(|graph| graph.ty(value).clone());
            let tensors: Vec<Tensor> = cotangents.iter().map(|&v| trace.tensor(ty(v), v)).collect();
            let gradients = (self.0)(&tensors)?;
            gradients
                .iter()
                .map(|g| g.as_ref().map(|t| trace.value_of(t)).transpose())
                .collect::<Result<Vec<_>>>()
        });
        let (inner, added) = trace.into_parts();
        *graph = inner;
        CURRENT.with_borrow_mut(|stack| {
            if let Some(differentiation) = stack.last_mut() {
                differentiation.added.extend(added);
            }
        });
        result.map_err(|error| {
            CALLBACK_ERROR.with_borrow_mut(|slot| *slot = Some(error));
            oxhorn_core::Error::Internal("custom gradient failed".into())
        })
    }
}

/// `outputs` again, with their gradient with respect to `inputs` given by `vjp`; how they were computed
/// is hidden from differentiation.
pub fn custom_gradient(outputs: &[Tensor], inputs: &[Tensor], vjp: Box<VjpFn>) -> Result<Vec<Tensor>> {
    let op = CustomVjp { outputs: outputs.len(), rule: Arc::new(UserRule(vjp)) };
    let operands: Vec<Tensor> = outputs.iter().chain(inputs).cloned().collect();
    apply(&operands, &mut |graph, values| Ok(graph.add(op.clone(), values)?.into_iter().collect()))
}
