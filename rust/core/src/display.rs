//! Graphs, kernels and plans as text.
//!
//! ```text
//! %2 = matmul(%0, %1) : float32(2, 4)
//! %3 = fused(%2) : float32(2, 4)
//!     for 8: r0 = %0[0 + (1)]; r1 = relu(r0); store r1
//! return %3
//! ```

use std::fmt::{self, Display, Formatter};

use crate::kernel::{Instr, Kernel};
use crate::plan::{Operand, Place, Step};
use crate::{Graph, Op, Plan, Value};

/// Items with a separator between them.
fn list<T>(
    f: &mut Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    separator: &str,
    mut one: impl FnMut(&mut Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            f.write_str(separator)?;
        }
        one(f, item)?;
    }
    Ok(())
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.index {
            0 => write!(f, "%{}", self.node.0),
            i => write!(f, "%{}.{i}", self.node.0),
        }
    }
}

/// The op with its attributes, on one line: sub-graphs and kernels are left out.
struct Head<'a>(&'a Op);

impl Display for Head<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let op = self.0;
        f.write_str(op.name())?;
        match op {
            Op::Input(n) => write!(f, "[{n}]"),
            Op::Cast(to) | Op::Bitcast(to) => write!(f, "[{to}]"),
            Op::Full(full) => write!(f, "[{:?}]", full.value),
            Op::Transpose(t) => write!(f, "{:?}", t.perm),
            Op::Slice(s) => write!(f, "{:?}..{:?} by {:?}", s.start, s.limit, s.stride),
            Op::Reduce(r) => write!(f, "[{:?} {:?}]", r.kind, r.axes),
            Op::MatMul(m) => match (m.transpose_a, m.transpose_b) {
                (false, false) => Ok(()),
                (a, b) => write!(f, "[{}{}]", if a { "T" } else { "N" }, if b { "T" } else { "N" }),
            },
            Op::Scan(s) => {
                write!(f, "[{} steps{}, carry {}", s.length, if s.reverse { " back" } else { "" }, s.carry)?;
                if let Some(blocks) = &s.blocks {
                    write!(f, ", {} blocks", blocks.count)?;
                }
                f.write_str("]")
            }
            _ => Ok(()),
        }
    }
}

impl Display for Graph {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        graph(f, self, 0)
    }
}

fn graph(f: &mut Formatter<'_>, g: &Graph, depth: usize) -> fmt::Result {
    let indent = 4 * depth;
    for (id, node) in g.nodes() {
        write!(f, "{:indent$}%{} = {}(", "", id.0, Head(&node.op))?;
        list(f, &node.inputs, ", ", |f, v| write!(f, "{v}"))?;
        f.write_str(") : ")?;
        list(f, &node.types, ", ", |f, t| write!(f, "{t:?}"))?;
        f.write_str("\n")?;
        if let Op::Fused(kernel) = &node.op {
            writeln!(f, "{:indent$}    {kernel}", "")?;
        }
        for sub in crate::passes::sub_graphs(&node.op) {
            writeln!(f, "{:indent$}  {{", "")?;
            graph(f, sub, depth + 1)?;
            writeln!(f, "{:indent$}  }}", "")?;
        }
    }
    write!(f, "{:indent$}return ", "")?;
    list(f, &g.outputs, ", ", |f, v| write!(f, "{v}"))?;
    for (o, i) in &g.donations {
        write!(f, "; output {o} over input {i}")?;
    }
    f.write_str("\n")
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("for ")?;
        let outer = self.space.len() - self.reduced.min(self.space.len());
        list(f, self.space.iter().enumerate(), " ", |f, (i, n)| {
            write!(f, "{}{n}", if i >= outer { "~" } else { "" })
        })?;
        f.write_str(":")?;
        for (i, load) in self.loads.iter().enumerate() {
            write!(f, " r{i} = ${}[{}", load.operand, load.offset)?;
            f.write_str(" + (")?;
            list(f, &load.strides, " ", |f, s| write!(f, "{s}"))?;
            f.write_str(")];")?;
        }
        for (i, instr) in self.body.iter().enumerate() {
            write!(f, " r{} = ", self.loads.len() + i)?;
            match instr {
                Instr::Elementwise { op, args, .. } => {
                    write!(f, "{}(", op.name())?;
                    list(f, args, ", ", |f, r| write!(f, "r{r}"))?;
                    f.write_str(")")?;
                }
                Instr::Cast { to, arg, .. } => write!(f, "{to}(r{arg})")?,
                Instr::Const(value) => write!(f, "{value:?}")?,
                Instr::Index { dtype, offset, strides } => {
                    write!(f, "{dtype} {offset} + (")?;
                    list(f, strides, " ", |f, s| write!(f, "{s}"))?;
                    f.write_str(")")?;
                }
            }
            f.write_str(";")?;
        }
        match &self.reduction {
            Some(r) => write!(f, " store {:?} of r{}", r.kind, r.register),
            None => {
                f.write_str(" store ")?;
                list(f, &self.stores, ", ", |f, r| write!(f, "r{r}"))
            }
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(n) => write!(f, "in{n}"),
            Self::Output(n) => write!(f, "out{n}"),
            Self::Arena(at) => write!(f, "@{at}"),
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:?}", self.place, self.ty)
    }
}

