// Functions that generated shaders use, each copied into a shader only where it is called.
//
// WGSL's own exp, log, sin, ... may be off by thousands of ULP (Vulkan allows it), so they are written out
// here, with the formulas and greatest errors of the CPU's (SLEEF, fdlibm, Cephes, N. Juffa).
//
// Two things have to be hidden from compilers, behind a zero that is an argument of the shader: infinity and
// NaN, which WGSL does not take as constants, and sums whose rounding matters, since drivers may take
// (1 + x) - 1 for x.

fn ox_nothing() -> u32 {
    return p.zero;
}

fn ox_bits(bits: u32) -> f32 {
    return bitcast<f32>(bits ^ ox_nothing());
}

// x, of which the compiler forgets how it was computed.
fn ox_exact(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ ox_nothing());
}

fn ox_inf() -> f32 {
    return ox_bits(0x7f800000u);
}

fn ox_nan() -> f32 {
    return ox_bits(0x7fc00000u);
}

fn ox_isnan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn ox_isinf(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;
}

fn ox_isfinite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
}

fn ox_copysign(x: f32, y: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(y) & 0x80000000u));
}

// float16: to bits, rounded to nearest even, and back.

fn ox_encode_f16(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let sign = (bits >> 16u) & 0x8000u;
    let a = bits & 0x7fffffffu;
    if a > 0x7f800000u {
        return sign | 0x7e00u;
    }
    if a >= 0x47800000u {
        return sign | 0x7c00u;
    }
    if a >= 0x38800000u {
        let r = a - 0x38000000u;
        return sign | ((r + 0xfffu + ((r >> 13u) & 1u)) >> 13u);
    }
    if a <= 0x33000000u {
        return sign;
    }
    let shift = 126u - (a >> 23u);
    let m = (a & 0x7fffffu) | 0x800000u;
    let r = m >> shift;
    let rest = m & ((1u << shift) - 1u);
    let half = 1u << (shift - 1u);
    return sign | (r + select(0u, 1u, rest > half || (rest == half && (r & 1u) == 1u)));
}

fn ox_decode_f16(h: u32) -> f32 {
    let sign = (h & 0x8000u) << 16u;
    let e = (h >> 10u) & 31u;
    let m = h & 0x3ffu;
    if e == 0u {
        return bitcast<f32>(bitcast<u32>(f32(m) * 5.9604644775390625e-8f) | sign);
    }
    return bitcast<f32>(sign | select((e + 112u) << 23u, 0x7f800000u, e == 31u) | (m << 13u));
}

fn ox_round_f16(x: f32) -> f32 {
    return ox_decode_f16(ox_encode_f16(x));
}

fn ox_encode_bf16(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    if ox_isnan(x) {
        return (bits >> 16u) | 0x40u;
    }
    return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

fn ox_round_bf16(x: f32) -> f32 {
    return bitcast<f32>(ox_encode_bf16(x) << 16u);
}

// Arithmetic that differs from type to type; integers.wgsl has the rest.

fn ox_neg_f32(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ 0x80000000u);
}

fn ox_abs_f32(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0x7fffffffu);
}

fn ox_sign_f32(x: f32) -> f32 {
    return select(select(x, -1.0f, x < 0.0f), 1.0f, x > 0.0f);
}

fn ox_max_f32(x: f32, y: f32) -> f32 {
    return select(y, x, x >= y || ox_isnan(x));
}

fn ox_min_f32(x: f32, y: f32) -> f32 {
    return select(y, x, x <= y || ox_isnan(x));
}

fn ox_lt_f32(x: f32, y: f32) -> bool {
    return x < y;
}

fn ox_le_f32(x: f32, y: f32) -> bool {
    return x <= y;
}

fn ox_lt_bool(x: bool, y: bool) -> bool {
    return !x && y;
}

fn ox_le_bool(x: bool, y: bool) -> bool {
    return !x || y;
}

