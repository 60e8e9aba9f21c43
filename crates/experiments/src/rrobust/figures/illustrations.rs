//! Figures 6.2, 6.3 and E.1: what r-robustness, the margin and the worst case of the bound are,
//! each computed for a linear example in two dimensions instead of sketched.
//!
//! For: pictures whose every line is an exact value of `vaegis-theory`. Not for networks.

use crate::page::{Page, block_id};
use crate::rrobust::study::Study;
use anyhow::Result;
use ndarray::{Array2, array};
use std::f64::consts::TAU;
use vaegis_core::SeedTree;
use vaegis_report::{Axis, Block, Claim, ClaimResult, Figure, Line, Points, Verdict};
use vaegis_tensor::{Device, Kind, Noise, convert};
use vaegis_theory::linear::LinearModel;
use vaegis_theory::margin::{AcceptanceProbability, EncoderGeometry, MarginBounds, bounds};
use vaegis_theory::neyman_pearson::HalfSpace;
use vaegis_theory::special::probit;
use vaegis_theory::stats::Proportion;

/// Standard deviations of the encoder, the smaller one first.
const SIGMA: [f64; 2] = [0.35, 0.6];
/// Radius of the ball of accepted reconstructions.
const R: f64 = 1.0;
/// Required probability.
const LEVEL: f64 = 0.5;
/// Reconstructions that are drawn.
const NUM_DRAWS: usize = 400;
/// Directions of the boundary of a region.
const NUM_DIRECTIONS: usize = 720;
/// Probability of the half-space of figure E.1.
const HALF_SPACE_MASS: f64 = 0.9;
/// Standard errors that the share of drawn points may be off by.
const STANDARD_ERRORS: f64 = 4.0;
/// Rounding of probits and whitened lengths.
const EXACT: f64 = 1e-10;

/// Jacobian of the encoder's mean.
fn encoder() -> Array2<f64> {
    array![[0.5, 0.2], [-0.3, 1.1]]
}

/// The linear decoder.
fn decoder() -> Array2<f64> {
    array![[1.2, 0.4], [-0.3, 0.9]]
}

fn model() -> Result<LinearModel> {
    Ok(LinearModel::new(
        encoder().view(),
        decoder().view(),
        &SIGMA,
    )?)
}

/// An ellipse around a center as a closed line.
fn ellipse(name: &str, center: [f64; 2], axes: [f64; 2]) -> Line {
    let angles = (0..=NUM_DIRECTIONS).map(|i| TAU * i as f64 / NUM_DIRECTIONS as f64);
    let (x, y) = angles
        .map(|t| (center[0] + axes[0] * t.cos(), center[1] + axes[1] * t.sin()))
        .unzip();
    Line::new(name, x, y)
}

fn judged(claim: Claim, holds: bool, observed: &str) -> ClaimResult {
    let verdict = if holds {
        Verdict::Holds
    } else {
        Verdict::Fails
    };
    ClaimResult::new(claim, verdict, observed)
}

