//! Walking a nest tile by tile with a body's registers.

use std::cell::Cell;

use smallvec::SmallVec;

use super::body::{Access, Body, Fixed, Micro};
use super::nest::Nest;
use crate::step::Frame;

/// A cache line of scratch memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [u8; 64]);

thread_local! {
    static SCRATCH: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with `bytes` of memory with anything in it, aligned to a cache line, that this thread keeps for
/// the next call.
pub(crate) fn with_scratch<R>(bytes: usize, f: impl FnOnce(*mut u8) -> R) -> R {
    // Taken out meanwhile: a nested call finds nothing and allocates its own.
    let mut lines = SCRATCH.take();
    let needed = bytes.div_ceil(64);
    if lines.len() < needed {
        lines.resize(needed.next_power_of_two(), Line([0; 64]));
    }
    let result = f(lines.as_mut_ptr().cast());
    SCRATCH.set(lines);
    result
}

/// The addresses that a run's tasks start from: looked up once, on the thread that runs the plan.
pub(crate) type Origins = SmallVec<[isize; 16]>;

/// Positions of the body's sources before the first step.
pub(crate) fn origins(body: &Body, frame: &Frame<'_>) -> Origins {
    body.sources
        .iter()
        .map(|source| match source.at {
            // Exposed, because gathers turn positions back into pointers.
            Some(at) => (frame.ptr(at).expose_provenance() as isize).wrapping_add(source.offset),
            None => source.offset,
        })
        .collect()
}

/// One task's walk over a nest.
pub(crate) struct Walk<'a> {
    body: &'a Body,
    nest: &'a Nest,
    origins: &'a [isize],
    /// Positions of the sources at the first element of the current row.
    positions: SmallVec<[isize; 16]>,
    index: SmallVec<[usize; 6]>,
    pub registers: SmallVec<[*mut u8; 48]>,
}

#[inline(always)]
fn pointer(position: isize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(position as usize)
}

impl<'a> Walk<'a> {
    /// Prepares the registers in `scratch` and computes what is the same for every tile.
    ///
    /// # Safety
    /// `scratch` has `body.scratch` bytes; the origins are those of a run in which every operand may be
    /// read at the positions that the nest visits.
    pub unsafe fn new(body: &'a Body, nest: &'a Nest, origins: &'a [isize], scratch: *mut u8) -> Self {
        let mut registers = SmallVec::from_elem(scratch, body.registers);
        for &(reg, fixed) in &body.fixed {
            registers[reg as usize] = match fixed {
                Fixed::Constant(entry) => body.constants[entry..].as_ptr().cast::<u8>().cast_mut(),
                // SAFETY: slots lie inside the scratch memory.
                Fixed::Slot(offset) => unsafe { scratch.add(offset) },
            };
        }
        let mut walk =
            Self { body, nest, origins, positions: origins.into(), index: SmallVec::new(), registers };
        // SAFETY: the caller's promises.
        unsafe {
            for (source, &origin) in body.sources.iter().zip(origins) {
                let reg = source.reg as usize;
                match source.access {
                    Access::Uniform if source.at.is_some() => walk.registers[reg] = pointer(origin),
                    Access::Uniform => (source.pack)(walk.registers[reg], origin, &[1], &[0]),
                    Access::Repeated => {
                        let mut dims = SmallVec::<[usize; 7]>::from_slice(&[nest.rows_per_tile]);
                        let mut steps = SmallVec::<[isize; 7]>::from_slice(&[0]);
                        dims.extend_from_slice(nest.inner());
                        steps.extend_from_slice(&source.steps[nest.split..]);
                        (source.pack)(walk.registers[reg], origin, &dims, &steps);
                    }
                    _ => {}
                }
            }
            walk.micros(&body.once, nest.tile);
        }
        walk
    }

    /// # Safety
    /// The registers that `list` uses point to `n` elements of the right type.
    #[inline(always)]
    unsafe fn micros(&self, list: &[Micro], n: usize) {
        for micro in list {
            let args = micro.args.map(|reg| self.registers[reg as usize].cast_const());
            let count = if micro.vector { n } else { 1 };
            // SAFETY: the caller's promise; the instance was picked for this machine when compiling.
            unsafe { (micro.function)(count, args, self.registers[micro.out as usize]) };
        }
    }

    /// Goes to a row.
    pub fn seek(&mut self, row: usize) {
        let outer = self.nest.outer();
        self.index.resize(outer.len(), 0);
        let mut rest = row;
        for (i, &dim) in self.index.iter_mut().zip(outer).rev() {
            *i = rest % dim;
            rest /= dim;
        }
        for (position, (source, &origin)) in
            self.positions.iter_mut().zip(self.body.sources.iter().zip(self.origins))
        {
            let moved = self.index.iter().zip(&source.steps).map(|(&i, &s)| (i as isize).wrapping_mul(s));
            *position = moved.fold(origin, isize::wrapping_add);
        }
    }

