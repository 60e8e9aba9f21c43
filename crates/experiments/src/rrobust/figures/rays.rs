//! Figure 6.5: the probability of staying within r along one direction.

use crate::averages::mean;
use crate::page::{Page, block_id};
use crate::rrobust::measure::{Network, Rays};
use crate::rrobust::plots::{curves, setting_table};
use crate::rrobust::statistics::{distortion, mean_margin};
use crate::rrobust::study::Study;
use anyhow::Result;
use vaegis_eval::curve::first_crossing;
use vaegis_report::{Axis, Block, Figure, Line};

type Pick = fn(&Rays) -> &Vec<Vec<f64>>;

const DIRECTIONS: [(&str, &str, Pick); 2] = [
    ("random", "a random direction", |r| &r.random),
    (
        "adversarial",
        "the direction of the strongest attack",
        |r| &r.adversarial,
    ),
];

/// Probabilities of every image at one norm.
pub(super) fn at_norm(network: &Network, pick: Pick, norm: usize) -> Vec<f64> {
    let rays = network.rays.as_ref();
    rays.map_or_else(Vec::new, |r| {
        pick(r).iter().map(|curve| curve[norm]).collect()
    })
}

/// Along the adversarial direction.
pub(super) fn adversarial(network: &Network, norm: usize) -> Vec<f64> {
    at_norm(network, DIRECTIONS[1].2, norm)
}

/// Mean over the images of the norm at which the curve crosses m, or the cap.
fn crossing(network: &Network, pick: Pick, norms: &[f64], m: f64) -> f64 {
    let cap = norms.last().copied().unwrap_or(f64::NAN);
    let of = |curve: &Vec<f64>| first_crossing(norms, curve, m).unwrap_or(cap);
    network
        .rays
        .as_ref()
        .map_or(f64::NAN, |r| mean(pick(r).iter().map(of)))
}

/// Draws and judges the figure.
pub(super) fn along_a_direction(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let set = study.set(super::MNIST)?;
    let (norms, r, m) = (
        &study.config.ray_norms,
        set.config.r,
        study.config.margins.m,
    );
    let settings = study.config.betas();
    let x_axis = || Axis::linear("‖δ‖₂");
    let y_axis = || Axis::linear(&format!("P(‖Δ(x, δ)‖ ≤ {r})")).with_range(0.0, 1.0);
    page.section.push(Block::Text(format!(
        "The first measured image along one fixed direction, and all images along their own. The \
         thesis fixes a direction without saying which; the paper speaks of random perturbations. \
         Where a curve first falls to {m} is the margin along that direction.",
    )));
    for (name, title, pick) in DIRECTIONS {
        let seed = study.seeds[0];
        let line = |setting: &super::super::config::Setting| {
            let network = set.find(*setting, seed)?;
            let curve = pick(network.rays.as_ref()?).first()?.clone();
            Some(Line::new(&setting.label(), norms.clone(), curve))
        };
        let figure = Figure::lines(
            &block_id(id, &[name, "one"]),
            &format!("One image along {title}"),
            x_axis(),
            y_axis(),
            settings.iter().filter_map(line).collect(),
        )?;
        let caption = format!(
            "Test image {} of {}, networks of seed {seed}.",
            set.positions.first().copied().unwrap_or(0),
            set.title(),
        );
        page.section
            .push(figure.with_caption(&caption).with_horizontal("m", m));
        let all = curves(
            set,
            &settings,
            (
                &block_id(id, &[name, "all"]),
                &format!("All images along {title}"),
                "",
            ),
            (x_axis(), y_axis()),
            norms,
            |n, at| at_norm(n, pick, at),
        )?;
        page.section.push(all.with_horizontal("m", m));
    }
    let [random, worst] =
        DIRECTIONS.map(|(_, _, pick)| move |n: &Network| crossing(n, pick, norms, m));
    page.section.push(setting_table(
        set,
        &settings,
        (
            &block_id(id, &["crossings"]),
            "Where the curves cross m",
            "Means over images (the cap where a curve does not cross), intervals over seeds. The \
             margin R takes the worst direction at every radius.",
        ),
        &[
            ("random direction", &random),
            ("adversarial direction", &worst),
            ("margin R", &mean_margin),
            ("‖x − g(μ(x))‖", &distortion),
        ],
    )?);
    if let (Some(&low), Some(&high)) = (settings.first(), settings.last()) {
        page.claim_above(
            (
                &format!("{id}-grows"),
                &format!(
                    "along the adversarial direction the crossing moves out from {} to {}",
                    low.label(),
                    high.label()
                ),
                "thesis figure 6.5",
            ),
            &set.rise((low, high), worst),
            0.0,
            "difference of the mean crossings",
        );
    }
    page.claim_above(
        (
            &format!("{id}-random-is-mild"),
            "a random direction is far milder than the adversarial one",
            "thesis section 6.4 against the paper's random perturbations",
        ),
        &set.pooled(|all| mean(all.iter().map(|n| random(n))) / mean(all.iter().map(|n| worst(n)))),
        2.0,
        "mean crossing along a random direction over that along the adversarial one",
    );
    Ok(())
}