/// Figure 6.2: reconstructions of one input, and the ball that most of them lie in.
pub(super) fn robustness(study: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let exact = model()?.probability(&[0.0, 0.0], R)?;
    let tree = SeedTree::new(study.ctx.seed).child(id);
    let size = [NUM_DRAWS as i64, 2];
    let draws = Noise::portable(tree).standard_normal(&size, Kind::Double, Device::Cpu);
    let decoder = decoder();
    let (mut inside, mut outside) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    let mut distances = Vec::with_capacity(NUM_DRAWS);
    for pair in convert::to_f64_vec(&draws).chunks_exact(2) {
        let eta = [SIGMA[0] * pair[0], SIGMA[1] * pair[1]];
        let moved = [0, 1].map(|i| decoder[[i, 0]] * eta[0] + decoder[[i, 1]] * eta[1]);
        let distance = moved[0].hypot(moved[1]);
        let group = if distance <= R {
            &mut inside
        } else {
            &mut outside
        };
        group.0.push(moved[0]);
        group.1.push(moved[1]);
        distances.push(distance);
    }
    let share = Proportion::of(&distances, R)?;
    let ball = ellipse("‖Δ‖ = r", [0.0, 0.0], [R, R]);
    let groups = vec![
        Points::new("within r", inside.0, inside.1),
        Points::new("beyond r", outside.0, outside.1),
        Points::new(&ball.name, ball.x, ball.y),
    ];
    let figure = Figure::scatter(
        &block_id(id, &["ball"]),
        "Reconstructions around the noise-free one",
        Axis::linear("Δ₁"),
        Axis::linear("Δ₂"),
        groups,
    )?
    .with_caption(&format!(
        "A linear decoder in two dimensions, encoder σ = {SIGMA:?}, r = {R}. The model is r-robust \
         here, because P(‖Δ‖ ≤ r) = {exact:.4} exceeds {LEVEL}; {:.4} of the {NUM_DRAWS} drawn \
         points lie in the ball.",
        share.value()
    ));
    page.section.push(Block::Text(
        "The center is the reconstruction of the encoder's mean, the points are those of its \
         draws. The thesis sketches this; here it is computed."
            .to_owned(),
    ));
    page.section.push(Block::Figure(figure));
    let error = (exact * (1.0 - exact) / NUM_DRAWS as f64).sqrt();
    let claim = Claim::new(
        &format!("{id}-robust"),
        "a model is r-robust where most reconstructions lie within r of the noise-free one",
        "thesis figure 6.2",
        "the exact probability is above m and the share of draws is within four standard errors",
    );
    let holds = exact > LEVEL && (share.value() - exact).abs() < STANDARD_ERRORS * error;
    let observed = format!("exact {exact:.4}, drawn {:.4}", share.value());
    page.claims.push(judged(claim, holds, &observed));
    Ok(())
}

/// Radius of the r-robust region in each direction, and its smallest.
fn region(model: &LinearModel) -> Result<(Line, f64)> {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let mut smallest = f64::INFINITY;
    for i in 0..=NUM_DIRECTIONS {
        let (sin, cos) = (TAU * i as f64 / NUM_DIRECTIONS as f64).sin_cos();
        let radius = model.ray_margin(&[cos, sin], R, LEVEL)?;
        x.push(radius * cos);
        y.push(radius * sin);
        smallest = smallest.min(radius);
    }
    Ok((Line::new("boundary of the r-robust region", x, y), smallest))
}

fn bounds_of(model: &LinearModel) -> Result<MarginBounds> {
    let p0 = AcceptanceProbability::exact(model.probability(&[0.0, 0.0], R)?)?;
    let geometry = EncoderGeometry::diagonal(&SIGMA, encoder().view())?.affine();
    Ok(bounds(&geometry, &p0, LEVEL)?)
}

/// Figure 6.3: the r-robust inputs around one, the largest ball among them, and its bounds.
pub(super) fn margin(_: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    let model = model()?;
    let (boundary, margin) = region(&model)?;
    let b = bounds_of(&model)?;
    let circle = |name: &str, radius: f64| ellipse(name, [0.0, 0.0], [radius, radius]);
    let lines = vec![
        boundary,
        circle("margin R", margin),
        circle("bound B_M", b.mahalanobis),
        circle("bound B_2", b.spectral),
        circle("bound B_F", b.frobenius),
    ];
    let figure = Figure::lines(
        &block_id(id, &["region"]),
        "The margin in input space",
        Axis::linear("δ₁"),
        Axis::linear("δ₂"),
        lines,
    )?
    .with_caption(&format!(
        "The linear model of figure 6.2, where every quantity is exact: the region in which \
         P(‖Δ(x, δ)‖ ≤ r) > {LEVEL} reaches much farther than R = {margin:.4} in the directions \
         that the encoder damps, so the margin speaks of the worst direction only. The bounds are \
         B_F = {:.4}, B_2 = {:.4} and B_M = {:.4}.",
        b.frobenius, b.spectral, b.mahalanobis
    ));
    page.section.push(Block::Figure(figure));
    let claim = Claim::new(
        &format!("{id}-order"),
        "the bounds are balls within the margin's, in their order",
        "thesis figure 6.3 and theorem 6.1",
        "B_F <= B_2 <= B_M <= R for a linear encoder with constant sigma",
    );
    let radii = [b.frobenius, b.spectral, b.mahalanobis, margin];
    let holds = radii[0] > 0.0 && radii.is_sorted();
    let observed = format!("B_F, B_2, B_M, R = {radii:.4?}");
    page.claims.push(judged(claim, holds, &observed));
    Ok(())
}

