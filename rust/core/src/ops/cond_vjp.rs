//! The gradient of a conditional: a conditional of the branches' gradients, each of which computes again
//! what it needs of its branch.

use std::sync::Arc;

use crate::op::{Cond, VjpContext};
use crate::{Graph, Result, Scalar, Value, autodiff};

pub(super) fn cond(cond: &Cond, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
    let wanted: Vec<usize> = (1..cx.inputs.len()).filter(|&i| cx.needed[i]).map(|i| i - 1).collect();
    let arrived: Vec<(usize, Value)> =
        cx.cotangents.iter().enumerate().filter_map(|(i, c)| c.map(|c| (i, c))).collect();
    let (mut yes, mut no) =
        (Branch::new(&cond.then, &wanted, &arrived)?, Branch::new(&cond.otherwise, &wanted, &arrived)?);
    let live: Vec<usize> =
        (0..wanted.len()).filter(|&i| yes.gradients[i].is_some() || no.gradients[i].is_some()).collect();
    let op =
        Cond { then: Arc::new(yes.finish(&wanted, &live)?), otherwise: Arc::new(no.finish(&wanted, &live)?) };
    let operands: Vec<Value> = cx.inputs.iter().copied().chain(arrived.iter().map(|a| a.1)).collect();
    let results = cx.graph.add(op, &operands)?;
    let mut out = vec![None; cx.inputs.len()];
    for (&i, &result) in live.iter().zip(&results) {
        out[wanted[i] + 1] = Some(result);
    }
    Ok(out)
}

/// A branch and its gradient in one graph.
struct Branch {
    joint: Graph,
    cotangents: Vec<Value>,
    gradients: Vec<Option<Value>>,
}

impl Branch {
    fn new(graph: &Graph, wanted: &[usize], arrived: &[(usize, Value)]) -> Result<Self> {
        let mut joint = graph.clone();
        let inputs: Vec<Value> = graph.input_values().collect();
        let cotangents: Vec<Value> =
            arrived.iter().map(|&(i, _)| joint.input(graph.ty(graph.outputs[i]).clone())).collect();
        let targets: Vec<(Value, Option<Value>)> =
            arrived.iter().zip(&cotangents).map(|(&(i, _), &c)| (graph.outputs[i], Some(c))).collect();
        let sources: Vec<Value> = wanted.iter().map(|&i| inputs[i]).collect();
        let gradients = autodiff::gradient(&mut joint, &targets, &sources)?;
        Ok(Self { joint, cotangents, gradients })
    }

    /// The function from the branch's constants and the cotangents to the gradients that either branch has.
    fn finish(&mut self, wanted: &[usize], live: &[usize]) -> Result<Graph> {
        let inputs: Vec<Value> = self.joint.input_values().collect();
        let constants = inputs.len() - self.cotangents.len();
        let mut outputs = Vec::with_capacity(live.len());
        for &i in live {
            outputs.push(match self.gradients[i] {
                Some(gradient) => gradient,
                None => {
                    let ty = self.joint.ty(inputs[..constants][wanted[i]]).clone();
                    self.joint.full(ty.shape, Scalar::zero(ty.dtype))?
                }
            });
        }
        self.joint.extract(&inputs, &outputs)
    }
}
