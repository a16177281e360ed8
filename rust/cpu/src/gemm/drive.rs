//! The driver: cuts a product into blocks, copies what should lie closer together, and runs the tiles.

use std::ops::Range;

use super::elem::Float;
use super::kernel::{Kernel, Kernels, Real, Rows, Segment, Tile};
use super::pack::{self, Block};
use super::{Epilogue, GemmDims, GemmElem, MatMut, MatRef, scratch, vector};
use crate::isa::Isa;
use crate::pool::{SharedMut, ThreadPool};

/// Rows of A and columns of B that are packed at a time.
const MAX_ROWS: usize = 4096;
const MAX_COLS: usize = 4096;
/// Elements that are packed at a time, if that is more than one block of the depth.
const PASS: usize = 1 << 21;
/// Elements that a task packs.
const PACK_TASK: usize = 1 << 15;
/// Tiles of rows and columns of C that a task of a large product computes.
const BLOCK: (usize, usize) = (8, 512);
/// Bytes that stay in L1 while others pass.
const NEAR: usize = 1 << 14;
/// Multiply-adds that are worth a task of their own: a few microseconds on one core.
pub(crate) const TASK: usize = 1 << 19;
/// Tasks that a product is cut into if it is large enough.
pub(crate) const TASKS: usize = 16;
/// Fewer rows than this do not repay the packing of B.
const PACK_ROWS: usize = 32;
/// Bytes of a B that is read in place: it stays in L2 without being packed.
const SMALL_B: usize = 1 << 16;
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
                    Ok(c_wide) => single(
                        help,
                        &job,
                        Target { c: c_wide, start, row_stride: c.row_stride, stored: None },
                    ),
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
pub(super) struct Target<'a, T: Float> {
    pub c: &'a SharedMut<T::Acc>,
    /// Element (0, 0).
    pub start: usize,
    pub row_stride: usize,
    /// Where C is stored when `c` holds wide sums.
    pub stored: Option<Stored<'a, T>>,
}

/// C of a job, in a narrow type.
#[derive(Clone, Copy)]
pub(super) struct Stored<'a, T> {
    pub c: &'a SharedMut<T>,
    /// Element (0, 0).
    pub start: usize,
    pub row_stride: usize,
}

impl<T: Float> Target<'_, T> {
    /// Whether the elements of a column are adjacent.
    pub fn is_dense(&self) -> bool {
        self.row_stride == 1 && self.stored.is_none_or(|stored| stored.row_stride == 1)
    }

    /// Calls `body` with each row's part of C as stored and of the sums, if these differ. The part must
    /// be one task's own.
    fn each_row(&self, rows: Range<usize>, cols: Range<usize>, body: impl Fn(&mut [T], &mut [T::Acc])) {
        let Some(stored) = self.stored else { return };
        for i in rows {
            let (at, to) = (self.start + i * self.row_stride, stored.start + i * stored.row_stride);
            // SAFETY: rows do not overlap, and one task has this part of them.
            let (sums, stored) = unsafe {
                (self.c.slice(at + cols.start..at + cols.end), stored.c.slice(to + cols.start..to + cols.end))
            };
            body(stored, sums);
        }
    }

    /// Sets the sums of a part to what is stored.
    pub fn widen(&self, isa: Isa, rows: Range<usize>, cols: Range<usize>) {
        self.each_row(rows, cols, |stored, sums| T::widen(isa, stored, sums));
    }

    /// Stores the sums of a part.
    pub fn narrow(&self, isa: Isa, rows: Range<usize>, cols: Range<usize>) {
        self.each_row(rows, cols, |stored, sums| T::narrow(isa, sums, stored));
    }
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
    /// No parts.
    pub const NONE: Self = Self { count: 0, size: 0, longer: 0 };

    /// That many parts of `0..len`.
    #[inline]
    pub fn new(len: usize, count: usize) -> Self {
        Self { count, size: len / count, longer: len % count }
    }

    /// As few parts as the limit allows, at least one.
    #[inline]
    pub fn at_most(len: usize, max: usize) -> Self {
        if len <= max { Self { count: 1, size: len, longer: 0 } } else { Self::new(len, len.div_ceil(max)) }
    }

    /// The i-th part.
    #[inline]
    pub fn get(self, i: usize) -> Range<usize> {
        let start = i * self.size + i.min(self.longer);
        start..start + self.size + usize::from(i < self.longer)
    }

    /// All parts in order.
    #[inline]
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

