//! Agreement with two other implementations: golden runs of SciPy and a scalar port of the
//! reference code.

mod common;

use common::{golden_options, problems};
use lbfgsb_rs_pure::LBFGSB;
use vaegis_lbfgsb::Precision;

/// Both stop at `pgtol = 1e-6`, which leaves this much between their objectives.
const VALUE_TOLERANCE: f64 = 1e-9;
/// Powell's function has a singular Hessian: a projected gradient of 1e-6 allows about 1e-8 in `f`.
const SINGULAR_TOLERANCE: f64 = 1e-8;
/// Paths differ by rounding, which the line searches amplify.
const COUNT_FACTOR: f64 = 1.5;
/// Against the scalar port.
const ORACLE_TOLERANCE: f64 = 1e-8;

fn golden() -> Vec<serde_json::Value> {
    let document: serde_json::Value =
        serde_json::from_str(include_str!("golden/scipy_lbfgsb.json")).expect("valid JSON");
    document["problems"]
        .as_array()
        .expect("a list of problems")
        .clone()
}

fn check_against_scipy(history: Precision) {
    let golden = golden();
    let problems = problems();
    assert_eq!(golden.len(), problems.len());
    for (golden, problem) in golden.iter().zip(&problems) {
        assert_eq!(golden["name"], problem.name);
        let expected = golden["value"].as_f64().expect("a number");
        let solution = problem.minimize(&golden_options(history));
        let name = problem.name;
        assert!(
            solution.status.is_converged(),
            "{name}: {:?}",
            solution.status
        );
        let tolerance = if name.contains("singular") {
            SINGULAR_TOLERANCE
        } else {
            VALUE_TOLERANCE
        };
        assert!(
            (solution.value - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{name}: {} against {expected}",
            solution.value
        );
        for (what, found) in [
            ("iterations", solution.iterations),
            ("evaluations", solution.evaluations),
        ] {
            let expected = golden[what].as_f64().expect("a number");
            // Two more, for runs so short that a factor means nothing.
            assert!(
                found as f64 <= COUNT_FACTOR * expected + 2.0,
                "{name}: {found} {what} against {expected}"
            );
        }
    }
}

#[test]
fn optima_and_counts_of_scipy() {
    check_against_scipy(Precision::F64);
}

#[test]
fn optima_and_counts_of_scipy_with_f32_history() {
    check_against_scipy(Precision::F32);
}

#[test]
fn objective_of_the_scalar_port() {
    for problem in problems() {
        let ours = problem.minimize(&golden_options(Precision::F64));
        let mut x = problem.x0.clone();
        let mut solver = LBFGSB::new(10).with_pgtol(1e-6).with_max_iter(2000);
        let mut evaluate = |x: &[f64]| {
            let mut g = vec![0.0; x.len()];
            let f = (problem.objective)(x, &mut g);
            (f, g)
        };
        let oracle = solver
            .minimize(&mut x, &problem.lower, &problem.upper, &mut evaluate)
            .expect("the oracle accepts the problem");
        let scale = oracle.f.abs().max(1.0);
        assert!(
            ours.value <= oracle.f + ORACLE_TOLERANCE * scale,
            "{}: {} against {}",
            problem.name,
            ours.value,
            oracle.f
        );
    }
}
