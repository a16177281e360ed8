//! Sort and top-k: elements become integer keys with their positions below, and the keys are sorted.

use oxhorn_core::Result;
use oxhorn_core::op::{Sort, TopK};

use super::element::{AxisView, Element, Tensor, grain, with_element};
use crate::pool::{SharedMut, parallel_for};
use crate::step::{Args, Task};

/// The key of an element at a position; equal elements are told apart by position, which makes the order
/// stable. NaN comes last either way.
#[inline(always)]
fn key<T: Element>(x: T, position: usize, descending: bool) -> u128 {
    let key = x.key();
    let key = if descending && !x.is_nan() {
        u64::MAX - key
    } else if x.is_nan() {
        u64::MAX
    } else {
        key
    };
    (u128::from(key) << 32) | position as u128
}

/// The same in one word, for elements of at most four bytes.
#[inline(always)]
fn short_key<T: Element>(x: T, position: usize, descending: bool) -> u64 {
    let key = x.key();
    let most = u64::MAX >> (64 - 8 * size_of::<T>());
    let key = if x.is_nan() {
        most
    } else if descending {
        most - key
    } else {
        key
    };
    (key << 32) | position as u64
}

/// Positions of the first `k` elements of `x` in sorted order.
fn order<T: Element>(
    x: impl ExactSizeIterator<Item = T>,
    k: usize,
    descending: bool,
    mut emit: impl FnMut(usize, usize),
) {
    fn first<K: Ord>(keys: &mut [K], k: usize) {
        if k == 0 {
            return;
        }
        if k * 4 < keys.len() {
            keys.select_nth_unstable(k - 1);
            keys[..k].sort_unstable();
        } else {
            keys.sort_unstable();
        }
    }
    const POSITION: u64 = u32::MAX as u64;
    if size_of::<T>() <= 4 {
        let mut keys: Vec<u64> = x.enumerate().map(|(i, x)| short_key(x, i, descending)).collect();
        first(&mut keys, k);
        keys[..k].iter().enumerate().for_each(|(i, key)| emit(i, (key & POSITION) as usize));
    } else {
        let mut keys: Vec<u128> = x.enumerate().map(|(i, x)| key(x, i, descending)).collect();
        first(&mut keys, k);
        keys[..k].iter().enumerate().for_each(|(i, key)| emit(i, (*key as u64 & POSITION) as usize));
    }
}

/// See [`Sort`].
pub(crate) fn sort(op: &Sort, args: &Args<'_>) -> Result<Task> {
    let [x] = args.inputs else { return Err(args.malformed("one operand")) };
    first_in_order(args, AxisView::new(x.dims(), op.axis), None, op.descending)
}

/// See [`TopK`].
pub(crate) fn top_k(op: &TopK, args: &Args<'_>) -> Result<Task> {
    let [x] = args.inputs else { return Err(args.malformed("one operand")) };
    first_in_order(args, AxisView::new(x.dims(), x.dims().len() - 1), Some(op.k), true)
}

fn first_in_order(args: &Args<'_>, view: AxisView, k: Option<usize>, descending: bool) -> Result<Task> {
    let ([x], [values, positions]) = (args.inputs, args.outputs) else {
        return Err(args.malformed("values and positions"));
    };
    let (k, dtype) = (k.unwrap_or(view.n), x.dtype());
    let (x, values, positions) = (Tensor::of(x), Tensor::of(values), Tensor::of(positions));
    Ok(Box::new(move |frame| {
        let AxisView { outer, n, inner } = view;
        if outer * inner * k == 0 {
            return;
        }
        with_element!(dtype, T => {
            // SAFETY: the dtypes' own types; the results are this step's own.
            let (x, values, positions) = unsafe {
                (x.read::<T>(frame), SharedMut::new(values.write::<T>(frame)), SharedMut::new(positions.write::<i32>(frame)))
            };
            parallel_for(frame.pool, outer, grain(n * inner * 16), |range| {
                for o in range {
                    let x = &x[o * n * inner..(o + 1) * n * inner];
                    let part = o * k * inner..(o + 1) * k * inner;
                    // SAFETY: each outer position has its own results.
                    let (values, positions) = unsafe { (values.slice(part.clone()), positions.slice(part)) };
                    for j in 0..inner {
                        order((0..n).map(|i| x[i * inner + j]), k, descending, |rank, position| {
                            values[rank * inner + j] = x[position * inner + j];
                            positions[rank * inner + j] = position as i32;
                        });
                    }
                }
            });
        });
    }))
}
