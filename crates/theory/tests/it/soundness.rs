//! Sound radii hold at the worst place that is found, and the same search refutes radii that are a
//! little too large: the latent lemma, S1 and the Lipschitz margins on networks.

use crate::common::{
    distances_from, normal_matrix, normals, random_layers, relu_network, relu_values, uniforms,
    unit,
};
use ndarray::{Array1, Array2, Axis, array, s};
use rayon::prelude::*;
use vaegis_core::seed::SeedTree;
use vaegis_theory::lipschitz::{
    LipschitzConstants, LipschitzMargins, NoiseVariant, isotropic_margin,
};
use vaegis_theory::margin::{AcceptanceProbability, AffineLayer, lipschitz_certificate};
use vaegis_theory::neyman_pearson::{shifted_mass, whitened_distance};
use vaegis_theory::special::{noncentral_chi2_cdf, normal_cdf, probit};

/// Standard errors that a share may lie on the wrong side by. Each share comes from draws that had
/// no part in choosing the place, so a hundred sound ones pass but for one time in three hundred.
const STANDARD_ERRORS: f64 = 4.0;
/// Draws at the place that was chosen.
const NUM_DRAWS: usize = 6000;
/// Factor by which the controls exaggerate.
const EXAGGERATION: f64 = 1.2;
/// Dimensions of the inputs and of the codes of the random networks.
const NUM_INPUTS: usize = 8;
const NUM_LATENTS: usize = 4;
/// V1 and V3; with the constant σ of these networks V2 is V1.
const VARIANTS: [NoiseVariant; 2] = [NoiseVariant::MeanOnly, NoiseVariant::TwoSample];

fn allowance() -> f64 {
    STANDARD_ERRORS * (0.25 / NUM_DRAWS as f64).sqrt()
}

fn share(distances: &[f64], r: f64) -> f64 {
    let inside = distances.iter().filter(|d| **d <= r).count();
    inside as f64 / distances.len() as f64
}

/// Rows made orthonormal by Gram-Schmidt (columns, when there are more rows than columns).
fn orthonormal(seed: &SeedTree, rows: usize, cols: usize) -> Array2<f64> {
    let (short, long) = (rows.min(cols), rows.max(cols));
    let mut matrix = normal_matrix(seed, short, long);
    for i in 0..short {
        for j in 0..i {
            let dot = matrix.row(i).dot(&matrix.row(j));
            let other = matrix.row(j).to_owned();
            matrix.row_mut(i).scaled_add(-dot, &other);
        }
        let norm = matrix.row(i).dot(&matrix.row(i)).sqrt();
        matrix.row_mut(i).mapv_inplace(|v| v / norm);
    }
    if rows <= cols {
        matrix
    } else {
        matrix.t().to_owned()
    }
}

/// Orthonormal layers with MaxMin between them: 1-Lipschitz, times `gain` at the end.
struct GroupSort {
    weights: Vec<Array2<f64>>,
    gain: f64,
}

impl GroupSort {
    fn new(seed: &SeedTree, widths: &[usize], gain: f64) -> Self {
        let pairs = widths.windows(2).enumerate();
        Self {
            weights: pairs
                .map(|(i, pair)| orthonormal(&seed.index(i as u64), pair[1], pair[0]))
                .collect(),
            gain,
        }
    }

    /// Outputs of every row.
    fn rows(&self, x: &Array2<f64>) -> Array2<f64> {
        let mut value = x.dot(&self.weights[0].t());
        for weight in &self.weights[1..] {
            for mut row in value.rows_mut() {
                for k in (0..row.len()).step_by(2) {
                    let (a, b) = (row[k], row[k + 1]);
                    (row[k], row[k + 1]) = (a.max(b), a.min(b));
                }
            }
            value = value.dot(&weight.t());
        }
        value * self.gain
    }
}

/// A VAE with constant σ = γ around an input, and what counts as near.
struct Case<'a> {
    encoder: GroupSort,
    decoder: &'a (dyn Fn(&Array2<f64>) -> Array2<f64> + Sync),
    x: Array1<f64>,
    gamma: f64,
    r: f64,
}

