//! The table against itself: gradients, dtypes, exact integers, NumPy's corner cases.

use super::*;
use crate::testing::{Random, check_gradients, flags};
use crate::{Graph, TensorType, infer};

/// Every row's first and second gradient against finite differences, inside the row's domain.
#[test]
fn gradients() {
    let mut random = Random(3);
    for &op in Ew::ALL {
        let has_any = (0..op.arity()).any(|i| op.has_gradient(i));
        if op == Ew::NextAfter || op.is_predicate() || !op.accepts(DType::F64) || op == Ew::StopGradient {
            assert!(!has_any, "{}", op.name());
            continue;
        }
        let inputs: Vec<_> = (0..op.arity())
            .map(|i| match (i, op.takes_condition()) {
                (0, true) => flags([5], &[true, false, false, true, false]),
                _ => random.tensor([5], op.domain(i)),
            })
            .collect();
        let order = match op {
            Ew::Trigamma => 0,
            Ew::Digamma => 1,
            _ => 2,
        };
        check_gradients(op.name(), order, &inputs, |g, v| Ok(vec![g.elementwise(op, v)?]));
    }
}

#[test]
fn what_has_no_gradient_says_so() {
    let mut graph = Graph::new();
    let x = graph.input(TensorType::new(DType::F64, [2]));
    let y = graph.elementwise(Ew::Trigamma, &[x]).unwrap();
    let error = crate::autodiff::gradient(&mut graph, &[(y, None)], &[x]).unwrap_err();
    assert!(matches!(error, Error::NotDifferentiable { op: "trigamma", .. }));
}

#[test]
fn kinks_have_jax_gradients() {
    let slope = |op: Ew, at: &[f64]| {
        let inputs: Vec<_> = at.iter().map(|&x| crate::testing::floats([], &[x])).collect();
        let results = crate::testing::compute(&inputs, |g, v| {
            let y = g.elementwise(op, v)?;
            let found = crate::autodiff::gradient(g, &[(y, None)], v)?;
            Ok(found.into_iter().flatten().collect())
        });
        results.iter().map(|t| t.get(0).as_f64()).collect::<Vec<_>>()
    };
    assert_eq!(slope(Ew::Relu, &[0.0]), [0.0]);
    assert_eq!(slope(Ew::Abs, &[0.0]), [0.0]);
    assert_eq!(slope(Ew::Max, &[1.5, 1.5]), [0.5, 0.5]);
    assert_eq!(slope(Ew::Min, &[1.5, 1.5]), [0.5, 0.5]);
    assert_eq!(slope(Ew::Pow, &[0.0, 2.0]), [0.0, 0.0]);
    assert_eq!(slope(Ew::Pow, &[3.0, 0.0])[0], 0.0);
    assert_eq!(slope(Ew::Hypot, &[0.0, 0.0]), [0.0, 0.0]);
}

/// A row's dtype rule is what its shape rule and its references accept.
#[test]
fn dtypes() {
    for &op in Ew::ALL {
        assert_eq!(Ew::parse(op.name()), Some(op));
        for text in [op.c_text(), op.wgsl_text()] {
            assert!((0..op.arity()).all(|i| text.is_empty() || text.contains(&format!("${i}"))), "{text}");
        }
        assert!(!op.c_text().is_empty());
        for dtype in DType::ALL {
            let mut types = vec![TensorType::new(dtype, [2]); op.arity()];
            if op.takes_condition() {
                types[0].dtype = DType::Bool;
            }
            let inferred = infer::infer(&Op::Elementwise(op), &types);
            assert_eq!(inferred.is_ok(), op.accepts(dtype), "{} of {dtype}", op.name());
            if let Ok(types) = inferred {
                assert_eq!(types[0].dtype, op.result_dtype(dtype));
                assert!(
                    dtype.is_float() || op.eval_int(&[1, 1, 1], dtype).is_some(),
                    "{} of {dtype}",
                    op.name()
                );
            }
            let promoted = op.operand_dtype(dtype, DType::F32);
            let bools = promoted == DType::Bool && op.on_bool() != op;
            assert!(
                op.accepts(promoted) || bools || (dtype.is_float() && !op.accepts(dtype)),
                "{}",
                op.name()
            );
        }
    }
}

fn int(op: Ew, dtype: DType, args: &[i64]) -> i64 {
    let args: Vec<Scalar> = args.iter().map(|&a| Scalar::from_i64(a, dtype)).collect();
    op.fold(&args).as_i64()
}

