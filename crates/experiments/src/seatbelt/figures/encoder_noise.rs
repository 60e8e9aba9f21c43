//! Encoder noise, likelihood and ELBO against β.

use crate::claims::{over_seeds, smallest};
use crate::images::Images;
use crate::page::{Page, block_id};
use crate::seatbelt::ChapterConfig;
use crate::seatbelt::bench::{
    Bench, Family, Measured, Nets, Setting, in_range, jobs, per_seed, portraits, progress, rise,
    training, values,
};
use crate::{RunCtx, Tier};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use vaegis_eval::elbo::{ElboRow, elbo, mean};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_report::{Axis, Block, Cell, Figure, Histogram, Line, Table};
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Noise, no_grad, workers};
use vaegis_theory::stats;
use vaegis_zoo::seatbelt::{CELEBA_SIZES, HIDDEN_SIZES};
use vaegis_zoo::{NetworkConfig, Pixels, Profile};

/// Units of progress: about seconds at desk tier.
pub(super) const TRAIN_UNITS: f64 = 25.0;
const MEASURE_UNITS: f64 = 1.0;
/// Images of one pass.
const ROWS_PER_PASS: i64 = 512;
/// Bins of the density.
const NUM_BINS: usize = 60;
const SOURCE: &str = "thesis figure 5.3; paper figure 2";

/// Portraits and the models of them: what figures 5.1 and 5.3 share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PortraitsConfig {
    /// Models.
    pub nets: Nets,
    /// Side of the images.
    pub side: usize,
    /// Training images.
    pub train_images: usize,
    /// Test images.
    pub test_images: usize,
}

impl PortraitsConfig {
    /// The configuration of a tier.
    pub(crate) fn at(tier: Tier) -> Self {
        let desk = Self {
            nets: Nets {
                network: NetworkConfig::mlp(&[512, 512]),
                latent: 32,
                z_sizes: vec![64, 32, 16, 8],
                h_sizes: vec![256, 128, 64],
                pixels: Pixels::of(Profile::Text),
                train: training(256, 14),
            },
            side: 32,
            train_images: 12_000,
            test_images: 2000,
        };
        match tier {
            Tier::Desk => desk,
            Tier::Smoke => Self {
                nets: Nets {
                    network: NetworkConfig::mlp(&[32]),
                    latent: 6,
                    z_sizes: vec![8, 6, 4, 2],
                    h_sizes: vec![16, 16, 16],
                    train: training(64, 2),
                    ..desk.nets
                },
                train_images: 256,
                test_images: 64,
                ..desk
            },
            Tier::Paper => Self {
                nets: Nets {
                    network: NetworkConfig::conv(1.0),
                    latent: 64,
                    z_sizes: CELEBA_SIZES.to_vec(),
                    h_sizes: HIDDEN_SIZES.to_vec(),
                    train: training(1024, 50),
                    ..desk.nets
                },
                side: 64,
                train_images: 162_770,
                test_images: 10_000,
            },
        }
    }

    /// The images in the models' range.
    pub(super) fn open(&self, ctx: &RunCtx) -> Result<Images> {
        let images = portraits(ctx, self.side, self.train_images, self.test_images)?;
        in_range(images, self.nets.pixels)
    }
}

/// The sources' β.
const BETAS: [f64; 3] = [1.0, 4.0, 10.0];

/// One family over all β; β = 1 is the VAE in both.
fn family(family: Family) -> [Setting; 3] {
    BETAS.map(|beta| match beta {
        1.0 => Setting::new(Family::Vae, 1.0),
        _ => Setting::new(family, beta),
    })
}

/// The families with their names.
const FAMILIES: [(&str, Family); 2] = [("β-VAE", Family::Vae), ("β-TCVAE", Family::BetaTcvae)];

/// What one model came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Encoded {
    /// ‖σ(x)‖ of every test image.
    #[serde(with = "vaegis_core::codec::float::list")]
    norms: Vec<f64>,
    quality: ElboRow,
}

impl Encoded {
    fn mean(&self) -> f64 {
        stats::mean(&self.norms).unwrap_or(f64::NAN)
    }

    fn deviation(&self) -> f64 {
        stats::standard_deviation(&self.norms).unwrap_or(f64::NAN)
    }
}

