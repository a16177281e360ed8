//! Convolutions over one, two or three spatial axes, channels last, and their two gradients.
//!
//! No matrix of patches is ever built: the GEMM's micro-kernel broadcasts single elements of its left
//! operand, so it reads patches from the image itself. [`fused`] runs all taps of a window in one
//! pass; [`taps`] adds up one tap at a time and computes nothing for padding; [`kernel`](grad_kernel)
//! gradients take positions for the depth of the product. A convolution of single channels has loops
//! of its own ([`depthwise`]), and one with a window of one element is a matrix product.
//!
//! Work is cut by the sizes alone and every sum has a fixed order, so results are the same bits with
//! any number of threads.

mod depthwise;
mod fused;
mod geometry;
mod grad_kernel;
mod taps;
mod tiles;

pub use geometry::ConvGeometry;
pub(crate) use geometry::{Axis, Meetings};

use crate::gemm::drive::{TASK, TASKS, with_wide};
use crate::gemm::elem::Float;
use crate::gemm::kernel::Real;
use crate::gemm::{Epilogue, GemmDims, MatMut, MatRef, gemm_on, scratch};
use crate::isa::Isa;
use crate::pool::{SharedMut, ThreadPool};
use fused::Pass;
use tiles::{Orientation, with_weights};

/// Element types of convolutions: f32, f64, and float16 and bfloat16 (accumulated in f32, rounded
/// once).
pub trait ConvElem: Float {}

impl<T: Float> ConvElem for T {}

/// Most tasks that one call is cut into.
const MAX_TASKS: usize = 64;

/// How much there is to do.
#[derive(Debug, Clone, Copy)]
struct Work {
    /// Tasks that are worth it.
    tasks: usize,
    /// Positions of the result per task.
    positions: usize,
}

impl Work {
    /// For `positions` of the result of one image; tiles that read `weights` bytes should repay it.
    fn new(g: &ConvGeometry, positions: usize, weights: usize) -> Self {
        let products = g.batch * g.outputs() * g.taps() * (g.c_in / g.groups) * g.c_out;
        let tasks = (products / TASK).clamp(1, MAX_TASKS);
        let least = if weights > 1 << 19 { 112 } else { 1 };
        Self { tasks, positions: (g.batch * positions).div_ceil(tasks).max(least) }
    }
}

/// A result shared by the tasks that write it.
struct Output<T: Float> {
    shared: Result<SharedMut<T::Acc>, SharedMut<T>>,
    channels: usize,
}

impl<T: Float> Output<T> {
    fn new(data: &mut [T], channels: usize) -> Self {
        Self { shared: T::shared(SharedMut::new(data)), channels }
    }

    /// Calls `body` with wide sums for some positions and with the position at which these start. The
    /// sums start undefined.
    fn with_wide(&self, isa: Isa, first: usize, count: usize, body: impl FnOnce(&SharedMut<T::Acc>, usize)) {
        match &self.shared {
            Ok(wide) => body(wide, 0),
            Err(stored) => scratch::with(count * self.channels, |sums: &mut [T::Acc]| {
                body(&SharedMut::new(sums), first);
                // SAFETY: one task has these positions, with all their channels.
                let to = unsafe { stored.slice(first * self.channels..(first + count) * self.channels) };
                T::narrow(isa, sums, to);
            }),
        }
    }

    /// In how many parts the columns are cut: several when there are too few other tasks.
    fn column_parts(&self, work: &Work, tasks: usize, panels: usize) -> usize {
        let wanted = work.tasks.min(TASKS).div_ceil(tasks);
        if self.shared.is_ok() { wanted.min(panels).max(1) } else { 1 }
    }
}

/// Panics unless the operands have the geometry's sizes.
fn check<T>(g: &ConvGeometry, x: &[T], w: &[T], y: &[T]) {
    let (expected, got) = ([g.x_len(), g.w_len(), g.y_len()], [x.len(), w.len(), y.len()]);
    assert!(expected == got, "convolution: expected operands of {expected:?} elements, got {got:?}");
}

/// y = epilogue(x * w), cross-correlation. x (batch, *space, c_in), w (*window, c_in / groups, c_out),
/// y (batch, *out, c_out); a bias has c_out elements.
///
/// # Panics
/// When an operand does not have the geometry's size.
pub fn forward<T: ConvElem>(
    pool: &ThreadPool,
    g: &ConvGeometry,
    x: &[T],
    w: &[T],
    y: &mut [T],
    epilogue: Epilogue<'_, T>,
) {
    forward_on(pool, Isa::get(), g, x, w, y, epilogue);
}

fn forward_on<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    x: &[T],
    w: &[T],
    y: &mut [T],
    epilogue: Epilogue<'_, T>,
) {
    check(g, x, w, y);
    if let Some(bias) = epilogue.bias {
        assert!(
            bias.len() == g.c_out,
            "convolution: expected a bias of {} elements, got {}",
            g.c_out,
            bias.len()
        );
    }
    if y.is_empty() {
        return;
    }
    if g.is_pointwise() {
        let dims = GemmDims { batch: 1, m: g.batch * g.outputs(), n: g.c_out, k: g.c_in };
        return gemm_on(
            isa,
            pool,
            &dims,
            matrix(x, g.c_in),
            matrix(w, g.c_out),
            matrix_mut(y, g.c_out),
            false,
            epilogue,
        );
    }
    if g.is_depthwise() {
        return depthwise::forward(pool, isa, g, x, w, y, epilogue);
    }
    let y = Output::new(y, g.c_out);
    with_wide(isa, epilogue.bias, |bias| {
        any_taps(pool, isa, g, x, w, Orientation::Forward, &y, bias, epilogue.relu);
    });
}

