//! Index maps: which element of a tensor a kernel reads at each point of its loops.
//!
//! A point is one flat number in `0..n`, row-major over the kernel's space; an element is a flat number
//! in the tensor. A map is `offset + sum of coefficient * digit`, where a digit is
//! `(point / div) % size`. In this form a reshape changes nothing, every other movement is a change of
//! offset and coefficients, and the kernel's axes need to be known only when all maps are.

use smallvec::SmallVec;

use crate::Op;
use crate::shape::Shape;

/// `coef * ((point / div) % size)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Term {
    pub div: usize,
    pub size: usize,
    pub coef: isize,
}

/// An index map, in one spelling for equal functions of the usual kinds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Map {
    pub offset: isize,
    /// Outermost digit (largest `div`) first; no digit of size 1, none of coefficient 0, and no two
    /// that are one.
    pub terms: SmallVec<[Term; 3]>,
}

/// The index along one axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub offset: isize,
    pub terms: SmallVec<[Term; 3]>,
}

impl Map {
    /// Point i reads element i of n.
    pub fn identity(n: usize) -> Self {
        Self::new(0, [Term { div: 1, size: n, coef: 1 }].into_iter().collect())
    }

    /// The map of a reduction's operand: points run over the kept axes, then over `axes`.
    pub fn reduction(shape: &Shape, axes: &[usize]) -> Self {
        let strides = shape.strides();
        let mut div = 1;
        let mut terms = SmallVec::new();
        let kept = (0..shape.rank()).filter(|k| !axes.contains(k));
        let order: SmallVec<[usize; 6]> = kept.chain(axes.iter().copied()).collect();
        for &k in order.iter().rev() {
            terms.push(Term { div, size: shape[k], coef: strides[k] as isize });
            div *= shape[k];
        }
        Self::new(0, terms)
    }

    fn new(offset: isize, mut terms: SmallVec<[Term; 3]>) -> Self {
        terms.retain(|t| t.size != 1 && t.coef != 0);
        terms.sort_by(|a, b| b.div.cmp(&a.div).then(b.size.cmp(&a.size)));
        let mut merged: SmallVec<[Term; 3]> = SmallVec::new();
        for t in terms {
            match merged.last_mut() {
                Some(last) if last.div == t.div && last.size == t.size => last.coef += t.coef,
                Some(last) if last.div == t.div * t.size && last.coef == t.coef * t.size as isize => {
                    *last = Term { div: t.div, size: last.size * t.size, coef: t.coef };
                }
                _ => merged.push(t),
            }
        }
        merged.retain(|t| t.coef != 0);
        Self { offset, terms: merged }
    }

    /// Whether point i reads element i, for all i below n.
    pub fn is_identity(&self, n: usize) -> bool {
        *self == Self::identity(n)
    }

    /// Whether neighbouring points read elements that are not neighbours.
    pub fn is_strided(&self) -> bool {
        self.terms.last().is_some_and(|t| t.div == 1 && t.coef != 1)
    }

