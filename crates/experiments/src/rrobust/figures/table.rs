//! What stands beside every robustness number: quality, distortion, and the
//! same numbers from elsewhere.

use crate::page::block_id;
use crate::rrobust::config::Setting;
use crate::rrobust::plots::setting_table;
use crate::rrobust::reference::REPRODUCED;
use crate::rrobust::statistics::{
    bound, distortion, fixed_bound, jacobian, kl, log_likelihood, mean_margin, r_min, sigma,
};
use crate::rrobust::study::Set;
use anyhow::Result;
use vaegis_report::{Cell, Table};

/// Norms at which degradation is shown.
const SHOWN_NORMS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// Positions of the norms at which degradation is shown.
pub(super) fn degradation_norms(norms: &[f64]) -> Vec<usize> {
    let shown = |norm: &f64| SHOWN_NORMS.iter().any(|s| (s - norm).abs() < 1e-9);
    (0..norms.len()).filter(|&i| shown(&norms[i])).collect()
}

/// Quality of each network: what its robustness costs.
pub(super) fn quality(set: &Set, settings: &[Setting], id: &str) -> Result<Table> {
    setting_table(
        set,
        settings,
        (
            &block_id(id, &[&set.config.name, "quality"]),
            &format!("Quality on {}", set.title()),
            "Means over the test set, 95 % intervals over seeds; nats and L2 distances.",
        ),
        &[
            ("E log p(x|z)", &log_likelihood),
            ("KL", &kl),
            ("‖x − g(μ(x))‖", &distortion),
            ("mean σ", &sigma),
            ("active units", &|n| {
                n.quality
                    .as_ref()
                    .map_or(f64::NAN, |q| q.usage.active_units as f64)
            }),
        ],
    )
}

/// Our MNIST numbers beside those of an independent reproduction.
pub(super) fn beside_reference(set: &Set, settings: &[Setting], id: &str) -> Result<Table> {
    let names = [
        "network",
        "whose",
        "E log p(x|z)",
        "KL",
        "‖x − g(μ)‖",
        "mean σ",
        "‖J‖_F",
        "r_min",
        "B_F at p₀ = .9",
        "B_F",
        "R",
    ];
    let mut table = Table::new(
        &block_id(id, &["reference"]),
        "Beside an independent reproduction on MNIST",
        &names,
    )
    .with_caption("Ours: means over seeds. The other: 20 epochs, one seed, 25 images, r = 4.");
    for setting in settings {
        let label = setting.label();
        let networks = set.at(*setting);
        let over = |statistic: fn(&super::super::measure::Network) -> f64| {
            Cell::from(crate::averages::mean(networks.iter().map(|n| statistic(n))))
        };
        table.push_row(vec![
            label.clone().into(),
            "ours".into(),
            over(log_likelihood),
            over(kl),
            over(distortion),
            over(sigma),
            over(jacobian),
            over(r_min),
            over(fixed_bound),
            over(bound),
            over(mean_margin),
        ])?;
        if let Some(row) = REPRODUCED.iter().find(|r| r.label == label) {
            table.push_row(vec![
                label.into(),
                "reference".into(),
                row.log_likelihood.into(),
                row.kl.into(),
                row.distortion.into(),
                row.sigma.into(),
                row.jacobian.into(),
                row.r_min.into(),
                row.fixed_bound.into(),
                row.bound.into(),
                row.margin.into(),
            ])?;
        }
    }
    Ok(table)
}