/// A convolution with the weights in any orientation, by the cheaper method.
fn any_taps<T: Float>(
    pool: &ThreadPool,
    isa: Isa,
    g: &ConvGeometry,
    x: &[T],
    w: &[T],
    orientation: Orientation,
    y: &Output<T>,
    bias: Option<&[T::Acc]>,
    relu: bool,
) {
    let kernels = <T::Acc as Real>::kernels(isa);
    let weights_geometry = if orientation == Orientation::Forward { g.clone() } else { g.reversed() };
    with_weights(pool, isa, kernels, &weights_geometry, w, orientation, |weights| {
        let work = Work::new(g, g.outputs(), weights.bytes());
        let pass = Pass::new(g, work.positions, T::as_acc(x).is_some(), weights.tap);
        match pass.filter(|_| fused_cost(g) <= taps_cost(g)) {
            Some(pass) => fused::convolve(pool, isa, kernels, g, &pass, &work, x, weights, y, bias, relu),
            None => taps::accumulate(pool, isa, kernels, g, &work, false, x, weights, y, bias, relu),
        }
    });
}

/// Steps of the depth that a pass with all taps takes, those in padding included.
fn fused_cost(g: &ConvGeometry) -> usize {
    g.outputs() * g.taps() * (g.c_in / g.groups)
}

/// Steps of the depth that a pass tap by tap takes; reading and writing a tile counts as a few.
fn taps_cost(g: &ConvGeometry) -> usize {
    const TILE: usize = 5;
    g.pairs() * (g.c_in / g.groups + TILE)
}

/// dx, from dy of y's shape: the gradient of [`forward`] with respect to x; also a transposed
/// convolution.
///
/// # Panics
/// When an operand does not have the geometry's size.
pub fn grad_input<T: ConvElem>(pool: &ThreadPool, g: &ConvGeometry, dy: &[T], w: &[T], dx: &mut [T]) {
    grad_input_on(pool, Isa::get(), g, dy, w, dx);
}

fn grad_input_on<T: Float>(pool: &ThreadPool, isa: Isa, g: &ConvGeometry, dy: &[T], w: &[T], dx: &mut [T]) {
    check(g, dx, w, dy);
    if dx.is_empty() {
        return;
    }
    if g.is_pointwise() {
        let dims = GemmDims { batch: 1, m: g.batch * g.outputs(), n: g.c_in, k: g.c_out };
        let w = MatRef { data: w, row_stride: 1, col_stride: g.c_out, batch_stride: 0 };
        return gemm_on(
            isa,
            pool,
            &dims,
            matrix(dy, g.c_out),
            w,
            matrix_mut(dx, g.c_in),
            false,
            Epilogue::default(),
        );
    }
    if g.is_depthwise() {
        return depthwise::grad_input(pool, isa, g, dy, w, dx);
    }
    let dx = Output::new(dx, g.c_in);
    // With stride 1 it is a convolution of dy, which is the better way where dy has few channels.
    let reversed = g.reversed();
    if g.axes.iter().all(|a| a.stride == 1) && fused_cost(&reversed) < taps_cost(&reversed) {
        return any_taps(pool, isa, &reversed, dy, w, Orientation::Flipped, &dx, None, false);
    }
    let kernels = <T::Acc as Real>::kernels(isa);
    with_weights(pool, isa, kernels, g, w, Orientation::Transposed, |weights| {
        let work = Work::new(g, g.inputs(), weights.bytes());
        taps::accumulate(pool, isa, kernels, g, &work, true, dy, weights, &dx, None, false);
    });
}

/// dw, from x and dy of y's shape: the gradient of [`forward`] with respect to the kernel.
///
/// # Panics
/// When an operand does not have the geometry's size.
pub fn grad_kernel<T: ConvElem>(pool: &ThreadPool, g: &ConvGeometry, x: &[T], dy: &[T], dw: &mut [T]) {
    grad_kernel_on(pool, Isa::get(), g, x, dy, dw);
}

fn grad_kernel_on<T: Float>(pool: &ThreadPool, isa: Isa, g: &ConvGeometry, x: &[T], dy: &[T], dw: &mut [T]) {
    check(g, x, dw, dy);
    if dw.is_empty() {
        return;
    }
    if dy.is_empty() {
        return dw.fill(T::zeroed());
    }
    if g.is_depthwise() {
        return depthwise::grad_kernel(pool, isa, g, x, dy, dw);
    }
    grad_kernel::grad_kernel(pool, isa, g, x, dy, dw);
}

/// A row-major matrix.
fn matrix<T>(data: &[T], cols: usize) -> MatRef<'_, T> {
    MatRef { data, row_stride: cols, col_stride: 1, batch_stride: 0 }
}

/// A row-major matrix.
fn matrix_mut<T>(data: &mut [T], cols: usize) -> MatMut<'_, T> {
    MatMut { data, row_stride: cols, batch_stride: 0 }
}

#[cfg(test)]
mod tests;
