//! Shaders from kernel IR.
//!
//! A kernel that maps: one invocation for each point, or for the points of one word of the narrowest
//! result. A kernel that reduces: one invocation for each result and slice of what it reduces; slices are
//! cut by size and interleaved, and their totals are reduced again, so that results have the same bits on
//! every run. Sums of float32 carry along what their roundings lose.

use std::fmt::Write;

use oxhorn_core::codegen::{Language, Point, register, statements};
use oxhorn_core::kernel::{Instr, Kernel, Reduction};
use oxhorn_core::op::{Ew, ReduceKind};
use oxhorn_core::{DType, Scalar};

use super::language::{Wgsl, computes};
use super::{Element, Finished, Shader};
use crate::step::{Arg, Refusal, Region};

/// Invocations that keep any GPU busy.
const BUSY: usize = 1 << 14;
/// Elements that one invocation reduces, at least and at most, where there is a choice.
const SLICE: [usize; 2] = [32, 8192];

/// A kernel's loads and indices as expressions of the coordinates `c0`, `c1`, ...
struct Walk<'a> {
    kernel: &'a Kernel,
    /// Name of the number of the point, if loads by the identity map may use it.
    number: Option<&'a str>,
}

impl Walk<'_> {
    /// Sum of `origin` and the coordinates times `strides`; arguments are named after `prefix`.
    fn position<T: Into<i64> + Copy>(prefix: &str, origin: bool, strides: impl Iterator<Item = T>) -> String {
        let mut terms = Vec::new();
        if origin {
            terms.push(format!("p.{prefix}"));
        }
        for (axis, stride) in strides.enumerate() {
            match stride.into() {
                0 => {}
                1 => terms.push(format!("c{axis}")),
                _ => terms.push(format!("c{axis} * p.{prefix}_{axis}")),
            }
        }
        if terms.is_empty() { "0i".into() } else { terms.join(" + ") }
    }

    /// Adds the arguments that [`Walk::position`] names.
    fn arguments<T: Into<i64> + Copy>(
        shader: &mut Shader,
        prefix: &str,
        origin: i64,
        strides: impl Iterator<Item = T>,
    ) {
        if origin != 0 {
            shader.i(prefix, origin as isize);
        }
        for (axis, stride) in strides.enumerate() {
            let stride = stride.into();
            if !(0..=1).contains(&stride) {
                shader.i(&format!("{prefix}_{axis}"), stride as isize);
            }
        }
    }

    fn is_number(&self, load: usize) -> bool {
        self.number.is_some() && self.kernel.is_identity(&self.kernel.loads[load])
    }

    /// Adds the arguments of every load and index.
    fn declare(&self, shader: &mut Shader) {
        for (n, load) in self.kernel.loads.iter().enumerate().filter(|(n, _)| !self.is_number(*n)) {
            let strides = load.strides.iter().map(|&s| s as i64);
            Self::arguments(shader, &format!("l{n}"), load.offset as i64, strides);
        }
        for (n, instr) in self.kernel.body.iter().enumerate() {
            if let Instr::Index { offset, strides, .. } = instr {
                Self::arguments(shader, &format!("n{n}"), *offset, strides.iter().copied());
            }
        }
    }

    /// Whether anything depends on the coordinates of these axes.
    fn needs(&self, axes: std::ops::Range<usize>) -> bool {
        let loads = self.kernel.loads.iter().enumerate();
        let mut loads = loads.filter(|(n, _)| !self.is_number(*n)).map(|(_, l)| &l.strides[axes.clone()]);
        let mut indices = self.kernel.body.iter().filter_map(|i| match i {
            Instr::Index { strides, .. } => Some(&strides[axes.clone()]),
            _ => None,
        });
        loads.any(|s| s.iter().any(|&s| s != 0)) || indices.any(|s| s.iter().any(|&s| s != 0))
    }

    /// Statements that take the coordinates of `axes` from the number `number`, and their arguments.
    fn coordinates(&self, shader: &mut Shader, number: &str, axes: std::ops::Range<usize>) -> String {
        if !self.needs(axes.clone()) {
            return String::new();
        }
        let first = axes.start;
        let mut out = String::new();
        let mut rest = number.to_owned();
        for axis in axes.rev() {
            if axis == first {
                let _ = writeln!(out, "    let c{axis} = i32({rest});");
            } else {
                shader.u(&format!("d{axis}"), self.kernel.space[axis].max(1));
                let _ = writeln!(out, "    let c{axis} = i32({rest} % p.d{axis});");
                let _ = writeln!(out, "    let q{axis} = {rest} / p.d{axis};");
                rest = format!("q{axis}");
            }
        }
        out
    }
}