// The remainder of x / y, exact, with x's sign: long division of the mantissas, eight bits at a time.
fn ox_fmod(x: f32, y: f32) -> f32 {
    let sign = bitcast<u32>(x) & 0x80000000u;
    let a = bitcast<u32>(x) & 0x7fffffffu;
    let b = bitcast<u32>(y) & 0x7fffffffu;
    if a >= 0x7f800000u || b > 0x7f800000u || b == 0u {
        return ox_nan();
    }
    if a < b {
        return x;
    }
    let ea = max(a >> 23u, 1u);
    let eb = max(b >> 23u, 1u);
    let mb = (b & 0x7fffffu) | select(0u, 0x800000u, b >= 0x800000u);
    var m = ((a & 0x7fffffu) | select(0u, 0x800000u, a >= 0x800000u)) % mb;
    var left = ea - eb;
    while left > 0u {
        let step = min(left, 8u);
        m = (m << step) % mb;
        left -= step;
    }
    if m == 0u {
        return bitcast<f32>(sign);
    }
    // m times two to the power eb - 150, normalised as far as the exponent allows.
    let shift = min(countLeadingZeros(m) - 8u, eb - 1u);
    m = m << shift;
    let e = select(0u, eb - shift, m >= 0x800000u);
    return bitcast<f32>(sign | (e << 23u) | (m & 0x7fffffu));
}

// Python's modulo and floor division, as NumPy's divmod computes them.

fn ox_mod_f32(x: f32, y: f32) -> f32 {
    let r = ox_fmod(x, y);
    if r == 0.0f {
        return ox_copysign(r, y);
    }
    return select(r, r + y, (r < 0.0f) != (y < 0.0f));
}

fn ox_floor_div_f32(x: f32, y: f32) -> f32 {
    if y == 0.0f {
        return x / y;
    }
    let r = ox_fmod(x, y);
    var quotient = (x - r) / y;
    if r != 0.0f && (r < 0.0f) != (y < 0.0f) {
        quotient -= 1.0f;
    }
    if quotient == 0.0f {
        return ox_copysign(0.0f, x / y);
    }
    let whole = floor(quotient);
    return select(whole, whole + 1.0f, quotient - whole > 0.5f);
}

fn ox_hypot(x: f32, y: f32) -> f32 {
    let a = ox_abs_f32(x);
    let b = ox_abs_f32(y);
    if ox_isinf(a) || ox_isinf(b) {
        return ox_inf();
    }
    let high = max(a, b);
    let low = min(a, b);
    if ox_isnan(a) || ox_isnan(b) || high == 0.0f {
        return a + b;
    }
    let q = low / high;
    return high * sqrt(1.0f + q * q);
}

// The neighbour of x in direction y. Bits of floats of one sign are ordered as the floats are.

fn ox_next_bits(bits: u32, x: f32, y: f32, sign: u32) -> u32 {
    if x == 0.0f {
        return select(1u, 1u | sign, y < 0.0f);
    }
    return select(bits - 1u, bits + 1u, (y > x) == (x > 0.0f));
}

fn ox_nextafter_float32(x: f32, y: f32) -> f32 {
    if ox_isnan(x) || ox_isnan(y) {
        return ox_nan();
    }
    if x == y {
        return y;
    }
    return bitcast<f32>(ox_next_bits(bitcast<u32>(x), x, y, 0x80000000u));
}

fn ox_nextafter_float16(x: f32, y: f32) -> f32 {
    if ox_isnan(x) || ox_isnan(y) {
        return ox_nan();
    }
    if x == y {
        return y;
    }
    return ox_decode_f16(ox_next_bits(ox_encode_f16(x), x, y, 0x8000u));
}

fn ox_nextafter_bfloat16(x: f32, y: f32) -> f32 {
    if ox_isnan(x) || ox_isnan(y) {
        return ox_nan();
    }
    if x == y {
        return y;
    }
    return bitcast<f32>(ox_next_bits(ox_encode_bf16(x), x, y, 0x8000u) << 16u);
}

// Exponentials.

// Two to the power n, for a normal result.
fn ox_power_of_two(n: i32) -> f32 {
    return bitcast<f32>(u32(n + 127) << 23u);
}

// x times two to the power n, in two steps, since 2^n itself may be out of range.
fn ox_scale(x: f32, n: i32) -> f32 {
    let half = n >> 1u;
    return x * ox_power_of_two(half) * ox_power_of_two(n - half);
}

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2.
fn ox_exp_polynomial(r: f32) -> f32 {
    var p = 0.00019852761761285365f;
    p = p * r + 0.0013930435525253415f;
    p = p * r + 0.008333360776305187f;
    p = p * r + 0.041666485369205475f;
    p = p * r + 0.1666666716337204f;
    return p * r + 0.5f;
}

