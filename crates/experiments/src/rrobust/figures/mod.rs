//! The figures of the chapter: what each asks for and how it is drawn and judged.

mod agreement;
mod appendix;
mod channels;
mod illustrations;
mod pictures;
mod rays;
mod scatter;
mod table;
mod trends;
mod worth;

use super::measure::Measure;
use super::study::{Networks, Request, Study};
use crate::page::Page;
use anyhow::Result;

const MNIST: &str = "mnist";
const FASHION: &str = "fashion-mnist";
const CIFAR: &str = "cifar10";

/// One figure of the sources.
pub(super) struct Spec {
    /// Id on the command line.
    pub(super) id: &'static str,
    /// One line for lists.
    pub(super) title: &'static str,
    /// Where it stands.
    pub(super) sources: &'static str,
    /// What it needs of networks; illustrations need nothing.
    pub(super) requests: &'static [Request],
    /// Draws and judges it.
    pub(super) draw: fn(&Study<'_>, &str, &mut Page) -> Result<()>,
    /// Minutes at desk tier on two idle cores with nothing in the cache.
    pub(super) minutes: u32,
}

const fn ask(set: &'static str, networks: Networks, measures: &'static [Measure]) -> Request {
    Request {
        set,
        networks,
        measures,
    }
}

const PICTURES: &[Measure] = &[Measure::Quality, Measure::Margins];
const SCATTER: &[Measure] = &[
    Measure::Quality,
    Measure::Bounds,
    Measure::Encoder,
    Measure::Margins,
    Measure::MeanMargins,
    Measure::AtBounds,
    Measure::Rays,
    Measure::Damage,
];
const CHANNELS: &[Measure] = &[Measure::Quality, Measure::Channels];
const ENCODER: &[Measure] = &[Measure::Quality, Measure::Encoder];
const NOISE: &[Measure] = &[Measure::Quality, Measure::Encoder, Measure::InputNoise];
const NOISY_PICTURES: &[Measure] = &[Measure::Quality, Measure::Margins, Measure::InputNoise];

/// All figures, in the order of the sources.
pub(super) const FIGURES: &[Spec] = &[
    Spec {
        id: "fig-6.1",
        title: "attacked and reconstructed images of a robust and of a non-robust network",
        sources: "thesis figure 6.1; paper figure 1",
        requests: &[
            ask(MNIST, Networks::All, PICTURES),
            ask(FASHION, Networks::All, PICTURES),
        ],
        draw: pictures::robust_and_not,
        minutes: 15,
    },
    Spec {
        id: "fig-6.2",
        title: "r-robustness in a linear example, exact",
        sources: "thesis figure 6.2; paper figure 2",
        requests: &[],
        draw: illustrations::robustness,
        minutes: 0,
    },
    Spec {
        id: "fig-6.3",
        title: "the margin and its bounds in a linear example, exact",
        sources: "thesis figure 6.3; paper figure 2",
        requests: &[],
        draw: illustrations::margin,
        minutes: 0,
    },
    Spec {
        id: "fig-6.4",
        title: "damage carried by the encoder's mean, by its scale, and by both",
        sources: "thesis figure 6.4",
        requests: &[
            ask(MNIST, Networks::All, CHANNELS),
            ask(FASHION, Networks::All, CHANNELS),
            ask(CIFAR, Networks::All, CHANNELS),
        ],
        draw: channels::damage_per_channel,
        minutes: 20,
    },
    Spec {
        id: "fig-6.5",
        title: "probability of staying within r along a fixed direction",
        sources: "thesis figure 6.5; paper figure 3",
        requests: &[ask(
            MNIST,
            Networks::Betas,
            &[Measure::Quality, Measure::Rays, Measure::Margins],
        )],
        draw: rays::along_a_direction,
        minutes: 8,
    },
    Spec {
        id: "fig-6.6",
        title: "margin bound against estimated margin, and margin against degradation",
        sources: "thesis figure 6.6; paper figure 4",
        requests: &[
            ask(MNIST, Networks::All, SCATTER),
            ask(FASHION, Networks::All, SCATTER),
            ask(CIFAR, Networks::All, SCATTER),
        ],
        draw: scatter::bound_against_margin,
        minutes: 75,
    },
    Spec {
        id: "fig-6.7",
        title: "what an offset τ on the encoder's noise does",
        sources: "thesis figure 6.7; paper figure 5",
        requests: &[ask(
            MNIST,
            Networks::Taus,
            &[
                Measure::Quality,
                Measure::Bounds,
                Measure::Encoder,
                Measure::Margins,
                Measure::OtherMargins,
                Measure::Rays,
                Measure::Damage,
                Measure::InputNoise,
            ],
        )],
        draw: trends::offset_on_sigma,
        minutes: 10,
    },
    Spec {
        id: "fig-6.8",
        title: "attacked images by β",
        sources: "thesis figure 6.8; paper figure 6",
        requests: &[ask(
            MNIST,
            Networks::Betas,
            &[Measure::Quality, Measure::Margins, Measure::Damage],
        )],
        draw: pictures::attacked_by_beta,
        minutes: 8,
    },
    Spec {
        id: "fig-6.9",
        title: "margins, likelihood under attack, σ and ‖J‖ against β",
        sources: "thesis figure 6.9; paper figure 7",
        requests: &[ask(
            MNIST,
            Networks::Betas,
            &[
                Measure::Quality,
                Measure::Bounds,
                Measure::Encoder,
                Measure::Margins,
                Measure::OtherMargins,
                Measure::Damage,
            ],
        )],
        draw: trends::beta,
        minutes: 10,
    },
    Spec {
        id: "fig-e.1",
        title: "the worst case of the bound, exact",
        sources: "thesis figure E.1; paper figure 8",
        requests: &[],
        draw: illustrations::worst_case,
        minutes: 0,
    },
    Spec {
        id: "fig-e.2",
        title: "probability of staying within r without an attack, against r",
        sources: "thesis figure E.2; paper figure 9",
        requests: &[ask(
            MNIST,
            Networks::All,
            &[Measure::Quality, Measure::Bounds, Measure::Acceptance],
        )],
        draw: appendix::acceptance,
        minutes: 12,
    },
    Spec {
        id: "fig-e.3",
        title: "samples, noise sensitivity, σ, ‖J‖ and bound against β on MNIST",
        sources: "thesis figure E.3; paper figure 10",
        requests: &[ask(MNIST, Networks::All, NOISE)],
        draw: appendix::encoder_on_mnist,
        minutes: 12,
    },
    Spec {
        id: "fig-e.4",
        title: "samples, noise sensitivity, σ, ‖J‖ and bound against β on Fashion-MNIST",
        sources: "thesis figure E.4; paper figure 11",
        requests: &[ask(FASHION, Networks::All, NOISE)],
        draw: appendix::encoder_on_fashion,
        minutes: 6,
    },
    Spec {
        id: "fig-e.5",
        title: "σ, ‖J‖ and bound against β on CIFAR-10",
        sources: "thesis figure E.5",
        requests: &[ask(CIFAR, Networks::All, ENCODER)],
        draw: appendix::encoder_on_cifar,
        minutes: 7,
    },
    Spec {
        id: "fig-e.6",
        title: "reconstructions of noisy images by β on Fashion-MNIST",
        sources: "thesis figure E.6; paper figure 12",
        requests: &[ask(FASHION, Networks::Betas, NOISY_PICTURES)],
        draw: pictures::noisy_by_beta,
        minutes: 6,
    },
];
