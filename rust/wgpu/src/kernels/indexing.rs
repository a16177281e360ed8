//! Gathers and scatters.
//!
//! Scatters need no atomics: updates are sorted by where they go, stably, and every element of the result
//! looks up its own and applies them in their order.

use oxhorn_core::DType;
use oxhorn_core::codegen::Language;
use oxhorn_core::op::{Gather, GatherAlong, ScatterAlong, ScatterMode, ScatterNd};

use super::{Compiled, computed, only, sorting, typed};
use crate::program::Compiler;
use crate::shader::language::Wgsl;
use crate::shader::{Element, Shader};
use crate::step::{Arg, Args, AxisView};

/// See [`Gather`].
pub(super) fn gather(op: &Gather, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, indices], [y]) = only(args)?;
    let view = AxisView::new(x.dims(), op.axis);
    let element = Element::bits(y.dtype());
    let mut shader = Shader::new();
    shader.operand(&x, element);
    shader.index(&indices);
    let out = shader.operand(&y, element);
    shader.u("n", view.n);
    shader.u("inner", view.inner.max(1));
    shader.u("places", indices.numel().max(1));
    let text = "    let row = i / p.inner;
    let at = u32(clamp(x1(row % p.places), 0, i32(p.n) - 1));
    return x0((row / p.places * p.n + at) * p.inner + i % p.inner);";
    compiler.dispatch(shader.each(out, element, y.numel(), text))
}

/// See [`GatherAlong`].
pub(super) fn gather_along(op: &GatherAlong, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, indices], [y]) = only(args)?;
    let (from, to) = (AxisView::new(x.dims(), op.axis), AxisView::new(y.dims(), op.axis));
    let element = Element::bits(y.dtype());
    let mut shader = Shader::new();
    shader.operand(&x, element);
    shader.index(&indices);
    let out = shader.operand(&y, element);
    shader.u("n", from.n);
    shader.u("inner", from.inner.max(1));
    shader.u("block", (to.n * to.inner).max(1));
    let text = "    let at = u32(clamp(x1(i), 0, i32(p.n) - 1));
    return x0((i / p.block * p.n + at) * p.inner + i % p.inner);";
    compiler.dispatch(shader.each(out, element, y.numel(), text))
}

/// How index vectors address slices of a tensor.
struct Addresses {
    /// Components of a vector.
    depth: usize,
    /// Number of vectors.
    count: usize,
    /// Elements of a slice.
    slice: usize,
}

impl Addresses {
    /// Adds the sizes of the indexed axes as arguments `n0`, `n1`, ...
    fn new(shader: &mut Shader, dims: &[usize], indices: &[usize]) -> Self {
        let (&depth, places) = indices.split_last().unwrap_or((&0, &[]));
        for (axis, &d) in dims[..depth].iter().enumerate() {
            shader.u(&format!("n{axis}"), d);
        }
        let slice = dims[depth..].iter().product();
        shader.u("slice", usize::max(slice, 1));
        Self { depth, count: places.iter().product(), slice }
    }

    /// Statements that fold the components of vector `v`, read by operand `operand`, into the slice's
    /// number `at`; `component` makes a u32 of each.
    fn fold(&self, operand: usize, component: impl Fn(usize, &str) -> String) -> String {
        let mut text = String::from("    var at = 0u;\n");
        for axis in 0..self.depth {
            let index = format!("x{operand}(v * {}u + {axis}u)", self.depth);
            text.push_str(&component(axis, &index));
        }
        text
    }
}

/// See [`oxhorn_core::op::GatherNd`].
pub(super) fn gather_nd(args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, indices], [y]) = only(args)?;
    let element = Element::bits(y.dtype());
    let mut shader = Shader::new();
    shader.operand(&x, element);
    shader.index(&indices);
    let out = shader.operand(&y, element);
    let addresses = Addresses::new(&mut shader, x.dims(), indices.dims());
    let fold = addresses.fold(1, |axis, index| {
        format!("    at = at * p.n{axis} + u32(clamp({index}, 0, i32(p.n{axis}) - 1));\n")
    });
    let text = format!("    let v = i / p.slice;\n{fold}    return x0(at * p.slice + i % p.slice);");
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}

/// Statement that applies the update `u` to the value `y`.
fn combine(mode: ScatterMode, dtype: DType) -> String {
    let ty = Wgsl.type_name(dtype);
    match mode {
        ScatterMode::Set => "y = u;".into(),
        ScatterMode::Add => "y = y + u;".into(),
        ScatterMode::Mul => "y = y * u;".into(),
        ScatterMode::Max => format!("y = ox_max_{ty}(y, u);"),
        ScatterMode::Min => format!("y = ox_min_{ty}(y, u);"),
    }
}