    /// The boundaries between the digits: every axis of the kernel lies between two of them.
    pub fn cuts(&self) -> impl Iterator<Item = usize> + '_ {
        self.terms.iter().flat_map(|t| [t.div, t.div * t.size])
    }

    /// The map as one row per axis of `shape`, when each axis's index is such a sum by itself (a window
    /// into merged axes is not).
    pub fn rows(&self, shape: &Shape) -> Option<SmallVec<[Row; 6]>> {
        let strides = shape.strides();
        let mut rows: SmallVec<[Row; 6]> = SmallVec::from_elem(Row::default(), shape.rank());
        let offset = usize::try_from(self.offset).ok()?;
        for k in 0..shape.rank() {
            rows[k].offset = ((offset / strides[k]) % shape[k]) as isize;
        }
        for &term in &self.terms {
            let mut rest = term;
            loop {
                let step = rest.coef.unsigned_abs();
                let k = (0..shape.rank()).find(|&k| shape[k] > 1 && strides[k] <= step)?;
                if step % strides[k] != 0 {
                    return None;
                }
                let along = step / strides[k];
                let signed = along as isize * rest.coef.signum();
                if along * (rest.size - 1) < shape[k] {
                    rows[k].terms.push(Term { coef: signed, ..rest });
                    break;
                }
                // The digit runs over the end of the axis: its low part stays here.
                let low = shape[k] / along;
                if low < 2 || !shape[k].is_multiple_of(along) || !rest.size.is_multiple_of(low) {
                    return None;
                }
                rows[k].terms.push(Term { div: rest.div, size: low, coef: signed });
                rest = Term { div: rest.div * low, size: rest.size / low, coef: rest.coef * low as isize };
            }
        }
        rows.iter().zip(shape.iter()).all(|(row, &size)| row.within(size)).then_some(rows)
    }

    fn from_rows(rows: &[Row], shape: &Shape) -> Self {
        let strides = shape.strides();
        let mut offset = 0;
        let mut terms = SmallVec::new();
        for (row, &stride) in rows.iter().zip(&strides) {
            offset += row.offset * stride as isize;
            terms.extend(row.terms.iter().map(|t| Term { coef: t.coef * stride as isize, ..*t }));
        }
        Self::new(offset, terms)
    }

    /// This map goes to the result of movement `op`, of shape `result`; where in the operand, of shape
    /// `operand`, does the element come from?
    pub fn through(&self, op: &Op, result: &Shape, operand: &Shape) -> Option<Self> {
        if matches!(op, Op::Reshape(_)) {
            return Some(self.clone());
        }
        let rows = self.rows(result)?;
        let mut sources: SmallVec<[Row; 6]> = SmallVec::from_elem(Row::default(), operand.rank());
        match op {
            Op::Transpose(t) => {
                for (row, &k) in rows.into_iter().zip(&t.perm) {
                    sources[k] = row;
                }
            }
            Op::Broadcast(_) => {
                for (k, row) in rows.into_iter().enumerate() {
                    if operand[k] != 1 {
                        sources[k] = row;
                    }
                }
            }
            Op::Slice(s) => {
                for (k, mut row) in rows.into_iter().enumerate() {
                    row.scale(s.stride[k] as isize);
                    row.offset += s.start[k] as isize;
                    sources[k] = row;
                }
            }
            Op::Reverse(r) => {
                for (k, mut row) in rows.into_iter().enumerate() {
                    if r.axes.contains(&k) {
                        row.scale(-1);
                        row.offset += operand[k] as isize - 1;
                    }
                    sources[k] = row;
                }
            }
            _ => return None,
        }
        Some(Self::from_rows(&sources, operand))
    }
}

impl Row {
    fn scale(&mut self, by: isize) {
        self.offset *= by;
        for t in &mut self.terms {
            t.coef *= by;
        }
    }

    /// Whether the row stays in `0..size`.
    fn within(&self, size: usize) -> bool {
        let (mut low, mut high) = (self.offset, self.offset);
        for t in &self.terms {
            let reach = t.coef * (t.size as isize - 1);
            if reach < 0 {
                low += reach;
            } else {
                high += reach;
            }
        }
        low >= 0 && high < size as isize
    }
}

/// The boundaries between axes that the maps of one kernel ask for, ascending. Each divides the next, or
/// there would be no axes to express all the maps.
#[derive(Debug, Clone, Default)]
pub(super) struct Cuts(SmallVec<[usize; 6]>);

impl Cuts {
    /// Adds a boundary; false if it does not fit the others.
    #[must_use]
    pub fn add(&mut self, cut: usize) -> bool {
        let at = match self.0.binary_search(&cut) {
            Ok(_) => return true,
            Err(at) => at,
        };
        let below = at == 0 || cut.is_multiple_of(self.0[at - 1]);
        let above = self.0.get(at).is_none_or(|&next| next.is_multiple_of(cut));
        if below && above {
            self.0.insert(at, cut);
        }
        below && above
    }

    /// Adds the boundaries of a map; false if one does not fit.
    #[must_use]
    pub fn add_map(&mut self, map: &Map) -> bool {
        map.cuts().all(|cut| self.add(cut))
    }

