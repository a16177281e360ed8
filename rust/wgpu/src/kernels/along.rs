//! Along one axis: position of the extremum, running totals. Long lines are cut into chunks by size.

use oxhorn_core::DType;
use oxhorn_core::codegen::Language;
use oxhorn_core::op::{ArgKind, ArgReduce, Cumulative, CumulativeKind};

use super::{Compiled, computed, only, typed, wide};
use crate::program::Compiler;
use crate::shader::language::Wgsl;
use crate::shader::{Element, Shader};
use crate::step::{Arg, Args, AxisView};

/// Elements of a line that one invocation goes through, where there are more.
const CHUNK: usize = 256;

/// See [`ArgReduce`].
pub(super) fn arg_reduce(op: &ArgReduce, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x], [y]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let view = AxisView::new(x.dims(), op.axis);
    let element = Element::Value(x.dtype());
    let ty = element.type_name();
    let beats = match op.kind {
        ArgKind::Max => "a > b",
        ArgKind::Min => "a < b",
    };
    // A NaN beats everything; the first of equals stays.
    let better = match x.dtype() {
        DType::Bool => format!("{} != {} && {}", "a", "b", if op.kind == ArgKind::Max { "a" } else { "b" }),
        d if d.is_float() => format!("{beats} || (ox_isnan(a) && !ox_isnan(b))"),
        _ => beats.to_owned(),
    };
    let better = format!("fn better(a: {ty}, b: {ty}) -> bool {{\n    return {better};\n}}");
    let arguments = |shader: &mut Shader| {
        shader.declare(&better);
        shader.u("n", view.n);
        shader.u("inner", view.inner.max(1));
    };
    let chunks = if view.n > 2 * CHUNK { view.n.div_ceil(CHUNK) } else { 1 };
    let mut shader = Shader::new();
    shader.operand(&x, element);
    arguments(&mut shader);
    if chunks == 1 {
        let out = shader.operand(&y, Element::Value(DType::I32));
        let text = "    let line = i / p.inner * p.n * p.inner + i % p.inner;
    var best = 0u;
    var extremum = x0(line);
    for (var j = 1u; j < p.n; j++) {
        let candidate = x0(line + j * p.inner);
        if better(candidate, extremum) {
            best = j;
            extremum = candidate;
        }
    }
    return i32(best);";
        return compiler.dispatch(shader.each(out, Element::Value(DType::I32), y.numel(), text));
    }
    let bests = compiler.temporary(typed(DType::U32, [y.numel(), chunks]))?;
    let out = shader.operand(&bests, Element::Bits(4));
    shader.u("chunks", chunks);
    let text = format!(
        "    let o = i / p.chunks;
    let line = o / p.inner * p.n * p.inner + o % p.inner;
    let start = i % p.chunks * {CHUNK}u;
    var best = start;
    var extremum = x0(line + start * p.inner);
    for (var j = start + 1u; j < min(start + {CHUNK}u, p.n); j++) {{
        let candidate = x0(line + j * p.inner);
        if better(candidate, extremum) {{
            best = j;
            extremum = candidate;
        }}
    }}
    return best;"
    );
    compiler.dispatch(shader.each(out, Element::Bits(4), bests.numel(), &text))?;
    let mut shader = Shader::new();
    shader.operand(&x, element);
    shader.operand(&bests, Element::Bits(4));
    arguments(&mut shader);
    let out = shader.operand(&y, Element::Value(DType::I32));
    shader.u("chunks", chunks);
    let text = "    let line = i / p.inner * p.n * p.inner + i % p.inner;
    var best = x1(i * p.chunks);
    for (var j = 1u; j < p.chunks; j++) {
        let candidate = x1(i * p.chunks + j);
        if better(x0(line + candidate * p.inner), x0(line + best * p.inner)) {
            best = candidate;
        }
    }
    return i32(best);";
    compiler.dispatch(shader.each(out, Element::Value(DType::I32), y.numel(), text))
}

