//! The driver: cuts a product into blocks, copies what should lie closer together, and runs the tiles.

use std::ops::Range;

use super::elem::Float;
use super::kernel::{Kernels, Real, Rows, Segment, Tile};
use super::pack::{self, Block};
use super::{Epilogue, GemmDims, GemmElem, MatMut, MatRef, scratch, vector};
use crate::isa::Isa;
use crate::pool::{SharedMut, ThreadPool};

/// Longest block of the depth. The sums of a block stay in registers; blocks are added up in C.
const MAX_DEPTH: usize = 1024;
/// The same, and the columns of a task, where B is streamed from memory.
const STREAM_DEPTH: usize = 16;
const STREAM_COLS: usize = 1024;
/// Columns of B that are packed at a time.
const MAX_COLS: usize = 4096;
/// Rows and columns of C that a task of a large product computes.
const BLOCK: (usize, usize) = (112, 512);
/// Multiply-adds that are worth a task of their own: a few microseconds on one core.
pub(crate) const TASK: usize = 1 << 19;
/// Tasks that a product is cut into if it is large enough.
pub(crate) const TASKS: usize = 16;
/// Fewer rows than this do not repay the packing of B.
const PACK_ROWS: usize = 32;
/// Bytes of a B that is read in place: it stays in L2 without being packed.
const SMALL_B: usize = 1 << 19;
/// Bytes of a B that comes from memory.
const LARGE_B: usize = 1 << 23;
/// Elements of C whose wide sums are held at a time when C is stored in 16 bits.
const WIDE_C: usize = 1 << 20;
/// Bytes after which addresses fall into the same set of L1.
const PAGE: usize = 4096;

impl<T: Float> GemmElem for T {
    fn product(
        pool: &ThreadPool,
        isa: Isa,
        dims: &GemmDims,
        a: MatRef<'_, T>,
        b: MatRef<'_, T>,
        c: MatMut<'_, T>,
        accumulate: bool,
        epilogue: Epilogue<'_, T>,
    ) {
        let &GemmDims { batch, m, n, k } = dims;
        let stored = T::shared(SharedMut::new(c.data));
        with_wide(isa, epilogue.bias, |bias| {
            let one = |i: usize, help: Help<'_>| {
                let (a, b) = (Block::of(a, i, k), Block::of(b, i, k));
                let job = Job { isa, m, n, k, a, b, accumulate, bias, relu: epilogue.relu };
                let start = i * c.batch_stride;
                match &stored {
                    Ok(c_wide) => single(help, &job, Target { c: c_wide, start, row_stride: c.row_stride }),
                    Err(c_stored) => narrow(help, &job, c_stored, start, c.row_stride),
                }
            };
            let work = m * n * k.max(1);
            if batch >= TASKS || work < TASK {
                let grain = (TASK / work).clamp(1, batch);
                run(Some(pool), batch.div_ceil(grain), |task| {
                    (task * grain..batch.min((task + 1) * grain)).for_each(|i| one(i, None));
                });
            } else {
                (0..batch).for_each(|i| one(i, Some(pool)));
            }
        });
    }
}

/// One product of stored operands into wide sums.
#[derive(Clone, Copy)]
pub(super) struct Job<'a, T: Float> {
    pub isa: Isa,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: Block<'a, T>,
    pub b: Block<'a, T>,
    pub accumulate: bool,
    /// n elements.
    pub bias: Option<&'a [T::Acc]>,
    pub relu: bool,
}

/// C of a job, shared by its tasks.
#[derive(Clone, Copy)]
pub(super) struct Target<'a, T> {
    pub c: &'a SharedMut<T>,
    /// Element (0, 0).
    pub start: usize,
    pub row_stride: usize,
}

/// B as the tiles read it: panels of a tile's columns.
#[derive(Clone, Copy)]
struct Panels<'a, T> {
    data: &'a [T],
    /// Elements between panels.
    stride: usize,
    /// Elements between steps of the depth.
    step: usize,
}

/// The threads that may help, if any.
pub(crate) type Help<'a> = Option<&'a ThreadPool>;

