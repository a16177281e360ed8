//! Integer products: a plain loop, rows shared out.

use super::{Epilogue, GemmDims, GemmElem, MatMut, MatRef};
use crate::isa::Isa;
use crate::pool::{SharedMut, ThreadPool, parallel_for};

/// Multiply-adds that are worth a task of their own.
const TASK: usize = 1 << 16;

macro_rules! integer {
    ($($elem:ty)*) => {$(
        impl GemmElem for $elem {
            fn product(
                pool: &ThreadPool,
                _: Isa,
                dims: &GemmDims,
                a: MatRef<'_, Self>,
                b: MatRef<'_, Self>,
                c: MatMut<'_, Self>,
                accumulate: bool,
                epilogue: Epilogue<'_, Self>,
            ) {
                let &GemmDims { batch, m, n, k } = dims;
                let shared = SharedMut::new(c.data);
                parallel_for(pool, batch * m, (TASK / (n * k.max(1))).max(1), |rows| {
                    for (e, i) in rows.map(|row| (row / m, row % m)) {
                        let start = e * c.batch_stride + i * c.row_stride;
                        // SAFETY: rows do not overlap, and one task has this one.
                        let row = unsafe { shared.slice(start..start + n) };
                        if !accumulate {
                            row.fill(0);
                        }
                        for p in 0..k {
                            let x = a.data[e * a.batch_stride + i * a.row_stride + p * a.col_stride];
                            let from = e * b.batch_stride + p * b.row_stride;
                            if b.col_stride == 1 {
                                for (y, &z) in row.iter_mut().zip(&b.data[from..from + n]) {
                                    *y = y.wrapping_add(x.wrapping_mul(z));
                                }
                            } else {
                                for (j, y) in row.iter_mut().enumerate() {
                                    *y = y.wrapping_add(x.wrapping_mul(b.data[from + j * b.col_stride]));
                                }
                            }
                        }
                        if let Some(bias) = epilogue.bias {
                            row.iter_mut().zip(bias).for_each(|(y, &z)| *y = y.wrapping_add(z));
                        }
                        if epilogue.relu {
                            row.iter_mut().for_each(|y| *y = (*y).max(0));
                        }
                    }
                });
            }
        }
    )*};
}
integer! { i8 i16 i32 i64 u8 u16 u32 u64 }
