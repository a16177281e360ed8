//! Matrix products, and what is one with other addresses (convolutions).
//!
//! A workgroup makes a tile of the result from tiles of the operands in shared memory, each invocation up to
//! 4 by 4 elements of it. Products of few rows or columns have one invocation for each element instead. Long
//! sums are cut into slices by size, whose results are added up by another kernel.

use std::fmt::Write;

use oxhorn_core::DType;
use oxhorn_core::codegen::Language;
use oxhorn_core::op::MatMul;

use super::{Compiled, computed, convert, only, sum_rows, typed, wide};
use crate::program::Compiler;
use crate::shader::language::Wgsl;
use crate::shader::{Element, Finished, Shader};
use crate::step::{Arg, Args};

/// Rows and columns of invocations in a workgroup.
const SIDE: usize = 16;
/// Terms of the sums between two loads of shared memory.
const DEPTH: usize = 16;
/// Workgroups that keep a GPU busy.
const BUSY: usize = 128;
/// Terms of a slice of a sum, at least.
const SLICE: usize = 256;

/// A batch of products c = a b, with operands 0 and 1 of the shader as a and b.
pub(super) struct Gemm<'a> {
    /// Sizes: number of products, rows, columns, terms.
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
    /// Operands with their elements.
    pub operands: [&'a Arg; 2],
    /// Bodies of functions of (z, i, k) and (z, k, j) that return an element of a and of b.
    pub a: String,
    pub b: String,
    /// Body of a function of (z, i, j) that returns the number of an element of the result.
    pub c: String,
    /// Whether neighbours in memory differ in k, for a and b.
    pub deep: [bool; 2],
    /// Adds the arguments that these functions use.
    pub arguments: &'a dyn Fn(&mut Shader),
}

impl Gemm<'_> {
    /// Appends the shaders that compute `output`.
    pub fn compile(&self, output: &Arg, compiler: &mut Compiler) -> Compiled {
        let dtype = wide(output.dtype());
        let rows = per_invocation(self.m);
        let columns = per_invocation(self.n);
        let tiled = self.m > 4 && self.n > 4;
        let parts = if tiled {
            self.batch * self.m.div_ceil(SIDE * rows) * self.n.div_ceil(SIDE * columns)
        } else {
            (self.batch * self.m * self.n).div_ceil(64)
        };
        let cut = BUSY.div_ceil(parts.max(1)).min(self.k / SLICE).max(1);
        let whole = typed(dtype, [output.numel()]);
        let result = match output.dtype() == dtype {
            true => Arg { ty: whole, ..output.clone() },
            false => compiler.temporary(whole)?,
        };
        let target = match cut {
            1 => result.clone(),
            _ => compiler.temporary(typed(dtype, [cut, output.numel()]))?,
        };
        let mut shader = Shader::new();
        for operand in self.operands {
            shader.operand(operand, Element::Value(operand.dtype()));
        }
        let out = shader.operand(&target, Element::Value(dtype));
        (self.arguments)(&mut shader);
        for (name, size) in [("m", self.m), ("n", self.n), ("k", self.k), ("batch", self.batch)] {
            shader.u(name, size);
        }
        shader.u("cut", cut);
        shader.u("slice", self.k.div_ceil(cut).next_multiple_of(DEPTH));
        shader.u("size", output.numel());
        let ty = Wgsl.type_name(dtype);
        let array = shader.array(out);
        shader.declare(&format!(
            "fn a(z: u32, i: u32, k: u32) -> {ty} {{\n{}\n}}
fn b(z: u32, k: u32, j: u32) -> {ty} {{\n{}\n}}
fn c(z: u32, i: u32, j: u32) -> u32 {{\n{}\n}}
fn store(s: u32, z: u32, i: u32, j: u32, value: {ty}) {{
    {array}[s * p.size + c(z, i, j)] = {};
}}",
            self.a,
            self.b,
            self.c,
            Element::Value(dtype).encode("value")
        ));
        let finished =
            if tiled { self.tiled(shader, ty, [rows, columns], cut) } else { self.direct(shader, ty, cut) };
        compiler.dispatch(finished)?;
        if cut > 1 {
            sum_rows(&target, &result, cut, compiler)?;
        }
        if output.dtype() != dtype {
            convert(&result, output, compiler)?;
        }
        Ok(())
    }

    /// One invocation for each element.
    fn direct(&self, shader: Shader, ty: &str, cut: usize) -> Finished {
        let body = format!(
            "    let j = t % p.n;
    let i = t / p.n % p.m;
    let z = t / (p.n * p.m) % p.batch;
    let s = t / (p.n * p.m * p.batch);
    var total = {ty}(0);
    for (var k0 = s * p.slice; k0 < min(p.k, (s + 1u) * p.slice); k0 += {DEPTH}u) {{
        // Sums of sums lose less than one long sum.
        var sum = {ty}(0);
        for (var k = k0; k < min(p.k, k0 + {DEPTH}u); k++) {{
            sum += a(z, i, k) * b(z, k, j);
        }}
        total += sum;
    }}
    store(s, z, i, j, total);
"
        );
        shader.threads(self.m * self.n * self.batch * cut, &body)
    }

    /// One workgroup for each tile.
    fn tiled(&self, mut shader: Shader, ty: &str, [rows, columns]: [usize; 2], cut: usize) -> Finished {
        let (height, width) = (SIDE * rows, SIDE * columns);
        let (tiles_m, tiles_n) = (self.m.div_ceil(height), self.n.div_ceil(width));
        shader.u("tiles_m", tiles_m);
        shader.u("tiles_n", tiles_n);
        let groups = tiles_m * tiles_n * self.batch * cut;
        shader.u("groups", groups);
        let threads = SIDE * SIDE;
        let mut text = format!(
            "var<workgroup> ta: array<{ty}, {}>;
var<workgroup> tb: array<{ty}, {}>;
@compute @workgroup_size({threads})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {{
    let g = group.y * groups.x + group.x;
    if g >= p.groups {{
        return;
    }}
    let j0 = g % p.tiles_n * {width}u;
    let i0 = g / p.tiles_n % p.tiles_m * {height}u;
    let zs = g / (p.tiles_n * p.tiles_m);
    let z = zs % p.batch;
    let s = zs / p.batch;
    let end = min(p.k, (s + 1u) * p.slice);
    let li = local / {SIDE}u * {rows}u;
    let lj = local % {SIDE}u * {columns}u;
",
            (height + 1) * DEPTH,
            (width + 1) * DEPTH
        );
        for (r, c) in pairs(rows, columns) {
            let _ = writeln!(text, "    var t{r}{c} = {ty}(0);");
        }
        let _ = writeln!(text, "    for (var k0 = s * p.slice; k0 < end; k0 += {DEPTH}u) {{");
        for (name, deep, extent) in [("a", self.deep[0], height), ("b", self.deep[1], width)] {
            let reach = extent * DEPTH / threads;
            for part in 0..reach {
                let e = format!("e{name}{part}");
                let (k, x) = match deep {
                    true => (format!("{e} % {DEPTH}u"), format!("{e} / {DEPTH}u")),
                    false => (format!("{e} / {extent}u"), format!("{e} % {extent}u")),
                };
                let (first, size, call) = match name {
                    "a" => ("i0", "m", "a(z, x, k)"),
                    _ => ("j0", "n", "b(z, k, x)"),
                };
                let _ = write!(
                    text,
                    "    {{
        let {e} = local + {}u;
        let x = {first} + {x};
        let k = k0 + {k};
        var v = {ty}(0);
        if x < p.{size} && k < end {{
            v = {call};
        }}
        t{name}[({k}) * {}u + {x}] = v;
    }}
",
                    part * threads,
                    extent + 1
                );
            }
        }
        text.push_str("    workgroupBarrier();\n");
        for (r, c) in pairs(rows, columns) {
            let _ = writeln!(text, "    var s{r}{c} = {ty}(0);");
        }
        let _ = writeln!(text, "    for (var k = 0u; k < {DEPTH}u; k++) {{");
        for r in 0..rows {
            let _ = writeln!(text, "        let a{r} = ta[k * {}u + li + {r}u];", height + 1);
        }
        for c in 0..columns {
            let _ = writeln!(text, "        let b{c} = tb[k * {}u + lj + {c}u];", width + 1);
        }
        for (r, c) in pairs(rows, columns) {
            let _ = writeln!(text, "        s{r}{c} += a{r} * b{c};");
        }
        text.push_str("    }\n");
        for (r, c) in pairs(rows, columns) {
            let _ = writeln!(text, "    t{r}{c} += s{r}{c};");
        }
        text.push_str("    workgroupBarrier();\n    }\n");
        for (r, c) in pairs(rows, columns) {
            let _ = write!(
                text,
                "    if i0 + li + {r}u < p.m && j0 + lj + {c}u < p.n {{
        store(s, z, i0 + li + {r}u, j0 + lj + {c}u, t{r}{c});
    }}
"
            );
        }
        text.push('}');
        shader.declare(&text);
        shader.groups(groups)
    }
}