impl Point for Walk<'_> {
    fn load(&self, load: usize) -> String {
        let l = &self.kernel.loads[load];
        match self.number {
            Some(number) if self.is_number(load) => format!("x{}({number})", l.operand),
            _ => {
                let strides = l.strides.iter().map(|&s| s as i64);
                let position = Self::position(&format!("l{load}"), l.offset != 0, strides);
                format!("x{}(u32({position}))", l.operand)
            }
        }
    }

    fn index(&self, instr: usize, dtype: DType) -> String {
        let Instr::Index { offset, strides, .. } = &self.kernel.body[instr] else { return "0i".into() };
        let position = Self::position(&format!("n{instr}"), *offset != 0, strides.iter().copied());
        Wgsl.cast(DType::I32, dtype, &format!("({position})"))
    }
}

/// Fails unless shaders can compute every register.
fn check(kernel: &Kernel, int64: bool) -> Result<(), Refusal> {
    let dtypes = kernel.loads.iter().map(|l| l.dtype).chain(kernel.body.iter().map(Instr::dtype));
    if let Some(dtype) = dtypes.into_iter().find(|&d| !computes(d, int64)) {
        return Err(Refusal::Host(format!("arithmetic on {dtype}")));
    }
    for instr in &kernel.body {
        match instr {
            Instr::Elementwise { op, dtype, .. } => {
                if op.wgsl_text().is_empty() {
                    return Err(Refusal::Host(op.name().into()));
                }
                if *op == Ew::NextAfter && !dtype.is_float() {
                    return Err(Refusal::Host(op.name().into()));
                }
            }
            Instr::Index { offset, strides, .. } => {
                let reach = strides.iter().zip(&kernel.space);
                let reach = reach.map(|(s, &d)| s.unsigned_abs() as u128 * d as u128).sum::<u128>();
                if offset.unsigned_abs() as u128 + reach > i32::MAX as u128 {
                    return Err(Refusal::Host("indices of more than 32 bits".into()));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Adds the operands of a kernel, as what their elements are in its registers.
fn operands(shader: &mut Shader, inputs: &[Arg], moved: bool) {
    for input in inputs {
        let element = if moved { Element::bits(input.dtype()) } else { Element::Value(input.dtype()) };
        shader.operand(input, element);
    }
}

/// The shader of a kernel without reduction.
pub(crate) fn map(
    kernel: &Kernel,
    inputs: &[Arg],
    outputs: &[Arg],
    int64: bool,
) -> Result<Finished, Refusal> {
    let moved = kernel.body.is_empty();
    if !moved {
        check(kernel, int64)?;
    }
    let element = |dtype| if moved { Element::bits(dtype) } else { Element::Value(dtype) };
    let mut shader = Shader::new();
    operands(&mut shader, inputs, moved);
    let walk = Walk { kernel, number: Some("i") };
    let mut point = walk.coordinates(&mut shader, "i", 0..kernel.space.len());
    walk.declare(&mut shader);
    if moved {
        for load in 0..kernel.loads.len() {
            let _ = writeln!(point, "    let {} = {};", register(load as u32), walk.load(load));
        }
    } else {
        point.push_str(&statements(kernel, &Wgsl, &walk));
    }
    let count = outputs[0].numel();
    let block = outputs.iter().map(|o| element(o.dtype()).per_word()).max().unwrap_or(1);
    let (mut before, mut stores, mut after) = (String::new(), String::new(), String::new());
    for (n, (output, &stored)) in outputs.iter().zip(&kernel.stores).enumerate() {
        let element = element(output.dtype());
        let per_word = element.per_word();
        let operand = shader.operand(output, element);
        let array = shader.array(operand);
        let value = element.encode(&register(stored));
        if per_word == 1 {
            let _ = writeln!(stores, "    {array}[i] = {value};");
            continue;
        }
        let (words, bits) = (block / per_word, 32 / per_word);
        let _ = writeln!(before, "    var w{n} = array<u32, {words}>();");
        let _ = writeln!(stores, "    w{n}[k / {per_word}u] |= {value} << ((k % {per_word}u) * {bits}u);");
        for word in 0..words {
            let place = format!("t * {words}u + {word}u");
            let _ = writeln!(
                after,
                "    if ({place}) * {per_word}u < p.count {{\n    {array}[{place}] = w{n}[{word}];\n    }}"
            );
        }
    }
    shader.u("count", count);
    let body = match block {
        1 => format!("    let i = t;\n{point}{stores}"),
        _ => format!(
            "{before}    for (var k = 0u; k < {block}u; k++) {{
    let i = t * {block}u + k;
    if i < p.count {{
{point}{stores}    }}
    }}
{after}"
        ),
    };
    Ok(shader.threads(count.div_ceil(block), &body))
}

/// How a reduction's total is kept, and what it starts from.
struct Total {
    kind: ReduceKind,
    /// Dtype of the elements.
    dtype: DType,
}

impl Total {
    /// Dtype of 32 or 64 bits in which totals of slices are stored.
    fn stored(&self) -> DType {
        match self.dtype {
            DType::Bool | DType::U8 | DType::U16 => DType::U32,
            DType::I8 | DType::I16 => DType::I32,
            other => other.accumulator(),
        }
    }

    /// Statement that declares the total.
    fn begin(&self) -> String {
        let ty = Wgsl.type_name(self.dtype);
        let start = match self.kind {
            ReduceKind::Sum => Scalar::zero(self.dtype),
            ReduceKind::Prod => Scalar::one(self.dtype),
            ReduceKind::Max => Scalar::lowest(self.dtype),
            ReduceKind::Min => Scalar::highest(self.dtype),
            ReduceKind::Any => Scalar::zero(DType::Bool),
            ReduceKind::All => Scalar::one(DType::Bool),
        };
        let mut out = format!("    var total: {ty} = {};\n", Wgsl.constant(start));
        if self.compensated() {
            out.push_str("    var lost: f32 = 0.0f;\n");
        }
        out
    }

    fn compensated(&self) -> bool {
        self.kind == ReduceKind::Sum && self.dtype.is_float()
    }

    /// Statement that takes in the register `r`.
    fn step(&self, r: &str) -> String {
        let ty = Wgsl.type_name(self.dtype);
        match self.kind {
            ReduceKind::Sum if self.compensated() => {
                format!("    let sum = ox_two_sum(total, {r});\n    total = sum.x;\n    lost += sum.y;\n")
            }
            ReduceKind::Sum => format!("    total = total + {r};\n"),
            ReduceKind::Prod => format!("    total = total * {r};\n"),
            ReduceKind::Max => format!("    total = ox_max_{ty}(total, {r});\n"),
            ReduceKind::Min => format!("    total = ox_min_{ty}(total, {r});\n"),
            ReduceKind::Any => format!("    total = total || {r};\n"),
            ReduceKind::All => format!("    total = total && {r};\n"),
        }
    }

    /// The total as an expression.
    fn end(&self) -> &'static str {
        // What is lost from an infinite sum is NaN.
        if self.compensated() { "select(total, total + lost, ox_isfinite(total))" } else { "total" }
    }
}

/// Number of slices into which `reduced` elements of each of `outer` results are cut.
fn slices(outer: usize, reduced: usize, by_column: bool) -> usize {
    if reduced <= 2 * SLICE[0] {
        return 1;
    }
    let most = reduced / SLICE[0];
    // Neighbouring invocations should read neighbouring elements: along the rows where these lie densely.
    let wanted = BUSY.div_ceil(outer.max(1)).max(if by_column { 1 } else { 32 });
    wanted.min(most).max(reduced.div_ceil(SLICE[1]))
}

/// Whether more loads lie densely along the last axis that stays than along the last one reduced.
fn prefers_columns(kernel: &Kernel, outer: usize) -> bool {
    let last = kernel.space.len() - 1;
    let scattered = |axis: usize| kernel.loads.iter().filter(|l| !matches!(l.strides[axis], -1..=1)).count();
    outer > 0 && scattered(outer - 1) < scattered(last)
}

/// The shaders of a kernel with a reduction, in order. `scratch` hands out memory for totals of slices.
pub(crate) fn reduce(
    kernel: &Kernel,
    reduction: &Reduction,
    inputs: &[Arg],
    output: &Arg,
    int64: bool,
    mut scratch: impl FnMut(usize) -> Result<Region, Refusal>,
) -> Result<Vec<Finished>, Refusal> {
    check(kernel, int64)?;
    let outer_axes = kernel.space.len() - kernel.reduced;
    let count = output.numel();
    let reduced: usize = kernel.space[outer_axes..].iter().product();
    let by_column = prefers_columns(kernel, outer_axes);
    let mut cut = slices(count, reduced, by_column);
    let mut shaders = Vec::new();

    let mut shader = Shader::new();
    operands(&mut shader, inputs, false);
    let walk = Walk { kernel, number: None };
    let before = walk.coordinates(&mut shader, "o", 0..outer_axes);
    let inside = walk.coordinates(&mut shader, "q", outer_axes..kernel.space.len());
    walk.declare(&mut shader);
    let point = inside + &statements(kernel, &Wgsl, &walk);
    let total = Total { kind: reduction.kind, dtype: reduction.dtype };
    let mut stage = Stage { total, before, point, register: register(reduction.register), reduced };
    loop {
        if cut == 1 {
            shaders.push(stage.last(shader, output, count));
            return Ok(shaders);
        }
        let stored = stage.total.stored();
        let region = scratch(count * cut * stored.size())?;
        shaders.push(stage.slices(shader, region, count, cut, by_column));
        // The totals of the slices lie as rows.
        shader = Shader::new();
        shader.region(region, Element::Value(stored));
        let kind = match stage.total.kind {
            ReduceKind::Any => ReduceKind::Max,
            ReduceKind::All => ReduceKind::Min,
            other => other,
        };
        stage = Stage {
            total: Total { kind, dtype: stored },
            before: String::new(),
            point: "    let r0 = x0(o * p.reduced + q);\n".into(),
            register: "r0".into(),
            reduced: cut,
        };
        cut = slices(count, cut, false);
    }
}

/// One pass of a reduction.
struct Stage {
    total: Total,
    /// Statements that need the result's number `o` only.
    before: String,
    /// Statements for element `q` of what is reduced, that define the register.
    point: String,
    register: String,
    reduced: usize,
}

impl Stage {
    /// Declares a function that reduces elements `first`, `first + step`, ... of result `o`.
    fn function(&self, shader: &mut Shader) {
        let Self { total, before, point, register, reduced } = self;
        shader.u("reduced", *reduced);
        let ty = Wgsl.type_name(total.dtype);
        shader.declare(&format!(
            "fn reduced(o: u32, first: u32, step: u32) -> {ty} {{
{before}{}    for (var q = first; q < p.reduced; q += step) {{
{point}{}    }}
    return {};
}}",
            total.begin(),
            total.step(register),
            total.end()
        ));
    }

    /// Every result by one invocation.
    fn last(&self, mut shader: Shader, output: &Arg, count: usize) -> Finished {
        self.function(&mut shader);
        let element = Element::Value(output.dtype());
        let operand = shader.operand(output, element);
        let value = match (element.type_name(), Wgsl.type_name(self.total.dtype)) {
            (to, from) if to == from => "reduced(i, 0u, 1u)".to_owned(),
            (_, from) => format!("!(reduced(i, 0u, 1u) == {from}(0))"),
        };
        let value = Wgsl.rounded(output.dtype(), value);
        shader.each(operand, element, count, &format!("    return {value};"))
    }

    /// The totals of `cut` slices of every result, as rows of `region`.
    fn slices(
        &self,
        mut shader: Shader,
        region: Region,
        count: usize,
        cut: usize,
        by_column: bool,
    ) -> Finished {
        self.function(&mut shader);
        let element = Element::Value(self.total.stored());
        let operand = shader.region(region, element);
        shader.u("slices", cut);
        shader.u("results", count);
        let array = shader.array(operand);
        let place = if by_column {
            "    let o = t % p.results;\n    let s = t / p.results;\n"
        } else {
            "    let o = t / p.slices;\n    let s = t % p.slices;\n"
        };
        let value = match self.total.dtype {
            DType::Bool => "select(0u, 1u, reduced(o, s, p.slices))".to_owned(),
            _ => element.encode("reduced(o, s, p.slices)"),
        };
        shader.threads(count * cut, &format!("{place}    {array}[o * p.slices + s] = {value};\n"))
    }
}
