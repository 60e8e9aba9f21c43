//! The empirical r-robustness margin: bisection over the attack's radius, all
//! images of a round in one batch.

use crate::EvalError;
use crate::direction::random_directions;
use crate::robust::distances;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use vaegis_attacks::search::Pgd;
use vaegis_attacks::{Attack, AttackRows, Search, Variant};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Noise, Tensor};
use vaegis_theory::bisection::{
    MarginEstimate, MarginSearch, RadiusTest, SearchMode, SearchOptions,
};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::stats::{Interval, Proportion};

/// How margins are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MarginOptions {
    /// Radius in reconstruction space.
    pub r: f64,
    /// Required probability.
    pub m: f64,
    /// Which channel is attacked.
    pub variant: Variant,
    /// Largest radius tried.
    pub cap: f64,
    /// Width of the bracket at which bisection stops.
    pub tolerance: f64,
    /// Noise draws per restart and radius.
    pub num_samples: usize,
    /// Noise draws for p₀ of the unperturbed input.
    pub num_samples_unperturbed: usize,
    /// Allowed error of the test whether the unperturbed input is robust.
    pub alpha: f64,
    /// Attack starts per radius.
    pub restarts: usize,
    /// Steps of projected gradient per start.
    pub steps: usize,
    /// Which perturbations are tried.
    #[serde(default)]
    pub direction: MarginDirection,
    /// Width of the upward scan's grid; none for plain bisection, which assumes
    /// that an input that is robust at a radius is robust at smaller ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_step: Option<f64>,
}

/// Which perturbations of a given length a margin is taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarginDirection {
    /// Those of the maximum-damage attack: the margin of the definition.
    #[default]
    Attack,
    /// A fresh random direction per radius and restart: an average-case radius,
    /// not a margin.
    Random,
    /// One random direction per restart, the same at every radius: the radius
    /// along a ray.
    Fixed,
}

impl Default for MarginOptions {
    fn default() -> Self {
        Self {
            r: 4.0,
            m: 0.5,
            variant: Variant::Both,
            cap: 12.0,
            tolerance: 0.02,
            num_samples: 400,
            num_samples_unperturbed: 4000,
            alpha: 1e-3,
            restarts: 3,
            steps: 60,
            direction: MarginDirection::Attack,
            scan_step: None,
        }
    }
}

impl MarginOptions {
    /// The attack at every radius; its starts are rows of their own.
    pub fn attack(&self) -> Attack {
        let pgd = Pgd {
            steps: self.steps,
            ..Pgd::default()
        };
        Attack {
            search: Search::Pgd(pgd),
            restarts: 1,
            score_samples: 0,
            start_spread: 1.0,
            ..Attack::max_damage(self.variant)
        }
    }

    fn check(&self) -> Result<(), EvalError> {
        let bad = |name, expected: &str, found: String| {
            Err(EvalError::BadInput {
                name,
                expected: expected.to_owned(),
                found,
            })
        };
        if !(self.m > 0.0 && self.m < 1.0) {
            return bad(
                "margins.m",
                "a probability between 0 and 1",
                self.m.to_string(),
            );
        }
        if !(self.r.is_finite() && self.r >= 0.0) {
            return bad("margins.r", "a finite radius", self.r.to_string());
        }
        if let Some(step) = self.scan_step.filter(|s| !(s.is_finite() && *s > 0.0)) {
            return bad("margins.scan-step", "a positive width", step.to_string());
        }
        for (name, value) in [
            ("margins.restarts", self.restarts),
            ("margins.num-samples", self.num_samples),
            (
                "margins.num-samples-unperturbed",
                self.num_samples_unperturbed,
            ),
        ] {
            if value == 0 {
                return bad(name, "at least 1", value.to_string());
            }
        }
        Ok(())
    }
}

