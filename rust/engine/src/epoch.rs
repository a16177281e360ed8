//! The epoch loop: gather a batch, run the compiled step, again.

use std::time::{Duration, Instant};

use oxhorn_core::device::BufferRef;
use oxhorn_core::op::Gather;
use oxhorn_core::{DType, Executable, Graph, TensorType};
use std::sync::Arc;

use crate::function::Function;
use crate::runtime::Runtime;
use crate::tensor::Tensor;
use crate::{Error, Result};

/// Runs a [`Function`] over batches of samples gathered from arrays.
#[derive(Debug)]
pub struct EpochLoop {
    arrays: Vec<Tensor>,
    constants: Vec<BufferRef>,
    order: Option<Vec<i64>>,
    samples: usize,
    batch: usize,
    position: usize,
    gather: Arc<dyn Executable>,
    last: Option<(Vec<TensorType>, Vec<BufferRef>)>,
}

impl EpochLoop {
    /// A pass over `arrays`, whose first axes (the samples) have one size, in `order` (default: as they
    /// lie). `constants` follow the batch in every call.
    pub fn new(
        arrays: Vec<Tensor>,
        batch: usize,
        order: Option<Vec<i64>>,
        constants: &[Tensor],
    ) -> Result<Self> {
        let available = match arrays.first().map(|a| a.shape().first().copied()) {
            Some(Some(samples)) => samples,
            _ => return Err(Error::invalid("epoch: expected at least one array with a sample axis")),
        };
        if let Some(bad) = arrays.iter().find(|a| a.shape().first() != Some(&available)) {
            let message =
                format!("epoch: expected {available} samples, got an array of shape {}", bad.shape());
            return Err(Error::invalid(message));
        }
        if batch == 0 {
            return Err(Error::invalid("epoch: expected a batch size of at least 1, got 0"));
        }
        let samples = order.as_ref().map_or(available, Vec::len);
        if let Some(&bad) = order.iter().flatten().find(|&&i| i < 0 || i as usize >= available) {
            return Err(Error::invalid(format!(
                "epoch: sample {bad} is out of range for {available} samples"
            )));
        }
        let constants = constants.iter().map(|t| t.buffer().cloned()).collect::<Result<_>>()?;
        let gather = Self::compile_gather(&arrays, batch)?;
        Ok(Self { arrays, constants, order, samples, batch, position: 0, gather, last: None })
    }

    fn compile_gather(arrays: &[Tensor], count: usize) -> Result<Arc<dyn Executable>> {
        let mut graph = Graph::new();
        let sources: Vec<_> = arrays.iter().map(|a| graph.input(a.ty().clone())).collect();
        let indices = graph.input(TensorType::new(DType::I64, [count]));
        for source in sources {
            let rows = graph.add1(Gather { axis: 0 }, &[source, indices])?;
            graph.outputs.push(rows);
        }
        Runtime::current().compile_cached(graph)
    }

    /// Samples consumed so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Samples that are left.
    pub fn remaining(&self) -> usize {
        self.samples - self.position
    }

    /// Runs up to `max_steps` full batches, stopping early once `max_time` has passed, but always after
    /// one; returns how many ran.
    pub fn run(&mut self, function: &Function, max_steps: usize, max_time: Duration) -> Result<usize> {
        self.check(function)?;
        let start = Instant::now();
        let mut steps = 0;
        while steps < max_steps && self.remaining() >= self.batch {
            let gather = self.gather.clone();
            let mut batch = self.next(&gather, self.batch)?;
            batch.extend(self.constants.iter().cloned());
            let outputs = function.call_buffers(&batch)?;
            self.last = Some((function.outputs().to_vec(), outputs));
            steps += 1;
            if start.elapsed() >= max_time {
                break;
            }
        }
        Ok(steps)
    }

    /// The next `count` samples, for a last, smaller batch.
    pub fn gather(&mut self, count: usize) -> Result<Vec<Tensor>> {
        let count = count.min(self.remaining());
        let gather = Self::compile_gather(&self.arrays, count)?;
        let buffers = self.next(&gather, count)?;
        let types = self.arrays.iter().map(|array| Self::batch_type(array, count));
        types.zip(buffers).map(|(ty, buffer)| Tensor::from_buffer(ty, buffer)).collect()
    }

    /// Outputs of the last step that ran.
    pub fn outputs(&self) -> Vec<Tensor> {
        let (types, buffers) = match &self.last {
            Some((types, buffers)) => (types.as_slice(), buffers.as_slice()),
            None => (&[][..], &[][..]),
        };
        types.iter().zip(buffers).map(|(ty, b)| Tensor::concrete(ty.clone(), b.clone())).collect()
    }

    fn next(&mut self, gather: &Arc<dyn Executable>, count: usize) -> Result<Vec<BufferRef>> {
        let range = self.position..self.position + count;
        let counted: Vec<i64>;
        let rows: &[i64] = match &self.order {
            Some(order) => &order[range],
            None => {
                counted = range.map(|i| i as i64).collect();
                &counted
            }
        };
        let mut inputs = self.arrays.iter().map(|a| a.buffer().cloned()).collect::<Result<Vec<_>>>()?;
        inputs.push(Runtime::current().device().upload(bytemuck::cast_slice(rows))?);
        let batch = gather.run(&mut inputs, None)?;
        self.position += count;
        Ok(batch)
    }

    fn batch_type(array: &Tensor, count: usize) -> TensorType {
        let mut shape = array.shape().clone();
        shape.0[0] = count;
        TensorType::new(array.dtype(), shape)
    }

    fn check(&self, function: &Function) -> Result<()> {
        let expected = function.arguments();
        let got = self.arrays.len() + self.constants.len();
        if expected.len() != got {
            return Err(Error::ArgumentCount { expected: expected.len(), got });
        }
        for (index, (array, expected)) in self.arrays.iter().zip(expected).enumerate() {
            let got = Self::batch_type(array, self.batch);
            if got != *expected {
                return Err(Error::Argument {
                    index,
                    expected: Box::new(expected.clone()),
                    got: Box::new(got),
                });
            }
        }
        Ok(())
    }
}
