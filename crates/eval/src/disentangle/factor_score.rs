//! The FactorVAE score: which latent varies least while a factor stands still.

use super::Codes;
use crate::EvalError;
use crate::latent::ACTIVE_VARIANCE;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use vaegis_core::SeedTree;

/// Inputs that share the class of one factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The factor.
    pub factor: usize,
    /// The inputs.
    pub rows: Vec<usize>,
}

/// How many groups of what size are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactorScoreOptions {
    /// Inputs of a group.
    pub group_size: usize,
    /// Groups that the classifier is made from.
    pub num_train: usize,
    /// Groups that it is judged on.
    pub num_test: usize,
}

/// 800 votes of 200 inputs each, as in the source, and as many for judging.
impl Default for FactorScoreOptions {
    fn default() -> Self {
        Self {
            group_size: 200,
            num_train: 800,
            num_test: 800,
        }
    }
}

/// The score and what it is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactorScore {
    /// Share of the test groups whose factor is told from the latent that varies least.
    pub score: f64,
    /// Votes of the training groups, `[d][F]`.
    pub votes: Vec<Vec<u64>>,
    /// Latents whose means vary over the data; the others take no part.
    pub active: Vec<bool>,
}

/// The FactorVAE score of posterior means.
///
/// A group fixes a factor and a class that occurs at random and draws inputs of this class with
/// replacement.
///
/// # Errors
/// Codes whose parts do not fit, options with a zero, or no active latent.
///
/// # References
/// Kim and Mnih (2018), section 4.
pub fn factor_score(
    codes: &Codes,
    options: &FactorScoreOptions,
    seed: &SeedTree,
) -> Result<FactorScore, EvalError> {
    codes.check()?;
    let classes: Vec<Vec<Vec<usize>>> = (0..codes.num_factors())
        .map(|f| {
            codes
                .groups(f)
                .into_iter()
                .filter(|g| !g.is_empty())
                .collect()
        })
        .collect();
    let draw = |label: &str, count: usize| -> Vec<Group> {
        (0..count)
            .map(|i| {
                let mut rng = seed.child(label).index(i as u64).rng();
                let factor = rng.random_range(0..classes.len());
                let class = &classes[factor][rng.random_range(0..classes[factor].len())];
                let rows = (0..options.group_size)
                    .map(|_| class[rng.random_range(0..class.len())])
                    .collect();
                Group { factor, rows }
            })
            .collect()
    };
    let train = draw("train", options.num_train);
    factor_score_of(codes, &train, &draw("test", options.num_test))
}

/// The FactorVAE score of given groups.
///
/// # Formula
/// ```text
/// vote of a group: argminⱼ Var(μⱼ over the group) / Var(μⱼ over the data)
/// classifier: latent j tells the factor with the most votes among those for j (the first of equals)
/// score = share of the test groups whose factor is told
/// ```
///
/// # Errors
/// As [`factor_score`]; a group with fewer than two inputs or with one that does not exist.
pub fn factor_score_of(
    codes: &Codes,
    train: &[Group],
    test: &[Group],
) -> Result<FactorScore, EvalError> {
    codes.check()?;
    let whole = Group {
        factor: 0,
        rows: (0..codes.len()).collect(),
    };
    let scale = variances(codes, &whole);
    let active: Vec<bool> = scale.iter().map(|&v| v > ACTIVE_VARIANCE).collect();
    let right = |g: &Group| {
        g.factor < codes.num_factors()
            && g.rows.len() > 1
            && g.rows.iter().all(|&r| r < codes.len())
    };
    if train.is_empty() || test.is_empty() || !train.iter().chain(test).all(right) {
        return Err(EvalError::BadInput {
            name: "groups",
            expected: "groups of at least two inputs that exist, to learn from and to judge".into(),
            found: format!("{} and {} groups", train.len(), test.len()),
        });
    }
    if !active.contains(&true) {
        return Err(EvalError::BadInput {
            name: "codes",
            expected: format!("a latent with a variance above {ACTIVE_VARIANCE}"),
            found: format!("variances {scale:?}"),
        });
    }
    let vote = |group: &Group| {
        let ratios = variances(codes, group);
        (0..ratios.len())
            .filter(|&j| active[j])
            .min_by(|&a, &b| (ratios[a] / scale[a]).total_cmp(&(ratios[b] / scale[b])))
            .expect("invariant: a latent is active")
    };
    let mut votes = vec![vec![0_u64; codes.num_factors()]; codes.num_latents()];
    for group in train {
        votes[vote(group)][group.factor] += 1;
    }
    let told: Vec<usize> = votes
        .iter()
        .map(|row| {
            let most = row.iter().max().copied().unwrap_or(0);
            row.iter().position(|&v| v == most).unwrap_or(0)
        })
        .collect();
    let hits = test.iter().filter(|g| told[vote(g)] == g.factor).count();
    Ok(FactorScore {
        score: hits as f64 / test.len() as f64,
        votes,
        active,
    })
}

/// Unbiased variance of every latent's mean over a group.
fn variances(codes: &Codes, group: &Group) -> Vec<f64> {
    let n = group.rows.len() as f64;
    (0..codes.num_latents())
        .map(|j| {
            let values = || group.rows.iter().map(|&r| codes.mean[[r, j]]);
            let mean = values().sum::<f64>() / n;
            values().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)
        })
        .collect()
}
