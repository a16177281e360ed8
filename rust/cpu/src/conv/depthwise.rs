//! Convolutions of each channel by itself: memory bounds them, so these are loops over vectors of
//! channels.

use bytemuck::Zeroable;
use smallvec::SmallVec;

use super::geometry::{Band, Bands, ConvGeometry, Meetings};
use crate::gemm::drive::{Parts, with_wide};
use crate::gemm::elem::Float;
use crate::gemm::kernel::Real;
use crate::gemm::{Epilogue, scratch};
use crate::isa::Isa;
use crate::multiversion;
use crate::pool::{SharedMut, ThreadPool};

/// Channels whose sums stay in registers.
const BLOCK: usize = 16;
/// Products that are worth a task of their own.
const TASK: usize = 1 << 16;
/// Most parts that the positions are cut into.
const PARTS: usize = 16;

/// Bands of about `TASK` products, and no more than 64.
fn bands(g: &ConvGeometry, space: [usize; 3]) -> Bands {
    let positions = g.batch * space.iter().product::<usize>();
    let size = (TASK / (g.taps() * g.c_in)).max(positions.div_ceil(64)).max(1);
    Bands::new(g.batch, space, size)
}

pub(super) fn forward<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    x: &[T],
    w: &[T],
    y: &mut [T],
    epilogue: Epilogue<'_, T>,
) {
    with_wide(isa, epilogue.bias, |bias| gather(pool, isa, g, false, x, w, y, bias, epilogue.relu));
}

pub(super) fn grad_input<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    dy: &[T],
    w: &[T],
    dx: &mut [T],
) {
    gather(pool, isa, g, true, dy, w, dx, None, false);
}

/// Each position of the result as a sum over the source's positions that meet it.
fn gather<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    transposed: bool,
    source: &[T],
    w: &[T],
    result: &mut [T],
    bias: Option<&[T::Acc]>,
    relu: bool,
) {
    let of = |transposed: bool| g.axes.map(|a| if transposed { a.input } else { a.output });
    let ([_, height, width], [_, window_h, window_w]) = (of(!transposed), g.axes.map(|a| a.window));
    let bands = bands(g, of(transposed));
    let shared = SharedMut::new(result);
    pool.run(bands.count, &|task| {
        let Band { image, depth, rows, cols, start } = bands.get(task);
        let columns: SmallVec<[Meetings; 32]> =
            cols.clone().map(|q| g.axes[2].meetings(q, transposed)).collect();
        let planes = g.axes[0].meetings(depth, transposed);
        for (r, row) in rows.enumerate() {
            let in_rows = g.axes[1].meetings(row, transposed);
            // Starts of a line of the source and of the taps that run along it.
            let lines: SmallVec<[(usize, usize); 16]> = planes
                .iter()
                .flat_map(|&(plane, td)| {
                    let plane = image * of(!transposed)[0] + plane;
                    in_rows.iter().map(move |&(line, th)| {
                        (((plane * height + line) * width) * g.c_in, (td * window_h + th) * window_w * g.c_in)
                    })
                })
                .collect();
            let at = (start + r * cols.len()) * g.c_in;
            // SAFETY: one task has the band's positions.
            let to = unsafe { shared.slice(at..at + cols.len() * g.c_in) };
            gather_row(isa, &lines, &columns, source, w, bias, relu, to);
        }
    });
}

