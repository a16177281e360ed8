//! Pooling: reductions over sliding windows, and what their gradients need, over any number of axes.
//!
//! Axes on which nothing slides are merged: the leading ones into a batch, the trailing ones into
//! channels, over which the loops are vectors. Padding is skipped, not read. A NaN counts as greater
//! (and as less) than every number, as in NumPy.
#![allow(clippy::int_plus_one)] // in `in_blocks!`, where the block of one is a case among several

use std::ops::Range;

use oxhorn_core::op::ReduceKind;
use oxhorn_core::ops::window::Window;
use oxhorn_core::{Error, Result, Shape};
use smallvec::SmallVec;

use crate::conv::{Axis, Meetings};
use crate::gemm::elem::Float;
use crate::gemm::scratch;
use crate::isa::Isa;
use crate::multiversion;
use crate::pool::{SharedMut, ThreadPool, parallel_for};

/// Channels whose intermediate values stay in registers.
const BLOCK: usize = 32;
/// Elements read that are worth a task of their own.
const TASK: usize = 1 << 15;

/// Geometry of the four operations: made once, when a plan is compiled.
#[derive(Debug, Clone)]
pub struct WindowGeometry {
    batch: usize,
    /// The axes from the first to the last on which something slides; at least one.
    axes: SmallVec<[Axis; 3]>,
    channels: usize,
    output: Shape,
    /// For each output of the last axis, the inputs in its window.
    columns: Vec<Meetings>,
    /// For each input of the last axis, the outputs whose window it is in.
    columns_back: Vec<Meetings>,
}

impl WindowGeometry {
    /// The geometry for an operand of that shape.
    pub fn new(window: &Window, x: &[usize]) -> Result<Self> {
        const OP: &str = "window";
        let rank = x.len();
        if [window.size.len(), window.strides.len(), window.padding.len(), window.dilation.len()] != [rank; 4]
        {
            let message = format!("expected size, strides, padding and dilation of {rank} axes");
            return Err(Error::attribute(OP, message));
        }
        let axis = |i: usize| {
            let (before, after) = window.padding[i];
            let pad = (isize::try_from(before).ok()?, isize::try_from(after).ok()?);
            Axis::new(x[i], window.size[i], window.strides[i], window.dilation[i], pad)
        };
        let axes = (0..rank).map(axis).collect::<Option<SmallVec<[Axis; 6]>>>().ok_or_else(|| {
            Error::attribute(OP, "expected size, strides and dilation of at least 1, and padding in range")
        })?;
        let output = axes.iter().map(|a| a.output).collect::<Shape>().check()?;
        let slides = |a: &Axis| a.window != 1 || a.stride != 1 || a.pad != 0 || a.input != a.output;
        let first = axes.iter().position(slides).unwrap_or(0);
        let last = axes.iter().rposition(slides).map_or(0, |i| i + 1);
        let size = |axes: &[Axis]| axes.iter().map(|a| a.input).product();
        let (batch, channels) = (size(&axes[..first]), size(&axes[last..]));
        let mut axes: SmallVec<[Axis; 3]> = axes[first..last].into();
        if axes.is_empty() {
            axes.push(Axis::ONE);
        }
        let columns = |n: usize, back: bool| (0..n).map(|i| axes[axes.len() - 1].meetings(i, back)).collect();
        let (inputs, outputs) = (axes[axes.len() - 1].input, axes[axes.len() - 1].output);
        let (columns, columns_back) = (columns(outputs, false), columns(inputs, true));
        Ok(Self { batch, axes, channels, output, columns, columns_back })
    }

    /// Shape of the reduction's result.
    pub fn output(&self) -> &Shape {
        &self.output
    }

    fn x_len(&self) -> usize {
        self.batch * self.axes.iter().map(|a| a.input).product::<usize>() * self.channels
    }

    fn y_len(&self) -> usize {
        self.batch * self.axes.iter().map(|a| a.output).product::<usize>() * self.channels
    }