/// A job whose C is stored in a narrow type: wide sums in scratch, some rows at a time. The task that
/// computes a part of C also converts it.
fn narrow<T: Float>(help: Help<'_>, job: &Job<'_, T>, c: &SharedMut<T>, start: usize, row_stride: usize) {
    let &Job { m, n, .. } = job;
    for rows in Parts::at_most(m, (WIDE_C / n).max(1)).iter() {
        scratch::with(rows.len() * n, |wide: &mut [T::Acc]| {
            let part = Job { m: rows.len(), a: job.a.at(rows.start, 0), ..*job };
            let stored = Stored { c, start: start + rows.start * row_stride, row_stride };
            let sums = SharedMut::new(wide);
            single(help, &part, Target { c: &sums, start: 0, row_stride: n, stored: Some(stored) });
        });
    }
}

/// How a product is computed, by its sizes and layout alone.
#[derive(Debug, Clone, Copy)]
struct Scheme {
    pack_a: bool,
    pack_b: bool,
    /// Longest run of steps whose sums stay in registers.
    max_depth: usize,
    /// Most rows, columns and steps between two packings.
    pass: [usize; 3],
}

impl Scheme {
    fn new<T: Float>(kernels: &Kernels<T::Acc>, job: &Job<'_, T>) -> Self {
        let &Job { m, n, k, a, b, .. } = job;
        let wide = size_of::<T::Acc>();
        let in_place = T::as_acc(&[]).is_some();
        let whole_vectors = kernels.cheap_masks || n % kernels.lanes == 0;
        let pack_b = !(in_place && b.col_stride == 1 && whole_vectors)
            || n > kernels.nr() && m >= PACK_ROWS && k * n * wide > SMALL_B;
        let paged = |stride: usize| stride * wide >= PAGE && (stride * wide).is_multiple_of(PAGE);
        let pack_a = !in_place
            || match (a.row_stride, a.col_stride) {
                (_, 1) => paged(a.row_stride) && n >= 8 * kernels.nr(),
                _ => n >= 6 * kernels.nr(),
            };
        let max_depth = kernels.depth;
        let rows = if pack_a { MAX_ROWS } else { m };
        let cols = if pack_b { MAX_COLS } else { n };
        let packed = if pack_a { m.min(rows) } else { 0 } + if pack_b { n.min(cols) } else { 0 };
        let steps = PASS.checked_div(packed).map_or(k, |steps| (steps / max_depth).max(1) * max_depth);
        Self { pack_a, pack_b, max_depth, pass: [rows, cols, steps] }
    }
}

/// One product.
pub(super) fn single<T: Float>(help: Help<'_>, job: &Job<'_, T>, target: Target<'_, T>) {
    let kernels = <T::Acc as Real>::kernels(job.isa);
    if vector::try_product(help, kernels, job, target) {
        return;
    }
    let scheme = Scheme::new(kernels, job);
    let nr = kernels.nr();
    let [max_rows, max_cols, max_steps] = scheme.pass;
    for panels in Parts::at_most(job.n.div_ceil(nr), max_cols.div_ceil(nr)).iter() {
        for steps in Parts::at_most(job.k, max_steps).iter() {
            let b_len = if scheme.pack_b { panels.len() * nr * steps.len() } else { 0 };
            scratch::with(b_len, |b: &mut [T::Acc]| {
                let b = SharedMut::new(b);
                for (i, rows) in Parts::at_most(job.m, max_rows).iter().enumerate() {
                    let a_len = if scheme.pack_a { rows.len() * steps.len() } else { 0 };
                    scratch::with(a_len, |a: &mut [T::Acc]| {
                        let (a, panels, steps) = (SharedMut::new(a), panels.clone(), steps.clone());
                        let pass = Pass { kernels, job, scheme, rows, panels, steps, a: &a, b: &b };
                        pass.pack(help, i == 0);
                        pass.compute(help, target);
                    });
                }
            });
        }
    }
}

/// Some rows, panels of columns and steps of a job, with the packed copies of these.
struct Pass<'a, T: Float> {
    kernels: &'static Kernels<T::Acc>,
    job: &'a Job<'a, T>,
    scheme: Scheme,
    rows: Range<usize>,
    panels: Range<usize>,
    steps: Range<usize>,
    /// The rows' tiles, for each block of the depth; empty when A is read in place.
    a: &'a SharedMut<T::Acc>,
    /// The panels, for each block of the depth; empty when B is read in place.
    b: &'a SharedMut<T::Acc>,
}

