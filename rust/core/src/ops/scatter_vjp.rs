//! Gradients of ScatterNd, one per mode.

use crate::expr::{Expr, emit};
use crate::op::{Ew, GatherNd, ScatterMode, ScatterNd, VjpContext};
use crate::{DType, Result, Scalar, Shape, Value};

/// What the gradients need: the three operands, the result, its cotangent.
struct Scatter<'s> {
    x: Expr<'s>,
    indices: Expr<'s>,
    updates: Expr<'s>,
    y: Expr<'s>,
    dy: Expr<'s>,
}

pub(super) fn scatter_nd(mode: ScatterMode, cx: &mut VjpContext<'_>) -> Result<Vec<Option<Value>>> {
    let (&[x, indices, updates], &[y], &[Some(dy)]) = (cx.inputs, cx.outputs, cx.cotangents) else {
        return Ok(vec![None; cx.inputs.len()]);
    };
    let (wants_x, wants_updates) = (cx.needed[0], cx.needed[2]);
    // Nothing can be read back where there is nothing; then no update has an effect either.
    let reads = cx.graph.shape(x).numel() > 0 && cx.graph.shape(updates).numel() > 0;
    let (dx, du) = emit(cx.graph, |s| {
        let at =
            Scatter { x: s.of(x), indices: s.of(indices), updates: s.of(updates), y: s.of(y), dy: s.of(dy) };
        let dx = wants_x.then(|| if reads { at.dx(mode).value } else { dy });
        let du = (wants_updates && reads).then(|| at.du(mode).value);
        (dx, du)
    })?;
    Ok(vec![dx, None, du])
}

impl<'s> Scatter<'s> {
    fn scatter(&self, mode: ScatterMode, into: Expr<'s>, updates: Expr<'s>) -> Expr<'s> {
        into.op(ScatterNd { mode }, &[self.indices, updates])
    }

    fn gather(&self, from: Expr<'s>) -> Expr<'s> {
        from.op(GatherNd, &[self.indices])
    }

    fn dx(&self, mode: ScatterMode) -> Expr<'s> {
        match mode {
            ScatterMode::Add => self.dy,
            ScatterMode::Set => self.scatter(mode, self.dy, self.updates.constant(0.0)),
            ScatterMode::Mul => self.scatter(mode, self.dy, self.updates),
            ScatterMode::Max | ScatterMode::Min => self.x.eq(self.y).select(self.shared(), 0.0),
        }
    }

    fn du(&self, mode: ScatterMode) -> Expr<'s> {
        match mode {
            ScatterMode::Add => self.in_range().select(self.gather(self.dy), 0.0),
            ScatterMode::Set => self.last_write().select(self.gather(self.dy), 0.0),
            ScatterMode::Mul => {
                let others = self.product_of_others();
                self.in_range().select(self.gather(self.dy) * others, 0.0)
            }
            ScatterMode::Max | ScatterMode::Min => {
                let hit = self.updates.eq(self.gather(self.y)).and(self.in_range());
                hit.select(self.gather(self.shared()), 0.0)
            }
        }
    }

    /// dy divided by the number of operands that reach the extremum.
    fn shared(&self) -> Expr<'s> {
        let dtype = self.x.dtype();
        let hits = self.updates.eq(self.gather(self.y)).cast(dtype);
        let count = self.scatter(ScatterMode::Add, self.x.eq(self.y).cast(dtype), hits);
        // Where count is 0 the result is NaN and so is not equal to itself.
        self.dy / count
    }

    /// Product of the old value and of the other updates at each update's place: all factors by the own one,
    /// where zeros are counted instead of multiplied.
    fn product_of_others(&self) -> Expr<'s> {
        let u = self.updates;
        let zero = u.eq(0.0);
        let without = self.scatter(ScatterMode::Mul, self.x, zero.select(u.constant(1.0), u));
        let zeros = self.scatter(ScatterMode::Add, self.x.constant(0.0), zero.cast(self.x.dtype()));
        let (without, zeros) = (self.gather(without), self.gather(zeros));
        let safe = zero.select(u.constant(1.0), u);
        let other_zeros = zeros - zero.cast(self.x.dtype());
        other_zeros.eq(0.0).select(without / safe, 0.0)
    }

    /// Whether each update is the one that stays: its number is read back from where it was written.
    fn last_write(&self) -> Expr<'s> {
        let depth = self.depth();
        let places = self.places();
        let count = places.numel();
        let numbers = self.indices.build(|graph, _| {
            let flat = graph.iota([count], 0, DType::I64)?;
            let one = graph.scalar_like(flat, 1.0)?;
            let flat = graph.elementwise(Ew::Add, &[flat, one])?;
            graph.reshape(flat, places.clone())
        });
        let written = self.indices.build(|graph, _| {
            let leading = Shape::from(&graph.shape(self.x.value)[..depth]);
            graph.full(leading, Scalar::zero(DType::I64))
        });
        let written = self.scatter(ScatterMode::Set, written, numbers);
        self.per_update(self.gather(written).eq(numbers))
    }

    /// Whether each update is within x.
    fn in_range(&self) -> Expr<'s> {
        let (depth, sizes) = (self.depth(), self.x.shape());
        let places = self.places();
        let inside = (0..depth).map(|i| {
            let axis = places.rank();
            let component = self.indices.build(|graph, v| graph.slice_axis(v, axis, i, i + 1));
            let component = component.reshape(places.clone());
            component.ge(0.0).and(component.lt(sizes[i] as f64))
        });
        let always = || self.indices.build(|graph, _| graph.full(places.clone(), Scalar::one(DType::Bool)));
        let all = inside.reduce(Expr::and).unwrap_or_else(always);
        self.per_update(all)
    }

    /// Components of an index vector.
    fn depth(&self) -> usize {
        self.indices.shape().last().copied().unwrap_or(0)
    }

    /// Shape of the index vectors.
    fn places(&self) -> Shape {
        let shape = self.indices.shape();
        Shape::from(&shape[..shape.rank().saturating_sub(1)])
    }

    /// One bool per index vector, repeated for all elements that it addresses.
    fn per_update(&self, flags: Expr<'s>) -> Expr<'s> {
        let (updates, places) = (self.updates.shape(), self.places());
        let missing = updates.rank() - places.rank();
        let kept: Shape = places.iter().copied().chain(std::iter::repeat_n(1, missing)).collect();
        flags.reshape(kept).broadcast_to(&updates)
    }
}
