//! Convolution with a dilated input, brought down to the ops that there are.

use smallvec::SmallVec;

use super::{ones, zeros};
use crate::op::{ConvGradInput, ConvSpec, Convolution};
use crate::shape::Dims;
use crate::{Error, Graph, Result, Shape, Value};

const OP: &str = "conv";

impl Graph {
    /// n-D cross-correlation (n = 1, 2, 3). x: (batch, *space, c_in); kernel: (*window, c_in / groups,
    /// c_out); result: (batch, *out, c_out). `lhs_dilation` - 1 zeros go between neighbours of x;
    /// padding may be negative.
    pub fn conv(
        &mut self,
        x: Value,
        kernel: Value,
        strides: &[usize],
        padding: &[(isize, isize)],
        lhs_dilation: &[usize],
        rhs_dilation: &[usize],
        groups: usize,
    ) -> Result<Value> {
        let spec = ConvSpec {
            strides: strides.into(),
            padding: padding.into(),
            dilation: rhs_dilation.into(),
            groups,
        };
        if lhs_dilation.iter().all(|&d| d == 1) {
            return self.add1(Convolution { spec }, &[x, kernel]);
        }
        let rank = self.shape(x).rank().saturating_sub(2);
        for (what, len) in
            [("strides", strides.len()), ("padding", padding.len()), ("lhs_dilation", lhs_dilation.len())]
        {
            crate::infer::per_axis(OP, what, len, rank)?;
        }
        crate::infer::per_axis(OP, "rhs_dilation", rhs_dilation.len(), rank)?;
        crate::infer::positive(OP, "lhs_dilation", lhs_dilation)?;
        if strides.iter().all(|&s| s == 1) {
            return self.transposed_conv(x, kernel, spec, lhs_dilation);
        }
        let around: SmallVec<[isize; 6]> = SmallVec::from_elem(0, rank + 2);
        let mut interior = zeros(rank + 2);
        for (inside, &d) in interior[1..].iter_mut().zip(lhs_dilation) {
            *inside = d - 1;
        }
        let zero = self.fill_for(x, 0.0)?;
        let x = self.pad(x, zero, &around, &around, &interior)?;
        self.add1(Convolution { spec }, &[x, kernel])
    }

    /// A stride-1 convolution of a dilated input is the gradient of a convolution with that stride, the
    /// kernel flipped and its channels swapped within each group.
    fn transposed_conv(
        &mut self,
        x: Value,
        kernel: Value,
        spec: ConvSpec,
        dilation: &[usize],
    ) -> Result<Value> {
        let rank = dilation.len();
        let (shape, window) = (self.shape(x).clone(), self.shape(kernel).clone());
        if window.rank() != rank + 2 || spec.groups == 0 || window[rank + 1] % spec.groups != 0 {
            let expected = format!("a kernel of rank {} for {} groups", rank + 2, spec.groups);
            return Err(Error::shape(OP, expected, window.to_string()));
        }
        let (per_group_in, per_group_out) = (window[rank], window[rank + 1] / spec.groups);
        let mut input: Dims = SmallVec::from_slice(&shape);
        let mut padding: SmallVec<[(isize, isize); 3]> = SmallVec::new();
        for i in 0..rank {
            let too_large = || Error::attribute(OP, format!("padding {:?} is too large", spec.padding));
            let reach = window[i].checked_sub(1).and_then(|w| w.checked_mul(spec.dilation[i]));
            let reach = reach.and_then(|r| isize::try_from(r).ok()).ok_or_else(too_large)?;
            let (low, high) = spec.padding[i];
            let spread = shape[i + 1].saturating_sub(1).checked_mul(dilation[i]).ok_or_else(too_large)?;
            let dilated = spread as i128 + i128::from(shape[i + 1] > 0);
            let size = dilated + low as i128 + high as i128 - reach as i128;
            if size < 0 {
                let expected = format!("an axis of at least {} elements, padding included", reach + 1);
                return Err(Error::shape(OP, expected, (size + reach as i128).to_string()));
            }
            input[i + 1] = usize::try_from(size).map_err(|_| too_large())?;
            let flipped = |p: isize| reach.checked_sub(p).ok_or_else(too_large);
            padding.push((flipped(low)?, flipped(high)?));
        }
        input[rank + 1] = window[rank + 1];
        let space: Dims = (0..rank).collect();
        let flipped = self.reverse(kernel, &space)?;
        let grouped = [per_group_in, spec.groups, per_group_out];
        let grouped: Shape = window[..rank].iter().chain(&grouped).copied().collect();
        let flipped = self.reshape(flipped, grouped)?;
        let mut perm: Dims = (0..rank + 3).collect();
        perm.swap(rank, rank + 2);
        let swapped = self.transpose(flipped, &perm)?;
        let joined = [per_group_out, spec.groups * per_group_in];
        let swapped =
            self.reshape(swapped, window[..rank].iter().chain(&joined).copied().collect::<Shape>())?;
        debug_assert_eq!(spec.strides, ones(rank));
        let spec = ConvSpec { strides: dilation.into(), padding, ..spec };
        self.add1(ConvGradInput { spec, input: Shape(input) }, &[x, swapped])
    }
}
