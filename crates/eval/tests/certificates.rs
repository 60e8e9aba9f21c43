//! Linear regions by probing, certificates on models with known margins, and the
//! hunt on a claim that is true and on one that is not.

use approx::assert_relative_eq;
use vaegis_attacks::Variant;
use vaegis_core::SeedTree;
use vaegis_eval::bounds::BoundOptions;
use vaegis_eval::cell::{cells, patterns};
use vaegis_eval::certificate::{Certificate, InputCertificates, ModelConstants, Term, certify};
use vaegis_eval::hunt::{HuntOptions, hunt};
use vaegis_eval::margin::{MarginDirection, MarginOptions, margins};
use vaegis_eval::margin_legacy::{legacy_margin, legacy_minimal_radius};
use vaegis_nn::lipschitz::{AffineMap, NetworkPath, PathActivation};
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_nn::{Activation, LatentModel, LikelihoodKind};
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::legacy::{self, LegacyStop, Source};
use vaegis_theory::margin::{AffineLayer, relu_cell};
use vaegis_zoo::{LipschitzVae, LipschitzVaeConfig, NetworkConfig, SigmaConfig, Vae, VaeConfig};

fn seed() -> SeedTree {
    SeedTree::new(17)
}

fn noise(label: &str) -> Noise {
    Noise::portable(seed().child(label))
}

fn normal(label: &str, shape: &[i64]) -> Tensor {
    noise(label).standard_normal(shape, Kind::Double, Device::Cpu)
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(&tensor.flatten(0, -1).to_kind(Kind::Double)).expect("numbers")
}

fn random_path(activation: PathActivation, label: &str) -> NetworkPath {
    let sizes = [10, 16, 12, 4];
    let layers = sizes.windows(2).enumerate().map(|(k, pair)| AffineMap {
        weight: normal(&format!("{label} W{k}"), &[pair[1], pair[0]]) / (pair[0] as f64).sqrt(),
        bias: normal(&format!("{label} b{k}"), &[pair[1]]) * 0.1,
    });
    NetworkPath {
        layers: layers.collect(),
        activation,
        output_lipschitz: 1.0,
    }
}

/// Share of the radius that probes keep from it: the distance is exact, and only
/// rounding needs room.
const INSIDE: f64 = 1.0 - 1e-9;

/// C10: 10⁴ random probes inside the cell keep the pattern; one step beyond the
/// boundary along the nearest normal changes it.
#[test]
fn probes_inside_the_cell_keep_the_pattern_and_one_beyond_changes_it() {
    for activation in [
        PathActivation::Elementwise(Activation::Relu),
        PathActivation::Elementwise(Activation::LeakyRelu),
        PathActivation::GroupSort(2),
        PathActivation::GroupSort(4),
    ] {
        let path = random_path(activation, "probe");
        let x = normal("x", &[40, 10]);
        let found = cells(&path, &x).expect("piecewise linear");
        let home = patterns(&path, &x).expect("piecewise linear");
        let mut failures = 0;
        for (row, cell) in found.iter().enumerate() {
            let at = x.narrow(0, row as i64, 1);
            let pattern = home.narrow(0, row as i64, 1);
            let u = normal(&format!("probes {row}"), &[250, 10]);
            let length = u.square().sum_dim_intlist(1, true, None).sqrt();
            let probes = &at + u / length * (cell.radius * INSIDE);
            let probed = patterns(&path, &probes).expect("piecewise linear");
            let changed = probed.not_equal_tensor(&pattern).any_dim(1, false);
            failures += i64::try_from(changed.sum(Kind::Int64)).expect("a count");
            let kink = cell.nearest.as_ref().expect("finite");
            let direction = Tensor::from_slice(&kink.direction).unsqueeze(0);
            assert_relative_eq!(direction.norm().double_value(&[]), 1.0, epsilon = 1e-9);
            for (factor, inside) in [(INSIDE, true), (1.0 + 1e-6, false)] {
                let probe = &at + &direction * (cell.radius * factor);
                let probed = patterns(&path, &probe).expect("piecewise linear");
                assert_eq!(probed == pattern, inside, "{activation:?} at {factor}");
            }
        }
        assert_eq!(failures, 0, "of 10 000 probes, {activation:?}");
    }
}

