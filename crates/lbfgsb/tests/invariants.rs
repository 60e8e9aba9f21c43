//! Laws of a single row: optimality on quadratics, the box, limits, and clean ends on bad input.

mod common;

use common::{Arbitrary, INF, Problem, assert_inside, extended_rosenbrock, problems, rosenbrock};
use proptest::prelude::*;
use vaegis_lbfgsb::{Batch, LbfgsbError, Options, Precision, Solver, Status, minimize};

/// The residual that the acceptance list asks for on quadratics.
const KKT_TOLERANCE: f64 = 1e-6;

fn tight(history: Precision) -> Options {
    Options {
        factr: 0.0,
        pgtol: 1e-7,
        history,
        ..Options::default()
    }
}

/// `½ xᵀ(BᵀB + c I)x − bᵀx`.
struct Quadratic {
    n: usize,
    rows: Vec<f64>,
    shift: f64,
    b: Vec<f64>,
}

impl Quadratic {
    fn random(n: usize, source: &mut Arbitrary) -> Self {
        Self {
            n,
            rows: source.vector(n * n, -1.0, 1.0),
            shift: 0.05 + source.next(),
            b: source.vector(n, -3.0, 3.0),
        }
    }

    fn evaluate(&self, x: &[f64], g: &mut [f64]) -> f64 {
        let mut f = 0.0;
        for ((g, x), b) in g.iter_mut().zip(x).zip(&self.b) {
            *g = self.shift * x - b;
            f += 0.5 * self.shift * x * x - b * x;
        }
        for row in self.rows.chunks_exact(self.n) {
            let product: f64 = row.iter().zip(x).map(|(a, x)| a * x).sum();
            f += 0.5 * product * product;
            for (g, a) in g.iter_mut().zip(row) {
                *g += a * product;
            }
        }
        f
    }
}

