//! Ops that create values.

use crate::infer::{self, one, operands};
use crate::op::{Rule, Types, VjpContext};
use crate::{DType, Result, Scalar, Shape, TensorType, Value};

/// `value` repeated over `shape`. No operands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Full {
    /// Shape of the result.
    pub shape: Shape,
    /// The value.
    pub value: Scalar,
}

/// 0, 1, 2, ... along `axis`, the same along the others. No operands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Iota {
    /// Shape of the result.
    pub shape: Shape,
    /// Element type.
    pub dtype: DType,
    /// The axis counted.
    pub axis: usize,
}

/// uint32 bits of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
///
/// Operand: uint32 (2,), the key. Element i is word i % 4 of block i / 4: the counter is
/// (low word of the block number, its high word, 0, 0).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RandomBits {
    /// Shape of the result.
    pub shape: Shape,
}

impl Rule for Full {
    fn name(&self) -> &'static str {
        "full"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [] = operands(self.name(), inputs)?;
        one(self.value.dtype(), self.shape.clone())
    }

    fn vjp(&self, _: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        Ok(Vec::new())
    }
}

impl Rule for Iota {
    fn name(&self) -> &'static str {
        "iota"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [] = operands(self.name(), inputs)?;
        infer::axis(self.name(), self.axis, self.shape.rank())?;
        infer::numeric(self.name(), &TensorType::new(self.dtype, Shape::scalar()))?;
        one(self.dtype, self.shape.clone())
    }

    fn vjp(&self, _: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        Ok(Vec::new())
    }
}

impl Rule for RandomBits {
    fn name(&self) -> &'static str {
        "random_bits"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [key] = operands(self.name(), inputs)?;
        infer::same_type(self.name(), "a key", &TensorType::new(DType::U32, [2]), key)?;
        one(DType::U32, self.shape.clone())
    }

    fn vjp(&self, _: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        Ok(vec![None])
    }
}
