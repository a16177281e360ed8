//! Pad, concat, and slices at run-time positions.

use std::fmt::Write;

use oxhorn_core::op::{Concat, Pad};

use super::{Compiled, only, ravel, unravel};
use crate::program::Compiler;
use crate::shader::{Element, Shader};
use crate::step::{Args, AxisView};

/// Adds the sizes of axes as arguments `{name}0`, `{name}1`, ...
pub(super) fn sizes(shader: &mut Shader, name: &str, dims: &[usize]) {
    for (axis, &d) in dims.iter().enumerate() {
        shader.u(&format!("{name}{axis}"), d.max(1));
    }
}

/// See [`Pad`].
pub(super) fn pad(op: &Pad, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, value], [y]) = only(args)?;
    let element = Element::bits(y.dtype());
    let mut shader = Shader::new();
    shader.operand(&x, element);
    shader.operand(&value, element);
    let out = shader.operand(&y, element);
    let rank = y.dims().len();
    sizes(&mut shader, "d", y.dims());
    sizes(&mut shader, "n", x.dims());
    let mut text = unravel("i", "c", "d", rank);
    for axis in 0..rank {
        shader.i(&format!("low{axis}"), op.low[axis]);
        shader.u(&format!("step{axis}"), op.interior[axis] + 1);
        shader.u(&format!("size{axis}"), x.dims()[axis]);
        let _ = write!(
            text,
            "    let at{axis} = i32(c{axis}) - p.low{axis};
    let s{axis} = u32(max(at{axis}, 0)) / p.step{axis};
    if at{axis} < 0 || u32(at{axis}) % p.step{axis} != 0u || s{axis} >= p.size{axis} {{
        return x1(0u);
    }}
"
        );
    }
    let _ = write!(text, "    return x0({});", ravel("s", "n", rank));
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}

/// See [`Concat`].
pub(super) fn concat(op: &Concat, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let [y] = args.outputs else { return Err(args.malformed("one result")) };
    let element = Element::bits(y.dtype());
    let whole = AxisView::new(y.dims(), op.axis);
    let mut start = 0;
    if element.per_word() == 1 {
        for x in args.inputs {
            let part = AxisView::new(x.dims(), op.axis);
            let mut shader = Shader::new();
            shader.operand(x, element);
            let out = shader.operand(y, element);
            shader.u("row", (part.n * part.inner).max(1));
            shader.u("whole", whole.n * whole.inner);
            shader.u("start", start * whole.inner);
            let array = shader.array(out);
            let body = format!(
                "    {array}[t / p.row * p.whole + p.start + t % p.row] = {};\n",
                element.encode("x0(t)")
            );
            compiler.dispatch(shader.threads(x.numel(), &body))?;
            start += part.n;
        }
        return Ok(());
    }
    // Words of the result are shared by operands, so one shader has to see all of these.
    let mut shader = Shader::new();
    shader.u("whole", whole.n * whole.inner);
    let mut text = String::from("    let o = i / p.whole;\n    let at = i % p.whole;\n");
    for (n, x) in args.inputs.iter().enumerate() {
        let part = AxisView::new(x.dims(), op.axis);
        shader.operand(x, element);
        shader.u(&format!("row{n}"), part.n * part.inner);
        shader.u(&format!("start{n}"), start * whole.inner);
        start += part.n;
        let _ = write!(
            text,
            "    if at < p.start{n} + p.row{n} {{
        return x{n}(o * p.row{n} + at - p.start{n});
    }}
"
        );
    }
    let out = shader.operand(y, element);
    text.push_str("    return 0u;");
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}

/// Statements for the start `s0`, `s1`, ... of a window, moved so that it fits; operand `start` has it.
fn window_start(shader: &mut Shader, dims: &[usize], window: &[usize], start: usize) -> String {
    let mut text = String::new();
    for (axis, (&d, &w)) in dims.iter().zip(window).enumerate() {
        shader.i(&format!("last{axis}"), d as isize - w as isize);
        let _ = writeln!(text, "    let s{axis} = u32(clamp(x{start}({axis}u), 0, p.last{axis}));");
    }
    text
}

/// See [`oxhorn_core::op::DynamicSlice`].
pub(super) fn dynamic_slice(args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, start], [y]) = only(args)?;
    let element = Element::bits(y.dtype());
    let rank = y.dims().len();
    let mut shader = Shader::new();
    shader.operand(&x, element);
    shader.index(&start);
    let out = shader.operand(&y, element);
    sizes(&mut shader, "d", y.dims());
    sizes(&mut shader, "n", x.dims());
    let mut text = unravel("i", "c", "d", rank) + &window_start(&mut shader, x.dims(), y.dims(), 1);
    for axis in 0..rank {
        let _ = writeln!(text, "    let a{axis} = c{axis} + s{axis};");
    }
    let _ = write!(text, "    return x0({});", ravel("a", "n", rank));
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}

/// See [`oxhorn_core::op::DynamicUpdateSlice`].
pub(super) fn dynamic_update_slice(args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x, update, start], [y]) = only(args)?;
    let element = Element::bits(y.dtype());
    let rank = y.dims().len();
    let mut shader = Shader::new();
    shader.operand(&x, element);
    shader.operand(&update, element);
    shader.index(&start);
    let out = shader.operand(&y, element);
    sizes(&mut shader, "d", y.dims());
    sizes(&mut shader, "n", update.dims());
    let mut text = unravel("i", "c", "d", rank) + &window_start(&mut shader, x.dims(), update.dims(), 2);
    let mut inside = vec!["true".to_owned()];
    for axis in 0..rank {
        shader.u(&format!("size{axis}"), update.dims()[axis]);
        let _ = writeln!(text, "    let a{axis} = c{axis} - s{axis};");
        // Wraps to a large number before the window.
        inside.push(format!("a{axis} < p.size{axis}"));
    }
    let _ = write!(
        text,
        "    if {} {{
        return x1({});
    }}
    return x0(i);",
        inside.join(" && "),
        ravel("a", "n", rank)
    );
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}
