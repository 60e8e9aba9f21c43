//! Problems shared by the integration tests; the golden script defines the first ones in NumPy.

#![expect(dead_code, reason = "every test file uses another part of this module")]

use vaegis_lbfgsb::{Options, Precision, Solution, minimize};

/// A function with its gradient.
pub(crate) type Objective = fn(&[f64], &mut [f64]) -> f64;

pub(crate) const INF: f64 = f64::INFINITY;

/// A named bounded problem.
pub(crate) struct Problem {
    pub(crate) name: &'static str,
    pub(crate) objective: Objective,
    pub(crate) x0: Vec<f64>,
    pub(crate) lower: Vec<f64>,
    pub(crate) upper: Vec<f64>,
}

impl Problem {
    fn new(name: &'static str, objective: Objective, x0: Vec<f64>, lower: f64, upper: f64) -> Self {
        let n = x0.len();
        Self {
            name,
            objective,
            x0,
            lower: vec![lower; n],
            upper: vec![upper; n],
        }
    }

    pub(crate) fn minimize(&self, options: &Options) -> Solution {
        minimize(
            |x, g| {
                assert_inside(x, &self.lower, &self.upper);
                (self.objective)(x, g)
            },
            &self.x0,
            &self.lower,
            &self.upper,
            options,
        )
        .expect("a valid problem")
    }
}

/// Fails if a point lies outside its box by anything at all.
pub(crate) fn assert_inside(x: &[f64], lower: &[f64], upper: &[f64]) {
    for (i, ((x, lower), upper)) in x.iter().zip(lower).zip(upper).enumerate() {
        assert!(
            lower <= x && x <= upper,
            "x[{i}] = {x} outside [{lower}, {upper}]"
        );
    }
}

/// The options that the golden script uses.
pub(crate) fn golden_options(history: Precision) -> Options {
    Options {
        memory: 10,
        pgtol: 1e-6,
        max_iterations: 2000,
        max_evaluations: 3000,
        history,
        ..Options::default()
    }
}

/// The problems of the golden script, in its order.
pub(crate) fn problems() -> Vec<Problem> {
    let mut extended = Problem::new(
        "extended_rosenbrock_25",
        extended_rosenbrock,
        vec![3.0; 25],
        -100.0,
        100.0,
    );
    extended.lower.iter_mut().step_by(2).for_each(|l| *l = 1.0);
    let mut beale_box = Problem::new("beale_box", beale, vec![1.0, 1.0], -4.5, 4.5);
    beale_box.upper[0] = 2.0;
    let powell = [3.0, -1.0, 0.0, 1.0].repeat(2);
    vec![
        extended,
        Problem::new("rosenbrock_2", rosenbrock, vec![-1.2, 1.0], -INF, INF),
        Problem::new("rosenbrock_10_cut", rosenbrock, vec![-1.0; 10], -2.0, 0.8),
        beale_box,
        Problem::new("powell_singular_8", powell_singular, powell, -INF, INF),
        Problem::new("ill_quadratic_40", ill_quadratic, vec![0.0; 40], -1.0, 2.5),
        Problem::new("trigonometric_10", trigonometric, vec![0.1; 10], 0.0, INF),
        Problem::new("dixon_price_12", dixon_price, vec![1.0; 12], 0.6, 10.0),
        Problem::new(
            "tridiagonal_plus_cosine_60",
            tridiagonal,
            vec![0.2; 60],
            0.0,
            0.6,
        ),
    ]
}

/// The driver problem of the L-BFGS-B distribution: `(x_0−1)² + 4 Σ (x_i − x_{i−1}²)²`.
pub(crate) fn extended_rosenbrock(x: &[f64], g: &mut [f64]) -> f64 {
    g.fill(0.0);
    g[0] = 2.0 * (x[0] - 1.0);
    let mut f = (x[0] - 1.0).powi(2);
    for i in 1..x.len() {
        let t = x[i] - x[i - 1] * x[i - 1];
        f += 4.0 * t * t;
        g[i] += 8.0 * t;
        g[i - 1] -= 16.0 * x[i - 1] * t;
    }
    f
}

pub(crate) fn rosenbrock(x: &[f64], g: &mut [f64]) -> f64 {
    g.fill(0.0);
    let mut f = 0.0;
    for i in 1..x.len() {
        let (a, b) = (1.0 - x[i - 1], x[i] - x[i - 1] * x[i - 1]);
        f += a * a + 100.0 * b * b;
        g[i - 1] -= 2.0 * a + 400.0 * b * x[i - 1];
        g[i] += 200.0 * b;
    }
    f
}

