//! The gradient with respect to the kernel: products of x's patches, transposed, with dy, whose depth
//! is the positions. Positions are cut into a number of parts that follows from the sizes; the parts'
//! sums are added in order.

use bytemuck::Zeroable;

use super::fused::Pass;
use super::geometry::ConvGeometry;
use super::tiles::help;
use crate::gemm::drive::{Parts, TASK, TASKS, run};
use crate::gemm::elem::Float;
use crate::gemm::kernel::{Kernels, Real, Rows, Segment, Tile};
use crate::gemm::pack::{self, Block};
use crate::gemm::scratch;
use crate::isa::Isa;
use crate::pool::{SharedMut, ThreadPool};

/// Positions that go into one pass over the kernel's elements: enough to repay the reading and
/// writing of the sums, few enough for x and dy to stay in L2.
const DEPTH: usize = 256;
/// Bytes of partial sums.
const PARTIAL: usize = 8 << 20;
/// Most rows of any micro-kernel.
const MAX_MR: usize = 16;

pub(super) fn grad_kernel<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
) {
    let len = dw.len();
    let positions = g.batch * g.outputs();
    let products = positions * g.taps() * (g.c_in / g.groups) * g.c_out;
    // The weights of x's runs do not matter here: taps are numbered.
    let Some(pass) = Pass::new(g, DEPTH.min(positions), T::as_acc(x).is_some(), 1) else {
        return plain(pool, g, x, dy, dw);
    };
    let most = (products / TASK).min(PARTIAL / (len * size_of::<T::Acc>())).clamp(1, TASKS);
    let parts = Parts::new(pass.bands.count, most.min(pass.bands.count).min(positions.div_ceil(DEPTH)));
    let sum = |sums: &SharedMut<T::Acc>| partial_sums(pool, isa, g, &pass, parts, x, dy, sums);
    if let (1, Ok(sums)) = (parts.count, T::shared(SharedMut::new(dw))) {
        return sum(&sums);
    }
    scratch::with(parts.count * len, |sums: &mut [T::Acc]| {
        sum(&SharedMut::new(sums));
        let sums = &*sums;
        let shared = SharedMut::new(dw);
        let grain = 1 << 13;
        run(help(pool, sums.len()), len.div_ceil(grain), |task| {
            let range = task * grain..len.min((task + 1) * grain);
            scratch::with(range.len(), |total: &mut [T::Acc]| {
                total.copy_from_slice(&sums[range.clone()]);
                for part in 1..parts.count {
                    let part = &sums[part * len..][range.clone()];
                    total.iter_mut().zip(part).for_each(|(total, &x)| *total += x);
                }
                // SAFETY: one task has this range.
                T::narrow(isa, total, unsafe { shared.slice(range.clone()) });
            });
        });
    });
}

/// Sums over each part of the positions, one after the other in `sums`.
fn partial_sums<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    pass: &Pass,
    parts: Parts,
    x: &[T],
    dy: &[T],
    sums: &SharedMut<T::Acc>,
) {
    let kernels = <T::Acc as Real>::kernels(isa);
    let (nr, out_group, len) = (kernels.nr(), g.c_out / g.groups, sums.len() / parts.count);
    let panels = out_group.div_ceil(nr);
    let units = Parts::new(g.groups * panels, TASKS.div_ceil(parts.count).min(g.groups * panels));
    pool.run(parts.count * units.count, &|task| {
        let part = task % parts.count;
        let mut accumulate = false;
        pass.for_groups(isa, g, x, parts.get(part), DEPTH, |source, rows| {
            for unit in units.get(task / parts.count) {
                let (group, panel) = (unit / panels, unit % panels);
                let cols = nr.min(out_group - panel * nr);
                let column = group * out_group + panel * nr;
                let whole_vectors = kernels.cheap_masks || cols.is_multiple_of(kernels.lanes);
                let first = rows.first().map_or(0, |row| row.c);
                let depth: usize = rows.iter().map(|row| row.len).sum();
                let run = |b: &[T::Acc], b_step: usize, first: usize| {
                    let mut segments: smallvec::SmallVec<[Segment; 64]> = smallvec::SmallVec::new();
                    segments.extend(rows.iter().map(|row| Segment {
                        a: row.a,
                        b: (row.c - first) * b_step,
                        len: row.len,
                    }));
                    let tile = Tile {
                        a: source.as_ptr().wrapping_add(group * (g.c_in / g.groups)),
                        a_step: g.axes[2].stride * g.c_in,
                        b: b.as_ptr(),
                        b_step,
                        segments: &segments,
                        c: sums.as_ptr().wrapping_add(part * len + column),
                        c_rows: Rows::Stride(g.c_out),
                        cols,
                        accumulate,
                        ..Tile::empty()
                    };
                    // SAFETY: the segments' rows of positions lie inside of the source and of dy, by
                    // the pass's construction; one task has these columns of this part.
                    unsafe { elements(kernels, g, pass, tile) };
                };
                match T::as_acc(dy) {
                    Some(dy) if whole_vectors => run(&dy[column..], g.c_out, 0),
                    _ => scratch::with(depth * nr, |copy: &mut [T::Acc]| {
                        let block = Block {
                            data: &dy[first * g.c_out + column..],
                            row_stride: g.c_out,
                            col_stride: 1,
                        };
                        pack::pack(isa, block, depth, cols, copy, nr);
                        run(copy, nr, first);
                    }),
                }
            }
            accumulate = true;
        });
    });
}

