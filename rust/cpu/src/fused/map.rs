//! Kernels without reduction: every output is written in order, tile by tile.

use smallvec::SmallVec;

use super::body::Body;
use super::nest::Nest;
use super::run::{Walk, origins, with_scratch};
use crate::step::{Arg, At, Frame, Raw};

/// Work that one task should at least have, in additions of an element in cache.
pub(crate) const GRAIN: usize = 1 << 17;

/// A compiled kernel without reduction.
pub(crate) struct Map {
    body: Body,
    nest: Nest,
    /// Address and element size of each output.
    outputs: SmallVec<[(At, usize); 4]>,
    /// Rows (or tiles of several rows, or pieces of the only row) per task.
    per_task: usize,
    units: usize,
    /// The nest is a single row: tasks are made of its pieces.
    single_row: bool,
}

impl Map {
    pub fn new(body: Body, nest: Nest, outputs: &[Arg]) -> Self {
        let single_row = nest.block == 0 && nest.rows() == 1;
        let (units, elements) = match (nest.block, single_row) {
            (0, true) => (nest.pieces, nest.tile),
            (0, false) => (nest.rows(), nest.row_len()),
            _ => (nest.rows().div_ceil(nest.rows_per_tile), nest.tile),
        };
        let per_task = (GRAIN / (elements * (body.cost + 1))).max(1);
        let outputs = outputs.iter().map(|o| (o.at, o.dtype().size())).collect();
        Self { body, nest, outputs, per_task, units, single_row }
    }

    /// Runs the kernel.
    pub fn run(&self, frame: &Frame<'_>) {
        let origins = origins(&self.body, frame);
        let outputs: SmallVec<[Raw; 4]> = self.outputs.iter().map(|&(at, _)| Raw(frame.ptr(at))).collect();
        let task = |task: usize| {
            let first = task * self.per_task;
            let last = self.units.min(first + self.per_task);
            with_scratch(self.body.scratch, |scratch| {
                // SAFETY: the plan's places were checked when it was compiled: loads stay inside their
                // operands, outputs have room for the nest. Tasks write disjoint parts.
                unsafe {
                    let mut walk = Walk::new(&self.body, &self.nest, &origins, scratch);
                    self.units(&mut walk, &outputs, first, last);
                }
            });
        };
        let tasks = self.units.div_ceil(self.per_task);
        if tasks == 1 { task(0) } else { frame.pool.run(tasks, &task) }
    }

    /// # Safety
    /// As [`Walk::new`]; nobody else writes the elements of these units meanwhile.
    unsafe fn units(&self, walk: &mut Walk<'_>, outputs: &[Raw], first: usize, last: usize) {
        let nest = &self.nest;
        let aim = |walk: &mut Walk<'_>, element: usize| {
            for ((output, &(_, size)), &reg) in outputs.iter().zip(&self.outputs).zip(&self.body.outputs) {
                // SAFETY: the element is one of the nest's, for which the output has room.
                walk.registers[reg as usize] = unsafe { output.add(element * size) };
            }
        };
        // SAFETY: the caller's promises.
        unsafe {
            if nest.block > 0 {
                let rows = nest.rows();
                for unit in first..last {
                    let row = unit * nest.rows_per_tile;
                    walk.seek(row);
                    aim(walk, row * nest.block);
                    walk.rows(nest.rows_per_tile.min(rows - row));
                }
                return;
            }
            let len = nest.row_len();
            if self.single_row {
                walk.seek(0);
                walk.start_row();
                for piece in first..last {
                    let start = piece * nest.tile;
                    aim(walk, start);
                    walk.piece(start, nest.tile.min(len - start));
                }
                return;
            }
            walk.seek(first);
            for row in first..last {
                walk.start_row();
                for start in (0..len).step_by(nest.tile) {
                    aim(walk, row * len + start);
                    walk.piece(start, nest.tile.min(len - start));
                }
                walk.next_row();
            }
        }
    }
}
