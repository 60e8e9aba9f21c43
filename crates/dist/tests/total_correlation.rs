//! Total correlation: the worked example, the limits, and every law that the estimators obey.

use vaegis_dist::total_correlation::{Decomposition, Estimator, decomposition, total_correlation};
use vaegis_tensor::Tensor;

/// Digits that the worked example is printed with.
const PRINTED: f64 = 1e-7;

fn number(t: &Tensor) -> f64 {
    t.double_value(&[])
}

fn rows(values: &[[f64; 2]]) -> Tensor {
    Tensor::from_slice(values.as_flattened()).view([-1, 2])
}

/// Posteriors of three data points and one sample of each.
fn worked_example() -> (Tensor, Tensor, Tensor) {
    let mu = rows(&[[0.5, -1.0], [-0.5, 1.0], [2.0, 0.0]]);
    let log_sigma = rows(&[[0.4, 0.6], [0.8, 0.3], [0.5, 1.1]]).log();
    let eps = rows(&[[0.5, -0.5], [-1.0, 0.25], [0.0, 1.0]]);
    (&mu + log_sigma.exp() * eps, mu, log_sigma)
}

#[test]
fn the_worked_example_is_met_by_every_estimator() {
    let (z, mu, log_sigma) = worked_example();
    let table = [
        (Estimator::Full, 3.0, [1.0865563, 0.2651798, 1.0778080]),
        (
            Estimator::MinibatchWeighted,
            3.0,
            [2.1851686, 1.3637920, -1.1194166],
        ),
        (
            Estimator::MinibatchWeighted,
            30.0,
            [4.4877537, 3.6663771, -5.7245868],
        ),
        (
            Estimator::Stratified,
            30.0,
            [3.2431964, 0.5884737, -1.4021260],
        ),
    ];
    for (estimator, dataset_size, [mi, tc, dw]) in table {
        let parts: Decomposition = decomposition(&z, &mu, &log_sigma, dataset_size, estimator);
        let alone = total_correlation(&z, &mu, &log_sigma, dataset_size, estimator);
        for (name, found, expected) in [
            ("MI", &parts.mutual_information, mi),
            ("TC", &parts.total_correlation, tc),
            ("DW", &parts.dimension_wise, dw),
            ("TC alone", &alone, tc),
        ] {
            assert!(
                (number(found) - expected).abs() < PRINTED,
                "{estimator:?}, N = {dataset_size}: {name} is {}, not {expected}",
                number(found)
            );
        }
    }
}
