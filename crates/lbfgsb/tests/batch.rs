//! Laws of a batch: rows never influence one another, and leave when they finish.

mod common;

use common::{Arbitrary, INF, assert_inside};
use vaegis_lbfgsb::{Batch, Options, Precision, Solution, Status, minimize};

/// A batch of unlike rows: nonconvex, with saturating features and a box that differs by row.
fn evaluate_row(row: usize, x: &[f64], g: &mut [f64]) -> f64 {
    let n = x.len();
    g.fill(0.0);
    let mut f = 0.0;
    for i in 0..n {
        let next = (i + 1) % n;
        let u = 2.0 * x[i] - x[next] + 0.1 * (row + i) as f64 % 1.7 - 0.8;
        let r = u.tanh() - 0.3;
        f += 0.5 * r * r;
        let back = r * (1.0 - u.tanh().powi(2));
        g[i] += 2.0 * back;
        g[next] -= back;
    }
    let weight = 0.02 * (row % 5) as f64;
    for (g, x) in g.iter_mut().zip(x) {
        f += 0.5 * weight * x * x;
        *g += weight * x;
    }
    f
}

struct Rows {
    n: usize,
    x0: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Rows {
    fn new(rows: usize, n: usize) -> Self {
        let mut source = Arbitrary::new(5);
        let lower: Vec<f64> = (0..rows * n)
            .map(|i| {
                if (i / n).is_multiple_of(3) {
                    -INF
                } else {
                    -source.next()
                }
            })
            .collect();
        let upper = lower
            .iter()
            .map(|l| if l.is_finite() { l + 1.0 } else { INF })
            .collect();
        Self {
            n,
            x0: vec![0.01; rows * n],
            lower,
            upper,
        }
    }

    fn batch(&self, options: &Options) -> Batch {
        Batch::new(&self.x0, &self.lower, &self.upper, self.n, options).expect("valid")
    }

    fn run(&self, options: &Options) -> Vec<Solution> {
        let n = self.n;
        self.batch(options).run(|rows, points, values, gradients| {
            for (k, &row) in rows.iter().enumerate() {
                let span = k * n..(k + 1) * n;
                values[k] = evaluate_row(row, &points[span.clone()], &mut gradients[span]);
            }
        })
    }
}

#[test]
fn rows_are_bit_identical_alone_in_a_batch_and_on_any_number_of_threads() {
    let (num_rows, n) = (23, 37);
    let rows = Rows::new(num_rows, n);
    for history in [Precision::F64, Precision::F32] {
        let options = Options {
            memory: 7,
            history,
            max_iterations: 60,
            ..Options::default()
        };
        let batch = rows.run(&options);
        assert_eq!(batch.len(), num_rows);
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let other = pool.expect("a thread pool").install(|| rows.run(&options));
            assert_eq!(other, batch, "{threads} threads");
        }
        for (row, in_batch) in batch.iter().enumerate() {
            let span = row * n..(row + 1) * n;
            let alone = minimize(
                |x, g| evaluate_row(row, x, g),
                &rows.x0[span.clone()],
                &rows.lower[span.clone()],
                &rows.upper[span],
                &options,
            );
            assert_eq!(&alone.expect("valid"), in_batch, "row {row}");
        }
    }
}

#[test]
fn finished_rows_leave_the_batch() {
    let rows = Rows::new(12, 9);
    let mut batch = rows.batch(&Options::default());
    let (mut points, mut seen) = (Vec::new(), Vec::new());
    while batch.num_active() > 0 {
        let before = batch.active_rows().to_vec();
        assert!(before.is_sorted());
        batch.points_into(&mut points);
        assert_eq!(points.len(), before.len() * 9);
        let mut gradients = vec![0.0; points.len()];
        let values: Vec<f64> = before
            .iter()
            .zip(points.chunks(9).zip(gradients.chunks_mut(9)))
            .map(|(&row, (x, g))| {
                assert_inside(x, &rows.lower[row * 9..][..9], &rows.upper[row * 9..][..9]);
                evaluate_row(row, x, g)
            })
            .collect();
        let finished = batch
            .advance(&values, &gradients)
            .expect("matching lengths");
        let gone: Vec<usize> = finished.iter().map(|f| f.row).collect();
        let rest: Vec<usize> = before
            .iter()
            .copied()
            .filter(|r| !gone.contains(r))
            .collect();
        assert_eq!(batch.active_rows(), rest);
        seen.extend(gone);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..12).collect::<Vec<_>>());
}

