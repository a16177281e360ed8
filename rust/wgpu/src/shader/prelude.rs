//! The functions of `prelude.wgsl` and `integers.wgsl`, by name.

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

/// Text of each function.
static FUNCTIONS: LazyLock<FxHashMap<String, String>> = LazyLock::new(|| {
    let mut all = FxHashMap::default();
    collect(include_str!("prelude.wgsl"), &mut all);
    for (name, bits) in [("i32", "32"), ("u32", "32"), ("i64", "64"), ("u64", "64")] {
        let text = include_str!("integers.wgsl").replace("$t", name).replace("$b", bits);
        collect(&text, &mut all);
    }
    all
});

/// Cuts a file into its functions: each begins and ends in the first column.
fn collect(file: &str, all: &mut FxHashMap<String, String>) {
    for part in file.split("\nfn ").skip(1) {
        let end = part.find("\n}").map_or(part.len(), |end| end + 2);
        let name = part.split('(').next().unwrap_or_default();
        all.insert(name.to_owned(), format!("fn {}\n", &part[..end]));
    }
}

/// The functions that `text` calls, directly or not.
pub(crate) fn functions(text: &str) -> String {
    let mut seen = FxHashSet::default();
    let mut out = String::new();
    let mut open = vec![text];
    while let Some(text) = open.pop() {
        for name in names(text) {
            if let Some(function) = FUNCTIONS.get(name)
                && seen.insert(name.to_owned())
            {
                out.push_str(function);
                open.push(function);
            }
        }
    }
    out
}

/// Identifiers that begin with `ox_`.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("ox_").map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

#[cfg(test)]
mod tests {
    use oxhorn_core::DType;
    use oxhorn_core::codegen::expand;
    use oxhorn_core::op::Ew;

    use super::*;
    use crate::shader::language::Wgsl;

    /// Whatever a row of the table or another function calls exists.
    #[test]
    fn every_call_has_a_function() {
        let check = |text: &str| {
            for name in names(text) {
                assert!(FUNCTIONS.contains_key(name), "{name}");
            }
        };
        FUNCTIONS.values().for_each(|text| check(text));
        let args = ["a", "b", "c"].map(String::from);
        for &op in Ew::ALL {
            for dtype in DType::ALL.into_iter().filter(|&d| op.accepts(d) && d != DType::F64) {
                check(&expand(&Wgsl, op, dtype, &args));
            }
        }
    }

    #[test]
    fn only_what_is_called_is_there() {
        let text = functions("let y = ox_sigmoid(x);");
        assert!(text.contains("fn ox_sigmoid") && text.contains("fn ox_exp("));
        assert!(!text.contains("fn ox_log"));
        assert_eq!(functions("let y = x;"), "");
    }
}
