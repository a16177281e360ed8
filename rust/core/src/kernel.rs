//! Kernel IR: one fused loop nest, the same for every device.
//!
//! ```text
//! for each point p of the outer axes of `space`:
//!     accumulators = identity
//!     for each point q of the last `reduced` axes:
//!         registers[i]            = operand_i[offset_i + strides_i . (p, q)]     (loads)
//!         registers[loads + j]    = body_j(registers)                            (scalar ops)
//!         store registers to map outputs, or accumulate into the reduction
//!     store the accumulator
//! ```
//!
//! The registers are numbered: loads first, then the body's results. A kernel without reduction
//! stores any number of registers, each as a dense row-major tensor over `space`. A kernel with one
//! stores only its accumulator, dense over the outer axes.

use smallvec::SmallVec;

use crate::elementwise::Ew;
use crate::op::ReduceKind;
use crate::shape::Dims;
use crate::{DType, Scalar};

/// Number of a register.
pub type Reg = u32;

/// One fused loop nest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// Sizes of the loops, outermost first; adjacent axes that every load walks as one are merged.
    pub space: Dims,
    /// How many of the last axes are reduced (0: none).
    pub reduced: usize,
    /// Operands read. Several loads may read one operand with different maps.
    pub loads: Vec<Load>,
    /// Scalar ops in order.
    pub body: Vec<Instr>,
    /// The reduction, present exactly when `reduced > 0`.
    pub reduction: Option<Reduction>,
    /// Registers stored, one per output of the node, when there is no reduction.
    pub stores: SmallVec<[Reg; 2]>,
}

/// A strided read of an operand.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Load {
    /// Which operand of the node.
    pub operand: u32,
    /// Element type.
    pub dtype: DType,
    /// Elements before the first one read.
    pub offset: isize,
    /// Elements per step of each axis of `space`; 0 repeats, negative reverses.
    pub strides: SmallVec<[isize; 6]>,
}

/// A scalar op.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Instr {
    /// A row of the element-wise table. `dtype` is that of the operands (of `x` for `where`, whose
    /// condition is bool); the result's follows from the row.
    Elementwise {
        /// The row.
        op: Ew,
        /// Operand dtype.
        dtype: DType,
        /// Operand registers.
        args: SmallVec<[Reg; 3]>,
    },
    /// Conversion.
    Cast {
        /// From.
        from: DType,
        /// To.
        to: DType,
        /// Operand register.
        arg: Reg,
    },
    /// A constant.
    Const(Scalar),
    /// offset + strides . index, as a number.
    Index {
        /// Result dtype.
        dtype: DType,
        /// Value at the origin.
        offset: i64,
        /// Increase per step of each axis.
        strides: SmallVec<[i64; 6]>,
    },
}

/// The reduction of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reduction {
    /// Sum, product, max, min, any or all.
    pub kind: ReduceKind,
    /// Element type of register and result; sums of float16/bfloat16 accumulate in float32.
    pub dtype: DType,
    /// The register accumulated.
    pub register: Reg,
}

impl Instr {
    /// Dtype of the result.
    pub fn dtype(&self) -> DType {
        match self {
            Self::Elementwise { op, dtype, .. } => op.result_dtype(*dtype),
            Self::Cast { to, .. } => *to,
            Self::Const(value) => value.dtype(),
            Self::Index { dtype, .. } => *dtype,
        }
    }
}

impl Kernel {
    /// Whether a load reads at each point of `space` the element of that number.
    pub fn is_identity(&self, load: &Load) -> bool {
        let mut step = 1;
        load.offset == 0
            && self.space.iter().zip(&load.strides).rev().all(|(&size, &stride)| {
                let fits = size == 1 || stride == step as isize;
                step *= size;
                fits
            })
    }

    /// Dtype of a register.
    pub fn dtype(&self, register: Reg) -> DType {
        let i = register as usize;
        match self.loads.get(i) {
            Some(load) => load.dtype,
            None => self.body[i - self.loads.len()].dtype(),
        }
    }
}
