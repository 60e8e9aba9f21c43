//! What the models with one latent layer share: two nets, and the answers that
//! attacks and evaluation ask of them. How such a model is trained is its own.

use crate::ZooError;
use crate::network::{Decoder, Encoder, NetShape, NetworkConfig, gaussian};
use vaegis_dist::DiagNormal;
use vaegis_nn::lipschitz::mean_lipschitz;
use vaegis_nn::{
    LatentPath, Likelihood, LikelihoodKind, Mode, NetworkPaths, Posterior, ScalePath, WeightInit,
};
use vaegis_tensor::{ParamStore, Tensor};

/// What the configurations of these models have in common.
pub(crate) struct FlatSpec<'a> {
    pub(crate) input: [i64; 3],
    pub(crate) bounds: (f64, f64),
    pub(crate) latent: i64,
    /// Added to the encoder's standard deviation.
    pub(crate) tau: f64,
    pub(crate) likelihood: LikelihoodKind,
    pub(crate) network: &'a NetworkConfig,
    pub(crate) init: WeightInit,
}

/// Prior N(0, I), posterior N(μ(x), diag σ(x)²), and a likelihood.
#[derive(Debug)]
pub(crate) struct Flat {
    pub(crate) store: ParamStore,
    pub(crate) input: [i64; 3],
    pub(crate) bounds: (f64, f64),
    pub(crate) latent: i64,
    tau: f64,
    likelihood: LikelihoodKind,
    network: NetworkConfig,
    encoder: Encoder,
    decoder: Decoder,
}

impl Flat {
    /// Creates the parameters of both nets in `store`.
    pub(crate) fn new(spec: &FlatSpec<'_>, store: &ParamStore) -> Result<Self, ZooError> {
        let root = store.root();
        let shape = NetShape {
            input: spec.input,
            network: spec.network,
            init: spec.init,
        };
        Ok(Self {
            encoder: Encoder::new(&root, &shape, spec.latent)?,
            decoder: Decoder::new(&root, &shape, spec.latent)?,
            store: store.clone(),
            input: spec.input,
            bounds: spec.bounds,
            latent: spec.latent,
            tau: spec.tau,
            likelihood: spec.likelihood,
            network: spec.network.clone(),
        })
    }

    /// q(z|x), with σ = τ + eˢ.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → batch `[B]`, event `[d_z]`
    pub(crate) fn encode(&self, x: &Tensor, mode: Mode) -> DiagNormal {
        let posterior = gaussian(self.encoder.forward(x, mode));
        if self.tau == 0.0 {
            return posterior;
        }
        // log(τ + eˢ) without leaving log space.
        let log_sigma = posterior.log_scale();
        let log_tau = log_sigma.full_like(self.tau.ln());
        let log_sigma = log_sigma.logaddexp(&log_tau);
        DiagNormal::new(posterior.mean().shallow_clone(), log_sigma)
    }

    pub(crate) fn posterior(&self, x: &Tensor, path: LatentPath<'_>, mode: Mode) -> Posterior {
        let layer = self.encode(x, mode);
        let z = path.point(0, &layer);
        Posterior {
            layers: vec![layer],
            z: vec![z],
        }
    }

    pub(crate) fn decode(&self, z: &[Tensor], mode: Mode) -> Likelihood {
        Likelihood {
            kind: self.likelihood,
            parameter: self.decoder.forward(&z[0], mode),
        }
    }

    pub(crate) fn network_paths(&self) -> Option<NetworkPaths> {
        let NetworkConfig::Mlp {
            activation,
            decoder_activation,
            ..
        } = self.network
        else {
            return None;
        };
        let output = mean_lipschitz(self.likelihood);
        Some(NetworkPaths {
            mean: self.encoder.mean_path(activation)?,
            // σ is an exponential: no useful constant holds everywhere.
            scale: ScalePath::Unknown,
            decoder: self
                .decoder
                .path(decoder_activation.unwrap_or(activation), output)?,
        })
    }
}

/// `LatentModel` by the field `flat`. The trait asks for a dozen answers, and a
/// blanket implementation of a foreign trait is not allowed.
macro_rules! latent_model_by_flat {
    ($model:ty) => {
        impl vaegis_nn::LatentModel for $model {
            fn replica(&self) -> Option<vaegis_nn::Replica> {
                Some(crate::config::replica(self))
            }

            fn input_shape(&self) -> [i64; 3] {
                self.flat.input
            }

            fn bounds(&self) -> (f64, f64) {
                self.flat.bounds
            }

            fn latent_sizes(&self) -> Vec<i64> {
                vec![self.flat.latent]
            }

            fn params(&self) -> &ParamStore {
                &self.flat.store
            }

            fn posterior(
                &self,
                x: &Tensor,
                path: vaegis_nn::LatentPath<'_>,
                mode: Mode,
            ) -> vaegis_nn::Posterior {
                self.flat.posterior(x, path, mode)
            }

            fn decode(&self, z: &[Tensor], mode: Mode) -> vaegis_nn::Likelihood {
                self.flat.decode(z, mode)
            }

            fn kl_terms(&self, posterior: &vaegis_nn::Posterior, _mode: Mode) -> Vec<Tensor> {
                vec![posterior.layers[0].kl_to_standard()]
            }

            fn network_paths(&self) -> Option<vaegis_nn::NetworkPaths> {
                self.flat.network_paths()
            }
        }
    };
}
pub(crate) use latent_model_by_flat;