fn ox_exp(x: f32) -> f32 {
    if ox_isnan(x) {
        return x;
    }
    let c = clamp(x, -104.0f, 89.0f);
    let n = round(c * 1.4426950408889634f);
    let r = ox_exact(c - n * 0.693359375f) + n * 2.1219444e-4f;
    return ox_scale((ox_exp_polynomial(r) * (r * r) + r) + 1.0f, i32(n));
}

fn ox_exp2(x: f32) -> f32 {
    if ox_isnan(x) {
        return x;
    }
    let c = clamp(x, -151.0f, 129.0f);
    let n = round(c);
    let r = (c - n) * 0.6931471805599453f;
    return ox_scale((ox_exp_polynomial(r) * (r * r) + r) + 1.0f, i32(n));
}

fn ox_expm1(x: f32) -> f32 {
    if ox_isnan(x) || x == 0.0f {
        return x;
    }
    let c = clamp(x, -18.0f, 89.0f);
    let n = round(c * 1.4426950408889634f);
    let r = ox_exact(c - n * 0.693359375f) + n * 2.1219444e-4f;
    let p = ox_exp_polynomial(r) * (r * r) + r;
    // 2^n (e^r - 1) + (2^n - 1), halved so that 2^n fits.
    let half = ox_power_of_two(i32(n) - 1);
    return (p * half + (half - 0.5f)) * 2.0f;
}

// Logarithms.

// x as 2^k (1 + f) with f in [1/sqrt(2) - 1, sqrt(2) - 1): (k, f). For positive finite x.
fn ox_split(x: f32) -> vec2<f32> {
    let tiny = bitcast<u32>(x) < 0x800000u;
    let bits = bitcast<u32>(select(x, x * 8388608.0f, tiny));
    let offset = bits - 0x3f3504f3u;
    let k = f32(bitcast<i32>(offset) >> 23u) - select(0.0f, 23.0f, tiny);
    return vec2<f32>(k, bitcast<f32>((offset & 0x7fffffu) + 0x3f3504f3u) - 1.0f);
}

// log(1 + f) is f - (f^2 / 2 - s (f^2 / 2 + R(s^2))) with s = f / (2 + f): this is what is subtracted.
fn ox_log_tail(f: f32, half_square: f32) -> f32 {
    let s = f / (2.0f + f);
    let z = s * s;
    let r = z * (((0.24279078841f * z + 0.28498786688f) * z + 0.40000972152f) * z + 0.66666662693f);
    return s * (half_square + r);
}

fn ox_log_corners(x: f32, y: f32) -> f32 {
    if x == 0.0f {
        return -ox_inf();
    }
    return select(ox_nan(), select(y, x, ox_isinf(x)), x > 0.0f);
}

fn ox_log(x: f32) -> f32 {
    let kf = ox_split(x);
    let k = kf.x;
    let f = kf.y;
    let half_square = 0.5f * f * f;
    let y = (ox_log_tail(f, half_square) - k * 2.1219444e-4f) - half_square + f;
    return ox_log_corners(x, y + k * 0.693359375f);
}

fn ox_log1p(x: f32) -> f32 {
    if x == 0.0f {
        return x;
    }
    let u = ox_exact(1.0f + x);
    // What u has lost, to first order.
    let lost = (x - (u - 1.0f)) / u;
    return ox_log(u) + select(0.0f, lost, u > 0.0f && ox_isfinite(u));
}

fn ox_log2(x: f32) -> f32 {
    let kf = ox_split(x);
    let l = ox_log2_1p(kf.y);
    return ox_log_corners(x, (kf.x + l.x) + l.y);
}

fn ox_log10(x: f32) -> f32 {
    let kf = ox_split(x);
    let l = ox_log2_1p(kf.y);
    // log10(2) in two parts, the first of 12 bits, so that its product with k is exact.
    let high = kf.x * 0.301025390625f;
    let low = kf.x * 4.60503907e-06f;
    let m = ox_two_product(l.x, 0.30103f);
    let rest = m.y + l.x * -1.43209889e-08f + l.y * 0.30103f;
    let sum = ox_two_sum(high, m.x);
    return ox_log_corners(x, sum.x + (sum.y + (low + rest)));
}

// Sums and products with what they lose (Knuth; Dekker).

