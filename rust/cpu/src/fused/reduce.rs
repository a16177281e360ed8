//! Kernels that reduce.
//!
//! Two orders of the loops. *By row*: a tile holds elements that are reduced together, for operands whose
//! reduced axes lie inside. *By column*: the innermost loop is the result's last axis, and tiles are added
//! up element by element, for operands whose reduced axes lie outside (a bias gradient). Either way the
//! work is cut into chunks by size; chunks are reduced by whichever thread, and combined in order.

use oxhorn_core::Result;
use oxhorn_core::kernel::Kernel;

use super::body::{Body, Builder};
use super::map::GRAIN;
use super::nest::{Nest, Steps, merge};
use super::reducers::{ReduceFns, reduce_fns};
use super::run::{Walk, origins, with_scratch};
use super::{split_walkers, tile_limit, walkers};
use crate::isa::Isa;
use crate::step::{Args, At, Frame, Layout, Raw, Task};

/// Elements of a chunk, about.
const CHUNK: usize = 1 << 15;
/// Tiles added into the same lanes before they are widened.
const FLUSH: usize = 64;

/// Compiles a kernel that has a reduction.
pub(super) fn compile(kernel: &Kernel, args: &Args<'_>, layout: &mut Layout) -> Result<Task> {
    let Some(reduction) = &kernel.reduction else { return Err(args.malformed("a reduction")) };
    let fns = reduce_fns(reduction.kind, reduction.dtype);
    let out = args.outputs[0].at;
    let split = kernel.space.len() - kernel.reduced;
    let count = args.outputs[0].numel();
    if kernel.space[split..].contains(&0) {
        return Ok(Box::new(move |frame| {
            with_scratch(count * fns.wide_size, |wide| {
                // SAFETY: `wide` has room for `count` elements, and so has the result.
                unsafe {
                    (fns.clear_wide)(count, wide);
                    (fns.finish)(count, wide, frame.ptr(out));
                }
            });
        }));
    }

    let mut steps = walkers(kernel);
    let (mut dims, mut outer) = merge(&kernel.space, &mut steps, split);
    if dims.len() == outer {
        // Everything reduced has size 1.
        dims.push(1);
        steps.iter_mut().for_each(|s| s.push(0));
    }
    let limit = tile_limit(kernel);
    let by_column = outer > 0 && prefers_columns(kernel, &steps, outer, &dims);
    let (nest, order) = if by_column {
        outer -= 1;
        let columns = dims.remove(outer);
        dims.push(columns);
        for s in &mut steps {
            let step = s.remove(outer);
            s.push(step);
        }
        let nest = if columns < 128 {
            Nest::with_rows(&dims, outer, dims.len() - 1, limit)
        } else {
            Nest::new(&dims, outer, limit)
        };
        (nest, Order::Columns)
    } else {
        let reduced: usize = dims[outer..].iter().product();
        let whole = outer > 0 && reduced <= limit / 2 && (reduced < 128 || dims.len() - outer > 1);
        if whole {
            (Nest::with_rows(&dims, 0, outer, limit), Order::WholeRows)
        } else {
            (Nest::new(&dims, outer, limit), Order::Rows)
        }
    };
    let points: usize = nest.dims[..outer].iter().product();
    let walkers = split_walkers(kernel, steps, nest.dims.len());
    let isa = Isa::get();
    let body = Builder::build(kernel, &walkers, &nest, args.inputs, &[], isa)?;
    let rows_per_point = nest.dims[outer..nest.split.max(outer)].iter().product();
    let mut reduce =
        Reduce { fns, isa, body, nest, out, points, rows_per_point, chunk: 0, chunks: 1, partials: out };
    match order {
        Order::WholeRows => Ok(Box::new(move |frame| reduce.whole_rows(frame))),
        Order::Rows => {
            let units = reduce.units_per_point();
            reduce.chunk = (CHUNK / reduce.nest.tile).max(1);
            reduce.chunks = units.div_ceil(reduce.chunk);
            reduce.reserve(points, layout)?;
            Ok(Box::new(move |frame| reduce.rows(frame)))
        }
        Order::Columns => {
            let rows = reduce.rows_per_point;
            reduce.chunk = (CHUNK / reduce.nest.tile * reduce.nest.rows_per_tile)
                .max(FLUSH * reduce.nest.rows_per_tile)
                .max(rows.div_ceil(64).next_multiple_of(reduce.nest.rows_per_tile));
            reduce.chunks = rows.div_ceil(reduce.chunk);
            reduce.reserve(count, layout)?;
            Ok(Box::new(move |frame| reduce.columns(frame)))
        }
    }
}

