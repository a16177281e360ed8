//! The CPU as a subject of core's conformance tests.

use oxhorn_core::conformance::{Subject, Tensor, run_on};
use oxhorn_core::{Device, Plan};

use crate::CpuDevice;

/// Runs plans on one thread and on several, which must agree to the bit.
struct Cpu(CpuDevice);

impl Subject for Cpu {
    fn run(&self, plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
        let one = run_on(&CpuDevice::new(1), plan, inputs);
        for threads in [2, 4] {
            let many = run_on(&CpuDevice::new(threads), plan, inputs);
            let bytes = |t: &[Tensor]| t.iter().map(Tensor::bytes).collect::<Vec<_>>();
            assert_eq!(bytes(&one), bytes(&many), "results depend on the number of threads");
        }
        one
    }

    fn device(&self) -> &dyn Device {
        &self.0
    }
}

oxhorn_core::conformance_tests!(Cpu(CpuDevice::new(1)));

#[test]
fn every_pair() {
    oxhorn_core::conformance::kernels::every_pair(&Cpu(CpuDevice::new(1)));
}