/// Figure E.1: the half-space that uses up its probability fastest.
pub(super) fn worst_case(_: &Study<'_>, id: &str, page: &mut Page) -> Result<()> {
    // The shift in the direction of least variance that leaves exactly half inside.
    let radius = SIGMA[0] * probit(HALF_SPACE_MASS);
    let shift = [radius, 0.0];
    let worst = HalfSpace::worst(HALF_SPACE_MASS, &SIGMA, &shift)?;
    let before = worst.mass(&SIGMA, &[0.0, 0.0])?;
    let after = worst.mass(&SIGMA, &shift)?;
    // The same length along the other axis leaves more.
    let other = HalfSpace::worst(HALF_SPACE_MASS, &SIGMA, &[0.0, radius])?;
    let milder = other.mass(&SIGMA, &[0.0, radius])?;
    let height = 3.0 * SIGMA[1];
    let contour = |deviations: f64, center: [f64; 2], of: &str| {
        let axes = SIGMA.map(|s| deviations * s);
        ellipse(&format!("{deviations} σ around {of}"), center, axes)
    };
    let lines = vec![
        Line::new(
            "boundary between A and B",
            vec![radius, radius],
            vec![-height, height],
        ),
        contour(1.0, [0.0, 0.0], "μ(x)"),
        contour(2.0, [0.0, 0.0], "μ(x)"),
        contour(1.0, shift, "μ(x) + δ_z"),
        Line::new("δ_z", vec![0.0, radius], vec![0.0, 0.0]),
    ];
    let figure = Figure::lines(
        &block_id(id, &["half-space"]),
        "The worst case of the latent lemma",
        Axis::linear("z₁ − μ₁, the direction of least variance"),
        Axis::linear("z₂ − μ₂"),
        lines,
    )?
    .with_caption(&format!(
        "A is to the left of the boundary and has probability p₀ = {HALF_SPACE_MASS} before the \
         shift. At ‖δ_z‖ = σ_min Φ⁻¹(p₀) = {radius:.4} the mean has reached the boundary and half \
         the probability is left; the same length along the other axis leaves {milder:.4} of the \
         worst half-space there."
    ));
    page.section.push(Block::Figure(figure));
    let claim = Claim::new(
        &format!("{id}-attained"),
        "the half-space across the direction of least variance attains the latent radius",
        "thesis figure E.1 and equation E.20",
        "mass p0 before the shift and 1/2 after it; more along the other axis",
    );
    let holds =
        (before - HALF_SPACE_MASS).abs() < EXACT && (after - LEVEL).abs() < EXACT && milder > LEVEL;
    let observed =
        format!("{before:.4} before, {after:.4} after, {milder:.4} along the other axis");
    page.claims.push(judged(claim, holds, &observed));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_has_a_margin_above_its_bounds_and_a_region_beyond_it() {
        let model = model().expect("valid");
        let (boundary, margin) = region(&model).expect("valid");
        let b = bounds_of(&model).expect("valid");
        assert!(0.0 < b.frobenius && b.frobenius < b.spectral && b.mahalanobis < margin);
        let farthest = boundary.x.iter().zip(&boundary.y).map(|(x, y)| x.hypot(*y));
        assert!(farthest.fold(0.0, f64::max) > 1.5 * margin);
        // On the boundary exactly half is within r.
        for i in [0, 100, 400] {
            let p = model.probability(&[boundary.x[i], boundary.y[i]], R);
            assert!((p.expect("valid") - LEVEL).abs() < 1e-6);
        }
    }
}