fn beale(x: &[f64], g: &mut [f64]) -> f64 {
    g.fill(0.0);
    let mut f = 0.0;
    for (c, p) in [(1.5, 1), (2.25, 2), (2.625, 3)] {
        let r = c - x[0] * (1.0 - x[1].powi(p));
        f += r * r;
        g[0] -= 2.0 * r * (1.0 - x[1].powi(p));
        g[1] += 2.0 * r * x[0] * f64::from(p) * x[1].powi(p - 1);
    }
    f
}

fn powell_singular(x: &[f64], g: &mut [f64]) -> f64 {
    let mut f = 0.0;
    for (x, g) in x.chunks_exact(4).zip(g.chunks_exact_mut(4)) {
        let (t1, t2) = (x[0] + 10.0 * x[1], x[2] - x[3]);
        let (t3, t4) = (x[1] - 2.0 * x[2], x[0] - x[3]);
        f += t1.powi(2) + 5.0 * t2.powi(2) + t3.powi(4) + 10.0 * t4.powi(4);
        g[0] = 2.0 * t1 + 40.0 * t4.powi(3);
        g[1] = 20.0 * t1 + 4.0 * t3.powi(3);
        g[2] = 10.0 * t2 - 8.0 * t3.powi(3);
        g[3] = -10.0 * t2 - 40.0 * t4.powi(3);
    }
    f
}

fn ill_quadratic(x: &[f64], g: &mut [f64]) -> f64 {
    let n = x.len();
    let mut f = 0.0;
    for i in 0..n {
        let w = 10.0_f64.powf(4.0 * i as f64 / (n - 1) as f64);
        let e = x[i] - (1 + i % 3) as f64;
        f += 0.5 * w * e * e;
        g[i] = w * e;
    }
    f + chain(x, g)
}

fn trigonometric(x: &[f64], g: &mut [f64]) -> f64 {
    let n = x.len() as f64;
    let cosines: f64 = x.iter().map(|x| x.cos()).sum();
    let terms: Vec<f64> = x
        .iter()
        .enumerate()
        .map(|(i, x)| n - cosines + (i + 1) as f64 * (1.0 - x.cos()) - x.sin())
        .collect();
    let sum: f64 = terms.iter().sum();
    for (i, (g, (x, s))) in g.iter_mut().zip(x.iter().zip(&terms)).enumerate() {
        *g = 2.0 * s * ((i + 1) as f64 * x.sin() - x.cos()) + 2.0 * x.sin() * sum;
    }
    terms.iter().map(|s| s * s).sum()
}

fn dixon_price(x: &[f64], g: &mut [f64]) -> f64 {
    g.fill(0.0);
    g[0] = 2.0 * (x[0] - 1.0);
    let mut f = (x[0] - 1.0).powi(2);
    for i in 1..x.len() {
        let k = (i + 1) as f64;
        let t = 2.0 * x[i] * x[i] - x[i - 1];
        f += k * t * t;
        g[i] += 8.0 * k * t * x[i];
        g[i - 1] -= 2.0 * k * t;
    }
    f
}

fn tridiagonal(x: &[f64], g: &mut [f64]) -> f64 {
    let mut f = 0.0;
    for (i, (x, g)) in x.iter().zip(g.iter_mut()).enumerate() {
        let e = x - (i as f64).sin();
        f += 0.1 * e * e + 0.1 * (3.0 * x).cos();
        *g = 0.2 * e - 0.3 * (3.0 * x).sin();
    }
    f + chain(x, g)
}

/// Adds the gradient of `½ Σ (x_i − x_{i−1})²` and returns its value.
fn chain(x: &[f64], g: &mut [f64]) -> f64 {
    let mut f = 0.0;
    for i in 1..x.len() {
        let d = x[i] - x[i - 1];
        f += 0.5 * d * d;
        g[i] += d;
        g[i - 1] -= d;
    }
    f
}

/// A fixed sequence of numbers in [0, 1), for inputs that only need to look arbitrary.
pub(crate) struct Arbitrary(u64);

impl Arbitrary {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn vector(&mut self, n: usize, low: f64, high: f64) -> Vec<f64> {
        (0..n).map(|_| low + (high - low) * self.next()).collect()
    }
}
