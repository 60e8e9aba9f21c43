//! Models for which everything has a closed form: the doubles for tests of
//! attacks, evaluation and training. Behind the feature `testkit`; nothing that
//! ships depends on them. [`LinearGaussian`] is linear with a constant scale,
//! [`ExponentialScale`] has a scale that moves with its input.
//!
//! The network part works in the element kind it was built with; the closed
//! forms are computed in f64 from the parameters as they are at the call.

mod attack;
mod evidence;
mod exponential;
mod margin;

pub use attack::{LatentAttackOptimum, LatentDistance, Penalty};
pub use exponential::{ExponentialScale, FoldedNormal};
pub use margin::MaxDamage;

use crate::lipschitz::{AffineMap, PathActivation};
use crate::{
    Activation, LatentModel, LatentPath, Likelihood, LikelihoodKind, LossTerms, Mode, NetworkPath,
    NetworkPaths, Objective, Posterior, Replica, ScalePath, StepContext,
};
use vaegis_core::seed::SeedTree;
use vaegis_dist::{DiagNormal, Reparameterize};
use vaegis_tensor::{Device, Init, Kind, Noise, ParamStore, Tensor, no_grad};

/// The numbers of a [`LinearGaussian`]; matrices in f64.
#[derive(Debug)]
pub struct LinearGaussianSpec {
    /// A, `[d_z, d_x]`.
    pub encoder_weight: Tensor,
    /// a, `[d_z]`.
    pub encoder_bias: Tensor,
    /// log σ of the posterior, `[d_z]`, the same for every input.
    pub log_sigma: Tensor,
    /// W, `[d_x, d_z]`.
    pub decoder_weight: Tensor,
    /// b, `[d_x]`.
    pub decoder_bias: Tensor,
    /// s, the standard deviation of p(x | z).
    pub observation_sigma: f64,
    /// Weight of the KL term in the training loss.
    pub beta: f64,
    /// Lowest and highest valid pixel.
    pub bounds: (f64, f64),
}

const F64: (Kind, Device) = (Kind::Double, Device::Cpu);

impl LinearGaussianSpec {
    /// Random matrices with entries of order one; the posterior is not exact.
    pub fn random(num_inputs: i64, num_latents: i64, seed: &SeedTree) -> Self {
        let noise = Noise::portable(seed.clone());
        let normal = |label: &str, shape: &[i64], std: f64| {
            noise.child(label).standard_normal(shape, F64.0, F64.1) * std
        };
        let scale = (num_inputs as f64).sqrt().recip();
        Self {
            encoder_weight: normal("A", &[num_latents, num_inputs], scale),
            encoder_bias: normal("a", &[num_latents], 0.3),
            log_sigma: normal("log_sigma", &[num_latents], 0.4) - 0.7,
            decoder_weight: normal("W", &[num_inputs, num_latents], 1.0),
            decoder_bias: normal("b", &[num_inputs], 0.5),
            observation_sigma: 0.7,
            beta: 1.0,
            bounds: (-10.0, 10.0),
        }
    }

    /// A decoder with orthogonal columns of different lengths and the encoder
    /// that gives its exact posterior, so that the ELBO is the log evidence.
    ///
    /// # Panics
    /// If there are more latents than inputs.
    pub fn exact(num_inputs: i64, num_latents: i64, seed: &SeedTree) -> Self {
        let mut spec = Self::random(num_inputs, num_latents, seed);
        let gains = Tensor::arange(num_latents, F64) * 0.5 + 0.5;
        let columns = orthonormal_columns(num_inputs, num_latents, &seed.child("columns"));
        spec.decoder_weight = columns * gains;
        spec.encode_exactly();
        spec
    }

    /// A decoder that is an isometry times `gain` and a posterior with the same
    /// σ in every direction: the exact margin is known (see
    /// [`LinearGaussian::margin`]).
    ///
    /// # Panics
    /// If there are more latents than inputs.
    pub fn isotropic(
        num_inputs: i64,
        num_latents: i64,
        gain: f64,
        sigma: f64,
        seed: &SeedTree,
    ) -> Self {
        let mut spec = Self::random(num_inputs, num_latents, seed);
        spec.decoder_weight =
            orthonormal_columns(num_inputs, num_latents, &seed.child("columns")) * gain;
        spec.log_sigma = Tensor::full([num_latents], sigma.ln(), F64);
        spec
    }

    /// One input, one latent: μ(x) = slope · x, σ constant, decoder the identity.
    pub fn scalar(slope: f64, sigma: f64) -> Self {
        let one = |value: f64| Tensor::full([1, 1], value, F64);
        Self {
            encoder_weight: one(slope),
            encoder_bias: Tensor::zeros([1], F64),
            log_sigma: Tensor::full([1], sigma.ln(), F64),
            decoder_weight: one(1.0),
            decoder_bias: Tensor::zeros([1], F64),
            observation_sigma: 1.0,
            beta: 1.0,
            bounds: (-10.0, 10.0),
        }
    }

