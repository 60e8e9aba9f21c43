//! A report with one of everything, made from formulas, shared by the integration tests.

#![expect(
    unreachable_pub,
    reason = "a module shared by test binaries has no crate of its own"
)]

use vaegis_report::{
    Axis, Bars, BoxSummary, Cell, Claim, ClaimResult, Figure, Histogram, ImageCell, ImageGrid,
    Line, Picture, Points, Report, ReportError, RunManifest, Section, SixPanel, Table, Verdict,
};

/// Text that breaks out of anything that does not escape it.
pub const HOSTILE: &str = "</title></style><script>alert('x')</script> & \"quoted\" | `code` β²";

/// Values without pattern, the same on every machine.
pub fn noise(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    // Irwin-Hall: twelve uniform draws make a fair bell curve.
    (0..n)
        .map(|_| (0..12).map(|_| next()).sum::<f64>() - 6.0)
        .collect()
}

/// A ring of a given center and radius on 28 by 28 pixels.
pub fn ring(cx: f32, cy: f32, radius: f32) -> Vec<f32> {
    let pixel = |i: usize| {
        let (x, y) = ((i % 28) as f32, (i / 28) as f32);
        let distance = ((x - cx).hypot(y - cy) - radius).abs();
        (1.0 - 0.4 * distance).clamp(0.0, 1.0)
    };
    (0..28 * 28).map(pixel).collect()
}

fn grey(values: &[f32]) -> Result<Picture, ReportError> {
    Picture::from_unit([1, 28, 28], values)
}

fn attack(id: &str, title: &str, shift: f32) -> Result<ImageGrid, ReportError> {
    let (original, target) = (ring(11.0, 14.0, 7.0), ring(17.0 + shift, 13.0, 4.0));
    let noise: Vec<f32> = noise(3, 784).iter().map(|v| 0.12 * *v as f32).collect();
    let add = |a: &[f32], b: &[f32], s: f32| -> Vec<f32> {
        a.iter().zip(b).map(|(a, b)| a + s * b).collect()
    };
    let blurred = add(&original, &target, 0.1);
    let panels = SixPanel {
        original: ImageCell::new(grey(&original)?, ""),
        original_rec: ImageCell::new(grey(&blurred)?, "‖x̃ − x‖ = 1.02"),
        adversarial: ImageCell::new(grey(&add(&original, &noise, 1.0))?, "‖d‖ = 3.36"),
        target: ImageCell::new(grey(&target)?, ""),
        adversarial_rec: ImageCell::new(grey(&add(&target, &original, 0.2))?, "‖x̃* − xᵗ‖ = 2.9"),
        distortion: ImageCell::new(
            Picture::rescaled([1, 28, 28], &noise)?,
            "rescaled to [0, 1]",
        ),
    };
    Ok(ImageGrid::six_panel(id, title, panels)
        .with_caption("Latent KL attack at the λ that the rule of the attack's authors selects."))
}

fn claims() -> Vec<ClaimResult> {
    let claim = |id: &str, statement: &str, predicate: &str| {
        Claim::new(id, statement, "sample report", predicate)
    };
    vec![
        ClaimResult::new(
            claim(
                "T1",
                "A larger β makes the latent attack harder: the likelihood of the target falls.",
                "mean over pairs and λ of −log p(xᵗ|z*), β = 10 minus β = 1, is above 0",
            ),
            Verdict::Holds,
            "The difference is 41.3 nats on average.",
        )
        .with_seeds([(1, 38.25), (2, 44.5), (3, 41.125)])
        .with_interval(36.1, 46.5, 0.95),
        ClaimResult::new(
            claim(
                "T2",
                "The bound never exceeds the measured margin.",
                "share of images, at least 0.95",
            ),
            Verdict::Fails,
            "It exceeds the margin on 3 of 25 images.",
        )
        .with_seeds([(1, 0.88), (2, 0.92), (3, f64::NAN)])
        .with_interval(0.69, 0.97, 0.95),
        ClaimResult::new(
            claim(
                "T3",
                "The 2-Wasserstein attack needs a smaller distortion than KL.",
                "median ratio of ‖d‖ below 1",
            ),
            Verdict::Inconclusive,
            "The median ratio is 0.98.",
        )
        .with_interval(0.91, 1.06, 0.95),
        ClaimResult::new(
            claim("T4", "The same holds on CIFAR-10.", "as T1"),
            Verdict::NotRun,
            "The data set was not found.",
        ),
    ]
}