fn ox_two_sum(a: f32, b: f32) -> vec2<f32> {
    let s = ox_exact(a + b);
    let t = ox_exact(s - a);
    return vec2<f32>(s, (a - (s - t)) + (b - t));
}

fn ox_two_product(a: f32, b: f32) -> vec2<f32> {
    let p = ox_exact(a * b);
    let ah = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let al = a - ah;
    let bh = bitcast<f32>(bitcast<u32>(b) & 0xfffff000u);
    let bl = b - bh;
    return vec2<f32>(p, ((ah * bh - p) + ah * bl + al * bh) + al * bl);
}

// log2(1 + f) for the f of ox_split, as a sum of two floats, to about 2^-32.
fn ox_log2_1p(f: f32) -> vec2<f32> {
    // s = f / (2 + f) with what its rounding loses.
    let d = ox_two_sum(2.0f, f);
    let s = f / d.x;
    let back = ox_two_product(s, d.x);
    let s_low = (((f - back.x) - back.y) - s * d.y) / d.x;
    let z = s * s;
    let tail = s * z * (((0.24279078841f * z + 0.28498786688f) * z + 0.40000972152f) * z + 0.66666662693f);
    // log(1 + f) = 2 s + tail, times log2(e) in two parts.
    let sum = ox_two_sum(2.0f * s, tail);
    let high = ox_two_product(sum.x, 1.442695f);
    let low = high.y + (sum.x * 1.9259630e-8f + (sum.y + 2.0f * s_low) * 1.442695f);
    return ox_two_sum(high.x, low);
}

fn ox_pow_f32(x: f32, y: f32) -> f32 {
    if y == 0.0f || x == 1.0f || (x == -1.0f && ox_isinf(y)) {
        return 1.0f;
    }
    if ox_isnan(x) || ox_isnan(y) {
        return ox_nan();
    }
    let whole = trunc(y) == y;
    let odd = whole && trunc(y * 0.5f) != y * 0.5f;
    let a = ox_abs_f32(x);
    var power = 0.0f;
    if a == 0.0f || ox_isinf(a) {
        power = select(0.0f, ox_inf(), (a == 0.0f) == (y < 0.0f));
    } else if ox_isinf(y) {
        power = select(0.0f, ox_inf(), (a > 1.0f) == (y > 0.0f));
    } else {
        // y log2(a) as whole part and rest, the latter with what both products lose.
        let kf = ox_split(a);
        let l = ox_log2_1p(kf.y);
        let log = ox_two_sum(kf.x, l.x);
        let low = log.y + l.y;
        let product = ox_two_product(log.x, y);
        let n = round(clamp(product.x, -300.0f, 300.0f));
        let rest = clamp((product.x - n) + (product.y + low * y), -1.0f, 1.0f);
        power = select(ox_exp2(rest), 0.0f, product.x < -290.0f);
        power = select(ox_scale_far(power, i32(n)), ox_inf(), product.x > 290.0f);
    }
    if (bitcast<u32>(x) >> 31u) == 1u {
        if x < 0.0f && !whole && ox_isfinite(x) {
            return ox_nan();
        }
        return select(power, -power, odd);
    }
    return power;
}

// x times two to the power n for |n| up to 300.
fn ox_scale_far(x: f32, n: i32) -> f32 {
    let third = n / 3;
    return x * ox_power_of_two(third) * ox_power_of_two(third) * ox_power_of_two(n - 2 * third);
}

// Trigonometric functions.

// The high word of a 32 by 32 bit product.
fn ox_mul_high(a: u32, b: u32) -> u32 {
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let low = al * bl;
    let middle = ah * bl + (low >> 16u);
    let other = al * bh + (middle & 0xffffu);
    return ah * bh + (middle >> 16u) + (other >> 16u);
}

// Word i of the binary digits of 2 / pi, after two words of zeros.
fn ox_two_over_pi(i: u32) -> u32 {
    switch i {
        case 2u: { return 0xa2f9836eu; }
        case 3u: { return 0x4e441529u; }
        case 4u: { return 0xfc2757d1u; }
        case 5u: { return 0xf534ddc0u; }
        case 6u: { return 0xdb629599u; }
        case 7u: { return 0x3c439041u; }
        case 8u: { return 0xfe5163abu; }
        default: { return 0u; }
    }
}