enum Order {
    /// Each tile holds whole rows, each of which becomes one element.
    WholeRows,
    Rows,
    Columns,
}

/// Whether more loads lie densely along the result's last axis than along the last reduced one.
fn prefers_columns(kernel: &Kernel, steps: &[Steps], outer: usize, dims: &[usize]) -> bool {
    let last = dims.len() - 1;
    let scattered =
        |axis: usize| steps.iter().take(kernel.loads.len()).filter(|s| !matches!(s[axis], -1..=1)).count();
    let (rows, columns) = (scattered(last), scattered(outer - 1));
    columns < rows || (columns == rows && dims[last] < 16 && dims[outer - 1] > dims[last])
}

/// A compiled kernel with a reduction.
struct Reduce {
    fns: ReduceFns,
    isa: Isa,
    body: Body,
    nest: Nest,
    out: At,
    /// Points of the loops outside of everything that is reduced together.
    points: usize,
    /// Rows of the nest per such point.
    rows_per_point: usize,
    /// Units (by row) or rows (by column) per chunk.
    chunk: usize,
    /// Chunks per point.
    chunks: usize,
    /// Accumulators of all chunks, if there are several.
    partials: At,
}

impl Reduce {
    fn reserve(&mut self, count: usize, layout: &mut Layout) -> Result<()> {
        if self.chunks > 1 {
            self.partials = layout.scratch(count * self.chunks * self.fns.wide_size)?;
        }
        Ok(())
    }

    /// Tiles per point, by row.
    fn units_per_point(&self) -> usize {
        match self.nest.block {
            0 => self.rows_per_point * self.nest.pieces,
            _ => self.rows_per_point.div_ceil(self.nest.rows_per_tile),
        }
    }