    fn check(&self, x: usize, y: usize) {
        let (expected, got) = ([self.x_len(), self.y_len()], [x, y]);
        assert!(expected == got, "window: expected operands of {expected:?} elements, got {got:?}");
    }

    /// Number of rows (all axes but the last and the channels) of x or of y.
    fn rows(&self, of_x: bool) -> usize {
        let outer = &self.axes[..self.axes.len() - 1];
        self.batch * outer.iter().map(|a| if of_x { a.input } else { a.output }).product::<usize>()
    }

    /// The rows of x that a row of y covers (or, `back`, the rows of y that cover a row of x), in the
    /// window's order.
    fn lines(&self, row: usize, back: bool) -> SmallVec<[usize; 16]> {
        let outer = &self.axes[..self.axes.len() - 1];
        let mut positions: SmallVec<[usize; 6]> = SmallVec::new();
        let mut rest = row;
        for axis in outer.iter().rev() {
            let size = if back { axis.input } else { axis.output };
            positions.push(rest % size);
            rest /= size;
        }
        let mut lines: SmallVec<[usize; 16]> = SmallVec::new();
        lines.push(rest);
        for (axis, &position) in outer.iter().zip(positions.iter().rev()) {
            let size = if back { axis.output } else { axis.input };
            let meetings = axis.meetings(position, back);
            lines =
                lines.iter().flat_map(|line| meetings.iter().map(move |&(m, _)| line * size + m)).collect();
        }
        lines
    }

    /// Rows that are worth a task, when each element of a row takes `window` reads.
    fn grain(&self, columns: usize) -> usize {
        let window: usize = self.axes.iter().map(|a| a.window).product();
        (TASK / (columns * self.channels * window).max(1)).max(1)
    }
}

/// Element types of the operations: all but bool. float16 and bfloat16 are added up in f32.
pub trait WindowElem: Copy + Send + Sync + 'static {
    /// Type of sums and comparisons.
    #[doc(hidden)]
    type Acc: Copy + PartialOrd + bytemuck::Pod;
    #[doc(hidden)]
    const ZERO: Self::Acc;
    #[doc(hidden)]
    const LOWEST: Self::Acc;
    #[doc(hidden)]
    const HIGHEST: Self::Acc;
    #[doc(hidden)]
    fn wide(self) -> Self::Acc;
    #[doc(hidden)]
    fn stored(x: Self::Acc) -> Self;
    #[doc(hidden)]
    fn add(x: Self::Acc, y: Self::Acc) -> Self::Acc;
    /// Calls `body` with sums of undefined value that are then stored.
    #[doc(hidden)]
    fn with_wide(to: &mut [Self], body: impl FnOnce(&mut [Self::Acc])) {
        scratch::with(to.len(), |sums: &mut [Self::Acc]| {
            body(sums);
            to.iter_mut().zip(&*sums).for_each(|(to, &sum)| *to = Self::stored(sum));
        });
    }
}

macro_rules! elem {
    ($($elem:ty, $acc:ty, $lowest:expr, $highest:expr, |$x:ident| $wide:expr, |$a:ident| $stored:expr, |$p:ident, $q:ident| $add:expr $(, $with_wide:item)?;)*) => {$(
        impl WindowElem for $elem {
            type Acc = $acc;
            const ZERO: $acc = 0 as $acc;
            const LOWEST: $acc = $lowest;
            const HIGHEST: $acc = $highest;
            #[inline(always)]
            fn wide(self) -> $acc {
                let $x = self;
                $wide
            }
            #[inline(always)]
            fn stored($a: $acc) -> Self {
                $stored
            }
            #[inline(always)]
            fn add($p: $acc, $q: $acc) -> $acc {
                $add
            }
            $($with_wide)?
        }
    )*};
}
macro_rules! integers {
    ($($elem:ty)*) => { elem! { $($elem, $elem, <$elem>::MIN, <$elem>::MAX, |x| x, |x| x, |x, y| x.wrapping_add(y), fn with_wide(to: &mut [Self], body: impl FnOnce(&mut [Self])) { body(to) };)* } };
}
integers! { i8 i16 i32 i64 u8 u16 u32 u64 }
elem! {
    f32, f32, f32::NEG_INFINITY, f32::INFINITY, |x| x, |x| x, |x, y| x + y, fn with_wide(to: &mut [Self], body: impl FnOnce(&mut [Self])) { body(to) };
    f64, f64, f64::NEG_INFINITY, f64::INFINITY, |x| x, |x| x, |x, y| x + y, fn with_wide(to: &mut [Self], body: impl FnOnce(&mut [Self])) { body(to) };
    half::f16, f32, f32::NEG_INFINITY, f32::INFINITY, |x| x.to_acc(), |x| <half::f16 as Float>::from_acc(x), |x, y| x + y;
    half::bf16, f32, f32::NEG_INFINITY, f32::INFINITY, |x| x.to_acc(), |x| <half::bf16 as Float>::from_acc(x), |x, y| x + y;
}

