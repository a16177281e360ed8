//! Windows that slide: their extremum or sum, and the gradients.

use std::fmt::Write;

use oxhorn_core::DType;
use oxhorn_core::Scalar;
use oxhorn_core::codegen::Language;
use oxhorn_core::op::{MaxPick, MaxScatter, ReduceKind, Window, WindowReduce, WindowScatterSum};

use super::movement::sizes;
use super::{Compiled, computed, only, ravel, typed, unravel};
use crate::program::Compiler;
use crate::shader::language::Wgsl;
use crate::shader::{Element, Shader};
use crate::step::{Arg, Args};

/// Adds a window's geometry, and the sizes `n0`, ... of what it slides over and `d0`, ... of its positions.
fn geometry(shader: &mut Shader, window: &Window, x: &[usize], y: &[usize]) {
    sizes(shader, "n", x);
    sizes(shader, "d", y);
    for axis in 0..x.len() {
        shader.u(&format!("window{axis}"), window.size[axis]);
        shader.u(&format!("step{axis}"), window.strides[axis]);
        shader.i(&format!("pad{axis}"), window.padding[axis].0 as isize);
        shader.u(&format!("dilation{axis}"), window.dilation[axis]);
    }
}

/// Runs `body` for every element of the window at coordinates `c0`, ... with its number as `at`.
fn over_window(rank: usize, body: &str) -> String {
    let mut text = unravel("i", "c", "d", rank);
    let mut end = String::new();
    for axis in 0..rank {
        let _ = write!(
            text,
            "    for (var k{axis} = 0u; k{axis} < p.window{axis}; k{axis}++) {{
    let a{axis} = c{axis} * p.step{axis} + k{axis} * p.dilation{axis} - u32(p.pad{axis});
    if a{axis} < p.n{axis} {{
"
        );
        end.push_str("    }\n    }\n");
    }
    let _ = write!(text, "    let at = {};\n{body}{end}", ravel("a", "n", rank));
    text
}

/// Runs `body` for every window that covers the element of coordinates `c0`, ... with its number as `at`.
fn over_covering(rank: usize, body: &str) -> String {
    let mut text = unravel("i", "c", "n", rank);
    let mut end = String::new();
    for axis in 0..rank {
        // Windows come in ascending order when their elements come in descending order.
        let _ = write!(
            text,
            "    for (var k{axis} = p.window{axis}; k{axis} > 0u; k{axis}--) {{
    let origin{axis} = i32(c{axis}) + p.pad{axis} - i32((k{axis} - 1u) * p.dilation{axis});
    let a{axis} = u32(max(origin{axis}, 0)) / p.step{axis};
    if origin{axis} >= 0 && u32(origin{axis}) % p.step{axis} == 0u && a{axis} < p.d{axis} {{
"
        );
        end.push_str("    }\n    }\n");
    }
    let _ = write!(text, "    let at = {};\n{body}{end}", ravel("a", "d", rank));
    text
}

/// The value that every element beats, as an expression, and the way to take an element in.
fn fold(kind: ReduceKind, dtype: DType) -> (String, String) {
    let ty = Wgsl.type_name(dtype);
    match kind {
        ReduceKind::Max => (Wgsl.constant(Scalar::lowest(dtype)), format!("ox_max_{ty}(y, v)")),
        ReduceKind::Min => (Wgsl.constant(Scalar::highest(dtype)), format!("ox_min_{ty}(y, v)")),
        _ => (format!("{ty}(0)"), "y + v".to_owned()),
    }
}

/// See [`WindowReduce`].
pub(super) fn window_reduce(op: &WindowReduce, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x], [y]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let element = Element::Value(x.dtype());
    let mut shader = Shader::new();
    shader.operand(&x, element);
    let out = shader.operand(&y, element);
    geometry(&mut shader, &op.window, x.dims(), y.dims());
    let (start, step) = fold(op.kind, x.dtype());
    let body = format!("    let v = x0(at);\n    y = {step};\n");
    let text = format!(
        "    var y: {} = {start};\n{}    return {};",
        element.type_name(),
        over_window(x.dims().len(), &body),
        Wgsl.rounded(y.dtype(), "y".into())
    );
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}

/// See [`WindowScatterSum`].
pub(super) fn window_scatter_sum(
    op: &WindowScatterSum,
    args: &Args<'_>,
    compiler: &mut Compiler,
) -> Compiled {
    let ([dy], [dx]) = only(args)?;
    computed(args, dy.dtype(), compiler)?;
    let element = Element::Value(dy.dtype());
    let mut shader = Shader::new();
    shader.operand(&dy, element);
    let out = shader.operand(&dx, element);
    geometry(&mut shader, &op.window, dx.dims(), dy.dims());
    let text = format!(
        "    var y = {}(0);\n{}    return {};",
        element.type_name(),
        over_covering(dx.dims().len(), "    y = y + x0(at);\n"),
        Wgsl.rounded(dx.dtype(), "y".into())
    );
    compiler.dispatch(shader.each(out, element, dx.numel(), &text))
}

/// For each window of shape `y` the number of its first extremum, or a large number where there is none.
fn extrema(
    kind: ReduceKind,
    window: &Window,
    x: &Arg,
    y: &[usize],
    compiler: &mut Compiler,
) -> Compiled<Arg> {
    let found = compiler.temporary(typed(DType::U32, y))?;
    let element = Element::Value(x.dtype());
    let mut shader = Shader::new();
    shader.operand(x, element);
    let out = shader.operand(&found, Element::Bits(4));
    geometry(&mut shader, window, x.dims(), y);
    let beats = if kind == ReduceKind::Min { "v < y" } else { "v > y" };
    let nan = if x.dtype().is_float() { " || (ox_isnan(v) && !ox_isnan(y))" } else { "" };
    let body = format!(
        "    let v = x0(at);
    if best == 0xffffffffu || {beats}{nan} {{
        best = at;
        y = v;
    }}
"
    );
    let text = format!(
        "    var best = 0xffffffffu;\n    var y: {};\n{}    return best;",
        element.type_name(),
        over_window(x.dims().len(), &body)
    );
    compiler.dispatch(shader.each(out, Element::Bits(4), found.numel(), &text))?;
    Ok(found)
}

/// See [`MaxScatter`].
pub(super) fn max_scatter(op: &MaxScatter, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, dy], [dx]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let found = extrema(op.kind, &op.window, &x, dy.dims(), compiler)?;
    let element = Element::Value(dy.dtype());
    let mut shader = Shader::new();
    shader.operand(&dy, element);
    shader.operand(&found, Element::Bits(4));
    let out = shader.operand(&dx, element);
    geometry(&mut shader, &op.window, dx.dims(), dy.dims());
    let body = "    if x1(at) == i {\n        y = y + x0(at);\n    }\n";
    let text = format!(
        "    var y = {}(0);\n{}    return {};",
        element.type_name(),
        over_covering(dx.dims().len(), body),
        Wgsl.rounded(dx.dtype(), "y".into())
    );
    compiler.dispatch(shader.each(out, element, dx.numel(), &text))
}

/// See [`MaxPick`].
pub(super) fn max_pick(op: &MaxPick, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, g], [y]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let found = extrema(op.kind, &op.window, &x, y.dims(), compiler)?;
    let element = Element::bits(g.dtype());
    let mut shader = Shader::new();
    shader.operand(&g, element);
    shader.operand(&found, Element::Bits(4));
    let out = shader.operand(&y, element);
    let text = format!(
        "    let at = x1(i);
    if at == 0xffffffffu {{
        return {}();
    }}
    return x0(at);",
        element.type_name()
    );
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}