#[test]
fn f32_calls_agree_with_f64_calls_on_f32_numbers() {
    let rows = Rows::new(6, 9);
    let drive = |narrow: bool| {
        let mut batch = rows.batch(&Options {
            max_iterations: 30,
            ..Options::default()
        });
        let (mut points, mut solutions) = (Vec::new(), vec![None; 6]);
        let mut points_f32 = Vec::new();
        while batch.num_active() > 0 {
            batch.points_into(&mut points);
            batch.points_into_f32(&mut points_f32);
            let rounded: Vec<f32> = points.iter().map(|&x| x as f32).collect();
            assert_eq!(rounded, points_f32);
            let mut gradients = vec![0.0; points.len()];
            let values: Vec<f64> = batch
                .active_rows()
                .iter()
                .zip(points.chunks(9).zip(gradients.chunks_mut(9)))
                .map(|(&row, (x, g))| evaluate_row(row, x, g))
                .collect();
            let gradients: Vec<f32> = gradients.iter().map(|&g| g as f32).collect();
            let finished = if narrow {
                batch.advance_f32(&values, &gradients)
            } else {
                let wide: Vec<f64> = gradients.iter().map(|&g| f64::from(g)).collect();
                batch.advance(&values, &wide)
            };
            for f in finished.expect("matching lengths") {
                solutions[f.row] = Some(f.solution);
            }
        }
        solutions
    };
    assert_eq!(drive(true), drive(false));
}

/// A power of two, so that scaling is exact and a run in other units can be the same bit for bit.
const UNIT: f64 = 1.0 / 1024.0;

#[test]
fn a_scaled_row_stops_where_its_own_units_say() {
    let (num_rows, n) = (9, 21);
    let rows = Rows::new(num_rows, n);
    let options = Options {
        memory: 7,
        max_iterations: 200,
        ..Options::default()
    };
    let scaled = |batch: Batch| {
        batch.run(|numbers, points, values, gradients| {
            for (k, &row) in numbers.iter().enumerate() {
                let span = k * n..(k + 1) * n;
                let gradient = &mut gradients[span.clone()];
                values[k] = UNIT * evaluate_row(row, &points[span], gradient);
                gradient.iter_mut().for_each(|g| *g *= UNIT);
            }
        })
    };
    let batch = rows.batch(&options);
    let told = scaled(
        batch
            .clone()
            .with_units(&[UNIT; 9])
            .expect("positive units"),
    );
    let untold = scaled(batch);
    for (row, (told, untold)) in told.iter().zip(&untold).enumerate() {
        if told.status == Status::ConvergedGradient {
            let own = told.projected_gradient_norm / UNIT;
            assert!(own <= options.pgtol, "row {row}: {own}");
        }
        assert!(told.value <= untold.value, "row {row} stopped too early");
    }
    let looser = told
        .iter()
        .zip(&untold)
        .filter(|(told, untold)| untold.evaluations < told.evaluations);
    assert!(
        looser.count() > 0,
        "without the units some row must stop sooner"
    );
}

/// The last word on the units counts: they are no factors on each other.
#[test]
fn units_told_twice_replace_each_other() {
    let rows = Rows::new(9, 12);
    let options = Options::default();
    let drive = |units: &[f64]| {
        let told = units.iter().fold(rows.batch(&options), |batch, &unit| {
            batch.with_units(&[unit; 9]).expect("positive units")
        });
        told.run(|numbers, points, values, gradients| {
            for (i, &row) in numbers.iter().enumerate() {
                let (x, g) = (
                    &points[i * 12..(i + 1) * 12],
                    &mut gradients[i * 12..(i + 1) * 12],
                );
                values[i] = evaluate_row(row, x, g);
            }
        })
    };
    let once = drive(&[1e-2]);
    assert_eq!(drive(&[1e-2, 1e-2]), once);
    assert_eq!(drive(&[1e6, 1e-2]), once);
    assert_ne!(drive(&[1e6]), once, "units decide where these rows stop");
}

#[test]
fn units_are_positive_and_one_per_row() {
    let batch = Rows::new(3, 2).batch(&Options::default());
    assert!(batch.clone().with_units(&[1.0; 2]).is_err());
    for bad in [0.0, -1.0, f64::NAN, INF] {
        assert!(batch.clone().with_units(&[1.0, bad, 1.0]).is_err(), "{bad}");
    }
}
