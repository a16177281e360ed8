//! Plans: a graph in the order in which it runs, with every buffer's place resolved.

mod arena;
mod build;

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{Graph, Op, Result, TensorType};

/// Where a tensor lies while a plan runs. All tensors are dense and row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The plan's n-th input.
    Input(u32),
    /// The plan's n-th output.
    Output(u32),
    /// Bytes from the start of the arena, a multiple of [`ARENA_ALIGN`].
    Arena(usize),
}

/// Alignment of everything in an arena, at least: one cache line.
pub const ARENA_ALIGN: usize = 64;

/// An operand or result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Where it lies.
    pub place: Place,
    /// Its type.
    pub ty: TensorType,
}

/// One instruction.
#[derive(Debug, Clone)]
pub struct Step {
    /// What to do. Never `Input`, `Reshape`, `Bitcast` or `CustomVjp` (those are other views of a place);
    /// an output that is only an input or a view of one is copied by `Op::Fused` with no body.
    pub op: Op,
    /// Operands. Several may lie at one place.
    pub inputs: SmallVec<[Operand; 4]>,
    /// Results, each in a place of its own. A result of a fused kernel may lie where an operand lies that
    /// the kernel loads only by the identity map, with elements of the same size: a device that works in
    /// tiles loads all operands of a tile before it stores the first result.
    pub outputs: SmallVec<[Operand; 2]>,
    /// Plans of the op's sub-graphs (scan: body; while: condition, body; cond: then, else). Their
    /// donations say which carries may be updated in place: output i over input i.
    pub plans: Vec<Arc<Plan>>,
}

/// A graph, ordered and placed.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Types of the inputs.
    pub inputs: Vec<TensorType>,
    /// Types of the outputs.
    pub outputs: Vec<TensorType>,
    /// For each output the input whose buffer it may take over, if any: every read of that input
    /// comes before the first write of the output, or at the same element of the same step. The
    /// device does so when it owns the only reference to the input's buffer.
    pub donations: Vec<Option<u32>>,
    /// The instructions, in order.
    pub steps: Vec<Step>,
    /// Size of the arena. Sub-plans have arenas of their own.
    pub arena_bytes: usize,
    /// Number of nodes of the graph before optimisation.
    pub source_nodes: usize,
}

impl Plan {
    /// Orders and places a graph: any graph without pending replacements, optimised or not.
    /// `source_nodes` is set to its own number of nodes.
    pub fn build(graph: &Graph) -> Result<Self> {
        Self::build_aligned(graph, ARENA_ALIGN)
    }

    /// [`Plan::build`] with arenas in which everything lies at multiples of `alignment`, a power of two
    /// that is at least [`ARENA_ALIGN`].
    pub fn build_aligned(graph: &Graph, alignment: usize) -> Result<Self> {
        build::build(graph, &graph.donations, alignment)
    }

    /// Number of instructions, those of sub-plans counted once.
    pub fn instructions(&self) -> usize {
        let nested = self.steps.iter().flat_map(|s| &s.plans).map(|p| p.instructions());
        self.steps.len() + nested.sum::<usize>()
    }
}

#[cfg(test)]
pub(crate) mod tests;
