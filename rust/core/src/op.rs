//! The op set.
//!
//! An element-wise op is a row of the table in [`crate::elementwise`]; a structural op is a struct in
//! `ops/`, in one file with its shape rule and its gradient (trait [`Rule`]). Operands of an op have
//! the shapes that the op says and nothing is broadcast implicitly: that is the builder's work.

use smallvec::SmallVec;

pub use crate::elementwise::Ew;
use crate::graph::{Graph, Value};
use crate::kernel::Kernel;
pub use crate::ops::control::{Blocks, Cond, CustomVjp, Scan, While};
pub use crate::ops::convolution::{ConvGradInput, ConvGradKernel, ConvSpec, Convolution};
pub use crate::ops::creation::{Full, Iota, RandomBits};
pub use crate::ops::indexing::{
    DynamicSlice, DynamicUpdateSlice, Gather, GatherAlong, GatherNd, ScatterAlong, ScatterMode, ScatterNd,
};
pub use crate::ops::linalg::{Linalg, LinalgKind};
pub use crate::ops::matmul::MatMul;
pub use crate::ops::movement::{Broadcast, Concat, Pad, Reshape, Reverse, Slice, Transpose};
pub use crate::ops::reduction::{ArgKind, ArgReduce, Cumulative, CumulativeKind, Reduce, ReduceKind};
pub use crate::ops::softmax::{LogSoftmax, Softmax};
pub use crate::ops::sorting::{Sort, TopK};
pub use crate::ops::window::{MaxPick, MaxScatter, Window, WindowReduce, WindowScatterSum};
use crate::{DType, Result, TensorType};

/// Output types of one node.
pub type Types = SmallVec<[TensorType; 1]>;

/// What a rule needs to emit the gradient of one node.
pub struct VjpContext<'a> {
    /// The graph to which the gradient's ops are appended.
    pub graph: &'a mut Graph,
    /// The node's inputs.
    pub inputs: &'a [Value],
    /// The node's outputs.
    pub outputs: &'a [Value],
    /// Cotangent of each output; `None` where no gradient arrives (at least one is `Some`).
    pub cotangents: &'a [Option<Value>],
    /// Whether a gradient is wanted for each input; rules may skip the others.
    pub needed: &'a [bool],
}

/// What core must know of a structural op.
pub trait Rule {
    /// The op's name in messages and dumps.
    fn name(&self) -> &'static str;
    /// Checks the operand types and gives the output types.
    fn infer(&self, inputs: &[TensorType]) -> Result<Types>;
    /// Emits the vector-Jacobian product: one entry per input, `None` for "no gradient".
    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>>;
}

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident($payload:ty)),* $(,)?) => {
        /// An operation: what a node of a graph does.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Op {
            /// The graph's n-th input. Its type is given when the node is made.
            Input(u32),
            /// One row of the element-wise table; operands of equal shape.
            Elementwise(Ew),
            /// Conversion to another dtype, as NumPy's astype.
            Cast(DType),
            /// The same bytes as another dtype of the same size.
            Bitcast(DType),
            /// A fused loop nest, made by the fusion pass and only there.
            Fused(std::sync::Arc<Kernel>),
            $($(#[$doc])* $name($payload),)*
        }

        impl Op {
            /// The structural rule, for ops that have one (all but input, element-wise and casts).
            pub fn rule(&self) -> Option<&dyn Rule> {
                match self {
                    $(Self::$name(op) => Some(op),)*
                    _ => None,
                }
            }
        }

        $(impl From<$payload> for Op {
            fn from(op: $payload) -> Self {
                Self::$name(op)
            }
        })*
    };
}

ops! {
    /// A constant repeated over a shape.
    Full(Full),
    /// 0, 1, 2, ... along one axis.
    Iota(Iota),
    /// Counter-based random uint32 bits.
    RandomBits(RandomBits),
    /// Same elements, another shape.
    Reshape(Reshape),
    /// Axes permuted.
    Transpose(Transpose),
    /// Axes of size 1 repeated.
    Broadcast(Broadcast),
    /// Strided window.
    Slice(Slice),
    /// Constant padding around and between.
    Pad(Pad),
    /// Joined along an axis.
    Concat(Concat),
    /// Reversed along axes.
    Reverse(Reverse),
    /// Window at a run-time position.
    DynamicSlice(DynamicSlice),
    /// Window written at a run-time position.
    DynamicUpdateSlice(DynamicUpdateSlice),
    /// NumPy's take along one axis.
    Gather(Gather),
    /// NumPy's take_along_axis.
    GatherAlong(GatherAlong),
    /// Rows addressed by index vectors.
    GatherNd(GatherNd),
    /// Updates added along one axis at take_along_axis's positions.
    ScatterAlong(ScatterAlong),
    /// Rows addressed by index vectors, updated.
    ScatterNd(ScatterNd),
    /// Sum, product, max, min, any, all over axes.
    Reduce(Reduce),
    /// Position of the maximum or minimum.
    ArgReduce(ArgReduce),
    /// Running sum, product, max, min, logsumexp.
    Cumulative(Cumulative),
    /// exp(x - max) / sum along an axis.
    Softmax(Softmax),
    /// log of softmax along an axis.
    LogSoftmax(LogSoftmax),
    /// Stable sort with indices.
    Sort(Sort),
    /// Largest k of the last axis with indices.
    TopK(TopK),
    /// Batched matrix product.
    MatMul(MatMul),
    /// n-D cross-correlation.
    Convolution(Convolution),
    /// Its gradient with respect to the input (also: transposed convolution).
    ConvGradInput(ConvGradInput),
    /// Its gradient with respect to the kernel.
    ConvGradKernel(ConvGradKernel),
    /// Max or sum over sliding windows.
    WindowReduce(WindowReduce),
    /// Transpose of a window sum.
    WindowScatterSum(WindowScatterSum),
    /// Adds each value at the position of its window's maximum.
    MaxScatter(MaxScatter),
    /// Takes the value at the position of each window's maximum.
    MaxPick(MaxPick),
    /// Dense factorisations and solves.
    Linalg(Linalg),
    /// A loop over time with a carry.
    Scan(Scan),
    /// A loop until a condition fails.
    While(While),
    /// One of two sub-graphs.
    Cond(Cond),
    /// Identity whose gradient the user gives.
    CustomVjp(CustomVjp),
}

impl Op {
    /// The op's name in messages and dumps.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Elementwise(ew) => ew.name(),
            Self::Cast(_) => "cast",
            Self::Bitcast(_) => "bitcast",
            Self::Fused(_) => "fused",
            other => other.rule().map_or("op", Rule::name),
        }
    }
}
