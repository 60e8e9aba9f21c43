//! What an attack on a frozen model does to a classifier that works on its output.
//!
//! Here the classifier's inputs are made and its answers are counted. Training it is the
//! business of whoever runs the experiment: any function from inputs to logits will do.

use crate::denoise::latents;
use crate::{EvalError, in_parts};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use vaegis_core::SeedTree;
use vaegis_data::{Batch, Dataset, DatasetSpec, FloatStore, Targets};
use vaegis_nn::{LatentModel, Mode};
use vaegis_tensor::convert::{to_array, to_f64_vec, to_tensor};
use vaegis_tensor::{Kind, Noise, Tensor, no_grad};
use vaegis_theory::stats::{Estimate, Proportion, bootstrap_mean_ci};

/// Inputs of one network pass.
const ROWS_PER_PASS: usize = 256;
/// Resamples of the interval of a drop.
const NUM_RESAMPLES: usize = 2000;

/// What of the model a classifier sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// The reconstruction x̃, an image.
    Reconstruction,
    /// The latents of all layers side by side, as an image `[1, 1, Σ d_l]`.
    Latent,
}

/// What a classifier of `task` sees of inputs: through one sample of the posterior, or through
/// its means without noise.
///
/// # Shapes
/// x: `[N, C, H, W]` → the same, or `[N, 1, 1, Σ d_l]`
pub fn representation(
    model: &dyn LatentModel,
    x: &Tensor,
    task: Task,
    noise: Option<&Noise>,
) -> Tensor {
    no_grad(|| {
        let parts: Vec<Tensor> = in_parts(x, ROWS_PER_PASS, |start, part| {
            let noise = noise.map(|n| n.index(start as u64));
            let z = latents(model, part, noise.as_ref());
            vec![match task {
                Task::Reconstruction => model.decode(&z, Mode::Eval).mean(),
                Task::Latent => Tensor::cat(&z, 1).unsqueeze(1).unsqueeze(1),
            }]
        });
        Tensor::cat(&parts, 0)
    })
}

/// The representations of a labeled data set, as a data set to train a classifier on.
///
/// # Errors
/// A data set without labels, without items, or that cannot be read; representations that are
/// not finite.
pub fn representation_set(
    model: &dyn LatentModel,
    data: &dyn Dataset,
    task: Task,
    noise: Option<&Noise>,
) -> Result<FloatStore, EvalError> {
    let spec = data.spec();
    let bad = |expected: &str, found: String| EvalError::BadInput {
        name: "data",
        expected: expected.to_owned(),
        found,
    };
    if data.is_empty() {
        return Err(bad("a data set with items", spec.name.clone()));
    }
    let mut batch = Batch::empty();
    let mut values = Vec::new();
    let mut labels = Vec::with_capacity(data.len());
    let mut item_shape = [0; 3];
    let indices: Vec<usize> = (0..data.len()).collect();
    for (i, part) in indices.chunks(ROWS_PER_PASS).enumerate() {
        data.batch_into(part, &mut batch)?;
        let Some(known) = &batch.labels else {
            return Err(bad("a data set with labels", spec.name.clone()));
        };
        labels.extend_from_slice(known);
        let noise = noise.map(|n| n.index(i as u64));
        let x = to_tensor(&batch.x).to_device(model.params().device());
        let seen = representation(model, &x, task, noise.as_ref()).to_kind(Kind::Float);
        let seen = to_array::<f32>(&seen)?;
        item_shape = [1, 2, 3].map(|axis| seen.shape()[axis]);
        values.extend(seen.iter());
    }
    let task_name = match task {
        Task::Reconstruction => "reconstructions",
        Task::Latent => "latents",
    };
    let digest = vaegis_core::hash::sha256_hex(&bytes_of(&values));
    let spec = DatasetSpec {
        name: format!("{} {task_name}", spec.name),
        item_shape,
        factor_names: vec![],
        factor_sizes: vec![],
        origin: format!("{task_name} of {}", spec.origin),
        checksum: digest,
        ..spec.clone()
    };
    let targets = Targets {
        labels: Some(labels),
        factors: None,
    };
    Ok(FloatStore::new(spec, values, targets)?)
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// For every input the position of another one with another label, uniform first over the other
/// labels that occur, then over their inputs: what a targeted attack aims at.
///
/// # Errors
/// Fewer than two labels occur.
pub fn targets_of_other_labels(labels: &[i64], seed: &SeedTree) -> Result<Vec<usize>, EvalError> {
    let mut classes = labels.to_vec();
    classes.sort_unstable();
    classes.dedup();
    if classes.len() < 2 {
        return Err(EvalError::BadInput {
            name: "labels",
            expected: "at least two different ones".into(),
            found: format!("{classes:?}"),
        });
    }
    let choose = |(i, label): (usize, &i64)| {
        let mut rng = seed.index(i as u64).rng();
        let own = classes.partition_point(|c| c < label);
        let other = rng.random_range(0..classes.len() - 1);
        let wanted = classes[if other < own { other } else { other + 1 }];
        let inputs: Vec<usize> = (0..labels.len()).filter(|&j| labels[j] == wanted).collect();
        inputs[rng.random_range(0..inputs.len())]
    };
    Ok(labels.iter().enumerate().map(choose).collect())
}

/// Accuracy of a classifier before and after an attack on the same inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Downstream {
    /// Share of clean inputs that are told right.
    pub clean: Proportion,
    /// Share of attacked inputs that are told right.
    pub attacked: Proportion,
    /// Attacked accuracy minus clean accuracy, negative where the attack succeeds, with a
    /// bootstrap interval over the inputs.
    pub drop: Estimate,
}

