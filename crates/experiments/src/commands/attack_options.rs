//! Which attack the options of `vaegis attack` describe.

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use vaegis_attacks::search::{AdamSearch, Apgd, Lbfgs, Pgd, RandomSearch};
use vaegis_attacks::{
    Attack, Ball, BoxBounds, Direction, HierMode, Layers, Objective, Penalty, Search,
};
use vaegis_zoo::Profile;

/// Objective, price, box and search.
#[derive(Clone, Debug, Args)]
pub struct AttackOptions {
    /// What the attacker minimizes
    #[arg(long, value_enum)]
    pub objective: ObjectiveName,
    /// Price of the distortion d [default: l2; none in a ball]
    #[arg(long, value_enum)]
    pub penalty: Option<PenaltyName>,
    /// Hard limit on the distortion instead of a price: --radii instead of --lambdas
    #[arg(long, value_enum, default_value_t)]
    pub ball: BallName,
    /// Latent layers that a latent attack compares: all, bottom, top, or numbers such as 1,3
    /// with 1 nearest the data
    #[arg(long, value_name = "LAYERS", value_parser = parse_layers)]
    pub layers: Option<Layers>,
    /// Chains of draws along which a latent attack compares upper layers, with common random
    /// numbers; 0 compares them along the chain of means
    #[arg(long, value_name = "N")]
    pub chains: Option<usize>,
    /// Order of the arguments of the KL divergence
    #[arg(long, value_enum)]
    pub direction: Option<DirectionName>,
    /// Noise draws per evaluation of an output attack, drawn once per pair [default: 1 for
    /// output; 0, which is the mean reconstruction, for output-l2]
    #[arg(long, value_name = "N")]
    pub objective_samples: Option<usize>,
    /// Box that x + d stays in [default: the data's range; [0, 1] for attacks with a price on
    /// models of the profile as-plotted, whose published panels were made so]
    #[arg(long, value_enum)]
    pub bounds: Option<BoundsName>,
    /// Search [default: lbfgs with a price, pgd in a ball]
    #[arg(long, value_enum)]
    pub optimizer: Option<OptimizerName>,
    /// Most iterations per attack [default: 1500 of L-BFGS-B, 3000 of Adam, 60 of PGD, 100 of
    /// APGD, 100 points of the random search]
    #[arg(long, value_name = "N")]
    pub max_iterations: Option<usize>,
    /// Most evaluations of L-BFGS-B per attack
    #[arg(long, value_name = "N", default_value_t = 1500)]
    pub max_evaluations: usize,
    /// Starts per attack; the best is kept
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub restarts: usize,
}

/// The objectives by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectiveName {
    /// KL divergence of the posteriors, attacked from target
    Kl,
    /// 2-Wasserstein distance of the posteriors
    W2,
    /// Its square
    W2Squared,
    /// Minus the target's ELBO under the attacked posterior
    Output,
    /// Squared distance of the reconstruction to the target
    OutputL2,
}

impl ObjectiveName {
    fn objective(self) -> Objective {
        match self {
            Self::Kl => Objective::LATENT_KL,
            Self::W2 => Objective::LATENT_W2,
            Self::W2Squared => Objective::LatentW2 {
                layers: Layers::All,
                squared: true,
                hier_mode: HierMode::Mean,
            },
            Self::Output => Objective::OUTPUT_ELBO,
            Self::OutputL2 => Objective::OutputL2 { samples: 0 },
        }
    }

    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kl => "kl",
            Self::W2 => "w2",
            Self::W2Squared => "w2-squared",
            Self::Output => "output",
            Self::OutputL2 => "output-l2",
        }
    }

    fn is_latent(self) -> bool {
        matches!(self, Self::Kl | Self::W2 | Self::W2Squared)
    }
}

/// The penalties by the names of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PenaltyName {
    /// λ‖d‖
    #[default]
    L2,
    /// λ‖d‖²
    L2Squared,
}

/// The balls by the names of the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BallName {
    /// No limit
    #[default]
    None,
    /// ‖d‖₂ at most the radius
    L2,
    /// Every entry of d at most the radius
    Linf,
}

impl BallName {
    pub(super) fn ball(self) -> Ball {
        match self {
            Self::None => Ball::None,
            Self::L2 => Ball::L2,
            Self::Linf => Ball::LInf,
        }
    }
}

/// The orders of the KL divergence by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DirectionName {
    /// KL(attacked ‖ target), the default
    Forward,
    /// KL(target ‖ attacked)
    Reverse,
    /// The sum of both
    Symmetric,
}

