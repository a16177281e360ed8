//! Gathering strided operands, and numbering elements, into dense tiles.

use oxhorn_core::DType;

/// Writes the elements of a small loop nest one after another at `out`. `dims` has at least one axis;
/// `steps` are bytes for memory, units for numbers; `base` is an address or a number.
///
/// # Safety
/// The addresses that the nest visits are readable and aligned; `out` has room for all.
pub(crate) type PackFn = unsafe fn(out: *mut u8, base: isize, dims: &[usize], steps: &[isize]);

/// What is read at a position.
trait Source: Copy {
    /// # Safety
    /// As [`PackFn`].
    unsafe fn at(position: isize) -> Self;
}

macro_rules! memory {
    ($($t:ident)*) => { $(impl Source for $t {
        #[inline(always)]
        unsafe fn at(position: isize) -> Self {
            // SAFETY: the caller's promise. The address comes from a live base pointer whose provenance
            // was exposed.
            unsafe { std::ptr::with_exposed_provenance::<$t>(position as usize).read() }
        }
    })* };
}
memory! { u8 u16 u32 u64 }

/// The position itself as a number.
#[derive(Clone, Copy)]
struct Number<T>(#[allow(dead_code)] T);

macro_rules! number {
    ($($t:ident)*) => { $(impl Source for Number<$t> {
        #[inline(always)]
        unsafe fn at(position: isize) -> Self {
            Self(position as $t)
        }
    })* };
}
number! { u8 u16 u32 u64 i8 i16 i32 i64 f32 f64 }

/// # Safety
/// As [`PackFn`].
unsafe fn pack<T: Source>(out: *mut u8, base: isize, dims: &[usize], steps: &[isize]) {
    // SAFETY: the caller's promise.
    unsafe {
        nest(out.cast::<T>(), base, dims, steps);
    }
}

/// Fills and returns the position after the last element.
///
/// # Safety
/// As [`PackFn`].
unsafe fn nest<T: Source>(mut out: *mut T, mut base: isize, dims: &[usize], steps: &[isize]) -> *mut T {
    // SAFETY: the caller's promise; each call writes the product of its dims.
    unsafe {
        match (dims, steps) {
            (&[n], &[step]) => {
                run(out, base, n, step);
                out.add(n)
            }
            (&[rows, n], &[outer, step]) => {
                for _ in 0..rows {
                    run(out, base, n, step);
                    out = out.add(n);
                    base = base.wrapping_add(outer);
                }
                out
            }
            (&[rows, ref dims @ ..], &[outer, ref steps @ ..]) => {
                for _ in 0..rows {
                    out = nest(out, base, dims, steps);
                    base = base.wrapping_add(outer);
                }
                out
            }
            _ => out,
        }
    }
}

/// # Safety
/// As [`PackFn`], for one axis.
#[inline(always)]
unsafe fn run<T: Source>(out: *mut T, base: isize, n: usize, step: isize) {
    // SAFETY: the caller's promise.
    unsafe {
        if step == 0 {
            let value = T::at(base);
            for i in 0..n {
                out.add(i).write(value);
            }
        } else if step == size_of::<T>() as isize {
            for i in 0..n {
                out.add(i).write(T::at(base.wrapping_add((i * size_of::<T>()) as isize)));
            }
        } else {
            let mut position = base;
            for i in 0..n {
                out.add(i).write(T::at(position));
                position = position.wrapping_add(step);
            }
        }
    }
}

/// Gathers elements of `size` bytes.
pub(crate) fn gather_fn(size: usize) -> PackFn {
    match size {
        1 => pack::<u8>,
        2 => pack::<u16>,
        4 => pack::<u32>,
        _ => pack::<u64>,
    }
}

/// Numbers elements, in registers of a compute dtype.
pub(crate) fn number_fn(dtype: DType) -> PackFn {
    match dtype {
        DType::Bool | DType::U8 => pack::<Number<u8>>,
        DType::U16 => pack::<Number<u16>>,
        DType::U32 => pack::<Number<u32>>,
        DType::U64 => pack::<Number<u64>>,
        DType::I8 => pack::<Number<i8>>,
        DType::I16 => pack::<Number<i16>>,
        DType::I32 => pack::<Number<i32>>,
        DType::I64 => pack::<Number<i64>>,
        DType::F64 => pack::<Number<f64>>,
        _ => pack::<Number<f32>>,
    }
}
