//! Kernels as text: what the C-like kernel languages (CUDA C++, WGSL) have in common.
//!
//! A device that compiles text brings a [`Language`], decides how threads walk over a kernel's space, and
//! puts [`statements`] where one point of it is computed.

use std::fmt::Write;

use crate::kernel::{Instr, Kernel};
use crate::op::Ew;
use crate::{DType, Scalar};

/// How a kernel language spells things.
pub trait Language {
    /// Type of a variable that holds an element of `dtype`.
    fn type_name(&self, dtype: DType) -> &'static str;
    /// A statement that gives `value` a name.
    fn define(&self, name: &str, dtype: DType, value: &str) -> String;
    /// A constant as an expression.
    fn constant(&self, value: Scalar) -> String;
    /// `value` converted.
    fn cast(&self, from: DType, to: DType, value: &str) -> String;
    /// The result of an op, brought back to what an element of `dtype` can hold where variables are wider.
    fn rounded(&self, dtype: DType, value: String) -> String;
    /// Text of a row of the table of element-wise ops.
    fn text(&self, op: Ew) -> &'static str;
}

/// Where a kernel's text gets what depends on the point.
pub trait Point {
    /// Expression for what load number `load` of the kernel reads.
    fn load(&self, load: usize) -> String;
    /// Expression, of type `dtype`, for the value of [`Instr::Index`] number `instr` of the body.
    fn index(&self, instr: usize, dtype: DType) -> String;
}

/// Name of the variable that holds a register.
pub fn register(number: u32) -> String {
    format!("r{number}")
}

/// Statements that compute every register of a kernel at one point.
pub fn statements(kernel: &Kernel, language: &dyn Language, point: &dyn Point) -> String {
    let mut out = String::new();
    let mut line = |number: usize, dtype: DType, value: &str| {
        let _ = writeln!(out, "    {}", language.define(&register(number as u32), dtype, value));
    };
    for (i, load) in kernel.loads.iter().enumerate() {
        line(i, load.dtype, &point.load(i));
    }
    for (i, instr) in kernel.body.iter().enumerate() {
        let value = match instr {
            Instr::Const(value) => language.constant(*value),
            Instr::Cast { from, to, arg } => language.cast(*from, *to, &register(*arg)),
            Instr::Index { dtype, .. } => point.index(i, *dtype),
            Instr::Elementwise { op, dtype, args } => {
                let args: Vec<String> = args.iter().map(|&arg| register(arg)).collect();
                let value = expand(language, *op, *dtype, &args);
                if op.is_predicate() { value } else { language.rounded(*dtype, value) }
            }
        };
        line(kernel.loads.len() + i, instr.dtype(), &value);
    }
    out
}

/// The text of an op with its operands: `$0`, `$1`, `$2` are the operands, `$t` the type of variables of
/// the operands' dtype, `$d` the dtype's name.
pub fn expand(language: &dyn Language, op: Ew, dtype: DType, args: &[String]) -> String {
    let mut out = String::new();
    let mut rest = language.text(op);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let key = rest[at + 1..].chars().next().unwrap_or('$');
        match key {
            't' => out.push_str(language.type_name(dtype)),
            'd' => out.push_str(dtype.name()),
            _ => {
                let arg = key.to_digit(10).and_then(|i| args.get(i as usize));
                out.push_str(arg.map_or("", String::as_str));
            }
        }
        rest = &rest[at + 1 + key.len_utf8()..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::kernel::Load;

    /// CUDA C++ as far as this test needs it.
    struct C;

    impl Language for C {
        fn type_name(&self, dtype: DType) -> &'static str {
            if dtype == DType::Bool { "bool" } else { "float" }
        }
        fn define(&self, name: &str, dtype: DType, value: &str) -> String {
            format!("const {} {name} = {value};", self.type_name(dtype))
        }
        fn constant(&self, value: Scalar) -> String {
            format!("{:?}f", value.as_f64())
        }
        fn cast(&self, _: DType, to: DType, value: &str) -> String {
            format!("({})({value})", self.type_name(to))
        }
        fn rounded(&self, _: DType, value: String) -> String {
            value
        }
        fn text(&self, op: Ew) -> &'static str {
            op.c_text()
        }
    }

    struct Here;

    impl Point for Here {
        fn load(&self, load: usize) -> String {
            format!("x{load}[i]")
        }
        fn index(&self, _: usize, _: DType) -> String {
            "float(i)".into()
        }
    }

    #[test]
    fn one_statement_for_each_register() {
        let f = DType::F32;
        let load = |operand| Load { operand, dtype: f, offset: 0, strides: smallvec![1] };
        let kernel = Kernel {
            space: smallvec![4],
            reduced: 0,
            loads: vec![load(0), load(1)],
            body: vec![
                Instr::Const(Scalar::from_f64(0.5, f)),
                Instr::Elementwise { op: Ew::Relu, dtype: f, args: smallvec![0] },
                Instr::Elementwise { op: Ew::Mul, dtype: f, args: smallvec![3, 2] },
                Instr::Index { dtype: f, offset: 0, strides: smallvec![1] },
                Instr::Elementwise { op: Ew::Lt, dtype: f, args: smallvec![4, 5] },
                Instr::Elementwise { op: Ew::Select, dtype: f, args: smallvec![6, 1, 4] },
            ],
            reduction: None,
            stores: smallvec![7],
        };
        let expected = "    const float r0 = x0[i];
    const float r1 = x1[i];
    const float r2 = 0.5f;
    const float r3 = ox_max(r0, float(0));
    const float r4 = r3 * r2;
    const float r5 = float(i);
    const bool r6 = r4 < r5;
    const float r7 = r6 ? r1 : r4;
";
        assert_eq!(statements(&kernel, &C, &Here), expected);
    }
}