impl Case<'_> {
    fn mean(&self, x: Array2<f64>) -> Array2<f64> {
        self.encoder.rows(&x)
    }

    fn rest(&self) -> Array2<f64> {
        self.mean(self.x.clone().insert_axis(Axis(0)))
    }

    /// The mean at the input that moves the reconstruction of the mean furthest, of those at this
    /// distance: directions at random, then ever nearer to the best. No noise takes part.
    fn worst_mean(&self, radius: f64, seed: &SeedTree) -> Array2<f64> {
        const NUM_DIRECTIONS: usize = 64;
        let dim = self.x.len();
        let reference = (self.decoder)(&self.rest());
        let mut best = (-1.0, Array1::zeros(dim), self.rest());
        for round in 0..10_u64 {
            let node = seed.index(round);
            let mut steps = normal_matrix(&node, NUM_DIRECTIONS, dim);
            if round > 0 {
                let width = 0.5_f64.powi(round as i32) / (dim as f64).sqrt();
                steps = steps * width + &best.1;
            }
            for mut step in steps.rows_mut() {
                let length = step.dot(&step).sqrt();
                step /= length;
            }
            let means = self.mean(&steps * radius + &self.x);
            let found = lengths(&((self.decoder)(&means) - &reference));
            for (k, &length) in found.iter().enumerate() {
                if length > best.0 {
                    let mean = means.slice(s![k..=k, ..]).to_owned();
                    best = (length, steps.row(k).to_owned(), mean);
                }
            }
        }
        best.2
    }

    fn noise(&self, seed: &SeedTree) -> Array2<f64> {
        normal_matrix(seed, NUM_DRAWS, NUM_LATENTS) * self.gamma
    }

    /// Share of draws within r of their reference, with the mean at `mean`.
    fn share_at(&self, mean: &Array2<f64>, variant: NoiseVariant, seed: &SeedTree) -> f64 {
        let attacked = (self.decoder)(&(self.noise(&seed.child("one")) + mean));
        let reference = match variant {
            NoiseVariant::TwoSample => self.noise(&seed.child("two")) + &self.rest(),
            _ => self.rest(),
        };
        share(&lengths(&(attacked - (self.decoder)(&reference))), self.r)
    }

    /// The same where the search says that it is smallest.
    fn lowest_share(&self, radius: f64, variant: NoiseVariant, seed: &SeedTree) -> f64 {
        let mean = self.worst_mean(radius, &seed.child("search"));
        self.share_at(&mean, variant, &seed.child("draws"))
    }
}

fn lengths(rows: &Array2<f64>) -> Vec<f64> {
    rows.rows().into_iter().map(|r| r.dot(&r).sqrt()).collect()
}

fn constants(decoder: f64, mean: f64) -> LipschitzConstants {
    LipschitzConstants {
        decoder,
        mean,
        sigma: 0.0,
    }
}

/// Shares of V1 and V3 at `factor` times their sharpest margin.
fn lipschitz_shares(
    case: &Case<'_>,
    constants: &LipschitzConstants,
    factor: f64,
    seed: &SeedTree,
) -> [f64; 2] {
    let (gamma, r) = (case.gamma, case.r);
    let margins = LipschitzMargins::constant_sigma(constants, gamma, NUM_LATENTS, r, 0.5);
    let margins = margins.expect("valid");
    let sharpest = VARIANTS.map(|variant| {
        isotropic_margin(constants, gamma, NUM_LATENTS, variant, r, 0.5).expect("valid")
    });
    assert!(sharpest[0] >= margins.mean_only && sharpest[1] >= margins.best_two_sample());
    [0, 1].map(|k| case.lowest_share(factor * sharpest[k], VARIANTS[k], &seed.index(k as u64)))
}