    /// Goes to the next row (after the last: anywhere).
    pub fn next_row(&mut self) {
        let outer = self.nest.outer();
        for axis in (0..outer.len()).rev() {
            self.index[axis] += 1;
            let wrapped = self.index[axis] == outer[axis];
            let back = if wrapped { outer[axis] as isize } else { 0 };
            for (position, source) in self.positions.iter_mut().zip(&self.body.sources) {
                *position = position.wrapping_add(source.steps[axis].wrapping_mul(1 - back));
            }
            if !wrapped {
                return;
            }
            self.index[axis] = 0;
        }
    }

    /// Computes what is the same for the current row; for nests whose tiles are pieces of rows.
    ///
    /// # Safety
    /// As [`Walk::new`].
    pub unsafe fn start_row(&mut self) {
        for (source, &position) in self.body.sources.iter().zip(&self.positions) {
            if source.access == Access::PerRow {
                let register = &mut self.registers[source.reg as usize];
                match source.at {
                    Some(_) => *register = pointer(position),
                    // SAFETY: the register is a slot.
                    None => unsafe { (source.pack)(*register, position, &[1], &[0]) },
                }
            }
        }
        if !self.body.row.is_empty() {
            // SAFETY: the registers of the row's phase are set.
            unsafe { self.micros(&self.body.row, self.nest.tile) };
        }
    }

    /// Points the sources at `n` elements of the row from `first` on and runs the tile's micro-ops; the
    /// output registers must have been set.
    ///
    /// # Safety
    /// As [`Walk::new`]; `n` is at most the nest's tile, and outputs have room for `n` elements.
    pub unsafe fn piece(&mut self, first: usize, n: usize) {
        // SAFETY: the caller's promises.
        unsafe {
            for (source, &position) in self.body.sources.iter().zip(&self.positions) {
                let register = &mut self.registers[source.reg as usize];
                let step = source.steps[self.nest.split];
                match source.access {
                    Access::Direct => {
                        *register = pointer(position.wrapping_add((first * source.size) as isize))
                    }
                    Access::Gathered => {
                        let start = position.wrapping_add(step.wrapping_mul(first as isize));
                        (source.pack)(*register, start, &[n], &[step]);
                    }
                    _ => {}
                }
            }
            self.micros(&self.body.tile, n);
        }
    }

    /// The same for `rows` whole rows, from the current one on.
    ///
    /// # Safety
    /// As [`Walk::piece`].
    pub unsafe fn rows(&mut self, rows: usize) {
        // SAFETY: the caller's promises.
        unsafe {
            for (source, &position) in self.body.sources.iter().zip(&self.positions) {
                let register = &mut self.registers[source.reg as usize];
                match source.access {
                    Access::Direct => *register = pointer(position),
                    Access::Gathered => {
                        let register = *register;
                        self.gather_rows(source, position, register, rows);
                    }
                    _ => {}
                }
            }
            self.micros(&self.body.tile, rows * self.nest.block);
        }
    }

    /// # Safety
    /// As [`Walk::piece`].
    unsafe fn gather_rows(
        &self,
        source: &super::body::Source,
        position: isize,
        mut out: *mut u8,
        rows: usize,
    ) {
        let nest = self.nest;
        let axis = nest.split - 1; // there is one: a nest of one axis has no blocks
        let mut dims = SmallVec::<[usize; 7]>::from_slice(&[0]);
        dims.extend_from_slice(nest.inner());
        let steps = &source.steps[axis..];
        let mut index = self.index.clone();
        let (mut left, mut position) = (rows, position);
        loop {
            // Rows that differ only in the last of the outer loops.
            let run = left.min(nest.dims[axis] - index[axis]);
            dims[0] = run;
            // SAFETY: the caller's promise: these are positions of the nest, and the slot holds a tile.
            unsafe {
                (source.pack)(out, position, &dims, steps);
                out = out.add(run * nest.block * source.size);
            }
            left -= run;
            if left == 0 {
                return;
            }
            position = position.wrapping_sub(source.steps[axis].wrapping_mul(index[axis] as isize));
            index[axis] = 0;
            for outer in (0..axis).rev() {
                index[outer] += 1;
                position = position.wrapping_add(source.steps[outer]);
                if index[outer] < nest.dims[outer] {
                    break;
                }
                position = position.wrapping_sub(source.steps[outer].wrapping_mul(nest.dims[outer] as isize));
                index[outer] = 0;
            }
        }
    }
}
