//! For tests of passes and plans: graphs evaluated element by element.

use crate::kernel::{Instr, Kernel};
use crate::op::{Ew, Reduce, ReduceKind};
use crate::shape::Shape;
use crate::{DType, Graph, Node, Op, Scalar, TensorType, Value};

/// A tensor's elements, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub ty: TensorType,
    pub data: Vec<Scalar>,
}

impl Tensor {
    pub fn new(ty: TensorType, at: impl FnMut(usize) -> Scalar) -> Self {
        let data = (0..ty.shape.numel()).map(at).collect();
        Self { ty, data }
    }

    /// Little-endian bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let size = self.ty.dtype.size();
        self.data.iter().flat_map(|s| s.to_le_bytes()[..size].to_vec()).collect()
    }

    pub fn from_bytes(ty: TensorType, bytes: &[u8]) -> Self {
        let size = ty.dtype.size();
        let data = bytes.chunks(size).map(|b| scalar(b, ty.dtype)).collect();
        Self { ty, data }
    }

    fn at(&self, index: &[usize]) -> Scalar {
        self.data[index.iter().zip(self.ty.shape.strides()).map(|(i, s)| i * s).sum::<usize>()]
    }
}

fn scalar(bytes: &[u8], dtype: DType) -> Scalar {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    let word = u64::from_le_bytes(word);
    match dtype {
        DType::F64 => Scalar::from_f64(f64::from_bits(word), dtype),
        DType::F32 => Scalar::from_f64(f64::from(f32::from_bits(word as u32)), dtype),
        DType::F16 => Scalar::from_f64(half::f16::from_bits(word as u16).to_f64(), dtype),
        DType::BF16 => Scalar::from_f64(half::bf16::from_bits(word as u16).to_f64(), dtype),
        _ => Scalar::from_u64(word, dtype),
    }
}

/// Small whole numbers: exact in every dtype, sums of them too.
pub(crate) fn sample(ty: &TensorType, seed: usize) -> Tensor {
    let low = if matches!(ty.dtype.class(), crate::dtype::Class::Unsigned) { 0 } else { -3 };
    Tensor::new(ty.clone(), |i| {
        let mixed = (i + 1).wrapping_mul(2654435761).wrapping_add(seed.wrapping_mul(40503)) >> 7;
        let n = match ty.dtype {
            DType::Bool => (mixed % 2) as i64,
            _ => (mixed % 7) as i64 + low,
        };
        Scalar::from_i64(n, ty.dtype)
    })
}

/// Whether two results are equal, NaN being equal to NaN and 0 to -0.
pub(crate) fn same(a: &[Tensor], b: &[Tensor]) -> bool {
    let close = |x: &Scalar, y: &Scalar| {
        x == y
            || (x.dtype() == y.dtype() && x.dtype().is_float() && {
                let (x, y) = (x.as_f64(), y.as_f64());
                x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() <= 1e-5 * x.abs().max(y.abs())
            })
    };
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.ty == b.ty
                && a.data.len() == b.data.len()
                && a.data.iter().zip(&b.data).all(|(x, y)| close(x, y))
        })
}

/// Evaluates a graph.
pub(crate) fn evaluate(graph: &Graph, inputs: &[Tensor]) -> Vec<Tensor> {
    let mut values: Vec<Vec<Tensor>> = Vec::new();
    for (_, node) in graph.nodes() {
        let operands: Vec<Tensor> =
            node.inputs.iter().map(|v| values[v.node.0 as usize][v.index as usize].clone()).collect();
        let results = match node.op {
            Op::Input(n) => vec![inputs[n as usize].clone()],
            _ => apply(node, &operands),
        };
        for (result, ty) in results.iter().zip(&node.types) {
            assert_eq!(result.ty, *ty, "{}", node.op.name());
        }
        values.push(results);
    }
    graph.outputs.iter().map(|v| values[v.node.0 as usize][v.index as usize].clone()).collect()
}

/// Multi-index of element `i`.
fn index(shape: &Shape, i: usize) -> Vec<usize> {
    shape.strides().iter().zip(shape.iter()).map(|(s, d)| (i / s) % d).collect()
}

fn gather(ty: &TensorType, x: &Tensor, from: impl Fn(&[usize]) -> Vec<usize>) -> Vec<Tensor> {
    vec![Tensor::new(ty.clone(), |i| x.at(&from(&index(&ty.shape, i))))]
}