/// A random encoder and its constant, a decoder's constant, γ, and an input.
fn random_encoder(node: &SeedTree) -> (GroupSort, [f64; 3], Array1<f64>) {
    let gain = uniforms(&node.child("gain"), 3, 1.0, 6.0);
    let (b, a, gamma) = (gain[0], gain[1], 0.05 * gain[2]);
    let widths = [NUM_INPUTS, 12, NUM_LATENTS];
    let encoder = GroupSort::new(&node.child("encoder"), &widths, b);
    let x = Array1::from(normals(&node.child("x"), NUM_INPUTS));
    (encoder, [b, a, gamma], x)
}

/// Shares of V1 and V3 on a random network at `factor` times their sharpest margin.
fn random_network(node: &SeedTree, factor: f64) -> [f64; 2] {
    let (encoder, [b, a, gamma], x) = random_encoder(node);
    let decoder = GroupSort::new(&node.child("decoder"), &[NUM_LATENTS, 12, 10], a);
    let case = Case {
        encoder,
        decoder: &|z| decoder.rows(z),
        x,
        gamma,
        r: 4.0 * a * gamma,
    };
    lipschitz_shares(&case, &constants(a, b), factor, &node.child("hunt"))
}

/// Share of V1 at the radius of the certificate without a decoder's constant, on a decoder without
/// any constraint.
fn random_free_network(node: &SeedTree) -> f64 {
    let (encoder, [b, _, gamma], x) = random_encoder(node);
    let layers = random_layers(&node.child("free"), &[NUM_LATENTS, 24, 6]);
    let mut case = Case {
        encoder,
        decoder: &|z| relu_values(&layers, z).pop().expect("has layers"),
        x,
        gamma,
        r: 0.0,
    };
    let rest = case.rest();
    let drawn = (case.decoder)(&(case.noise(&node.child("still")) + &rest));
    let (r, p0) = radius_of(lengths(&(drawn - (case.decoder)(&rest))), 0.95);
    case.r = r;
    let radius = lipschitz_certificate(gamma, b, &p0, 0.5).expect("valid");
    assert!(radius.evidence.is_certificate() && radius.value > 0.0);
    case.lowest_share(radius.value, NoiseVariant::MeanOnly, &node.child("s1"))
}

/// An order statistic of distances, and what is known of the probability of staying within it.
fn radius_of(mut distances: Vec<f64>, p0: f64) -> (f64, AcceptanceProbability) {
    distances.sort_unstable_by(f64::total_cmp);
    let count = (p0 * distances.len() as f64) as usize;
    let (inside, num) = (count as u64, distances.len() as u64);
    let limit = AcceptanceProbability::clopper_pearson(inside, num, 1e-4);
    (distances[count - 1], limit.expect("valid"))
}

/// At a radius that is a fifth too large most of the same networks are refuted.
#[test]
fn sound_certificates_are_not_violated_on_lipschitz_networks() {
    let seed = SeedTree::new(22).child("networks");
    let nodes: Vec<SeedTree> = (0..40_u64).map(|i| seed.index(i)).collect();
    let shares = |factor: f64| -> Vec<[f64; 2]> {
        let each = nodes.par_iter().map(|node| random_network(node, factor));
        each.collect()
    };
    let (at, beyond) = (shares(1.0), shares(EXAGGERATION));
    for (kind, variant) in VARIANTS.iter().enumerate() {
        let smallest = at.iter().map(|w| w[kind]).fold(f64::INFINITY, f64::min);
        assert!(
            smallest > 0.5 - allowance(),
            "{variant:?}: only {smallest} inside at its radius"
        );
        let refuted = beyond.iter().filter(|w| w[kind] < 0.5 - allowance());
        let refuted = refuted.count();
        assert!(2 * refuted > nodes.len(), "{variant:?}: only {refuted}");
    }
    let free: Vec<f64> = nodes.par_iter().map(random_free_network).collect();
    let smallest = free.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(smallest > 0.5 - allowance(), "S1: only {smallest} inside");
}

