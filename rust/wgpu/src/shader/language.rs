//! WGSL as a language of core's kernel printer.

use oxhorn_core::codegen::Language;
use oxhorn_core::op::Ew;
use oxhorn_core::{DType, Scalar};

use super::element::type_name;

/// WGSL.
pub(crate) struct Wgsl;

impl Language for Wgsl {
    fn type_name(&self, dtype: DType) -> &'static str {
        type_name(dtype)
    }

    fn define(&self, name: &str, dtype: DType, value: &str) -> String {
        format!("let {name}: {} = {value};", type_name(dtype))
    }

    fn constant(&self, value: Scalar) -> String {
        match type_name(value.dtype()) {
            "bool" => (value.as_i64() != 0).to_string(),
            "f32" => float(value.as_f64() as f32),
            "u32" => format!("{}u", value.as_u64()),
            "u64" => format!("{}lu", value.as_u64()),
            // The lowest value has no literal: its negative is out of range.
            "i64" if value.as_i64() == i64::MIN => format!("({}li - 1li)", i64::MIN + 1),
            "i64" => format!("{}li", value.as_i64()),
            _ => format!("i32({})", value.as_i64()),
        }
    }

    fn cast(&self, from: DType, to: DType, value: &str) -> String {
        let (source, target) = (type_name(from), type_name(to));
        let converted = match (source, target) {
            _ if source == target => value.to_owned(),
            // NaN counts as true.
            (_, "bool") => return format!("!({value} == {source}(0))"),
            ("i32", "u64") => format!("u64(i64({value}))"), // with the sign's bits
            ("bool", _) => return format!("select({target}(0), {target}(1), {value})"),
            _ => format!("{target}({value})"),
        };
        if from == to { converted } else { self.rounded(to, converted) }
    }

    fn rounded(&self, dtype: DType, value: String) -> String {
        match dtype {
            DType::U8 => format!("(({value}) & 0xffu)"),
            DType::U16 => format!("(({value}) & 0xffffu)"),
            DType::I8 => format!("extractBits({value}, 0u, 8u)"),
            DType::I16 => format!("extractBits({value}, 0u, 16u)"),
            DType::F16 => format!("ox_round_f16({value})"),
            DType::BF16 => format!("ox_round_bf16({value})"),
            _ => value,
        }
    }

    fn text(&self, op: Ew) -> &'static str {
        op.wgsl_text()
    }
}

/// A literal, or bits for what has none.
fn float(value: f32) -> String {
    if value.is_normal() || value == 0.0 && value.is_sign_positive() {
        return format!("{value:?}f");
    }
    format!("ox_bits({:#x}u)", value.to_bits())
}

/// Whether a shader can compute with numbers of this dtype.
pub(crate) fn computes(dtype: DType, int64: bool) -> bool {
    match dtype {
        DType::F64 => false,
        DType::I64 | DType::U64 => int64,
        _ => true,
    }
}
