//! Posteriors of a data set beside its factors.

use crate::EvalError;
use ndarray::{Array2, Axis};
use vaegis_data::{Batch, Dataset};
use vaegis_nn::{LatentModel, LatentPath, Mode};
use vaegis_tensor::convert::{to_array, to_tensor};
use vaegis_tensor::{Kind, Tensor, no_grad};

/// Images of one network pass.
const ROWS_PER_PASS: usize = 256;

/// Diagonal Gaussian posteriors of N inputs, and the classes of their factors.
#[derive(Clone, Debug, PartialEq)]
pub struct Codes {
    /// μ, `[N, d]`.
    pub mean: Array2<f64>,
    /// log σ, `[N, d]`.
    pub log_sigma: Array2<f64>,
    /// Class of each factor, `[N, F]`.
    pub factors: Array2<usize>,
    /// Names of the factors.
    pub names: Vec<String>,
    /// Number of classes of each factor.
    pub sizes: Vec<usize>,
    /// Whether the classes of a factor have no order (a shape, an identity).
    pub is_categorical: Vec<bool>,
}

impl Codes {
    /// Number of inputs.
    pub fn len(&self) -> usize {
        self.mean.nrows()
    }

    /// Whether there are no inputs.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of latents.
    pub fn num_latents(&self) -> usize {
        self.mean.ncols()
    }

    /// Number of factors.
    pub fn num_factors(&self) -> usize {
        self.sizes.len()
    }

    /// Checks that all parts fit each other and that there is something to measure.
    ///
    /// # Errors
    /// Shapes that disagree, fewer than two inputs, latents that are not finite, a class out of
    /// range, a factor with one class only.
    pub fn check(&self) -> Result<(), EvalError> {
        let bad = |name, expected: &str, found: String| {
            Err(EvalError::BadInput {
                name,
                expected: expected.to_owned(),
                found,
            })
        };
        let (n, d, f) = (self.len(), self.num_latents(), self.num_factors());
        if n < 2 || d == 0 || f == 0 {
            let found = format!("{n} inputs, {d} latents, {f} factors");
            return bad("codes", "two inputs, a latent and a factor", found);
        }
        let shapes = [self.log_sigma.dim(), self.factors.dim()];
        let lengths = [self.names.len(), self.is_categorical.len()];
        if shapes != [(n, d), (n, f)] || lengths != [f, f] {
            let found = format!("{:?}, {shapes:?}, {lengths:?}", self.mean.dim());
            return bad("codes", "parts of one size", found);
        }
        let finite = |a: &Array2<f64>| a.iter().all(|v| v.is_finite());
        if !finite(&self.mean) || !finite(&self.log_sigma) {
            return bad("codes", "finite latents", "NaN or infinity".to_owned());
        }
        for (j, &size) in self.sizes.iter().enumerate() {
            let highest = self.factors.column(j).iter().copied().max().unwrap_or(0);
            if size < 2 || highest >= size {
                let found = format!("{highest} of {size} classes in {}", self.names[j]);
                return bad("factors", "classes below their number, at least two", found);
            }
        }
        Ok(())
    }

    /// Inputs of every class of a factor, classes in order, empty ones included.
    pub(crate) fn groups(&self, factor: usize) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); self.sizes[factor]];
        for (row, &class) in self.factors.column(factor).iter().enumerate() {
            groups[class].push(row);
        }
        groups
    }
}

/// Encodes the inputs at `indices` along posterior means, all layers side by side.
///
/// `factors` names the factors to keep, in this order; `categorical` those of them whose classes
/// have no order.
///
/// # Errors
/// The data set has no factor of that name, a continuous one, or cannot be read.
pub fn encode(
    model: &dyn LatentModel,
    data: &dyn Dataset,
    indices: &[usize],
    factors: &[&str],
    categorical: &[&str],
) -> Result<Codes, EvalError> {
    let spec = data.spec();
    let columns: Vec<usize> = factors
        .iter()
        .map(|&name| {
            let found = spec.factor_names.iter().position(|n| n == name);
            found
                .filter(|&c| spec.factor_sizes[c] > 0)
                .ok_or_else(|| EvalError::BadInput {
                    name: "factors",
                    expected: format!("factors with classes among {:?}", spec.factor_names),
                    found: name.to_owned(),
                })
        })
        .collect::<Result<_, _>>()?;
    let mut means = Vec::new();
    let mut log_sigmas = Vec::new();
    let mut classes = Vec::with_capacity(indices.len() * columns.len());
    let mut batch = Batch::empty();
    for part in indices.chunks(ROWS_PER_PASS) {
        data.batch_into(part, &mut batch)?;
        let x = to_tensor(&batch.x).to_device(model.params().device());
        let posterior = no_grad(|| model.posterior(&x, LatentPath::Mean, Mode::Eval));
        let join = |pick: fn(&vaegis_dist::DiagNormal) -> Tensor| {
            let layers: Vec<Tensor> = posterior.layers.iter().map(pick).collect();
            Tensor::cat(&layers, 1).to_kind(Kind::Double)
        };
        means.push(join(|q| q.mean().shallow_clone()));
        log_sigmas.push(join(|q| q.log_scale().shallow_clone()));
        let table = batch
            .factors
            .as_ref()
            .expect("invariant: the set names factors");
        for row in table.axis_iter(Axis(0)) {
            classes.extend(columns.iter().map(|&c| row[c] as usize));
        }
    }
    let table = |parts: Vec<Tensor>| -> Result<Array2<f64>, EvalError> {
        if parts.is_empty() {
            return Ok(Array2::zeros((0, 0)));
        }
        let array = to_array::<f64>(&Tensor::cat(&parts, 0))?;
        let array = array.into_dimensionality();
        Ok(array.expect("invariant: rows of latents have two axes"))
    };
    let codes = Codes {
        mean: table(means)?,
        log_sigma: table(log_sigmas)?,
        factors: Array2::from_shape_vec((indices.len(), columns.len()), classes)
            .expect("invariant: one class an input and a factor"),
        names: factors.iter().map(|&n| n.to_owned()).collect(),
        sizes: columns.iter().map(|&c| spec.factor_sizes[c]).collect(),
        is_categorical: factors.iter().map(|n| categorical.contains(n)).collect(),
    };
    codes.check()?;
    Ok(codes)
}