    /// The axes, outermost first, as (step of the point, size).
    pub fn axes(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.0.windows(2).rev().map(|pair| (pair[0], pair[1] / pair[0]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use smallvec::smallvec;

    use super::*;
    use crate::op::{Broadcast, Reshape, Reverse, Slice, Transpose};

    fn at(map: &Map, point: usize) -> isize {
        map.offset + map.terms.iter().map(|t| t.coef * ((point / t.div) % t.size) as isize).sum::<isize>()
    }

    /// Operand element of each element of a movement's result.
    fn sources(op: &Op, result: &Shape, operand: &Shape) -> Vec<usize> {
        if matches!(op, Op::Reshape(_)) {
            return (0..result.numel()).collect();
        }
        let strides = result.strides();
        (0..result.numel())
            .map(|i| {
                let index: Vec<usize> = (0..result.rank()).map(|k| (i / strides[k]) % result[k]).collect();
                let mut source = vec![0; operand.rank()];
                for k in 0..result.rank() {
                    match op {
                        Op::Transpose(t) => source[t.perm[k]] = index[k],
                        Op::Broadcast(_) => source[k] = if operand[k] == 1 { 0 } else { index[k] },
                        Op::Slice(s) => source[k] = s.start[k] + s.stride[k] * index[k],
                        Op::Reverse(r) if r.axes.contains(&k) => source[k] = operand[k] - 1 - index[k],
                        _ => source[k] = index[k],
                    }
                }
                source.iter().zip(operand.strides()).map(|(i, s)| i * s).sum()
            })
            .collect()
    }

    /// A movement of a tensor of `shape`, chosen by `seed`, and its result's shape.
    fn movement(shape: &Shape, seed: u64) -> (Op, Shape) {
        let mut seed = seed;
        let mut pick = |n: usize| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) as usize % n.max(1)
        };
        match pick(5) {
            0 => {
                let mut perm: Vec<usize> = (0..shape.rank()).collect();
                for i in (1..perm.len()).rev() {
                    perm.swap(i, pick(i + 1));
                }
                let result = perm.iter().map(|&k| shape[k]).collect();
                (Op::Transpose(Transpose { perm: perm.into() }), result)
            }
            1 => {
                let result: Shape =
                    shape.iter().map(|&d| if d == 1 { [1, 2, 3][pick(3)] } else { d }).collect();
                (Op::Broadcast(Broadcast { shape: result.clone() }), result)
            }
            2 => {
                let (mut start, mut limit, mut stride) = (smallvec![], smallvec![], smallvec![]);
                let result = shape
                    .iter()
                    .map(|&d| {
                        let (a, s) = (pick(d), 1 + pick(2));
                        let b = a + 1 + pick(d - a);
                        start.push(a);
                        limit.push(b);
                        stride.push(s);
                        (b - a).div_ceil(s)
                    })
                    .collect();
                (Op::Slice(Slice { start, limit, stride }), result)
            }
            3 => {
                let axes = (0..shape.rank()).filter(|_| pick(2) == 0).collect();
                (Op::Reverse(Reverse { axes }), shape.clone())
            }
            _ => {
                let mut rest = shape.numel();
                let mut dims = Vec::new();
                for factor in [2, 3, 5, 2, 2] {
                    if pick(2) == 0 && rest.is_multiple_of(factor) {
                        dims.insert(pick(dims.len() + 1), factor);
                        rest /= factor;
                    }
                }
                dims.insert(pick(dims.len() + 1), rest);
                let shape = Shape::from(dims.as_slice());
                (Op::Reshape(Reshape { shape: shape.clone() }), shape)
            }
        }
    }

    proptest! {
        #![proptest_config(crate::passes::testing::cases(500))]
        #[test]
        fn chains_of_movements(dims in prop::collection::vec(1usize..5, 1..4), seeds in prop::collection::vec(any::<u64>(), 1..6)) {
            let shape = Shape::from(dims.as_slice());
            // Element numbers of the first tensor, moved along.
            let mut elements: Vec<usize> = (0..shape.numel()).collect();
            let mut steps = vec![];
            let mut current = shape;
            for seed in seeds {
                let (op, result) = movement(&current, seed);
                let from = sources(&op, &result, &current);
                elements = from.iter().map(|&i| elements[i]).collect();
                steps.push((op, result.clone(), current));
                current = result;
            }
            let mut map = Some(Map::identity(current.numel()));
            for (op, result, operand) in steps.iter().rev() {
                map = map.and_then(|m| m.through(op, result, operand));
            }
            if let Some(map) = map {
                for (i, &e) in elements.iter().enumerate() {
                    prop_assert_eq!(at(&map, i), e as isize);
                }
                let mut cuts = Cuts::default();
                if cuts.add(1) && cuts.add(current.numel()) && cuts.add_map(&map) {
                    prop_assert_eq!(cuts.axes().map(|a| a.1).product::<usize>(), current.numel());
                }
            }
        }
    }

    #[test]
    fn spellings() {
        let shape = Shape::from([4, 6]);
        let transpose = Op::Transpose(Transpose { perm: smallvec![1, 0] });
        let result = Shape::from([6, 4]);
        let once = Map::identity(24).through(&transpose, &shape, &result).expect("strided");
        assert!(once.is_strided());
        assert!(once.through(&transpose, &result, &shape).expect("strided").is_identity(24));
        // A window over merged axes is not a sum of digits.
        let slice = Op::Slice(Slice { start: smallvec![2], limit: smallvec![14], stride: smallvec![1] });
        let window = Map::identity(12).through(&slice, &Shape::from([12]), &Shape::from([16])).expect("1-D");
        assert!(window.rows(&Shape::from([4, 4])).is_none());
        assert!(window.rows(&Shape::from([2, 8])).is_none());
        let reduce = Map::reduction(&shape, &[0]);
        assert_eq!(
            reduce.terms.as_slice(),
            &[Term { div: 4, size: 6, coef: 1 }, Term { div: 1, size: 4, coef: 6 }]
        );
    }
}
