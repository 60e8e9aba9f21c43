//! Distribution of a weighted sum of (non-central) chi-squares, Q = Σ λᵢ (Zᵢ + νᵢ)².
//!
//! For: the squared length of a Gaussian vector, which is what a linear(ised) decoder returns.
//! The inversion integral is evaluated on a contour around the negative axis where it converges
//! geometrically, and with strong shifts on the line through its saddle point; Imhof's integral on
//! the real line ([`imhof`]) is the independent second method.
//! Not for the density, nor for negative weights.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Result, TheoryError, check_open_unit, check_same_len, invalid};
use crate::root::ridders;
use crate::special::{chi2_cdf, chi2_quantile, noncentral_chi2_cdf};

/// Relative spread of weights below which they count as equal; moves the result by as much.
const EQUAL: f64 = 1e-12;
/// σ, μ, ν and α of the cotangent contour, optimal for functions with singularities on the negative
/// axis.
const COTANGENT: [f64; 4] = [0.6122, 0.5017, 0.2645, 0.6407];
/// Node counts of the contour rule, tried in pairs; more nodes buy accuracy until rounding,
/// which grows like exp(0.17 N), takes it back.
const NODES: [usize; 4] = [24, 32, 48, 64];
/// Difference between two node counts at which the contour value is accepted.
const CONTOUR_TOLERANCE: f64 = 1e-11;
/// Step of the rule on the saddle line, in widths of the integrand's peak, halved until two values
/// agree; and the nodes that it may take.
const LINE_STEP: f64 = 0.6;
const LINE_HALVINGS: usize = 4;
const LINE_NODES: usize = 20_000;
/// Difference and truncation error at which the saddle line's value is accepted.
const LINE_TOLERANCE: f64 = 1e-10;
/// Steps that locate the saddle point, which need not be exact.
const SADDLE_STEPS: usize = 80;
/// Error at which a probability is still good enough to be inverted.
const USABLE_ERROR: f64 = 1e-7;
/// Truncation error that Imhof's integral aims for.
const TRUNCATION_TARGET: f64 = 1e-10;
/// Panels that Imhof's integral may use before it accepts a larger truncation error.
const MAX_PANELS: usize = 100_000;
/// Gauss-Legendre nodes per panel of at most half an oscillation.
const PANEL_NODES: usize = 16;
/// Relative widening of the bracket of a quantile, far above the noise of the probability.
const WIDENING: f64 = 1e-6;
/// Relative length of the final bracket of a quantile.
const QUANTILE_TOLERANCE: f64 = 1e-13;

/// Probability with an estimate of its absolute error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probability {
    /// Value, within [0, 1].
    pub value: f64,
    /// Estimated absolute error.
    pub error: f64,
}

/// P(Σ λᵢ (Zᵢ + νᵢ)² ≤ x) for independent standard normal Zᵢ.
///
/// Closed form when all non-zero weights are equal, else the contour rule, else the rule on the
/// saddle line, which strong shifts make short, else Imhof's integral.
///
/// # Shapes
/// `lambdas` `[n]`; `shifts` `[n]`, or empty for νᵢ = 0.
///
/// # Errors
/// When a weight is negative or not finite, a shift is not finite, or the lengths differ.
///
/// # References
/// Imhof (1961), "Computing the distribution of quadratic forms in normal variables";
/// Trefethen, Weideman and Schmelzer (2006), "Talbot quadratures and rational approximations";
/// Rice (1980), "Distribution of quadratic forms in normal random variables: evaluation by
/// numerical integration", for the saddle line.
pub fn cdf(x: f64, lambdas: &[f64], shifts: &[f64]) -> Result<Probability> {
    let form = QuadraticForm::new("chi_square_mixture::cdf", x, lambdas, shifts)?;
    if let Some(value) = form.closed_form(x) {
        return Ok(Probability {
            value,
            error: f64::EPSILON,
        });
    }
    let x = x / form.scale;
    let mut coarse = form.contour(x, NODES[0]);
    for nodes in &NODES[1..] {
        let fine = form.contour(x, *nodes);
        let error = (fine - coarse).abs();
        if error <= CONTOUR_TOLERANCE {
            return Ok(Probability {
                value: fine.clamp(0.0, 1.0),
                error,
            });
        }
        coarse = fine;
    }
    Ok(form.saddle_line(x).unwrap_or_else(|| form.imhof(x)))
}

