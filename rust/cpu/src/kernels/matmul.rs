//! Matrix products, by the GEMM.

use oxhorn_core::op::MatMul;
use oxhorn_core::{DType, Error, Result};

use super::element::{Tensor, with_element};
use crate::gemm::{Epilogue, GemmDims, MatMut, MatRef, gemm};
use crate::step::{Args, Task};

/// How an operand is walked: strides of rows, columns and matrices in elements.
#[derive(Debug, Clone, Copy)]
struct Layout {
    row: usize,
    column: usize,
    batch: usize,
}

impl Layout {
    /// Of `rows` by `columns` matrices, or of their transposes stored the other way round.
    fn new(rows: usize, columns: usize, transposed: bool) -> Self {
        let (row, column) = if transposed { (1, rows) } else { (columns, 1) };
        Self { row, column, batch: rows * columns }
    }

    fn of<T>(self, data: &[T]) -> MatRef<'_, T> {
        MatRef { data, row_stride: self.row, col_stride: self.column, batch_stride: self.batch }
    }
}

/// See [`MatMul`].
pub(crate) fn matmul(op: &MatMul, args: &Args<'_>) -> Result<Task> {
    let ([a, b], [c]) = (args.inputs, args.outputs) else { return Err(args.malformed("two operands")) };
    let dtype = c.dtype();
    if dtype == DType::Bool {
        return Err(Error::dtype(args.name, "a numeric dtype", dtype));
    }
    let rank = c.dims().len();
    let (batch, m, n) = (c.dims()[..rank - 2].iter().product(), c.dims()[rank - 2], c.dims()[rank - 1]);
    let k = a.dims()[if op.transpose_a { rank - 2 } else { rank - 1 }];
    let mut dims = GemmDims { batch, m, n, k };
    let layout_a = Layout::new(m, k, op.transpose_a);
    let mut layout_b = Layout::new(k, n, op.transpose_b);
    if b.dims().len() == 2 && rank > 2 {
        layout_b.batch = 0;
        if !op.transpose_a {
            // One tall product instead of many with the same right side.
            dims = GemmDims { batch: 1, m: batch * m, n, k };
        }
    }
    let (a, b, c) = (Tensor::of(a), Tensor::of(b), Tensor::of(c));
    Ok(Box::new(move |frame| {
        with_element!(dtype, T => {
            // SAFETY: the dtype's own type; the result is this step's own.
            let (a, b, data) = unsafe { (a.read::<T>(frame), b.read::<T>(frame), c.write::<T>(frame)) };
            let c = MatMut { data, row_stride: n, batch_stride: dims.m * n };
            gemm(frame.pool, &dims, layout_a.of(a), layout_b.of(b), c, false, Epilogue::default());
        });
    }))
}
