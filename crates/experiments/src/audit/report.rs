//! What an audit says: sentences, tables, figures and pictures.

use super::{Audit, InputAudit};
use crate::claims::over_seeds;
use crate::pictures::pixels;
use anyhow::{Result, bail};
use vaegis_eval::certificate::LayerNorms;
use vaegis_report::{
    Axis, Block, Cell, Figure, Histogram, ImageCell, ImageGrid, Line, Picture, Report, RunManifest,
    Section, Table,
};
use vaegis_theory::stats;

/// Images shown as pictures.
const SHOWN: usize = 8;
/// Bins of the histogram of margins.
const BINS: usize = 20;

impl Audit {
    fn values(&self, pick: impl Fn(&InputAudit) -> f64) -> Vec<f64> {
        self.inputs.iter().map(pick).collect()
    }

    /// The findings in a few sentences.
    pub fn sentences(&self) -> Vec<String> {
        let median = |values: &[f64]| stats::median(values).unwrap_or(f64::NAN);
        let (r, m) = (self.options.margins.r, self.options.margins.m);
        let margins = &self.summary.margins;
        let bounds = self.values(|i| i.bounds.confident.frobenius);
        let distortions = self.values(|i| i.distortion);
        let largest = self.damage.last().map_or(f64::NAN, |p| p.norm);
        let damage = self.values(|i| i.channels.both);
        let mut sentences = vec![
            format!(
                "Margin: under every attack tried, distortions of L2 norm up to {:.2} (median over \
                 {} inputs; smallest {:.2}) leave the reconstruction within {r} of the clean one \
                 with probability above {m}. The attacks are incomplete, so the true margin may \
                 be smaller.",
                margins.median, margins.num_inputs, margins.minimum,
            ),
            format!(
                "First-order bound B_F: median {:.3}, with confidence {} per input. It holds \
                 exactly where the encoder is affine and σ is not attacked, and is an indicator \
                 elsewhere.",
                median(&bounds),
                1.0 - self.options.alpha,
            ),
            self.certified_sentence(),
            format!(
                "A random direction takes {:.1} (median): compare it with the margin before \
                 concluding from random noise that a network is robust.",
                self.summary.random.median,
            ),
            format!(
                "An attack of norm {largest} moves the reconstruction by {:.2} (median), while the \
                 clean reconstruction itself is {:.2} away from its input.",
                median(&damage),
                median(&distortions),
            ),
        ];
        let mut certificates = self.inputs.iter().flat_map(|i| &i.certificates);
        if certificates.any(|c| c.layer_norms == LayerNorms::MeasuredOnly) {
            sentences.push(
                "Some layer is not as orthonormal as the model promises. The certificates use the \
                 measured norms and hold for this network as it is; the Lipschitz constants it was \
                 configured with do not: train longer, or freeze with more Björck steps."
                    .to_owned(),
            );
        }
        let hopeless = margins.share_not_robust;
        if hopeless > 0.0 {
            sentences.push(format!(
                "{:.0} % of the inputs are not r-robust even without an attack: the posterior's \
                 noise alone leaves the ball; a larger r is needed (median r_min {:.2}).",
                100.0 * hopeless,
                median(&self.values(|i| i.bounds.r_min.value)),
            ));
        }
        let broken = margins.share_bracketed_at_zero;
        if broken > 0.0 {
            sentences.push(format!(
                "{:.0} % of the inputs are robust at rest but at no radius tried: their margin is \
                 below the tolerance {}.",
                100.0 * broken,
                self.options.margins.tolerance,
            ));
        }
        let capped = margins.share_at_cap;
        if capped > 0.0 {
            sentences.push(format!(
                "{:.0} % of the inputs withstood every norm up to {}: their margin is only known \
                 to exceed what was tried.",
                100.0 * capped,
                self.options.margins.cap,
            ));
        }
        sentences
    }

