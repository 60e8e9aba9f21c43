//! The report of an audit: tables, figures and pictures.

use super::sentences::{NO_ORDER, kinds, median};
use super::{Audit, InputAudit, OF_BOUNDS};
use crate::claims::over_seeds;
use crate::pictures::picture_row;
use crate::variants::{long_name, short_name};
use anyhow::{Result, bail};
use vaegis_attacks::Variant;
use vaegis_report::{
    Axis, Block, Cell, Figure, Histogram, ImageGrid, Line, Report, RunManifest, Section, Table,
};

/// Images shown as pictures.
const SHOWN: usize = 8;
/// Bins of the histogram of margins.
const BINS: usize = 20;

impl Audit {
    pub(super) fn values(&self, pick: impl Fn(&InputAudit) -> f64) -> Vec<f64> {
        self.inputs.iter().map(pick).collect()
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
        let inputs = names.iter().zip(&self.inputs);
        let rows: Vec<_> = inputs.map(|(name, input)| self.row(name, input)).collect();
        let columns = rows.first().into_iter().flatten();
        let columns: Vec<&str> = columns.map(|(column, _)| column.as_str()).collect();
        let attack = long_name(self.options.margins.variant);
        let mut table = Table::new("inputs", "Every input", &columns).with_caption(&format!(
            "Bounds from the Clopper-Pearson limit of p₀; p₀ and r_min are without an attack, and \
             those of V1 and V2. Damage: E ‖Δ‖ under the strongest attack, which maximizes the \
             damage {attack}. Degradation: relative change of log p(x|μ(x + δ)), without noise, \
             under the same attack, negative where it harms. {NO_ORDER}",
        ));
        for row in &rows {
            table.push_row(row.iter().map(|(_, cell)| cell.clone()).collect())?;
        }
        Ok(table)
    }

