//! Coverage of every interval, by simulation and where possible exactly.

use crate::common::normals;
use rand::RngExt;
use rayon::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::r_min::empirical;
use vaegis_theory::special::{binomial_sf, probit};
use vaegis_theory::stats::{
    bootstrap_mean_ci, clopper_pearson_lower, clopper_pearson_upper, mean, t_interval,
};

#[test]
fn clopper_pearson_rejects_false_certificates_and_plug_in_does_not() {
    // p = ½ is not robust. Count how often N = 1000 samples certify p > ½ at α = 0.001, exactly.
    let (n, alpha) = (1000, 0.001);
    let first = (0..=n)
        .find(|&k| clopper_pearson_lower(k, n, alpha).expect("valid") > 0.5)
        .expect("n of n certifies");
    let false_rate = binomial_sf(first - 1, n, 0.5);
    assert!(false_rate <= alpha);
    assert!((false_rate - 0.0008).abs() < 1e-4, "rate {false_rate}");
    let plug_in = binomial_sf(500, n, 0.5);
    assert!((plug_in - 0.49).abs() < 0.005, "rate {plug_in}");
}

#[test]
fn clopper_pearson_and_order_statistics_cover() {
    const NUM_SIMULATIONS: u64 = 2000;
    /// Allowance for the simulation's own error, three standard errors at α = 0.01.
    const SLACK: f64 = 0.01;
    let alpha = 0.05;
    let seed = SeedTree::new(5).child("coverage");
    for (label, p) in [("low", 0.55), ("high", 0.97)] {
        let hits: Vec<[bool; 2]> = (0..NUM_SIMULATIONS)
            .into_par_iter()
            .map(|i| {
                let mut rng = seed.child(label).index(i).rng();
                let k = (0..400).filter(|_| rng.random::<f64>() < p).count() as u64;
                let lower = clopper_pearson_lower(k, 400, alpha).expect("valid");
                let upper = clopper_pearson_upper(k, 400, alpha).expect("valid");
                [lower <= p, p <= upper]
            })
            .collect();
        for side in 0..2 {
            let share = hits.iter().filter(|h| h[side]).count() as f64 / NUM_SIMULATIONS as f64;
            assert!(
                share >= 1.0 - alpha - SLACK,
                "{label} side {side}: coverage {share}"
            );
            assert!(
                share < 1.0,
                "{label} side {side}: a limit that never fails is trivial"
            );
        }
    }
    for m in [0.5, 0.9] {
        // |Z| has the m-quantile Φ⁻¹((1+m)/2).
        let truth = probit(0.5 + 0.5 * m);
        let node = seed.child("distances");
        let covered = (0..NUM_SIMULATIONS)
            .into_par_iter()
            .filter(|&i| {
                let distances: Vec<f64> = normals(&node.index(i), 200)
                    .iter()
                    .map(|z| z.abs())
                    .collect();
                let r = empirical(&distances, m, alpha).expect("valid");
                assert!(r.lower <= r.value && r.value <= r.upper);
                r.interval().contains(truth)
            })
            .count() as f64
            / NUM_SIMULATIONS as f64;
        assert!(
            covered >= 1.0 - alpha - SLACK && covered < 1.0,
            "m = {m}: coverage {covered}"
        );
    }
}

#[test]
fn t_and_bootstrap_intervals_cover_a_mean() {
    const NUM_SIMULATIONS: u64 = 2000;
    let seed = SeedTree::new(8);
    let covered: Vec<(bool, bool)> = (0..NUM_SIMULATIONS)
        .into_par_iter()
        .map(|i| {
            let xs = normals(&seed.index(i), 30);
            let t = t_interval(&xs, 0.9).expect("valid");
            let b = bootstrap_mean_ci(&xs, 0.9, 300, &seed.index(i).child("b")).expect("valid");
            (t.interval().contains(0.0), b.interval().contains(0.0))
        })
        .collect();
    let share = |f: fn(&(bool, bool)) -> bool| {
        covered.iter().filter(|c| f(c)).count() as f64 / NUM_SIMULATIONS as f64
    };
    // Four standard errors for the exact interval; the bootstrap is a few points short at n = 30.
    assert!(
        (share(|c| c.0) - 0.9).abs() < 0.027,
        "t: {}",
        share(|c| c.0)
    );
    assert!(
        (share(|c| c.1) - 0.9).abs() < 0.05,
        "bootstrap: {}",
        share(|c| c.1)
    );
}

#[test]
fn bootstrap_depends_on_the_seed_alone() {
    let xs = normals(&SeedTree::new(9), 50);
    let run = |root| bootstrap_mean_ci(&xs, 0.95, 1000, &SeedTree::new(root)).expect("valid");
    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("pool");
    assert_eq!(run(1), single.install(|| run(1)), "threads must not matter");
    assert_ne!(run(1), run(2));
    assert_eq!(run(1).value, mean(&xs).expect("valid"));
}