    fn certified_sentence(&self) -> String {
        let radii: Vec<f64> = self
            .inputs
            .iter()
            .filter_map(|i| i.certified().map(|c| c.radius))
            .collect();
        if radii.is_empty() {
            return "Certificate: none, since the layers of this network are not fully connected."
                .to_owned();
        }
        format!(
            "Certificate against attacks on μ (σ kept): median {:.2e}, largest {:.2e}. No attack of \
             a smaller norm can break r-robustness, with the confidence above where p₀ enters; \
             ordinary networks get small ones.",
            stats::median(&radii).unwrap_or(f64::NAN),
            radii.iter().copied().fold(0.0, f64::max),
        )
    }

    /// One row per input, named by `names`.
    ///
    /// # Errors
    /// Another number of names than of inputs.
    pub fn table(&self, names: &[String]) -> Result<Table> {
        if names.len() != self.inputs.len() {
            bail!(
                "names: expected {}, found {}",
                self.inputs.len(),
                names.len()
            );
        }
        let columns = [
            "input",
            "margin from",
            "margin to",
            "random-direction margin",
            "margins are",
            "B_F",
            "B_2",
            "B_M",
            "bounds are",
            "B_F at p₀ = .9",
            "certificate (V1)",
            "by",
            "certificate is",
            "p₀",
            "r_min",
            "‖J‖_F",
            "damage",
            "damage through μ",
            "damage through σ",
            "degradation",
            "‖x − g(μ(x))‖",
        ];
        let mut table = Table::new("inputs", "Every input", &columns).with_caption(
            "Bounds from the Clopper-Pearson limit of p₀. Damage: E ‖Δ‖ under the strongest \
             attack. Degradation: relative change of log p(x|z), negative where the attack harms.",
        );
        for (name, input) in names.iter().zip(&self.inputs) {
            let mut row = vec![Cell::from(name.as_str())];
            let bounds = &input.bounds;
            let certified = input.certified();
            row.extend([
                input.margin.margin.value.into(),
                input.margin.margin.upper.into(),
                input.random.margin.value.into(),
                input.margin.evidence.to_string().into(),
                bounds.confident.frobenius.into(),
                bounds.confident.spectral.into(),
                bounds.confident.mahalanobis.into(),
                bounds.confident.evidence.to_string().into(),
                bounds.at_p0_90.frobenius.into(),
                Cell::from(certified.map(|c| c.radius)),
                Cell::from(certified.map(|c| c.term.name())),
                Cell::from(certified.map(|c| c.evidence.to_string())),
            ]);
            row.extend(
                [
                    bounds.p0.value(),
                    bounds.r_min.value,
                    bounds.jacobian_frobenius,
                    input.channels.both,
                    input.channels.mean_only,
                    input.channels.sigma_only,
                    input.degradation.signed(),
                    input.distortion,
                ]
                .map(Cell::from),
            );
            table.push_row(row)?;
        }
        Ok(table)
    }

    /// The whole report.
    ///
    /// # Errors
    /// Another number of names than of inputs; pixels that are not finite.
    pub fn report(&self, title: &str, names: &[String], manifest: RunManifest) -> Result<Report> {
        let mut report = Report::new(title, manifest);
        report.summary = self.sentences();
        let mut section = Section::new("margins", "Margins and bounds");
        section.push(Block::Text(format!(
            "r = {}, m = {}. Empirical: margins, damage. First order: the bounds. Sound, with confidence \
             where p₀ enters: the certificate.",
            self.options.margins.r, self.options.margins.m
        )));
        section.push(self.histogram()?);
        section.push(self.margins_table()?);
        section.push(self.summary_table()?);
        report.sections.push(section);
        let mut section = Section::new("attacks", "Attacks");
        section.push(self.damage_figure()?);
        section.push(self.pictures(names)?);
        report.sections.push(section);
        let mut section = Section::new("all", "Every input");
        section.push(self.table(names)?);
        report.sections.push(section);
        Ok(report)
    }

    fn histogram(&self) -> Result<Figure> {
        let margins = self.values(|i| i.margin.margin.value);
        Ok(Figure::histogram(
            "margin-histogram",
            "Adversarial margins",
            Axis::linear("R"),
            vec![Histogram::equal_bins("inputs", &margins, BINS)],
        )?)
    }