/// The same probability by Imhof's integral on the real line, with an explicit truncation bound.
///
/// # Formula
/// ```text
/// P(Q ≤ x) = ½ − (1/π) ∫₀^∞ sin θ(u) / (u ρ(u)) du
/// θ(u) = ½ Σ [arctan λᵢu + νᵢ²λᵢu/(1+λᵢ²u²)] − ½xu
/// ρ(u) = Π (1+λᵢ²u²)^¼ exp{½ Σ (νᵢλᵢu)²/(1+λᵢ²u²)}
/// ```
/// The integrand falls like u^−(1+n/2), so with two or three weights the reported error is
/// dominated by truncation; [`cdf`] does not have that weakness.
///
/// # Errors
/// As for [`cdf`].
pub fn imhof(x: f64, lambdas: &[f64], shifts: &[f64]) -> Result<Probability> {
    let form = QuadraticForm::new("chi_square_mixture::imhof", x, lambdas, shifts)?;
    if form.terms.is_empty() || x <= 0.0 {
        let value = if form.terms.is_empty() && x >= 0.0 {
            1.0
        } else {
            0.0
        };
        return Ok(Probability { value, error: 0.0 });
    }
    Ok(form.imhof(x / form.scale))
}

/// Quantile of the central mixture: the x with P(Σ λᵢ Zᵢ² ≤ x) = p.
///
/// Zero when all weights are zero.
///
/// # Errors
/// When `p` is not in (0, 1), a weight is negative or not finite, or the distribution function
/// could not be evaluated well enough.
pub fn quantile(p: f64, lambdas: &[f64]) -> Result<f64> {
    const OP: &str = "chi_square_mixture::quantile";
    check_open_unit(OP, "p", p)?;
    let form = QuadraticForm::new(OP, 1.0, lambdas, &[])?;
    if form.terms.is_empty() {
        return Ok(0.0);
    }
    if form.is_equal() {
        return Ok(form.scale * chi2_quantile(p, form.terms.len() as f64));
    }
    // One chi-square bounds the mixture from below, n of the largest weight from above.
    // The ends are moved out a little, because a tiny second weight puts the root on one of them.
    let lo = form.scale * chi2_quantile(p, 1.0) * (1.0 - WIDENING);
    let hi = form.scale * chi2_quantile(p, form.terms.len() as f64);
    ridders(OP, (lo, hi * (1.0 + WIDENING)), QUANTILE_TOLERANCE, |x| {
        let probability = cdf(x, lambdas, &[])?;
        if probability.error > USABLE_ERROR {
            return Err(TheoryError::NotConverged {
                op: OP,
                name: "distribution function",
                expected: format!("error at most {USABLE_ERROR:e}"),
                found: format!("{:e}", probability.error),
            });
        }
        Ok(probability.value - p)
    })
}

/// One summand λ (Z + ν)², scaled so that the largest weight is one.
struct Term {
    lambda: f64,
    /// ν².
    noncentrality: f64,
}

struct QuadraticForm {
    terms: Vec<Term>,
    scale: f64,
}

impl QuadraticForm {
    fn new(op: &'static str, x: f64, lambdas: &[f64], shifts: &[f64]) -> Result<Self> {
        if x.is_nan() {
            return Err(invalid(op, "x", "a number", x));
        }
        if let Some(bad) = lambdas.iter().find(|l| !(l.is_finite() && **l >= 0.0)) {
            return Err(invalid(op, "lambdas", "finite and at least 0", bad));
        }
        if let Some(bad) = shifts.iter().find(|s| !s.is_finite()) {
            return Err(invalid(op, "shifts", "finite", bad));
        }
        if !shifts.is_empty() {
            check_same_len(op, "shifts", lambdas.len(), shifts.len())?;
        }
        let scale = lambdas.iter().copied().fold(0.0, f64::max);
        let terms = lambdas
            .iter()
            .enumerate()
            .filter(|(_, lambda)| **lambda > 0.0)
            .map(|(i, lambda)| {
                let shift = shifts.get(i).copied().unwrap_or(0.0);
                Term {
                    lambda: lambda / scale,
                    noncentrality: shift * shift,
                }
            })
            .collect();
        Ok(Self { terms, scale })
    }

