//! What it costs to compute a value again where it is used, against storing and loading it.
//!
//! Costs are nanoseconds on one CPU core that runs out of cache; only their ratios matter.

use crate::shape::TensorType;
use crate::{Graph, Op};

/// A load of one byte, of memory that is not in cache.
const LOAD: f32 = 0.05;
/// A store of one byte.
const STORE: f32 = 0.1;
/// One cheap instruction on one element.
const WORK: f32 = 0.12;
/// Starting one more kernel.
const LAUNCH: f32 = 500.0;
/// How much dearer a strided load is than a contiguous one.
const STRIDED: f32 = 3.0;
/// Strides do not matter for tensors of this many bytes: they stay in cache.
const CACHE: usize = 1 << 15;

/// Cost of one element of a value computed from what is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Estimate {
    /// Arithmetic.
    work: f32,
    /// Contiguous loads.
    load: f32,
}

/// One use of a value by a kernel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instance {
    /// Points of the kernel's loops.
    pub points: usize,
    /// Whether neighbouring points read elements that are not neighbours.
    pub strided: bool,
}

/// Whether computing the value at each use costs no more than storing it once and loading it.
pub(super) fn recompute(own: Estimate, ty: &TensorType, uses: impl Iterator<Item = Instance>) -> bool {
    let (elements, size) = (ty.shape.numel() as f32, ty.dtype.size() as f32);
    let far = ty.bytes() > CACHE;
    let mut inline = 0.0;
    let mut stored = elements * (own.work + own.load + size * STORE) + LAUNCH;
    for instance in uses {
        let points = instance.points as f32;
        let stride = if instance.strided && far { STRIDED } else { 1.0 };
        // A load that repeats elements finds them in cache.
        let repeat = if points > elements { 0.5 } else { 1.0 };
        inline += points * (own.work + own.load * stride * repeat);
        stored += points * size * LOAD * stride * repeat;
    }
    inline <= stored
}

/// Estimates for every node that a kernel can compute: operands that nothing else uses count as computed
/// on the way, others as loaded; movements cost nothing.
pub(super) fn estimates(graph: &Graph, single: &dyn Fn(crate::Value) -> bool) -> Vec<Estimate> {
    let mut all: Vec<Estimate> = Vec::with_capacity(graph.len());
    for (_, node) in graph.nodes() {
        let own = match &node.op {
            Op::Elementwise(ew) => WORK * ew.cost() as f32,
            Op::Cast(_) | Op::Iota(_) => WORK,
            _ => 0.0,
        };
        let mut estimate = Estimate { work: own, load: 0.0 };
        for &v in &node.inputs {
            let ty = graph.ty(v);
            let source = &graph.node(v.node).op;
            let mut operand = if matches!(source, Op::Full(_)) {
                Estimate::default()
            } else if super::is_movement(source) || (super::is_inlinable(source) && single(v)) {
                all[v.node.0 as usize]
            } else {
                Estimate { work: 0.0, load: ty.dtype.size() as f32 * LOAD }
            };
            if let Op::Broadcast(b) = &node.op {
                // What is dear is not computed for each copy.
                operand.work = operand.work.min(WORK);
                operand.load *= ty.shape.numel() as f32 / b.shape.numel().max(1) as f32;
            }
            estimate.work += operand.work;
            estimate.load += operand.load;
        }
        all.push(estimate);
    }
    all
}
