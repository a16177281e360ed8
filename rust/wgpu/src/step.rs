//! Where the operands of a step lie.

use oxhorn_core::plan::Step;
use oxhorn_core::{DType, Error, TensorType};

/// A piece of a buffer of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    /// Entry of the run's table of buffers; entry 0 is the arena.
    pub base: u32,
    /// Bytes from its start.
    pub offset: usize,
    /// Length in bytes.
    pub bytes: usize,
}

/// An operand or result of a step.
#[derive(Debug, Clone)]
pub(crate) struct Arg {
    /// Entry of the run's table of buffers.
    pub base: u32,
    /// Bytes from its start.
    pub offset: usize,
    /// Its type.
    pub ty: TensorType,
}

impl Arg {
    /// A value of type `ty` at the start of a region.
    pub fn at(region: Region, ty: TensorType) -> Self {
        Self { base: region.base, offset: region.offset, ty }
    }

    /// Its bytes, as elements of `size` bytes.
    pub fn region(&self, size: usize) -> Region {
        Region { base: self.base, offset: self.offset, bytes: self.ty.shape.numel() * size }
    }

    /// Its bytes.
    pub fn bytes(&self) -> Region {
        self.region(self.ty.dtype.size())
    }

    /// Sizes of the axes.
    pub fn dims(&self) -> &[usize] {
        &self.ty.shape
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.ty.dtype
    }

    /// Number of elements.
    pub fn numel(&self) -> usize {
        self.ty.shape.numel()
    }
}

/// A step with its operands resolved.
pub(crate) struct Args<'a> {
    /// The step.
    pub step: &'a Step,
    /// Operands.
    pub inputs: &'a [Arg],
    /// Results.
    pub outputs: &'a [Arg],
}

impl Args<'_> {
    /// A broken plan.
    pub fn malformed(&self, expected: &str) -> Refusal {
        let types = |args: &[Arg]| args.iter().map(|a| a.ty.clone()).collect::<Vec<_>>();
        Refusal::Failed(Error::Internal(format!(
            "{}: expected {expected}, got {:?} -> {:?}",
            self.step.op.name(),
            types(self.inputs),
            types(self.outputs)
        )))
    }
}

/// Why a step has not been compiled.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// No shader can do it: the host has to.
    Host(String),
    /// Nothing can.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// A walk along one axis: element (o, j, i) is number (o * n + j) * inner + i.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AxisView {
    pub outer: usize,
    pub n: usize,
    pub inner: usize,
}

impl AxisView {
    /// Of a tensor of these dimensions.
    pub fn new(dims: &[usize], axis: usize) -> Self {
        let (outer, inner) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
        Self { outer, n: dims[axis], inner }
    }
}
