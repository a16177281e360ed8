//! Traces: recording a program of tensor operations into a graph.

use std::sync::{Arc, Mutex};

use oxhorn_core::{Graph, Scalar, TensorType, Value};
use rustc_hash::FxHashMap;

use crate::context::{self, Build, Context, Scope};
use crate::function::Function;
use crate::runtime::lock;
use crate::slot::Slot;
use crate::tape::Recording;
use crate::tensor::{Position, Repr, Tensor};
use crate::{Error, Result};

/// A graph that is being recorded. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Trace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    /// The trace inside which this one records the body of a loop or branch.
    parent: Option<Trace>,
    /// Whether this records such a body, inside a trace or not.
    nested: bool,
    /// The tape that was recording where such a body was entered.
    tape: Option<Recording>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    graph: Graph,
    /// Where each input of the graph comes from, in order.
    sources: Vec<Source>,
    captured: FxHashMap<CaptureKey, Value>,
    slots: FxHashMap<u64, Binding>,
    /// Slots in the order in which they were first written.
    written: Vec<Slot>,
}

/// Where an input of a traced graph comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The caller's n-th argument.
    Argument(usize),
    /// The value of a slot when the function is called.
    Slot(Slot),
    /// A tensor from outside the trace.
    Capture(Tensor),
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum CaptureKey {
    Buffer(usize, TensorType),
    Outer(Position),
}

/// What a slot is bound to during a trace.
#[derive(Debug)]
struct Binding {
    current: Value,
    /// Input number of the first read.
    input: Option<usize>,
    /// Every value read, for gradients with respect to the slot.
    reads: Vec<Value>,
    written: bool,
}

/// What a finished nested trace leaves: its graph and the outer tensors it uses.
pub(crate) struct Body {
    pub graph: Graph,
    pub captures: Vec<Tensor>,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    /// An empty trace.
    pub fn new() -> Self {
        Self::with(context::next_id(), None, false, None, Graph::new())
    }

    /// An empty trace for the body of a loop or branch.
    pub(crate) fn nested() -> Self {
        let (parent, tape) = match context::current() {
            Context::Trace(trace) => (Some(trace), None),
            Context::Tape(recording) => (None, Some(recording)),
            Context::Eager => (None, None),
        };
        Self::with(context::next_id(), parent, true, tape, Graph::new())
    }

    /// A trace that goes on recording into an existing graph under an existing number: for gradient rules
    /// that users write.
    pub(crate) fn resume(id: u64, parent: Option<Trace>, graph: Graph) -> Self {
        Self::with(id, parent, false, None, graph)
    }

    fn with(id: u64, parent: Option<Self>, nested: bool, tape: Option<Recording>, graph: Graph) -> Self {
        let state = State { graph, ..State::default() };
        Self(Arc::new(Inner { id, parent, nested, tape, state: Mutex::new(state) }))
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }

    pub(crate) fn parent(&self) -> Option<&Self> {
        self.0.parent.as_ref()
    }

    /// The trace in which slots are read: the outermost one.
    pub(crate) fn root(&self) -> &Self {
        let mut trace = self;
        while let Some(parent) = trace.parent() {
            trace = parent;
        }
        trace
    }

