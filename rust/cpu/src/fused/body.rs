//! From a kernel's loads and scalar ops to micro-ops on registers.
//!
//! A register is a pointer: to a slot of a tile in scratch memory, into an operand that can be read in
//! place, to a constant, or into an output. What is the same for all points, or for a row, is computed
//! as one element and only as often as it changes.

use oxhorn_core::kernel::{Instr, Kernel, Reg as KernelReg};
use oxhorn_core::op::Ew;
use oxhorn_core::{DType, Error, Result};
use smallvec::SmallVec;

use super::micro::MicroFn;
use super::nest::{Nest, Steps};
use super::ops::{cast_fn, compute_dtype, copy_fn, narrow_fn, resolve, round_fn, splat_fn, widen_fn};
use super::pack::{PackFn, gather_fn, number_fn};
use super::pairs::{self, First};
use crate::isa::Isa;
use crate::step::{Arg, At};

/// Index of a pointer in a run's register table.
pub(crate) type Reg = u16;

/// How often something is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Once per task.
    Once,
    /// Once per row, where tiles are pieces of rows.
    Row,
    /// For every tile.
    Tile,
}

/// One micro-op.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Micro {
    pub function: MicroFn,
    pub args: [Reg; 3],
    pub out: Reg,
    /// Whether it computes a tile or one element.
    pub vector: bool,
}

/// How a source's elements reach the micro-ops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// One element for the whole nest.
    Uniform,
    /// One element per row.
    PerRow,
    /// A tile's elements lie one after another where they are.
    Direct,
    /// The same for every tile: gathered once per task.
    Repeated,
    /// Gathered for every tile.
    Gathered,
}

/// Something with a position that moves with the loops: an operand in memory, or an index.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Where the operand lies; `None` for an index.
    pub at: Option<At>,
    /// Bytes from there, or the number at the origin.
    pub offset: isize,
    /// Change per step of each loop.
    pub steps: Steps,
    pub access: Access,
    pub reg: Reg,
    pub pack: PackFn,
    /// Bytes of an element.
    pub size: usize,
}

/// Where a register points before the first tile.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fixed {
    /// An entry of [`Body::constants`].
    Constant(usize),
    /// Bytes from the start of the scratch memory.
    Slot(usize),
}

/// A kernel's body, ready to run on tiles of its nest.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pub sources: Vec<Source>,
    pub once: Vec<Micro>,
    pub row: Vec<Micro>,
    pub tile: Vec<Micro>,
    pub fixed: Vec<(Reg, Fixed)>,
    pub constants: Vec<u64>,
    /// Length of the register table.
    pub registers: usize,
    /// Bytes of scratch memory.
    pub scratch: usize,
    /// Registers to point into the outputs, one per store.
    pub outputs: SmallVec<[Reg; 4]>,
    /// For a reduction: the register reduced, a tile of elements.
    pub reduced: Reg,
    /// Rough cost per element, one for an addition in cache.
    pub cost: usize,
}

/// Steps of a kernel's loads and indices along the axes of a nest.
pub(crate) struct Walkers {
    pub loads: Vec<Steps>,
    pub indices: Vec<Steps>,
}

/// A value while the body is being built.
#[derive(Debug, Clone, Copy)]
struct Var {
    reg: Reg,
    phase: Phase,
    vector: bool,
    /// Bytes of an element in the register.
    size: usize,
    /// The 16-bit float whose bits the register holds as they are in memory.
    raw: Option<DType>,
}

/// Where a register's elements live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// Pointer set while running.
    Moving,
    Constant(usize),
    /// A slot kept for the whole task.
    Kept(usize),
    /// A slot needed between two micro-ops of a tile, shared with others.
    Shared(usize),
    /// Written straight to an output.
    Output(usize),
}

pub(crate) struct Builder<'a> {
    kernel: &'a Kernel,
    nest: &'a Nest,
    isa: Isa,
    body: Body,
    homes: Vec<Home>,
    vars: Vec<Var>,
    widened: Vec<Option<Var>>,
    splats: Vec<(Reg, Var)>,
    /// Micro-ops whose only use may take them in.
    pending: Vec<Pending>,
}

/// A micro-op that may become the first of a pair: `out` is used once.
#[derive(Debug, Clone, Copy)]
struct Pending {
    out: Reg,
    first: First,
    a: Var,
    b: Var,
}

const INTERNAL: &str = "fused: no micro-op for";

