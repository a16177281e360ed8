//! Matrix products.
pub(crate) mod kernel;
pub(crate) mod simd;
#[doc(hidden)]
pub fn probe() {
    use kernel::*;
    let ks = <f32 as Real>::kernels(crate::isa::Isa::get());
    let a = vec![1f32; 14 * 784]; let b = vec![1f32; 784 * 32]; let mut c = vec![0f32; 14 * 32];
    let offs: Vec<usize> = (0..14).map(|i| i * 784).collect();
    let coffs: Vec<usize> = (0..14).map(|i| i * 32).collect();
    for (rows, cols) in [(ks.mr, ks.nr()), (ks.mr, ks.lanes), (ks.mr-1, ks.nr()), (3, ks.nr()), (1, ks.nr()), (ks.mr, ks.nr() - 2)] {
        for g in [false, true] {
            let seg = [Segment { a: 0, b: 0, len: 784 }];
            let t = Tile { a: a.as_ptr(), a_rows: if g { Rows::Offsets(&offs) } else { Rows::Stride(784) }, a_step: 1, b: b.as_ptr(), b_step: 32, segments: &seg, c: c.as_mut_ptr(), c_rows: if g { Rows::Offsets(&coffs) } else { Rows::Stride(32) }, cols, accumulate: false, bias: std::ptr::null(), relu: false };
            let k = if g { ks.gathered(rows, cols) } else { ks.strided(rows, cols) };
            let mut best = f64::MAX;
            for _ in 0..200 { let s = std::time::Instant::now(); for _ in 0..20 { unsafe { k(&t) } } best = best.min(s.elapsed().as_secs_f64() / 20.0); }
            println!("{rows}x{cols} gather {g}: {:.2} us {:.1} GF/s", best * 1e6, 2.0 * (rows * cols * 784) as f64 / best / 1e9);
        }
    }
}
