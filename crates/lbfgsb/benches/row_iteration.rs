//! Time that the optimizer itself takes per row and call, on a problem shaped like an attack.
//!
//! 500 rows of 784 variables in `[−x, 1 − x]`, four fifths of the pixels `x` zero, started beside
//! `d = 0`, memory 25; the objective is a cheap nonconvex stand-in for a network, plus a norm
//! penalty that differs by row, and its time is not counted.
//! Both precisions of the history, one thread and all; calls before the memory is full are left
//! out.
//!
//! `cargo bench -p vaegis-lbfgsb`, optionally followed by `-- ROWS VARIABLES MEMORY`.

use std::io::Write;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use vaegis_lbfgsb::{Batch, Options, Precision};

/// The inputs that the rows are attacked around, and their targets.
struct Attack {
    n: usize,
    x: Vec<f64>,
    target: Vec<f64>,
}

/// SplitMix64 in `[0, 1)`.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

impl Attack {
    fn new(rows: usize, n: usize) -> Self {
        let mut state = 1;
        let mut image = || {
            (0..rows * n)
                .map(|_| {
                    if uniform(&mut state) < 0.8 {
                        0.0
                    } else {
                        uniform(&mut state)
                    }
                })
                .collect::<Vec<f64>>()
        };
        Self {
            n,
            x: image(),
            target: image(),
        }
    }

    fn weight(row: usize) -> f64 {
        (-8.0 + 10.0 * (row % 50) as f64 / 49.0).exp2()
    }

    /// `½ Σ (h_j(x + d) − h_j(t))²` for saturating features of three pixels each, `+ λ ‖d‖`.
    fn evaluate(&self, row: usize, d: &[f64], gradient: &mut [f32]) -> f64 {
        let n = self.n;
        let x = &self.x[row * n..(row + 1) * n];
        let target = &self.target[row * n..(row + 1) * n];
        let norm = d.iter().map(|d| d * d).sum::<f64>().sqrt().max(1e-12);
        let weight = Self::weight(row);
        let mut sums = vec![0.0; n];
        let mut value = weight * norm;
        let feature = |v: &dyn Fn(usize) -> f64, j: usize| {
            2.0 * v(j) - 1.5 * v((j + 1) % n) + v((j * 7 + 3) % n) - 0.3
        };
        for j in 0..n {
            let u = feature(&|i| x[i] + d[i], j);
            let goal = feature(&|i| target[i], j);
            let residual = u / (1.0 + u.abs()) - goal / (1.0 + goal.abs());
            value += 0.5 * residual * residual;
            let back = residual / (1.0 + u.abs()).powi(2);
            sums[j] += 2.0 * back;
            sums[(j + 1) % n] -= 1.5 * back;
            sums[(j * 7 + 3) % n] += back;
        }
        for ((gradient, sum), d) in gradient.iter_mut().zip(&sums).zip(d) {
            *gradient = (sum + weight * d / norm) as f32;
        }
        value
    }
}

/// Time on a processor of this thread, so that a busy machine does not count; wall time where the
/// system does not tell.
fn thread_time(epoch: Instant) -> Duration {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = spent.and_then(|s| s.split(' ').next().and_then(|ns| ns.parse().ok()));
    nanoseconds.map_or_else(|| epoch.elapsed(), Duration::from_nanos)
}

struct Outcome {
    calls: usize,
    median: f64,
    fastest: f64,
    points: f64,
    mean_value: f64,
    iterations: f64,
    bytes: usize,
}

fn measure(attack: &Attack, rows: usize, options: &Options) -> Outcome {
    let n = attack.n;
    let epoch = Instant::now();
    // The processor's clock moves in ticks of milliseconds: too coarse for a few rows.
    let one_thread = rayon::current_num_threads() == 1 && rows >= 100;
    let clock = || {
        if one_thread {
            thread_time(epoch)
        } else {
            epoch.elapsed()
        }
    };
    let mut state = 7;
    let x0: Vec<f64> = (0..rows * n)
        .map(|_| 2e-8 * uniform(&mut state) - 1e-8)
        .collect();
    let lower: Vec<f64> = attack.x.iter().map(|x| -x).collect();
    let upper: Vec<f64> = attack.x.iter().map(|x| 1.0 - x).collect();
    let mut batch = Batch::new(&x0, &lower, &upper, n, options).expect("a valid problem");
    let (mut points, mut values, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
    let mut per_row = Vec::new();
    let mut points_time = Duration::ZERO;
    let mut points_rows = 0;
    let (mut total_value, mut total_iterations) = (0.0, 0);
    let mut call = 0;
    while batch.num_active() > 0 {
        let active = batch.num_active();
        let start = clock();
        batch.points_into(&mut points);
        points_time += clock().saturating_sub(start);
        points_rows += active;
        values.resize(active, 0.0);
        gradients.resize(active * n, 0.0);
        values
            .par_iter_mut()
            .zip(gradients.par_chunks_exact_mut(n))
            .zip(points.par_chunks_exact(n))
            .zip(batch.active_rows())
            .for_each(|(((value, gradient), d), &row)| *value = attack.evaluate(row, d, gradient));
        let start = clock();
        let finished = batch
            .advance_f32(&values, &gradients)
            .expect("matching lengths");
        let took = clock().saturating_sub(start);
        call += 1;
        // Small remainders of a batch measure the threads' start, not the rows.
        if call > options.memory + 5 && active * 2 > rows {
            per_row.push(took.as_secs_f64() * 1e6 / active as f64);
        }
        for finished in finished {
            total_value += finished.solution.value;
            total_iterations += finished.solution.iterations;
        }
    }
    per_row.sort_by(f64::total_cmp);
    Outcome {
        calls: per_row.len(),
        median: per_row.get(per_row.len() / 2).copied().unwrap_or(f64::NAN),
        fastest: per_row.first().copied().unwrap_or(f64::NAN),
        points: points_time.as_secs_f64() * 1e6 / points_rows as f64,
        mean_value: total_value / rows as f64,
        iterations: total_iterations as f64 / rows as f64,
        bytes: rows * n * 2 * options.memory,
    }
}

fn main() -> std::io::Result<()> {
    let sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse().ok())
        .collect();
    let size = |i: usize, default| sizes.get(i).copied().unwrap_or(default);
    let (rows, n, memory) = (size(0, 500), size(1, 784), size(2, 25));
    let attack = Attack::new(rows, n);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{rows} rows x {n} variables, memory {memory}; microseconds per row and call"
    )?;
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, available] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(std::io::Error::other)?;
        for history in [Precision::F64, Precision::F32] {
            let options = Options {
                memory,
                max_iterations: 120,
                history,
                ..Options::default()
            };
            let o = pool.install(|| measure(&attack, rows, &options));
            let width = if history == Precision::F64 { 8 } else { 4 };
            writeln!(
                out,
                "threads {threads} history {history:?}: advance median {:.1} fastest {:.1} ({} \
                 calls), points {:.2}; mean objective {:.9}, mean iterations {:.1}, history {} MiB",
                o.median,
                o.fastest,
                o.calls,
                o.points,
                o.mean_value,
                o.iterations,
                (o.bytes * width) >> 20,
            )?;
        }
    }
    Ok(())
}