/// How two elements become one.
trait Combine<T: WindowElem>: Copy + Sync {
    const IDENTITY: T::Acc;
    fn combine(self, x: T::Acc, y: T::Acc) -> T::Acc;
}

#[derive(Clone, Copy)]
struct Max;
#[derive(Clone, Copy)]
struct Min;
#[derive(Clone, Copy)]
struct Sum;

/// Whether two elements are equal or both NaN.
#[inline(always)]
#[expect(clippy::eq_op, reason = "NaN is unequal to itself")]
fn same<A: PartialOrd + Copy>(x: A, y: A) -> bool {
    (x == y) | ((x != x) & (y != y))
}

impl<T: WindowElem> Combine<T> for Max {
    const IDENTITY: T::Acc = T::LOWEST;
    #[inline(always)]
    #[expect(
        clippy::neg_cmp_op_on_partial_ord,
        clippy::eq_op,
        reason = "two instructions that are right for NaN"
    )]
    fn combine(self, x: T::Acc, y: T::Acc) -> T::Acc {
        if !(y <= x) & (x == x) { y } else { x }
    }
}

impl<T: WindowElem> Combine<T> for Min {
    const IDENTITY: T::Acc = T::HIGHEST;
    #[inline(always)]
    #[expect(
        clippy::neg_cmp_op_on_partial_ord,
        clippy::eq_op,
        reason = "two instructions that are right for NaN"
    )]
    fn combine(self, x: T::Acc, y: T::Acc) -> T::Acc {
        if !(y >= x) & (x == x) { y } else { x }
    }
}

impl<T: WindowElem> Combine<T> for Sum {
    const IDENTITY: T::Acc = T::ZERO;
    #[inline(always)]
    fn combine(self, x: T::Acc, y: T::Acc) -> T::Acc {
        T::add(x, y)
    }
}

/// Runs `$body` over blocks of channels from `$first` on, as large as possible, of constant size `$n`.
macro_rules! in_blocks {
    ($channels:expr, |$first:ident, $n:ident| $body:expr) => {
        let mut $first = 0;
        in_blocks!(@each $channels, $first, $n, $body; 32 8 1);
    };
    (@each $channels:expr, $first:ident, $n:ident, $body:expr; $($size:literal)*) => {$(
        while $first + $size <= $channels {
            const $n: usize = $size;
            $body;
            $first += $size;
        }
    )*};
}

/// Calls `$body` with `$order` bound to the order of a kind that has one.
macro_rules! with_order {
    ($kind:expr, $order:ident => $body:expr) => {
        match $kind {
            ReduceKind::Max => {
                let $order = Max;
                $body
            }
            ReduceKind::Min => {
                let $order = Min;
                $body
            }
            other => panic!("window: expected max or min, got {other:?}"),
        }
    };
}

