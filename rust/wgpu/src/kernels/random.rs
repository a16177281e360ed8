//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).

use super::{Compiled, only};
use crate::program::Compiler;
use crate::shader::{Element, Shader};
use crate::step::Args;

/// See [`oxhorn_core::op::RandomBits`]. An invocation makes one block of four words.
pub(super) fn random_bits(args: &Args<'_>, compiler: &mut Compiler) -> Compiled {
    let ([key], [y]) = only(args)?;
    let mut shader = Shader::new();
    let key = shader.operand(&key, Element::Bits(4));
    let out = shader.operand(&y, Element::Bits(4));
    let (key, out) = (shader.array(key), shader.array(out));
    shader.u("count", y.numel());
    let body = format!(
        "    var x = vec4<u32>(t, 0u, 0u, 0u);
    var key = vec2<u32>({key}[0], {key}[1]);
    for (var round = 0u; round < 10u; round++) {{
        let a = ox_mul_high(x.x, 0xd2511f53u);
        let b = ox_mul_high(x.z, 0xcd9e8d57u);
        x = vec4<u32>(b ^ x.y ^ key.x, x.z * 0xcd9e8d57u, a ^ x.w ^ key.y, x.x * 0xd2511f53u);
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }}
    for (var w = 0u; w < 4u; w++) {{
        if 4u * t + w < p.count {{
            {out}[4u * t + w] = x[w];
        }}
    }}
"
    );
    compiler.dispatch(shader.threads(y.numel().div_ceil(4), &body))
}