/// Runs tasks on the pool, or here.
pub(crate) fn run(help: Help<'_>, tasks: usize, task: impl Fn(usize) + Sync) {
    match help {
        Some(pool) => pool.run(tasks, &task),
        None => (0..tasks).for_each(task),
    }
}

/// A range cut into parts of equal size, but for one element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts {
    /// How many there are.
    pub count: usize,
    size: usize,
    /// So many of the first parts have one element more.
    longer: usize,
}

impl Parts {
    /// That many parts of `0..len`.
    pub fn new(len: usize, count: usize) -> Self {
        Self { count, size: len / count, longer: len % count }
    }

    /// As few parts as the limit allows, at least one.
    pub fn at_most(len: usize, max: usize) -> Self {
        if len <= max { Self { count: 1, size: len, longer: 0 } } else { Self::new(len, len.div_ceil(max)) }
    }

    /// Length of the whole.
    pub fn len(self) -> usize {
        self.count * self.size + self.longer
    }

    /// The i-th part.
    pub fn get(self, i: usize) -> Range<usize> {
        let start = i * self.size + i.min(self.longer);
        start..start + self.size + usize::from(i < self.longer)
    }

    /// All parts in order.
    pub fn iter(self) -> impl Iterator<Item = Range<usize>> {
        (0..self.count).map(move |i| self.get(i))
    }
}

/// Calls `body` with the slice in the accumulator's type.
pub(crate) fn with_wide<T: Float, R>(
    isa: Isa,
    stored: Option<&[T]>,
    body: impl FnOnce(Option<&[T::Acc]>) -> R,
) -> R {
    match stored.map(|s| (s, T::as_acc(s))) {
        None => body(None),
        Some((_, Some(wide))) => body(Some(wide)),
        Some((stored, None)) => scratch::with(stored.len(), |wide: &mut [T::Acc]| {
            T::widen(isa, stored, wide);
            body(Some(wide))
        }),
    }
}

/// A job whose C is stored in a narrow type: wide sums in scratch, some rows at a time.
fn narrow<T: Float>(help: Help<'_>, job: &Job<'_, T>, c: &SharedMut<T>, start: usize, row_stride: usize) {
    let &Job { isa, m, n, .. } = job;
    for rows in Parts::at_most(m, (WIDE_C / n).max(1)).iter() {
        scratch::with(rows.len() * n, |wide: &mut [T::Acc]| {
            let sums = SharedMut::new(wide);
            let stored = |i: usize| {
                let at = start + (rows.start + i) * row_stride;
                // SAFETY: rows do not overlap, and one task has row i.
                unsafe { c.slice(at..at + n) }
            };
            // SAFETY: as above.
            let sum = |i: usize| unsafe { sums.slice(i * n..(i + 1) * n) };
            let grain = (TASK / 16 / n).max(1);
            let by_rows = |body: &(dyn Fn(usize) + Sync)| {
                run(help, rows.len().div_ceil(grain), |task| {
                    (task * grain..rows.len().min((task + 1) * grain)).for_each(body);
                });
            };
            if job.accumulate {
                by_rows(&|i| T::widen(isa, stored(i), sum(i)));
            }
            let part = Job { m: rows.len(), a: job.a.at(rows.start, 0), ..*job };
            single(help, &part, Target { c: &sums, start: 0, row_stride: n });
            by_rows(&|i| T::narrow(isa, sum(i), stored(i)));
        });
    }
}