/// Whether a classifier tells every input right.
///
/// # Shapes
/// inputs: `[N, C, H, W]`, labels: `N` → `N`; `classify` maps `[B, C, H, W]` to `[B, K]`
///
/// # Errors
/// Another number of labels than inputs.
pub fn told_right(
    classify: &dyn Fn(&Tensor) -> Tensor,
    inputs: &Tensor,
    labels: &[i64],
) -> Result<Vec<bool>, EvalError> {
    if inputs.size()[0] != labels.len() as i64 {
        return Err(EvalError::BadInput {
            name: "labels",
            expected: format!("{}, one per input", inputs.size()[0]),
            found: labels.len().to_string(),
        });
    }
    let answers: Vec<f64> = no_grad(|| {
        in_parts(inputs, ROWS_PER_PASS, |_, part| {
            to_f64_vec(&classify(part).argmax(1, false))
        })
    });
    let right = answers.iter().zip(labels).map(|(&a, &l)| a as i64 == l);
    Ok(right.collect())
}

/// Accuracies and drop from the answers on clean and on attacked inputs, in the same order.
///
/// # Errors
/// No inputs, or numbers that differ.
pub fn downstream(
    clean: &[bool],
    attacked: &[bool],
    level: f64,
    seed: &SeedTree,
) -> Result<Downstream, EvalError> {
    if clean.len() != attacked.len() {
        return Err(EvalError::BadInput {
            name: "attacked",
            expected: format!("{} answers, one per clean input", clean.len()),
            found: attacked.len().to_string(),
        });
    }
    let share = |answers: &[bool]| {
        let right = answers.iter().filter(|&&a| a).count();
        Proportion::new(right as u64, answers.len() as u64)
    };
    let changes: Vec<f64> = clean
        .iter()
        .zip(attacked)
        .map(|(&before, &after)| f64::from(u8::from(after)) - f64::from(u8::from(before)))
        .collect();
    Ok(Downstream {
        clean: share(clean)?,
        attacked: share(attacked)?,
        drop: bootstrap_mean_ci(&changes, level, NUM_RESAMPLES, seed)?,
    })
}
