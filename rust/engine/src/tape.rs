//! Tapes: recording eager operations so that they can be differentiated.

use std::sync::{Arc, LazyLock, Mutex, Weak};

use oxhorn_core::device::BufferRef;
use oxhorn_core::{Graph, Value};
use rustc_hash::FxHashMap;

use crate::Result;
use crate::context::{self, Build, Context};
use crate::runtime::lock;
use crate::slot::Slot;
use crate::tensor::{Position, Repr, Tensor};
use crate::trace::Source;

/// What one outermost tape, and those entered inside it, have recorded. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Recording(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    graph: Graph,
    /// Buffers of the values that have been computed.
    known: FxHashMap<Value, BufferRef>,
    reads: FxHashMap<u64, Vec<Value>>,
    /// Leaves made of tensors that were watched in place, by the address of their buffer, which `known`
    /// keeps alive.
    watched: FxHashMap<usize, Value>,
}

/// Recordings that are alive. Tensors refer to theirs by number, so that a tensor that outlives its
/// tape does not keep every intermediate result alive.
static RECORDINGS: LazyLock<Mutex<FxHashMap<u64, Weak<Inner>>>> = LazyLock::new(Mutex::default);

impl Drop for Inner {
    fn drop(&mut self) {
        lock(&RECORDINGS).remove(&self.id);
    }
}

impl Recording {
    fn new() -> Self {
        let inner = Arc::new(Inner { id: context::next_id(), state: Mutex::default() });
        lock(&RECORDINGS).insert(inner.id, Arc::downgrade(&inner));
        Self(inner)
    }

    /// The recording of that number, if its tape is still alive.
    pub fn find(id: u64) -> Option<Self> {
        lock(&RECORDINGS).get(&id)?.upgrade().map(Self)
    }

    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Appends an operation that has run, if a recorded tensor takes part in it.
    pub fn record(&self, inputs: &[Tensor], outputs: Vec<Tensor>, build: Build<'_>) -> Result<Vec<Tensor>> {
        let recorded: Vec<Option<Value>> = inputs.iter().map(|t| self.recorded(t)).collect();
        if recorded.iter().all(Option::is_none) {
            return Ok(outputs);
        }
        let mut state = lock(&self.0.state);
        let values = inputs
            .iter()
            .zip(recorded)
            .map(|(tensor, value)| value.map_or_else(|| state.leaf(tensor), Ok))
            .collect::<Result<Vec<_>>>()?;
        let results = build(&mut state.graph, &values)?;
        results
            .into_iter()
            .zip(outputs)
            .map(|(value, output)| state.computed(self.0.id, value, &output))
            .collect()
    }

    fn recorded(&self, tensor: &Tensor) -> Option<Value> {
        match tensor.repr() {
            Repr::Concrete { record: Some(position), .. } if position.recording == self.0.id => {
                Some(position.value)
            }
            Repr::Concrete { buffer, .. } => lock(&self.0.state).watched.get(&address(buffer)).copied(),
            Repr::Traced(_) => None,
        }
    }

    /// Makes the tensor a leaf of the recording, also where it is used under its old name.
    pub fn watch(&self, tensor: &Tensor) -> Result<Tensor> {
        if self.recorded(tensor).is_some() {
            return Ok(tensor.clone());
        }
        let mut state = lock(&self.0.state);
        let value = state.leaf(tensor)?;
        state.watched.insert(address(tensor.buffer()?), value);
        state.computed(self.0.id, value, tensor)
    }

    pub fn read_slot(&self, slot: &Slot) -> Result<Tensor> {
        let tensor = slot.peek();
        let buffer = tensor.buffer()?;
        let mut state = lock(&self.0.state);
        let last = state.reads.get(&slot.id()).and_then(|reads| reads.last()).copied();
        if let Some(value) = last
            && state.known.get(&value).is_some_and(|known| Arc::ptr_eq(known, buffer))
        {
            return state.computed(self.0.id, value, &tensor);
        }
        let value = state.leaf(&tensor)?;
        state.reads.entry(slot.id()).or_default().push(value);
        state.computed(self.0.id, value, &tensor)
    }

    /// Every value that was read from a slot.
    pub fn slot_reads(&self, slot: &Slot) -> Vec<Value> {
        lock(&self.0.state).reads.get(&slot.id()).cloned().unwrap_or_default()
    }

    pub fn value_of(&self, tensor: &Tensor) -> Option<Value> {
        self.recorded(tensor)
    }

    /// Takes the graph out, to be worked on, until [`Recording::restore`].
    pub fn take_graph(&self) -> Graph {
        std::mem::take(&mut lock(&self.0.state).graph)
    }

