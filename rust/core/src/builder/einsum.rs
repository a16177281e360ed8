//! Einstein summation, two operands at a time, by matrix products.

use rustc_hash::FxHashMap;

use super::ones;
use crate::op::{Ew, ReduceKind};
use crate::shape::Dims;
use crate::{Error, Graph, Result, Shape, Value};

const OP: &str = "einsum";

/// Name of an axis: a letter, or [`ELLIPSIS`] plus the axis's distance from the right.
type Label = u32;
const ELLIPSIS: Label = 1 << 24;

/// A value whose axes have names.
type Labelled = (Value, Vec<Label>);

impl Graph {
    /// NumPy's einsum: letters, one ellipsis per operand, repeated labels (diagonals), explicit or implicit
    /// output. Operands of one dtype.
    pub fn einsum(&mut self, equation: &str, operands: &[Value]) -> Result<Value> {
        let ranks: Vec<usize> = operands.iter().map(|&v| self.shape(v).rank()).collect();
        let (labels, out) = parse(equation, &ranks)?;
        let terms: Vec<Labelled> = operands.iter().copied().zip(labels).collect();
        let sizes = sizes(self, equation, &terms)?;
        let terms = terms.into_iter().map(|t| simplify(self, t, &sizes)).collect::<Result<Vec<_>>>()?;
        contract_all(self, terms, &out)
    }
}

/// The labels of each operand and of the result.
fn parse(equation: &str, ranks: &[usize]) -> Result<(Vec<Vec<Label>>, Vec<Label>)> {
    let bad = |why: String| Error::attribute(OP, format!("{why} in equation '{equation}'"));
    let compact: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) = match compact.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (compact.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != ranks.len() {
        return Err(bad(format!("expected {} terms, got {}", ranks.len(), terms.len())));
    }
    let mut inputs = Vec::with_capacity(terms.len());
    let mut widest = 0;
    for (term, &rank) in terms.into_iter().zip(ranks) {
        let letters = term.replace("...", "").chars().count();
        let wide = match (term.contains("..."), rank.checked_sub(letters)) {
            (true, Some(wide)) => wide,
            (false, Some(0)) => 0,
            _ => return Err(bad(format!("expected term '{term}' to have {rank} axes, got {letters}"))),
        };
        widest = widest.max(wide);
        inputs.push(labels(term, wide).map_err(bad)?);
    }
    let out = match right {
        Some(right) => labels(right, widest).map_err(bad)?,
        None => {
            let mut once: Vec<Label> = inputs.iter().flatten().copied().filter(|&l| l < ELLIPSIS).collect();
            once.sort_unstable();
            let single = once.chunk_by(|a, b| a == b).filter(|run| run.len() == 1).map(|run| run[0]);
            ellipsis(widest).chain(single).collect()
        }
    };
    for (i, l) in out.iter().enumerate() {
        if out[..i].contains(l) || !inputs.iter().any(|labels| labels.contains(l)) {
            return Err(bad("expected each output label once and in some operand, got another".to_owned()));
        }
    }
    Ok((inputs, out))
}

/// Labels of one term whose ellipsis stands for `wide` axes.
fn labels(term: &str, wide: usize) -> std::result::Result<Vec<Label>, String> {
    let (before, after) = match term.split_once("...") {
        Some((before, after)) => (before, Some(after)),
        None => (term, None),
    };
    let letter = |c: char| match c {
        'a'..='z' | 'A'..='Z' => Ok(c as Label),
        other => Err(format!("expected letters, got '{other}'")),
    };
    let mut out = before.chars().map(letter).collect::<std::result::Result<Vec<_>, _>>()?;
    if let Some(after) = after {
        out.extend(ellipsis(wide));
        for c in after.chars() {
            out.push(letter(c)?);
        }
    }
    Ok(out)
}

fn ellipsis(wide: usize) -> impl Iterator<Item = Label> {
    (0..wide as Label).rev().map(|i| ELLIPSIS + i)
}