/// The margin of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputMargin {
    /// Bracket and status. Attacks are incomplete, so this estimates the true
    /// margin from above.
    pub margin: MarginEstimate,
    /// P(‖Δ(x)‖ ≤ r) without perturbation.
    pub p0: Proportion,
    /// Lowest share of draws within r over the restarts tried at the smallest
    /// radius at which the input failed, with its Clopper-Pearson interval.
    /// Where the first restart's share is below m by more than its interval, no
    /// other is tried.
    pub failing: Option<FailingShare>,
    /// What the margin is worth: [`Evidence::Empirical`]. Results stored without this field say the
    /// same.
    #[serde(default = "empirical")]
    pub evidence: Evidence,
}

/// The only kind of evidence that attacks give.
fn empirical() -> Evidence {
    Evidence::Empirical
}

/// What an attack at one radius left within r.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailingShare {
    /// Radius of the attack.
    pub radius: f64,
    /// Share of draws within r.
    pub share: Proportion,
    /// Two-sided Clopper-Pearson interval of the share.
    pub interval: Interval,
}

/// Empirical margins of every input.
///
/// Every round tests each unresolved input at one radius. An input is robust
/// there when every restart of the attack, judged on fresh draws, leaves more
/// than the share m within r. One restart that does not settles the input, so the
/// first restart of all inputs runs as one batch, and the others, as a second
/// batch, only where the first does not refute the radius beyond the error of its
/// draws: the verdicts are those of running all, at about two thirds of the cost.
///
/// # Formula
/// ```text
/// R(x) = sup { ρ : P( ‖Δ(x, δ)‖₂ ≤ r ) > m for all ‖δ‖₂ ≤ ρ }
/// ```
///
/// # Shapes
/// x: `[N, C, H, W]` → `N` results
///
/// # Errors
/// A model with several latent layers; options out of range.
///
/// # References
/// r-robustness specification §4.5 (production version of Algorithm E.2).
pub fn margins(
    model: &dyn LatentModel,
    x: &Tensor,
    options: &MarginOptions,
    noise: &Noise,
    mut progress: impl FnMut(usize, usize),
) -> Result<Vec<InputMargin>, EvalError> {
    options.check()?;
    let num_rows = x.size()[0] as usize;
    let keys: Vec<u64> = (0..num_rows as u64).collect();
    let unperturbed = distances(
        model,
        x,
        x,
        options.variant,
        options.num_samples_unperturbed,
        &keys,
        &noise.child("unperturbed"),
    )?;
    let p0: Vec<Proportion> = unperturbed
        .iter()
        .map(|d| Proportion::of(d, options.r))
        .collect::<Result<_, _>>()?;
    let robust: Vec<bool> = p0
        .iter()
        .map(|p| Ok(p.upper(options.alpha)? > options.m))
        .collect::<Result<_, EvalError>>()?;
    let search_options = SearchOptions {
        cap: options.cap,
        tolerance: options.tolerance,
        mode: match options.scan_step {
            Some(step) => SearchMode::UpwardScan { step },
            None => SearchMode::Bisection,
        },
    };
    let mut search = MarginSearch::new(&robust, &search_options)?;
    let mut failing: Vec<Option<FailingShare>> = vec![None; num_rows];
    let mut round = 0;
    progress(0, search.max_rounds());
    while !search.is_finished() {
        let tests = search.radii_to_test();
        let nodes = Nodes {
            search: noise,
            round: &noise.index(round),
        };
        let mut lowest = lowest_shares(model, x, &tests, options, 0..1, nodes)?;
        // A share that is below m by chance alone does not settle an input: the lowest share is
        // what later refutes a bound.
        let mut standing = Vec::new();
        for (i, share) in lowest.iter().enumerate() {
            if share.interval(options.alpha)?.upper >= options.m {
                standing.push(i);
            }
        }
        if options.restarts > 1 && !standing.is_empty() {
            let others: Vec<RadiusTest> = standing.iter().map(|&i| tests[i]).collect();
            let restarts = 1..options.restarts;
            let shares = lowest_shares(model, x, &others, options, restarts, nodes)?;
            for (i, share) in standing.into_iter().zip(shares) {
                lowest[i] = std::cmp::min_by_key(lowest[i], share, Proportion::num_successes);
            }
        }
        let mut verdicts = Vec::with_capacity(tests.len());
        for (&RadiusTest { row, radius }, share) in tests.iter().zip(lowest) {
            let ok = share.value() > options.m;
            verdicts.push(ok);
            let smaller = failing[row].is_none_or(|f| radius < f.radius);
            if !ok && smaller {
                let interval = share.interval(options.alpha)?;
                failing[row] = Some(FailingShare {
                    radius,
                    share,
                    interval,
                });
            }
        }
        search.record(&verdicts)?;
        round += 1;
        progress(round as usize, search.max_rounds());
    }
    let margins = search.margins().into_iter().zip(p0).zip(failing);
    Ok(margins
        .map(|((margin, p0), failing)| InputMargin {
            margin,
            p0,
            failing,
            evidence: empirical(),
        })
        .collect())
}