/// One product.
pub(super) fn single<T: Float>(help: Help<'_>, job: &Job<'_, T>, target: Target<'_, T::Acc>) {
    let kernels = <T::Acc as Real>::kernels(job.isa);
    if vector::try_product(help, kernels, job, target) {
        return;
    }
    let &Job { m, n, k, b, .. } = job;
    let whole_vectors = kernels.cheap_masks || n % kernels.lanes == 0;
    match T::as_acc(b.data) {
        Some(data)
            if b.col_stride == 1
                && whole_vectors
                && (n <= kernels.nr() || m < PACK_ROWS || k * n * size_of::<T>() <= SMALL_B) =>
        {
            let panels = Panels { data, stride: kernels.nr(), step: b.row_stride };
            let (by_rows, by_cols) = grid(kernels, m, n, k);
            // A row or two times a large B: B comes from memory, a few whole rows at a time.
            let streamed = kernels.flat(m).is_some() && k * n * size_of::<T>() > LARGE_B;
            let max_depth = if streamed { STREAM_DEPTH } else { MAX_DEPTH };
            let by_cols = if streamed { Parts::new(by_cols.len(), n.div_ceil(STREAM_COLS)) } else { by_cols };
            run(help, by_rows.count * by_cols.count, |task| {
                let rows = by_rows.get(task % by_rows.count);
                let cols = by_cols.get(task / by_rows.count);
                let cols = cols.start * kernels.nr()..n.min(cols.end * kernels.nr());
                for depth in Parts::at_most(k, max_depth).iter() {
                    let from = depth.start * b.row_stride + cols.start;
                    let panels = Panels { data: &data[from.min(data.len())..], ..panels };
                    block(kernels, job, target, rows.clone(), cols.clone(), depth, panels);
                }
            });
        }
        _ => packed(help, kernels, job, target),
    }
}

/// A product whose B is copied into panels, block by block.
fn packed<T: Float>(help: Help<'_>, kernels: &Kernels<T::Acc>, job: &Job<'_, T>, target: Target<'_, T::Acc>) {
    let nr = kernels.nr();
    for cols in Parts::at_most(job.n.div_ceil(nr), MAX_COLS / nr).iter() {
        let cols = cols.start * nr..job.n.min(cols.end * nr);
        for depth in Parts::at_most(job.k, MAX_DEPTH).iter() {
            let (panel, panels) = (depth.len() * nr, cols.len().div_ceil(nr));
            scratch::with(panel * panels, |buffer: &mut [T::Acc]| {
                let shared = SharedMut::new(buffer);
                let source = job.b.at(depth.start, cols.start);
                let grain = (TASK / 16 / panel.max(1)).max(1);
                run(help, panels.div_ceil(grain), |task| {
                    for p in task * grain..panels.min((task + 1) * grain) {
                        // SAFETY: panels do not overlap, and one task has panel p.
                        let to = unsafe { shared.slice(p * panel..(p + 1) * panel) };
                        let width = nr.min(cols.len() - p * nr);
                        pack::pack(job.isa, source.at(0, p * nr), depth.len(), width, to, nr);
                    }
                });
                // SAFETY: the tasks that wrote it are done.
                let data: &[T::Acc] = unsafe { shared.slice(0..panel * panels) };
                let (by_rows, by_panels) = grid(kernels, job.m, cols.len(), depth.len());
                run(help, by_rows.count * by_panels.count, |task| {
                    let part = by_panels.get(task / by_rows.count);
                    let b =
                        Panels { data: &data[part.start * panel..part.end * panel], stride: panel, step: nr };
                    let part = cols.start + part.start * nr..cols.end.min(cols.start + part.end * nr);
                    block(kernels, job, target, by_rows.get(task % by_rows.count), part, depth.clone(), b);
                });
            });
        }
    }
}

/// Parts of the rows and of the panels of B that the tasks compute, by the sizes alone.
fn grid<T>(kernels: &Kernels<T>, m: usize, n: usize, k: usize) -> (Parts, Parts) {
    let (mr, nr) = (kernels.mr, kernels.nr());
    let panels = n.div_ceil(nr);
    let tasks = (m * n * k / TASK).next_power_of_two().min(TASKS);
    let (mut rows, mut cols) = (m.div_ceil(BLOCK.0), n.div_ceil(BLOCK.1));
    while rows * cols < tasks {
        let (height, width) = (m / rows, panels / cols * nr);
        if 4 * height >= width && height >= mr {
            rows *= 2;
        } else if width >= 2 * nr {
            cols *= 2;
        } else if height >= mr {
            rows *= 2;
        } else {
            break;
        }
    }
    (Parts::new(m, rows), Parts::new(panels, cols))
}

/// Whether to copy blocks of A into panels: only when its rows lie a multiple of a page apart, so that
/// they evict each other from L1, and are read often enough.
fn copy_a<T: Float>(job: &Job<'_, T>, kernels: &Kernels<T::Acc>) -> bool {
    let apart = job.a.row_stride * size_of::<T>();
    job.a.col_stride == 1 && apart >= PAGE && apart.is_multiple_of(PAGE) && job.n >= 8 * kernels.nr()
}

