//! Control flow with sub-graphs, and gradients given by the user.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::infer;
use crate::op::{Rule, Types, VjpContext};
use crate::{DType, Error, Graph, Result, Shape, TensorType, Value};

/// A loop over time. Operands: carry..., xs..., constants.... Results: final carry..., ys....
///
/// The body's inputs are: carry..., one slice of each xs (its leading axis removed), constants...; its
/// outputs: new carry..., one slice of each ys. The leading axis of xs and ys has size `length`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scan {
    /// One step.
    pub body: Arc<Graph>,
    /// Number of carried values.
    pub carry: usize,
    /// Number of sequences read.
    pub xs: usize,
    /// Number of steps.
    pub length: usize,
    /// From the last slice to the first.
    pub reverse: bool,
    /// Blocks of the batch; set by a pass only, after differentiation.
    pub blocks: Option<Blocks>,
}

/// How a [`Scan`] is cut along its batch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Blocks {
    /// How many there are, of equal size.
    pub count: usize,
    /// For each of xs, then of the constants: whether a block gets its part, or all of it.
    pub cut: SmallVec<[bool; 8]>,
}

/// A loop. Operands: carry..., condition constants..., body constants.... Results: final carry....
/// Condition: (carry..., its constants...) -> bool scalar. Body: (carry..., its constants...) -> carry....
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct While {
    /// Whether to go on.
    pub condition: Arc<Graph>,
    /// One step.
    pub body: Arc<Graph>,
    /// Number of carried values.
    pub carry: usize,
    /// Number of constants of the condition.
    pub condition_constants: usize,
    /// Stop after this many steps.
    pub max_iterations: Option<u64>,
}

/// Operands: predicate (bool scalar), constants.... Both graphs take the constants and return the same
/// types.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cond {
    /// Run when the predicate is true.
    pub then: Arc<Graph>,
    /// Run when it is false.
    pub otherwise: Arc<Graph>,
}

/// Emits a gradient that a user wrote.
pub trait CustomRule: Send + Sync {
    /// Cotangents of the outputs in (zeros where none arrives), cotangents of the inputs out. Values are
    /// of `graph`, to which ops may be appended.
    fn vjp(&self, graph: &mut Graph, cotangents: &[Value]) -> Result<Vec<Option<Value>>>;
}

/// Operands: outputs..., inputs.... Results: the outputs, unchanged. Gradients reach only the inputs, by
/// the rule.
#[derive(Clone)]
pub struct CustomVjp {
    /// Number of outputs.
    pub outputs: usize,
    /// The gradient.
    pub rule: Arc<dyn CustomRule>,
}

impl fmt::Debug for CustomVjp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CustomVjp({} outputs)", self.outputs)
    }
}

impl PartialEq for CustomVjp {
    fn eq(&self, other: &Self) -> bool {
        self.outputs == other.outputs && Arc::ptr_eq(&self.rule, &other.rule)
    }
}

impl Eq for CustomVjp {}

impl std::hash::Hash for CustomVjp {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.rule) as *const () as usize).hash(state);
    }
}

/// The graph's inputs are of the given types.
fn takes<'a>(
    op: &'static str,
    graph: &Graph,
    types: impl ExactSizeIterator<Item = &'a TensorType> + Clone,
) -> Result<()> {
    let inputs = graph.inputs();
    if inputs.len() == types.len()
        && inputs.iter().zip(types.clone()).all(|(&id, ty)| graph.node(id).types[0] == *ty)
    {
        return Ok(());
    }
    let expected = format!("a sub-graph of inputs {:?}", types.collect::<Vec<_>>());
    Err(Error::shape(op, expected, format!("{:?}", graph.input_types())))
}

/// The graph's first outputs are of the types of the carry.
fn carries(op: &'static str, graph: &Graph, carry: &[TensorType]) -> Result<()> {
    if graph.outputs.len() >= carry.len() && graph.outputs.iter().zip(carry).all(|(&v, ty)| graph.ty(v) == ty)
    {
        return Ok(());
    }
    let expected = format!("a body that returns a carry of {carry:?}");
    Err(Error::shape(op, expected, format!("{:?}", graph.output_types())))
}

impl Scan {
    /// Number of blocks; 1 if the batch is not cut.
    pub fn block_count(&self) -> usize {
        self.blocks.as_ref().map_or(1, |b| b.count)
    }

    /// Which axis of operand `i` is that of the blocks.
    pub fn block_axis(&self, i: usize) -> Option<usize> {
        let blocks = self.blocks.as_ref()?;
        match i.checked_sub(self.carry) {
            None => Some(0),
            Some(i) => blocks.cut.get(i).is_some_and(|&cut| cut).then_some(usize::from(i < self.xs)),
        }
    }

    /// The type of one block of operand `i`, all steps of it.
    fn block(&self, i: usize, ty: &TensorType) -> Result<TensorType> {
        let mut ty = ty.clone();
        if let Some(axis) = self.block_axis(i) {
            let count = self.block_count();
            match ty.shape.0.get_mut(axis) {
                Some(n) if count > 0 && n.is_multiple_of(count) => *n /= count,
                _ => {
                    let expected = format!("{count} equal blocks of axis {axis} of operand {i}");
                    return Err(Error::shape(self.name(), expected, ty.shape.to_string()));
                }
            }
        }
        Ok(ty)
    }
}