    /// E Q, scaled like the terms.
    fn mean(&self) -> f64 {
        let each = self.terms.iter();
        each.map(|t| t.lambda * (1.0 + t.noncentrality)).sum()
    }

    fn is_equal(&self) -> bool {
        self.terms.iter().all(|t| t.lambda >= 1.0 - EQUAL)
    }

    /// The distributions that need no integral; `x` is not scaled here.
    fn closed_form(&self, x: f64) -> Option<f64> {
        if self.terms.is_empty() {
            return Some(if x >= 0.0 { 1.0 } else { 0.0 });
        }
        if x <= 0.0 {
            return Some(0.0);
        }
        if x.is_infinite() {
            return Some(1.0);
        }
        if !self.is_equal() {
            return None;
        }
        let dof = self.terms.len() as f64;
        let noncentrality: f64 = self.terms.iter().map(|t| t.noncentrality).sum();
        let x = x / self.scale;
        Some(if noncentrality > 0.0 {
            noncentral_chi2_cdf(x, dof, noncentrality)
        } else {
            chi2_cdf(x, dof)
        })
    }

    /// Midpoint rule on the cotangent contour for (1/2πi) ∫ e^{sx} L(s) ds/s, where
    /// L(s) = Π (1+2λs)^−½ exp(−ν²λs/(1+2λs)) has all its singularities on the negative axis.
    fn contour(&self, x: f64, nodes: usize) -> f64 {
        let n = nodes as f64;
        let mut sum = 0.0;
        // z = n (−σ + μ θ cot(αθ) + ν i θ), the cotangent contour of Trefethen, Weideman and
        // Schmelzer (2006).
        let [sigma, mu, nu, alpha] = COTANGENT;
        // Conjugate nodes give conjugate values, so the upper half suffices.
        for k in nodes / 2..nodes {
            let theta = (2.0 * k as f64 + 1.0) * PI / n - PI;
            let (sin, cos) = (alpha * theta).sin_cos();
            let re = n * (mu * theta * cos / sin - sigma);
            let im = n * nu * theta;
            let slope_re = n * mu * (cos / sin - alpha * theta / (sin * sin));
            let slope_im = n * nu;
            let (log_re, log_im) = self.log_laplace(re / x, im / x);
            let magnitude = (re + log_re).exp();
            let (value_im, value_re) = (im + log_im).sin_cos();
            // slope / z, then times e^{z + log L}; the imaginary part is what survives.
            let norm = re * re + im * im;
            let ratio_re = (slope_re * re + slope_im * im) / norm;
            let ratio_im = (slope_im * re - slope_re * im) / norm;
            sum += magnitude * (value_re * ratio_im + value_im * ratio_re);
        }
        2.0 * sum / n
    }