fn pairs(rows: usize, columns: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |r| (0..columns).map(move |c| (r, c)))
}

/// Elements along an axis of `size` that an invocation makes.
fn per_invocation(size: usize) -> usize {
    match size {
        0..=SIDE => 1,
        17..=32 => 2,
        _ => 4,
    }
}

/// See [`MatMul`].
pub(super) fn matmul(op: &MatMul, args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([a, b], [y]) = only(args)?;
    computed(args, y.dtype(), compiler)?;
    if y.dtype() == DType::Bool {
        return Err(args.malformed("a numeric dtype"));
    }
    let dims = y.dims();
    let rank = dims.len();
    let (mut batch, mut m, n): (usize, usize, usize) =
        (dims[..rank - 2].iter().product(), dims[rank - 2], dims[rank - 1]);
    let k = a.dims()[if op.transpose_a { rank - 2 } else { rank - 1 }];
    let shared = b.dims().len() == 2;
    if shared && !op.transpose_a {
        // One tall product instead of many with the same right side.
        (batch, m) = (1, batch * m);
    }
    let batch_b = if shared { "" } else { "z * p.size_b + " };
    let element_a = if op.transpose_a { "k * p.m + i" } else { "i * p.k + k" };
    let element_b = if op.transpose_b { "j * p.k + k" } else { "k * p.n + j" };
    let arguments = |shader: &mut Shader| {
        shader.u("size_a", m * k);
        shader.u("size_b", k * n);
    };
    let gemm = Gemm {
        batch,
        m,
        n,
        k,
        operands: [&a, &b],
        a: format!("    return x0(z * p.size_a + {element_a});"),
        b: format!("    return x1({batch_b}{element_b});"),
        c: "    return (z * p.m + i) * p.n + j;".into(),
        deep: [!op.transpose_a, op.transpose_b],
        arguments: &arguments,
    };
    if k == 0 {
        return zero(&y, compiler);
    }
    gemm.compile(&y, compiler)
}

/// Fills a tensor with zeros.
pub(super) fn zero(y: &Arg, compiler: &mut Compiler) -> Compiled {
    let mut shader = Shader::new();
    let element = Element::bits(y.dtype());
    let out = shader.operand(y, element);
    let text = format!("    return {}();", element.type_name());
    let finished = shader.each(out, element, y.numel(), &text);
    compiler.dispatch(finished)
}
