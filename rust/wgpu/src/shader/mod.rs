//! Shaders: WGSL text, what it is bound to, and its arguments.

pub(crate) mod element;
pub(crate) mod fused;
pub(crate) mod language;
mod prelude;

use std::fmt::Write;

use smallvec::SmallVec;

pub(crate) use self::element::Element;
use crate::step::{Arg, Region};

/// Invocations of a workgroup, where a shader does not say otherwise.
pub(crate) const WORKGROUP: usize = 64;

/// A shader while it is written, with the regions and numbers that one dispatch gives it.
///
/// Operand k is read by `xk(i)`, or written through the word array `bk` (operands at one place share one
/// array: see [`Shader::array`]). Arguments are members of the struct `p`.
#[derive(Debug, Default)]
pub(crate) struct Shader {
    operands: Vec<Operand>,
    bindings: SmallVec<[(Region, &'static str); 8]>,
    members: String,
    arguments: Vec<u32>,
    text: String,
}

#[derive(Debug)]
struct Operand {
    binding: usize,
    /// Result type and expression of the function that loads element `i`.
    load: (&'static str, String),
}

/// A shader as it is dispatched.
#[derive(Debug)]
pub(crate) struct Finished {
    pub text: String,
    pub bindings: SmallVec<[Region; 4]>,
    pub arguments: Vec<u32>,
    /// Number of workgroups.
    pub groups: usize,
}

impl Shader {
    /// A shader without operands.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operand or result; returns its number.
    pub fn operand(&mut self, arg: &Arg, element: Element) -> usize {
        self.region(arg.region(element.size()), element)
    }

    /// Adds a region as an operand or result.
    pub fn region(&mut self, region: Region, element: Element) -> usize {
        let binding = self.bind(region, element.word());
        let load = (element.type_name(), element.load(&format!("b{binding}"), "i"));
        self.operands.push(Operand { binding, load });
        self.operands.len() - 1
    }

    /// Adds an operand of indices, int32 or int64, read as i32.
    pub fn index(&mut self, arg: &Arg) -> usize {
        let element = Element::bits(arg.ty.dtype);
        let binding = self.bind(arg.region(element.size()), element.word());
        let load = ("i32", element.load_index(&format!("b{binding}"), "i"));
        self.operands.push(Operand { binding, load });
        self.operands.len() - 1
    }

    fn bind(&mut self, region: Region, word: &'static str) -> usize {
        let same = |(r, w): &(Region, &str)| (r.base, r.offset, *w) == (region.base, region.offset, word);
        match self.bindings.iter().position(same) {
            Some(found) => {
                let bytes = &mut self.bindings[found].0.bytes;
                *bytes = region.bytes.max(*bytes);
                found
            }
            None => {
                self.bindings.push((region, word));
                self.bindings.len() - 1
            }
        }
    }

    /// Name of the array of words behind an operand.
    pub fn array(&self, operand: usize) -> String {
        format!("b{}", self.operands[operand].binding)
    }

    fn member(&mut self, name: &str, ty: &str, bits: u32) {
        let _ = write!(self.members, "    {name}: {ty},\n");
        self.arguments.push(bits);
    }

    /// Adds an argument that is a size or a position.
    pub fn u(&mut self, name: &str, value: usize) {
        self.member(name, "u32", value as u32);
    }

    /// Adds an argument that may be negative.
    pub fn i(&mut self, name: &str, value: isize) {
        self.member(name, "i32", value as i32 as u32);
    }

    /// Adds declarations.
    pub fn declare(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Computes `count` elements of operand `output`, each by the function body `value`, which has its
    /// number as `i`. An invocation makes a whole word, since words cannot be shared.
    pub fn each(mut self, output: usize, element: Element, count: usize, value: &str) -> Finished {
        let per_word = element.per_word();
        let (array, ty) = (self.array(output), element.type_name());
        self.declare(&format!("fn value(i: u32) -> {ty} {{\n{value}\n}}"));
        let body = match per_word {
            1 => format!("    {array}[t] = {};\n", element.encode("value(t)")),
            _ => {
                let bits = 32 / per_word;
                format!(
                    "    var word = 0u;
    for (var k = 0u; k < {per_word}u; k++) {{
        let i = t * {per_word}u + k;
        if i < p.count {{
            word |= {} << (k * {bits}u);
        }}
    }}
    {array}[t] = word;
",
                    element.encode("value(i)")
                )
            }
        };
        self.u("count", count);
        self.threads(count.div_ceil(per_word), &body)
    }

    /// Runs `body` in `threads` invocations, each of which has its number as `t`.
    pub fn threads(mut self, threads: usize, body: &str) -> Finished {
        self.u("threads", threads);
        self.declare(&format!(
            "@compute @workgroup_size({WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {{
    let t = (group.y * groups.x + group.x) * {WORKGROUP}u + local;
    if t >= p.threads {{
        return;
    }}
{body}}}"
        ));
        self.groups(threads.div_ceil(WORKGROUP))
    }

    /// Finishes a shader whose entry point `main` has been declared, for so many workgroups.
    pub fn groups(mut self, groups: usize) -> Finished {
        let mut text = String::new();
        for (n, operand) in self.operands.iter().enumerate() {
            let name = format!("x{n}(");
            if self.text.contains(&name) {
                let (ty, value) = &operand.load;
                let _ = writeln!(text, "fn x{n}(i: u32) -> {ty} {{\n    return {value};\n}}");
            }
        }
        text.push_str(&self.text);
        let functions = prelude::functions(&text);
        if functions.contains("ox_nothing") {
            self.u("zero", 0);
        }
        let mut head = format!("struct P {{\n{}}}\n", self.members);
        for (n, (_, word)) in self.bindings.iter().enumerate() {
            let _ = writeln!(head, "@group(0) @binding({n}) var<storage, read_write> b{n}: array<{word}>;");
        }
        let _ = writeln!(head, "@group(0) @binding({}) var<uniform> p: P;", self.bindings.len());
        Finished {
            text: head + &functions + &text,
            bindings: self.bindings.iter().map(|b| b.0).collect(),
            arguments: self.arguments,
            groups,
        }
    }
}