    fn margins_table(&self) -> Result<Table> {
        let columns = [
            "what",
            "mean",
            "smallest",
            "lower quartile",
            "median",
            "upper quartile",
            "at the cap",
            "not robust at rest",
            "bracket from 0",
            "evidence",
        ];
        let mut table = Table::new("margins-table", "Margins over the inputs", &columns)
            .with_caption(
                "Lower ends of the brackets; an input at the cap counts with the cap. Shares of \
                 the inputs: two kinds of 0 are told apart.",
            );
        for (what, s) in [
            ("adversarial", &self.summary.margins),
            ("random direction", &self.summary.random),
        ] {
            let numbers = [
                s.mean,
                s.minimum,
                s.lower_quartile,
                s.median,
                s.upper_quartile,
                s.share_at_cap,
                s.share_not_robust,
                s.share_bracketed_at_zero,
            ];
            let mut cells = vec![Cell::from(what)];
            cells.extend(numbers.map(Cell::from));
            cells.push(s.evidence.to_string().into());
            table.push_row(cells)?;
        }
        Ok(table)
    }

    fn summary_table(&self) -> Result<Table> {
        let mut table = Table::new(
            "summary-table",
            "Over the inputs",
            &["what", "mean", "median"],
        )
        .with_caption("Means with 95 % intervals over the inputs.");
        let rows: [(&str, Vec<f64>); 7] = [
            ("adversarial margin", self.values(|i| i.margin.margin.value)),
            (
                "random-direction margin",
                self.values(|i| i.random.margin.value),
            ),
            (
                "B_F (confident)",
                self.values(|i| i.bounds.confident.frobenius),
            ),
            (
                "B_M (confident)",
                self.values(|i| i.bounds.confident.mahalanobis),
            ),
            ("r_min", self.values(|i| i.bounds.r_min.value)),
            ("damage", self.values(|i| i.channels.both)),
            ("‖x − g(μ(x))‖", self.values(|i| i.distortion)),
        ];
        for (what, values) in rows {
            let mean = over_seeds(&values);
            let median = stats::median(&values).unwrap_or(f64::NAN);
            let cells = vec![
                what.into(),
                Cell::from((mean.value, mean.lower, mean.upper)),
                median.into(),
            ];
            table.push_row(cells)?;
        }
        Ok(table)
    }

    fn damage_figure(&self) -> Result<Figure> {
        let norms: Vec<f64> = self.damage.iter().map(|p| p.norm).collect();
        let estimates: Vec<_> = self
            .damage
            .iter()
            .map(|p| over_seeds(&p.rows.iter().map(|r| r.distance).collect::<Vec<_>>()))
            .collect();
        let line = Line::new(
            "strongest attack found",
            norms,
            estimates.iter().map(|e| e.value).collect(),
        )
        .with_band(
            estimates.iter().map(|e| e.lower).collect(),
            estimates.iter().map(|e| e.upper).collect(),
        );
        let figure = Figure::lines(
            "damage",
            "Damage against the norm of the attack",
            Axis::linear("‖δ‖₂"),
            Axis::linear("E ‖g(z*) − g(μ(x))‖₂"),
            vec![line],
        )?;
        Ok(figure.with_caption("Mean and 95 % interval over the inputs."))
    }

    fn pictures(&self, names: &[String]) -> Result<ImageGrid> {
        let shown = SHOWN.min(self.inputs.len());
        let columns: Vec<&str> = names.iter().take(shown).map(String::as_str).collect();
        let mut grid = ImageGrid::new("pictures", "The strongest attacks", &columns)
            .with_caption("Mean reconstructions; attacks of the largest norm.");
        let size = self.x.size();
        let size = [size[1] as usize, size[2] as usize, size[3] as usize];
        for (label, images) in [
            ("input", &self.x),
            ("reconstruction", &self.reconstructions[0]),
            ("attacked", &self.attacked),
            ("reconstruction of the attacked", &self.reconstructions[1]),
        ] {
            let part = images.narrow(0, 0, shown as i64);
            let cells = pixels(&part)
                .iter()
                .map(|image| Ok(Some(ImageCell::new(Picture::from_unit(size, image)?, ""))))
                .collect::<Result<Vec<_>>>()?;
            grid.push_row(label, cells)?;
        }
        Ok(grid)
    }
}