/// The boxes by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BoundsName {
    /// The model's own pixel range
    DataRange,
    /// [0, 1] whatever the data's range, as the published color panels show
    UnitLegacy,
    /// No box
    Free,
}

/// The searches by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptimizerName {
    /// Batched L-BFGS-B, as the sources
    Lbfgs,
    /// Adam with projection
    Adam,
    /// Projected gradient with a decaying step, in a ball
    Pgd,
    /// Projected gradient with the step rule of Auto-PGD, in a ball
    Apgd,
    /// The best of random points of full length, in a ball: what an attack must beat
    Random,
}

fn parse_layers(text: &str) -> Result<Layers, String> {
    let refuse =
        || format!("expected all, bottom, top or different layer numbers from 1, found {text:?}");
    match text {
        "all" => Ok(Layers::All),
        "bottom" => Ok(Layers::Bottom),
        "top" => Ok(Layers::Top),
        list => {
            let numbers: Result<Vec<usize>, _> =
                list.split(',').map(|n| n.trim().parse()).collect();
            numbers
                .ok()
                .and_then(|n| Layers::only(&n))
                .ok_or_else(refuse)
        }
    }
}

impl AttackOptions {
    /// The attack on a model of this profile; restarts are compared on `score_samples` draws.
    ///
    /// # Errors
    /// Options that the objective or the search does not know.
    pub fn attack(&self, profile: Option<Profile>, score_samples: usize) -> Result<Attack> {
        let mut attack = Attack::penalized(self.objective()?);
        attack.search = self.search();
        attack.constraint.ball = self.ball.ball();
        let is_free = self.ball == BallName::None;
        attack.constraint.penalty = match self.penalty {
            Some(_) if !is_free => bail!(
                "--penalty: expected without --ball, which limits the distortion itself; leave one \
                 of them out"
            ),
            None if !is_free => Penalty::None,
            None | Some(PenaltyName::L2) => Penalty::L2,
            Some(PenaltyName::L2Squared) => Penalty::L2Squared,
        };
        attack.constraint.bounds = match self.bounds {
            Some(BoundsName::DataRange) => BoxBounds::DataRange,
            Some(BoundsName::UnitLegacy) => BoxBounds::UnitLegacy,
            Some(BoundsName::Free) => BoxBounds::Free,
            // That box need not hold the images themselves, so no ball fits into it.
            None if is_free && profile.is_some_and(Profile::attacks_in_unit_box) => {
                BoxBounds::UnitLegacy
            }
            None => BoxBounds::DataRange,
        };
        attack.restarts = self.restarts;
        if self.restarts > 1 {
            // Restarts have noise of their own; common draws compare them fairly.
            attack.score_samples = score_samples.max(1);
        }
        attack.check()?;
        Ok(attack)
    }

    fn search(&self) -> Search {
        let default = if self.ball == BallName::None {
            OptimizerName::Lbfgs
        } else {
            OptimizerName::Pgd
        };
        let steps = |default: usize| self.max_iterations.unwrap_or(default);
        match self.optimizer.unwrap_or(default) {
            OptimizerName::Lbfgs => {
                let lbfgs = Lbfgs::default();
                Search::Lbfgs(Lbfgs {
                    max_iterations: steps(lbfgs.max_iterations),
                    max_evaluations: self.max_evaluations,
                    ..lbfgs
                })
            }
            OptimizerName::Adam => {
                let adam = AdamSearch::default();
                let steps = steps(adam.steps);
                Search::Adam(AdamSearch { steps, ..adam })
            }
            OptimizerName::Pgd => {
                let pgd = Pgd::default();
                let steps = steps(pgd.steps);
                Search::Pgd(Pgd { steps, ..pgd })
            }
            OptimizerName::Apgd => {
                let apgd = Apgd::default();
                let steps = steps(apgd.steps);
                Search::Apgd(Apgd { steps, ..apgd })
            }
            OptimizerName::Random => Search::Random(RandomSearch {
                trials: steps(RandomSearch::default().trials),
            }),
        }
    }