    /// The optimum of the β-ELBO on data N(0, U Λ Uᵀ), U a random rotation.
    ///
    /// # Formula
    /// ```text
    /// b = β s²;  W = U (Λ − b)₊^½;  A = Λ⁻¹ (Λ − b)₊^½ Uᵀ;  σᵢ² = min(b/λᵢ, 1)
    /// ```
    /// over the first `num_latents` entries of `spectrum` (Λ, descending).
    ///
    /// # Panics
    /// If there are more latents than entries of the spectrum.
    pub fn optimal(
        spectrum: &[f64],
        num_latents: i64,
        beta: f64,
        observation_sigma: f64,
        seed: &SeedTree,
    ) -> Self {
        let num_inputs = spectrum.len() as i64;
        let rotation = orthonormal_columns(num_inputs, num_inputs, &seed.child("rotation"));
        let basis = rotation.narrow(1, 0, num_latents); // [d_x, d_z]
        let lambda = Tensor::from_slice(spectrum).narrow(0, 0, num_latents);
        let level = beta * observation_sigma.powi(2);
        let root = (&lambda - level).clamp_min(0.0).sqrt();
        Self {
            encoder_weight: (&basis * (&root / &lambda)).transpose(0, 1),
            encoder_bias: Tensor::zeros([num_latents], F64),
            log_sigma: (lambda.reciprocal() * level).clamp_max(1.0).log() * 0.5,
            decoder_weight: basis * root,
            decoder_bias: Tensor::zeros([num_inputs], F64),
            observation_sigma,
            beta,
            bounds: (-100.0, 100.0),
        }
    }

    /// Sets the encoder to the exact posterior of a decoder with orthogonal columns.
    fn encode_exactly(&mut self) {
        let variance = self.observation_sigma.powi(2);
        let gains = self.decoder_weight.square().sum_dim_intlist(0, false, None);
        let precision = gains / variance + 1.0; // [d_z], the Gram matrix is diagonal
        self.log_sigma = precision.log() * -0.5;
        self.encoder_weight = (&self.decoder_weight / &precision).transpose(0, 1) / variance; // [d_z, d_x]
        self.encoder_bias = -self.encoder_weight.mv(&self.decoder_bias);
    }
}

/// p(z) = N(0, I), p(x|z) = N(W z + b, s² I), q(z|x) = N(A x + a, diag σ²).
#[derive(Debug)]
pub struct LinearGaussian {
    store: ParamStore,
    encoder_weight: Tensor,
    encoder_bias: Tensor,
    log_sigma: Tensor,
    decoder_weight: Tensor,
    decoder_bias: Tensor,
    observation_sigma: f64,
    beta: f64,
    bounds: (f64, f64),
}

impl LinearGaussian {
    /// The model of `spec` with parameters of this element kind. Images have
    /// the shape `[1, 1, d_x]`.
    ///
    /// # Panics
    /// If the matrices of `spec` do not fit together.
    pub fn new(kind: Kind, spec: &LinearGaussianSpec) -> Self {
        let noise = Noise::portable(SeedTree::new(0));
        let store = ParamStore::new(kind, Device::Cpu, noise);
        let root = store.root();
        let add = |name: &str, value: &Tensor| {
            let zero = Init::Constant(0.0);
            let mut parameter = root
                .param(name, &value.size(), zero)
                .expect("invariant: each name of the toy model is used once");
            no_grad(|| parameter.copy_(value));
            parameter
        };
        let (num_latents, num_inputs) = spec
            .encoder_weight
            .size2()
            .expect("the encoder weight is a matrix");
        assert_eq!(
            spec.decoder_weight.size(),
            [num_inputs, num_latents],
            "decoder weight"
        );
        assert_eq!(spec.log_sigma.size(), [num_latents], "log sigma");
        Self {
            encoder_weight: add("encoder.weight", &spec.encoder_weight),
            encoder_bias: add("encoder.bias", &spec.encoder_bias),
            log_sigma: add("log_sigma", &spec.log_sigma),
            decoder_weight: add("decoder.weight", &spec.decoder_weight),
            decoder_bias: add("decoder.bias", &spec.decoder_bias),
            observation_sigma: spec.observation_sigma,
            beta: spec.beta,
            bounds: spec.bounds,
            store,
        }
    }

    /// d_x.
    pub fn num_inputs(&self) -> i64 {
        self.decoder_bias.size()[0]
    }

    /// d_z.
    pub fn num_latents(&self) -> i64 {
        self.encoder_bias.size()[0]
    }

