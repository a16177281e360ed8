use half::{bf16, f16};
use oxhorn_core::ops::convolution::ConvSpec;
use proptest::prelude::*;

use super::*;

/// A case: geometry and what to fuse. Values are small integers, so that sums are exact.
#[derive(Debug, Clone)]
struct Case {
    spec: ConvSpec,
    x: Vec<usize>,
    kernel: Vec<usize>,
    bias: bool,
    relu: bool,
}

/// One spatial axis: input, window, stride, dilation, padding.
fn axis() -> impl Strategy<Value = (usize, usize, usize, usize, (isize, isize))> {
    (1usize..12, 1usize..4, 1usize..4, 1usize..4, (-2isize..4, -2isize..4))
}

/// Groups, channels of a group in and out.
fn channels() -> impl Strategy<Value = (usize, usize, usize)> {
    prop_oneof![
        4 => (Just(1usize), 1usize..40, 1usize..40),
        2 => (2usize..4, 1usize..5, 1usize..20),
        2 => (2usize..40, Just(1usize), Just(1usize)),
    ]
}

fn cases() -> impl Strategy<Value = Case> {
    (1usize..4, 1usize..4, [axis(), axis(), axis()], channels(), any::<(bool, bool)>())
        .prop_map(|(batch, rank, axes, (groups, c_in, c_out), (bias, relu))| {
            let axes = &axes[..rank];
            let mut x = vec![batch];
            x.extend(axes.iter().map(|a| a.0));
            x.push(groups * c_in);
            let mut kernel: Vec<usize> = axes.iter().map(|a| a.1).collect();
            kernel.extend([c_in, groups * c_out]);
            let spec = ConvSpec {
                strides: axes.iter().map(|a| a.2).collect(),
                padding: axes.iter().map(|a| a.4).collect(),
                dilation: axes.iter().map(|a| a.3).collect(),
                groups,
            };
            Case { spec, x, kernel, bias, relu }
        })
        .prop_filter("cropped to nothing", |c| {
            c.spec.padding.iter().zip(&c.x[1..]).all(|(p, &n)| n as isize + p.0 + p.1 >= 0)
        })
}

/// A case with everything written out.
fn case(
    space: &[usize],
    window: &[usize],
    c: (usize, usize, usize),
    strides: usize,
    dilation: usize,
    pad: isize,
) -> Case {
    let (groups, c_in, c_out) = c;
    let rank = space.len();
    let mut x = vec![2];
    x.extend(space);
    x.push(groups * c_in);
    let mut kernel = window.to_vec();
    kernel.extend([c_in, groups * c_out]);
    let spec = ConvSpec {
        strides: smallvec::smallvec![strides; rank],
        padding: smallvec::smallvec![(pad, pad); rank],
        dilation: smallvec::smallvec![dilation; rank],
        groups,
    };
    Case { spec, x, kernel, bias: true, relu: false }
}

fn values(len: usize, seed: usize) -> Vec<i32> {
    (0..len).map(|i| ((i * 7 + seed * 3 + i * i / 5) % 7) as i32 - 3).collect()
}

/// Calls `body` with the indices into x, kernel and y of every product.
fn for_products(g: &ConvGeometry, mut body: impl FnMut(usize, usize, usize)) {
    let [d, h, w] = &g.axes;
    let (in_group, out_group) = (g.c_in / g.groups, g.c_out / g.groups);
    for n in 0..g.batch {
        for o in 0..g.outputs() {
            let at = [o / (h.output * w.output), o / w.output % h.output, o % w.output];
            for t in 0..g.taps() {
                let tap = g.tap(t);
                let position: [isize; 3] = std::array::from_fn(|i| g.axes[i].position(at[i], tap[i]));
                if (0..3).any(|i| position[i] < 0 || position[i] >= g.axes[i].input as isize) {
                    continue;
                }
                let [pd, ph, pw] = position.map(|p| p as usize);
                let input = ((n * d.input + pd) * h.input + ph) * w.input + pw;
                for co in 0..g.c_out {
                    for ci in 0..in_group {
                        body(
                            input * g.c_in + co / out_group * in_group + ci,
                            (t * in_group + ci) * g.c_out + co,
                            (n * g.outputs() + o) * g.c_out + co,
                        );
                    }
                }
            }
        }
    }
}