/// See [`Cumulative`]. Chunks are totalled, the totals of the chunks are totalled, and the chunks before
/// are added to each.
pub(super) fn cumulative(op: &Cumulative, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([x], [y]) = only(args)?;
    computed(args, x.dtype(), compiler)?;
    let view = AxisView::new(x.dims(), op.axis);
    let lines = view.outer * view.inner;
    let chunks = if view.n > 2 * CHUNK { view.n.div_ceil(CHUNK) } else { 1 };
    let chunk = if chunks == 1 { view.n } else { CHUNK };
    let total = wide(x.dtype());
    let ty = Wgsl.type_name(total);
    let join = match op.kind {
        CumulativeKind::Sum => "a + b".to_owned(),
        CumulativeKind::Prod => "a * b".to_owned(),
        CumulativeKind::Max => format!("ox_max_{ty}(a, b)"),
        CumulativeKind::Min => format!("ox_min_{ty}(a, b)"),
        CumulativeKind::LogSumExp => "ox_logaddexp(a, b)".to_owned(),
    };
    let arguments = |shader: &mut Shader| {
        shader.declare(&format!("fn join(a: {ty}, b: {ty}) -> {ty} {{\n    return {join};\n}}"));
        shader.u("n", view.n);
        shader.u("inner", view.inner.max(1));
        shader.u("chunk", chunk);
        shader.u("chunks", chunks);
        // The step from one element to the next, and the first one.
        shader.i("step", if op.reverse { -1 } else { 1 });
        shader.u("first", if op.reverse { view.n - 1 } else { 0 });
    };
    const LINE: &str = "let line = l / p.inner * p.n * p.inner + l % p.inner;";

    let direct = chunks == 1 && total == x.dtype();
    let running = if direct { y.clone() } else { compiler.temporary(typed(total, &*x.ty.shape))? };
    let mut shader = Shader::new();
    shader.operand(&x, Element::Value(x.dtype()));
    let out = shader.operand(&running, Element::Value(total));
    arguments(&mut shader);
    let array = shader.array(out);
    let body = format!(
        "    let l = t / p.chunks;
    {LINE}
    let start = t % p.chunks * p.chunk;
    var sum: {ty};
    for (var j = start; j < min(start + p.chunk, p.n); j++) {{
        let at = line + u32(i32(p.first) + i32(j) * p.step) * p.inner;
        let value = {};
        if j == start {{
            sum = value;
        }} else {{
            sum = join(sum, value);
        }}
        {array}[at] = {};
    }}
",
        Wgsl.cast(x.dtype(), total, "x0(at)"),
        Element::Value(total).encode("sum")
    );
    compiler.dispatch(shader.threads(lines * chunks, &body))?;
    if direct {
        return Ok(());
    }
    let before = compiler.temporary(typed(total, [lines, chunks]))?;
    if chunks > 1 {
        totals_before(&running, &before, lines, &arguments, compiler)?;
    }

    let mut shader = Shader::new();
    shader.operand(&running, Element::Value(total));
    shader.operand(&before, Element::Value(total));
    arguments(&mut shader);
    let element = Element::Value(y.dtype());
    let out = shader.operand(&y, element);
    let value = if y.dtype() == DType::Bool {
        Wgsl.cast(total, DType::Bool, "sum")
    } else {
        Wgsl.rounded(y.dtype(), "sum".into())
    };
    let text = format!(
        "    let at = i / p.inner % p.n;
    let j = u32((i32(at) - i32(p.first)) * p.step);
    let l = i / (p.n * p.inner) * p.inner + i % p.inner;
    var sum = x0(i);
    if j >= p.chunk {{
        sum = join(x1(l * p.chunks + j / p.chunk), sum);
    }}
    return {value};"
    );
    compiler.dispatch(shader.each(out, element, y.numel(), &text))
}

/// For each line and chunk but the first the total of the chunks before.
fn totals_before(
    running: &Arg,
    before: &Arg,
    lines: usize,
    arguments: &dyn Fn(&mut Shader),
    compiler: &mut Compiler,
) -> Compiled {
    let element = Element::Value(running.dtype());
    let mut shader = Shader::new();
    shader.operand(running, element);
    let out = shader.operand(before, element);
    arguments(&mut shader);
    let body = format!(
        "    let line = t / p.inner * p.n * p.inner + t % p.inner;
    var sum: {};
    for (var c = 1u; c < p.chunks; c++) {{
        let last = i32(c * p.chunk) - 1;
        let value = x0(line + u32(i32(p.first) + last * p.step) * p.inner);
        if c == 1u {{
            sum = value;
        }} else {{
            sum = join(sum, value);
        }}
        {}[t * p.chunks + c] = {};
    }}
",
        element.type_name(),
        shader.array(out),
        element.encode("sum")
    );
    compiler.dispatch(shader.threads(lines, &body))
}