    /// A row of f64 numbers as a batch of one image of the model's kind.
    ///
    /// # Shapes
    /// result: `[1, 1, 1, d_x]`
    pub fn image(&self, pixels: &[f64]) -> Tensor {
        Tensor::from_slice(pixels)
            .to_kind(self.store.kind())
            .reshape([1, 1, 1, -1])
    }

    /// A detached f64 copy of a parameter.
    fn exact(parameter: &Tensor) -> Tensor {
        parameter.detach().to_kind(Kind::Double)
    }

    /// The images as f64 rows, `[B, d_x]`.
    fn rows(&self, x: &Tensor) -> Tensor {
        x.detach()
            .to_kind(Kind::Double)
            .reshape([-1, self.num_inputs()])
    }
}

impl LatentModel for LinearGaussian {
    fn replica(&self) -> Option<Replica> {
        let copy = |t: &Tensor| t.detach().to_kind(F64.0).copy();
        let spec = LinearGaussianSpec {
            encoder_weight: copy(&self.encoder_weight),
            encoder_bias: copy(&self.encoder_bias),
            log_sigma: copy(&self.log_sigma),
            decoder_weight: copy(&self.decoder_weight),
            decoder_bias: copy(&self.decoder_bias),
            observation_sigma: self.observation_sigma,
            beta: self.beta,
            bounds: self.bounds,
        };
        let kind = self.store.kind();
        Some(Box::new(move || Box::new(Self::new(kind, &spec))))
    }

    fn input_shape(&self) -> [i64; 3] {
        [1, 1, self.num_inputs()]
    }

    fn bounds(&self) -> (f64, f64) {
        self.bounds
    }

    fn latent_sizes(&self) -> Vec<i64> {
        vec![self.num_latents()]
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }

    fn posterior(&self, x: &Tensor, path: LatentPath<'_>, _mode: Mode) -> Posterior {
        let mu = x
            .flatten(1, -1)
            .linear(&self.encoder_weight, Some(&self.encoder_bias));
        let layer = DiagNormal::new(mu.shallow_clone(), self.log_sigma.expand_as(&mu));
        let z = match path {
            LatentPath::Mean => mu,
            LatentPath::Noise(eps) => layer.from_noise(&eps[0]),
        };
        Posterior {
            layers: vec![layer],
            z: vec![z],
        }
    }

    fn decode(&self, z: &[Tensor], _mode: Mode) -> Likelihood {
        let mean = z[0].linear(&self.decoder_weight, Some(&self.decoder_bias));
        let kind = LikelihoodKind::Gaussian {
            sigma: self.observation_sigma,
        };
        Likelihood {
            kind,
            parameter: mean.unflatten(1, [1, 1, self.num_inputs()]),
        }
    }

    fn kl_terms(&self, posterior: &Posterior, _mode: Mode) -> Vec<Tensor> {
        vec![posterior.layers[0].kl_to_standard()]
    }

    fn network_paths(&self) -> Option<NetworkPaths> {
        let affine = |weight: &Tensor, bias: &Tensor| NetworkPath {
            layers: vec![AffineMap {
                weight: weight.detach().to_kind(Kind::Double),
                bias: bias.detach().to_kind(Kind::Double),
            }],
            activation: PathActivation::Elementwise(Activation::Identity),
            output_lipschitz: 1.0,
        };
        Some(NetworkPaths {
            mean: affine(&self.encoder_weight, &self.encoder_bias),
            scale: ScalePath::Constant,
            decoder: affine(&self.decoder_weight, &self.decoder_bias),
        })
    }
}

impl Objective for LinearGaussian {
    fn loss(&self, x: &Tensor, _labels: Option<&Tensor>, ctx: &StepContext<'_>) -> LossTerms {
        let layer = self
            .posterior(x, LatentPath::Mean, Mode::Train)
            .layers
            .remove(0);
        let z = layer.from_noise(&ctx.latent_noise(0, layer.mean()));
        let recon = -self.decode(&[z], Mode::Train).log_prob(x);
        let kl = layer.kl_to_standard();
        LossTerms::default()
            .with("recon", 1.0, recon)
            .with("kl", self.beta, kl)
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }
}

/// A matrix with orthonormal columns, uniformly distributed.
fn orthonormal_columns(num_rows: i64, num_columns: i64, seed: &SeedTree) -> Tensor {
    assert!(
        num_columns <= num_rows,
        "{num_columns} orthonormal columns of length {num_rows}"
    );
    let shape = [num_rows, num_columns];
    let gauss = Noise::portable(seed.clone()).standard_normal(&shape, F64.0, F64.1);
    let (q, _) = Tensor::linalg_qr(&gauss, "reduced");
    q
}
