//! Certificates of Lipschitz VAEs where they are easily vacuous: two samples with a
//! scale that moves, and layers whose orthonormalization was stopped early.

use vaegis_attacks::Variant;
use vaegis_core::SeedTree;
use vaegis_eval::bounds::BoundOptions;
use vaegis_eval::certificate::{
    Certificate, InputCertificates, LayerNorms, ModelConstants, Term, certify, certify_measured,
};
use vaegis_eval::hunt::{HuntOptions, hunt};
use vaegis_nn::lipschitz::{Bjorck, BjorckScaling};
use vaegis_nn::{LatentModel, LikelihoodKind};
use vaegis_tensor::{Device, Kind, Noise, ParamStore};
use vaegis_zoo::{LipschitzVae, LipschitzVaeConfig, SigmaConfig};

const HUNT: HuntOptions = HuntOptions {
    steps: 15,
    restarts: 2,
    samples: 4,
    num_draws: 2000,
    alpha: 1e-6,
};

fn noise(label: &str) -> Noise {
    Noise::portable(SeedTree::new(37).child(label))
}

fn small_config(sigma: SigmaConfig) -> LipschitzVaeConfig {
    LipschitzVaeConfig {
        input: [1, 4, 4],
        latent: 3,
        hidden: vec![12, 8],
        encoder_lipschitz: 4.0,
        decoder_lipschitz: 8.0,
        likelihood: LikelihoodKind::Bernoulli,
        sigma,
        ..LipschitzVaeConfig::default()
    }
}

fn configured(config: &LipschitzVaeConfig) -> LipschitzVae {
    let store = ParamStore::new(Kind::Float, Device::Cpu, noise("weights"));
    let model = LipschitzVae::new(config, &store).expect("valid");
    store.set_trainable(false);
    model
}

fn of(input: &InputCertificates, variant: Variant) -> &Certificate {
    let found = input.certificates.iter().find(|c| c.variant == variant);
    found.expect("certified for this variant")
}

/// C20, V3 with c > 0: where the radius leaves room above the ball of σ, every term that uses c is
/// positive and survives, and fifty times the best radius does not.
#[test]
fn two_sample_certificates_with_a_moving_scale_are_positive_and_survive_the_hunt() {
    let model = configured(&LipschitzVaeConfig {
        decoder_lipschitz: 2.0,
        likelihood: LikelihoodKind::Gaussian { sigma: 1.0 },
        ..small_config(SigmaConfig::Network {
            lipschitz: 2.0,
            r: 0.5,
        })
    });
    let images = noise("images").uniform(&[6, 1, 4, 4], Kind::Float, Device::Cpu);
    let options = BoundOptions {
        r: 2.0,
        ..BoundOptions::default()
    };
    let found = certify(&model, &images, &options, &noise("certify")).expect("certifies");
    let constants = ModelConstants::of(&model.network_paths().expect("fully connected"));
    assert!(constants.sigma.is_some_and(|c| c > 0.4), "{constants:?}");
    let hunted = |radii: &[f64]| {
        let variant = Variant::TwoSample;
        hunt(
            &model,
            &images,
            radii,
            variant,
            options.r,
            &HUNT,
            &noise("hunt"),
        )
        .expect("runs")
    };
    let radii = |term: Option<Term>| -> Vec<f64> {
        let of_input = |input| {
            let certificate = of(input, Variant::TwoSample);
            let mut terms = certificate.terms.iter();
            match term {
                Some(term) => terms.find(|t| t.term == term).expect("computed").radius,
                None => certificate.best.radius,
            }
        };
        found.iter().map(of_input).collect()
    };
    for term in [Term::Markov, Term::TightMarkov, Term::Tail, Term::Quantile] {
        let radii = radii(Some(term));
        assert!(
            radii.iter().all(|&radius| radius > 0.0),
            "{term:?}: {radii:?}"
        );
    }
    let best = radii(None);
    let trials = hunted(&best);
    assert_eq!(trials.len(), best.len());
    for trial in &trials {
        assert!(!trial.refutes(0.5), "{trial:?}");
    }
    let long: Vec<f64> = best.iter().map(|radius| 50.0 * radius).collect();
    assert!(
        hunted(&long).iter().any(|t| t.refutes(0.5)),
        "the hunt finds what is there"
    );
}

/// C20: a network whose layers have not become orthonormal is refused with what to do; what it is
/// certified for as it is says so, and holds.
#[test]
fn unconverged_layers_are_refused_and_their_measured_norms_are_labeled() {
    let images = noise("images").uniform(&[6, 1, 4, 4], Kind::Float, Device::Cpu);
    let options = BoundOptions {
        r: 1.0,
        ..BoundOptions::default()
    };
    let constant = SigmaConfig::Constant { gamma: 0.1 };
    let steps = |eval_steps| LipschitzVaeConfig {
        bjorck: Bjorck {
            eval_steps,
            scaling: BjorckScaling::Size,
            ..Bjorck::default()
        },
        ..small_config(constant)
    };
    let short = configured(&steps(6));
    let error = certify(&short, &images, &options, &noise("certify")).expect_err("refused");
    let message = error.to_string();
    assert!(
        message.contains("Björck") && message.contains("certify_measured"),
        "{message}"
    );
    let measured = |model: &LipschitzVae| {
        certify_measured(model, &images, &options, &noise("certify")).expect("certifies")
    };
    let found = measured(&short);
    let norms = |input: &InputCertificates| of(input, Variant::Both).layer_norms;
    assert!(
        found
            .iter()
            .all(|input| norms(input) == LayerNorms::MeasuredOnly)
    );
    let text = serde_json::to_string(&found[0].certificates).expect("serializes");
    assert!(text.contains("measured-only"), "{text}");
    let radii: Vec<f64> = found
        .iter()
        .map(|i| of(i, Variant::Both).best.radius)
        .collect();
    let trials = hunt(
        &short,
        &images,
        &radii,
        Variant::Both,
        options.r,
        &HUNT,
        &noise("hunt"),
    );
    let trials = trials.expect("runs");
    assert_eq!(trials.len(), radii.len());
    assert!(trials.iter().all(|trial| !trial.refutes(0.5)), "{trials:?}");
    // With enough steps both ways give the same, and nothing is labeled.
    let long = configured(&steps(60));
    let certified = certify(&long, &images, &options, &noise("certify")).expect("orthonormal");
    assert_eq!(certified, measured(&long));
    assert!(
        certified
            .iter()
            .all(|input| norms(input) == LayerNorms::Promised)
    );
}