/// Size of every label; axes of size 1 broadcast.
fn sizes(graph: &Graph, equation: &str, terms: &[Labelled]) -> Result<FxHashMap<Label, usize>> {
    let mut sizes = FxHashMap::default();
    for (value, labels) in terms {
        for (&label, &size) in labels.iter().zip(graph.shape(*value).iter()) {
            let known = sizes.entry(label).or_insert(size);
            if *known == 1 {
                *known = size;
            } else if size != 1 && size != *known {
                let expected = format!("equal sizes of each label of '{equation}'");
                return Err(Error::shape(OP, expected, format!("{known} and {size}")));
            }
        }
    }
    Ok(sizes)
}

/// Takes diagonals of repeated labels and drops the axes of size 1 that broadcast.
fn simplify(graph: &mut Graph, term: Labelled, sizes: &FxHashMap<Label, usize>) -> Result<Labelled> {
    let (mut value, mut labels) = term;
    let broadcast = |graph: &Graph, value: Value, labels: &[Label]| -> Vec<usize> {
        let one = |&i: &usize| graph.shape(value)[i] == 1 && sizes[&labels[i]] != 1;
        (0..labels.len()).filter(one).collect()
    };
    let dropped = broadcast(graph, value, &labels);
    let shape = graph.shape(value).without(&dropped);
    value = graph.reshape(value, shape)?;
    labels = labels.iter().enumerate().filter(|(i, _)| !dropped.contains(i)).map(|(_, &l)| l).collect();
    while let Some((i, j)) = repeated(&labels) {
        // The diagonal of an n x n block is every (n + 1)-th of its elements.
        let n = graph.shape(value)[i];
        let perm: Dims = (0..labels.len()).filter(|&a| a != i && a != j).chain([i, j]).collect();
        value = graph.transpose(value, &perm)?;
        let flat: Shape = graph.shape(value)[..labels.len() - 2].iter().copied().chain([n * n]).collect();
        let axis = flat.rank() - 1;
        value = graph.reshape(value, flat.clone())?;
        let mut stride = ones(flat.rank());
        stride[axis] = n + 1;
        value = graph.slice(value, &super::zeros(flat.rank()), &flat, &stride)?;
        let label = labels[i];
        labels = perm[..axis].iter().map(|&a| labels[a]).chain([label]).collect();
    }
    Ok((value, labels))
}

fn repeated(labels: &[Label]) -> Option<(usize, usize)> {
    let pair = |j: usize| labels[..j].iter().position(|&l| l == labels[j]).map(|i| (i, j));
    (1..labels.len()).find_map(pair)
}

/// Contracts terms without repeated labels, pair by pair, the pair that shrinks most first.
pub(super) fn contract_all(graph: &mut Graph, mut terms: Vec<Labelled>, out: &[Label]) -> Result<Value> {
    while terms.len() > 1 {
        let (i, j) = best_pair(graph, &terms, out);
        let b = terms.remove(j);
        let a = terms.remove(i);
        let keep = |l: Label| out.contains(&l) || terms.iter().any(|(_, labels)| labels.contains(&l));
        let wanted = if terms.is_empty() { out } else { &[] };
        let joined = contract(graph, a, b, &keep, wanted)?;
        terms.insert(i, joined);
    }
    let Some(term) = terms.pop() else {
        return Err(Error::attribute(OP, "expected at least one operand, got none"));
    };
    let (value, labels) = sum_out(graph, term, &|l| out.contains(&l))?;
    permute(graph, value, &labels, out)
}

fn best_pair(graph: &Graph, terms: &[Labelled], out: &[Label]) -> (usize, usize) {
    let mut best = ((0, 1), f64::INFINITY);
    if terms.len() == 2 {
        return best.0;
    }
    let count = |value: Value| graph.shape(value).iter().map(|&d| d as f64).product::<f64>();
    for j in 1..terms.len() {
        for i in 0..j {
            let ((a, labels_a), (b, labels_b)) = (&terms[i], &terms[j]);
            let others = || terms.iter().enumerate().filter(|(n, _)| *n != i && *n != j);
            let kept = |l: &Label| out.contains(l) || others().any(|(_, t)| t.1.contains(l));
            let sized = |v: Value, labels: &[Label]| -> Vec<(Label, usize)> {
                labels.iter().copied().zip(graph.shape(v).iter().copied()).collect()
            };
            let mut union = sized(*a, labels_a);
            union.extend(sized(*b, labels_b).into_iter().filter(|(l, _)| !labels_a.contains(l)));
            let size: f64 = union.iter().filter(|(l, _)| kept(l)).map(|&(_, d)| d as f64).product();
            let cost = size - count(*a) - count(*b);
            if cost < best.1 {
                best = ((i, j), cost);
            }
        }
    }
    best.0
}