/// Runs the tiles over a group's kernel elements (rows: taps and input channels).
///
/// # Safety
/// `tile` describes the first element's operands.
unsafe fn elements<T: Real>(kernels: &Kernels<T>, g: &ConvGeometry, pass: &Pass, tile: Tile<'_, T>) {
    let Some(run) = pass.runs.first().map(|run| run.len) else { return };
    let (a, c) = (tile.a, tile.c);
    let total = run * pass.runs.len();
    if run / run.div_ceil(kernels.mr).max(1) * 2 > kernels.mr || run == total {
        for (i, start) in pass.runs.iter().enumerate() {
            for part in Parts::at_most(run, kernels.mr).iter().filter(|part| !part.is_empty()) {
                let tile = Tile {
                    a: a.wrapping_add(start.a + part.start),
                    a_rows: Rows::Stride(1),
                    c: c.wrapping_add((i * run + part.start) * g.c_out),
                    ..tile
                };
                // SAFETY: the contract; these rows are elements of the window.
                unsafe { kernels.get(false, part.len(), tile.cols)(&tile) };
            }
        }
        return;
    }
    for part in Parts::at_most(total, kernels.mr).iter().filter(|part| !part.is_empty()) {
        let (mut from, mut to) = ([0; MAX_MR], [0; MAX_MR]);
        for (i, (from, to)) in part.clone().zip(from.iter_mut().zip(&mut to)) {
            (*from, *to) = (pass.runs[i / run].a + i % run, i * g.c_out);
        }
        let tile = Tile {
            a_rows: Rows::Offsets(&from[..part.len()]),
            c_rows: Rows::Offsets(&to[..part.len()]),
            ..tile
        };
        // SAFETY: as above.
        unsafe { kernels.get(true, part.len(), tile.cols)(&tile) };
    }
}

/// Taps so far apart that padded copies are out of the question: one task per tap.
fn plain<T: Float>(pool: &ThreadPool, g: &ConvGeometry, x: &[T], dy: &[T], dw: &mut [T]) {
    let (in_group, out_group) = (g.c_in / g.groups, g.c_out / g.groups);
    let shared = SharedMut::new(dw);
    let [d, h, w] = &g.axes;
    pool.run(g.taps(), &|t| {
        let tap = g.tap(t);
        let size = in_group * g.c_out;
        // SAFETY: one task has this tap's elements.
        let to = unsafe { shared.slice(t * size..(t + 1) * size) };
        scratch::with(size, |sums: &mut [T::Acc]| {
            sums.fill(T::Acc::zeroed());
            let inside = |i: usize| g.axes[i].outputs(tap[i], 0..g.axes[i].input);
            for n in 0..g.batch {
                for (od, oh, ow) in inside(0)
                    .flat_map(|od| inside(1).flat_map(move |oh| inside(2).map(move |ow| (od, oh, ow))))
                {
                    let output = ((n * d.output + od) * h.output + oh) * w.output + ow;
                    let at =
                        |axis: &super::geometry::Axis, o: usize, tap: usize| axis.position(o, tap) as usize;
                    let input = ((n * d.input + at(d, od, tap[0])) * h.input + at(h, oh, tap[1])) * w.input
                        + at(w, ow, tap[2]);
                    for (i, row) in sums.chunks_exact_mut(g.c_out).enumerate() {
                        for (co, sum) in row.iter_mut().enumerate() {
                            let ci = co / out_group * in_group + i;
                            *sum += x[input * g.c_in + ci].to_acc() * dy[output * g.c_out + co].to_acc();
                        }
                    }
                }
            }
            to.iter_mut().zip(&*sums).for_each(|(to, &sum)| *to = T::from_acc(sum));
        });
    });
}