// x as a multiple of pi / 2 and what remains: (remainder, the multiple modulo 4).
fn ox_quadrant(x: f32) -> vec2<f32> {
    let a = ox_abs_f32(x);
    if a <= 200.0f {
        // pi / 2 in four parts, the first three of 11 bits, so that their products with n are exact.
        let n = round(x * 0.6366197723675814f);
        var r = ox_exact(x - n * 1.5703125f);
        r = ox_exact(r - n * 0.00048375129699707031f);
        r = ox_exact(r - n * 7.5495336204767227e-08f);
        r = r - n * 2.56334407e-12f;
        return vec2<f32>(r, f32(bitcast<u32>(i32(n)) & 3u));
    }
    if !ox_isfinite(x) {
        return vec2<f32>(ox_nan(), 0.0f);
    }
    // Payne and Hanek (1983): of the product of the mantissa and 2 / pi only the bits around the point
    // matter; those before are multiples of 4. Two words of zeros stand before the digits.
    let bits = bitcast<u32>(a);
    let m = ((bits & 0x7fffffu) | 0x800000u) << 8u;
    // a = m 2^(e - 31) with e >= 7: the digits from number e - 33 on are needed.
    let e = (bits >> 23u) - 127u;
    let first = e + 31u;
    let word = first >> 5u;
    let shift = first & 31u;
    var w0 = ox_two_over_pi(word);
    var w1 = ox_two_over_pi(word + 1u);
    var w2 = ox_two_over_pi(word + 2u);
    if shift > 0u {
        w0 = (w0 << shift) | (w1 >> (32u - shift));
        w1 = (w1 << shift) | (w2 >> (32u - shift));
        w2 = (w2 << shift) | (ox_two_over_pi(word + 3u) >> (32u - shift));
    }
    // The product modulo 4, in 2.62 fixed point.
    let low_high = ox_mul_high(m, w2);
    let mid = m * w1;
    let mid_sum = mid + low_high;
    let carry = select(0u, 1u, mid_sum < mid);
    var high = m * w0 + ox_mul_high(m, w1) + carry;
    var low = mid_sum;
    var n = high >> 30u;
    high = high & 0x3fffffffu;
    let up = high >= 0x20000000u;
    if up {
        // The nearer multiple: the remainder is negative, and is turned round to be normalised.
        n += 1u;
        low = ~low;
        high = 0x3fffffffu - high;
    }
    let fraction = f32(high) * 9.313225746154785e-10f + f32(low) * 2.168404344971009e-19f;
    var r = fraction * 1.5707963267948966f;
    r = select(r, -r, up != (x < 0.0f));
    return vec2<f32>(r, f32(select(n, 4u - n, x < 0.0f) & 3u));
}

fn ox_sin_polynomial(r: f32) -> f32 {
    let z = r * r;
    let p = (-1.9515295891e-4f * z + 8.3321608736e-3f) * z + -1.6666654611e-1f;
    return p * z * r + r;
}

fn ox_cos_polynomial(r: f32) -> f32 {
    let z = r * r;
    let p = (2.443315711809948e-5f * z + -1.388731625493765e-3f) * z + 4.166664568298827e-2f;
    return p * (z * z) + (1.0f - 0.5f * z);
}

fn ox_sin(x: f32) -> f32 {
    if x == 0.0f {
        return x;
    }
    let q = ox_quadrant(x);
    let n = u32(q.y);
    var y = 0.0f;
    if (n & 1u) == 0u {
        y = ox_sin_polynomial(q.x);
    } else {
        y = ox_cos_polynomial(q.x);
    }
    return select(y, -y, (n & 2u) != 0u);
}

fn ox_cos(x: f32) -> f32 {
    let q = ox_quadrant(x);
    let n = u32(q.y);
    var y = 0.0f;
    if (n & 1u) == 0u {
        y = ox_cos_polynomial(q.x);
    } else {
        y = ox_sin_polynomial(q.x);
    }
    return select(y, -y, ((n + 1u) & 2u) != 0u);
}

fn ox_tan(x: f32) -> f32 {
    if x == 0.0f {
        return x;
    }
    let q = ox_quadrant(x);
    let sine = ox_sin_polynomial(q.x);
    let cosine = ox_cos_polynomial(q.x);
    if (u32(q.y) & 1u) == 0u {
        return sine / cosine;
    }
    return -cosine / sine;
}

