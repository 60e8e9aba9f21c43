//! Values and gradients of many rows per pass: the only place where a search
//! touches the network.

use crate::constraint::penalties;
use crate::prepared::Prepared;
use crate::{AttackRows, Constraint, Penalty};
use vaegis_nn::LatentModel;
use vaegis_tensor::{Device, Kind, Tensor, autograd, parts};

/// Evaluates one prepared objective on any rows at any distortions.
#[derive(Debug)]
pub struct Oracle<'a> {
    prepared: Prepared<'a>,
    constraint: Constraint,
    /// Clean inputs, `[N, D]`.
    x: Tensor,
    lambda: Vec<f64>,
    radius: Vec<f64>,
    image_shape: [i64; 3],
    pixel_range: (f64, f64),
    /// Rows of one network pass; each is as many network rows as it has noise draws.
    rows_per_pass: usize,
    num_passes: u64,
}

/// Objective and gradient of some rows.
#[derive(Debug)]
pub struct Evaluation {
    /// The divergence part, without penalty, `[n]`.
    pub divergence: Tensor,
    /// Divergence plus penalty, `[n]`.
    pub value: Tensor,
    /// Gradient of `value` with respect to d, `[n, D]`.
    pub gradient: Tensor,
}

impl<'a> Oracle<'a> {
    /// Binds a prepared objective to rows and a constraint. At most
    /// `max_rows_per_pass` network rows go through the networks at once, but at
    /// least the noise draws of one row.
    pub fn new(
        victim: &dyn LatentModel,
        prepared: Prepared<'a>,
        rows: &AttackRows,
        constraint: Constraint,
        max_rows_per_pass: usize,
    ) -> Self {
        Self {
            rows_per_pass: rows_per_pass(max_rows_per_pass, prepared.num_samples()),
            prepared,
            constraint,
            x: rows.x.flatten(1, -1).to_kind(victim.params().kind()),
            lambda: rows.lambda.clone(),
            radius: rows.radius.clone(),
            image_shape: victim.input_shape(),
            pixel_range: constraint.pixel_range(victim.bounds()),
            num_passes: 0,
        }
    }

    /// Number of rows.
    pub fn num_rows(&self) -> usize {
        self.lambda.len()
    }

    /// Number of pixels of one row.
    pub fn num_pixels(&self) -> usize {
        self.image_shape.iter().product::<i64>() as usize
    }

    /// The constraint.
    pub fn constraint(&self) -> Constraint {
        self.constraint
    }

    /// Clean inputs, `[N, D]`.
    pub fn x(&self) -> &Tensor {
        &self.x
    }

    /// λ per row.
    pub fn lambda(&self) -> &[f64] {
        &self.lambda
    }

    /// Radius per row.
    pub fn radius(&self) -> &[f64] {
        &self.radius
    }

    /// Lowest and highest value of x + d.
    pub fn pixel_range(&self) -> (f64, f64) {
        self.pixel_range
    }

    /// Kind and device of the network's numbers.
    pub fn options(&self) -> (Kind, Device) {
        (self.x.kind(), self.x.device())
    }

    /// Whether two evaluations of one point differ by their noise.
    pub fn is_fresh(&self) -> bool {
        self.prepared.is_fresh()
    }

    /// Row numbers as an index tensor.
    pub fn row_index(&self, rows: &[usize]) -> Tensor {
        let rows: Vec<i64> = rows.iter().map(|&r| r as i64).collect();
        Tensor::from_slice(&rows).to_device(self.x.device())
    }

    /// Divergence and its gradient alone, one network pass per chunk of rows.
    ///
    /// # Shapes
    /// d: `[n, D]`, rows: `[n]` → `[n]`, `[n, D]`
    pub fn divergence(&mut self, rows: &Tensor, d: &Tensor) -> (Tensor, Tensor) {
        self.num_passes += 1;
        self.prepared.refresh(self.num_passes);
        self.chunked(rows, d, |oracle, rows, d| {
            let d = d.detach().set_requires_grad(true);
            let value = oracle.divergence_graph(rows, &d);
            // Zero where the divergence does not depend on d, as σ where it is constant.
            let gradient = autograd::gradient(&value, &[&d]).remove(0);
            (value.detach(), gradient)
        })
    }

    /// Divergence, penalty and the gradient of their sum.
    ///
    /// # Shapes
    /// d: `[n, D]`, rows: `[n]`
    pub fn evaluate(&mut self, rows: &Tensor, d: &Tensor) -> Evaluation {
        let (divergence, gradient) = self.divergence(rows, d);
        if self.constraint.penalty == Penalty::None {
            return Evaluation {
                value: divergence.shallow_clone(),
                divergence,
                gradient,
            };
        }
        let lambda = Tensor::from_slice(&self.lambda)
            .to_kind(d.kind())
            .to_device(d.device())
            .index_select(0, rows);
        let (penalty, slope) = penalties(self.constraint.penalty, &lambda, &d.detach())
            .expect("invariant: a penalty other than none");
        Evaluation {
            value: &divergence + penalty,
            divergence,
            gradient: gradient + slope,
        }
    }

    /// Divergence part without gradient.
    ///
    /// # Shapes
    /// d: `[n, D]`, rows: `[n]` → `[n]`
    pub fn divergence_value(&mut self, rows: &Tensor, d: &Tensor) -> Tensor {
        vaegis_tensor::no_grad(|| {
            let pass = |o: &Self, rows: &Tensor, d: &Tensor| {
                let value = o.divergence_graph(rows, d);
                (value.shallow_clone(), value)
            };
            self.chunked(rows, d, pass).0
        })
    }

    fn divergence_graph(&self, rows: &Tensor, d: &Tensor) -> Tensor {
        let [c, h, w] = self.image_shape;
        let x = (self.x.index_select(0, rows) + d).reshape([-1, c, h, w]);
        self.prepared.value(&x, rows)
    }

    /// Runs `pass` on chunks of at most `rows_per_pass` rows.
    fn chunked(
        &self,
        rows: &Tensor,
        d: &Tensor,
        pass: impl Fn(&Self, &Tensor, &Tensor) -> (Tensor, Tensor),
    ) -> (Tensor, Tensor) {
        let num_rows = rows.size()[0];
        let chunk = self.rows_per_pass as i64;
        if num_rows <= chunk {
            return pass(self, rows, d);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for (start, len) in parts(num_rows, chunk) {
            let (a, b) = pass(self, &rows.narrow(0, start, len), &d.narrow(0, start, len));
            first.push(a);
            second.push(b);
        }
        (Tensor::cat(&first, 0), Tensor::cat(&second, 0))
    }
}

/// Rows whose noise draws fit into one network pass; at least one.
pub(crate) fn rows_per_pass(max_network_rows: usize, samples: usize) -> usize {
    (max_network_rows / samples.max(1)).max(1)
}