/// The batched cells are those of the explicit algorithm, image by image.
#[test]
fn batched_cells_equal_the_layer_by_layer_ones() {
    let path = random_path(PathActivation::Elementwise(Activation::Relu), "explicit");
    let x = normal("x", &[70, 10]);
    let array = |t: &Tensor, shape: (usize, usize)| {
        ndarray::Array2::from_shape_vec(shape, values(t)).expect("fits")
    };
    let layers: Vec<AffineLayer> = path
        .layers
        .iter()
        .map(|layer| {
            let size = layer.weight.size();
            AffineLayer {
                weight: array(&layer.weight, (size[0] as usize, size[1] as usize)),
                bias: ndarray::Array1::from(values(&layer.bias)),
            }
        })
        .collect();
    let found = cells(&path, &x).expect("piecewise linear");
    for (row, cell) in found.iter().enumerate() {
        let expected = relu_cell(&layers, &values(&x.get(row as i64))).expect("chains");
        assert_relative_eq!(cell.radius, expected.radius, max_relative = 1e-9);
        let (kink, other) = (
            cell.nearest.as_ref().expect("finite"),
            expected.nearest.expect("finite"),
        );
        assert_eq!((kink.layer, kink.unit), (other.layer, other.unit));
        for (a, b) in kink.direction.iter().zip(&other.direction) {
            assert_relative_eq!(a, b, epsilon = 1e-9);
        }
    }
    let smooth = random_path(PathActivation::Elementwise(Activation::Tanh), "smooth");
    let error = cells(&smooth, &x).expect_err("no linear regions");
    assert!(error.to_string().contains("Tanh"), "{error}");
}

fn of(input: &InputCertificates, variant: Variant) -> &Certificate {
    let found = input.certificates.iter().find(|c| c.variant == variant);
    found.expect("certified for this variant")
}

/// On the isotropic linear model the exact margin is known: no term exceeds it,
/// and the non-central χ² term attains it up to the stated rounding.
#[test]
fn certificates_stay_below_the_exact_margin_and_one_attains_it() {
    let (r, m) = (2.0, 0.5);
    let spec = LinearGaussianSpec::isotropic(8, 3, 1.2, 0.3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = normal("images", &[4, 1, 1, 8]);
    let exact = model.margin(r, m).expect("isotropic");
    let options = BoundOptions {
        r,
        m,
        ..BoundOptions::default()
    };
    for input in certify(&model, &x, &options, &noise("certify")).expect("fully connected") {
        assert_eq!(input.cell_radius, Some(f64::INFINITY), "an affine encoder");
        for variant in [Variant::MeanOnly, Variant::Both] {
            let certificate = of(&input, variant);
            assert_eq!(certificate.best.term, Term::Isotropic);
            assert_eq!(certificate.best.evidence, Evidence::Sound);
            assert_relative_eq!(certificate.best.radius, exact, max_relative = 3e-6);
            for term in &certificate.terms {
                assert!(
                    term.radius <= exact * (1.0 + 1e-9),
                    "{term:?} above {exact}"
                );
                let sampled = matches!(term.term, Term::Cell | Term::Encoder);
                let confident = matches!(term.evidence, Evidence::SoundWithConfidence { .. });
                assert_eq!(sampled, confident, "{term:?}");
            }
        }
        let two = of(&input, Variant::TwoSample);
        assert!(two.best.radius < of(&input, Variant::Both).best.radius);
        let names: Vec<Term> = two.terms.iter().map(|t| t.term).collect();
        assert!(!names.contains(&Term::Cell) && names.contains(&Term::Markov));
    }
}

fn lipschitz_vae(sigma: SigmaConfig) -> LipschitzVae {
    let config = LipschitzVaeConfig {
        input: [1, 4, 4],
        latent: 3,
        hidden: vec![12, 8],
        encoder_lipschitz: 4.0,
        decoder_lipschitz: 8.0,
        likelihood: LikelihoodKind::Bernoulli,
        sigma,
        ..LipschitzVaeConfig::default()
    };
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise("lipschitz"));
    let model = LipschitzVae::new(&config, &store).expect("valid");
    store.set_trainable(false);
    model
}

