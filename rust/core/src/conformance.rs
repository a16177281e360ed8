//! What every device must compute: cases that hold its results against the reference.
//!
//! A device's own tests are `conformance_tests!(subject)` in a test module, where `subject` implements
//! [`Subject`].
#![allow(clippy::unwrap_used)] // a case that cannot be built fails its test

pub mod kernels;
pub mod ops;

use std::sync::Arc;

use crate::device::BufferRef;
use crate::plan::{Operand, Place, Plan, Step};
use crate::{DType, Device, Op, Scalar, TensorType};

/// A device under test.
pub trait Subject {
    /// Runs a plan.
    fn run(&self, plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor>;
    /// The device, for plans that it must refuse.
    fn device(&self) -> &dyn Device;
}

/// One test for each case, on a [`Subject`].
#[macro_export]
macro_rules! conformance_tests {
    (@ $subject:expr; $($module:ident: $($name:ident)*;)*) => {
        $($(
            #[test]
            fn $name() {
                $crate::conformance::$module::$name(&$subject);
            }
        )*)*
    };
    ($subject:expr) => {
        $crate::conformance_tests! {
            @ $subject;
            kernels:
                random_maps_agree_with_the_reference
                random_maps_of_halves_agree_with_the_reference
                random_reductions_agree_with_the_reference
                logical_reductions
                sums_of_a_million_are_accurate_along_any_axis
                nan_survives_extrema
                updates_in_place_read_everything_before_they_write
                a_swap_in_place
                every_row_on_every_dtype
                every_cast
                angles_of_any_size
                malformed_kernels_are_errors;
            ops:
                softmax_along_any_axis
                running_totals
                positions_of_extrema
                sorting
                random_bits
                padding
                concatenation
                slices_at_run_time
                gathers
                scatters
                products
                scans
                scans_in_blocks
                loops_and_branches
                convolutions
                pooling
                linear_algebra;
        }
    };
}

/// A tensor of the tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Dtype and shape.
    pub ty: TensorType,
    /// The elements.
    pub values: Vec<Scalar>,
}

impl Tensor {
    /// A tensor of the first of `values`, rounded to the dtype.
    pub fn new(dtype: DType, shape: &[usize], values: impl IntoIterator<Item = f64>) -> Self {
        let ty = TensorType::new(dtype, shape);
        let values: Vec<_> =
            values.into_iter().take(ty.shape.numel()).map(|v| Scalar::from_f64(v, dtype)).collect();
        assert_eq!(values.len(), ty.shape.numel());
        Self { ty, values }
    }

    /// Values that suit the dtype: small integers, fractions of both signs.
    pub fn random(dtype: DType, shape: &[usize], random: &mut Random) -> Self {
        Self::new(dtype, shape, std::iter::repeat_with(|| random.value(dtype)))
    }

    /// The elements as they lie in memory.
    pub fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.to_le_bytes()[..self.ty.dtype.size()].to_vec()).collect()
    }

    /// The tensor that lies in `bytes`.
    pub fn from_bytes(ty: TensorType, bytes: &[u8]) -> Self {
        let values =
            bytes.chunks_exact(ty.dtype.size()).map(|b| Scalar::from_le_bytes(b, ty.dtype)).collect();
        Self { ty, values }
    }
}

/// A small generator (SplitMix64), so that tests repeat.
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    #[allow(clippy::should_implement_trait)] // an endless source needs no Option
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A value that suits the dtype.
    pub fn value(&mut self, dtype: DType) -> f64 {
        match dtype.class() {
            crate::dtype::Class::Bool => self.below(2) as f64,
            crate::dtype::Class::Unsigned => self.below(12) as f64,
            crate::dtype::Class::Signed => self.below(15) as f64 - 7.0,
            crate::dtype::Class::Float => self.unit() * 4.0 - 2.0,
        }
    }
}

/// A plan of one step.
pub fn one_step(op: Op, inputs: &[TensorType], outputs: &[TensorType], plans: Vec<Arc<Plan>>) -> Plan {
    let operand = |place: fn(u32) -> Place| {
        move |(i, ty): (usize, &TensorType)| Operand { place: place(i as u32), ty: ty.clone() }
    };
    let step = Step {
        op,
        inputs: inputs.iter().enumerate().map(operand(Place::Input)).collect(),
        outputs: outputs.iter().enumerate().map(operand(Place::Output)).collect(),
        plans,
    };
    Plan {
        inputs: inputs.to_vec(),
        outputs: outputs.to_vec(),
        donations: vec![None; outputs.len()],
        steps: vec![step],
        arena_bytes: 0,
        source_nodes: 1,
    }
}

/// Runs a plan on a device and gives its outputs.
pub fn run_on(device: &dyn Device, plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
    let executable = device.compile(plan.clone()).unwrap();
    let mut buffers: Vec<BufferRef> = inputs.iter().map(|x| device.upload(&x.bytes()).unwrap()).collect();
    let outputs = executable.run(&mut buffers, None).unwrap();
    let tensor =
        |(buffer, ty): (&BufferRef, &TensorType)| Tensor::from_bytes(ty.clone(), &buffer.to_host().unwrap());
    outputs.iter().zip(&plan.outputs).map(tensor).collect()
}

/// Fails unless `got` is within `ulps` units in the last place of its dtype of `expected` (or within
/// `floor` absolutely).
pub fn close(got: &Tensor, expected: &Tensor, ulps: f64, floor: f64, what: &str) {
    assert_eq!(got.ty, expected.ty, "{what}");
    assert_eq!(got.values.len(), expected.values.len(), "{what}");
    let epsilon = match got.ty.dtype {
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        DType::F32 => 2f64.powi(-23),
        DType::F64 => 2f64.powi(-52),
        _ => 0.0,
    };
    for (i, (&g, &e)) in got.values.iter().zip(&expected.values).enumerate() {
        if epsilon == 0.0 {
            assert_eq!(g, e, "{what}: element {i}");
            continue;
        }
        let (g, e) = (g.as_f64(), e.as_f64());
        let good = g == e || (g.is_nan() && e.is_nan()) || (g - e).abs() <= floor + ulps * epsilon * e.abs();
        assert!(good, "{what}: element {i}: expected {e:e}, got {g:e}");
    }
}