fn curves() -> Result<Vec<Figure>, ReportError> {
    let betas: Vec<f64> = vec![1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    let line = |name: &str, scale: f64, power: f64| {
        let y: Vec<f64> = betas.iter().map(|b| scale * b.powf(power)).collect();
        let low = y.iter().map(|v| 0.6 * v).collect();
        let high = y.iter().map(|v| 1.7 * v).collect();
        Line::new(name, betas.clone(), y).with_band(low, high)
    };
    let delta = Figure::lines(
        "delta",
        "Adversarial objective against β",
        Axis::linear("β"),
        Axis::log10("Δ [nats]"),
        vec![
            line("latent KL", 240.0, 3.1),
            line("latent W₂", 3.0, 0.6),
            line("output", 1500.0, 0.3),
        ],
    )?
    .with_caption("Mean over 10 pairs and 50 values of λ; the band is a 95 % bootstrap interval.");
    let radii: Vec<f64> = (0..120).map(|i| 0.05 * f64::from(i)).collect();
    let damage = |k: f64| {
        radii
            .iter()
            .map(|r| 12.0 * (1.0 - (-r / k).exp()))
            .collect::<Vec<f64>>()
    };
    let damage = Figure::lines(
        "damage",
        "Damage against the size of the distortion",
        Axis::linear("‖d‖₂"),
        Axis::linear("‖g(z*) − g(z)‖₂"),
        vec![
            Line::new("β = 1", radii.clone(), damage(0.8)),
            Line::new("β = 4", radii.clone(), damage(1.6)),
            Line::new("β = 10", radii.clone(), damage(3.2)),
        ],
    )?
    .with_horizontal("distance of neighbors", 6.5)
    .with_caption("Maximum-damage attack on 25 images, median.");
    Ok(vec![delta, damage])
}

fn distributions() -> Result<Vec<Figure>, ReportError> {
    let margin = |seed, scale: f64| -> (Vec<f64>, Vec<f64>) {
        let pairs = noise(seed, 60).into_iter().zip(noise(seed + 9, 60));
        pairs
            .map(|(a, b)| {
                (
                    scale * (0.8 * a).exp(),
                    1.6 * scale * (0.8 * a + 0.3 * b).exp(),
                )
            })
            .unzip()
    };
    let (mut x, y) = margin(1, 0.4);
    x[3] = f64::NAN;
    x[7] = -0.5;
    let (u, v) = margin(2, 0.9);
    let scatter = Figure::scatter(
        "bound-margin",
        "Bound against measured margin",
        Axis::log10("bound r*"),
        Axis::log10("measured margin R"),
        vec![Points::new("VAE", x, y), Points::new("β-VAE, β = 10", u, v)],
    )?
    .with_identity()
    .with_regression()
    .with_caption("One point per image. Above the dashed line the bound is valid.");
    let bars = Figure::bars(
        "success",
        "Success of targeted attacks",
        "model",
        Axis::linear("share of pairs"),
        &["VAE", "β = 4", "β = 10"],
        vec![
            Bars::new("latent KL", vec![0.94, 0.71, 0.4])
                .with_band(vec![0.86, 0.6, 0.29], vec![0.99, 0.8, 0.52]),
            Bars::new("output", vec![0.9, 0.8, 0.66])
                .with_band(vec![0.8, 0.7, 0.55], vec![0.96, 0.88, 0.76]),
        ],
    )?
    .with_caption("95 % Clopper-Pearson intervals.");
    let histogram = Figure::histogram(
        "distances",
        "Distances of reconstructions",
        Axis::linear("‖x̃ − x‖₂"),
        vec![
            Histogram::equal_bins(
                "clean",
                &noise(5, 400).iter().map(|v| 4.0 + v).collect::<Vec<_>>(),
                24,
            ),
            Histogram::equal_bins(
                "attacked",
                &noise(6, 400)
                    .iter()
                    .map(|v| 7.0 + 1.4 * v)
                    .collect::<Vec<_>>(),
                24,
            ),
        ],
    )?;
    let spread = |seed, shift: f64| {
        noise(seed, 80)
            .iter()
            .map(|v| (shift + 0.7 * v).exp())
            .collect::<Vec<_>>()
    };
    let boxes = Figure::boxes(
        "margins",
        "Margins by model",
        "model",
        Axis::log10("margin R"),
        vec![
            BoxSummary::from_values("VAE", &spread(11, 0.0)),
            BoxSummary::from_values("β = 4", &spread(12, 0.7)),
            BoxSummary::from_values("β = 10", &spread(13, 1.3)),
        ],
    )?;
    Ok(vec![scatter, bars, histogram, boxes])
}

/// The sample.
pub fn report() -> Result<Report, ReportError> {
    let config = serde_json::json!({
        "model": {"hidden": [400, 400], "latent": 20, "betas": [1.0, 4.0, 10.0]},
        "attack": {"num_pairs": 10, "num_lambdas": 50, "searches": [{"name": "lbfgs", "memory": 25}]},
        "notes": HOSTILE,
    });
    let provenance = serde_json::json!({
        "git_revision": "0123456789abcdef0123456789abcdef01234567", "git_dirty": false,
        "device": "cpu", "threads": 2, "started_at": "2026-01-02T03:04:05Z",
        "host": {"cpu": "a processor", "cores": 2}, "wall_seconds": 741.5,
        "datasets": [{"name": "sprites", "origin": "procedural sprites", "checksum": "ab".repeat(32)}],
    });
    let manifest = RunManifest::new("tour", "desk")
        .with_command("cargo xtask reproduce tour --tier desk --seed 1")
        .with_seeds(&[1, 2, 3])
        .with_config(&config)?
        .with_provenance(&provenance)?;
    let mut report = Report::new("A tour of attacks on variational autoencoders", manifest);
    report.summary.push(
        "Three models were trained on procedural sprites and attacked in four ways. Every number \
         on this page comes from a formula of the test that made it; the page shows what a report \
         looks like."
            .to_owned(),
    );
    report.claims = claims();
    let mut attacks = Section::new("attacks", "Attacks");
    attacks.push("Each display shows one pair. The reconstruction of the adversarial input is what the attacker is after.");
    attacks.push(attack("pair-0-kl", "Pair 0, VAE, latent KL", 0.0)?);
    attacks.push(attack(
        "pair-1-kl",
        "Pair 1, β-VAE (β = 10), latent KL",
        2.0,
    )?);
    for figure in curves()? {
        attacks.push(figure);
    }
    let mut margins = Section::new("margins-section", "Margins and bounds");
    for figure in distributions()? {
        margins.push(figure);
    }
    let mut quality = Section::new("quality", "Models");
    let mut table = Table::new(
        "models",
        "Models",
        &[
            "model",
            "−ELBO [nats]",
            "active units",
            "median margin",
            "note",
        ],
    )
    .with_caption("Test set, 3 seeds; intervals over seeds are 95 % t intervals.");
    table.push_row(vec![
        "VAE".into(),
        (103.4, 102.9, 104.0).into(),
        17_usize.into(),
        0.412.into(),
        "".into(),
    ])?;
    table.push_row(vec![
        "β-VAE, β = 4".into(),
        (118.9, 118.0, 119.7).into(),
        9_usize.into(),
        0.93.into(),
        HOSTILE.into(),
    ])?;
    table.push_row(vec![
        "β-VAE, β = 10".into(),
        (139.0, 137.1, 140.8).into(),
        5_usize.into(),
        Cell::Missing,
        "collapsed on seed 3".into(),
    ])?;
    quality.push(table);
    let columns: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let mut grid = ImageGrid::new("reconstructions", "Reconstructions", &columns)
        .with_caption("Ten test images and their reconstructions.");
    for (name, radius) in [("original", 7.0), ("VAE", 6.6), ("β = 10", 5.0)] {
        let cells = (0..10).map(|i| {
            let picture = grey(&ring(9.0 + i as f32, 14.0, radius))?;
            Ok((i != 4 || name != "VAE").then(|| ImageCell::new(picture, "")))
        });
        grid.push_row(name, cells.collect::<Result<_, ReportError>>()?)?;
    }
    quality.push(grid);
    report.sections = vec![attacks, margins, quality];
    Ok(report)
}

/// A report in which every text is hostile and every list is empty or broken.
pub fn hostile() -> Result<Report, ReportError> {
    let manifest = RunManifest::new(HOSTILE, HOSTILE)
        .with_command(HOSTILE)
        .with_config(&serde_json::json!({ HOSTILE: [HOSTILE, null, {"a": [[HOSTILE]]}] }))?
        .with_provenance(&serde_json::json!({"git_revision": HOSTILE, "device": HOSTILE}))?;
    let mut report = Report::new(HOSTILE, manifest);
    report.summary.push(HOSTILE.to_owned());
    let claim = Claim::new(HOSTILE, HOSTILE, HOSTILE, HOSTILE);
    report
        .claims
        .push(ClaimResult::new(claim, Verdict::Inconclusive, HOSTILE));
    let mut section = Section::new("hostile", HOSTILE);
    section.push(HOSTILE);
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let line = Line::new(HOSTILE, vec![1.0, nan, 3.0, inf], vec![1.0, 2.0, -1.0, 2.0]);
    let axes = || (Axis::log10(HOSTILE), Axis::log10(HOSTILE));
    let (x, y) = axes();
    let figure = Figure::lines("bad-line", HOSTILE, x, y, vec![line])?;
    section.push(figure.with_caption(HOSTILE).with_vertical(HOSTILE, 1.0));
    let (x, y) = axes();
    section.push(
        Figure::scatter("empty", HOSTILE, x, y, vec![])?
            .with_regression()
            .with_identity(),
    );
    section.push(Figure::bars(
        "bars",
        HOSTILE,
        HOSTILE,
        axes().1,
        &[HOSTILE],
        vec![Bars::new(HOSTILE, vec![1.0])],
    )?);
    section.push(Figure::boxes(
        "boxes",
        HOSTILE,
        HOSTILE,
        axes().1,
        vec![
            BoxSummary::from_values(HOSTILE, &[1.0, 2.0]),
            BoxSummary::from_values("none", &[nan]),
        ],
    )?);
    let mut table = Table::new("table", HOSTILE, &[HOSTILE, "a"]).with_caption(HOSTILE);
    table.push_row(vec![HOSTILE.into(), inf.into()])?;
    section.push(table);
    let cell = || {
        Some(ImageCell::new(
            Picture {
                width: 1,
                height: 1,
                channels: 3,
                pixels: vec![0, 128, 255],
            },
            HOSTILE,
        ))
    };
    let mut grid = ImageGrid::new("pictures", HOSTILE, &[HOSTILE, ""]).with_caption(HOSTILE);
    grid.push_row(HOSTILE, vec![cell(), None])?;
    section.push(grid);
    let mut panels = ImageGrid::new("panels", HOSTILE, &[]);
    panels.push_row("", vec![cell()])?;
    section.push(panels);
    section.push(ImageGrid::new("no-pictures", HOSTILE, &[]));
    report.sections.push(section);
    Ok(report)
}
