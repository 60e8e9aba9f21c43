//! The separated attribute predictability score.

use super::Codes;
use crate::EvalError;
use serde::{Deserialize, Serialize};

/// The score and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sap {
    /// Mean over the factors of the gap between the two best latents.
    pub score: f64,
    /// How well each latent alone predicts each factor, `[F][d]`, 0 to 1.
    pub predictability: Vec<Vec<f64>>,
}

/// The separated attribute predictability score of posterior means.
///
/// # Formula
/// ```text
/// ordered factor:     S = Cov(μⱼ, v)² / (Var μⱼ Var v)
/// categorical factor: S = mean over the classes of the share of a class that the nearest
///                         class mean of μⱼ gives back; means from every other input of
///                         a class, shares of the rest
/// SAP = mean over v of (S₍₁₎ − S₍₂₎)
/// ```
/// The source leaves the thresholds of its categorical classifier open; these lie midway
/// between class means.
///
/// # Errors
/// Codes whose parts do not fit, see [`Codes::check`].
///
/// # References
/// Kumar, Sattigeri and Balakrishnan (2018), section 4.1.
pub fn sap(codes: &Codes) -> Result<Sap, EvalError> {
    codes.check()?;
    let mut predictability = Vec::with_capacity(codes.num_factors());
    let mut score = 0.0;
    for factor in 0..codes.num_factors() {
        let classes: Vec<usize> = codes.factors.column(factor).to_vec();
        let values: Vec<f64> = (0..codes.num_latents())
            .map(|j| {
                let latent = codes.mean.column(j).to_vec();
                if codes.is_categorical[factor] {
                    balanced_accuracy(&latent, &classes, codes.sizes[factor])
                } else {
                    squared_correlation(&latent, &classes)
                }
            })
            .collect();
        let [first, second] = two_largest(&values);
        score += (first - second) / codes.num_factors() as f64;
        predictability.push(values);
    }
    Ok(Sap {
        score,
        predictability,
    })
}

/// The largest and the second largest value; 0 where there is none.
pub(super) fn two_largest(values: &[f64]) -> [f64; 2] {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    [0, 1].map(|i| sorted.get(i).copied().unwrap_or(0.0))
}

fn squared_correlation(latent: &[f64], classes: &[usize]) -> f64 {
    let n = latent.len() as f64;
    let mean_z = latent.iter().sum::<f64>() / n;
    let mean_v = classes.iter().map(|&c| c as f64).sum::<f64>() / n;
    let (mut zz, mut vv, mut zv) = (0.0, 0.0, 0.0);
    for (z, &c) in latent.iter().zip(classes) {
        let (z, v) = (z - mean_z, c as f64 - mean_v);
        zz += z * z;
        vv += v * v;
        zv += z * v;
    }
    // A latent that does not move predicts nothing.
    if zz * vv > 0.0 {
        zv * zv / (zz * vv)
    } else {
        0.0
    }
}

/// Half of each class gives its mean, the other half is told by it. The halves alternate within
/// a class: factors often cycle through the rows, with a class on even rows alone.
fn balanced_accuracy(latent: &[f64], classes: &[usize], size: usize) -> f64 {
    let mut sums = vec![(0.0, 0_usize); size];
    let mut seen = vec![0_usize; size];
    let is_told: Vec<bool> = classes
        .iter()
        .map(|&class| {
            seen[class] += 1;
            seen[class].is_multiple_of(2)
        })
        .collect();
    for ((z, &class), _) in latent.iter().zip(classes).zip(&is_told).filter(|r| !r.1) {
        sums[class].0 += z;
        sums[class].1 += 1;
    }
    let means: Vec<Option<f64>> = sums
        .iter()
        .map(|&(sum, count)| (count > 0).then(|| sum / count as f64))
        .collect();
    let mut hits = vec![(0_usize, 0_usize); size];
    for ((z, &class), _) in latent.iter().zip(classes).zip(&is_told).filter(|r| *r.1) {
        let distance = |m: f64| (z - m).abs();
        let nearest = means
            .iter()
            .enumerate()
            .filter_map(|(k, m)| m.map(|m| (k, distance(m))))
            .min_by(|a, b| a.1.total_cmp(&b.1));
        hits[class].0 += usize::from(nearest.is_some_and(|(k, _)| k == class));
        hits[class].1 += 1;
    }
    let shares: Vec<f64> = hits
        .iter()
        .filter(|h| h.1 > 0)
        .map(|&(right, all)| right as f64 / all as f64)
        .collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}