/// Sums the axes whose label is not kept.
fn sum_out(graph: &mut Graph, term: Labelled, keep: &dyn Fn(Label) -> bool) -> Result<Labelled> {
    let (value, labels) = term;
    let axes: Dims = (0..labels.len()).filter(|&i| !keep(labels[i])).collect();
    if axes.is_empty() {
        return Ok((value, labels));
    }
    let dtype = graph.dtype(value);
    let value = graph.reduce(ReduceKind::Sum, value, &axes, false)?;
    let value = graph.cast(value, dtype)?;
    Ok((value, labels.into_iter().filter(|&l| keep(l)).collect()))
}

/// Orders the axes as `out`, which has the same labels.
fn permute(graph: &mut Graph, value: Value, labels: &[Label], out: &[Label]) -> Result<Value> {
    let perm: Option<Dims> = out.iter().map(|l| labels.iter().position(|m| m == l)).collect();
    let perm = perm.ok_or_else(|| Error::Internal("einsum: a label of the output was lost".into()))?;
    graph.transpose(value, &perm)
}

/// Product of two terms, summed over the labels that are not kept. `wanted` is the order of the result's
/// labels if it is known.
fn contract(
    graph: &mut Graph,
    a: Labelled,
    b: Labelled,
    keep: &dyn Fn(Label) -> bool,
    wanted: &[Label],
) -> Result<Labelled> {
    let a = {
        let in_b = b.1.clone();
        sum_out(graph, a, &|l| keep(l) || in_b.contains(&l))?
    };
    let b = sum_out(graph, b, &|l| keep(l) || a.1.contains(&l))?;
    let contracted: Vec<Label> = a.1.iter().copied().filter(|&l| b.1.contains(&l) && !keep(l)).collect();
    let free = |x: &[Label], y: &[Label]| x.iter().copied().filter(|l| !y.contains(l)).collect::<Vec<_>>();
    let (rows, columns) = (free(&a.1, &b.1), free(&b.1, &a.1));
    if contracted.is_empty() || (rows.is_empty() && columns.is_empty()) {
        return multiply(graph, a, b, &contracted, wanted);
    }
    let batch: Vec<Label> = a.1.iter().copied().filter(|l| b.1.contains(l) && keep(*l)).collect();
    // The result is (batch, rows, columns); with the operands swapped, (batch, columns, rows).
    let ordered = |x: &[Label], y: &[Label]| [batch.as_slice(), x, y].concat();
    if !wanted.is_empty() && ordered(&rows, &columns) != wanted && ordered(&columns, &rows) == wanted {
        return product(graph, b, a, &contracted);
    }
    product(graph, a, b, &contracted)
}

/// Broadcast product, then a sum: outer products and products without free labels.
fn multiply(
    graph: &mut Graph,
    a: Labelled,
    b: Labelled,
    contracted: &[Label],
    wanted: &[Label],
) -> Result<Labelled> {
    let mut order: Vec<Label> = a.1.clone();
    order.extend(b.1.iter().copied().filter(|l| !a.1.contains(l)));
    if wanted.len() == order.len() {
        order = wanted.to_vec();
    }
    let mut aligned = |(value, labels): Labelled| {
        let own: Vec<Label> = order.iter().copied().filter(|l| labels.contains(l)).collect();
        let value = permute(graph, value, &labels, &own)?;
        let mut dims = graph.shape(value).0.clone().into_iter();
        let shape: Shape =
            order.iter().map(|l| if own.contains(l) { dims.next().unwrap_or(1) } else { 1 }).collect();
        graph.reshape(value, shape)
    };
    let (a, b) = (aligned(a)?, aligned(b)?);
    let product = graph.elementwise(Ew::Mul, &[a, b])?;
    sum_out(graph, (product, order), &|l| !contracted.contains(&l))
}