    /// What is known of one input, by the names of the columns: each begins with the definition
    /// that the number is of.
    fn row(&self, name: &str, input: &InputAudit) -> Vec<(String, Cell)> {
        let of = |variant, what: &str, cell| (format!("{}: {what}", long_name(variant)), cell);
        let mut row = vec![("input".to_owned(), Cell::from(name))];
        for margin in &input.margins {
            let (variant, found) = (margin.variant, &margin.found);
            row.extend([
                of(variant, "margin from", found.margin.value.into()),
                of(variant, "margin to", found.margin.upper.into()),
                of(variant, "margin is", found.evidence.to_string().into()),
            ]);
        }
        let (variant, random) = (input.random.variant, &input.random.found);
        let radius = random.margin.value.into();
        row.push(of(variant, "random-direction margin", radius));
        let (variant, bounds) = (input.bounds.variant, &input.bounds.found);
        let confident = &bounds.confident;
        row.extend([
            of(variant, "B_F", confident.frobenius.into()),
            of(variant, "B_2", confident.spectral.into()),
            of(variant, "B_M", confident.mahalanobis.into()),
            of(variant, "bounds are", confident.evidence.to_string().into()),
            of(variant, "B_F at p₀ = .9", bounds.at_p0_90.frobenius.into()),
        ]);
        for certificate in &input.certificates {
            let (variant, best) = (certificate.variant, certificate.best);
            row.extend([
                of(variant, "certificate", best.radius.into()),
                of(variant, "certificate by", best.term.name().into()),
                of(variant, "certificate is", best.evidence.to_string().into()),
            ]);
        }
        let channels = &input.channels;
        let plain = |what: &str, value: f64| (what.to_owned(), Cell::from(value));
        row.extend([
            plain("p₀", bounds.p0.value()),
            plain("r_min", bounds.r_min.value),
            plain("‖J‖_F", bounds.jacobian_frobenius),
            of(Variant::Both, "damage", channels.both.into()),
            of(Variant::MeanOnly, "damage", channels.mean_only.into()),
            of(Variant::SigmaOnly, "damage", channels.sigma_only.into()),
            plain("degradation", input.degradation.signed()),
            plain("‖x − g(μ(x))‖", input.distortion),
        ]);
        row
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
             where p₀ enters: the certificates. Every number is of one definition of r-robustness. \
             V1 (mean only): the perturbation moves μ, the noise keeps σ(x). V2 (mean and noise \
             scale): it moves both, as in the network at work. V3 (two samples): as V2, against a \
             noisy clean reconstruction instead of the mean one. {NO_ORDER}",
            self.options.margins.r, self.options.margins.m
        )));
        section.push(self.histogram()?);
        section.push(self.margins_table()?);
        if !self.certified_variants().is_empty() {
            section.push(self.certificates_table()?);
        }
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

    /// The margins of every input, definition by definition.
    fn margin_values(&self) -> Vec<(Variant, Vec<f64>)> {
        let of = |variant| {
            let all = self.inputs.iter().filter_map(|i| i.margin(variant));
            (variant, all.map(|m| m.margin.value).collect())
        };
        self.options.variants().into_iter().map(of).collect()
    }

    fn histogram(&self) -> Result<Figure> {
        let margins = self.margin_values();
        let all: Vec<f64> = margins.iter().flat_map(|(_, v)| v).copied().collect();
        // The same bins for all definitions.
        let edges = Histogram::equal_bins("", &all, BINS).edges;
        let series = margins.iter().map(|(variant, values)| {
            Histogram::from_values(long_name(*variant), values, edges.clone())
        });
        Ok(Figure::histogram(
            "margin-histogram",
            "Adversarial margins by definition",
            Axis::linear("R"),
            series.collect(),
        )?)
    }

    fn margins_table(&self) -> Result<Table> {
        let columns = [
            "definition",
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
        let adversarial = self.summary.margins.iter().map(|s| ("adversarial", s));
        for (what, of) in adversarial.chain([("random direction", &self.summary.random)]) {
            let s = &of.found;
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
            let mut cells = vec![Cell::from(long_name(of.variant)), Cell::from(what)];
            cells.extend(numbers.map(Cell::from));
            cells.push(s.evidence.to_string().into());
            table.push_row(cells)?;
        }
        Ok(table)
    }

    fn certificates_table(&self) -> Result<Table> {
        let columns = [
            "definition",
            "smallest",
            "median",
            "largest",
            "evidence",
            "margin of the same definition (median)",
            "above its bracket",
        ];
        let mut table = Table::new(
            "certificates-table",
            "Certificates over the inputs by definition",
            &columns,
        )
        .with_caption(
            "V2 and V3 are certified where σ is constant or has a known Lipschitz constant. Above \
             its bracket: inputs whose certificate exceeds the upper end of the margin's bracket.",
        );
        let margins = self.margin_values();
        for variant in self.certified_variants() {
            let best = || self.certificates(variant).map(|c| c.best);
            let radii: Vec<f64> = best().map(|b| b.radius).collect();
            let margin = margins.iter().find(|(of, _)| *of == variant);
            let above = margin.map(|_| {
                let radius = |i: &InputAudit| i.certificate(variant).map(|c| c.best.radius);
                self.beside_margins(variant, radius).num_below
            });
            table.push_row(vec![
                long_name(variant).into(),
                radii.iter().copied().fold(f64::INFINITY, f64::min).into(),
                median(&radii).into(),
                radii.iter().copied().fold(0.0, f64::max).into(),
                kinds(best().map(|b| b.evidence)).into(),
                margin.map(|(_, values)| median(values)).into(),
                above.into(),
            ])?;
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
        let of = |variant, what: &str| format!("{}: {what}", long_name(variant));
        let margins = self.margin_values().into_iter();
        let mut rows: Vec<(String, Vec<f64>)> = margins
            .map(|(variant, values)| (of(variant, "adversarial margin"), values))
            .collect();
        rows.extend([
            (
                of(self.summary.random.variant, "random-direction margin"),
                self.values(|i| i.random.found.margin.value),
            ),
            (
                of(OF_BOUNDS, "B_F (confident)"),
                self.values(|i| i.bounds.found.confident.frobenius),
            ),
            (
                of(OF_BOUNDS, "B_M (confident)"),
                self.values(|i| i.bounds.found.confident.mahalanobis),
            ),
            (
                "r_min".to_owned(),
                self.values(|i| i.bounds.found.r_min.value),
            ),
            (
                of(Variant::Both, "damage"),
                self.values(|i| i.channels.both),
            ),
            ("‖x − g(μ(x))‖".to_owned(), self.values(|i| i.distortion)),
        ]);
        for (what, values) in rows {
            let mean = over_seeds(&values);
            let cells = vec![
                what.into(),
                Cell::from((mean.value, mean.lower, mean.upper)),
                median(&values).into(),
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
        let variant = self.options.margins.variant;
        let line = Line::new(
            &format!("strongest attack found: {}", long_name(variant)),
            norms,
            estimates.iter().map(|e| e.value).collect(),
        )
        .with_band(
            estimates.iter().map(|e| e.lower).collect(),
            estimates.iter().map(|e| e.upper).collect(),
        );
        let figure = Figure::lines(
            "damage",
            &format!(
                "Damage {} against the norm of the attack",
                short_name(variant)
            ),
            Axis::linear("‖δ‖₂"),
            Axis::linear("E ‖g(z*) − g(μ(x))‖₂"),
            vec![line],
        )?;
        Ok(figure.with_caption("Mean and 95 % interval over the inputs."))
    }

    fn pictures(&self, names: &[String]) -> Result<ImageGrid> {
        let shown = SHOWN.min(self.inputs.len());
        let columns: Vec<&str> = names.iter().take(shown).map(String::as_str).collect();
        let mut grid =
            ImageGrid::new("pictures", "The strongest attacks", &columns).with_caption(&format!(
                "Mean reconstructions; attacks of the largest norm that maximize the damage {}.",
                long_name(self.options.margins.variant),
            ));
        let pictures = &self.pictures;
        for (label, images) in [
            ("input", &pictures.x),
            ("reconstruction", &pictures.reconstructions[0]),
            ("attacked", &pictures.attacked),
            (
                "reconstruction of the attacked",
                &pictures.reconstructions[1],
            ),
        ] {
            grid.push_row(label, picture_row(&images.narrow(0, 0, shown as i64))?)?;
        }
        Ok(grid)
    }
}

#[cfg(test)]
mod tests {
    use crate::audit::{AuditOptions, audit};
    use crate::pictures::tests::Negative;
    use vaegis_core::SeedTree;
    use vaegis_eval::margin::MarginOptions;
    use vaegis_tensor::{Noise, Tensor};

    #[test]
    fn pictures_of_pixels_from_minus_one_to_one_have_their_whole_range() {
        let noise = Noise::portable(SeedTree::new(33));
        let model = Negative::new(&noise);
        // The noise of this model is below the resolution of f32, so an attack that starts next to
        // an image sees its slope only where a pixel is 0.
        let x = Tensor::from_slice(&[-1.0_f32, 0.0, 0.0, 1.0]).reshape([2, 1, 1, 2]);
        let options = AuditOptions {
            margins: MarginOptions {
                num_samples: 20,
                num_samples_unperturbed: 200,
                restarts: 1,
                steps: 2,
                tolerance: 1.0,
                ..MarginOptions::default()
            },
            num_samples: 200,
            norms: vec![0.5],
            ..AuditOptions::default()
        };
        let found = audit(&model, &x, &options, &noise, |_, _| ()).expect("an audit");
        let names = ["a", "b"].map(str::to_owned);
        let grid = found.pictures(&names).expect("finite pixels");
        let shown = |row: usize, column: usize| -> &[u8] {
            let cell = grid.cells[row][column].as_ref().expect("a picture");
            &cell.picture.pixels
        };
        // (v + 1) / 2 of 255 for inputs and (1 − v) / 2 of 255 for reconstructions.
        for (column, input, reconstruction) in
            [(0, [0, 128], [255, 128]), (1, [128, 255], [128, 0])]
        {
            assert_eq!(shown(0, column), input);
            assert_eq!(shown(1, column), reconstruction);
            assert_ne!(shown(2, column), input, "nothing was attacked");
            for (v, negative) in shown(2, column).iter().zip(shown(3, column)) {
                // Both are rounded.
                let sum = u16::from(*v) + u16::from(*negative);
                assert!((254..=256).contains(&sum), "{v} and {negative}");
            }
        }
    }
}
