//! Laws of the batched margin search against oracles with known thresholds.

use proptest::prelude::*;
use vaegis_theory::bisection::{MarginSearch, MarginStatus, SearchMode, SearchOptions};

/// Drives a search to its end with an oracle (row, radius) → robust; returns the rounds.
pub(crate) fn drive(search: &mut MarginSearch, oracle: impl Fn(usize, f64) -> bool) -> usize {
    let mut rounds = 0;
    while !search.is_finished() {
        let tests = search.radii_to_test();
        assert_eq!(tests.len(), search.num_unresolved());
        assert!(
            tests.windows(2).all(|pair| pair[0].row < pair[1].row),
            "rows ascend"
        );
        let verdicts: Vec<bool> = tests.iter().map(|t| oracle(t.row, t.radius)).collect();
        search.record(&verdicts).expect("one verdict per test");
        rounds += 1;
        assert!(rounds <= search.max_rounds(), "more rounds than promised");
    }
    rounds
}

pub(crate) fn options(tolerance: f64, mode: SearchMode) -> SearchOptions {
    SearchOptions {
        cap: 12.0,
        tolerance,
        mode,
    }
}

#[test]
fn statuses_cover_the_three_outcomes() {
    let mut search =
        MarginSearch::new(&[false, true, true, true], &SearchOptions::default()).expect("valid");
    assert_eq!(search.num_rows(), 4);
    assert_eq!(search.status(0), MarginStatus::NotRobustUnperturbed);
    let truth = [9.0, 100.0, 3.7, 0.001];
    drive(&mut search, |row, radius| radius < truth[row]);
    let margins = search.margins();
    assert_eq!(
        (margins[0].value, margins[0].upper, margins[0].num_tests),
        (0.0, 0.0, 0)
    );
    assert_eq!(margins[1].status, MarginStatus::AtCap);
    assert!(margins[1].value == 12.0 && margins[1].upper.is_infinite());
    assert_eq!(margins[1].num_tests, 1, "one test at the cap settles it");
    assert!(margins[2].value < 3.7 && 3.7 <= margins[2].upper);
    assert!(margins[2].upper - margins[2].value < 0.02);
    assert!(
        margins[3].value == 0.0 && margins[3].upper >= 0.001,
        "the unperturbed end is kept"
    );
}

#[test]
fn scan_finds_the_first_failure_of_a_non_monotone_row() {
    // Robust below 1.2 and again above 2.8: bisection from the cap never sees the gap.
    let oracle = |_: usize, radius: f64| !(1.2..2.8).contains(&radius);
    let mut halving =
        MarginSearch::new(&[true], &options(0.02, SearchMode::Bisection)).expect("valid");
    drive(&mut halving, oracle);
    assert_eq!(halving.status(0), MarginStatus::AtCap);
    let mode = SearchMode::UpwardScan { step: 0.5 };
    let mut scan = MarginSearch::new(&[true], &options(0.02, mode)).expect("valid");
    drive(&mut scan, oracle);
    let margin = scan.margins()[0];
    assert!(margin.value < 1.2 && 1.2 <= margin.upper && margin.upper - margin.value < 0.02);
}

#[test]
fn wrong_input_is_refused_and_changes_nothing() {
    let mut search = MarginSearch::new(&[true, true], &SearchOptions::default()).expect("valid");
    let before = search.clone();
    assert!(search.record(&[true]).is_err());
    assert_eq!(search, before);
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(MarginSearch::new(&[true], &options(bad, SearchMode::Bisection)).is_err());
        let mode = SearchMode::UpwardScan { step: bad };
        assert!(MarginSearch::new(&[true], &options(0.1, mode)).is_err());
    }
    let empty = MarginSearch::new(&[], &SearchOptions::default()).expect("no rows is a batch too");
    assert!(empty.is_finished() && empty.radii_to_test().is_empty());
}

#[test]
fn tolerance_below_float_spacing_still_ends() {
    let mut search =
        MarginSearch::new(&[true], &options(1e-300, SearchMode::Bisection)).expect("valid");
    drive(&mut search, |_, radius| radius < std::f64::consts::PI);
    let margin = search.margins()[0];
    assert!(margin.value < std::f64::consts::PI && std::f64::consts::PI <= margin.upper);
    assert!(margin.upper - margin.value <= 4.0 * f64::EPSILON);
}

proptest! {
    #[test]
    fn brackets_tighten_monotonically_and_hold_the_truth(
        truth in prop::collection::vec(0.0..15.0_f64, 1..12),
        tolerance in 0.001..1.0_f64,
        step in prop::option::of(0.05..3.0_f64),
    ) {
        let mode = step.map_or(SearchMode::Bisection, |step| SearchMode::UpwardScan { step });
        let robust = vec![true; truth.len()];
        let mut search = MarginSearch::new(&robust, &options(tolerance, mode)).expect("valid");
        let mut before = search.margins();
        while !search.is_finished() {
            let tests = search.radii_to_test();
            let verdicts: Vec<bool> = tests.iter().map(|t| t.radius < truth[t.row]).collect();
            search.record(&verdicts).expect("one verdict per test");
            let after = search.margins();
            for (old, new) in before.iter().zip(&after) {
                prop_assert!(old.value <= new.value && new.upper <= old.upper);
            }
            before = after;
        }
        for (row, (margin, truth)) in before.iter().zip(&truth).enumerate() {
            prop_assert_eq!(margin.status, search.status(row));
            match margin.status {
                MarginStatus::AtCap => prop_assert!(*truth > 12.0),
                MarginStatus::Bracketed { lower, upper } => {
                    prop_assert!(lower <= *truth && *truth <= upper);
                    prop_assert!(upper - lower < tolerance);
                }
                other => prop_assert!(false, "row {} ended as {:?}", row, other),
            }
        }
    }

    #[test]
    fn a_batch_gives_what_single_rows_give(
        truth in prop::collection::vec(0.0..15.0_f64, 2..6),
        unperturbed in prop::collection::vec(any::<bool>(), 6),
    ) {
        let unperturbed = &unperturbed[..truth.len()];
        let mut batch = MarginSearch::new(unperturbed, &SearchOptions::default()).expect("valid");
        drive(&mut batch, |row, radius| radius < truth[row]);
        for (row, margin) in batch.margins().iter().enumerate() {
            let mut single = MarginSearch::new(&unperturbed[row..=row], &SearchOptions::default())
                .expect("valid");
            drive(&mut single, |_, radius| radius < truth[row]);
            prop_assert_eq!(&single.margins()[0], margin);
        }
    }
}
