//! One-dimensional encoders with an identity decoder, whose margins are exact:
//! what the printed first-order bound does where the encoder bends.

use anyhow::Result;
use ndarray::array;
use vaegis_report::{Cell, Table};
use vaegis_theory::margin::{
    AcceptanceProbability, EncoderGeometry, bounds, cell_certificate, second_order_certificate,
};
use vaegis_theory::special::normal_cdf;

/// Perturbations are looked at up to this length.
const REACH: f64 = 6.0;
/// Grid on which the first failing perturbation is looked for.
const GRID: f64 = 1e-3;
const NUM_BISECTIONS: usize = 60;

/// How the encoder at x = 0 bends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Encoder {
    /// μ = x + c x², σ constant.
    Curved { curvature: f64 },
    /// μ = 5 max(x − k, 0), σ constant.
    LateRectifier { kink: f64 },
    /// μ = 0.2 x, σ grows as e^(1.5|x|) and moves with the input (V2).
    GrowingScale,
}

/// One counter-example with its exact margin.
#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) name: String,
    pub(super) first_order: f64,
    pub(super) exact: f64,
    /// A sound radius where one applies: second-order or cell form.
    pub(super) sound: Option<(&'static str, f64)>,
}

impl Example {
    /// Whether the printed bound exceeds the margin.
    pub(super) fn violates_first_order(&self) -> bool {
        self.first_order > self.exact
    }

    /// Whether the sound radius exceeds the margin, beyond its bisection.
    pub(super) fn violates_sound(&self) -> bool {
        self.sound
            .is_some_and(|(_, radius)| radius > self.exact + 1e-9)
    }
}

impl Encoder {
    fn mu(self, x: f64) -> f64 {
        match self {
            Self::Curved { curvature } => x + curvature * x * x,
            Self::LateRectifier { kink } => 5.0 * (x - kink).max(0.0),
            Self::GrowingScale => 0.2 * x,
        }
    }

    fn sigma(self, sigma: f64, x: f64) -> f64 {
        match self {
            Self::GrowingScale => sigma * (1.5 * x.abs()).exp(),
            _ => sigma,
        }
    }

    fn slope(self) -> f64 {
        match self {
            Self::Curved { .. } => 1.0,
            Self::LateRectifier { .. } => 0.0,
            Self::GrowingScale => 0.2,
        }
    }

    fn example(self, name: String, sigma: f64, r: f64) -> Result<Example> {
        let share = |x: f64| {
            let (mu, sigma) = (self.mu(x), self.sigma(sigma, x));
            normal_cdf((r - mu) / sigma) - normal_cdf((-r - mu) / sigma)
        };
        let p0 = AcceptanceProbability::exact(share(0.0))?;
        let geometry = EncoderGeometry::diagonal(&[sigma], array![[self.slope()]].view())?;
        let bound = bounds(&geometry, &p0, 0.5)?;
        let sound = match self {
            Self::Curved { curvature } => {
                let radius = second_order_certificate(&geometry, 2.0 * curvature, &p0, 0.5)?;
                Some(("second order", radius.value))
            }
            Self::LateRectifier { kink } => Some(("cell", cell_certificate(&bound, kink)?.value)),
            Self::GrowingScale => None,
        };
        Ok(Example {
            name,
            first_order: bound.frobenius,
            exact: first_failure(share),
            sound,
        })
    }
}

/// Length of the shortest perturbation, of either sign, with a share of at most ½.
fn first_failure(share: impl Fn(f64) -> f64) -> f64 {
    let fails = |t: f64| share(t) <= 0.5 || share(-t) <= 0.5;
    let steps = (REACH / GRID) as usize;
    let Some(step) = (1..=steps).find(|&k| fails(k as f64 * GRID)) else {
        return f64::INFINITY;
    };
    let (mut low, mut high) = ((step - 1) as f64 * GRID, step as f64 * GRID);
    for _ in 0..NUM_BISECTIONS {
        let middle = 0.5 * (low + high);
        if fails(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}

/// All counter-examples; the first, the late rectifier at 0.4 and the growing
/// scale are those of the specification.
pub(super) fn all() -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    for curvature in [5.0, 10.0, 2.0] {
        for (sigma, r) in [(0.4, 1.0), (0.2, 1.0), (0.4, 2.0)] {
            let name = format!("μ = x + {curvature}x², σ = {sigma}, r = {r}");
            examples.push(Encoder::Curved { curvature }.example(name, sigma, r)?);
        }
    }
    for kink in [0.4, 0.1, 1.0] {
        let name = format!("μ = 5 max(x − {kink}, 0), σ = 0.4, r = 1");
        examples.push(Encoder::LateRectifier { kink }.example(name, 0.4, 1.0)?);
    }
    let name = "μ = 0.2x, σ = 0.25 e^(1.5|x|) (V2), r = 0.8".to_owned();
    examples.push(Encoder::GrowingScale.example(name, 0.25, 0.8)?);
    Ok(examples)
}

/// The table of the report.
pub(super) fn table(examples: &[Example]) -> Result<Table> {
    let columns = [
        "encoder at x = 0",
        "B_F (first order)",
        "exact margin",
        "B_F holds",
        "sound form",
        "its radius",
    ];
    let mut table = Table::new(
        "counter-examples",
        "Where the printed bound fails",
        &columns,
    )
    .with_caption(
        "Identity decoder, p₀ exact, m = ½. The printed bound drops an O(ε) term that these \
             encoders do not forgive; the sound forms stay below the exact margin.",
    );
    for example in examples {
        let verdict = if example.violates_first_order() {
            "violated"
        } else {
            "holds"
        };
        table.push_row(vec![
            Cell::from(example.name.as_str()),
            Cell::from(example.first_order),
            Cell::from(example.exact),
            Cell::from(verdict),
            Cell::from(example.sound.map_or("none", |(name, _)| name)),
            Cell::from(example.sound.map(|(_, radius)| radius)),
        ])?;
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's V7 and V8: bound .898 and ∞ against true .358 and
    /// .600, second-order form .335; bound 3.743 against 1.028 where σ moves.
    #[test]
    fn the_published_counterexamples_have_their_numbers() {
        let examples = all().expect("exact");
        let near = |value: f64, expected: f64| (value - expected).abs() < 6e-4;
        let curved = &examples[0];
        assert!(
            near(curved.first_order, 0.898) && near(curved.exact, 0.358),
            "{curved:?}"
        );
        assert!(
            near(curved.sound.expect("second order").1, 0.335),
            "{curved:?}"
        );
        let late = examples
            .iter()
            .find(|e| e.name.contains("− 0.4"))
            .expect("listed");
        assert!(
            late.first_order.is_infinite() && near(late.exact, 0.600),
            "{late:?}"
        );
        assert_eq!(late.sound, Some(("cell", 0.4)));
        let growing = examples.last().expect("listed");
        assert!(
            near(growing.first_order, 3.743) && near(growing.exact, 1.028),
            "{growing:?}"
        );
        assert!(examples.iter().filter(|e| e.violates_first_order()).count() >= 3);
        assert!(!examples.iter().any(Example::violates_sound));
    }
}