/// Draws and judges it.
pub(super) fn draw(ctx: &RunCtx, id: &str, page: &mut Page) -> Result<()> {
    let chapter = ChapterConfig::at(ctx.tier);
    let (config, seeds) = (&chapter.portraits, ctx.seeds(chapter.num_seeds));
    let images = config.open(ctx)?;
    let mut settings = family(Family::Vae).to_vec();
    settings.extend(family(Family::BetaTcvae).into_iter().skip(1));
    let jobs = jobs(&seeds, &settings);
    let progress = progress(ctx, id, jobs.len() as f64 * (TRAIN_UNITS + MEASURE_UNITS));
    let bench = Bench {
        ctx,
        nets: &config.nets,
        images: &images,
        progress: &progress,
        train_units: TRAIN_UNITS,
    };
    let all = workers::run(&jobs, ctx.jobs, ctx.threads, |_, &(seed, setting)| {
        let cached = bench.model(setting, seed)?;
        let what = ("encoder-noise", seed, MEASURE_UNITS);
        let value = bench.keep(&cached, what, &"encoder-noise", |model| {
            measure(ctx, &images, model, &bench.noise(seed, "encoder-noise"))
        })?;
        anyhow::Ok(Measured {
            seed,
            setting,
            value,
        })
    })?;
    progress.finish();
    page.used(images.provenance());
    let title = images.test.spec().origin.clone();
    page.section.push(Block::Text(format!(
        "On {title}, {} latents; pixels from −1 to 1, Gaussian likelihood with σ = 0.1. The ELBO \
         is that of β = 1 whatever β a model was trained with.{}",
        config.nets.latent,
        if images.is_real {
            ""
        } else {
            " The sources use CelebA, which is not at hand."
        }
    )));
    let shown = [0, 2, 4].map(|i: usize| settings[i]);
    page.section.push(density(&all, &shown, &title, id)?);
    type Statistic = fn(&Encoded) -> f64;
    let quantities: [(&str, &str, Statistic); 2] = [
        ("likelihood", "mean log p(x|z) [nats]", |e| {
            e.quality.log_likelihood
        }),
        ("elbo", "ELBO at β = 1 [nats]", |e| e.quality.elbo()),
    ];
    for (part, label, statistic) in quantities {
        page.section
            .push(against_beta(&all, (part, label), statistic, id)?);
    }
    page.section.push(table(&all, &settings, &title, id)?);
    page.section.push(published(id)?);
    judge(&all, config.nets.latent, id, page);
    Ok(())
}

fn measure(
    ctx: &RunCtx,
    images: &Images,
    model: &dyn LatentModel,
    noise: &Noise,
) -> Result<Encoded> {
    let x = images.all_test_images(ctx)?;
    let norms = no_grad(|| {
        let parts = x.split(ROWS_PER_PASS, 0);
        let norms = parts.iter().flat_map(|part| {
            let posterior = model.posterior(part, LatentPath::Mean, Mode::Eval);
            let squared = posterior.layers[0].scale().square();
            to_f64_vec(&squared.sum_dim_intlist(1, false, None).sqrt())
        });
        norms.collect()
    });
    Ok(Encoded {
        norms,
        quality: mean(&elbo(model, &x, 1, noise)),
    })
}

/// Density of ‖σ(x)‖ over the test set, pooled over seeds.
fn density(all: &[Measured<Encoded>], shown: &[Setting], title: &str, id: &str) -> Result<Figure> {
    let pooled = |setting: &Setting| -> Vec<f64> {
        let of_setting = all.iter().filter(|m| m.setting == *setting);
        of_setting
            .flat_map(|m| m.value.norms.iter().copied())
            .collect()
    };
    let lines = shown.iter().map(|setting| {
        // Every model has bins over its own range: the widths differ by orders of magnitude.
        let values = pooled(setting);
        let bins = Histogram::equal_bins("", &values, NUM_BINS);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for (edges, &count) in bins.edges.windows(2).zip(&bins.counts) {
            x.push((edges[0] + edges[1]) / 2.0);
            y.push(count as f64 / (values.len() as f64 * (edges[1] - edges[0])));
        }
        Line::new(&setting.label(), x, y)
    });
    let figure = Figure::lines(
        &block_id(id, &["density"]),
        &format!("Size of the encoder's noise on {title}"),
        Axis::linear("‖σ(x)‖"),
        Axis::log10("density"),
        lines.collect(),
    )?;
    Ok(figure.with_caption(&format!(
        "Density over the test images, pooled over seeds, in {NUM_BINS} bins per model; bins \
         without images have no point."
    )))
}

fn against_beta(
    all: &[Measured<Encoded>],
    (part, label): (&str, &str),
    statistic: fn(&Encoded) -> f64,
    id: &str,
) -> Result<Figure> {
    let lines = FAMILIES.map(|(name, of)| {
        let at = family(of).map(|s| over_seeds(&values(all, s, statistic)));
        let line = Line::new(name, BETAS.to_vec(), at.iter().map(|e| e.value).collect());
        let or = |end: f64, value: f64| if end.is_finite() { end } else { value };
        line.with_band(
            at.iter().map(|e| or(e.lower, e.value)).collect(),
            at.iter().map(|e| or(e.upper, e.value)).collect(),
        )
    });
    let figure = Figure::lines(
        &block_id(id, &[part]),
        label,
        Axis::linear("β in training"),
        Axis::linear(label),
        lines.to_vec(),
    )?;
    Ok(figure.with_caption("Means over the test set and seeds; bands are 95 % t intervals."))
}