/// Tests every input at a radius of its own: the lowest share over the restarts
/// with its interval. A bound at that radius is refuted, beyond the error of the
/// draws, where [`FailingShare::refutes`] says so.
///
/// # Shapes
/// x: `[N, C, H, W]`; radii: `N`
///
/// # Errors
/// As [`margins`].
pub fn shares_at(
    model: &dyn LatentModel,
    x: &Tensor,
    radii: &[f64],
    options: &MarginOptions,
    noise: &Noise,
) -> Result<Vec<FailingShare>, EvalError> {
    options.check()?;
    if radii.len() as i64 != x.size()[0] {
        return Err(EvalError::BadInput {
            name: "radii",
            expected: format!("{} values, one per input", x.size()[0]),
            found: radii.len().to_string(),
        });
    }
    let tests: Vec<RadiusTest> = (0..)
        .zip(radii)
        .map(|(row, &radius)| RadiusTest { row, radius })
        .collect();
    let restarts = 0..options.restarts;
    let nodes = Nodes {
        search: noise,
        round: noise,
    };
    let shares = lowest_shares(model, x, &tests, options, restarts, nodes)?;
    let each = shares.into_iter().zip(radii).map(|(share, &radius)| {
        Ok(FailingShare {
            radius,
            share,
            interval: share.interval(options.alpha)?,
        })
    });
    each.collect()
}

impl FailingShare {
    /// Whether the share is below `m` by more than its interval. The interval is that of one
    /// restart's draws: where the share is the lowest of several, the error is up to so many times
    /// α/2, for which callers divide α.
    pub fn refutes(&self, m: f64) -> bool {
        self.interval.upper < m
    }
}

/// Where the randomness of one round of a search comes from.
#[derive(Clone, Copy)]
struct Nodes<'a> {
    /// The same in every round: directions that stay.
    search: &'a Noise,
    /// New in every round: starts and draws.
    round: &'a Noise,
}

