//! A cheap bounded problem for measuring what an optimizer itself costs: the chained Rosenbrock
//! function in the box [−2, 2]ⁿ, which keeps L-BFGS-B busy for hundreds of iterations.
//!
//! The same function stands in `peers/optimizer.py`.

/// Half width of the box.
pub const HALF_WIDTH: f64 = 2.0;

/// Where coordinate `i` of row `row` starts: different for each, inside the box, and the same in
/// both languages to the last digit.
pub fn start(row: usize, i: usize) -> f64 {
    let step = (row * 31 + i * 17) % 64;
    step as f64 / 32.0 - 1.0
}

/// Value and gradient.
///
/// # Formula
/// ```text
/// f(x) = Σᵢ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn evaluate(x: &[f64], gradient: &mut [f64]) -> f64 {
    assert_eq!(x.len(), gradient.len(), "one derivative per variable");
    gradient.fill(0.0);
    let mut value = 0.0;
    for i in 0..x.len() - 1 {
        let (gap, rest) = (x[i + 1] - x[i] * x[i], 1.0 - x[i]);
        value += 100.0 * gap * gap + rest * rest;
        gradient[i] -= 400.0 * x[i] * gap + 2.0 * rest;
        gradient[i + 1] += 200.0 * gap;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let x: Vec<f64> = (0..7).map(|i| start(3, i)).collect();
        let mut gradient = vec![0.0; 7];
        evaluate(&x, &mut gradient);
        let (h, mut unused) = (1e-6, vec![0.0; 7]);
        for i in 0..7 {
            let mut at = |shift: f64| {
                let mut moved = x.clone();
                moved[i] += shift;
                evaluate(&moved, &mut unused)
            };
            let slope = (at(h) - at(-h)) / (2.0 * h);
            // Central differences: error h² f''' / 6 plus rounding 1e−16 · 1e3 / h.
            assert!(
                (slope - gradient[i]).abs() < 1e-4,
                "{slope} {}",
                gradient[i]
            );
        }
    }

    #[test]
    fn the_minimum_is_at_ones_and_starts_lie_in_the_box() {
        let mut gradient = [1.0; 5];
        assert_eq!(evaluate(&[1.0; 5], &mut gradient), 0.0);
        assert_eq!(gradient, [0.0; 5]);
        assert!((0..100).all(|i| start(i, 3 * i).abs() <= HALF_WIDTH));
    }
}