pub(crate) fn apply(node: &Node, x: &[Tensor]) -> Vec<Tensor> {
    let ty = node.types[0].clone();
    match &node.op {
        Op::Elementwise(ew) => {
            vec![Tensor::new(ty, |i| ew.fold(&x.iter().map(|t| t.data[i]).collect::<Vec<_>>()))]
        }
        Op::Cast(to) => vec![Tensor::new(ty, |i| x[0].data[i].cast(*to))],
        Op::Bitcast(_) => vec![Tensor::from_bytes(ty, &x[0].bytes())],
        Op::Fused(kernel) => {
            let stored = interpret(kernel, x);
            node.types.iter().zip(stored).map(|(ty, data)| Tensor { ty: ty.clone(), data }).collect()
        }
        Op::Full(full) => vec![Tensor::new(ty, |_| full.value)],
        Op::Iota(iota) => {
            let shape = ty.shape.clone();
            vec![Tensor::new(ty.clone(), |i| Scalar::from_u64(index(&shape, i)[iota.axis] as u64, ty.dtype))]
        }
        Op::Reshape(_) => vec![Tensor { ty, data: x[0].data.clone() }],
        Op::Transpose(t) => gather(&ty, &x[0], |at| {
            let mut from = vec![0; at.len()];
            t.perm.iter().zip(at).for_each(|(&p, &i)| from[p] = i);
            from
        }),
        Op::Broadcast(_) => gather(&ty, &x[0], |at| {
            at.iter().zip(x[0].ty.shape.iter()).map(|(&i, &d)| if d == 1 { 0 } else { i }).collect()
        }),
        Op::Slice(s) => gather(&ty, &x[0], |at| {
            at.iter().enumerate().map(|(k, &i)| s.start[k] + s.stride[k] * i).collect()
        }),
        Op::Reverse(r) => gather(&ty, &x[0], |at| {
            let shape = &x[0].ty.shape;
            let flip = |(k, &i): (usize, &usize)| if r.axes.contains(&k) { shape[k] - 1 - i } else { i };
            at.iter().enumerate().map(flip).collect()
        }),
        Op::Pad(p) => vec![Tensor::new(ty.clone(), |i| {
            let at = index(&ty.shape, i);
            let mut from = Vec::new();
            for (k, &i) in at.iter().enumerate() {
                let (step, at) = (p.interior[k] as isize + 1, i as isize - p.low[k]);
                if at < 0 || at % step != 0 || at / step >= x[0].ty.shape[k] as isize {
                    return x[1].data[0];
                }
                from.push((at / step) as usize);
            }
            x[0].at(&from)
        })],
        Op::Concat(c) => vec![Tensor::new(ty.clone(), |i| {
            let mut at = index(&ty.shape, i);
            for part in x {
                if at[c.axis] < part.ty.shape[c.axis] {
                    return part.at(&at);
                }
                at[c.axis] -= part.ty.shape[c.axis];
            }
            unreachable!("concat")
        })],
        Op::Reduce(r) => reduce(r, ty, &x[0]),
        Op::MatMul(m) => {
            let (rank, b_rank) = (x[0].ty.shape.rank(), x[1].ty.shape.rank());
            let k = x[0].ty.shape[if m.transpose_a { rank - 2 } else { rank - 1 }];
            vec![Tensor::new(ty.clone(), |i| {
                let at = index(&ty.shape, i);
                let (batch, row, column) = (&at[..rank - 2], at[rank - 2], at[rank - 1]);
                let pair = |batch: &[usize], swap: bool, i: usize, j: usize| {
                    let last = if swap { [j, i] } else { [i, j] };
                    [batch, &last].concat()
                };
                let sum = (0..k).map(|k| {
                    let b_batch = if b_rank == 2 { &[] } else { batch };
                    x[0].at(&pair(batch, m.transpose_a, row, k)).as_f64()
                        * x[1].at(&pair(b_batch, m.transpose_b, k, column)).as_f64()
                });
                Scalar::from_f64(sum.sum(), ty.dtype)
            })]
        }
        Op::Softmax(s) => {
            // Not exact anyway: any function of the row that depends on order and axis will do.
            vec![Tensor::new(ty.clone(), |i| {
                let at = index(&ty.shape, i);
                let total: f64 = (0..ty.shape[s.axis])
                    .map(|j| {
                        let mut from = at.clone();
                        from[s.axis] = j;
                        x[0].at(&from).as_f64().exp()
                    })
                    .sum();
                Scalar::from_f64(x[0].data[i].as_f64().exp() / total, ty.dtype)
            })]
        }
        Op::Scan(scan) => {
            let (mut carry, xs, constants) =
                (x[..scan.carry].to_vec(), &x[scan.carry..][..scan.xs], &x[scan.carry + scan.xs..]);
            let mut ys: Vec<Vec<Vec<Scalar>>> =
                vec![vec![Vec::new(); scan.length]; node.types.len() - scan.carry];
            for step in 0..scan.length {
                let t = if scan.reverse { scan.length - 1 - step } else { step };
                let slices = xs.iter().map(|x| {
                    let ty = TensorType::new(x.ty.dtype, Shape::from(&x.ty.shape[1..]));
                    let n = ty.shape.numel();
                    Tensor { ty, data: x.data[t * n..][..n].to_vec() }
                });
                let inputs: Vec<Tensor> =
                    carry.iter().cloned().chain(slices).chain(constants.iter().cloned()).collect();
                let mut results = evaluate(&scan.body, &inputs);
                for (y, slice) in ys.iter_mut().zip(results.drain(scan.carry..)) {
                    y[t] = slice.data;
                }
                carry = results;
            }
            let ys = ys.into_iter().zip(&node.types[scan.carry..]);
            carry.into_iter().chain(ys.map(|(y, ty)| Tensor { ty: ty.clone(), data: y.concat() })).collect()
        }
        op => unimplemented!("{}", op.name()),
    }
}