impl<'a> Builder<'a> {
    /// Lowers `kernel` for tiles of `nest`. `aliases` are (output, operand) pairs that may lie at one
    /// address.
    pub fn build(
        kernel: &Kernel,
        walkers: &Walkers,
        nest: &Nest,
        operands: &[Arg],
        aliases: &[(usize, usize)],
        isa: Isa,
    ) -> Result<Body> {
        let mut copied = vec![false; kernel.loads.len()];
        loop {
            let body = Builder::attempt(kernel, walkers, nest, operands, &copied, isa)?;
            let conflicts = conflicts(&body, kernel, aliases);
            let mut changed = false;
            for load in conflicts {
                changed |= !std::mem::replace(&mut copied[load], true);
            }
            if !changed {
                return Ok(body);
            }
        }
    }

    fn attempt(
        kernel: &Kernel,
        walkers: &Walkers,
        nest: &Nest,
        operands: &[Arg],
        copied: &[bool],
        isa: Isa,
    ) -> Result<Body> {
        let mut b = Builder {
            kernel,
            nest,
            isa,
            body: Body::default(),
            homes: Vec::new(),
            vars: Vec::new(),
            widened: vec![None; kernel.loads.len()],
            splats: Vec::new(),
            pending: Vec::new(),
        };
        let uses = uses(kernel);
        for ((load, steps), &copied) in kernel.loads.iter().zip(&walkers.loads).zip(copied) {
            let size = load.dtype.size();
            let steps = steps.iter().map(|s| s * size as isize).collect();
            let at = operands[load.operand as usize].at;
            let offset = load.offset * size as isize;
            let var = b.source(Some(at), offset, steps, size, gather_fn(size), copied);
            let raw = matches!(load.dtype, DType::F16 | DType::BF16).then_some(load.dtype);
            b.vars.push(Var { raw, ..var });
        }
        let mut indices = walkers.indices.iter();
        for instr in &kernel.body {
            let var = match instr {
                Instr::Const(value) => {
                    let held = value.cast(compute_dtype(value.dtype()));
                    let entry = b.body.constants.len();
                    b.body.constants.push(u64::from_le_bytes(held.to_le_bytes()));
                    let reg = b.register(Home::Constant(entry))?;
                    Var { reg, phase: Phase::Once, vector: false, size: held.dtype().size(), raw: None }
                }
                Instr::Index { dtype, offset, .. } => {
                    let held = compute_dtype(*dtype);
                    let steps = indices.next().cloned().unwrap_or_default();
                    let var = b.source(None, *offset as isize, steps, held.size(), number_fn(held), false);
                    b.rounded(var, *dtype)?
                }
                Instr::Cast { from, to, arg } => {
                    let x = b.operand(*arg)?;
                    let var = match cast_fn(*from, *to, isa) {
                        Some(f) => b.emit(f, &[x], compute_dtype(*to).size(), 2)?,
                        None => x,
                    };
                    // A wider value has to be rounded; another name for a 16-bit one has not.
                    let exact = from == to || *to == DType::F32;
                    if exact { var } else { b.rounded(var, *to)? }
                }
                Instr::Elementwise { op: Ew::StopGradient, args, .. } => b.operand(args[0])?,
                Instr::Elementwise { op, dtype, args } => {
                    let mut xs = SmallVec::<[Var; 3]>::new();
                    for &arg in args {
                        xs.push(b.operand(arg)?);
                    }
                    if let Some(var) = b.second(*op, *dtype, &xs)? {
                        b.vars.push(var);
                        continue;
                    }
                    let vector = xs.iter().any(|x| x.vector);
                    let mut uniform = [false; 3];
                    for (u, x) in uniform.iter_mut().zip(&xs) {
                        *u = vector && !x.vector;
                    }
                    let found = resolve(*op, *dtype, uniform, isa);
                    let found =
                        found.ok_or_else(|| Error::Internal(format!("{INTERNAL} {} {dtype}", op.name())))?;
                    if found.swap {
                        xs.swap(0, 1);
                    }
                    if found.splat && vector {
                        for x in &mut xs {
                            *x = b.splat(*x)?;
                        }
                    }
                    let result = op.result_dtype(*dtype);
                    let var = b.emit(found.function, &xs, compute_dtype(result).size(), found.cost)?;
                    if uses[b.vars.len()] == 1 {
                        b.first(*op, *dtype, &xs, var);
                    }
                    b.rounded(var, result)?
                }
            };
            b.vars.push(var);
        }
        b.finish()
    }