/// Isometries attain the Lipschitz margins: there a radius that is a fifth too large has the mass of
/// a chi-square whose shift is a fifth larger, which the search sees.
#[test]
fn exaggerated_lipschitz_margins_are_refuted_where_they_are_tight() {
    let seed = SeedTree::new(23).child("isometries");
    let square = [NUM_LATENTS, NUM_LATENTS];
    for i in 0..6_u64 {
        let node = seed.index(i);
        let gain = uniforms(&node.child("gain"), 3, 1.0, 6.0);
        let (b, a, gamma) = (gain[0], gain[1], 0.05 * gain[2]);
        let decoder = GroupSort::new(&node.child("decoder"), &square, a);
        let case = Case {
            encoder: GroupSort::new(&node.child("encoder"), &square, b),
            decoder: &|z| decoder.rows(z),
            x: Array1::from(normals(&node.child("x"), NUM_LATENTS)),
            gamma,
            r: 4.0 * a * gamma,
        };
        let constants = constants(a, b);
        for factor in [1.0, EXAGGERATION] {
            let found = lipschitz_shares(&case, &constants, factor, &node.child("hunt"));
            for ((share, variant), scale) in found.into_iter().zip(VARIANTS).zip([1.0, 2.0]) {
                let margin = isotropic_margin(&constants, gamma, NUM_LATENTS, variant, case.r, 0.5)
                    .expect("valid");
                // Lengths in units of the noise, whose variance is `scale` γ².
                let shift = (factor * margin * b / gamma).powi(2) / scale;
                let mass = noncentral_chi2_cdf(16.0 / scale, NUM_LATENTS as f64, shift);
                assert!((share - mass).abs() < allowance(), "{share} for {mass}");
                let refuted = share < 0.5 - allowance();
                assert_eq!(refuted, factor > 1.0, "{variant:?}: {share} at {factor}");
            }
        }
    }
}

/// The network max(0, w·z − w·center): its balls are half-spaces.
fn half_space(w: &Array1<f64>, center: &Array1<f64>) -> Vec<AffineLayer> {
    vec![
        AffineLayer {
            weight: w.clone().insert_axis(Axis(0)),
            bias: array![-w.dot(center)],
        },
        AffineLayer {
            weight: array![[1.0]],
            bias: array![0.0],
        },
    ]
}

/// A decoder whose accepted set is a half-space attains S1: a radius that is a fifth too large keeps
/// Φ(κ − 1.2 κ).
#[test]
fn exaggerated_decoder_free_certificates_are_refuted_where_they_are_tight() {
    let seed = SeedTree::new(24).child("half-spaces");
    let square = [NUM_LATENTS, NUM_LATENTS];
    for i in 0..6_u64 {
        let node = seed.index(i);
        let gain = uniforms(&node.child("gain"), 2, 1.0, 6.0);
        let (b, gamma) = (gain[0], 0.05 * gain[1]);
        let w = unit(&node.child("w"), NUM_LATENTS);
        let encoder = GroupSort::new(&node.child("encoder"), &square, b);
        let x = Array1::from(normals(&node.child("x"), NUM_LATENTS));
        let mean = encoder.rows(&x.clone().insert_axis(Axis(0)));
        let layers = half_space(&w, &mean.row(0).to_owned());
        let p0 = AcceptanceProbability::exact(0.95).expect("valid");
        let case = Case {
            encoder,
            decoder: &|z| relu_values(&layers, z).pop().expect("has layers"),
            x,
            gamma,
            r: gamma * probit(0.95),
        };
        let radius = lipschitz_certificate(gamma, b, &p0, 0.5).expect("valid");
        for factor in [1.0, EXAGGERATION] {
            let radius = factor * radius.value;
            let share = case.lowest_share(radius, NoiseVariant::MeanOnly, &node.child("hunt"));
            let mass = normal_cdf((1.0 - factor) * probit(0.95));
            assert!((share - mass).abs() < allowance(), "{share} for {mass}");
            assert_eq!(
                share < 0.5 - allowance(),
                factor > 1.0,
                "{share} at {factor}"
            );
        }
    }
}

