//! Model families: one file each, and one enum of their configurations.
//!
//! A model knows tensors; files of data, training loops and attacks are not
//! its business.

<<<<<<< HEAD
pub mod classifier;
=======
pub mod beta_tcvae;
mod checks;
>>>>>>> 480d1f1 (β-TCVAE, Seatbelt-VAE and FactorVAE; attacks on several latent layers; the bound layer by layer)
pub mod config;
pub mod error;
pub mod factor_vae;
pub mod lipschitz_vae;
pub mod network;
pub mod penalty;
pub mod pixels;
pub mod seatbelt;
pub mod vae;
pub mod weights;

<<<<<<< HEAD
pub use classifier::{Classifier, ClassifierConfig, ClassifierNetwork};
=======
pub use beta_tcvae::{BetaTcvae, BetaTcvaeConfig, ObjectiveForm};
>>>>>>> 480d1f1 (β-TCVAE, Seatbelt-VAE and FactorVAE; attacks on several latent layers; the bound layer by layer)
pub use config::{Model, ModelConfig, build};
pub use error::ZooError;
pub use factor_vae::{DiscriminatorConfig, FactorVae, FactorVaeConfig};
pub use lipschitz_vae::{LipschitzConstants, LipschitzVae, LipschitzVaeConfig, SigmaConfig};
pub use network::{Heads, NetworkConfig};
pub use penalty::Penalty;
pub use pixels::{Pixels, Profile, SigmaKind};
pub use seatbelt::{KlLower, LikelihoodInputs, PosteriorKind, Seatbelt, SeatbeltConfig};
pub use vae::{Vae, VaeConfig};