/// Some rows and columns of C over one block of the depth.
fn block<T: Float>(
    kernels: &Kernels<T::Acc>,
    job: &Job<'_, T>,
    target: Target<'_, T::Acc>,
    rows: Range<usize>,
    cols: Range<usize>,
    depth: Range<usize>,
    b: Panels<'_, T::Acc>,
) {
    let a = job.a.at(rows.start, depth.start);
    match T::as_acc(a.data) {
        Some(data) if !copy_a(job, kernels) => {
            let a = Block { data, row_stride: a.row_stride, col_stride: a.col_stride };
            tiles(kernels, job, target, rows, cols, depth, Operand::InPlace(a), b);
        }
        _ => scratch::with(rows.len() * depth.len(), |panels: &mut [T::Acc]| {
            for part in Parts::at_most(rows.len(), kernels.mr).iter() {
                let panel = &mut panels[part.start * depth.len()..part.end * depth.len()];
                let from = a.at(part.start, 0).transposed();
                pack::pack(job.isa, from, depth.len(), part.len(), panel, part.len());
            }
            tiles(kernels, job, target, rows, cols, depth, Operand::Panels(panels), b);
        }),
    }
}

/// A as the tiles read it.
#[derive(Clone, Copy)]
enum Operand<'a, T> {
    /// Where it lies.
    InPlace(Block<'a, T>),
    /// One panel per tile's rows: the rows' elements of each step of the depth together.
    Panels(&'a [T]),
}

/// Runs the micro-kernel over a block: panels outside, so that a panel of B stays close.
fn tiles<T: Float>(
    kernels: &Kernels<T::Acc>,
    job: &Job<'_, T>,
    target: Target<'_, T::Acc>,
    rows: Range<usize>,
    cols: Range<usize>,
    depth: Range<usize>,
    a: Operand<'_, T::Acc>,
    b: Panels<'_, T::Acc>,
) {
    let segments = [Segment { a: 0, b: 0, len: depth.len() }];
    let last = depth.end == job.k;
    let bias = job.bias.filter(|_| last);
    let flat = kernels.flat(rows.len()).filter(|_| b.step != kernels.nr());
    let parts = Parts::at_most(rows.len(), kernels.mr);
    let mut j = 0;
    while j < cols.len() {
        let flat = flat.filter(|_| cols.len() - j >= kernels.flat_nr());
        let width = if flat.is_some() { kernels.flat_nr() } else { kernels.nr().min(cols.len() - j) };
        let mut tile = Tile {
            a_rows: Rows::Stride(1),
            b: b.data.as_ptr().wrapping_add(j / kernels.nr() * b.stride),
            b_step: b.step,
            segments: &segments,
            c_rows: Rows::Stride(target.row_stride),
            cols: width,
            accumulate: job.accumulate || depth.start > 0,
            bias: bias.map_or(std::ptr::null(), |bias| bias[cols.start + j..].as_ptr()),
            relu: job.relu && last,
            ..Tile::empty()
        };
        for part in parts.iter() {
            match a {
                Operand::InPlace(a) => {
                    tile.a = a.data.as_ptr().wrapping_add(part.start * a.row_stride);
                    tile.a_rows = Rows::Stride(a.row_stride);
                    tile.a_step = a.col_stride;
                }
                Operand::Panels(a) => {
                    tile.a = a.as_ptr().wrapping_add(part.start * depth.len());
                    tile.a_step = part.len();
                }
            }
            let at = target.start + (rows.start + part.start) * target.row_stride + cols.start + j;
            tile.c = target.c.as_ptr().wrapping_add(at);
            let kernel = flat.unwrap_or_else(|| kernels.get(false, part.len(), width));
            // SAFETY: the entry checked that the operands hold the matrices, and rows, columns and
            // depth are inside these; the packed copies were made for this block. Tasks have disjoint
            // parts of C. The kernels are those of an instruction set that was detected.
            unsafe { kernel(&tile) }
        }
        j += width;
    }
}