fn combine(kind: ReduceKind, a: Scalar, b: Scalar) -> Scalar {
    let op = match kind {
        ReduceKind::Sum => Ew::Add,
        ReduceKind::Prod => Ew::Mul,
        ReduceKind::Max => Ew::Max,
        ReduceKind::Min => Ew::Min,
        ReduceKind::Any => Ew::Or,
        ReduceKind::All => Ew::And,
    };
    op.fold(&[a, b])
}

fn reduce(r: &Reduce, ty: TensorType, x: &Tensor) -> Vec<Tensor> {
    let mut out = Tensor::new(ty.clone(), |_| super::fuse::identity(r.kind, ty.dtype));
    let strides = ty.shape.strides();
    for (i, &element) in x.data.iter().enumerate() {
        let at = index(&x.ty.shape, i);
        let kept = at.iter().enumerate().filter(|(k, _)| !r.axes.contains(k)).map(|(_, i)| i);
        let to: usize = kept.zip(&strides).map(|(i, s)| i * s).sum();
        out.data[to] = combine(r.kind, out.data[to], element);
    }
    vec![out]
}

/// The registers of a kernel at one point; `read` gives element n of operand i.
pub(crate) fn registers(kernel: &Kernel, point: usize, read: impl Fn(usize, usize) -> Scalar) -> Vec<Scalar> {
    let at = index(&Shape(kernel.space.clone()), point);
    let mut registers: Vec<Scalar> = Vec::new();
    for load in &kernel.loads {
        let steps = at.iter().zip(&load.strides).map(|(&i, &s)| i as isize * s);
        let element = load.offset + steps.sum::<isize>();
        registers.push(read(load.operand as usize, element as usize));
    }
    for instr in &kernel.body {
        registers.push(match instr {
            Instr::Elementwise { op, args, .. } => {
                op.fold(&args.iter().map(|&a| registers[a as usize]).collect::<Vec<_>>())
            }
            Instr::Cast { to, arg, .. } => registers[*arg as usize].cast(*to),
            Instr::Const(value) => *value,
            Instr::Index { dtype, offset, strides } => {
                let steps = at.iter().zip(strides).map(|(&i, &s)| i as i64 * s);
                Scalar::from_i64(offset + steps.sum::<i64>(), *dtype)
            }
        });
    }
    registers
}

/// The elements that a kernel stores.
pub(crate) fn interpret(kernel: &Kernel, operands: &[Tensor]) -> Vec<Vec<Scalar>> {
    let points: usize = kernel.space.iter().product();
    let inner: usize = kernel.space[kernel.space.len() - kernel.reduced..].iter().product();
    let mut out: Vec<Vec<Scalar>> = match &kernel.reduction {
        Some(r) => vec![vec![super::fuse::identity(r.kind, r.dtype); points / inner]],
        None => vec![Vec::new(); kernel.stores.len()],
    };
    for point in 0..points {
        let registers = registers(kernel, point, |operand, element| operands[operand].data[element]);
        match &kernel.reduction {
            Some(r) => {
                let total = &mut out[0][point / inner];
                *total = combine(r.kind, *total, registers[r.register as usize]);
            }
            None => {
                for (out, &register) in out.iter_mut().zip(&kernel.stores) {
                    out.push(registers[register as usize]);
                }
            }
        }
    }
    out
}

