//! One model of table 5.1: classifiers on what it gives, and what attacks do to their answers.

use super::config::DownstreamConfig;
use crate::RunCtx;
use crate::averages;
use crate::claims::LEVEL;
use crate::images::Images;
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use vaegis_attacks::record::{AttackRecord, describe};
use vaegis_attacks::{Attack, AttackRows};
use vaegis_data::Dataset;
use vaegis_eval::downstream::{
    Downstream, Task, downstream, representation, representation_set, targets_of_other_labels,
    told_right,
};
use vaegis_eval::elbo::{ElboRow, elbo, mean};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Kind, Noise, ParamStore, Tensor};
use vaegis_train::Trainer;
use vaegis_zoo::{Classifier, ClassifierConfig, ClassifierNetwork};

/// The classifiers of the table.
pub(super) const TASKS: [&str; 3] = ["MLP(x̃)", "Conv(x̃)", "MLP(z)"];

/// What one model came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Per task, per attack: the sources' first, then one per norm.
    pub(super) accuracy: Vec<Vec<Downstream>>,
    /// How strong each attack was.
    pub(super) attacks: Vec<Strength>,
    /// Likelihood and divergence of the clean images.
    pub(super) quality: ElboRow,
}

/// How strong an attack was, on average over the images.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Strength {
    /// ‖d‖.
    #[serde(with = "vaegis_core::codec::float")]
    pub(super) norm: f64,
    /// Σ KL between the posteriors of input and target, before.
    #[serde(with = "vaegis_core::codec::float")]
    pub(super) before: f64,
    /// The same after the attack.
    #[serde(with = "vaegis_core::codec::float")]
    pub(super) after: f64,
    /// Share of the way to the target's own likelihood, of the means over the images.
    #[serde(with = "vaegis_core::codec::float")]
    pub(super) success: f64,
}

impl Strength {
    fn of(records: &[AttackRecord]) -> Self {
        let mean = |pick: fn(&AttackRecord) -> f64| averages::mean(records.iter().map(pick));
        let nothing = mean(|r| r.nll_target_no_attack);
        let success =
            (nothing - mean(|r| r.nll_target)) / (nothing - mean(|r| r.nll_target_perfect));
        Self {
            norm: mean(|r| r.norm_l2),
            before: mean(|r| r.divergence_clean),
            after: mean(|r| r.divergence),
            success,
        }
    }
}

/// Measures one model.
///
/// Noise and targets depend on `noise` alone, so that all models of a replicate meet the same.
pub(super) fn measure(
    ctx: &RunCtx,
    config: &DownstreamConfig,
    images: &Images,
    model: &dyn LatentModel,
    noise: &Noise,
) -> Result<Outcome> {
    let positions: Vec<usize> = (0..images.test.len()).collect();
    let x = images.test_images(&positions, ctx)?;
    let labels = images.test.batch(&positions)?.labels;
    let labels = labels.context("table 5.1 needs images with labels")?;
    let chosen = targets_of_other_labels(&labels, noise.child("targets").seed())?;
    let target = images.test_images(&chosen, ctx)?;

    let (mut attacked, mut attacks) = (Vec::new(), Vec::new());
    let rows = |lambda: f64, radius: f64| {
        let targets = target.shallow_clone();
        let mut rows = AttackRows::targeted(x.shallow_clone(), targets, vec![lambda; labels.len()]);
        rows.radius = vec![radius; labels.len()];
        rows
    };
    let mut attack_with = |attack: &Attack, rows: &AttackRows| -> Result<()> {
        let outcome = attack.run(model, rows, &noise.child("attack"))?;
        let drawn = noise.child("described");
        let records = describe(
            model,
            attack,
            rows,
            &positions,
            &outcome,
            config.samples,
            &drawn,
        );
        attacks.push(Strength::of(&records));
        attacked.push(outcome.attacked(&rows.x));
        Ok(())
    };
    attack_with(&config.penalized, &rows(config.lambda, f64::INFINITY))?;
    for &norm in &config.norms {
        attack_with(&config.bounded, &rows(0.0, norm))?;
    }

    let train = &*images.train;
    let classes = images.train.spec().num_classes.context("classes")? as i64;
    let mut accuracy = Vec::new();
    for task in [Task::Reconstruction, Task::Latent] {
        let seen = representation_set(model, train, task, Some(&noise.child("training")))?;
        let seen: Arc<dyn Dataset> = Arc::new(seen);
        // The same draws before and after: a drop is the attack's doing.
        let given = |x: &Tensor| representation(model, x, task, Some(&noise.child("judged")));
        let clean = given(&x);
        let after: Vec<Tensor> = attacked.iter().map(given).collect();
        let networks = match task {
            Task::Reconstruction => vec![("mlp", &config.mlp), ("conv", &config.conv)],
            Task::Latent => vec![("latent", &config.mlp)],
        };
        for (name, network) in networks {
            let own = noise.child(name);
            let classifier = classifier(ctx, config, &seen, (network, classes), &own)?;
            let classify = |x: &Tensor| classifier.logits(x);
            let right = |inputs: &Tensor| told_right(&classify, inputs, &labels);
            let before = right(&clean)?;
            let seed = own.child("interval");
            let judge = |inputs: &Tensor| -> Result<Downstream> {
                Ok(downstream(&before, &right(inputs)?, LEVEL, seed.seed())?)
            };
            accuracy.push(after.iter().map(judge).collect::<Result<_>>()?);
        }
    }
    Ok(Outcome {
        accuracy,
        attacks,
        quality: mean(&elbo(model, &x, config.samples, &noise.child("elbo"))),
    })
}

/// Trains a classifier on what the model gives for clean images.
fn classifier(
    ctx: &RunCtx,
    config: &DownstreamConfig,
    data: &Arc<dyn Dataset>,
    (network, num_classes): (&ClassifierNetwork, i64),
    noise: &Noise,
) -> Result<Classifier> {
    let init = Noise::portable(noise.child("init").seed().clone());
    let store = ParamStore::new(Kind::Float, ctx.device, init);
    let of = ClassifierConfig {
        input: data.spec().item_shape.map(|n| n as i64),
        num_classes,
        network: network.clone(),
    };
    let classifier = Classifier::new(&of, &store)?;
    let (train, seed) = (config.classifiers.clone(), noise.child("train"));
    Trainer::new(
        &classifier,
        Arc::clone(data),
        train,
        seed.seed().clone(),
        None,
        vec![],
    )?
    .train()?;
    store.set_trainable(false);
    Ok(classifier)
}