impl Rule for Scan {
    fn name(&self) -> &'static str {
        "scan"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        if inputs.len() < self.carry.saturating_add(self.xs) {
            return Err(infer::arity(self.name(), "at least its carry and sequences as", inputs.len()));
        }
        let mut seen = Vec::with_capacity(inputs.len());
        for (i, x) in inputs.iter().enumerate() {
            let mut x = self.block(i, x)?;
            if (self.carry..self.carry + self.xs).contains(&i) {
                if x.shape.first() != Some(&self.length) {
                    let expected = format!("a sequence of length {}", self.length);
                    return Err(Error::shape(self.name(), expected, x.shape.to_string()));
                }
                x.shape.0.remove(0);
            }
            seen.push(x);
        }
        takes(self.name(), &self.body, seen.iter())?;
        carries(self.name(), &self.body, &seen[..self.carry])?;
        let mut out: Types = inputs[..self.carry].iter().cloned().collect();
        for &y in &self.body.outputs[self.carry..] {
            let ty = self.body.ty(y);
            let mut shape: Shape = std::iter::once(self.length).chain(ty.shape.iter().copied()).collect();
            if let Some(blocks) = &self.blocks {
                let Some(rows) = shape.0.get_mut(1) else {
                    let expected = "results with an axis of the batch";
                    return Err(Error::shape(self.name(), expected, ty.shape.to_string()));
                };
                *rows = rows.checked_mul(blocks.count).ok_or_else(|| Error::TooLarge(ty.shape.clone()))?;
            }
            out.push(TensorType { dtype: ty.dtype, shape: shape.check()? });
        }
        Ok(out)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        if self.blocks.is_some() {
            return Err(Error::Internal("scan: blocks are made after differentiation".into()));
        }
        super::scan_vjp::scan(self, cx)
    }
}

impl Rule for While {
    fn name(&self) -> &'static str {
        "while"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let Some((carry, rest)) = inputs.split_at_checked(self.carry) else {
            return Err(infer::arity(self.name(), "at least its carry as", inputs.len()));
        };
        let Some((condition, body)) = rest.split_at_checked(self.condition_constants) else {
            return Err(infer::arity(self.name(), "at least its carry and condition as", inputs.len()));
        };
        let types: Vec<&TensorType> = carry.iter().chain(condition).collect();
        takes(self.name(), &self.condition, types.into_iter())?;
        let types: Vec<&TensorType> = carry.iter().chain(body).collect();
        takes(self.name(), &self.body, types.into_iter())?;
        let verdict = self.condition.output_types();
        if verdict != [TensorType::new(DType::Bool, Shape::scalar())] {
            let expected = "a condition that returns one bool scalar";
            return Err(Error::shape(self.name(), expected, format!("{verdict:?}")));
        }
        carries(self.name(), &self.body, carry)?;
        if self.body.outputs.len() != carry.len() {
            let expected = format!("a body of {} outputs", carry.len());
            return Err(Error::shape(self.name(), expected, self.body.outputs.len().to_string()));
        }
        Ok(carry.iter().cloned().collect())
    }

    fn vjp(&self, _: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let reason = "the number of steps is not known; use scan, or stop_gradient on what it returns";
        Err(Error::NotDifferentiable { op: self.name(), reason })
    }
}

impl Rule for Cond {
    fn name(&self) -> &'static str {
        "cond"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let Some((predicate, constants)) = inputs.split_first() else {
            return Err(infer::arity(self.name(), "at least 1", 0));
        };
        let flag = TensorType::new(DType::Bool, Shape::scalar());
        infer::same_type(self.name(), "a predicate", &flag, predicate)?;
        takes(self.name(), &self.then, constants.iter())?;
        takes(self.name(), &self.otherwise, constants.iter())?;
        let (yes, no) = (self.then.output_types(), self.otherwise.output_types());
        if yes != no {
            let expected = format!("branches of equal types, {yes:?}");
            return Err(Error::shape(self.name(), expected, format!("{no:?}")));
        }
        Ok(yes.into_iter().collect())
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        super::cond_vjp::cond(self, cx)
    }
}

impl Rule for CustomVjp {
    fn name(&self) -> &'static str {
        "custom_vjp"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        match inputs.get(..self.outputs) {
            Some(outputs) => Ok(outputs.iter().cloned().collect()),
            None => Err(infer::arity(self.name(), &format!("at least {}", self.outputs), inputs.len())),
        }
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let mut cotangents = Vec::with_capacity(cx.outputs.len());
        for (&output, cotangent) in cx.outputs.iter().zip(cx.cotangents) {
            cotangents.push(match cotangent {
                Some(cotangent) => *cotangent,
                None => cx.graph.scalar_like(output, 0.0)?,
            });
        }
        let gradients = self.rule.vjp(cx.graph, &cotangents)?;
        let wanted = cx.inputs.len() - self.outputs;
        if gradients.len() != wanted {
            let expected = format!("{wanted} gradients of a custom rule");
            return Err(Error::shape(self.name(), expected, gradients.len().to_string()));
        }
        Ok(std::iter::repeat_n(None, self.outputs).chain(gradients).collect())
    }
}