fn small_hunt() -> HuntOptions {
    HuntOptions {
        steps: 15,
        num_draws: 2000,
        ..HuntOptions::default()
    }
}

/// C20: no certificate of a Lipschitz VAE is violated, for any variant, and a
/// radius fifty times as long is.
#[test]
fn certificates_survive_the_hunt_and_exaggerated_ones_do_not() {
    let images = noise("images").uniform(&[6, 1, 4, 4], Kind::Float, Device::Cpu);
    for sigma in [
        SigmaConfig::Constant { gamma: 0.1 },
        SigmaConfig::Network {
            lipschitz: 0.4,
            r: 1.0,
        },
    ] {
        let model = lipschitz_vae(sigma);
        let options = BoundOptions {
            r: 1.0,
            ..BoundOptions::default()
        };
        let found = certify(&model, &images, &options, &noise("certify")).expect("certifies");
        for variant in [Variant::MeanOnly, Variant::Both, Variant::TwoSample] {
            let radii: Vec<f64> = found.iter().map(|i| of(i, variant).best.radius).collect();
            let positive = radii.iter().filter(|&&radius| radius > 0.0).count();
            if variant != Variant::TwoSample || matches!(sigma, SigmaConfig::Constant { .. }) {
                assert_eq!(positive, radii.len(), "{variant:?}: {radii:?}");
            }
            let trials = hunt(
                &model,
                &images,
                &radii,
                variant,
                options.r,
                &small_hunt(),
                &noise("hunt"),
            )
            .expect("runs");
            assert_eq!(trials.len(), positive);
            for trial in &trials {
                assert!(!trial.refutes(0.5), "{variant:?}: {trial:?}");
                assert!(trial.norm <= trial.radius * (1.0 + 1e-5));
            }
        }
        let long: Vec<f64> = found
            .iter()
            .map(|i| 50.0 * of(i, Variant::MeanOnly).best.radius)
            .collect();
        let trials = hunt(
            &model,
            &images,
            &long,
            Variant::MeanOnly,
            options.r,
            &small_hunt(),
            &noise("hunt"),
        )
        .expect("runs");
        assert!(
            trials.iter().any(|t| t.refutes(0.5)),
            "the hunt finds what is there: {trials:?}"
        );
    }
}

/// An ordinary VAE is certified for V1 only, by the same terms; its cell is what
/// limits the first-order bound.
#[test]
fn ordinary_vaes_are_certified_for_the_mean_alone() {
    let config = VaeConfig {
        input: [1, 4, 4],
        latent: 3,
        network: NetworkConfig::mlp(&[12, 8]),
        ..VaeConfig::default()
    };
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise("vae"));
    let model = Vae::new(&config, &store).expect("valid");
    store.set_trainable(false);
    let constants = ModelConstants::of(&model.network_paths().expect("fully connected"));
    assert!(constants.sigma.is_none() && constants.mean > 0.0);
    let images = noise("images").uniform(&[5, 1, 4, 4], Kind::Float, Device::Cpu);
    let options = BoundOptions {
        r: 1.0,
        ..BoundOptions::default()
    };
    for input in certify(&model, &images, &options, &noise("certify")).expect("certifies") {
        assert_eq!(input.certificates.len(), 1);
        let certificate = of(&input, Variant::MeanOnly);
        let radius = |term| {
            let found = certificate.terms.iter().find(|t| t.term == term);
            found.expect("computed").radius
        };
        let cell = input.cell_radius.expect("a rectifier");
        assert!(radius(Term::Cell) <= cell.min(input.bounds.confident.mahalanobis));
        // b is no smaller than the slope at x, so S1 is no larger than B_2.
        assert!(radius(Term::Encoder) <= input.bounds.confident.spectral);
        assert!(certificate.best.evidence.is_certificate());
        assert!(!input.bounds.confident.evidence.is_certificate());
    }
}