    /// Puts the graph back; `added` are the sources of its newest inputs.
    pub fn restore(&self, graph: Graph, added: Vec<Source>) -> Result<()> {
        let mut state = lock(&self.0.state);
        let first = graph.inputs().len() - added.len();
        for (node, source) in graph.inputs()[first..].iter().zip(added) {
            let tensor = match source {
                Source::Capture(tensor) => tensor,
                Source::Slot(slot) => slot.peek(),
                Source::Argument(_) => continue,
            };
            state.known.insert(Value { node: *node, index: 0 }, tensor.buffer()?.clone());
        }
        state.graph = graph;
        Ok(())
    }

    /// Computes values of the graph from those that are known.
    pub fn compute(&self, values: &[Value]) -> Result<Vec<Tensor>> {
        let (graph, buffers) = {
            let state = lock(&self.0.state);
            state.extract(values)
        };
        let tensors = context::run_graph(graph, buffers)?;
        let mut state = lock(&self.0.state);
        values.iter().zip(tensors).map(|(&value, tensor)| state.computed(self.0.id, value, &tensor)).collect()
    }
}

fn address(buffer: &BufferRef) -> usize {
    Arc::as_ptr(buffer).cast::<()>() as usize
}

impl State {
    fn leaf(&mut self, tensor: &Tensor) -> Result<Value> {
        let buffer = tensor.buffer()?.clone();
        let value = self.graph.input(tensor.ty().clone());
        self.known.insert(value, buffer);
        Ok(value)
    }

    fn computed(&mut self, recording: u64, value: Value, tensor: &Tensor) -> Result<Tensor> {
        let buffer = tensor.buffer()?.clone();
        self.known.insert(value, buffer.clone());
        let record = Some(Position { recording, value });
        Ok(Tensor::from_repr(tensor.ty().clone(), Repr::Concrete { buffer, record }))
    }

    /// The part of the graph that computes `values`, with known values as its inputs, and their buffers.
    fn extract(&self, values: &[Value]) -> (Graph, Vec<BufferRef>) {
        let resolve = |value: Value| {
            if self.known.contains_key(&value) {
                return value;
            }
            self.graph.replacements().get(&value).copied().unwrap_or(value)
        };
        let mut needed = std::collections::BTreeSet::new();
        let mut pending: Vec<Value> = values.iter().map(|&v| resolve(v)).collect();
        while let Some(value) = pending.pop() {
            if !self.known.contains_key(&value) && needed.insert(value.node) {
                pending.extend(self.graph.node(value.node).inputs.iter().map(|&v| resolve(v)));
            }
        }
        let mut part = Graph::new();
        let mut buffers = Vec::new();
        let mut map: FxHashMap<Value, Value> = FxHashMap::default();
        let mut place = |part: &mut Graph, map: &mut FxHashMap<Value, Value>, value: Value| {
            let value = resolve(value);
            *map.entry(value).or_insert_with(|| {
                let buffer = self.known.get(&value);
                buffers.extend(buffer.cloned());
                part.input(self.graph.ty(value).clone())
            })
        };
        for id in needed {
            let mut node = self.graph.node(id).clone();
            for input in &mut node.inputs {
                *input = place(&mut part, &mut map, *input);
            }
            let count = node.types.len() as u32;
            let new = part.push_node(node);
            for index in 0..count {
                let value = Value { node: id, index };
                if !self.known.contains_key(&value) {
                    map.insert(value, Value { node: new, index });
                }
            }
        }
        part.outputs = values.iter().map(|&v| place(&mut part, &mut map, v)).collect();
        (part, buffers)
    }
}

/// Records eager operations while it is entered.
#[derive(Debug)]
pub struct Tape {
    recording: Mutex<Option<Recording>>,
}

impl Default for Tape {
    fn default() -> Self {
        Self::new()
    }
}

impl Tape {
    /// A tape that has recorded nothing.
    pub fn new() -> Self {
        Self { recording: Mutex::new(None) }
    }

    /// Starts recording on this thread. Inside a trace everything is recorded anyway and inside another
    /// tape both record together, which is what makes gradients of gradients work.
    pub fn start(&self) {
        let context = match context::current() {
            Context::Eager => {
                let recording = lock(&self.recording).get_or_insert_with(Recording::new).clone();
                Context::Tape(recording)
            }
            Context::Tape(recording) => {
                *lock(&self.recording) = Some(recording.clone());
                Context::Tape(recording)
            }
            trace @ Context::Trace(_) => trace,
        };
        context::push(context);
    }

    /// Stops recording; what was recorded is kept as long as the tape.
    pub fn stop(&self) {
        context::pop();
    }

    /// Records what `f` does on this thread.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Stop<'a>(&'a Tape);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.stop();
            }
        }
        self.start();
        let _stop = Stop(self);
        f()
    }

    /// Makes it possible to take gradients with respect to `x`; the tensor returned is another name of it.
    pub fn watch(&self, x: &Tensor) -> Result<Tensor> {
        if x.is_traced() {
            return Ok(x.clone());
        }
        if let Context::Trace(trace) = context::current() {
            return trace.watch(x);
        }
        lock(&self.recording).get_or_insert_with(Recording::new).watch(x)
    }
}
