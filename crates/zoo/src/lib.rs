//! Model families: one file each, and one enum of their configurations.
//!
//! A model knows tensors; files of data, training loops and attacks are not
//! its business.

pub mod beta_tcvae;
mod checks;
pub mod classifier;
pub mod config;
pub mod error;
pub mod factor_vae;
mod flat;
pub mod lipschitz_vae;
pub mod network;
pub mod penalty;
pub mod pixels;
pub mod seatbelt;
pub mod vae;
pub mod weights;

pub use beta_tcvae::{BetaTcvae, BetaTcvaeConfig, ObjectiveForm};
pub use classifier::{Classifier, ClassifierConfig, ClassifierNetwork};
pub use config::{Model, ModelConfig, build};
pub use error::ZooError;
pub use factor_vae::{DiscriminatorConfig, FactorVae, FactorVaeConfig};
pub use lipschitz_vae::{LipschitzConstants, LipschitzVae, LipschitzVaeConfig, SigmaConfig};
pub use network::{Heads, NetworkConfig};
pub use penalty::TcPenalty;
pub use pixels::{Pixels, Profile, SigmaKind};
pub use seatbelt::{KlLower, LikelihoodInputs, PosteriorKind, Seatbelt, SeatbeltConfig};
pub use vae::{Vae, VaeConfig};
