//! The best of several attacks on the same rows.

use vaegis_attacks::search::{AdamSearch, Lbfgs};
use vaegis_attacks::{Attack, AttackOutcome, AttackRows, Objective, Search};
use vaegis_core::SeedTree;
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Device, Kind, Noise, Tensor};

const NUM_ROWS: usize = 12;

fn outcomes() -> Vec<AttackOutcome> {
    let seed = SeedTree::new(7);
    let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(9, 3, &seed));
    let noise = Noise::portable(seed);
    let images = |label: &str| {
        let shape = [NUM_ROWS as i64, 1, 1, 9];
        noise
            .child(label)
            .uniform(&shape, Kind::Double, Device::Cpu)
    };
    let lambdas = (0..NUM_ROWS)
        .map(|row| 2_f64.powi(row as i32 - 6))
        .collect();
    let rows = AttackRows::targeted(images("x"), images("target"), lambdas);
    let run = |search| {
        let mut attack = Attack::penalized(Objective::LATENT_KL);
        attack.search = search;
        let noise = noise.child("attack");
        attack.run(&model, &rows, &noise).expect("a valid attack")
    };
    // Each is cut off early, so that neither wins everywhere.
    let short = |max_evaluations| {
        run(Search::Lbfgs(Lbfgs {
            max_evaluations,
            ..Lbfgs::default()
        }))
    };
    let adam = run(Search::Adam(AdamSearch {
        steps: 40,
        ..AdamSearch::default()
    }));
    vec![short(2), adam, short(4)]
}

#[test]
fn the_combination_is_row_by_row_the_best_of_its_parts() {
    let outcomes = outcomes();
    let best = AttackOutcome::best_of(&outcomes);
    assert_eq!(best.len(), NUM_ROWS);
    let (found, parts): (Vec<f64>, Vec<Vec<f64>>) = (
        to_f64_vec(&best.distortion),
        outcomes.iter().map(|o| to_f64_vec(&o.distortion)).collect(),
    );
    let mut winners = Vec::new();
    for row in 0..NUM_ROWS {
        let values: Vec<f64> = outcomes.iter().map(|o| o.objective[row]).collect();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(best.objective[row], least, "row {row}");
        let winner = values
            .iter()
            .position(|v| *v == least)
            .expect("one is least");
        let pixels = row * 9..(row + 1) * 9;
        assert_eq!(found[pixels.clone()], parts[winner][pixels], "row {row}");
        assert_eq!(best.status[row], outcomes[winner].status[row]);
        let spent: usize = outcomes.iter().map(|o| o.evaluations[row]).sum();
        assert_eq!(best.evaluations[row], spent);
        winners.push(winner);
    }
    winners.sort_unstable();
    winners.dedup();
    assert!(
        winners.len() > 1,
        "one attack wins everywhere: nothing is tested"
    );
}

#[test]
fn what_is_not_a_number_never_wins_and_one_attack_is_its_own_best() {
    let mut outcomes = outcomes();
    outcomes[0].objective[3] = f64::NAN;
    let best = AttackOutcome::best_of(&outcomes);
    assert!(best.objective[3].is_finite());
    let alone = AttackOutcome::best_of(&outcomes[1..2]);
    assert_eq!(alone.objective, outcomes[1].objective);
    assert_eq!(alone.evaluations, outcomes[1].evaluations);
    let difference: Tensor = &alone.distortion - &outcomes[1].distortion;
    assert_eq!(difference.abs().max().double_value(&[]), 0.0);
}
