//! The figures of the chapter: where each stands and what draws and judges it.

mod attack_pictures;
mod denoising;
mod depth;
mod disentanglement;
mod distances;
mod downstream;
mod encoder_noise;
mod layers;
mod loss_against_beta;
mod parts;
mod quality;
mod rotation;
mod swiss_roll;
mod three_attacks;

pub(super) use attack_pictures::AttackPicturesConfig;
pub(super) use downstream::DownstreamConfig;
pub(super) use encoder_noise::PortraitsConfig;
pub(super) use rotation::RotationConfig;
pub(super) use swiss_roll::SwissRollConfig;

use crate::RunCtx;
use crate::page::Page;
use anyhow::Result;

/// One figure or table of the sources.
pub(super) struct Spec {
    /// Id on the command line.
    pub(super) id: &'static str,
    /// One line for lists.
    pub(super) title: &'static str,
    /// Where it stands.
    pub(super) sources: &'static str,
    /// What it is measured on here.
    pub(super) datasets: &'static str,
    /// Minutes at desk tier on two idle cores with nothing in the cache.
    pub(super) minutes: u32,
    /// Trains, measures, draws and judges.
    pub(super) draw: fn(&RunCtx, &str, &mut Page) -> Result<()>,
}

/// All of them, in the order of the sources; what is not in the sources comes last.
pub(super) const FIGURES: &[Spec] = &[
    Spec {
        id: "fig-5.1",
        title: "attacked images of a VAE, a β-TCVAE and a Seatbelt-VAE",
        sources: "thesis figure 5.1; paper figure 1",
        datasets: "CelebA (toy-faces where it is not at hand)",
        minutes: 3,
        draw: attack_pictures::draw,
    },
    Spec {
        id: "fig-5.2",
        title: "aggregate posteriors and reconstructions of a Swiss roll",
        sources: "thesis figure 5.2; paper figure A.7",
        datasets: "Swiss roll",
        minutes: 3,
        draw: swiss_roll::draw,
    },
    Spec {
        id: "fig-5.3",
        title: "encoder noise, likelihood and ELBO against β",
        sources: "thesis figure 5.3; paper figure 2",
        datasets: "CelebA (toy-faces where it is not at hand)",
        minutes: 5,
        draw: encoder_noise::draw,
    },
    Spec {
        id: "fig-5.4",
        title: "loss of the latent attack against β, β-TCVAE",
        sources: "thesis figure 5.4; paper figure 3",
        datasets: "toy-faces, toy-chairs (stand-ins), dSprites 64 × 64 (regenerated)",
        minutes: 15,
        draw: loss_against_beta::draw,
    },
    Spec {
        id: "fig-5.5",
        title: "rotation of a heart as an attack's target",
        sources: "thesis figure 5.5; paper figure 4",
        datasets: "dSprites (the published file, or drawn here)",
        minutes: 8,
        draw: rotation::draw,
    },
    Spec {
        id: "fig-5.6",
        title: "three attacks on β-TCVAE and Seatbelt-VAE against β",
        sources: "thesis figure 5.6; paper figure 5",
        datasets: "toy-faces, toy-chairs (stand-ins)",
        minutes: 20,
        draw: three_attacks::draw,
    },
    Spec {
        id: "fig-5.7",
        title: "ELBO against β of β-TCVAE and Seatbelt-VAE",
        sources: "thesis figure 5.7; paper figure 6",
        datasets: "toy-faces, toy-chairs (stand-ins)",
        minutes: 25,
        draw: quality::draw,
    },
    Spec {
        id: "tab-5.1",
        title: "downstream classification under attack",
        sources: "thesis table 5.1; paper table 1",
        datasets: "CIFAR-10 (our sprites where it is not at hand), SVHN where it is at hand",
        minutes: 12,
        draw: downstream::draw,
    },
    Spec {
        id: "fig-d.1",
        title: "attacks on one layer and on all layers",
        sources: "thesis figure D.1; paper figure D.8",
        datasets: "toy-faces, toy-chairs (stand-ins)",
        minutes: 12,
        draw: layers::draw,
    },
    Spec {
        id: "fig-d.2",
        title: "depth against β",
        sources: "thesis figure D.2; paper figure D.9",
        datasets: "toy-faces, toy-chairs (stand-ins)",
        minutes: 25,
        draw: depth::draw,
    },
    Spec {
        id: "fig-d.3",
        title: "distances to target and reconstruction against β",
        sources: "thesis figure D.3; paper figure E.10",
        datasets: "toy-faces, toy-chairs (stand-ins), dSprites 64 × 64 (regenerated)",
        minutes: 15,
        draw: distances::draw,
    },
    Spec {
        id: "fig-d.4",
        title: "MIG against the attack's loss",
        sources: "thesis figure D.4; paper figure E.11",
        datasets: "toy-faces, toy-chairs (stand-ins)",
        minutes: 12,
        draw: disentanglement::draw,
    },
    Spec {
        id: "fig-d.5",
        title: "densities of the likelihood under input noise",
        sources: "thesis figure D.5; paper figure F.12",
        datasets: "toy-chairs (stand-in)",
        minutes: 8,
        draw: denoising::draw,
    },
    Spec {
        id: "seatbelt-parts",
        title: "the Seatbelt-VAE without free bits, as a chain; the FactorVAE",
        sources: "thesis section 5.5 (the chain); what figures 5.6 and 5.7 leave open",
        datasets: "toy-faces (stand-in)",
        minutes: 20,
        draw: parts::draw,
    },
];
