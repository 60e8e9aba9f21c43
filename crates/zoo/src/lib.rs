//! Model families: one file each, and one enum of their configurations.
//!
//! A model knows tensors; files of data, training loops and attacks are not
//! its business.

pub mod classifier;
pub mod config;
pub mod error;
pub mod lipschitz_vae;
pub mod vae;
pub mod weights;

pub use classifier::{Classifier, ClassifierConfig, ClassifierNetwork};
pub use config::{Model, ModelConfig, build};
pub use error::ZooError;
pub use lipschitz_vae::{LipschitzConstants, LipschitzVae, LipschitzVaeConfig, SigmaConfig};
pub use vae::{Heads, NetworkConfig, Vae, VaeConfig};
