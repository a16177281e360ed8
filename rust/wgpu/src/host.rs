//! Steps that the host carries out, on copies of their operands.

use std::sync::Arc;

use oxhorn_core::plan::{Operand, Place, Step};
use oxhorn_core::{Device, Executable, Plan, Result, TensorType};

use crate::step::{Arg, Args, Region};

/// A step compiled for the host.
#[derive(Debug)]
pub(crate) struct HostStep {
    pub executable: Arc<dyn Executable>,
    pub inputs: Vec<Region>,
    pub outputs: Vec<Region>,
}

impl HostStep {
    /// Compiles a plan that is only this step.
    pub fn new(args: &Args<'_>, host: &dyn Device) -> Result<Self> {
        let operand = |place: fn(u32) -> Place| {
            move |(i, arg): (usize, &Arg)| Operand { place: place(i as u32), ty: arg.ty.clone() }
        };
        let types = |args: &[Arg]| args.iter().map(|a| a.ty.clone()).collect::<Vec<TensorType>>();
        let regions = |args: &[Arg]| args.iter().map(Arg::bytes).collect();
        let step = Step {
            op: args.step.op.clone(),
            inputs: args.inputs.iter().enumerate().map(operand(Place::Input)).collect(),
            outputs: args.outputs.iter().enumerate().map(operand(Place::Output)).collect(),
            plans: args.step.plans.clone(),
        };
        let plan = Plan {
            inputs: types(args.inputs),
            outputs: types(args.outputs),
            donations: vec![None; args.outputs.len()],
            steps: vec![step],
            arena_bytes: 0,
            source_nodes: 1,
        };
        let executable = host.compile(plan)?;
        Ok(Self { executable, inputs: regions(args.inputs), outputs: regions(args.outputs) })
    }
}