/// y = max, min or sum of each window of x; windows of padding alone give the reduction's identity.
///
/// # Panics
/// When an operand does not have the geometry's size, or the kind is another.
pub fn reduce<T: WindowElem>(pool: &ThreadPool, kind: ReduceKind, g: &WindowGeometry, x: &[T], y: &mut [T]) {
    g.check(x.len(), y.len());
    match kind {
        ReduceKind::Max => gather(pool, g, Max, false, x, y),
        ReduceKind::Min => gather(pool, g, Min, false, x, y),
        ReduceKind::Sum => gather(pool, g, Sum, false, x, y),
        other => panic!("window: expected max, min or sum, got {other:?}"),
    }
}

/// dx = for each element of x, the sum of dy over the windows that it is in: the transpose of a window
/// sum.
///
/// # Panics
/// When an operand does not have the geometry's size.
pub fn scatter_sum<T: WindowElem>(pool: &ThreadPool, g: &WindowGeometry, dy: &[T], dx: &mut [T]) {
    g.check(dx.len(), dy.len());
    gather(pool, g, Sum, true, dy, dx);
}

/// Each element of the result from those of the source that meet it.
fn gather<T: WindowElem, C: Combine<T>>(
    pool: &ThreadPool,
    g: &WindowGeometry,
    combine: C,
    back: bool,
    source: &[T],
    result: &mut [T],
) {
    if result.is_empty() {
        return;
    }
    let (columns, width) =
        if back { (&g.columns_back, g.columns.len()) } else { (&g.columns, g.columns_back.len()) };
    let row = columns.len() * g.channels;
    let (isa, shared) = (Isa::get(), SharedMut::new(result));
    parallel_for(pool, g.rows(back), g.grain(columns.len()), |rows| {
        for r in rows {
            let lines: SmallVec<[&[T]; 16]> = g
                .lines(r, back)
                .iter()
                .map(|line| &source[line * width * g.channels..][..width * g.channels])
                .collect();
            // SAFETY: one task has this row.
            gather_row(isa, combine, &lines, columns, g.channels, unsafe {
                shared.slice(r * row..(r + 1) * row)
            });
        }
    });
}

multiversion! {
    fn gather_row[T: WindowElem, C: Combine<T>](
        combine: C,
        lines: &[&[T]],
        columns: &[Meetings],
        channels: usize,
        to: &mut [T],
    ) {
        for (meetings, to) in columns.iter().zip(to.chunks_exact_mut(channels)) {
            let mut done = 0;
            while done < channels {
                if channels >= BLOCK {
                    // The last block overlaps the one before it instead of being short.
                    let first = done.min(channels - BLOCK);
                    let mut block = [C::IDENTITY; BLOCK];
                    for line in lines {
                        for &(position, _) in meetings {
                            let x = &line[position * channels + first..][..BLOCK];
                            for i in 0..BLOCK {
                                block[i] = combine.combine(block[i], x[i].wide());
                            }
                        }
                    }
                    for (to, x) in to[first..first + BLOCK].iter_mut().zip(block) {
                        *to = T::stored(x);
                    }
                    done += BLOCK;
                } else {
                    let mut sum = C::IDENTITY;
                    for line in lines {
                        for &(position, _) in meetings {
                            sum = combine.combine(sum, line[position * channels + done].wide());
                        }
                    }
                    to[done] = T::stored(sum);
                    done += 1;
                }
            }
        }
    }
}

/// dx = for each element of x, the sum of dy over the windows of which it is the first maximum
/// (minimum).
///
/// # Panics
/// When an operand does not have the geometry's size, or the kind is another.
pub fn max_scatter<T: WindowElem>(
    pool: &ThreadPool,
    kind: ReduceKind,
    g: &WindowGeometry,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    g.check(x.len(), dy.len());
    g.check(dx.len(), dy.len());
    with_order!(kind, order => scatter(pool, g, order, x, dy, dx));
}

