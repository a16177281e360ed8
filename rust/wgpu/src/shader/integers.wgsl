// Functions on integers, for any type $t of $b bits: i32, u32, i64, u64.

fn ox_neg_$t(x: $t) -> $t {
    return $t(0) - x;
}

fn ox_abs_$t(x: $t) -> $t {
    return select(x, ox_neg_$t(x), x < $t(0));
}

fn ox_sign_$t(x: $t) -> $t {
    return select(select(ox_neg_$t($t(1)), $t(0), x == $t(0)), $t(1), x > $t(0));
}

fn ox_max_$t(x: $t, y: $t) -> $t {
    return select(y, x, x >= y);
}

fn ox_min_$t(x: $t, y: $t) -> $t {
    return select(y, x, x <= y);
}

fn ox_lt_$t(x: $t, y: $t) -> bool {
    return x < y;
}

fn ox_le_$t(x: $t, y: $t) -> bool {
    return x <= y;
}

// Python's modulo and floor division; 0 for y = 0.

fn ox_mod_$t(x: $t, y: $t) -> $t {
    if y == $t(0) || y + $t(1) == $t(0) && y < $t(0) {
        return $t(0);
    }
    let r = x % y;
    return select(r, r + y, r != $t(0) && (r < $t(0)) != (y < $t(0)));
}

fn ox_floor_div_$t(x: $t, y: $t) -> $t {
    if y == $t(0) {
        return $t(0);
    }
    if y + $t(1) == $t(0) && y < $t(0) {
        return ox_neg_$t(x);
    }
    let q = x / y;
    let r = x % y;
    return select(q, q - $t(1), r != $t(0) && (r < $t(0)) != (y < $t(0)));
}

// x to the power y, wrapping; for negative y the truncated reciprocal power (0 for x = 0).
fn ox_pow_$t(x: $t, y: $t) -> $t {
    if y < $t(0) {
        if x == $t(1) {
            return x;
        }
        if x + $t(1) == $t(0) {
            return select(x, $t(1), (y & $t(1)) == $t(0));
        }
        return $t(0);
    }
    var power = $t(1);
    var base = x;
    for (var e = y; e > $t(0); e = e >> 1u) {
        if (e & $t(1)) == $t(1) {
            power = power * base;
        }
        base = base * base;
    }
    return power;
}

// Shifts; by more than the width they leave nothing but the sign.

fn ox_shl_$t(x: $t, y: $t) -> $t {
    if y < $t(0) || y >= $t($b) {
        return $t(0);
    }
    return x << u32(y);
}

fn ox_shr_$t(x: $t, y: $t) -> $t {
    if y < $t(0) || y >= $t($b) {
        return select($t(0), ox_neg_$t($t(1)), x < $t(0));
    }
    return x >> u32(y);
}