    /// Runs `items` pieces of work of about `elements` elements each, several in a task.
    fn spread(
        &self,
        frame: &Frame<'_>,
        items: usize,
        elements: usize,
        work: impl Fn(usize, &mut Walk<'_>, *mut u8) + Sync,
    ) {
        let origins = origins(&self.body, frame);
        let per_task = (GRAIN / (elements * (self.body.cost + 1)).max(1)).max(1);
        // Lanes and accumulators of one tile lie behind the body's registers.
        let extra = self.nest.tile * (self.fns.lane_size + self.fns.wide_size) + 128;
        let task = |task: usize| {
            with_scratch(self.body.scratch + extra, |scratch| {
                // SAFETY: the kernel was checked against its operands when it was compiled.
                let mut walk = unsafe { Walk::new(&self.body, &self.nest, &origins, scratch) };
                // SAFETY: inside the scratch memory.
                let accumulators = unsafe { scratch.add(self.body.scratch.next_multiple_of(64)) };
                for item in task * per_task..items.min((task + 1) * per_task) {
                    work(item, &mut walk, accumulators);
                }
            });
        };
        let tasks = items.div_ceil(per_task);
        if tasks == 1 { task(0) } else { frame.pool.run(tasks, &task) }
    }

    fn source(&self, walk: &Walk<'_>) -> *const u8 {
        walk.registers[self.body.reduced as usize]
    }

    fn whole_rows(&self, frame: &Frame<'_>) {
        let (fns, nest) = (&self.fns, &self.nest);
        let rows = nest.rows();
        let out = Raw(frame.ptr(self.out));
        self.spread(frame, rows.div_ceil(nest.rows_per_tile), nest.tile, |tile, walk, wide| {
            let row = tile * nest.rows_per_tile;
            let count = nest.rows_per_tile.min(rows - row);
            walk.seek(row);
            // SAFETY: as in `spread`; each tile has its own rows of the result, and `wide` holds a tile.
            unsafe {
                walk.rows(count);
                (fns.contract_rows)(self.isa, count, nest.block, self.source(walk), wide);
                (fns.finish)(count, wide, out.add(row * fns.out_size));
            }
        });
    }

    fn rows(&self, frame: &Frame<'_>) {
        let (fns, nest) = (&self.fns, &self.nest);
        let (out, partials) = (Raw(frame.ptr(self.out)), Raw(frame.ptr(self.partials)));
        let units = self.units_per_point();
        self.spread(
            frame,
            self.points * self.chunks,
            self.chunk.min(units) * nest.tile,
            |item, walk, scratch| {
                let (point, chunk) = (item / self.chunks, item % self.chunks);
                let first = chunk * self.chunk;
                let base = point * self.rows_per_point;
                // SAFETY: as in `spread`; each item has its own accumulator or element of the result.
                unsafe {
                    let wide = if self.chunks > 1 { partials.add(item * fns.wide_size) } else { scratch };
                    (fns.clear_wide)(1, wide);
                    let mut current = usize::MAX;
                    for unit in first..units.min(first + self.chunk) {
                        let n = if nest.block == 0 {
                            let (row, piece) = (unit / nest.pieces, unit % nest.pieces);
                            if row != current {
                                if row == current.wrapping_add(1) && current != usize::MAX {
                                    walk.next_row();
                                } else {
                                    walk.seek(base + row);
                                }
                                walk.start_row();
                                current = row;
                            }
                            let start = piece * nest.tile;
                            let n = nest.tile.min(nest.row_len() - start);
                            walk.piece(start, n);
                            n
                        } else {
                            let row = unit * nest.rows_per_tile;
                            let rows = nest.rows_per_tile.min(self.rows_per_point - row);
                            walk.seek(base + row);
                            walk.rows(rows);
                            rows * nest.block
                        };
                        (fns.contract)(self.isa, n, self.source(walk), wide);
                    }
                    if self.chunks == 1 {
                        (fns.finish)(1, wide, out.add(point * fns.out_size));
                    }
                }
            },
        );
        if self.chunks > 1 {
            for point in 0..self.points {
                // SAFETY: all chunks of all points have been written; the tasks are over.
                unsafe {
                    let first = partials.add(point * self.chunks * fns.wide_size);
                    for chunk in 1..self.chunks {
                        (fns.combine)(self.isa, 1, first.add(chunk * fns.wide_size), first);
                    }
                    (fns.finish)(1, first, out.add(point * fns.out_size));
                }
            }
        }
    }

    fn columns(&self, frame: &Frame<'_>) {
        let (fns, nest) = (&self.fns, &self.nest);
        let (out, partials) = (Raw(frame.ptr(self.out)), Raw(frame.ptr(self.partials)));
        let width = nest.dims[nest.dims.len() - 1];
        let total = self.points * width;
        let pieces = nest.pieces;
        let rows = self.rows_per_point;
        let per_item = self.chunk.min(rows).div_ceil(nest.rows_per_tile) * nest.tile;
        self.spread(frame, self.points * self.chunks * pieces, per_item, |item, walk, lanes| {
            let (rest, piece) = (item / pieces, item % pieces);
            let (point, chunk) = (rest / self.chunks, rest % self.chunks);
            let start = if nest.block == 0 { piece * nest.tile } else { 0 };
            let n = if nest.block == 0 { nest.tile.min(width - start) } else { width };
            let column = point * width + start;
            let (first, last) = (chunk * self.chunk, rows.min((chunk + 1) * self.chunk));
            // SAFETY: as in `spread`; each item has its own columns of its own chunk's accumulators, and
            // the scratch memory holds a tile of lanes and of accumulators.
            unsafe {
                let wide = match self.chunks {
                    1 => lanes.add((nest.tile * fns.lane_size).next_multiple_of(64)),
                    _ => partials.add((chunk * total + column) * fns.wide_size),
                };
                (fns.clear_wide)(n, wide);
                let mut row = first;
                while row < last {
                    // The lanes of a round of tiles, then widened.
                    let end = last.min(row + FLUSH * nest.rows_per_tile);
                    let filled = nest.rows_per_tile.min(end - row);
                    (fns.clear)(filled * n, lanes);
                    walk.seek(point * rows + row);
                    while row < end {
                        let count = nest.rows_per_tile.min(end - row);
                        if nest.block == 0 {
                            walk.start_row();
                            walk.piece(start, n);
                            walk.next_row();
                        } else {
                            walk.seek(point * rows + row);
                            walk.rows(count);
                        }
                        (fns.accumulate)(self.isa, count * n, self.source(walk), lanes);
                        row += count;
                    }
                    (fns.fold)(self.isa, filled, n, lanes, wide);
                }
                if self.chunks == 1 {
                    (fns.finish)(n, wide, out.add(column * fns.out_size));
                }
            }
        });
        if self.chunks > 1 {
            // SAFETY: all chunks of all columns have been written; the tasks are over.
            unsafe {
                let first = partials.get();
                for chunk in 1..self.chunks {
                    (fns.combine)(self.isa, total, first.add(chunk * total * fns.wide_size), first);
                }
                (fns.finish)(total, first, out.get());
            }
        }
    }
}