    /// Notes that the op just emitted may be taken in by the only op that uses it.
    fn first(&mut self, op: Ew, dtype: DType, xs: &[Var], out: Var) {
        let (op, xs) = match xs {
            [x] if op == Ew::Square => (Ew::Mul, [*x, *x]),
            [x, y] => (op, [*x, *y]),
            _ => return,
        };
        if dtype != DType::F32 || out.phase != Phase::Tile {
            return;
        }
        if let Some((first, swap)) = First::of(op, !xs[0].vector) {
            let [a, b] = if swap { [xs[1], xs[0]] } else { xs };
            self.pending.push(Pending { out: out.reg, first, a, b });
        }
    }

    /// The op as the second of a pair, if an operand was emitted by one that can be the first.
    fn second(&mut self, op: Ew, dtype: DType, xs: &[Var]) -> Result<Option<Var>> {
        if dtype != DType::F32 {
            return Ok(None);
        }
        for (place, x) in xs.iter().enumerate() {
            let Some(found) = self.pending.iter().position(|p| p.out == x.reg) else { continue };
            let Pending { out, first, a, b } = self.pending[found];
            let (function, other) = match xs {
                [_] => (pairs::ended(first, op, !b.vector, self.isa), None),
                [_, _] => {
                    let c = xs[1 - place];
                    (pairs::pair(first, op, place, [!b.vector, !c.vector], self.isa), Some(c))
                }
                [_, c, otherwise] if op == Ew::Select && place == 0 && otherwise.reg == b.reg => {
                    let gate = pairs::gate([!b.vector, !c.vector], self.isa);
                    ((first == First::Greater).then_some(gate), Some(*c))
                }
                _ => (None, None),
            };
            let Some(function) = function else { continue };
            self.pending.swap_remove(found);
            self.body.tile.retain(|micro| micro.out != out);
            let operands: SmallVec<[Var; 3]> = [a, b].into_iter().chain(other).collect();
            return self.emit(function, &operands, 4, 1).map(Some);
        }
        Ok(None)
    }

    fn register(&mut self, home: Home) -> Result<Reg> {
        self.homes.push(home);
        Reg::try_from(self.homes.len() - 1).map_err(|_| Error::Internal("fused: too many registers".into()))
    }

    /// A kept slot of one tile or one element.
    fn kept(&mut self, size: usize, vector: bool) -> Home {
        let bytes = if vector { size * self.nest.tile } else { size };
        let offset = self.body.scratch;
        self.body.scratch += bytes.next_multiple_of(64);
        Home::Kept(offset)
    }

    fn source(
        &mut self,
        at: Option<At>,
        offset: isize,
        steps: Steps,
        size: usize,
        pack: PackFn,
        copied: bool,
    ) -> Var {
        let memory = at.is_some();
        let (outer, inner) = steps.split_at(self.nest.split);
        let still = |s: &[isize]| s.iter().all(|&s| s == 0);
        let access = if self.nest.block == 0 {
            match inner[0] {
                0 if still(outer) => Access::Uniform,
                0 => Access::PerRow,
                s if memory && !copied && s == size as isize => Access::Direct,
                _ => Access::Gathered,
            }
        } else if still(&steps) {
            Access::Uniform
        } else if still(outer) {
            Access::Repeated
        } else if memory && !copied && self.is_dense(&steps, size) {
            Access::Direct
        } else {
            Access::Gathered
        };
        let access = if copied && matches!(access, Access::Uniform | Access::PerRow) {
            Access::Gathered
        } else {
            access
        };
        let (phase, vector) = match access {
            Access::Uniform => (Phase::Once, false),
            Access::PerRow => (Phase::Row, false),
            Access::Repeated => (Phase::Once, true),
            Access::Direct | Access::Gathered => (Phase::Tile, true),
        };
        let home = match access {
            Access::Uniform | Access::PerRow | Access::Direct if memory => Home::Moving,
            Access::Gathered if !copied => Home::Shared(size),
            _ => self.kept(size, vector),
        };
        self.homes.push(home);
        let reg = (self.homes.len() - 1) as Reg;
        self.body.cost += if access == Access::Gathered { 2 } else { usize::from(access == Access::Direct) };
        self.body.sources.push(Source { at, offset, steps, access, reg, pack, size });
        Var { reg, phase, vector, size, raw: None }
    }