fn run_case<T: Float + PartialEq + std::fmt::Debug>(case: &Case, from: impl Fn(i32) -> T + Copy) {
    let g = ConvGeometry::new(&case.spec, &case.x, &case.kernel).expect("valid");
    let (x, w, dy) = (values(g.x_len(), 1), values(g.w_len(), 2), values(g.y_len(), 3));
    let bias = values(g.c_out, 4);
    let convert = |v: &[i32]| v.iter().map(|&x| from(x)).collect::<Vec<T>>();
    let (tx, tw, tdy, tbias) = (convert(&x), convert(&w), convert(&dy), convert(&bias));
    let mut y: Vec<i32> = (0..dy.len()).map(|i| if case.bias { bias[i % g.c_out] } else { 0 }).collect();
    let (mut dx, mut dw) = (vec![0; x.len()], vec![0; w.len()]);
    for_products(&g, |ix, iw, iy| {
        y[iy] += x[ix] * w[iw];
        dx[ix] += dy[iy] * w[iw];
        dw[iw] += x[ix] * dy[iy];
    });
    if case.relu {
        y.iter_mut().for_each(|y| *y = (*y).max(0));
    }
    let pool = ThreadPool::new(2);
    for isa in Isa::available() {
        let mut out = vec![from(99); y.len()];
        let epilogue = Epilogue { bias: case.bias.then_some(&tbias[..]), relu: case.relu };
        forward_on(&pool, isa, &g, &tx, &tw, &mut out, epilogue);
        assert!(out == convert(&y), "forward {isa:?} {case:?}");
        let mut out = vec![from(99); dx.len()];
        grad_input_on(&pool, isa, &g, &tdy, &tw, &mut out);
        assert!(out == convert(&dx), "grad_input {isa:?} {case:?}");
        let mut out = vec![from(99); dw.len()];
        grad_kernel_on(&pool, isa, &g, &tx, &tdy, &mut out);
        assert!(out == convert(&dw), "grad_kernel {isa:?} {case:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn matches_plain_loops(case in cases()) {
        run_case(&case, |x| x as f32);
        run_case(&case, f64::from);
    }

    #[test]
    fn narrow_types_match_plain_loops(case in cases()) {
        run_case(&case, |x| f16::from_f32(x as f32));
        run_case(&case, |x| bf16::from_f32(x as f32));
    }
}

/// Every method: in place, padded, tap by tap, reversed, 1x1, depthwise, taps far apart, packed
/// weights, cut columns, one long row.
#[test]
fn shapes_of_real_networks() {
    let cases = [
        case(&[28, 28], &[3, 3], (1, 1, 32), 1, 1, 0),
        case(&[13, 13], &[3, 3], (1, 32, 64), 1, 1, 0),
        case(&[5, 5], &[3, 3], (1, 64, 64), 1, 1, 0),
        case(&[5, 5], &[3, 3], (1, 64, 64), 1, 1, 1),
        case(&[32, 32], &[3, 3], (1, 3, 16), 1, 1, 1),
        case(&[20, 20], &[7, 7], (1, 3, 64), 2, 1, 3),
        case(&[9, 9], &[1, 1], (1, 40, 70), 1, 1, 0),
        case(&[9, 9], &[1, 1], (1, 40, 70), 2, 1, 0),
        case(&[16, 16], &[3, 3], (1, 40, 3), 1, 1, 1),
        case(&[12, 12], &[5, 5], (40, 1, 1), 2, 1, 2),
        case(&[7, 7], &[3, 3], (4, 8, 8), 1, 1, 1),
        case(&[3, 3], &[3, 3], (1, 200, 260), 1, 1, 1),
        case(&[900], &[5], (1, 4, 8), 1, 2, 4),
        case(&[5000], &[2], (1, 2, 4), 1, 1, 0),
        case(&[6, 6, 6], &[3, 3, 3], (1, 4, 8), 1, 1, 1),
        case(&[1 << 12], &[3], (1, 600, 3), 1, 2000, 0),
        case(&[3], &[2], (1, 2, 3), 1, 1 << 40, 1 << 39),
    ];
    for case in cases {
        run_case(&case, |x| x as f32);
    }
}

#[test]
fn empty_operands() {
    for (space, c) in
        [(vec![0, 4], (1, 2, 3)), (vec![4, 4], (1, 0, 3)), (vec![4, 4], (1, 2, 0)), (vec![1, 1], (1, 2, 3))]
    {
        run_case(&case(&space, &[3, 3], c, 1, 1, 0), |x| x as f32);
        run_case(&case(&space, &[3, 3], c, 1, 1, 1), |x| x as f32);
    }
    let mut none = case(&[4, 4], &[3, 3], (1, 2, 3), 1, 1, 0);
    none.x[0] = 0;
    run_case(&none, |x| x as f32);
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let rough = |len: usize| -> Vec<f32> {
        (0..len).map(|i| ((i * 2_654_435_761) % 1_000_003) as f32 / 500_000.0 - 1.0).collect()
    };
    for case in [
        case(&[28, 28], &[3, 3], (1, 8, 32), 1, 1, 0),
        case(&[30, 30], &[3, 3], (1, 16, 40), 2, 1, 1),
        case(&[40, 40], &[3, 3], (24, 1, 1), 1, 1, 1),
        case(&[3, 3], &[3, 3], (1, 256, 256), 1, 1, 1),
        case(&[20, 20], &[3, 3], (4, 8, 8), 1, 2, 2),
    ] {
        let g = ConvGeometry::new(&case.spec, &case.x, &case.kernel).expect("valid");
        let (x, w, dy) = (rough(g.x_len()), rough(g.w_len()), rough(g.y_len()));
        let results: Vec<[Vec<u32>; 3]> = [1, 2, 4]
            .into_iter()
            .map(|threads| {
                let pool = ThreadPool::new(threads);
                let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
                forward(&pool, &g, &x, &w, &mut y, Epilogue::default());
                grad_input(&pool, &g, &dy, &w, &mut dx);
                grad_kernel(&pool, &g, &x, &dy, &mut dw);
                [y, dx, dw].map(|v| v.into_iter().map(f32::to_bits).collect())
            })
            .collect();
        assert!(results[0] == results[1] && results[0] == results[2], "{case:?}");
    }
}

#[test]
#[should_panic(expected = "expected operands")]
fn short_operands_are_refused() {
    let case = case(&[4, 4], &[3, 3], (1, 2, 3), 1, 1, 0);
    let g = ConvGeometry::new(&case.spec, &case.x, &case.kernel).expect("valid");
    forward(&ThreadPool::new(1), &g, &[0.0f32; 3], &[0.0; 54], &mut [0.0; 24], Epilogue::default());
}
