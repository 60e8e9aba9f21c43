//! Small classifiers for downstream tasks: fully connected or convolutional.
//!
//! They are trained on what a frozen model gives, its reconstructions or latents, and are no
//! latent-variable models themselves, so they stand outside [`crate::ModelConfig`].

use crate::ZooError;
use crate::checks::MAX_SIZE;
use crate::config::require_valid;
use serde::{Deserialize, Serialize};
use vaegis_core::config::{Checks, Validate};
use vaegis_core::error::Violation;
use vaegis_nn::{
    Activation, Conv, LossTerms, Mlp, MlpSpec, Objective, StepContext, WeightInit, Window,
};
use vaegis_tensor::{Kind, ParamStore, Tensor};

/// Halves the side of an image.
const HALVE: Window = Window::new(3, 2, 1);
/// Turns filters into classes.
const POINT: Window = Window::new(1, 1, 0);

/// Configuration of a [`Classifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClassifierConfig {
    /// Channels, height and width of an input; vectors are `[1, 1, D]`.
    pub input: [i64; 3],
    /// Number of classes.
    pub num_classes: i64,
    /// The network.
    pub network: ClassifierNetwork,
}

/// The network of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ClassifierNetwork {
    /// Affine maps with ReLU between them.
    Mlp {
        /// Units per hidden layer.
        hidden: Vec<i64>,
    },
    /// 3 × 3 convolutions of stride 2 with ReLU, then 1 × 1 to the classes, then the mean over
    /// the image.
    Conv {
        /// Filters per convolution.
        filters: Vec<i64>,
    },
}

impl ClassifierNetwork {
    /// One hidden layer of 256 units.
    pub fn mlp() -> Self {
        Self::Mlp { hidden: vec![256] }
    }

    /// 32, 64 and 128 filters.
    pub fn conv() -> Self {
        Self::Conv {
            filters: vec![32, 64, 128],
        }
    }
}

impl Validate for ClassifierConfig {
    fn violations(&self) -> Vec<Violation> {
        let sizes = match &self.network {
            ClassifierNetwork::Mlp { hidden } => hidden,
            ClassifierNetwork::Conv { filters } => filters,
        };
        let is_size = |n: &i64| (1..=MAX_SIZE).contains(n);
        let mut checks = Checks::new();
        checks
            .require(
                "input",
                self.input.iter().all(is_size),
                "three sizes of at least 1",
                format!("{:?}", self.input),
            )
            .require(
                "num-classes",
                (2..=MAX_SIZE).contains(&self.num_classes),
                "at least 2",
                self.num_classes,
            )
            .require(
                "network",
                sizes.iter().all(is_size),
                "layers of at least 1",
                format!("{sizes:?}"),
            );
        checks.into_violations()
    }
}

/// p(class | input), trained by cross-entropy.
///
/// # Formula
/// ```text
/// loss = mean over the batch of  −log softmax(logits(x))[label]
/// ```
#[derive(Debug)]
pub struct Classifier {
    config: ClassifierConfig,
    store: ParamStore,
    net: Net,
}

#[derive(Debug)]
enum Net {
    Mlp(Mlp),
    Conv { layers: Vec<Conv>, head: Conv },
}

impl Classifier {
    /// Creates the parameters in `store`, below `classifier`.
    ///
    /// # Errors
    /// The configuration is impossible, or the store already holds parameters of these names.
    pub fn new(config: &ClassifierConfig, store: &ParamStore) -> Result<Self, ZooError> {
        require_valid("classifier", config)?;
        let root = store.root().sub("classifier");
        let init = WeightInit::TorchDefault;
        let [channels, height, width] = config.input;
        let net = match &config.network {
            ClassifierNetwork::Mlp { hidden } => {
                let mut sizes = vec![channels * height * width];
                sizes.extend(hidden);
                sizes.push(config.num_classes);
                let spec = MlpSpec {
                    sizes,
                    activation: Activation::Relu,
                    output_activation: Activation::Identity,
                };
                Net::Mlp(Mlp::new(&root, spec, init)?)
            }
            ClassifierNetwork::Conv { filters } => {
                let mut layers = Vec::with_capacity(filters.len());
                let mut inputs = channels;
                for (k, &outputs) in filters.iter().enumerate() {
                    let path = root.sub(&(2 * k).to_string());
                    layers.push(Conv::new(&path, inputs, outputs, HALVE, init)?);
                    inputs = outputs;
                }
                let path = root.sub(&(2 * filters.len()).to_string());
                let head = Conv::new(&path, inputs, config.num_classes, POINT, init)?;
                Net::Conv { layers, head }
            }
        };
        Ok(Self {
            config: config.clone(),
            store: store.clone(),
            net,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &ClassifierConfig {
        &self.config
    }

    /// Unnormalized log-probabilities.
    ///
    /// # Shapes
    /// x: `[B, C, H, W]` → `[B, num_classes]`
    pub fn logits(&self, x: &Tensor) -> Tensor {
        match &self.net {
            Net::Mlp(mlp) => mlp.forward(&x.flatten(1, -1)),
            Net::Conv { layers, head } => {
                let mut h = x.shallow_clone();
                for layer in layers {
                    h = Activation::Relu.apply_owned(layer.forward(&h));
                }
                head.forward(&h).mean_dim([2, 3].as_slice(), false, None)
            }
        }
    }
}

impl Objective for Classifier {
    /// The cross-entropy.
    ///
    /// # Panics
    /// If there are no labels.
    fn loss(&self, x: &Tensor, labels: Option<&Tensor>, _ctx: &StepContext<'_>) -> LossTerms {
        let labels = labels.expect("a classifier needs data with labels");
        let labels = labels.to_kind(Kind::Int64).unsqueeze(1);
        let log_probs = self.logits(x).log_softmax(1, None);
        let value = -log_probs.gather(1, &labels, false).squeeze_dim(1);
        LossTerms::default().with("cross-entropy", 1.0, value)
    }

    fn params(&self) -> &ParamStore {
        &self.store
    }
}