    /// Whether several rows of a tile lie one after another.
    fn is_dense(&self, steps: &[isize], size: usize) -> bool {
        let mut step = size as isize;
        let row_axis = if self.nest.rows_per_tile > 1 { 0 } else { self.nest.split };
        for (axis, &dim) in self.nest.dims.iter().enumerate().rev() {
            if axis < row_axis {
                break;
            }
            if steps[axis] != step {
                return false;
            }
            step *= dim as isize;
        }
        true
    }

    /// Adds a micro-op and gives its result.
    fn emit(&mut self, function: MicroFn, args: &[Var], size: usize, cost: usize) -> Result<Var> {
        let phase = args.iter().map(|a| a.phase).max().unwrap_or(Phase::Once);
        let vector = args.iter().any(|a| a.vector);
        let home = if phase == Phase::Tile { Home::Shared(size) } else { self.kept(size, vector) };
        let out = self.register(home)?;
        self.push(function, args, out, phase, vector);
        if phase == Phase::Tile {
            self.body.cost += cost;
        }
        Ok(Var { reg: out, phase, vector, size, raw: None })
    }

    fn push(&mut self, function: MicroFn, args: &[Var], out: Reg, phase: Phase, vector: bool) {
        let first = args.first().map_or(out, |a| a.reg);
        let args = std::array::from_fn(|i| args.get(i).map_or(first, |a| a.reg));
        let micro = Micro { function, args, out, vector };
        match phase {
            Phase::Once => self.body.once.push(micro),
            Phase::Row => self.body.row.push(micro),
            Phase::Tile => self.body.tile.push(micro),
        }
    }

    /// A kernel register as micro-ops compute with it: 16-bit floats widened.
    fn operand(&mut self, register: KernelReg) -> Result<Var> {
        let register = register as usize;
        let var = self.vars[register];
        let Some(widen) = var.raw.and_then(|dtype| widen_fn(dtype, self.isa)) else { return Ok(var) };
        if let Some(wide) = self.widened[register] {
            return Ok(wide);
        }
        let wide = self.emit(widen, &[var], 4, 1)?;
        self.widened[register] = Some(wide);
        Ok(wide)
    }

    /// `var` rounded to a 16-bit float dtype; itself for any other.
    fn rounded(&mut self, var: Var, dtype: DType) -> Result<Var> {
        match round_fn(dtype, self.isa) {
            Some(round) => self.emit(round, &[var], 4, 2),
            None => Ok(var),
        }
    }

    /// `var` as a vector.
    fn splat(&mut self, var: Var) -> Result<Var> {
        if var.vector {
            return Ok(var);
        }
        if let Some(&(_, done)) = self.splats.iter().find(|(reg, _)| *reg == var.reg) {
            return Ok(done);
        }
        let home = if var.phase == Phase::Tile { Home::Shared(var.size) } else { self.kept(var.size, true) };
        let reg = self.register(home)?;
        self.push(splat_fn(var.size), &[var], reg, var.phase, true);
        let done = Var { reg, vector: true, ..var };
        self.splats.push((var.reg, done));
        Ok(done)
    }

    fn finish(mut self) -> Result<Body> {
        if let Some(reduction) = &self.kernel.reduction {
            let var = self.operand(reduction.register)?;
            self.body.reduced = self.splat(var)?.reg;
        }
        for (o, &register) in self.kernel.stores.iter().enumerate() {
            let var = self.vars[register as usize];
            let dtype = self.kernel.dtype(register);
            let narrow = if var.raw.is_none() { narrow_fn(dtype, self.isa) } else { None };
            let in_place = narrow.is_none()
                && var.vector
                && var.phase == Phase::Tile
                && matches!(self.homes[var.reg as usize], Home::Shared(_));
            if in_place {
                self.homes[var.reg as usize] = Home::Output(o);
                self.body.outputs.push(var.reg);
                continue;
            }
            let out = self.register(Home::Output(o))?;
            self.body.outputs.push(out);
            match narrow {
                Some(narrow) => {
                    let var = self.splat(var)?;
                    self.push(narrow, &[var], out, Phase::Tile, true);
                }
                None if var.vector => self.push(copy_fn(var.size), &[var], out, Phase::Tile, true),
                None => self.push(splat_fn(var.size), &[var], out, Phase::Tile, true),
            }
            self.body.cost += 1;
        }
        self.assign_slots();
        Ok(self.body)
    }