/// Lowest share of draws within r over a range of restarts, for each test. What a restart finds does
/// not depend on which others run beside it.
fn lowest_shares(
    model: &dyn LatentModel,
    x: &Tensor,
    tests: &[RadiusTest],
    options: &MarginOptions,
    restarts: Range<usize>,
    nodes: Nodes<'_>,
) -> Result<Vec<Proportion>, EvalError> {
    let index: Vec<i64> = tests.iter().map(|test| test.row as i64).collect();
    let part = x.index_select(0, &Tensor::from_slice(&index).to_device(x.device()));
    // Restarts are rows of their own, since all of them are judged.
    let tiled = part.repeat([restarts.len() as i64, 1, 1, 1]);
    let radii: Vec<f64> = tests.iter().map(|test| test.radius).collect();
    let mut attack_rows = AttackRows::untargeted(tiled, radii.repeat(restarts.len()));
    attack_rows.keys = restarts
        .clone()
        .flat_map(|restart| {
            let key = move |test: &RadiusTest| test.row as u64 | ((restart as u64) << 40);
            tests.iter().map(key)
        })
        .collect();
    let along = |directions: Tensor| {
        let radius = Tensor::from_slice(&attack_rows.radius)
            .to_kind(attack_rows.x.kind())
            .to_device(attack_rows.x.device());
        &attack_rows.x + directions * radius.reshape([-1, 1, 1, 1])
    };
    let attacked = match options.direction {
        MarginDirection::Attack => {
            let outcome =
                options
                    .attack()
                    .run(model, &attack_rows, &nodes.round.child("attack"))?;
            outcome.attacked(&attack_rows.x)
        }
        MarginDirection::Random => along(random_directions(
            &attack_rows,
            &nodes.round.child("direction"),
        )),
        MarginDirection::Fixed => along(random_directions(
            &attack_rows,
            &nodes.search.child("direction"),
        )),
    };
    let distances = distances(
        model,
        &attack_rows.x,
        &attacked,
        options.variant,
        options.num_samples,
        &attack_rows.keys,
        &nodes.round.child("judge"),
    )?;
    let shares: Vec<Proportion> = distances
        .iter()
        .map(|d| Proportion::of(d, options.r))
        .collect::<Result<_, _>>()?;
    let lowest = |i: usize| {
        (0..restarts.len())
            .map(|restart| shares[restart * tests.len() + i])
            .min_by_key(Proportion::num_successes)
            .expect("invariant: at least one restart")
    };
    Ok((0..tests.len()).map(lowest).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaegis_core::SeedTree;
    use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
    use vaegis_tensor::{Device, Kind};

    /// Measurements of earlier versions, without `evidence`, are read and not made again.
    #[test]
    fn margins_stored_without_their_evidence_are_empirical() {
        let text = r#"{
            "margin": {"status": {"status": "at_cap"}, "value": 12.0, "upper": "inf",
                       "num_tests": 1},
            "p0": {"num_successes": 399, "num_trials": 400},
            "failing": null
        }"#;
        let old: InputMargin = serde_json::from_str(text).expect("readable");
        assert_eq!(old.evidence, Evidence::Empirical);
        let now = serde_json::to_value(&old).expect("JSON");
        assert_eq!(now["evidence"]["kind"], "empirical");
    }

    /// Settling an input by its first restart changes no verdict: the search that judges every
    /// restart at every radius ends in the same brackets.
    #[test]
    fn verdicts_are_those_of_all_restarts() {
        let seed = SeedTree::new(8);
        let model = LinearGaussian::new(Kind::Double, &LinearGaussianSpec::random(6, 3, &seed));
        let noise = Noise::portable(seed.child("noise"));
        let x = noise.standard_normal(&[12, 1, 1, 6], Kind::Double, Device::Cpu);
        let options = MarginOptions {
            r: 2.0,
            restarts: 4,
            tolerance: 0.1,
            num_samples: 50,
            num_samples_unperturbed: 200,
            // Directions differ between restarts far more than attacks do.
            direction: MarginDirection::Random,
            ..MarginOptions::default()
        };
        let estimate = |options: &MarginOptions| -> Vec<MarginEstimate> {
            let found = margins(&model, &x, options, &noise, |_, _| ()).expect("runs");
            found.into_iter().map(|f| f.margin).collect()
        };
        let found = estimate(&options);

        let search_options = SearchOptions {
            cap: options.cap,
            tolerance: options.tolerance,
            mode: SearchMode::Bisection,
        };
        let mut search = MarginSearch::new(&[true; 12], &search_options).expect("valid");
        let mut round = 0;
        while !search.is_finished() {
            let nodes = Nodes {
                search: &noise,
                round: &noise.index(round),
            };
            let tests = search.radii_to_test();
            let lowest = lowest_shares(&model, &x, &tests, &options, 0..4, nodes).expect("runs");
            let verdicts: Vec<bool> = lowest.iter().map(|s| s.value() > options.m).collect();
            search.record(&verdicts).expect("as many");
            round += 1;
        }
        assert_eq!(found, search.margins());
        let alone = MarginOptions {
            restarts: 1,
            ..options
        };
        assert_ne!(found, estimate(&alone), "the other restarts decide nothing");
    }
}