/// Where updates go: for each the number of its destination along the lines of `view`, or a large number.
struct Updates {
    /// uint32 of the shape of `view`.
    keys: Arg,
    /// Positions in sorted order.
    order: Arg,
    view: AxisView,
}

impl Updates {
    fn sorted(keys: Arg, view: AxisView, compiler: &mut Compiler) -> Compiled<Self> {
        let order = sorting::positions(&keys, view, false, compiler)?;
        Ok(Self { keys, order, view })
    }

    /// The result: `base` with the updates applied. Element (line, row) of the result takes update number
    /// `q` from `source`, an expression.
    fn apply(
        &self,
        mode: ScatterMode,
        [x, updates, y]: [&Arg; 3],
        names: &str,
        source: &str,
        mut shader: Shader,
        compiler: &mut Compiler,
    ) -> Compiled {
        let element = match mode {
            ScatterMode::Set => Element::bits(y.dtype()),
            _ => Element::Value(y.dtype()),
        };
        let base = shader.operand(x, element);
        let from = shader.operand(updates, element);
        let keys = shader.operand(&self.keys, Element::Bits(4));
        let order = shader.operand(&self.order, Element::Bits(4));
        let out = shader.operand(y, element);
        shader.u("m", self.view.n);
        shader.u("lines", self.view.inner.max(1));
        let rounded = match element {
            Element::Value(dtype) => Wgsl.rounded(dtype, "y".into()),
            Element::Bits(_) => "y".into(),
        };
        let step = combine(mode, y.dtype());
        let text = format!(
            "{names}    let first = line / p.lines * p.m * p.lines + line % p.lines;
    var low = 0u;
    var high = p.m;
    while low < high {{
        let middle = (low + high) / 2u;
        if x{keys}(first + x{order}(first + middle * p.lines) * p.lines) < row {{
            low = middle + 1u;
        }} else {{
            high = middle;
        }}
    }}
    var y = x{base}(i);
    for (; low < p.m; low++) {{
        let q = x{order}(first + low * p.lines);
        if x{keys}(first + q * p.lines) != row {{
            break;
        }}
        let u = x{from}({source});
        {step}
    }}
    return {rounded};"
        );
        compiler.dispatch(shader.each(out, element, y.numel(), &text))
    }
}

/// See [`ScatterNd`].
pub(super) fn scatter_nd(op: &ScatterNd, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, indices, updates], [y]) = only(args)?;
    if op.mode != ScatterMode::Set {
        computed(args, y.dtype(), compiler)?;
    }
    let mut shader = Shader::new();
    shader.index(&indices);
    let addresses = Addresses::new(&mut shader, x.dims(), indices.dims());
    let (count, slice) = (addresses.count, addresses.slice);
    let keys = compiler.temporary(typed(DType::U32, [count]))?;
    let out = shader.operand(&keys, Element::Bits(4));
    let fold = addresses.fold(0, |axis, index| {
        format!(
            "    let c{axis} = {index};
    if c{axis} < 0 || c{axis} >= i32(p.n{axis}) {{
        return 0xffffffffu;
    }}
    at = at * p.n{axis} + u32(c{axis});
"
        )
    });
    let text = format!("    let v = i;\n{fold}    return at;");
    compiler.dispatch(shader.each(out, Element::Bits(4), count, &text))?;
    let view = AxisView { outer: 1, n: count, inner: 1 };
    let updated = Updates::sorted(keys, view, compiler)?;
    let mut shader = Shader::new();
    shader.u("slice", slice.max(1));
    let names = "    let row = i / p.slice;\n    let line = 0u;\n";
    let source = "q * p.slice + i % p.slice";
    updated.apply(op.mode, [&x, &updates, &y], names, source, shader, compiler)
}

/// See [`ScatterAlong`].
pub(super) fn scatter_along(op: &ScatterAlong, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, indices, updates], [y]) = only(args)?;
    computed(args, y.dtype(), compiler)?;
    let (to, from) = (AxisView::new(y.dims(), op.axis), AxisView::new(updates.dims(), op.axis));
    let mut shader = Shader::new();
    shader.index(&indices);
    let keys = compiler.temporary(typed(DType::U32, &*indices.ty.shape))?;
    let out = shader.operand(&keys, Element::Bits(4));
    shader.u("n", to.n);
    let text = "    let at = x0(i);
    return select(0xffffffffu, u32(at), at >= 0 && at < i32(p.n));";
    compiler.dispatch(shader.each(out, Element::Bits(4), keys.numel(), text))?;
    let updated = Updates::sorted(keys, from, compiler)?;
    let mut shader = Shader::new();
    shader.u("n", to.n.max(1));
    let names =
        "    let row = i / p.lines % p.n;\n    let line = i / (p.n * p.lines) * p.lines + i % p.lines;\n";
    updated.apply(ScatterMode::Add, [&x, &updates, &y], names, "first + q * p.lines", shader, compiler)
}