fn table(all: &[Measured<Encoded>], settings: &[Setting], title: &str, id: &str) -> Result<Table> {
    type Statistic = fn(&Encoded) -> f64;
    let columns: [(&str, Statistic); 5] = [
        ("mean ‖σ‖", Encoded::mean),
        ("its deviation over the images", Encoded::deviation),
        ("log p(x|z)", |e| e.quality.log_likelihood),
        ("KL", |e| e.quality.kl),
        ("ELBO", |e| e.quality.elbo()),
    ];
    let names: Vec<&str> = std::iter::once("model")
        .chain(columns.map(|c| c.0))
        .collect();
    let title = format!("Encoder noise and quality on {title}");
    let mut table = Table::new(&block_id(id, &["numbers"]), &title, &names)
        .with_caption("Means over seeds with 95 % t intervals; nats.");
    for &setting in settings {
        let mut row = vec![Cell::from(setting.label())];
        for (_, statistic) in columns {
            let e = over_seeds(&values(all, setting, statistic));
            row.push(Cell::from((e.value, e.lower, e.upper)));
        }
        table.push_row(row)?;
    }
    Ok(table)
}

/// The sources' numbers, read off their plots.
fn published(id: &str) -> Result<Table> {
    let names = ["quantity", "VAE", "β-VAE", "β-TCVAE"];
    let title = "The sources' numbers on CelebA, read off their plots";
    let mut table = Table::new(&block_id(id, &["published"]), title, &names)
        .with_caption("64 × 64 images in color, so that nats do not compare with ours.");
    for row in [
        [
            "‖σ‖ at β = 10",
            "0.7 to 1, narrow",
            "7.0 to 7.2, narrow",
            "10 to 25, broad",
        ],
        [
            "log p(x|z) at β = 1, 4, 10",
            "1870",
            "1870, 1280, −190",
            "1870, 1755, 1370",
        ],
        [
            "ELBO at β = 1, 4, 10",
            "1700",
            "1700, 1230, −210",
            "1700, 1520, 1030",
        ],
    ] {
        table.push_row(row.map(Cell::from).to_vec())?;
    }
    Ok(table)
}

fn judge(all: &[Measured<Encoded>], latent: i64, id: &str, page: &mut Page) {
    let vae = Setting::new(Family::Vae, 1.0);
    let (plain, tc) = (
        Setting::new(Family::Vae, 10.0),
        Setting::new(Family::BetaTcvae, 10.0),
    );
    type Statistic = fn(&Encoded) -> f64;
    let quantities: [(&str, &str, Statistic); 2] = [
        ("likelihood", "log p(x|z)", |e| e.quality.log_likelihood),
        ("elbo", "ELBO", |e| e.quality.elbo()),
    ];
    for (part, name, statistic) in quantities {
        page.claim_above(
            (
                &format!("{id}-{part}"),
                &format!("at β = 10, the {name} of the β-TCVAE is above that of the β-VAE"),
                SOURCE,
            ),
            &rise(all, (plain, tc), statistic),
            0.0,
            &format!("{name} of the β-TCVAE minus the β-VAE's, nats"),
        );
        for (family_name, penalized) in [("bvae", plain), ("btcvae", tc)] {
            page.claim_above(
                (
                    &format!("{id}-{part}-falls-{family_name}"),
                    &format!(
                        "the {name} of {} is below that of the VAE",
                        penalized.label()
                    ),
                    SOURCE,
                ),
                &rise(all, (penalized, vae), statistic),
                0.0,
                &format!("{name} at β = 1 minus that at β = 10, nats"),
            );
        }
    }
    for (name, of) in FAMILIES {
        let curves = family(of).map(|s| per_seed(all, s, |e| e.quality.elbo()));
        let falls = curves[0].iter().enumerate().map(|(i, &(seed, _))| {
            let values = curves.each_ref().map(|curve| curve[i].1);
            (seed, smallest(values.windows(2).map(|w| w[0] - w[1])))
        });
        page.claim_above(
            (
                &format!(
                    "{id}-elbo-falls-over-{}",
                    name.replace('β', "b").to_lowercase()
                ),
                &format!("the ELBO of the {name} falls from β = 1 to 4 and from 4 to 10"),
                "thesis figure 5.3; paper figure 2 (SB-38)",
            ),
            &falls.collect::<Vec<_>>(),
            0.0,
            "smaller fall between neighboring β in nats",
        );
    }
    page.claim_above(
        (
            &format!("{id}-noise"),
            "at β = 10, the encoder of the β-VAE is noisier than that of the VAE",
            SOURCE,
        ),
        &rise(all, (vae, plain), Encoded::mean),
        0.0,
        "mean ‖σ‖ of the β-VAE minus the VAE's",
    );
    page.claim_above(
        (
            &format!("{id}-noise-limit"),
            "the noise of the β-VAE stays within that of the prior, √d_z",
            SOURCE,
        ),
        &per_seed(all, plain, |e| (latent as f64).sqrt() - e.mean()),
        0.0,
        "√d_z minus the mean ‖σ‖ of the β-VAE at β = 10",
    );
    page.claim_above(
        (
            &format!("{id}-noise-spread"),
            "at β = 10, the size of the noise spreads more in the β-TCVAE than in the β-VAE",
            SOURCE,
        ),
        &rise(all, (plain, tc), Encoded::deviation),
        0.0,
        "deviation of ‖σ‖ over the images, β-TCVAE minus β-VAE",
    );
}