/// y = for each window, v at the position of the window's first maximum (minimum) in x; zero for
/// windows of padding alone.
///
/// # Panics
/// When an operand does not have the geometry's size, or the kind is another.
pub fn max_pick<T: WindowElem>(
    pool: &ThreadPool,
    kind: ReduceKind,
    g: &WindowGeometry,
    x: &[T],
    v: &[T],
    y: &mut [T],
) {
    g.check(x.len(), y.len());
    g.check(v.len(), y.len());
    with_order!(kind, order => pick(pool, g, order, x, v, y));
}

fn pick<T: WindowElem, C: Combine<T>>(
    pool: &ThreadPool,
    g: &WindowGeometry,
    order: C,
    x: &[T],
    v: &[T],
    y: &mut [T],
) {
    if y.is_empty() {
        return;
    }
    let (line, row) = (g.columns_back.len() * g.channels, g.columns.len() * g.channels);
    let (isa, shared) = (Isa::get(), SharedMut::new(y));
    parallel_for(pool, g.rows(false), g.grain(g.columns.len()), |rows| {
        for r in rows {
            let lines: SmallVec<[(&[T], &[T]); 16]> =
                g.lines(r, false).iter().map(|l| (&x[l * line..][..line], &v[l * line..][..line])).collect();
            // SAFETY: one task has this row.
            pick_row(isa, order, &lines, &g.columns, g.channels, unsafe {
                shared.slice(r * row..(r + 1) * row)
            });
        }
    });
}

multiversion! {
    fn pick_row[T: WindowElem, C: Combine<T>](
        order: C,
        lines: &[(&[T], &[T])],
        columns: &[Meetings],
        channels: usize,
        to: &mut [T],
    ) {
        for (meetings, to) in columns.iter().zip(to.chunks_exact_mut(channels)) {
            in_blocks!(channels, |first, N| pick_block::<T, C, N>(order, lines, meetings, channels, first, to));
        }
    }
}

/// `N` channels from `first` on of one window.
#[inline(always)]
fn pick_block<T: WindowElem, C: Combine<T>, const N: usize>(
    order: C,
    lines: &[(&[T], &[T])],
    meetings: &[(usize, usize)],
    channels: usize,
    first: usize,
    to: &mut [T],
) {
    let mut best = [C::IDENTITY; N];
    for (x, _) in lines {
        for &(position, _) in meetings {
            let x = &x[position * channels + first..][..N];
            for i in 0..N {
                best[i] = order.combine(best[i], x[i].wide());
            }
        }
    }
    // Backwards, so that the first place of the extremum is the last to be written.
    let mut value = [T::ZERO; N];
    for (x, v) in lines.iter().rev() {
        for &(position, _) in meetings.iter().rev() {
            let at = position * channels + first;
            let (x, v) = (&x[at..][..N], &v[at..][..N]);
            for i in 0..N {
                // Loaded first: a choice between places in memory would not become a vector.
                let (v, other) = (v[i].wide(), value[i]);
                value[i] = if same(x[i].wide(), best[i]) { v } else { other };
            }
        }
    }
    for (to, x) in to[first..first + N].iter_mut().zip(value) {
        *to = T::stored(x);
    }
}

fn scatter<T: WindowElem, C: Combine<T>>(
    pool: &ThreadPool,
    g: &WindowGeometry,
    order: C,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    if dx.is_empty() {
        return;
    }
    // A part is some of an image along the first sliding axis. Windows that reach over its edge are
    // looked at again by the next part's task, so parts are not small.
    let outer = &g.axes[0];
    let image = dx.len() / g.batch;
    let slice = image / outer.input;
    let height = (4 * TASK / slice).max(outer.extent().saturating_mul(4)).clamp(1, outer.input);
    let parts = outer.input.div_ceil(height);
    let (isa, shared) = (Isa::get(), SharedMut::new(dx));
    parallel_for(pool, g.batch * parts, (TASK / (height * slice)).max(1), |tasks| {
        for (b, part) in tasks.map(|task| (task / parts, task % parts)) {
            let (start, end) = (part * height, outer.input.min((part + 1) * height));
            let range = b * image + start * slice..b * image + end * slice;
            // SAFETY: one task has this part.
            T::with_wide(unsafe { shared.slice(range.clone()) }, |sums| {
                sums.fill(T::ZERO);
                scatter_part(isa, g, order, b, start..end, x, dy, range.start, sums);
            });
        }
    });
}