    /// Records what `f` does on this thread.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let _scope = self.enter();
        f()
    }

    pub(crate) fn enter(&self) -> Scope {
        Scope::enter(Context::Trace(self.clone()))
    }

    /// Starts recording on this thread, until [`Trace::stop`]: for bindings that cannot nest closures.
    pub fn start(&self) {
        context::push(Context::Trace(self.clone()));
    }

    /// Ends what [`Trace::start`] began.
    pub fn stop(&self) {
        context::pop();
    }

    /// A new argument of the function being traced.
    pub fn input(&self, ty: TensorType) -> Tensor {
        let mut state = lock(&self.0.state);
        let number = state.sources.iter().filter(|s| matches!(s, Source::Argument(_))).count();
        let value = state.graph.input(ty.clone());
        state.sources.push(Source::Argument(number));
        drop(state);
        self.tensor(ty, value)
    }

    pub(crate) fn tensor(&self, ty: TensorType, value: Value) -> Tensor {
        Tensor::from_repr(ty, Repr::Traced(Position { recording: self.0.id, value }))
    }

    /// Appends an operation.
    pub(crate) fn record(&self, inputs: &[Tensor], build: Build<'_>) -> Result<Vec<Tensor>> {
        let values = inputs.iter().map(|t| self.value_of(t)).collect::<Result<Vec<_>>>()?;
        let mut state = lock(&self.0.state);
        let outputs = build(&mut state.graph, &values)?;
        Ok(outputs.into_iter().map(|value| self.tensor(state.graph.ty(value).clone(), value)).collect())
    }

    /// The value of this trace that a tensor is, capturing tensors from outside.
    pub(crate) fn value_of(&self, tensor: &Tensor) -> Result<Value> {
        let key = match tensor.repr() {
            Repr::Traced(position) if position.recording == self.0.id => return Ok(position.value),
            Repr::Traced(position) => {
                let mut ancestor = self.parent();
                while ancestor.is_some_and(|trace| trace.id() != position.recording) {
                    ancestor = ancestor.and_then(Self::parent);
                }
                if ancestor.is_none() {
                    return Err(Error::ForeignTrace);
                }
                CaptureKey::Outer(*position)
            }
            Repr::Concrete { buffer, .. } => {
                CaptureKey::Buffer(Arc::as_ptr(buffer).cast::<()>() as usize, tensor.ty().clone())
            }
        };
        let mut state = lock(&self.0.state);
        if let Some(&value) = state.captured.get(&key) {
            return Ok(value);
        }
        if let Some(value) = constant(tensor)? {
            return Ok(state
                .graph
                .add1(oxhorn_core::op::Full { shape: tensor.shape().clone(), value }, &[])?);
        }
        // The capture keeps the buffer alive, so its address stays its own.
        state.sources.push(Source::Capture(tensor.clone()));
        let value = state.graph.input(tensor.ty().clone());
        state.captured.insert(key, value);
        Ok(value)
    }

    /// Makes a concrete tensor an input of the graph, so that gradients with respect to it can be taken.
    pub(crate) fn watch(&self, tensor: &Tensor) -> Result<Tensor> {
        let buffer = tensor.buffer()?;
        let key = CaptureKey::Buffer(Arc::as_ptr(buffer).cast::<()>() as usize, tensor.ty().clone());
        let mut state = lock(&self.0.state);
        let value = match state.captured.get(&key) {
            Some(&value) => value,
            None => {
                state.sources.push(Source::Capture(tensor.clone()));
                let value = state.graph.input(tensor.ty().clone());
                state.captured.insert(key, value);
                value
            }
        };
        drop(state);
        Ok(self.tensor(tensor.ty().clone(), value))
    }

    pub(crate) fn read_slot(&self, slot: &Slot) -> Result<Tensor> {
        if self.0.nested {
            // The body of a loop that runs eagerly: the slot cannot change while it runs.
            return match &self.0.tape {
                Some(recording) => recording.read_slot(slot),
                None => Ok(slot.peek()),
            };
        }
        let mut guard = lock(&self.0.state);
        let state = &mut *guard;
        let binding = state.slots.entry(slot.id()).or_insert_with(|| {
            let input = state.sources.len();
            state.sources.push(Source::Slot(slot.clone()));
            let value = state.graph.input(slot.ty().clone());
            Binding { current: value, input: Some(input), reads: Vec::new(), written: false }
        });
        let value = binding.current;
        if binding.reads.last() != Some(&value) {
            binding.reads.push(value);
        }
        drop(guard);
        Ok(self.tensor(slot.ty().clone(), value))
    }

    pub(crate) fn write_slot(&self, slot: &Slot, value: &Tensor) -> Result<()> {
        if self.0.nested {
            return Err(Error::NestedAssign);
        }
        let value = self.value_of(value)?;
        let mut guard = lock(&self.0.state);
        let state = &mut *guard;
        let binding = state.slots.entry(slot.id()).or_insert(Binding {
            current: value,
            input: None,
            reads: Vec::new(),
            written: false,
        });
        binding.current = value;
        if !binding.written {
            binding.written = true;
            state.written.push(slot.clone());
        }
        Ok(())
    }

    /// Every value that was read from a slot so far.
    pub(crate) fn slot_reads(&self, slot: &Slot) -> Vec<Value> {
        lock(&self.0.state).slots.get(&slot.id()).map(|b| b.reads.clone()).unwrap_or_default()
    }

    /// Looks something up in the graph.
    pub(crate) fn with_graph<R>(&self, f: impl FnOnce(&Graph) -> R) -> R {
        f(&lock(&self.0.state).graph)
    }

    /// Takes the graph out, to be worked on, until [`Trace::restore`].
    pub(crate) fn take_graph(&self) -> Graph {
        std::mem::take(&mut lock(&self.0.state).graph)
    }

    /// Puts the graph back, with the sources of inputs that were added meanwhile.
    pub(crate) fn restore(&self, graph: Graph, sources: Vec<Source>) {
        let mut state = lock(&self.0.state);
        state.graph = graph;
        state.sources.extend(sources);
    }

    /// Takes out the graph and the sources of the inputs that this (resumed) trace added.
    pub(crate) fn into_parts(self) -> (Graph, Vec<Source>) {
        let mut state = lock(&self.0.state);
        (std::mem::take(&mut state.graph), std::mem::take(&mut state.sources))
    }

    /// Ends a nested trace.
    pub(crate) fn finish_body(self, outputs: &[Tensor]) -> Result<Body> {
        let values = outputs.iter().map(|t| self.value_of(t)).collect::<Result<Vec<_>>>()?;
        let (mut graph, sources) = self.into_parts();
        graph.outputs = values;
        let captures = sources
            .into_iter()
            .filter_map(|source| match source {
                Source::Capture(tensor) => Some(tensor),
                _ => None,
            })
            .collect();
        Ok(Body { graph, captures })
    }

    /// Compiles what was recorded into a function from the inputs to `outputs`, which also writes back
    /// every slot that was assigned. The trace is left empty.
    pub fn compile(&self, outputs: &[Tensor]) -> Result<Function> {
        let mut values = outputs.iter().map(|t| self.value_of(t)).collect::<Result<Vec<_>>>()?;
        let mut state = std::mem::take(&mut *lock(&self.0.state));
        let mut donations = Vec::new();
        for slot in &state.written {
            let binding = &state.slots[&slot.id()];
            if let Some(input) = binding.input {
                donations.push((values.len(), input));
            }
            values.push(binding.current);
        }
        state.graph.outputs = values;
        state.graph.donations = donations;
        Function::compile(state.graph, state.sources, outputs.len(), state.written)
    }
}

/// The value of a concrete scalar tensor: it becomes a constant that passes can fold, not an input.
fn constant(tensor: &Tensor) -> Result<Option<Scalar>> {
    match tensor.repr() {
        Repr::Concrete { buffer, .. } if tensor.shape().rank() == 0 => {
            let bytes = buffer.to_host()?;
            Ok(Some(Scalar::from_le_bytes(&bytes, tensor.dtype())))
        }
        _ => Ok(None),
    }
}
