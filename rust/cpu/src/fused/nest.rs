//! The shape of a loop nest: axes merged, split into the loops around a tile and those inside.

use smallvec::SmallVec;

use super::TILE;

/// Steps per axis, outermost first.
pub(crate) type Steps = SmallVec<[isize; 6]>;

/// Rows shorter than this share a tile.
const SHORT_ROW: usize = 128;

/// A loop nest whose points are visited in row-major order of `dims`, in tiles.
///
/// A tile is either a piece of one row of the last axis (`block == 0`), or several whole rows, a row
/// then being everything inside axis `split`.
#[derive(Debug, Clone)]
pub(crate) struct Nest {
    /// Sizes of the loops.
    pub dims: SmallVec<[usize; 6]>,
    /// Axes before this one are loops around the tile.
    pub split: usize,
    /// Elements of a row where tiles hold several rows, 0 where tiles are pieces of a row.
    pub block: usize,
    /// Elements of a full tile.
    pub tile: usize,
    /// Rows of a full tile (1 when tiles are pieces).
    pub rows_per_tile: usize,
    /// Tiles along a row (1 when tiles hold whole rows).
    pub pieces: usize,
}

impl Nest {
    /// A nest over `dims` (none of them 0). Axes before `fixed` never go into a tile together with
    /// others: a tile's rows all lie inside one point of the first `fixed` axes, unless `fixed` is 0.
    pub fn new(dims: &[usize], fixed: usize, limit: usize) -> Self {
        let dims: SmallVec<[usize; 6]> =
            if dims.is_empty() { SmallVec::from_slice(&[1]) } else { dims.into() };
        let limit = limit.clamp(64, TILE);
        let rank = dims.len();
        let last = dims[rank - 1];
        if last >= SHORT_ROW || rank == 1 || fixed + 1 >= rank {
            let pieces = last.div_ceil(limit);
            let tile = last.div_ceil(pieces).next_multiple_of(if pieces > 1 { 64 } else { 1 });
            let pieces = last.div_ceil(tile);
            return Self { dims, split: rank - 1, block: 0, tile, rows_per_tile: 1, pieces };
        }
        let mut split = rank - 1;
        let mut block = last;
        while split > fixed.max(1) && block * dims[split - 1] <= limit {
            split -= 1;
            block *= dims[split];
        }
        let around: usize = dims[fixed..split].iter().product();
        let rows_per_tile = (limit / block).clamp(1, around.max(1));
        Self { dims, split, block, tile: rows_per_tile * block, rows_per_tile, pieces: 1 }
    }

    /// A nest whose rows are everything inside axis `split`; tiles hold as many of them as fit, all inside
    /// one point of the first `fixed` axes. Rows are no longer than `limit`.
    pub fn with_rows(dims: &[usize], fixed: usize, split: usize, limit: usize) -> Self {
        let block: usize = dims[split..].iter().product();
        let around: usize = dims[fixed..split].iter().product();
        let rows_per_tile = (limit.clamp(64, TILE) / block).clamp(1, around.max(1));
        Self { dims: dims.into(), split, block, tile: rows_per_tile * block, rows_per_tile, pieces: 1 }
    }

    /// Loops around the rows.
    pub fn outer(&self) -> &[usize] {
        &self.dims[..self.split]
    }

    /// Loops inside a row.
    pub fn inner(&self) -> &[usize] {
        &self.dims[self.split..]
    }

    /// Elements of a row.
    pub fn row_len(&self) -> usize {
        if self.block == 0 { self.dims[self.split] } else { self.block }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.outer().iter().product()
    }
}

/// Which of `count` axes can be merged with the next: those that every walker walks as one. A walker has
/// one step per axis. Returns the merged sizes and, per walker, the merged steps; axes of size 1 vanish.
/// Axes on different sides of `barrier` stay apart; the new position of the barrier comes last.
pub(crate) fn merge(dims: &[usize], walkers: &mut [Steps], barrier: usize) -> (SmallVec<[usize; 6]>, usize) {
    let mut sizes = SmallVec::<[usize; 6]>::new();
    let mut kept = SmallVec::<[usize; 6]>::new();
    let mut new_barrier = 0;
    for (axis, &size) in dims.iter().enumerate() {
        if size == 1 {
            continue;
        }
        let inside = axis < barrier;
        let joins = kept.last().is_some_and(|&before| {
            (before < barrier) == inside
                && walkers.iter().all(|w| w[before] == w[axis].wrapping_mul(size as isize))
        });
        if joins {
            // The merged axis takes the inner axis's step.
            let (Some(total), Some(at)) = (sizes.last_mut(), kept.last_mut()) else { continue };
            *total *= size;
            *at = axis;
        } else {
            sizes.push(size);
            kept.push(axis);
            new_barrier += usize::from(inside);
        }
    }
    for walker in walkers {
        let merged: Steps = kept.iter().map(|&axis| walker[axis]).collect();
        *walker = merged;
    }
    (sizes, new_barrier)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(s: &[isize]) -> Steps {
        s.into()
    }

    #[test]
    fn dense_axes_merge_and_broadcast_axes_stay() {
        let mut walkers = [steps(&[12, 4, 1]), steps(&[0, 0, 1])];
        let (dims, _) = merge(&[2, 3, 4], &mut walkers, 0);
        assert_eq!(dims.as_slice(), [6, 4]);
        assert_eq!(walkers, [steps(&[4, 1]), steps(&[0, 1])]);
    }

    #[test]
    fn axes_of_one_vanish_and_the_barrier_holds() {
        let mut walkers = [steps(&[12, 99, 4, 1])];
        let (dims, barrier) = merge(&[2, 1, 3, 4], &mut walkers, 2);
        assert_eq!((dims.as_slice(), barrier), ([2, 12].as_slice(), 1));
        assert_eq!(walkers, [steps(&[12, 1])]);
    }

    #[test]
    fn tiles_cover_rows() {
        let long = Nest::new(&[3, 5000], 0, 1024);
        assert_eq!((long.block, long.tile, long.pieces), (0, 1024, 5));
        let short = Nest::new(&[100, 10], 0, 1024);
        assert_eq!((short.split, short.block, short.rows_per_tile, short.tile), (1, 10, 100, 1000));
        let deep = Nest::new(&[7, 5, 4, 3], 0, 1024);
        assert_eq!((deep.split, deep.block, deep.rows_per_tile), (1, 60, 7));
        let fixed = Nest::new(&[7, 50, 4], 1, 1024);
        assert_eq!((fixed.split, fixed.block, fixed.rows_per_tile), (1, 200, 1));
    }
}