/// By how much more is left than the latent lemma says, after the shift that leaves least; `stated`
/// is the part of the shift that the lemma is told of.
fn lemma_slack(
    decoder: &[AffineLayer],
    sigma: &[f64],
    p0: f64,
    shifts: &[Vec<f64>],
    stated: f64,
    seed: &SeedTree,
) -> f64 {
    /// Draws by which the shift is chosen.
    const NUM_SEARCH: usize = 400;
    let center = relu_network(decoder, &vec![0.0; sigma.len()]);
    let distances = |label: &str, count: usize, shift: &[f64]| {
        let noise = normal_matrix(&seed.child(label), count, sigma.len());
        let z = noise * &Array1::from(sigma.to_vec()) + &Array1::from(shift.to_vec());
        distances_from(&center, decoder, &z)
    };
    let (r, p0) = radius_of(distances("still", NUM_DRAWS, &vec![0.0; sigma.len()]), p0);
    let floor = |shift: &[f64]| {
        let moved = stated * whitened_distance(sigma, shift).expect("valid");
        shifted_mass(p0.value(), moved).expect("valid").0
    };
    let slack = |label: &str, count: usize, shift: &[f64]| {
        share(&distances(label, count, shift), r) - floor(shift)
    };
    let searched = shifts.iter().map(|s| (slack("search", NUM_SEARCH, s), s));
    let (_, worst) = searched
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("some shift");
    slack("moved", NUM_DRAWS, worst)
}

#[test]
fn latent_lemma_holds_for_non_convex_decoders() {
    // Sixty random ReLU decoders, the worst of ten shifts each: the shifted mass never falls below
    // the lemma's.
    let seed = SeedTree::new(3).child("lemma");
    let slack: Vec<f64> = (0..60_u64)
        .into_par_iter()
        .map(|i| {
            let node = seed.index(i);
            let decoder = random_layers(&node.child("decoder"), &[NUM_LATENTS, 24, 6]);
            let sigma = uniforms(&node.child("sigma"), NUM_LATENTS, 0.2, 1.2);
            let shifts: Vec<Vec<f64>> = (0..10_u64)
                .map(|j| {
                    // Lengths in units of the noise, at which the lemma says something.
                    let length = uniforms(&node.child("length").index(j), 1, 0.3, 2.0)[0];
                    let direction = unit(&node.child("shift").index(j), NUM_LATENTS);
                    sigma
                        .iter()
                        .zip(direction)
                        .map(|(s, v)| s * v * length)
                        .collect()
                })
                .collect();
            lemma_slack(
                &decoder,
                &sigma,
                0.6 + 0.006 * i as f64,
                &shifts,
                1.0,
                &node,
            )
        })
        .collect();
    let smallest = slack.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(
        smallest > -allowance(),
        "the lemma is violated by {smallest}"
    );
}

/// Half-spaces attain the lemma: told of five sixths of the shift, it is refuted.
#[test]
fn a_lemma_that_is_told_of_too_small_a_shift_is_refuted() {
    let seed = SeedTree::new(25).child("lemma");
    for i in 0..6_u64 {
        let node = seed.index(i);
        let w = unit(&node.child("w"), NUM_LATENTS);
        let decoder = half_space(&w, &Array1::zeros(NUM_LATENTS));
        let sigma = uniforms(&node.child("sigma"), NUM_LATENTS, 0.2, 1.2);
        // Along diag(σ²) w the whitened shift is normal to the boundary; 1.5 is its length.
        let along: Vec<f64> = sigma.iter().zip(&w).map(|(s, w)| s * s * w).collect();
        let length = whitened_distance(&sigma, &along).expect("valid");
        let shift: Vec<f64> = along.iter().map(|v| 1.5 * v / length).collect();
        for stated in [1.0, 1.0 / EXAGGERATION] {
            let slack = lemma_slack(
                &decoder,
                &sigma,
                0.9,
                std::slice::from_ref(&shift),
                stated,
                &node,
            );
            // Clopper and Pearson's limit leaves up to 0.03 of slack.
            assert!(slack < 0.03 + allowance(), "{slack}");
            assert_eq!(slack < -allowance(), stated < 1.0, "{slack} at {stated}");
        }
    }
}