    fn objective(&self) -> Result<Objective> {
        let name = self.objective;
        let latent_only = [
            ("--layers", self.layers.is_some()),
            ("--chains", self.chains.is_some()),
        ];
        for (option, is_given) in latent_only {
            if is_given && !name.is_latent() {
                bail!(
                    "{option}: expected with a latent objective (kl, w2, w2-squared), which alone \
                     compares layers; found it with {}",
                    name.name()
                );
            }
        }
        if self.objective_samples.is_some() && name.is_latent() {
            bail!(
                "--objective-samples: expected with an output objective; found it with {}, which \
                 draws no noise but for --chains",
                name.name()
            );
        }
        if self.direction.is_some() && name != ObjectiveName::Kl {
            bail!(
                "--direction: expected with --objective kl; found it with {}",
                name.name()
            );
        }
        let mut objective = name.objective();
        if let Some(layers) = self.layers {
            objective = objective.with_layers(layers);
        }
        if let Some(samples @ 1..) = self.chains {
            objective = objective.with_hier_mode(HierMode::Crn { samples });
        }
        if let (Some(chosen), Objective::LatentKl { direction, .. }) =
            (self.direction, &mut objective)
        {
            *direction = match chosen {
                DirectionName::Forward => Direction::Forward,
                DirectionName::Reverse => Direction::Reverse,
                DirectionName::Symmetric => Direction::Symmetric,
            };
        }
        if let Some(samples) = self.objective_samples {
            objective = objective.with_samples(samples);
        }
        Ok(objective)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: AttackOptions,
    }

    fn attack(words: &str, profile: Option<Profile>) -> Result<Attack> {
        let words = ["attack", "--objective"]
            .into_iter()
            .chain(words.split(' '));
        let line = Line::try_parse_from(words)?;
        line.options.attack(profile, 16)
    }

    #[test]
    fn options_reach_the_attack() {
        let found = attack(
            "kl --layers 2,1 --chains 3 --direction reverse --optimizer adam --max-iterations 7 \
             --penalty l2-squared --restarts 2",
            None,
        );
        let found = found.expect("a good line");
        let expected = Objective::LatentKl {
            layers: Layers::only(&[1, 2]).expect("a set"),
            direction: Direction::Reverse,
            hier_mode: HierMode::Crn { samples: 3 },
        };
        assert_eq!(found.objective, expected);
        assert_eq!(found.constraint.penalty, Penalty::L2Squared);
        assert_eq!((found.restarts, found.score_samples), (2, 16));
        let Search::Adam(adam) = found.search else {
            panic!("{:?} is not Adam", found.search);
        };
        assert_eq!(adam.steps, 7);
        let in_ball = attack("kl --ball linf --optimizer apgd --max-iterations 9", None);
        let in_ball = in_ball.expect("a good line");
        assert_eq!(in_ball.constraint.penalty, Penalty::None);
        assert_eq!(in_ball.constraint.ball, Ball::LInf);
        assert!(matches!(
            in_ball.search,
            Search::Apgd(Apgd { steps: 9, .. })
        ));
        let default = attack("kl --ball l2", None).expect("a good line");
        assert_eq!(default.search, Search::Pgd(Pgd::default()));
        let output = attack("output --objective-samples 5", None).expect("a good line");
        assert_eq!(output.objective, Objective::OutputElbo { samples: 5 });
    }

    /// SB-42: the box goes with the profile unless it is asked for.
    #[test]
    fn published_numbers_were_made_in_the_unit_box() {
        let bounds = |words, profile| attack(words, profile).expect("good").constraint.bounds;
        assert_eq!(
            bounds("kl", Some(Profile::AsPlotted)),
            BoxBounds::UnitLegacy
        );
        assert_eq!(bounds("kl", Some(Profile::Text)), BoxBounds::DataRange);
        assert_eq!(bounds("kl", None), BoxBounds::DataRange);
        let in_ball = bounds("kl --ball l2", Some(Profile::AsPlotted));
        assert_eq!(in_ball, BoxBounds::DataRange);
        let asked = bounds("kl --bounds data-range", Some(Profile::AsPlotted));
        assert_eq!(asked, BoxBounds::DataRange);
    }

    #[test]
    fn options_that_say_nothing_here_are_refused() {
        for (words, option) in [
            ("output --layers top", "--layers"),
            ("output-l2 --chains 2", "--chains"),
            ("w2 --direction reverse", "--direction"),
            ("w2-squared --objective-samples 2", "--objective-samples"),
            ("kl --ball l2 --penalty l2", "--penalty"),
            ("kl --optimizer pgd", "without a ball"),
            ("kl --layers 0", "layer numbers from 1"),
            ("kl --layers middle", "found \"middle\""),
        ] {
            let error = attack(words, None).expect_err(words).to_string();
            assert!(error.contains(option), "{words}: {error}");
        }
    }
}
