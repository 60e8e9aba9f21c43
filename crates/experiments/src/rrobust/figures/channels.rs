//! Figure 6.4: which channel of the encoder carries the damage.

use crate::averages::mean;
use crate::page::{Page, block_id};
use crate::rrobust::measure::Network;
use crate::rrobust::plots::setting_table;
use crate::rrobust::reference::REPRODUCED;
use crate::rrobust::statistics::distortion;
use crate::rrobust::study::{Set, Study};
use anyhow::Result;
use vaegis_eval::channel::ChannelDamage;
use vaegis_report::{Axis, Block, Figure, Histogram, Table};

/// Bins of the densities.
const BINS: usize = 24;
/// Ratio of damage through μ to damage through σ that counts as reproduced where
/// each channel has its own attack, and where a joint attack is propagated.
const OWN_RATIO: f64 = 1.3;
const PROPAGATED_RATIO: f64 = 4.0;
/// Largest relative difference between the damage through both channels and
/// through μ alone.
const BOTH_IS_MEAN: f64 = 0.05;

type Pick = fn(&ChannelDamage) -> f64;

const CHANNELS: [(&str, Pick); 3] = [
    ("μ only", |d| d.mean_only),
    ("σ only", |d| d.sigma_only),
    ("μ and σ", |d| d.both),
];

fn own(network: &Network) -> &[ChannelDamage] {
    network.channels.as_ref().map_or(&[], |c| &c.separate)
}

fn joint(network: &Network) -> &[ChannelDamage] {
    network.channels.as_ref().map_or(&[], |c| &c.propagated)
}

fn mean_of(damages: &[ChannelDamage], pick: Pick) -> f64 {
    mean(damages.iter().map(pick))
}

/// Draws and judges the figure.
pub(super) fn damage_per_channel(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let norm = study.config.norms.last().copied().unwrap_or(0.0);
    page.section.push(Block::Text(format!(
        "Maximum-damage attacks of norm at most {norm} on {} images per network. In the reading \
         of the text one joint attack is propagated through one channel and the other channel \
         stays at its clean value; beside it, each channel with an attack of its own.",
        study.config.images
    )));
    for set in &study.sets {
        let name = set.config.name.as_str();
        for (reading, title, damages) in [
            (
                "propagated",
                "one joint attack, propagated",
                joint as fn(&Network) -> &[ChannelDamage],
            ),
            ("own", "an attack per channel", own),
        ] {
            page.section.push(density(
                set,
                &block_id(id, &[name, reading]),
                title,
                damages,
            )?);
        }
        let ids = block_id(id, &[name, "table"]);
        let title = format!("Mean damage per channel, {}", set.title());
        let caption = "E ‖Δ‖ at the largest norm; means over images, intervals over seeds.";
        page.section.push(setting_table(
            set,
            &set.settings(),
            (&ids, &title, caption),
            &[
                ("μ, propagated", &|n| mean_of(joint(n), |d| d.mean_only)),
                ("σ, propagated", &|n| mean_of(joint(n), |d| d.sigma_only)),
                ("both", &|n| mean_of(joint(n), |d| d.both)),
                ("μ, own attack", &|n| mean_of(own(n), |d| d.mean_only)),
                ("σ, own attack", &|n| mean_of(own(n), |d| d.sigma_only)),
                ("‖x − g(μ(x))‖", &distortion),
            ],
        )?);
        judge(set, id, page);
    }
    if study.set("mnist").is_ok_and(|set| set.images.is_real) {
        page.section.push(reference(id)?);
    }
    Ok(())
}

fn density(
    set: &Set,
    id: &str,
    title: &str,
    damages: fn(&Network) -> &[ChannelDamage],
) -> Result<Figure> {
    let all: Vec<&ChannelDamage> = set.networks.iter().flat_map(damages).collect();
    let highest = all.iter().flat_map(|d| [d.mean_only, d.sigma_only, d.both]);
    let highest = highest.fold(0.0f64, f64::max).max(f64::MIN_POSITIVE);
    let edges: Vec<f64> = (0..=BINS)
        .map(|i| highest * i as f64 / BINS as f64)
        .collect();
    let histogram = |(name, pick): &(&str, Pick)| {
        let values: Vec<f64> = all.iter().map(|d| pick(d)).collect();
        Histogram::from_values(name, &values, edges.clone())
    };
    let figure = Figure::histogram(
        id,
        &format!("Damage per channel on {}: {title}", set.title()),
        Axis::linear("E ‖g(z*) − g(μ(x))‖₂"),
        CHANNELS.iter().map(histogram).collect(),
    )?;
    Ok(figure.with_caption("All images of all networks and seeds."))
}

fn judge(set: &Set, id: &str, page: &mut Page) {
    let name = &set.config.name;
    let ratio =
        |networks: &[&Network], damages: fn(&Network) -> &[ChannelDamage], a: Pick, b: Pick| {
            let total = |pick: Pick| mean(networks.iter().map(|n| mean_of(damages(n), pick)));
            total(a) / total(b)
        };
    let (mu, sigma, both): (Pick, Pick, Pick) = (|d| d.mean_only, |d| d.sigma_only, |d| d.both);
    page.claim_above(
        (
            &format!("{id}-{name}-own"),
            &format!("on {name}, attacking μ does more damage than attacking σ"),
            "thesis figure 6.4 (acceptance band 7: at least 1.3 times)",
        ),
        &set.pooled(|all| ratio(all, own, mu, sigma)),
        OWN_RATIO,
        "damage through μ over damage through σ, an attack per channel",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-propagated"),
            &format!("on {name}, a joint attack works through μ and not through σ"),
            "thesis figure 6.4 (acceptance band 7: at least 4 times)",
        ),
        &set.pooled(|all| ratio(all, joint, mu, sigma)),
        PROPAGATED_RATIO,
        "damage through μ over damage through σ, one joint attack",
    );
    page.claim_above(
        (
            &format!("{id}-{name}-both"),
            &format!("on {name}, both channels together do no more than μ alone"),
            "thesis figure 6.4 (acceptance band 7: within 5 %)",
        ),
        &set.pooled(|all| BOTH_IS_MEAN - (ratio(all, joint, both, mu) - 1.0).abs()),
        0.0,
        "0.05 minus the relative difference of the damage through both and through μ",
    );
}

fn reference(id: &str) -> Result<Table> {
    let names = ["network", "μ, own attack", "σ, own attack", "both"];
    let mut table = Table::new(
        &block_id(id, &["reference"]),
        "An independent reproduction on MNIST",
        &names,
    )
    .with_caption("20 epochs, one seed, attacks of norm 10 per channel.");
    for row in REPRODUCED {
        let [mu, sigma, both] = row.damage;
        table.push_row(vec![row.label.into(), mu.into(), sigma.into(), both.into()])?;
    }
    Ok(table)
}
