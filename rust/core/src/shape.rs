//! Shapes, row-major strides, and the type of a tensor.

use std::fmt;
use std::ops::Deref;

use smallvec::SmallVec;

use crate::{DType, Error, Result};

/// A list of dimensions that stays off the heap up to rank 6.
pub type Dims = SmallVec<[usize; 6]>;

/// A tensor's shape: concrete, outermost dimension first, row-major.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Shape(pub Dims);

impl Shape {
    /// The shape of a scalar.
    pub fn scalar() -> Self {
        Self(Dims::new())
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// Number of elements. Call [`Shape::check`] on shapes from outside first.
    pub fn numel(&self) -> usize {
        self.0.iter().product()
    }

    /// Fails when the number of elements, at 8 bytes each, would not fit an `isize`.
    pub fn check(self) -> Result<Self> {
        let bytes = self.0.iter().try_fold(8usize, |n, &d| n.checked_mul(d.max(1)));
        match bytes {
            Some(n) if isize::try_from(n).is_ok() => Ok(self),
            _ => Err(Error::TooLarge(self)),
        }
    }

    /// Row-major strides, in elements.
    pub fn strides(&self) -> Dims {
        let mut strides: Dims = SmallVec::from_elem(1, self.rank());
        for i in (1..self.rank()).rev() {
            strides[i - 1] = strides[i] * self.0[i];
        }
        strides
    }

    /// The shape without the given axes (sorted or not).
    pub fn without(&self, axes: &[usize]) -> Self {
        Self(self.0.iter().enumerate().filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect())
    }

    /// The shape with dimension 1 at the given axes.
    pub fn keeping(&self, axes: &[usize]) -> Self {
        Self(self.0.iter().enumerate().map(|(i, &d)| if axes.contains(&i) { 1 } else { d }).collect())
    }

    /// NumPy's broadcast of two shapes, if there is one.
    pub fn broadcast(&self, other: &Self) -> Option<Self> {
        let rank = self.rank().max(other.rank());
        let dim = |s: &Self, i: usize| if i + s.rank() < rank { 1 } else { s.0[i + s.rank() - rank] };
        (0..rank)
            .map(|i| match (dim(self, i), dim(other, i)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<Dims>>()
            .map(Self)
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Self(dims.into())
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Self(dims.as_slice().into())
    }
}

impl FromIterator<usize> for Shape {
    fn from_iter<I: IntoIterator<Item = usize>>(dims: I) -> Self {
        Self(dims.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, d) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{d}")?;
        }
        f.write_str(if self.rank() == 1 { ",)" } else { ")" })
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is known of a tensor without its data.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// Element type.
    pub dtype: DType,
    /// Shape.
    pub shape: Shape,
}

impl TensorType {
    /// A tensor type.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> Self {
        Self { dtype, shape: shape.into() }
    }

    /// Bytes of the dense row-major tensor.
    pub fn bytes(&self) -> usize {
        self.shape.numel() * self.dtype.size()
    }
}

impl fmt::Debug for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype, self.shape)
    }
}
