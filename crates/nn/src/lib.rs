//! Layers, and the traits by which models meet attacks, training and evaluation.
//!
//! Nothing here knows a concrete model family, a file or a loop. Layers are named
//! and laid out as in PyTorch, so that checkpoints can be read on both sides.

pub mod activation;
pub mod conv;
pub mod conv_net;
#[cfg(feature = "testkit")]
pub mod laws;
pub mod likelihood;
pub mod linear;
pub mod lipschitz;
pub mod mlp;
pub mod model;
pub mod norm;
pub mod objective;
#[cfg(feature = "testkit")]
pub mod toy;

pub use activation::Activation;
pub use conv::{Conv, ConvTranspose, Window};
pub use conv_net::{CONV_SIDES, ConvDecoder, ConvEncoder, ConvSpec, Filters};
pub use likelihood::{Likelihood, LikelihoodKind};
pub use linear::{Linear, WeightInit};
pub use lipschitz::{NetworkPath, NetworkPaths, ScalePath};
pub use mlp::{Mlp, MlpSpec};
pub use model::{LatentModel, LatentPath, Mode, Posterior, Replica};
pub use norm::BatchNorm;
pub use objective::{LossTerm, LossTerms, Objective, Opponent, StepContext};