#[test]
fn integers_wrap_to_their_width() {
    use DType::{I8, I32, I64, U8, U64};
    let table = [
        (Ew::Add, I8, &[100, 100][..], -56),
        (Ew::Sub, U8, &[1, 2], 255),
        (Ew::Mul, U8, &[200, 2], 144),
        (Ew::Mul, I64, &[i64::MAX, 2], -2),
        (Ew::Neg, U8, &[1], 255),
        (Ew::Abs, I8, &[-128], -128),
        (Ew::Square, I32, &[65536], 0),
        (Ew::FloorDiv, I32, &[-7, 2], -4),
        (Ew::FloorDiv, I32, &[7, 0], 0),
        (Ew::FloorDiv, I8, &[-128, -1], -128),
        (Ew::FloorDiv, I8, &[127, -2], -64),
        (Ew::Mod, I32, &[-7, 3], 2),
        (Ew::Mod, I32, &[7, -3], -2),
        (Ew::Mod, I32, &[7, 0], 0),
        (Ew::Pow, U8, &[3, 5], 243),
        (Ew::Pow, I8, &[3, 5], -13),
        (Ew::Pow, I32, &[2, -1], 0),
        (Ew::Pow, I32, &[-1, -3], -1),
        (Ew::Shl, I8, &[1, 7], -128),
        (Ew::Shl, I8, &[1, 8], 0),
        (Ew::Shr, I8, &[-128, 100], -1),
        (Ew::Shr, U8, &[128, 7], 1),
        (Ew::Shr, U8, &[128, -1], 0),
        (Ew::BitwiseNot, U8, &[0], 255),
        (Ew::Sign, I32, &[-9], -1),
        (Ew::Max, U64, &[-1, 1], -1),
        (Ew::Lt, U64, &[1, -1], 1),
        (Ew::Relu, I32, &[-4], 0),
    ];
    for (op, dtype, args, expected) in table {
        assert_eq!(int(op, dtype, args), expected, "{} of {dtype} {args:?}", op.name());
    }
}

fn real(op: Ew, args: &[f64]) -> f64 {
    op.eval_real(args, DType::F64)
}

#[test]
fn floats_behave_as_in_numpy() {
    let nan = f64::NAN;
    let table = [
        (Ew::Mod, &[-7.0, 3.0][..], 2.0),
        (Ew::Mod, &[7.0, -3.0], -2.0),
        (Ew::Mod, &[7.0, 0.0], nan),
        (Ew::FloorDiv, &[-7.0, 2.0], -4.0),
        (Ew::FloorDiv, &[1.0, 0.0], f64::INFINITY),
        (Ew::FloorDiv, &[1.0, 0.1], 9.0),
        (Ew::FloorDiv, &[-1.0, f64::INFINITY], -1.0),
        (Ew::FloorDiv, &[f64::INFINITY, 2.0], nan),
        (Ew::Round, &[2.5], 2.0),
        (Ew::Round, &[-3.5], -4.0),
        (Ew::Sign, &[nan], nan),
        (Ew::Sign, &[-2.0], -1.0),
        (Ew::Max, &[nan, 1.0], nan),
        (Ew::Max, &[1.0, nan], nan),
        (Ew::Min, &[1.0, nan], nan),
        (Ew::Relu, &[nan], nan),
        (Ew::LogAddExp, &[-1000.0, -1000.0], -1000.0 + std::f64::consts::LN_2),
        (Ew::LogAddExp, &[f64::NEG_INFINITY, f64::NEG_INFINITY], f64::NEG_INFINITY),
        (Ew::Softplus, &[800.0], 800.0),
        (Ew::Sigmoid, &[-800.0], 0.0),
        (Ew::Erfinv, &[1.0], f64::INFINITY),
        (Ew::Lt, &[nan, 1.0], 0.0),
        (Ew::Ne, &[nan, nan], 1.0),
    ];
    for (op, args, expected) in table {
        let got = real(op, args);
        assert!(got == expected || (got.is_nan() && expected.is_nan()), "{} {args:?}: {got}", op.name());
    }
    assert_eq!(Ew::NextAfter.eval_real(&[1.0, 2.0], DType::F32), f64::from(1.0f32.next_up()));
    assert_eq!(Ew::NextAfter.eval_real(&[0.0, -1.0], DType::F64), -f64::from_bits(1));
    assert_eq!(Ew::NextAfter.eval_real(&[1.0, 0.0], DType::BF16), 1.0 - 1.0 / 256.0);
}

#[test]
fn special_functions() {
    let near = |got: f64, expected: f64| {
        assert!((got - expected).abs() < 1e-14 * expected.abs(), "{got} {expected}")
    };
    near(real(Ew::Digamma, &[1.0]), -0.577_215_664_901_532_9);
    near(real(Ew::Digamma, &[-0.5]), 0.036_489_973_978_576_52);
    near(real(Ew::Trigamma, &[1.0]), std::f64::consts::PI.powi(2) / 6.0);
    near(real(Ew::Trigamma, &[-0.5]), 8.934_802_200_544_679);
    for i in 1..400 {
        let x = f64::from(i) / 400.0;
        let y = real(Ew::Erfinv, &[x]);
        assert!((libm::erf(y) - x).abs() < 4e-16, "erfinv({x})");
        assert_eq!(real(Ew::Erfinv, &[-x]), -y);
    }
}