/// Largest violation of the first-order conditions in the box.
fn kkt_residual(x: &[f64], g: &[f64], lower: &[f64], upper: &[f64]) -> f64 {
    let entries = x.iter().zip(g).zip(lower.iter().zip(upper));
    entries.fold(0.0, |worst: f64, ((x, g), (lower, upper))| {
        worst.max((x - (x - g).max(*lower).min(*upper)).abs())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Box quadratics of every kind of bound: none, one-sided, two-sided and fixed.
    #[test]
    fn box_quadratics_reach_a_kkt_point(n in 1_usize..=50, seed: u64, memory in 1_usize..30) {
        let mut source = Arbitrary::new(seed);
        let quadratic = Quadratic::random(n, &mut source);
        let (mut lower, mut upper) = (vec![-INF; n], vec![INF; n]);
        for i in 0..n {
            let (a, b) = (4.0 * source.next() - 2.0, 4.0 * source.next() - 2.0);
            match (source.next() * 5.0) as usize {
                0 => {}
                1 => lower[i] = a,
                2 => upper[i] = a,
                3 => (lower[i], upper[i]) = (a, a),
                _ => (lower[i], upper[i]) = (a.min(b), a.max(b)),
            }
        }
        let x0 = source.vector(n, -5.0, 5.0);
        for history in [Precision::F64, Precision::F32] {
            let options = Options { memory, ..tight(history) };
            let solution = minimize(
                |x, g| {
                    assert_inside(x, &lower, &upper);
                    quadratic.evaluate(x, g)
                },
                &x0,
                &lower,
                &upper,
                &options,
            );
            let s = solution.expect("a valid problem");
            let residual = kkt_residual(&s.x, &s.gradient, &lower, &upper);
            prop_assert!(residual < KKT_TOLERANCE, "{residual:e} with {:?} {history:?}", s.status);
        }
    }
}

#[test]
fn driver_problem_of_the_reference() {
    let n = 25;
    let lower: Vec<f64> = (0..n)
        .map(|i| if i % 2 == 0 { 1.0 } else { -100.0 })
        .collect();
    let options = Options::default();
    let s = minimize(
        extended_rosenbrock,
        &vec![3.0; n],
        &lower,
        &vec![100.0; n],
        &options,
    )
    .expect("a valid problem");
    assert!(s.value < 1e-8, "{}", s.value);
}

#[test]
fn rosenbrock_without_bounds() {
    let n = 20;
    let x0 = [-1.2, 1.0].repeat(n / 2);
    let s = minimize(
        rosenbrock,
        &x0,
        &vec![-INF; n],
        &vec![INF; n],
        &tight(Precision::F64),
    )
    .expect("a valid problem");
    assert_eq!(s.status, Status::ConvergedGradient);
    assert!(s.x.iter().all(|x| (x - 1.0).abs() < 1e-6), "{:?}", s.x);
}

#[test]
fn fixed_variables_stay_and_the_rest_is_minimized() {
    // x₁ is pinned at 3, hence x₀² wants to be 3.
    let s = minimize(
        |x, g| {
            let t = x[1] - x[0] * x[0];
            g.copy_from_slice(&[-4.0 * x[0] * t, 2.0 * t]);
            t * t
        },
        &[1.0, 17.0],
        &[-INF, 3.0],
        &[INF, 3.0],
        &tight(Precision::F64),
    )
    .expect("a valid problem");
    assert!((s.x[0] - 3.0_f64.sqrt()).abs() < 1e-6);
    assert_eq!(s.x[1].to_bits(), 3.0_f64.to_bits());
}

#[test]
fn a_box_of_one_point_ends_at_once() {
    let s = minimize(
        rosenbrock,
        &[9.0, 9.0],
        &[0.5; 2],
        &[0.5; 2],
        &Options::default(),
    )
    .expect("a valid problem");
    assert_eq!(
        (s.x, s.evaluations, s.status),
        (vec![0.5; 2], 1, Status::ConvergedGradient)
    );
}

#[test]
fn an_infeasible_start_is_projected() {
    let solver = Solver::new(
        &[-7.0, 0.25, 9.0],
        &[0.0; 3],
        &[1.0; 3],
        &Options::default(),
    )
    .expect("valid");
    let mut x = vec![f64::NAN; 3];
    solver.point_into(&mut x).expect("matching length");
    assert_eq!(x, [0.0, 0.25, 1.0]);
}

#[test]
fn invalid_input_is_named() {
    let options = Options::default();
    let batch = |x0: &[f64], lower: &[f64], upper: &[f64], options: &Options| {
        Batch::new(x0, lower, upper, 2, options).err()
    };
    let (zero, one, four) = ([0.0; 2], [1.0; 2], [0.5; 4]);
    for (found, expected) in [
        (batch(&four, &[0.0, 2.0], &one, &options), "variable 1"),
        (batch(&four, &[0.0, f64::NAN], &one, &options), "variable 1"),
        (
            batch(&four, &[INF, 0.0], &[INF, 1.0], &options),
            "variable 0",
        ),
        (
            batch(&[0.0, 0.0, f64::NAN, 0.0], &zero, &one, &options),
            "row 1: x0[0]",
        ),
        (batch(&[0.0; 3], &zero, &one, &options), "`x0`"),
        (batch(&four, &[0.0; 3], &one, &options), "`lower`"),
        (batch(&four, &zero, &[1.0; 5], &options), "`upper`"),
        (
            batch(
                &four,
                &zero,
                &one,
                &Options {
                    memory: 0,
                    ..options.clone()
                },
            ),
            "`memory`",
        ),
        (
            batch(
                &four,
                &zero,
                &one,
                &Options {
                    factr: -1.0,
                    ..options.clone()
                },
            ),
            "`factr`",
        ),
        (
            batch(
                &four,
                &zero,
                &one,
                &Options {
                    pgtol: f64::NAN,
                    ..options.clone()
                },
            ),
            "`pgtol`",
        ),
    ] {
        let message = found.expect("the input is invalid").to_string();
        assert!(
            message.contains(expected),
            "{message:?} does not name {expected}"
        );
    }
    let mut batch = Batch::new(&four, &zero, &one, 2, &options).expect("valid");
    let error = batch
        .advance(&[0.0], &[0.0; 4])
        .expect_err("one value is missing");
    assert!(matches!(
        error,
        LbfgsbError::Length {
            name: "values",
            found: 1,
            ..
        }
    ));
    let error = batch
        .advance(&[0.0; 2], &[0.0; 3])
        .expect_err("one entry is missing");
    assert!(matches!(
        error,
        LbfgsbError::Length {
            name: "gradients",
            found: 3,
            ..
        }
    ));
    let mut solver = Solver::new(&zero, &zero, &one, &options).expect("valid");
    assert_eq!(
        solver.advance(0.0, &zero),
        Ok(Some(Status::ConvergedGradient))
    );
    assert_eq!(solver.advance(0.0, &zero), Err(LbfgsbError::Finished));
}

#[test]
fn an_objective_that_turns_nan_ends_with_the_best_point() {
    // Finite for five evaluations, NaN ever after.
    let mut calls = 0;
    let mut best = INF;
    let s = minimize(
        |x, g| {
            calls += 1;
            let f = rosenbrock(x, g);
            if calls > 5 {
                g.fill(f64::NAN);
                return f64::NAN;
            }
            best = best.min(f);
            f
        },
        &[-1.2, 1.0],
        &[-INF; 2],
        &[INF; 2],
        &Options::default(),
    )
    .expect("valid");
    assert_eq!(s.status, Status::NonFinite);
    assert_eq!(s.value.to_bits(), best.to_bits());
    assert_eq!(rosenbrock(&s.x, &mut [0.0; 2]).to_bits(), best.to_bits());
    assert!(s.gradient.iter().all(|g| g.is_finite()));
}

#[test]
fn a_wall_of_infinity_is_backed_away_from() {
    // −log(1 − x) − 3x is not finite from 1 on; its minimum is at 2/3.
    for wall in [f64::INFINITY, f64::NAN, f64::NEG_INFINITY] {
        let s = minimize(
            |x, g| {
                if x[0] >= 1.0 {
                    g[0] = wall;
                    return wall;
                }
                g[0] = 1.0 / (1.0 - x[0]) - 3.0;
                -(1.0 - x[0]).ln() - 3.0 * x[0]
            },
            &[-40.0],
            &[-INF],
            &[INF],
            &Options::default(),
        )
        .expect("valid");
        assert!(s.status.is_converged(), "{:?}", s.status);
        assert!((s.x[0] - 2.0 / 3.0).abs() < 1e-5, "{}", s.x[0]);
    }
}

#[test]
fn a_start_that_is_not_finite_ends_at_once() {
    for bad in [f64::NAN, INF] {
        let s = minimize(|_, _| bad, &[0.5], &[0.0], &[1.0], &Options::default()).expect("valid");
        assert_eq!((s.status, s.evaluations), (Status::NonFinite, 1));
        assert_eq!(s.x, [0.5]);
    }
}

#[test]
fn limits_are_kept_exactly() {
    for limit in 1..12 {
        let run = |options: Options| {
            minimize(rosenbrock, &[-1.2, 1.0], &[-INF; 2], &[INF; 2], &options).expect("valid")
        };
        let s = run(Options {
            max_evaluations: limit,
            ..Options::default()
        });
        assert_eq!((s.status, s.evaluations), (Status::MaxEvaluations, limit));
        let s = run(Options {
            max_iterations: limit,
            ..Options::default()
        });
        assert_eq!((s.status, s.iterations), (Status::MaxIterations, limit));
    }
}

#[test]
fn the_solution_is_the_best_point_evaluated() {
    for Problem {
        name,
        objective,
        x0,
        lower,
        upper,
    } in problems()
    {
        for max_evaluations in [3, 10, 2000] {
            let mut best = INF;
            let options = Options {
                max_evaluations,
                ..Options::default()
            };
            let s = minimize(
                |x, g| {
                    let f = objective(x, g);
                    best = best.min(f);
                    f
                },
                &x0,
                &lower,
                &upper,
                &options,
            )
            .expect("valid");
            let mut g = vec![0.0; x0.len()];
            assert_eq!(s.value.to_bits(), best.to_bits(), "{name}");
            assert_eq!(objective(&s.x, &mut g).to_bits(), best.to_bits(), "{name}");
            assert_eq!(g, s.gradient, "{name}");
        }
    }
}

#[test]
fn an_objective_in_f32_ends_cleanly_at_the_best_point() {
    for Problem {
        name,
        objective,
        x0,
        lower,
        upper,
    } in problems()
    {
        for history in [Precision::F64, Precision::F32] {
            let mut best = INF;
            let options = Options {
                history,
                ..Options::default()
            };
            let s = minimize(
                |x, g| {
                    let f = f64::from(objective(x, g) as f32);
                    g.iter_mut().for_each(|g| *g = f64::from(*g as f32));
                    best = best.min(f);
                    f
                },
                &x0,
                &lower,
                &upper,
                &options,
            )
            .expect("valid");
            let allowed = [Status::LineSearchFailed, Status::MaxIterations];
            assert!(
                s.status.is_converged() || allowed.contains(&s.status),
                "{name} {:?}",
                s.status
            );
            assert_eq!(s.value.to_bits(), best.to_bits(), "{name}");
            let exact = minimize(objective, &x0, &lower, &upper, &options).expect("valid");
            // A few units in the last place of f32, or of the squares of residuals that f32 noise
            // leaves.
            let scale = exact.value.abs().max(1.0);
            assert!(
                s.value - exact.value < 1e-5 * scale,
                "{name}: {} {}",
                s.value,
                exact.value
            );
        }
    }
}

/// Rosenbrock's function on top of a large number: relative to it, whole stretches of the valley
/// are flat.
fn lifted_rosenbrock(x: &[f64], g: &mut [f64]) -> f64 {
    1e11 + rosenbrock(x, g)
}

#[test]
fn a_stalled_row_goes_on_as_often_as_it_may() {
    let (lower, upper) = ([-INF; 2], [INF; 2]);
    let solve = |stall_restarts| {
        let options = Options {
            stall_restarts,
            pgtol: 0.0,
            ..Options::default()
        };
        let start = [-1.2, 1.0];
        minimize(lifted_rosenbrock, &start, &lower, &upper, &options).expect("valid")
    };
    let solutions: Vec<_> = (0..4).map(solve).collect();
    assert_eq!(solutions[0].status, Status::ConvergedObjective);
    assert!(solutions[1].evaluations > solutions[0].evaluations);
    for pair in solutions.windows(2) {
        assert!(pair[1].value <= pair[0].value);
        assert!(pair[1].evaluations >= pair[0].evaluations);
    }
}
