//! n-D convolution (n = 1, 2, 3) and its two gradients; closed under differentiation.
//!
//! Layouts: x (batch, *space, c_in); kernel (*window, c_in / groups, c_out); y (batch, *out, c_out).

use smallvec::SmallVec;

use crate::infer::{self, one, operands};
use crate::op::{Rule, Types, VjpContext};
use crate::shape::Dims;
use crate::{Error, Op, Result, Shape, TensorType, Value};

/// Geometry shared by the three ops, one entry per spatial axis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConvSpec {
    /// Step of the window.
    pub strides: Dims,
    /// Zeros before and after each spatial axis; may be negative (crop).
    pub padding: SmallVec<[(isize, isize); 3]>,
    /// Distance between the window's elements.
    pub dilation: Dims,
    /// Number of independent channel groups.
    pub groups: usize,
}

/// Operands: x, kernel. Cross-correlation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Convolution {
    /// Geometry.
    pub spec: ConvSpec,
}

/// Operands: dy, kernel. Gradient with respect to x.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConvGradInput {
    /// Geometry of the forward convolution.
    pub spec: ConvSpec,
    /// Shape of x.
    pub input: Shape,
}

/// Operands: x, dy. Gradient with respect to the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ConvGradKernel {
    /// Geometry of the forward convolution.
    pub spec: ConvSpec,
    /// Shape of the kernel.
    pub kernel: Shape,
}

impl ConvSpec {
    /// Shape of y for x and a kernel of these shapes.
    fn output(&self, op: &'static str, x: &Shape, kernel: &Shape) -> Result<Shape> {
        let rank = x.rank();
        if !(3..=5).contains(&rank) || kernel.rank() != rank {
            let expected = "an input and a kernel of rank 3, 4 or 5";
            return Err(Error::shape(op, expected, format!("{x} and {kernel}")));
        }
        let spatial = rank - 2;
        infer::per_axis(op, "strides", self.strides.len(), spatial)?;
        infer::per_axis(op, "padding", self.padding.len(), spatial)?;
        infer::per_axis(op, "dilation", self.dilation.len(), spatial)?;
        infer::positive(op, "strides", &self.strides)?;
        infer::positive(op, "dilation", &self.dilation)?;
        infer::positive(op, "groups", &[self.groups])?;
        infer::positive(op, "window sizes", &kernel[..spatial])?;
        let (c_in, c_out) = (kernel[spatial], kernel[spatial + 1]);
        if c_in.checked_mul(self.groups) != Some(x[rank - 1]) || c_out % self.groups != 0 {
            let expected = format!("a kernel for {} channels in {} groups", x[rank - 1], self.groups);
            return Err(Error::shape(op, expected, kernel.to_string()));
        }
        let mut y = x.clone();
        for i in 0..spatial {
            y.0[i + 1] = infer::window_positions(
                op,
                x[i + 1],
                kernel[i],
                self.strides[i],
                self.dilation[i],
                self.padding[i],
            )?;
        }
        y.0[rank - 1] = c_out;
        y.check()
    }
}

/// The cotangents of a node's two operands, each made only if needed.
fn both(
    cx: &mut VjpContext<'_>,
    emit: impl Fn(usize, Value, Value, Value) -> (Op, [Value; 2]),
) -> Result<Vec<Option<Value>>> {
    let (&[a, b], &[Some(cotangent)]) = (cx.inputs, cx.cotangents) else {
        return Ok(vec![None; cx.inputs.len()]);
    };
    let needed = [cx.needed[0], cx.needed[1]];
    let mut cotangent_of = |i: usize| -> Result<Option<Value>> {
        let (op, operands) = emit(i, a, b, cotangent);
        if needed[i] { cx.graph.add1(op, &operands).map(Some) } else { Ok(None) }
    };
    Ok(vec![cotangent_of(0)?, cotangent_of(1)?])
}

impl Rule for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, kernel] = operands(self.name(), inputs)?;
        infer::float(self.name(), x)?;
        infer::same_dtype(self.name(), x, kernel)?;
        one(x.dtype, self.spec.output(self.name(), &x.shape, &kernel.shape)?)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let (input, kernel) = cx.operand_shapes();
        both(cx, |i, x, k, dy| match i {
            0 => (ConvGradInput { spec: self.spec.clone(), input: input.clone() }.into(), [dy, k]),
            _ => (ConvGradKernel { spec: self.spec.clone(), kernel: kernel.clone() }.into(), [x, dy]),
        })
    }
}

impl Rule for ConvGradInput {
    fn name(&self) -> &'static str {
        "conv_grad_input"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [dy, kernel] = operands(self.name(), inputs)?;
        infer::float(self.name(), dy)?;
        infer::same_dtype(self.name(), dy, kernel)?;
        let input = self.input.clone().check()?;
        infer::same_shape(self.name(), &self.spec.output(self.name(), &input, &kernel.shape)?, dy)?;
        one(dy.dtype, input)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let (_, kernel) = cx.operand_shapes();
        both(cx, |i, dy, k, ddx| match i {
            0 => (Convolution { spec: self.spec.clone() }.into(), [ddx, k]),
            _ => (ConvGradKernel { spec: self.spec.clone(), kernel: kernel.clone() }.into(), [ddx, dy]),
        })
    }
}

impl Rule for ConvGradKernel {
    fn name(&self) -> &'static str {
        "conv_grad_kernel"
    }

    fn infer(&self, inputs: &[TensorType]) -> Result<Types> {
        let [x, dy] = operands(self.name(), inputs)?;
        infer::float(self.name(), x)?;
        infer::same_dtype(self.name(), x, dy)?;
        let kernel = self.kernel.clone().check()?;
        infer::same_shape(self.name(), &self.spec.output(self.name(), &x.shape, &kernel)?, dy)?;
        one(x.dtype, kernel)
    }

    fn vjp(&self, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
        let (input, _) = cx.operand_shapes();
        both(cx, |i, x, dy, ddk| match i {
            0 => (ConvGradInput { spec: self.spec.clone(), input: input.clone() }.into(), [dy, ddk]),
            _ => (Convolution { spec: self.spec.clone() }.into(), [x, ddk]),
        })
    }
}
