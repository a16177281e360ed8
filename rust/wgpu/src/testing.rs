//! The GPU as a subject of core's conformance tests, on whatever adapter the machine has (Mesa's software
//! driver will do). The tests fail where there is none.

use std::sync::{Arc, LazyLock};

use oxhorn_core::conformance::{Subject, Tensor, run_on};
use oxhorn_core::{Device, Plan};

use crate::{Options, WgpuDevice};

fn open(options: Options) -> WgpuDevice {
    let host = Arc::new(oxhorn_cpu::CpuDevice::new(1));
    WgpuDevice::open(0, host, &options).unwrap()
}

/// The first GPU, with all that it has.
pub(crate) static GPU: LazyLock<WgpuDevice> = LazyLock::new(|| open(Options::default()));

/// The same as if it had no more than WebGPU guarantees.
static MINIMAL: LazyLock<WgpuDevice> =
    LazyLock::new(|| open(Options { minimal_limits: true, without_int64: true }));

/// Runs plans twice, which must give the same bits.
struct Gpu(&'static LazyLock<WgpuDevice>);

impl Subject for Gpu {
    fn run(&self, plan: &Plan, inputs: &[Tensor]) -> Vec<Tensor> {
        let first = run_on(&**self.0, plan, inputs);
        let again = run_on(&**self.0, plan, inputs);
        let bytes = |t: &[Tensor]| t.iter().map(Tensor::bytes).collect::<Vec<_>>();
        assert_eq!(bytes(&first), bytes(&again), "results differ from run to run");
        first
    }

    fn device(&self) -> &dyn Device {
        &**self.0
    }
}

mod all {
    oxhorn_core::conformance_tests!(super::Gpu(&super::GPU));
}

mod minimal {
    oxhorn_core::conformance_tests!(super::Gpu(&super::MINIMAL));
}
