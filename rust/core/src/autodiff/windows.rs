//! Contributions to one cotangent, added up: those that fill disjoint windows of it lie side by side.
//!
//! The gradient of each slice of a value is zero outside of the slice. Where a value is cut in parts, as the
//! gates of a recurrent cell are, these zeros need not be written and added.

use crate::op::Ew;
use crate::{Graph, Op, Result, Scalar, Value};

/// A contribution that is zero outside of a window along one axis.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// Which contribution.
    number: usize,
    axis: usize,
    start: usize,
    end: usize,
    inside: Value,
}

impl Window {
    fn of(graph: &Graph, number: usize, v: Value) -> Option<Self> {
        let node = graph.node(v.node);
        let (Op::Pad(pad), &[inside, fill]) = (&node.op, node.inputs.as_slice()) else { return None };
        let zero = matches!(&graph.node(fill.node).op, Op::Full(full) if full.value.as_f64() == 0.0);
        let mut padded = (0..pad.low.len()).filter(|&k| pad.low[k] != 0 || pad.high[k] != 0);
        let (Some(axis), None) = (padded.next(), padded.next()) else { return None };
        let start = usize::try_from(pad.low[axis]).ok().filter(|_| pad.high[axis] >= 0)?;
        let end = start + graph.shape(inside)[axis];
        let plain = zero && pad.interior.iter().all(|&n| n == 0);
        plain.then_some(Self { number, axis, start, end, inside })
    }
}

/// The sum of contributions; `None` if there is none.
pub(super) fn sum(graph: &mut Graph, contributions: &[Value]) -> Result<Option<Value>> {
    let windows = disjoint(graph, contributions);
    let mut total =
        if windows.len() > 1 { Some(side_by_side(graph, contributions[0], &windows)?) } else { None };
    for (number, &term) in contributions.iter().enumerate() {
        if windows.len() > 1 && windows.iter().any(|w| w.number == number) {
            continue;
        }
        total = Some(match total {
            Some(sum) => graph.add1(Ew::Add, &[sum, term])?,
            None => term,
        });
    }
    Ok(total)
}

/// Windows along one axis that do not overlap, in their order.
fn disjoint(graph: &Graph, contributions: &[Value]) -> Vec<Window> {
    let of = |(number, &v): (usize, &Value)| Window::of(graph, number, v);
    let mut windows: Vec<Window> = contributions.iter().enumerate().filter_map(of).collect();
    let axis = windows.first().map(|w| w.axis);
    windows.retain(|w| Some(w.axis) == axis);
    windows.sort_by_key(|w| w.start);
    let mut end = 0;
    windows.retain(|w| {
        let fits = w.start >= end;
        end = if fits { w.end } else { end };
        fits
    });
    windows
}

/// The windows in a tensor of the type of `like`, zeros between them.
fn side_by_side(graph: &mut Graph, like: Value, windows: &[Window]) -> Result<Value> {
    let axis = windows[0].axis;
    let ty = graph.ty(like).clone();
    let mut parts: Vec<Value> = Vec::with_capacity(2 * windows.len() + 1);
    let mut at = 0;
    let ends = windows.iter().map(|w| (w.start, w.end, Some(w.inside)));
    for (start, end, inside) in ends.chain([(ty.shape[axis], ty.shape[axis], None)]) {
        if start > at {
            let mut gap = ty.shape.clone();
            gap.0[axis] = start - at;
            parts.push(graph.full(gap, Scalar::zero(ty.dtype))?);
        }
        parts.extend(inside);
        at = end;
    }
    graph.concat(&parts, axis)
}
