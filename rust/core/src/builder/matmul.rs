//! Matrix products as NumPy has them.

use crate::op::MatMul;
use crate::{Error, Graph, Result, Shape, Value};

impl Graph {
    /// NumPy's matmul: rank-1 operands are a row and a column, batch axes broadcast. A transpose flag says
    /// that an operand's last two axes are stored the other way round (and means nothing at rank 1).
    ///
    /// An operand b without batches stays of rank 2, shared by all batches of a.
    pub fn matmul(&mut self, a: Value, b: Value, transpose_a: bool, transpose_b: bool) -> Result<Value> {
        let (rank_a, rank_b) = (self.shape(a).rank(), self.shape(b).rank());
        if rank_a == 0 || rank_b == 0 {
            let got = format!("{} and {}", self.shape(a), self.shape(b));
            return Err(Error::shape("matmul", "operands of rank 1 or more", got));
        }
        let (mut a, mut b) = (a, b);
        if rank_a == 1 {
            let k = self.shape(a)[0];
            a = self.reshape(a, [1, k])?;
        }
        if rank_b == 1 {
            let k = self.shape(b)[0];
            b = self.reshape(b, [k, 1])?;
        }
        let (shape_a, shape_b) = (self.shape(a).clone(), self.shape(b).clone());
        let (batch_a, matrix_a) = shape_a.split_at(shape_a.rank() - 2);
        let (batch_b, matrix_b) = shape_b.split_at(shape_b.rank() - 2);
        if batch_b.iter().all(|&d| d == 1) {
            // b is shared; its axes of size 1 may still add to the rank of the result.
            let missing = batch_b.len().saturating_sub(batch_a.len());
            let padded = std::iter::repeat_n(1, missing).chain(shape_a.iter().copied()).collect::<Shape>();
            a = self.reshape(a, padded)?;
            b = self.reshape(b, matrix_b)?;
        } else {
            let batch = Shape::from(batch_a).broadcast(&batch_b.into()).ok_or_else(|| {
                Error::shape("matmul", "batch axes that broadcast", format!("{shape_a} and {shape_b}"))
            })?;
            let with = |matrix: &[usize]| batch.iter().chain(matrix).copied().collect::<Shape>();
            a = self.broadcast_to(a, &with(matrix_a))?;
            b = self.broadcast_to(b, &with(matrix_b))?;
        }
        let op = MatMul { transpose_a: transpose_a && rank_a > 1, transpose_b: transpose_b && rank_b > 1 };
        let y = self.add1(op, &[a, b])?;
        let rank = self.shape(y).rank();
        let dropped = [(rank_a == 1).then(|| rank - 2), (rank_b == 1).then(|| rank - 1)];
        let dropped: Vec<usize> = dropped.into_iter().flatten().collect();
        let shape = self.shape(y).without(&dropped);
        self.reshape(y, shape)
    }

    /// Sum over pairs of axes; the result has a's other axes, then b's.
    pub fn tensordot(&mut self, a: Value, b: Value, axes_a: &[usize], axes_b: &[usize]) -> Result<Value> {
        const OP: &str = "tensordot";
        let (rank_a, rank_b) = (self.shape(a).rank(), self.shape(b).rank());
        if axes_a.len() != axes_b.len() {
            let message = format!("expected as many axes of a as of b, got {axes_a:?} and {axes_b:?}");
            return Err(Error::attribute(OP, message));
        }
        for (axes, rank) in [(axes_a, rank_a), (axes_b, rank_b)] {
            let mut sorted = axes.to_vec();
            sorted.sort_unstable();
            crate::infer::axes(OP, &sorted, rank)?;
        }
        for (&i, &j) in axes_a.iter().zip(axes_b) {
            let (n, m) = (self.shape(a)[i], self.shape(b)[j]);
            if n != m {
                return Err(Error::shape(OP, format!("axis {j} of b of size {n}"), m.to_string()));
            }
        }
        let labels_a: Vec<u32> = (0..rank_a as u32).collect();
        let mut labels_b: Vec<u32> = (0..rank_b as u32).map(|j| rank_a as u32 + j).collect();
        for (&i, &j) in axes_a.iter().zip(axes_b) {
            labels_b[j] = labels_a[i];
        }
        let free_a = labels_a.iter().filter(|&&l| !labels_b.contains(&l));
        let free_b = labels_b.iter().filter(|&&l| !labels_a.contains(&l));
        let out: Vec<u32> = free_a.chain(free_b).copied().collect();
        super::einsum::contract_all(self, vec![(a, labels_a), (b, labels_b)], &out)
    }
}
