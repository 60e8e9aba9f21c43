//! Closed-form divergences between different families.

use crate::{Entropy, KlTo, Laplace, Normal, Uniform, check};
use std::f64::consts::{FRAC_2_PI, PI, SQRT_2};
use vaegis_tensor::Tensor;

/// E\[−log N(x; μ, σ²)\] where x has this mean square distance from μ.
fn cross_entropy_to_normal(mean_square: &Tensor, normal: &Normal) -> Tensor {
    mean_square / normal.scale().square() * 0.5 + normal.log_scale() + 0.5 * (2.0 * PI).ln()
}

impl KlTo<Normal> for Laplace {
    /// # Formula
    /// ```text
    /// (2b² + (m−μ)²)/(2σ²) + log σ + ½ log 2π − 1 − log 2b
    /// ```
    fn kl_to(&self, other: &Normal) -> Tensor {
        let (ours, theirs) = (self.loc().size(), other.loc().size());
        check::assert_same_batch("KL(Laplace ‖ Normal)", &ours, &theirs);
        let square = self.scale().square() * 2.0 + (self.loc() - other.loc()).square();
        cross_entropy_to_normal(&square, other) - self.entropy()
    }
}

impl KlTo<Normal> for Uniform {
    /// # Formula
    /// ```text
    /// ((high−low)²/12 + (center−μ)²)/(2σ²) + log σ + ½ log 2π − log(high−low)
    /// ```
    fn kl_to(&self, other: &Normal) -> Tensor {
        let (ours, theirs) = (self.low().size(), other.loc().size());
        check::assert_same_batch("KL(Uniform ‖ Normal)", &ours, &theirs);
        let width = self.high() - self.low();
        let center = (self.high() + self.low()) * 0.5;
        let square = width.square() / 12.0 + (center - other.loc()).square();
        cross_entropy_to_normal(&square, other) - self.entropy()
    }
}

impl KlTo<Laplace> for Normal {
    /// # Formula
    /// ```text
    /// E|x−m|/b + log 2b − log σ − ½ log 2πe
    /// E|x−m| = σ √(2/π) e^(−d²/2σ²) + d erf(d/(σ√2)),   d = μ − m
    /// ```
    fn kl_to(&self, other: &Laplace) -> Tensor {
        let (ours, theirs) = (self.loc().size(), other.loc().size());
        check::assert_same_batch("KL(Normal ‖ Laplace)", &ours, &theirs);
        let shift = self.loc() - other.loc();
        let z = &shift / self.scale();
        let bell = (z.square() * -0.5).exp() * self.scale() * FRAC_2_PI.sqrt();
        let distance = bell + shift * (z / SQRT_2).erf();
        distance / other.scale() + other.log_scale() + 2f64.ln() - self.entropy()
    }
}
