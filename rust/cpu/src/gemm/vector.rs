//! Products with a single row or column: memory bounds them, so B is read once, in order.

use super::drive::{Help, Job, Target, run};
use super::elem::Float;
use super::kernel::Kernels;
use super::pack::Block;
use super::scratch;

/// Computes the product if it is one of a few rows with a transposed B, or of a single column.
/// Returns whether it did.
pub(super) fn try_product<T: Float>(
    help: Help<'_>,
    kernels: &Kernels<T::Acc>,
    job: &Job<'_, T>,
    target: Target<'_, T::Acc>,
) -> bool {
    false
}
