//! Helpers of the tests: values of every dtype, one-step plans, comparison within a tolerance.

use std::sync::Arc;

use oxhorn_core::device::BufferRef;
use oxhorn_core::plan::{Operand, Place, Plan, Step};
use oxhorn_core::{DType, Device, Op, Scalar, TensorType};

use crate::CpuDevice;

/// A tensor of the tests.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub ty: TensorType,
    pub values: Vec<Scalar>,
}

impl Tensor {
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

    pub fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|v| v.to_le_bytes()[..self.ty.dtype.size()].to_vec()).collect()
    }

    pub fn from_bytes(ty: TensorType, bytes: &[u8]) -> Self {
        let values = bytes.chunks_exact(ty.dtype.size()).map(|b| scalar(ty.dtype, b)).collect();
        Self { ty, values }
    }
}

/// The scalar stored in `bytes`.
pub(crate) fn scalar(dtype: DType, bytes: &[u8]) -> Scalar {
    let mut word = [0u8; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let bits = u64::from_le_bytes(word);
    let value = match dtype {
        DType::F16 => half::f16::from_bits(bits as u16).to_f64(),
        DType::BF16 => half::bf16::from_bits(bits as u16).to_f64(),
        DType::F32 => f64::from(f32::from_bits(bits as u32)),
        DType::F64 => f64::from_bits(bits),
        _ => return Scalar::from_u64(bits, dtype),
    };
    Scalar::from_f64(value, dtype)
}

/// A small generator (SplitMix64), so that tests repeat.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn value(&mut self, dtype: DType) -> f64 {
        match dtype.class() {
            oxhorn_core::dtype::Class::Bool => self.below(2) as f64,
            oxhorn_core::dtype::Class::Unsigned => self.below(12) as f64,
            oxhorn_core::dtype::Class::Signed => self.below(15) as f64 - 7.0,
            oxhorn_core::dtype::Class::Float => self.unit() * 4.0 - 2.0,
        }
    }
}

/// A plan of one step.
pub(crate) fn one_step(op: Op, inputs: &[TensorType], outputs: &[TensorType], plans: Vec<Arc<Plan>>) -> Plan {
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
pub(crate) fn run_on(device: &CpuDevice, plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
    let executable = device.compile(plan.clone()).unwrap();
    let mut buffers: Vec<BufferRef> = inputs.iter().map(|x| device.upload(&x.bytes()).unwrap()).collect();
    let outputs = executable.run(&mut buffers, None).unwrap();
    let tensor = |(buffer, ty): (&BufferRef, &TensorType)| {
        Tensor::from_bytes(ty.clone(), &device.download(&**buffer).unwrap())
    };
    outputs.iter().zip(&plan.outputs).map(tensor).collect()
}

/// Runs a plan on one thread and on three, which must agree to the bit.
pub(crate) fn run(plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
    let one = run_on(&CpuDevice::new(1), plan, inputs);
    for threads in [2, 4] {
        let many = run_on(&CpuDevice::new(threads), plan, inputs);
        let bytes = |t: &[Tensor]| t.iter().map(Tensor::bytes).collect::<Vec<_>>();
        assert_eq!(bytes(&one), bytes(&many), "results depend on the number of threads");
    }
    one
}

/// Fails unless `got` is within `ulps` units in the last place of its dtype of `expected` (or within
/// `floor` absolutely).
pub(crate) fn close(got: &Tensor, expected: &Tensor, ulps: f64, floor: f64, what: &str) {
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
