use std::sync::Arc;

use proptest::prelude::*;

use super::testing::{cases, evaluate, random_graph, random_scan, same, samples};
use super::*;
use crate::{DType, Plan, Shape, TensorType};

/// A graph with loops in loops, or in one branch of a condition.
fn random_program(seed: u64, nodes: usize) -> Result<Graph> {
    let graph = random_graph(seed, nodes);
    Ok(match seed % 5 {
        0 => graph,
        1 => random_scan(graph, seed)?,
        2 => random_scan(random_scan(graph, seed)?, seed)?,
        _ => {
            let then = if seed % 5 == 3 { random_scan(graph, seed)? } else { graph };
            // The same results upside down.
            let mut otherwise = then.clone();
            for v in then.outputs.iter().enumerate().map(|(i, &v)| (i, v)) {
                otherwise.outputs[v.0] = otherwise.reverse(v.1, &[])?;
            }
            let mut g = Graph::new();
            let predicate = g.input(TensorType::new(DType::Bool, Shape::scalar()));
            let mut operands = vec![predicate];
            operands.extend(then.input_types().into_iter().map(|ty| g.input(ty)));
            let cond = Cond { then: Arc::new(then), otherwise: Arc::new(otherwise) };
            g.outputs = g.add(cond, &operands)?.to_vec();
            g
        }
    })
}

proptest! {
    #![proptest_config(cases(500))]
    /// Every pass on, every pass off, each one off: the same results; and the same graph twice.
    #[test]
    fn passes_do_not_matter(seed in any::<u64>(), nodes in 3usize..25) {
        let graph = random_program(seed, nodes)?;
        let inputs = samples(&graph, 5);
        let expected = evaluate(&graph, &inputs);
        for names in ["", "all", "canonicalise", "cse", "hoist", "fuse"] {
            let options = PassOptions { verify: true, ..PassOptions::without(names)? };
            let optimised = optimise(graph.clone(), &options)?;
            prop_assert!(same(&evaluate(&optimised, &inputs), &expected), "without {names}: {graph}{optimised}");
            prop_assert_eq!(&optimised, &optimise(graph.clone(), &options)?);
            verify::plan(&Plan::build(&optimised)?)?;
        }
    }
}

#[test]
fn names() -> Result<()> {
    let options = PassOptions::without(" fuse, cse")?;
    assert!(options.runs(Pass::Hoist) && !options.runs(Pass::Fuse) && !options.runs(Pass::Cse));
    assert!(PassOptions::without("unroll").is_err());
    assert!(PassOptions::without("")?.disabled.is_empty());
    Ok(())
}

/// Replacements reach nodes before the new value, through each other, and into order.
#[test]
fn replacements() -> Result<()> {
    use crate::op::Ew;
    let mut g = Graph::new();
    let x = g.input(TensorType::new(DType::F32, [2]));
    let a = g.elementwise(Ew::Neg, &[x])?;
    let b = g.elementwise(Ew::Exp, &[a])?;
    let c = g.elementwise(Ew::Abs, &[x])?;
    let d = g.elementwise(Ew::Square, &[x])?;
    g.outputs = vec![b];
    g.replace(a, c);
    g.replace(c, d);
    let out = resolve(g.clone())?;
    let names: Vec<_> = out.nodes().map(|(_, n)| n.op.name()).collect();
    assert_eq!(names, ["input", "square", "exp"]);
    // A value that would need itself.
    g.replace(d, b);
    assert!(resolve(g).is_err());
    Ok(())
}
