//! Keyed noise: golden numbers, independence and moments.

use serde_json::Value;
use vaegis_core::seed::SeedTree;
use vaegis_tensor::{Device, Kind, Noise, NoiseSource, Tensor, convert};

const CPU: Device = Device::Cpu;

/// The golden script evaluates the same expressions in f64 with Python's math library.
const LIBRARY: f64 = 1e-14;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/noise.json")).expect("golden file parses")
}

fn assert_golden(tensor: &Tensor, expected: &Value) {
    let found = convert::to_f64_vec(tensor);
    let expected = expected.as_array().expect("a list");
    assert_eq!(found.len(), expected.len());
    for (f, e) in found.iter().zip(expected) {
        let e = e.as_f64().expect("a number");
        assert!((f - e).abs() <= LIBRARY * (1.0 + e.abs()), "{f} is not {e}");
    }
}

#[test]
fn portable_numbers_are_fixed_forever() {
    let golden = golden();
    let noise = Noise::portable(SeedTree::new(42)).child("z").index(3);
    assert_golden(&noise.uniform(&[32], Kind::Double, CPU), &golden["uniform"]);
    let normal = noise.standard_normal(&[4, 16], Kind::Double, CPU);
    assert_golden(&normal.reshape(-1_i64), &golden["normal"]);
    // A long stream visits the slow paths of the ziggurat.
    let long = noise
        .child("long")
        .standard_normal(&[20_000], Kind::Double, CPU);
    assert_golden(&long.narrow(0, 19_990, 10), &golden["normal_tail"]);
    let sum = long.abs().sum(None).double_value(&[]);
    let expected = golden["normal_abs_sum"].as_f64().expect("a number");
    assert!(
        (sum - expected).abs() <= 1e-10 * expected,
        "{sum} {expected}"
    );
}

#[test]
fn drawing_again_repeats_and_kinds_share_the_numbers() {
    for source in [NoiseSource::Portable, NoiseSource::Native] {
        let noise = Noise::new(SeedTree::new(7), source).child("x");
        for draw in [Noise::standard_normal, Noise::uniform, Noise::gumbel] {
            let first = draw(&noise, &[5, 3], Kind::Float, CPU);
            let _other = draw(&noise.index(1), &[100], Kind::Float, CPU);
            assert!(
                first.equal(&draw(&noise, &[5, 3], Kind::Float, CPU)),
                "{source:?}"
            );
        }
    }
    let noise = Noise::portable(SeedTree::new(7));
    let double = noise.standard_normal(&[50], Kind::Double, CPU);
    let float = noise.standard_normal(&[50], Kind::Float, CPU);
    assert!(double.to_kind(Kind::Float).equal(&float));
}

#[test]
fn a_prefix_of_a_longer_portable_draw_is_the_shorter_draw() {
    let noise = Noise::portable(SeedTree::new(8));
    let long = noise.standard_normal(&[100], Kind::Double, CPU);
    assert!(
        long.narrow(0, 0, 10)
            .equal(&noise.standard_normal(&[10], Kind::Double, CPU))
    );
}

#[test]
fn children_are_independent_of_each_other() {
    const N: i64 = 4000;
    /// The correlation of N independent pairs has deviation 1/√N = 0.016: this is 5 of them.
    const CORRELATION: f64 = 0.08;
    for source in [NoiseSource::Portable, NoiseSource::Native] {
        let root = Noise::new(SeedTree::new(9), source);
        let nodes = [
            root.clone(),
            root.child("a"),
            root.child("b"),
            root.index(0),
            root.index(1),
        ];
        let draws: Vec<Tensor> = nodes
            .iter()
            .map(|n| n.standard_normal(&[N], Kind::Double, CPU))
            .collect();
        let correlations = Tensor::stack(&draws, 0).corrcoef();
        for i in 0..5 {
            for j in 0..i {
                let r = correlations.double_value(&[i, j]);
                assert!(r.abs() < CORRELATION, "{source:?}: nodes {i} and {j}: {r}");
            }
        }
    }
}

#[test]
fn moments_are_those_of_the_distributions() {
    const N: i64 = 100_000;
    /// Five deviations of a mean of N values of variance at most 2 (the fourth moment, 96, is
    /// scaled to it).
    const MEAN: f64 = 5.0 * 1.5 / 316.0;
    const EULER: f64 = 0.577_215_664_901_532_9;
    let variance = std::f64::consts::PI.powi(2) / 6.0;
    for source in [NoiseSource::Portable, NoiseSource::Native] {
        let noise = Noise::new(SeedTree::new(10), source);
        let mean = |t: &Tensor| t.mean(None).double_value(&[]);
        let z = noise.child("z").standard_normal(&[N], Kind::Double, CPU);
        assert!(mean(&z).abs() < MEAN && (mean(&z.square()) - 1.0).abs() < MEAN);
        assert!((mean(&z.pow_tensor_scalar(4)) - 3.0).abs() < MEAN * 9.8);
        let u = noise.child("u").uniform(&[N], Kind::Double, CPU);
        assert!((mean(&u) - 0.5).abs() < MEAN && u.min().double_value(&[]) > 0.0);
        assert!(u.max().double_value(&[]) < 1.0);
        let g = noise.child("g").gumbel(&[N], Kind::Double, CPU);
        assert!((mean(&g) - EULER).abs() < MEAN);
        assert!((mean(&(&g - EULER).square()) - variance).abs() < 4.0 * MEAN);
    }
}

#[test]
fn gumbel_stays_finite_in_single_precision() {
    for source in [NoiseSource::Portable, NoiseSource::Native] {
        let g = Noise::new(SeedTree::new(11), source).gumbel(&[1_000_000], Kind::Float, CPU);
        assert!(
            bool::try_from(g.isfinite().all()).expect("a flag"),
            "{source:?}"
        );
    }
}