impl<T: Float> Pass<'_, T> {
    /// Rows of the tiles, relative to the pass's.
    fn row_tiles(&self) -> Parts {
        Parts::at_most(self.rows.len(), self.kernels.mr)
    }

    /// Blocks of the depth, relative to the pass's steps.
    fn depths(&self) -> Parts {
        Parts::at_most(self.steps.len(), self.scheme.max_depth)
    }

    /// Columns of some panels, relative to the job's.
    #[inline]
    fn cols(&self, panels: Range<usize>) -> Range<usize> {
        let nr = self.kernels.nr();
        (self.panels.start + panels.start) * nr..self.job.n.min((self.panels.start + panels.end) * nr)
    }

    /// Copies A's rows and, `with_b`, B's columns.
    fn pack(&self, help: Help<'_>, with_b: bool) {
        let (job, nr, depths) = (self.job, self.kernels.nr(), self.depths());
        let tiles = self.row_tiles();
        let depth = depths.get(0).len().max(1);
        // Tiles and panels of a task.
        let per_task = |width: usize| (PACK_TASK / (width * depth)).max(1);
        let parts = |on: bool, count: usize, width: usize| {
            if on && count > 0 { Parts::at_most(count, per_task(width)) } else { Parts::NONE }
        };
        let a_parts = parts(self.scheme.pack_a, tiles.count, self.kernels.mr);
        let b_parts = parts(self.scheme.pack_b && with_b, self.panels.len(), nr);
        run(help, depths.count * (a_parts.count + b_parts.count), |task| {
            let depth = depths.get(task % depths.count);
            let first = self.steps.start + depth.start;
            let task = task / depths.count;
            if task < a_parts.count {
                let part = a_parts.get(task);
                let rows = tiles.get(part.start).start..tiles.get(part.end - 1).end;
                let at = depth.start * self.rows.len() + rows.start * depth.len();
                // SAFETY: one task has these tiles of this block.
                let to = unsafe { self.a.slice(at..at + rows.len() * depth.len()) };
                let from = job.a.at(self.rows.start + rows.start, first).transposed();
                let widths = part.map(|i| (tiles.get(i).len(), tiles.get(i).len()));
                pack::panels(job.isa, from, depth.len(), widths, to);
            } else {
                let part = b_parts.get(task - a_parts.count);
                let cols = self.cols(part.clone());
                let at = (depth.start * self.panels.len() + part.start * depth.len()) * nr;
                // SAFETY: one task has these panels of this block.
                let to = unsafe { self.b.slice(at..at + part.len() * depth.len() * nr) };
                let from = job.b.at(first, cols.start);
                let widths = (0..part.len()).map(|i| (nr.min(cols.len() - i * nr), nr));
                pack::panels(job.isa, from, depth.len(), widths, to);
            }
        });
    }

    /// Computes the pass's part of C.
    fn compute(&self, help: Help<'_>, target: Target<'_, T>) {
        let (job, tiles) = (self.job, self.row_tiles());
        let (by_rows, by_cols) = grid(self.kernels, self.rows.len(), self.panels.len(), self.steps.len());
        let (first, last) = (self.steps.start == 0, self.steps.end == job.k);
        run(help, by_rows.count * by_cols.count, |task| {
            let (part, panels) = (by_rows.get(task % by_rows.count), by_cols.get(task / by_rows.count));
            let rows = tiles.get(part.start).start..tiles.get(part.end - 1).end;
            let rows = self.rows.start + rows.start..self.rows.start + rows.end;
            if first && job.accumulate {
                target.widen(job.isa, rows.clone(), self.cols(panels.clone()));
            }
            for depth in self.depths().iter() {
                self.tiles(target, tiles, part.clone(), panels.clone(), depth);
            }
            if last {
                target.narrow(job.isa, rows, self.cols(panels));
            }
        });
    }

    /// Runs the micro-kernel over some tiles of rows and panels, for one block of the depth.
    fn tiles(
        &self,
        target: Target<'_, T>,
        tiles: Parts,
        rows: Range<usize>,
        panels: Range<usize>,
        depth: Range<usize>,
    ) {
        let &Self { kernels, job, scheme, .. } = self;
        let nr = kernels.nr();
        let segments = [Segment { a: 0, b: 0, len: depth.len() }];
        let (start, last) = (self.steps.start + depth.start, self.steps.start + depth.end == job.k);
        // A's first row, elements between rows, and the same for the panels of B.
        let (a, a_row) = match T::as_acc(job.a.data).filter(|_| !scheme.pack_a) {
            Some(a) => {
                let at = self.rows.start * job.a.row_stride + start * job.a.col_stride;
                (a.as_ptr().wrapping_add(at), job.a.row_stride)
            }
            None => (self.a.as_ptr().wrapping_add(depth.start * self.rows.len()).cast_const(), depth.len()),
        };
        let (b, b_step, b_panel) = match T::as_acc(job.b.data).filter(|_| !scheme.pack_b) {
            Some(b) => {
                let at = start * job.b.row_stride + self.panels.start * nr;
                (b.as_ptr().wrapping_add(at), job.b.row_stride, nr)
            }
            None => {
                let at = depth.start * self.panels.len() * nr;
                (self.b.as_ptr().wrapping_add(at).cast_const(), nr, depth.len() * nr)
            }
        };
        let c = target.c.as_ptr().wrapping_add(target.start + self.rows.start * target.row_stride);
        let mut tile = Tile {
            a_rows: Rows::Stride(if scheme.pack_a { 1 } else { a_row }),
            a_step: job.a.col_stride,
            b_step,
            segments: &segments,
            c_rows: Rows::Stride(target.row_stride),
            accumulate: job.accumulate || start > 0,
            relu: job.relu && last,
            ..Tile::empty()
        };
        let mut run = |rows: Range<usize>, panel: usize, cols: Range<usize>, flat: Option<Kernel<T::Acc>>| {
            tile.a = a.wrapping_add(rows.start * a_row);
            if scheme.pack_a {
                tile.a_step = rows.len();
            }
            tile.b = b.wrapping_add(panel * b_panel);
            tile.c = c.wrapping_add(rows.start * target.row_stride + cols.start);
            tile.cols = cols.len();
            if let (true, Some(bias)) = (last, job.bias) {
                tile.bias = bias[cols.start..].as_ptr();
            }
            let kernel = flat.unwrap_or_else(|| kernels.get(false, rows.len(), cols.len()));
            // SAFETY: the entry checked that the operands hold the matrices, and rows, columns and
            // depth are inside these; the packed copies were made for this pass. Tasks have disjoint
            // parts of C. The kernels are those of an instruction set that was detected.
            unsafe { kernel(&tile) }
        };
        let flat = kernels.flat(job.m).filter(|_| !scheme.pack_b);
        if panels.len() * nr * depth.len() * size_of::<T::Acc>() <= NEAR && flat.is_none() {
            // The panels stay in L1, so that A is read once.
            for i in rows {
                panels.clone().for_each(|p| run(tiles.get(i), p, self.cols(p..p + 1), None));
            }
            return;
        }
        let mut p = panels.start;
        while p < panels.end {
            // A flat tile has whole panels.
            let flat = flat.filter(|_| self.cols(p..panels.end).len() >= kernels.flat_nr());
            let width = if flat.is_some() { kernels.flat_nr() / nr } else { 1 };
            let cols = self.cols(p..p + width);
            for i in rows.clone() {
                run(tiles.get(i), p, cols.clone(), flat);
            }
            p += width;
        }
    }
}

/// Parts of the tiles of rows and of the panels of columns that the tasks compute, by the sizes alone.
fn grid<T>(kernels: &Kernels<T>, m: usize, panels: usize, k: usize) -> (Parts, Parts) {
    let (mr, nr) = (kernels.mr, kernels.nr());
    let tiles = m.div_ceil(mr);
    let tasks = (m * panels * nr * k / TASK).next_power_of_two().min(TASKS);
    let mut rows = tiles.div_ceil(BLOCK.0);
    let mut cols = panels.div_ceil(BLOCK.1 / nr);
    while rows * cols < tasks {
        let (height, width) = (tiles / rows * mr, panels / cols * nr);
        if height >= 2 * mr && (2 * height >= width || width < 2 * nr) {
            rows *= 2;
        } else if width >= 2 * nr {
            cols *= 2;
        } else {
            break;
        }
    }
    (Parts::new(tiles, rows), Parts::new(panels, cols))
}