/// How an operand becomes a stack of matrices: a permutation of its axes, and whether the matrices are then
/// stored with the contracted axis first.
struct Layout {
    perm: Dims,
    contracted_first: bool,
    moves: bool,
}

fn layout(labels: &[Label], batch: &[Label], contracted: &[Label], prefer_first: bool) -> Layout {
    let free: Vec<Label> =
        labels.iter().copied().filter(|l| !batch.contains(l) && !contracted.contains(l)).collect();
    let order = |first: bool| -> Dims {
        let matrix: [&[Label]; 2] = if first { [contracted, &free] } else { [&free, contracted] };
        let wanted = batch.iter().chain(matrix[0]).chain(matrix[1]);
        wanted.filter_map(|l| labels.iter().position(|m| m == l)).collect()
    };
    let still = |perm: &Dims| perm.iter().enumerate().all(|(i, &p)| i == p);
    let contracted_first = if still(&order(!prefer_first)) { !prefer_first } else { prefer_first };
    let perm = order(contracted_first);
    Layout { moves: !still(&perm), perm, contracted_first }
}

/// One (batched) matrix product.
fn product(graph: &mut Graph, a: Labelled, b: Labelled, contracted: &[Label]) -> Result<Labelled> {
    let ((a, labels_a), (b, labels_b)) = (a, b);
    // Batch and contracted axes take the order of one operand; the other may have to be transposed.
    let plan = |lead: &[Label], other: &[Label]| {
        let k: Vec<Label> = lead.iter().copied().filter(|l| contracted.contains(l)).collect();
        let shared = |l: &Label| other.contains(l) && !contracted.contains(l);
        let batch: Vec<Label> = lead.iter().copied().filter(shared).collect();
        let (x, y) = (layout(&labels_a, &batch, &k, false), layout(&labels_b, &batch, &k, true));
        (batch, x, y)
    };
    let moved = |p: &(Vec<Label>, Layout, Layout)| usize::from(p.1.moves) + usize::from(p.2.moves);
    let (by_a, by_b) = (plan(&labels_a, &labels_b), plan(&labels_b, &labels_a));
    let (batch, layout_a, layout_b) = if moved(&by_b) < moved(&by_a) { by_b } else { by_a };
    let free = |labels: &[Label]| -> Vec<Label> {
        labels.iter().copied().filter(|l| !batch.contains(l) && !contracted.contains(l)).collect()
    };
    let out: Vec<Label> = [batch.clone(), free(&labels_a), free(&labels_b)].concat();
    let size = |l: &Label| {
        let find = |v: Value, labels: &[Label]| labels.iter().position(|m| m == l).map(|i| graph.shape(v)[i]);
        find(a, &labels_a).or_else(|| find(b, &labels_b)).unwrap_or(1)
    };
    let count = |labels: &[Label]| labels.iter().map(size).product::<usize>();
    let (stack, k) = (count(&batch), count(contracted));
    let (rows, columns) = (count(&free(&labels_a)), count(&free(&labels_b)));
    let shape: Shape = out.iter().map(size).collect();
    let mut matrices = |x: Value, layout: &Layout, outer: usize| {
        let x = graph.transpose(x, &layout.perm)?;
        let matrix = if layout.contracted_first { [k, outer] } else { [outer, k] };
        let stack = (!batch.is_empty()).then_some(stack);
        graph.reshape(x, stack.into_iter().chain(matrix).collect::<Shape>())
    };
    let a = matrices(a, &layout_a, rows)?;
    let b = matrices(b, &layout_b, columns)?;
    let y = graph.matmul(a, b, layout_a.contracted_first, !layout_b.contracted_first)?;
    Ok((graph.reshape(y, shape)?, out))
}