/// C13: scan and bisection agree on a monotone model, a random direction is no
/// worse than an attack, and a fixed one stays the same.
#[test]
fn scans_and_directions_of_margins() {
    let (r, m) = (2.0, 0.5);
    let spec = LinearGaussianSpec::isotropic(16, 2, 1.2, 0.3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = normal("images", &[3, 1, 1, 16]);
    let base = MarginOptions {
        r,
        m,
        tolerance: 0.05,
        steps: 20,
        num_samples: 1000,
        ..MarginOptions::default()
    };
    let run = |options: &MarginOptions| -> Vec<f64> {
        let found = margins(&model, &x, options, &noise("margins"), |_, _| ()).expect("runs");
        found.iter().map(|m| m.margin.value).collect()
    };
    let exact = model.margin(r, m).expect("isotropic");
    let scanned = run(&MarginOptions {
        scan_step: Some(0.5),
        ..base
    });
    for value in run(&base).iter().chain(&scanned) {
        // Bracket 0.05; a thousand draws blur its place by as much again.
        assert!((value - exact).abs() < 0.15, "{value} for {exact}");
    }
    for direction in [MarginDirection::Random, MarginDirection::Fixed] {
        let options = MarginOptions { direction, ..base };
        for value in run(&options) {
            assert!(value > exact, "{direction:?}: {value} beyond {exact}");
        }
    }
    let error = margins(
        &model,
        &x,
        &MarginOptions {
            scan_step: Some(0.0),
            ..base
        },
        &noise("margins"),
        |_, _| (),
    );
    assert!(
        error
            .expect_err("no width")
            .to_string()
            .contains("scan-step")
    );
}

/// C12: the printed loops on a network stop, with their known direction of error.
#[test]
fn printed_algorithms_run_on_networks_and_stop() {
    let spec = LinearGaussianSpec::isotropic(8, 3, 1.2, 0.3, &seed());
    let model = LinearGaussian::new(Kind::Double, &spec);
    let x = normal("images", &[1, 1, 1, 8]);
    let (r, exact) = (2.0, model.margin(2.0, 0.5).expect("isotropic"));
    let smallest = legacy::MinimalRadiusOptions {
        step: 0.05,
        num_samples: 400,
        ..legacy::MinimalRadiusOptions::default()
    };
    let found = legacy_minimal_radius(&model, &x, &smallest, &noise("e1")).expect("runs");
    let share = model
        .probability_within(found.radius, 0.0)
        .expect("isotropic");
    // First passage on a grid of 0.05 with standard error 0.025 of the share.
    assert!((0.38..0.72).contains(&share), "{share}");
    for source in [Source::Thesis, Source::Paper] {
        let options = legacy::MarginOptions {
            source,
            r,
            start: 4.0,
            step: 0.25,
            ..legacy::MarginOptions::default()
        };
        let found = legacy_margin(&model, &x, &options, 5, &noise("e2")).expect("runs");
        assert_eq!(found.stop, LegacyStop::Condition);
        match source {
            // Up to five steps below the radius that was tested.
            Source::Thesis => {
                assert!(
                    found.radius < exact + 0.3 && found.radius > exact - 2.0,
                    "{} for {exact}",
                    found.radius
                );
            }
            // Random directions: an average-case radius, above the margin.
            Source::Paper => assert!(found.radius > exact, "{} for {exact}", found.radius),
        }
        let hopeless = legacy::MarginOptions {
            r: 1e-3,
            stop_at_zero: true,
            ..options
        };
        let found = legacy_margin(&model, &x, &hopeless, 2, &noise("e2")).expect("runs");
        assert_eq!(found.stop, LegacyStop::NonPositiveRadius);
    }
}