// Cephes's polynomial of (asin(x) - x) / x for |x| <= 1/2.
fn ox_asin_polynomial(z: f32) -> f32 {
    var p = 4.2163199048e-2f;
    p = p * z + 2.4181311049e-2f;
    p = p * z + 4.5470025998e-2f;
    p = p * z + 7.4953002686e-2f;
    return (p * z + 1.6666752422e-1f) * z;
}

fn ox_asin(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if a <= 0.5f {
        return x + x * ox_asin_polynomial(x * x);
    }
    let z = 0.5f * (1.0f - a);
    if !(z >= 0.0f) {
        return ox_nan();
    }
    let s = sqrt(z);
    return ox_copysign(1.5707963267948966f - 2.0f * (s + s * ox_asin_polynomial(z)), x);
}

fn ox_acos(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if a <= 0.5f {
        return 1.5707963267948966f - (x + x * ox_asin_polynomial(x * x));
    }
    let z = 0.5f * (1.0f - a);
    if !(z >= 0.0f) {
        return ox_nan();
    }
    let s = sqrt(z);
    let y = 2.0f * (s + s * ox_asin_polynomial(z));
    return select(y, 3.141592653589793f - y, x < 0.0f);
}

fn ox_atan(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    var y = 0.0f;
    var t = a;
    if a > 2.414213562373095f {
        y = 1.5707963267948966f;
        t = -1.0f / a;
    } else if a > 0.4142135623730950f {
        y = 0.7853981633974483f;
        t = (a - 1.0f) / (a + 1.0f);
    }
    let z = t * t;
    var p = 8.05374449538e-2f;
    p = p * z + -1.38776856032e-1f;
    p = p * z + 1.99777106478e-1f;
    p = p * z + -3.33329491539e-1f;
    return ox_copysign(y + (p * z * t + t), x);
}

fn ox_atan2(y: f32, x: f32) -> f32 {
    if ox_isnan(x) || ox_isnan(y) {
        return ox_nan();
    }
    let a = ox_abs_f32(y);
    let b = ox_abs_f32(x);
    var t = 0.0f;
    if ox_isinf(a) && ox_isinf(b) {
        t = 0.7853981633974483f;
    } else if a > b {
        t = 1.5707963267948966f - ox_atan(b / a);
    } else if a > 0.0f {
        t = ox_atan(a / b);
    }
    let turned = (bitcast<u32>(x) >> 31u) == 1u;
    return ox_copysign(select(t, 3.141592653589793f - t, turned), y);
}

// Hyperbolic functions.

fn ox_sinh(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if a < 9.0f {
        let e = ox_expm1(a);
        return ox_copysign(0.5f * (e + e / (e + 1.0f)), x);
    }
    // e^a may overflow where sinh does not yet.
    let half = ox_exp(0.5f * a);
    return ox_copysign(0.5f * half * half, x);
}

fn ox_cosh(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if a < 9.0f {
        let e = ox_exp(a);
        return 0.5f * e + 0.5f / e;
    }
    let half = ox_exp(0.5f * a);
    return 0.5f * half * half;
}

fn ox_tanh(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    let t = select(a, 9.1f, a > 9.1f);
    let e = ox_expm1(t + t);
    return ox_copysign(e / (e + 2.0f), x);
}

fn ox_asinh(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if a > 1e9f {
        return ox_copysign(ox_log(a) + 0.6931471805599453f, x);
    }
    return ox_copysign(ox_log1p(a + a * a / (1.0f + sqrt(a * a + 1.0f))), x);
}

fn ox_acosh(x: f32) -> f32 {
    if x > 1e9f {
        return ox_log(x) + 0.6931471805599453f;
    }
    let t = x - 1.0f;
    if !(t >= 0.0f) {
        return ox_nan();
    }
    return ox_log1p(t + sqrt(t * (t + 2.0f)));
}

fn ox_atanh(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if !(a <= 1.0f) {
        return ox_nan();
    }
    return ox_copysign(0.5f * ox_log1p((a + a) / (1.0f - a)), x);
}

// Functions of exp and log.

fn ox_sigmoid(x: f32) -> f32 {
    // From the side on which e^-|x| does not overflow, so that small results keep their digits.
    let e = ox_exp(-ox_abs_f32(x));
    return select(1.0f, e, x < 0.0f) / (1.0f + e);
}