/// The instruction with its operands' types but not their places, on one line.
impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", Head(&self.op))?;
        list(f, &self.inputs, ", ", |f, o| write!(f, "{:?}", o.ty))?;
        f.write_str(") -> ")?;
        list(f, &self.outputs, ", ", |f, o| write!(f, "{:?}", o.ty))?;
        match &self.op {
            Op::Fused(kernel) => write!(f, " {{ {kernel} }}"),
            _ => Ok(()),
        }
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        plan(f, self, 0)
    }
}

fn plan(f: &mut Formatter<'_>, p: &Plan, depth: usize) -> fmt::Result {
    let indent = 4 * depth;
    for step in &p.steps {
        write!(f, "{:indent$}", "")?;
        list(f, &step.outputs, ", ", |f, o| write!(f, "{o}"))?;
        write!(f, " = {}(", Head(&step.op))?;
        list(f, &step.inputs, ", ", |f, o| write!(f, "{o}"))?;
        f.write_str(")\n")?;
        if let Op::Fused(kernel) = &step.op {
            writeln!(f, "{:indent$}    {kernel}", "")?;
        }
        for sub in &step.plans {
            writeln!(f, "{:indent$}  {{", "")?;
            plan(f, sub, depth + 1)?;
            writeln!(f, "{:indent$}  }}", "")?;
        }
    }
    write!(f, "{:indent$}arena of {} bytes", "", p.arena_bytes)?;
    for (o, i) in p.donations.iter().enumerate().filter_map(|(o, i)| i.map(|i| (o, i))) {
        write!(f, "; out{o} over in{i}")?;
    }
    f.write_str("\n")
}

#[cfg(test)]
mod tests {
    use crate::op::Ew;
    use crate::{DType, Graph, TensorType};

    #[test]
    fn text() -> crate::Result<()> {
        let mut g = Graph::new();
        let x = g.input(TensorType::new(DType::F32, [2, 3]));
        let y = g.add1(crate::Op::Elementwise(Ew::Relu), &[x])?;
        g.outputs = vec![y];
        assert_eq!(
            g.to_string(),
            "%0 = input[0]() : float32(2, 3)\n%1 = relu(%0) : float32(2, 3)\nreturn %1\n"
        );
        let fused = crate::passes::optimise(g, &Default::default())?;
        assert_eq!(
            crate::Plan::build(&fused)?.to_string(),
            "out0:float32(2, 3) = fused(in0:float32(2, 3))\n    for 6: r0 = $0[0 + (1)]; r1 = relu(r0); store r1\narena of 0 bytes\n"
        );
        Ok(())
    }
}