/// A random graph: element-wise ops, casts, movements, reductions and a few library ops over tensors of
/// one family of shapes, so that much can be fused.
pub(crate) fn random_graph(seed: u64, nodes: usize) -> Graph {
    let mut state = seed.wrapping_mul(2862933555777941757).wrapping_add(3037000493);
    let mut pick = |n: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % n.max(1)
    };
    let mut g = Graph::new();
    let dims = [[2, 3, 4], [4, 1, 3], [1, 6, 2]][pick(3)];
    let mut values: Vec<Value> = Vec::new();
    for _ in 0..1 + pick(4) {
        let shape: Vec<usize> = match pick(5) {
            0 => vec![],
            1 => vec![dims[2]],
            2 => vec![dims[1], dims[2]],
            _ => dims.to_vec(),
        };
        values.push(g.input(TensorType::new(
            [DType::F32, DType::F64, DType::I32, DType::F32][pick(4)],
            shape.as_slice(),
        )));
    }
    let mut attempts = 0;
    while values.len() < nodes && attempts < 20 * nodes {
        attempts += 1;
        let x = values[values.len() - 1 - pick(values.len().min(8))];
        let (shape, dtype) = (g.shape(x).clone(), g.dtype(x));
        let rank = shape.rank();
        let made = match pick(22) {
            0 => g.elementwise(Ew::Neg, &[x]),
            1 if dtype != DType::Bool => g.elementwise(Ew::Square, &[x]),
            2 if dtype.is_float() => g.elementwise([Ew::Tanh, Ew::Relu, Ew::Sigmoid][pick(3)], &[x]),
            3 => g.cast(x, [DType::F32, DType::F64, DType::I32, DType::Bool, DType::F16][pick(5)]),
            4 => {
                let mut perm: Vec<usize> = (0..rank).collect();
                for i in (1..rank).rev() {
                    perm.swap(i, pick(i + 1));
                }
                g.transpose(x, &perm)
            }
            5 if shape.numel() > 0 => {
                let (mut start, mut limit, mut stride) = (vec![], vec![], vec![]);
                for &d in shape.iter() {
                    start.push(pick(d));
                    limit.push(start[start.len() - 1] + 1 + pick(d - start[start.len() - 1]));
                    stride.push(1 + pick(2));
                }
                g.slice(x, &start, &limit, &stride)
            }
            6 => g.reverse(x, &(0..rank).filter(|_| pick(2) == 0).collect::<Vec<_>>()),
            7 => {
                let flat = shape.numel();
                match pick(3) {
                    0 => g.reshape(x, [flat]),
                    1 if flat % 2 == 0 => g.reshape(x, [2, flat / 2]),
                    _ => g.reshape(x, [1, flat, 1]),
                }
            }
            8 => {
                let kind = [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min][pick(3)];
                let axes: Vec<usize> = (0..rank).filter(|_| pick(2) == 0).collect();
                let keep = pick(2) == 0;
                g.reduce(kind, x, &axes, keep)
            }
            9 => g.full(dims, Scalar::from_i64(pick(4) as i64 - 1, DType::F32)),
            10 if dtype != DType::Bool => g.iota(dims, pick(3), dtype),
            11 => {
                let to = Shape::from(&dims[..]);
                g.broadcast_to(x, &to)
            }
            12 if rank > 0 => g.concat(&[x, x], pick(rank)),
            13 if rank >= 2 && dtype.is_float() && shape[rank - 1] == shape[rank - 2] => {
                g.matmul(x, x, pick(2) == 0, pick(2) == 0)
            }
            14 if rank > 0 && dtype.is_float() => g.add1(crate::op::Softmax { axis: pick(rank) }, &[x]),
            15 if rank > 0 => {
                let fill = g.full(Shape::scalar(), Scalar::one(dtype)).expect("scalar");
                let mut low = smallvec::SmallVec::from_elem(0, rank);
                let high = smallvec::SmallVec::from_elem(pick(3) as isize - 1, rank);
                low[pick(rank)] = 1;
                g.add1(
                    crate::op::Pad { low, high, interior: smallvec::SmallVec::from_elem(0, rank) },
                    &[x, fill],
                )
            }
            16 => {
                let candidates: Vec<Value> = values
                    .iter()
                    .copied()
                    .filter(|&c| g.dtype(c) == DType::Bool && *g.shape(c) == shape)
                    .collect();
                match candidates.as_slice() {
                    [] => g.elementwise(Ew::Eq, &[x, x]),
                    c => {
                        let (c, y) = (c[pick(c.len())], values[pick(values.len())]);
                        if g.ty(y) != g.ty(x) {
                            continue;
                        }
                        g.elementwise(Ew::Select, &[c, x, y])
                    }
                }
            }
            _ => {
                let y = values[values.len() - 1 - pick(values.len().min(12))];
                if g.dtype(y) != dtype || g.shape(y).broadcast(&shape).is_none() {
                    continue;
                }
                let op = [Ew::Add, Ew::Mul, Ew::Max, Ew::Sub, Ew::Lt, Ew::Eq][pick(6)];
                g.elementwise(op, &[x, y])
            }
        };
        let Ok(v) = made else { continue };
        if g.shape(v).numel() <= 200 {
            values.push(v);
        }
    }
    for _ in 0..1 + pick(5) {
        g.outputs.push(values[values.len() - 1 - pick(values.len().min(10))]);
    }
    g
}

/// The inputs that tests feed.
pub(crate) fn samples(graph: &Graph, seed: usize) -> Vec<Tensor> {
    graph.input_types().iter().enumerate().map(|(i, ty)| sample(ty, seed + 31 * i)).collect()
}
