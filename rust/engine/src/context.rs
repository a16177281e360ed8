//! What an operation does when it is called: run at once, run and be recorded on a tape, or only be
//! recorded into a graph. Each thread has a stack of contexts.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

use oxhorn_core::device::BufferRef;
use oxhorn_core::{Graph, Op, Value};
use smallvec::SmallVec;

use crate::runtime::Runtime;
use crate::tape::Recording;
use crate::tensor::{Repr, Tensor};
use crate::trace::Trace;
use crate::{Error, Result};

/// Values that a build closure returns.
pub type Values = SmallVec<[Value; 2]>;

/// What emits the nodes of one operation: values of the operands in, values of the results out.
pub(crate) type Build<'a> = &'a mut dyn FnMut(&mut Graph, &[Value]) -> oxhorn_core::Result<Values>;

/// How operations of this thread are carried out.
#[derive(Debug, Clone)]
pub(crate) enum Context {
    /// Run at once.
    Eager,
    /// Run at once and record what depends on watched tensors.
    Tape(Recording),
    /// Append to a graph.
    Trace(Trace),
}

thread_local! {
    static STACK: RefCell<Vec<Context>> = const { RefCell::new(Vec::new()) };
}

/// The innermost context of this thread.
pub(crate) fn current() -> Context {
    STACK.with_borrow(|stack| stack.last().cloned().unwrap_or(Context::Eager))
}

/// Enters a context until [`pop`].
pub(crate) fn push(context: Context) {
    STACK.with_borrow_mut(|stack| stack.push(context));
}

/// Leaves the innermost context.
pub(crate) fn pop() {
    STACK.with_borrow_mut(|stack| stack.pop());
}

/// Leaves a context when dropped, also on errors and panics.
pub(crate) struct Scope(());

impl Scope {
    pub fn enter(context: Context) -> Self {
        push(context);
        Self(())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        pop();
    }
}

/// Whether operations of this thread are recorded into a graph rather than run.
pub fn is_tracing() -> bool {
    matches!(current(), Context::Trace(_))
}

/// Runs `f` outside any trace or tape: for making state while a function is traced.
pub fn eagerly<R>(f: impl FnOnce() -> R) -> R {
    let _scope = Scope::enter(Context::Eager);
    f()
}

/// Enters a scope like [`eagerly`]'s, to be left with [`leave_eager`]: for bindings that cannot nest
/// closures.
pub fn enter_eager() {
    push(Context::Eager);
}

/// Leaves the scope of [`enter_eager`].
pub fn leave_eager() {
    pop();
}

/// Number of a new trace or recording.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Carries out one operation in the current context.
pub(crate) fn apply(inputs: &[Tensor], build: Build<'_>) -> Result<Vec<Tensor>> {
    match current() {
        Context::Trace(trace) if inputs.is_empty() || inputs.iter().any(Tensor::is_traced) => {
            trace.record(inputs, build)
        }
        Context::Tape(recording) => {
            let outputs = run(inputs, build)?;
            recording.record(inputs, outputs, build)
        }
        _ => run(inputs, build),
    }
}

/// [`apply`] for operations with one result.
pub(crate) fn apply1(
    inputs: &[Tensor],
    mut build: impl FnMut(&mut Graph, &[Value]) -> oxhorn_core::Result<Value>,
) -> Result<Tensor> {
    let mut outputs = apply(inputs, &mut |graph, values| Ok(smallvec::smallvec![build(graph, values)?]))?;
    outputs.pop().ok_or_else(|| Error::invalid("operation returned nothing"))
}

/// Runs one operation at once, through the cache of compiled graphs.
fn run(inputs: &[Tensor], build: Build<'_>) -> Result<Vec<Tensor>> {
    let mut graph = Graph::new();
    let mut buffers = Vec::with_capacity(inputs.len());
    let mut values: SmallVec<[Value; 4]> = SmallVec::new();
    for tensor in inputs {
        match tensor.repr() {
            Repr::Concrete { buffer, .. } => buffers.push(buffer.clone()),
            Repr::Traced(_) => return Err(Error::ForeignTrace),
        }
        values.push(graph.input(tensor.ty().clone()));
    }
    graph.outputs = build(&mut graph, &values)?.into_vec();
    run_graph(graph, buffers)
}

/// Runs a graph through the cache; outputs that are views of inputs share their buffers.
pub(crate) fn run_graph(mut graph: Graph, mut buffers: Vec<BufferRef>) -> Result<Vec<Tensor>> {
    let types = graph.output_types();
    let aliases: SmallVec<[Option<u32>; 2]> =
        graph.outputs.iter().map(|&v| view_of_input(&graph, v)).collect();
    let shared: SmallVec<[Option<BufferRef>; 2]> =
        aliases.iter().map(|alias| alias.map(|i| buffers[i as usize].clone())).collect();
    let mut computed = Vec::new().into_iter();
    if aliases.iter().any(Option::is_none) {
        let mut keep = aliases.iter().map(Option::is_none);
        graph.outputs.retain(|_| keep.next().unwrap_or(true));
        computed = Runtime::current().compile_cached(graph)?.run(&mut buffers, None)?.into_iter();
    }
    types
        .into_iter()
        .zip(shared)
        .map(|(ty, shared)| match shared.or_else(|| computed.next()) {
            Some(buffer) => Ok(Tensor::concrete(ty, buffer)),
            None => Err(oxhorn_core::Error::Internal("plan returned too few outputs".into()).into()),
        })
        .collect()
}

/// The input of which a value is only another view.
fn view_of_input(graph: &Graph, mut value: Value) -> Option<u32> {
    loop {
        let node = graph.node(value.node);
        match node.op {
            Op::Input(number) => return Some(number),
            Op::Reshape(_) | Op::Bitcast(_) => value = node.inputs[0],
            _ => return None,
        }
    }
}