/// The windows that touch rows `inputs` of one image. `sums` are dx from element `first` on.
fn scatter_part<T: WindowElem, C: Combine<T>>(
    isa: Isa,
    g: &WindowGeometry,
    order: C,
    b: usize,
    inputs: Range<usize>,
    x: &[T],
    dy: &[T],
    first: usize,
    sums: &mut [T::Acc],
) {
    let outer = &g.axes[0];
    let touching = (0..outer.window).map(|tap| outer.outputs(tap, inputs.clone())).filter(|r| !r.is_empty());
    let (start, end) = touching.fold((usize::MAX, 0), |(s, e), r| (s.min(r.start), e.max(r.end)));
    if start >= end {
        return;
    }
    // With a single axis the outputs are columns of one row, else rows.
    let (rows, columns) = if g.axes.len() == 1 {
        (b..b + 1, start..end)
    } else {
        let each = g.rows(false) / g.batch / outer.output;
        ((b * outer.output + start) * each..(b * outer.output + end) * each, 0..g.columns.len())
    };
    let line = g.columns_back.len() * g.channels;
    for r in rows {
        let lines: SmallVec<[usize; 16]> = g.lines(r, false).iter().map(|l| l * line).collect();
        let at = (r * g.columns.len() + columns.start) * g.channels;
        let dy = &dy[at..at + columns.len() * g.channels];
        scatter_row(isa, order, &lines, &g.columns[columns.clone()], g.channels, x, dy, first, sums);
    }
}

multiversion! {
    fn scatter_row[T: WindowElem, C: Combine<T>](
        order: C,
        lines: &[usize],
        columns: &[Meetings],
        channels: usize,
        x: &[T],
        dy: &[T],
        first: usize,
        sums: &mut [T::Acc],
    ) {
        for (meetings, dy) in columns.iter().zip(dy.chunks_exact(channels)) {
            in_blocks!(channels, |c, N| scatter_block::<T, C, N>(
                order, lines, meetings, channels, c, x, &dy[c..c + N], first, sums
            ));
        }
    }
}

