//! Sorting along an axis, by merging: in each pass an element finds its place in the merged run by a binary
//! search in the other one. That is stable, needs no shared memory and takes lines of any length.

use oxhorn_core::DType;
use oxhorn_core::op::{Sort, TopK};

use super::{Compiled, computed, only, typed};
use crate::program::Compiler;
use crate::shader::{Element, Shader};
use crate::step::{Arg, Args, AxisView};

/// Declares `before(a, b)`: whether `a` comes first. NaN comes last.
fn ordering(dtype: DType, descending: bool) -> String {
    let (ty, less) = (Element::Value(dtype).type_name(), if descending { "a > b" } else { "a < b" });
    let body = match dtype.is_float() {
        true => format!("    return !ox_isnan(a) && (ox_isnan(b) || {less});"),
        false => format!("    return {less};"),
    };
    format!("fn before(a: {ty}, b: {ty}) -> bool {{\n{body}\n}}")
}

/// Positions (uint32) of the elements of every line of `keys` in sorted order.
pub(super) fn positions(
    keys: &Arg,
    view: AxisView,
    descending: bool,
    compiler: &mut Compiler,
) -> Compiled<Arg> {
    let ty = typed(DType::U32, &*keys.ty.shape);
    let (mut from, mut to) = (compiler.temporary(ty.clone())?, compiler.temporary(ty)?);
    let dtype = if keys.dtype() == DType::Bool { DType::U8 } else { keys.dtype() };
    let mut width = 1;
    loop {
        let first = width == 1;
        let mut shader = Shader::new();
        shader.operand(keys, Element::Value(dtype));
        let order = shader.operand(&from, Element::Bits(4));
        let out = shader.operand(&to, Element::Bits(4));
        shader.declare(&ordering(dtype, descending));
        shader.declare(&match first {
            true => "fn element(line: u32, j: u32) -> u32 {\n    return j;\n}".to_owned(),
            false => format!(
                "fn element(line: u32, j: u32) -> u32 {{\n    return x{order}(line + j * p.inner);\n}}"
            ),
        });
        shader.u("n", view.n.max(1));
        shader.u("inner", view.inner.max(1));
        shader.u("width", width);
        let array = shader.array(out);
        let body = format!(
            "    let block = p.n * p.inner;
    let line = t / block * block + t % p.inner;
    let j = t / p.inner % p.n;
    let start = j / (2u * p.width) * (2u * p.width);
    let middle = min(start + p.width, p.n);
    let end = min(start + 2u * p.width, p.n);
    let me = element(line, j);
    let key = x0(line + me * p.inner);
    let left = j < middle;
    // The other run, in which those are counted that come before this element.
    let first = select(start, middle, left);
    var low = first;
    var high = select(middle, end, left);
    while low < high {{
        let half = (low + high) / 2u;
        let other = x0(line + element(line, half) * p.inner);
        // Equal ones of the left run stay before those of the right.
        let ahead = select(!before(key, other), before(other, key), left);
        if ahead {{
            low = half + 1u;
        }} else {{
            high = half;
        }}
    }}
    let own = j - select(middle, start, left);
    {array}[line + (start + own + low - first) * p.inner] = me;
"
        );
        compiler.dispatch(shader.threads(keys.numel(), &body))?;
        std::mem::swap(&mut from, &mut to);
        width *= 2;
        if width >= view.n {
            return Ok(from);
        }
    }
}

/// The first `kept` elements of every line in the order of `order`, and their positions.
fn pick(
    x: &Arg,
    order: &Arg,
    [values, places]: [&Arg; 2],
    view: AxisView,
    kept: usize,
    compiler: &mut Compiler,
) -> Compiled {
    let line = "    let row = i / p.inner;
    let block = row / p.kept * p.n * p.inner + i % p.inner;
    let at = x1(block + row % p.kept * p.inner);\n";
    let arguments = |shader: &mut Shader| {
        shader.u("n", view.n);
        shader.u("inner", view.inner.max(1));
        shader.u("kept", kept.max(1));
    };
    let element = Element::bits(x.dtype());
    let mut shader = Shader::new();
    shader.operand(x, element);
    shader.operand(order, Element::Bits(4));
    let out = shader.operand(values, element);
    arguments(&mut shader);
    let text = format!("{line}    return x0(block + at * p.inner);");
    compiler.dispatch(shader.each(out, element, values.numel(), &text))?;
    let mut shader = Shader::new();
    let out = shader.operand(places, Element::Bits(4));
    shader.operand(order, Element::Bits(4));
    arguments(&mut shader);
    let text = format!("{line}    return at;");
    compiler.dispatch(shader.each(out, Element::Bits(4), places.numel(), &text))
}

/// See [`Sort`].
pub(super) fn sort(op: &Sort, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x], [values, places]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let view = AxisView::new(x.dims(), op.axis);
    let order = positions(&x, view, op.descending, compiler)?;
    pick(&x, &order, [&values, &places], view, view.n, compiler)
}

/// See [`TopK`].
pub(super) fn top_k(op: &TopK, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x], [values, places]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let view = AxisView::new(x.dims(), x.dims().len() - 1);
    let order = positions(&x, view, true, compiler)?;
    pick(&x, &order, [&values, &places], view, op.k, compiler)
}