multiversion! {
    /// One row of the result.
    fn gather_row[T: Float](
        lines: &[(usize, usize)],
        columns: &[Meetings],
        source: &[T],
        w: &[T],
        bias: Option<&[T::Acc]>,
        relu: bool,
        to: &mut [T],
    ) {
        let channels = to.len() / columns.len();
        for (meetings, to) in columns.iter().zip(to.chunks_exact_mut(channels)) {
            let mut done = 0;
            while done < channels {
                // The last block overlaps the one before it instead of being short.
                if channels >= BLOCK {
                    let first = done.min(channels - BLOCK);
                    let mut sums = [T::Acc::ZERO; BLOCK];
                    if let Some(bias) = bias {
                        sums.copy_from_slice(&bias[first..first + BLOCK]);
                    }
                    for &(line, taps) in lines {
                        for &(position, tap) in meetings {
                            let x = &source[line + position * channels + first..][..BLOCK];
                            let w = &w[taps + tap * channels + first..][..BLOCK];
                            for i in 0..BLOCK {
                                sums[i] += x[i].to_acc() * w[i].to_acc();
                            }
                        }
                    }
                    for (to, sum) in to[first..first + BLOCK].iter_mut().zip(sums) {
                        *to = T::from_acc(if relu && sum < T::Acc::ZERO { T::Acc::ZERO } else { sum });
                    }
                    done += BLOCK;
                } else {
                    let mut sum = bias.map_or(T::Acc::ZERO, |bias| bias[done]);
                    for &(line, taps) in lines {
                        for &(position, tap) in meetings {
                            let x = source[line + position * channels + done].to_acc();
                            sum += x * w[taps + tap * channels + done].to_acc();
                        }
                    }
                    to[done] = T::from_acc(if relu && sum < T::Acc::ZERO { T::Acc::ZERO } else { sum });
                    done += 1;
                }
            }
        }
    }
}

pub(super) fn grad_kernel<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    x: &[T],
    dy: &[T],
    dw: &mut [T],
) {
    let (len, [_, h, w]) = (dw.len(), &g.axes);
    let bands = bands(g, g.axes.map(|a| a.output));
    let parts = Parts::new(bands.count, bands.count.min(PARTS));
    scratch::with(parts.count * len, |sums: &mut [T::Acc]| {
        let shared = SharedMut::new(sums);
        pool.run(parts.count, &|part| {
            // SAFETY: one task has this part.
            let sums = unsafe { shared.slice(part * len..(part + 1) * len) };
            sums.fill(T::Acc::zeroed());
            for band in parts.get(part).map(|i| bands.get(i)) {
                let planes = g.axes[0].meetings(band.depth, false);
                for (r, row) in band.rows.clone().enumerate() {
                    let in_rows = h.meetings(row, false);
                    for (&(plane, td), &(line, th)) in
                        planes.iter().flat_map(|p| in_rows.iter().map(move |l| (p, l)))
                    {
                        let plane = band.image * g.axes[0].input + plane;
                        let x = &x[(plane * h.input + line) * w.input * g.c_in..][..w.input * g.c_in];
                        let dy =
                            &dy[(band.start + r * band.cols.len()) * g.c_in..][..band.cols.len() * g.c_in];
                        let first = (td * h.window + th) * w.window * g.c_in;
                        for tap in 0..w.window {
                            let inside = w.outputs(tap, 0..w.input);
                            let from = inside.start.max(band.cols.start);
                            let to = inside.end.min(band.cols.end);
                            if from >= to {
                                continue;
                            }
                            let x = &x[w.position(from, tap) as usize * g.c_in..];
                            let dy = &dy[(from - band.cols.start) * g.c_in..(to - band.cols.start) * g.c_in];
                            let sums = &mut sums[first + tap * g.c_in..][..g.c_in];
                            add_products(isa, x, w.stride * g.c_in, dy, sums);
                        }
                    }
                }
            }
        });
        let (total, rest) = sums.split_at_mut(len);
        for part in rest.chunks_exact(len) {
            total.iter_mut().zip(part).for_each(|(total, &x)| *total += x);
        }
        T::narrow(isa, total, dw);
    });
}

multiversion! {
    /// Adds x dy over the positions of a row; x's are `x_step` elements apart.
    fn add_products[T: Float](x: &[T], x_step: usize, dy: &[T], sums: &mut [T::Acc]) {
        let channels = sums.len();
        let mut first = 0;
        while first + BLOCK <= channels {
            let mut block = [T::Acc::ZERO; BLOCK];
            for (i, dy) in dy.chunks_exact(channels).enumerate() {
                let (x, dy) = (&x[i * x_step + first..][..BLOCK], &dy[first..][..BLOCK]);
                for j in 0..BLOCK {
                    block[j] += x[j].to_acc() * dy[j].to_acc();
                }
            }
            sums[first..first + BLOCK].iter_mut().zip(block).for_each(|(sum, x)| *sum += x);
            first += BLOCK;
        }
        for (c, sum) in sums.iter_mut().enumerate().skip(first) {
            for (i, dy) in dy.chunks_exact(channels).enumerate() {
                *sum += x[i * x_step + c].to_acc() * dy[c].to_acc();
            }
        }
    }
}