fn ox_softplus(x: f32) -> f32 {
    return select(x, 0.0f, x < 0.0f) + ox_log1p(ox_exp(-ox_abs_f32(x)));
}

fn ox_logaddexp(x: f32, y: f32) -> f32 {
    if x == y {
        return x + 0.6931471805599453f;
    }
    return select(x, y, x < y) + ox_log1p(ox_exp(-ox_abs_f32(x - y)));
}

// Two polynomials by N. Juffa; the second is of log(1 - erf(x)).

fn ox_erf_large(t: f32) -> f32 {
    let c = min(t, 4.0f);
    var r = -1.7285347e-5f * c + 3.8319713e-4f;
    let u = -3.8839644e-3f * c + 2.4254622e-2f;
    r = r * (c * c) + u;
    r = r * c + -1.0677788e-1f;
    r = r * c + -6.348467e-1f;
    r = r * c + -1.2871751e-1f;
    return 1.0f - ox_exp(r * c - c);
}

fn ox_erf(x: f32) -> f32 {
    let t = ox_abs_f32(x);
    if t > 0.9277344f {
        return ox_copysign(ox_erf_large(t), x);
    }
    let s = x * x;
    var p = -5.96761703e-4f;
    p = p * s + 4.99119423e-3f;
    p = p * s + -2.67681349e-2f;
    p = p * s + 1.12819925e-1f;
    p = p * s + -3.76125336e-1f;
    p = p * s + 1.28379166e-1f;
    return p * x + x;
}

// Chebyshev fit of erfc(x) e^(x^2) in t = 1 / (1 + x / 2) (W. J. Cody's form; Numerical Recipes, 6.2),
// with the square split, so that its rounding is not multiplied by the exponential.
fn ox_erfc(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if a < 0.5f || ox_isnan(x) {
        return 1.0f - ox_erf(x);
    }
    let t = 2.0f / (2.0f + a);
    var p = 0.17087277f;
    p = p * t + -0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t + -1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t + -0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t + -1.26551223f;
    let high = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let y = t * ox_exp(-high * high) * ox_exp(-(a - high) * (a + high) + p);
    return select(y, 2.0f - y, x < 0.0f);
}

// Two polynomials in log(1 - x^2), by N. Juffa.
fn ox_erfinv(x: f32) -> f32 {
    let a = ox_abs_f32(x);
    if !(a < 1.0f) {
        return select(ox_nan(), ox_copysign(ox_inf(), x), a == 1.0f);
    }
    let t = ox_log((1.0f - a) * (1.0f + a));
    var p = 0.0f;
    if t < -6.125f {
        p = 3.03697567e-10f;
        p = p * t + 2.93243101e-8f;
        p = p * t + 1.22150334e-6f;
        p = p * t + 2.84108955e-5f;
        p = p * t + 3.93552968e-4f;
        p = p * t + 3.02698812e-3f;
        p = p * t + 4.83185798e-3f;
        p = p * t + -2.64646143e-1f;
        p = p * t + 8.40016484e-1f;
    } else {
        p = 5.43877832e-9f;
        p = p * t + 1.43286059e-7f;
        p = p * t + 1.22775396e-6f;
        p = p * t + 1.12962631e-7f;
        p = p * t + -5.61531961e-5f;
        p = p * t + -1.47697705e-4f;
        p = p * t + 2.31468701e-3f;
        p = p * t + 1.15392562e-2f;
        p = p * t + -2.32015476e-1f;
        p = p * t + 8.86226892e-1f;
    }
    return x * p;
}

// 64-bit integers from and to the two words that they are in memory.

fn ox_join(words: vec2<u32>) -> u64 {
    return u64(words.x) | (u64(words.y) << 32u);
}

fn ox_part(x: u64) -> vec2<u32> {
    return vec2<u32>(u32(x & 0xffffffff), u32(x >> 32u));
}

// An int64 clamped to what i32 holds.
fn ox_index(words: vec2<u32>) -> i32 {
    let low = bitcast<i32>(words.x);
    if bitcast<i32>(words.y) == (low >> 31u) {
        return low;
    }
    return select(2147483647, i32(-2147483648), bitcast<i32>(words.y) < 0);
}