    /// The trapezoidal rule for the same integral on the vertical line through the saddle point of
    /// |e^{sx} L(s) / s|, where the integrand falls like a normal density over many widths if the
    /// shifts are strong; none where it does not.
    ///
    /// Below the mean the line lies right of the pole at 0 and gives P(Q ≤ x), above it left of
    /// the pole and gives −P(Q > x).
    fn saddle_line(&self, x: f64) -> Option<Probability> {
        let side = if x <= self.mean() { 1.0 } else { -1.0 };
        // Growing in w: (0, ∞) on the right, (−½, 0) from the first singularity on the left.
        let at = |w: f64| {
            if side > 0.0 {
                w.exp()
            } else {
                -0.5 / (1.0 + w.exp())
            }
        };
        // The slope of log |e^{sx} L(s) / s| grows with s on either side.
        let slope = |s: f64| {
            let each = self.terms.iter().map(|t| {
                let a = 1.0 + 2.0 * t.lambda * s;
                t.lambda / a * (1.0 + t.noncentrality / a)
            });
            x - each.sum::<f64>() - s.recip()
        };
        let (mut low, mut high) = (-600.0, 600.0);
        for _ in 0..SADDLE_STEPS {
            let middle = 0.5 * (low + high);
            if slope(at(middle)) < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let s = at(0.5 * (low + high));
        let curvature: f64 = self
            .terms
            .iter()
            .map(|t| {
                let b = t.lambda / (1.0 + 2.0 * t.lambda * s);
                2.0 * b * b * (1.0 + 2.0 * t.noncentrality / (1.0 + 2.0 * t.lambda * s))
            })
            .sum::<f64>()
            + (s * s).recip();
        let width = curvature.sqrt().recip();
        if !(s != 0.0 && width.is_finite() && width > 0.0) {
            return None;
        }
        let mut coarse = self.line_sum(x, s, LINE_STEP * width)?;
        for halving in 1..=LINE_HALVINGS {
            let step = LINE_STEP * width * 0.5_f64.powi(halving as i32);
            let fine = self.line_sum(x, s, step)?;
            // Of the exponent s x and of the phase, which matters over a few widths.
            let rounding = f64::EPSILON * (s.abs() + width) * x;
            let error = (fine.0 - coarse.0).abs() + fine.1 + rounding;
            if error <= LINE_TOLERANCE {
                let value = if side > 0.0 { fine.0 } else { 1.0 + fine.0 };
                return Some(Probability {
                    value: value.clamp(0.0, 1.0),
                    error,
                });
            }
            coarse = fine;
        }
        None
    }

    /// Sum of the rule with this step on the line re = s, and its truncation error; none where
    /// the integrand does not become negligible within the nodes.
    fn line_sum(&self, x: f64, s: f64, step: f64) -> Option<(f64, f64)> {
        let integrand = |y: f64| {
            let (log_re, log_im) = self.log_laplace(s, y);
            let magnitude = (s * x + log_re).exp() / (s * s + y * y).sqrt();
            (magnitude, y * x + log_im - y.atan2(s))
        };
        let power_law = self.power_law(s);
        let mut sum = 0.0;
        for k in 0..LINE_NODES {
            let y = k as f64 * step;
            let (magnitude, phase) = integrand(y);
            let weight = if k == 0 { 0.5 } else { 1.0 };
            sum += weight * magnitude * phase.cos();
            // Every factor of the magnitude falls with y, so up to where the power law begins
            // the magnitude is at most this one, and from there on the law bounds the integral.
            let start = power_law.max(y);
            if magnitude * start > LINE_TOLERANCE {
                continue;
            }
            let tail = integrand(start).0 * start / self.excess_power(s, start);
            let rest = (magnitude * (start - y) + tail) / PI;
            if rest <= 0.1 * LINE_TOLERANCE {
                return Some((sum * step / PI, rest));
            }
        }
        None
    }

    /// The y from which on the magnitude on the line re = s falls faster than 1/y.
    ///
    /// Where y > 3|s|, 1/|s + iy| falls at least like y^−0.9; where 2λy > 3(1 + 2λs), the factor
    /// |1 + 2λ(s + iy)|^−½ of that weight at least like y^−0.45. One weight is enough.
    fn power_law(&self, s: f64) -> f64 {
        let starts = self.terms.iter().map(|t| 1.5 * (1.0 / t.lambda + 2.0 * s));
        starts.fold(f64::INFINITY, f64::min).max(3.0 * s.abs())
    }

    /// By how much the power of that fall exceeds 1 at a y beyond [`Self::power_law`].
    fn excess_power(&self, s: f64, y: f64) -> f64 {
        let falling = |t: &&Term| y >= 1.5 * (1.0 / t.lambda + 2.0 * s);
        0.45 * self.terms.iter().filter(falling).count() as f64 - 0.1
    }

    /// log L(s) at s = re + i im, on the branch that is real on the positive axis.
    fn log_laplace(&self, re: f64, im: f64) -> (f64, f64) {
        let (mut log_re, mut log_im) = (0.0, 0.0);
        for t in &self.terms {
            let (a, b) = (1.0 + 2.0 * t.lambda * re, 2.0 * t.lambda * im);
            let norm = a * a + b * b;
            log_re -= 0.25 * norm.ln();
            log_im -= 0.5 * b.atan2(a);
            if t.noncentrality > 0.0 {
                let weight = t.noncentrality * t.lambda / norm;
                log_re -= weight * (re * a + im * b);
                log_im -= weight * (im * a - re * b);
            }
        }
        (log_re, log_im)
    }

    /// Imhof's integral by Gauss-Legendre panels, each at most half an oscillation long.
    fn imhof(&self, x: f64) -> Probability {
        // The phase turns by half of this per unit of u at most.
        let turn = self.mean().max(x);
        let panel = PI / (0.5 * turn).max(1.0);
        let mut cutoff = 2.0;
        while self.truncation(cutoff) > TRUNCATION_TARGET && cutoff < panel * MAX_PANELS as f64 {
            cutoff *= 1.5;
        }
        let panels = ((cutoff / panel).ceil() as usize).clamp(16, MAX_PANELS);
        let rule = gauss_legendre(PANEL_NODES);
        let (coarse, _) = self.integrate(x, cutoff, panels, &rule);
        let (fine, mass) = self.integrate(x, cutoff, 2 * panels, &rule);
        let value = (0.5 - fine / PI).clamp(0.0, 1.0);
        // θ(u) is a difference of numbers of at most ½ turn u, each rounded.
        let rounding = f64::EPSILON * turn * mass;
        Probability {
            value,
            error: ((fine - coarse).abs() + rounding) / PI + self.truncation(cutoff),
        }
    }

    /// The integrals of sin θ(u) / (u ρ(u)) and of 1 / ρ(u), which is what an error of θ in
    /// proportion to u is multiplied by.
    fn integrate(&self, x: f64, cutoff: f64, panels: usize, rule: &[(f64, f64)]) -> (f64, f64) {
        let half = 0.5 * cutoff / panels as f64;
        let (mut integral, mut mass) = (0.0, 0.0);
        for i in 0..panels {
            let middle = (2 * i + 1) as f64 * half;
            let (mut sum, mut weights) = (0.0, 0.0);
            for &(z, w) in rule {
                let u = middle + half * z;
                let (theta, inverse_rho) = self.phase(x, u);
                sum += w * theta.sin() / u * inverse_rho;
                weights += w * inverse_rho;
            }
            integral += half * sum;
            mass += half * weights;
        }
        (integral, mass)
    }

    /// θ(u) and 1 / ρ(u).
    fn phase(&self, x: f64, u: f64) -> (f64, f64) {
        let (mut theta, mut log_rho) = (-0.5 * x * u, 0.0);
        for t in &self.terms {
            let lu = t.lambda * u;
            let square = lu * lu;
            theta += 0.5 * (lu.atan() + t.noncentrality * lu / (1.0 + square));
            log_rho += 0.25 * square.ln_1p() + 0.5 * t.noncentrality * square / (1.0 + square);
        }
        (theta, (-log_rho).exp())
    }

    /// Bound on the part of the integral beyond U: ρ grows at least like Π √(λᵢu) over the
    /// weights with λᵢU > 1, and its exponential factor only increases.
    fn truncation(&self, cutoff: f64) -> f64 {
        let (mut count, mut log_rho) = (0.0, 0.0);
        for t in &self.terms {
            let lu = t.lambda * cutoff;
            log_rho += 0.5 * t.noncentrality * lu * lu / (1.0 + lu * lu);
            if lu > 1.0 {
                count += 1.0;
                log_rho += 0.5 * lu.ln();
            }
        }
        if count == 0.0 {
            f64::INFINITY
        } else {
            2.0 / (PI * count) * (-log_rho).exp()
        }
    }
}

/// Nodes and weights of the Gauss-Legendre rule on [−1, 1], by Newton's method.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    (0..n)
        .map(|i| {
            let mut z = (PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            // Newton doubles the digits of a start that has three.
            for _ in 0..8 {
                let (mut p, mut previous) = (1.0, 0.0);
                for j in 0..n {
                    let j = j as f64;
                    (p, previous) = (((2.0 * j + 1.0) * z * p - j * previous) / (j + 1.0), p);
                }
                slope = n as f64 * (z * p - previous) / (z * z - 1.0);
                z -= p / slope;
            }
            (z, 2.0 / ((1.0 - z * z) * slope * slope))
        })
        .collect()
}