/// `N` channels from `c` on of one window.
#[inline(always)]
fn scatter_block<T: WindowElem, C: Combine<T>, const N: usize>(
    order: C,
    lines: &[usize],
    meetings: &[(usize, usize)],
    channels: usize,
    c: usize,
    x: &[T],
    dy: &[T],
    first: usize,
    sums: &mut [T::Acc],
) {
    let mut best = [C::IDENTITY; N];
    for line in lines {
        for &(position, _) in meetings {
            let x = &x[line + position * channels + c..][..N];
            for i in 0..N {
                best[i] = order.combine(best[i], x[i].wide());
            }
        }
    }
    // Backwards, so that the first place of the extremum is the last to be written.
    let mut winner = [0u32; N];
    let mut place = (lines.len() * meetings.len()) as u32;
    for line in lines.iter().rev() {
        for &(position, _) in meetings.iter().rev() {
            place -= 1;
            let x = &x[line + position * channels + c..][..N];
            for i in 0..N {
                let other = winner[i];
                winner[i] = if same(x[i].wide(), best[i]) { place } else { other };
            }
        }
    }
    let dy = &dy[..N];
    let mut place = 0;
    for line in lines {
        for &(position, _) in meetings {
            // Another part has the elements before and after this one's.
            let at = (line + position * channels + c).wrapping_sub(first);
            if at < sums.len() {
                let sums = &mut sums[at..][..N];
                for i in 0..N {
                    let dy = dy[i].wide();
                    sums[i] = T::add(sums[i], if winner[i] == place { dy } else { T::ZERO });
                }
            }
            place += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use proptest::prelude::*;

    type AxisCase = (usize, usize, usize, usize, (usize, usize));

    /// Input, size, stride, dilation, padding.
    fn axis() -> impl Strategy<Value = AxisCase> {
        prop_oneof![
            1 => (1usize..6).prop_map(|n| (n, 1, 1, 1, (0, 0))),
            2 => (1usize..9, 1usize..4, 1usize..4, 1usize..3, (0usize..3, 0usize..3)),
        ]
    }

    fn cases() -> impl Strategy<Value = Vec<AxisCase>> {
        (prop::collection::vec(axis(), 0..4), prop_oneof![Just(1usize), 2usize..5, 30usize..70]).prop_map(
            |(mut axes, channels)| {
                axes.push((channels, 1, 1, 1, (0, 0)));
                axes
            },
        )
    }

    fn geometry(axes: &[AxisCase]) -> (WindowGeometry, Vec<usize>) {
        let x: Vec<usize> = axes.iter().map(|a| a.0).collect();
        let window = Window {
            size: axes.iter().map(|a| a.1).collect(),
            strides: axes.iter().map(|a| a.2).collect(),
            padding: axes.iter().map(|a| a.4).collect(),
            dilation: axes.iter().map(|a| a.3).collect(),
        };
        (WindowGeometry::new(&window, &x).expect("valid"), x)
    }

    /// For each window, the indices of its elements in order.
    fn windows(axes: &[AxisCase], g: &WindowGeometry) -> Vec<Vec<usize>> {
        let out = g.output();
        (0..out.numel())
            .map(|o| {
                let mut indices = vec![0usize];
                let (strides, mut rest) = (out.strides(), o);
                for (i, &(n, size, stride, dilation, pad)) in axes.iter().enumerate() {
                    let position = rest / strides[i];
                    rest %= strides[i];
                    let inside: Vec<usize> = (0..size)
                        .map(|t| position * stride + t * dilation)
                        .filter(|&p| p >= pad.0 && p < pad.0 + n)
                        .map(|p| p - pad.0)
                        .collect();
                    indices = indices.iter().flat_map(|x| inside.iter().map(move |p| x * n + p)).collect();
                }
                indices
            })
            .collect()
    }

    fn values(len: usize, seed: usize) -> Vec<i32> {
        (0..len).map(|i| ((i * 7 + seed * 3 + i * i / 5) % 7) as i32 - 3).collect()
    }

    fn run_case<T: WindowElem + PartialEq + std::fmt::Debug>(
        axes: &[AxisCase],
        from: impl Fn(i32) -> T + Copy,
    ) {
        let (g, shape) = geometry(axes);
        let windows = windows(axes, &g);
        let (x, v) = (values(shape.iter().product(), 1), values(shape.iter().product(), 2));
        let dy = values(windows.len(), 3);
        let convert = |v: &[i32]| v.iter().map(|&x| from(x)).collect::<Vec<T>>();
        let (tx, tv, tdy) = (convert(&x), convert(&v), convert(&dy));
        let pool = ThreadPool::new(2);

        let mut y = vec![from(1); windows.len()];
        reduce(&pool, ReduceKind::Sum, &g, &tx, &mut y);
        let sums: Vec<i32> = windows.iter().map(|w| w.iter().map(|&i| x[i]).sum()).collect();
        assert!(y == convert(&sums), "sum {axes:?}");

        let mut dx = vec![from(1); x.len()];
        scatter_sum(&pool, &g, &tdy, &mut dx);
        let mut spread = vec![0; x.len()];
        windows.iter().zip(&dy).for_each(|(w, d)| w.iter().for_each(|&i| spread[i] += d));
        assert!(dx == convert(&spread), "scatter_sum {axes:?}");

        for (kind, sign, identity) in [(ReduceKind::Max, 1, T::LOWEST), (ReduceKind::Min, -1, T::HIGHEST)] {
            let first = |w: &Vec<usize>| w.iter().copied().rev().max_by_key(|&i| sign * x[i]);
            reduce(&pool, kind, &g, &tx, &mut y);
            let best: Vec<T> =
                windows.iter().map(|w| first(w).map_or(T::stored(identity), |i| from(x[i]))).collect();
            assert!(y == best, "{kind:?} {axes:?}");
            max_pick(&pool, kind, &g, &tx, &tv, &mut y);
            let picked: Vec<i32> = windows.iter().map(|w| first(w).map_or(0, |i| v[i])).collect();
            assert!(y == convert(&picked), "pick {kind:?} {axes:?}");
            max_scatter(&pool, kind, &g, &tx, &tdy, &mut dx);
            let mut spread = vec![0; x.len()];
            for (w, d) in windows.iter().zip(&dy) {
                if let Some(i) = first(w) {
                    spread[i] += d;
                }
            }
            assert!(dx == convert(&spread), "scatter {kind:?} {axes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn matches_plain_loops(axes in cases()) {
            run_case(&axes, |x| x as f32);
            run_case(&axes, f64::from);
            run_case(&axes, |x| x);
            run_case(&axes, i64::from);
        }

        #[test]
        fn narrow_types_match_plain_loops(axes in cases()) {
            run_case(&axes, |x| f16::from_f32(x as f32));
            run_case(&axes, |x| bf16::from_f32(x as f32));
            run_case(&axes, |x| x as i8);
        }
    }

    #[test]
    fn parts_of_large_images() {
        for axes in [
            vec![(1, 1, 1, 1, (0, 0)), (300, 3, 2, 1, (1, 1)), (200, 2, 1, 2, (0, 1)), (5, 1, 1, 1, (0, 0))],
            vec![(100_000, 3, 1, 1, (1, 1))],
            vec![(3, 1, 1, 1, (0, 0)), (2000, 4, 3, 5, (2, 0)), (64, 1, 1, 1, (0, 0))],
        ] {
            run_case(&axes, |x| x as f32);
            run_case(&axes, |x| x);
        }
    }

    #[test]
    fn a_nan_wins() {
        let (g, _) = geometry(&[(4, 2, 2, 1, (0, 0))]);
        let x = [1.0f32, f32::NAN, f32::NAN, 2.0];
        let pool = ThreadPool::new(1);
        for kind in [ReduceKind::Max, ReduceKind::Min] {
            let mut y = [0.0; 2];
            reduce(&pool, kind, &g, &x, &mut y);
            assert!(y.iter().all(|y| y.is_nan()));
            let mut dx = [9.0; 4];
            max_scatter(&pool, kind, &g, &x, &[5.0, 6.0], &mut dx);
            assert_eq!(dx, [0.0, 5.0, 6.0, 0.0]);
        }
    }

    #[test]
    fn lowest_values_still_have_a_place() {
        let (g, _) = geometry(&[(3, 2, 1, 1, (1, 0))]);
        let x = [f32::NEG_INFINITY; 3];
        let mut dx = [9.0; 3];
        max_scatter(&ThreadPool::new(1), ReduceKind::Max, &g, &x, &[1.0, 2.0, 4.0], &mut dx);
        assert_eq!(dx, [3.0, 4.0, 0.0]);
    }

    #[test]
    fn bad_geometry_is_refused() {
        let window = |size: usize, stride: usize, pad: usize| Window {
            size: smallvec::smallvec![size],
            strides: smallvec::smallvec![stride],
            padding: smallvec::smallvec![(pad, pad)],
            dilation: smallvec::smallvec![1],
        };
        assert!(WindowGeometry::new(&window(2, 1, 0), &[4]).is_ok());
        assert!(WindowGeometry::new(&window(0, 1, 0), &[4]).is_err());
        assert!(WindowGeometry::new(&window(2, 0, 0), &[4]).is_err());
        assert!(WindowGeometry::new(&window(2, 1, usize::MAX), &[4]).is_err());
        assert!(WindowGeometry::new(&window(2, 1, 0), &[4, 4]).is_err());
    }
}