    /// Gives shared slots their places: a slot is free again after its last use.
    fn assign_slots(&mut self) {
        let body = &mut self.body;
        let mut last_use = vec![0usize; self.homes.len()];
        for (i, micro) in body.tile.iter().enumerate() {
            for &arg in &micro.args {
                last_use[arg as usize] = i + 1;
            }
        }
        if self.kernel.reduction.is_some() {
            last_use[body.reduced as usize] = usize::MAX;
        }
        let mut free: Vec<(usize, usize)> = Vec::new();
        let mut places = vec![None; self.homes.len()];
        let tile = self.nest.tile;
        let take = |size: usize, free: &mut Vec<(usize, usize)>, scratch: &mut usize| {
            if let Some(i) = free.iter().position(|&(s, _)| s == size) {
                return free.swap_remove(i).1;
            }
            let offset = *scratch;
            *scratch += (size * tile).next_multiple_of(64);
            offset
        };
        let moments = std::iter::once(None).chain(body.tile.iter().enumerate().map(Some));
        for moment in moments {
            // The gathered sources come first, all at once; then one result per micro-op.
            let born: SmallVec<[Reg; 8]> = match moment {
                None => body.sources.iter().filter(|s| s.access == Access::Gathered).map(|s| s.reg).collect(),
                Some((_, micro)) => SmallVec::from_slice(&[micro.out]),
            };
            for reg in born {
                if let Home::Shared(size) = self.homes[reg as usize]
                    && places[reg as usize].is_none()
                {
                    places[reg as usize] = Some(take(size, &mut free, &mut body.scratch));
                }
            }
            let Some((i, micro)) = moment else { continue };
            for &reg in micro.args.iter().chain([&micro.out]) {
                let reg = reg as usize;
                if let (Home::Shared(size), Some(place)) = (self.homes[reg], places[reg])
                    && last_use[reg] <= i + 1
                    && !free.contains(&(size, place))
                {
                    free.push((size, place));
                    // Kept as its place, but nobody asks again.
                    last_use[reg] = usize::MAX - 1;
                }
            }
        }
        body.registers = self.homes.len();
        for (reg, home) in self.homes.iter().enumerate() {
            let fixed = match *home {
                Home::Constant(entry) => Fixed::Constant(entry),
                Home::Kept(offset) => Fixed::Slot(offset),
                Home::Shared(_) => Fixed::Slot(places[reg].unwrap_or(0)),
                Home::Moving | Home::Output(_) => continue,
            };
            body.fixed.push((reg as Reg, fixed));
        }
        // Padded loops may read and write a whole trip.
        body.scratch += 64;
    }
}

/// How often each register of a kernel is used. Another name for a register counts as more than one use of it.
fn uses(kernel: &Kernel) -> Vec<usize> {
    let mut uses = vec![0; kernel.loads.len() + kernel.body.len()];
    let mut count = |register: KernelReg, times: usize| uses[register as usize] += times;
    for instr in &kernel.body {
        match instr {
            Instr::Elementwise { op: Ew::StopGradient, args, .. } => count(args[0], 2),
            Instr::Elementwise { args, .. } => args.iter().for_each(|&arg| count(arg, 1)),
            Instr::Cast { arg, .. } => count(*arg, 2),
            Instr::Const(_) | Instr::Index { .. } => {}
        }
    }
    kernel.stores.iter().for_each(|&register| count(register, 2));
    if let Some(reduction) = &kernel.reduction {
        count(reduction.register, 2);
    }
    uses
}

/// Loads read in place that a store to a possibly equal address would overwrite too early.
fn conflicts(body: &Body, kernel: &Kernel, aliases: &[(usize, usize)]) -> Vec<usize> {
    let mut found = Vec::new();
    let written = |reg: Reg| match body.sources.iter().any(|s| s.reg == reg) {
        true => Some(0),
        false => body.tile.iter().position(|m| m.out == reg).map(|i| i + 1),
    };
    for &(output, operand) in aliases {
        let Some(first_write) = body.outputs.get(output).and_then(|&reg| written(reg)) else { continue };
        for (load, source) in body.sources.iter().enumerate().take(kernel.loads.len()) {
            let here = kernel.loads[load].operand as usize == operand;
            let in_place = matches!(source.access, Access::Direct | Access::Uniform | Access::PerRow);
            // Sources are in the order of the loads, as long as no index came between: loads are first.
            if !here || !in_place {
                continue;
            }
            let last_read = body.tile.iter().rposition(|m| m.args.contains(&source.reg)).map_or(0, |i| i + 1);
            if last_read > first_write {
                found.push(load);
            }
        }
    }
    found
}
