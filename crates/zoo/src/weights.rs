//! Weights into models, and models out of files.
//!
//! A checkpoint is a safetensors file with PyTorch's names; the model's
//! configuration travels in its metadata under the key `model`.

use crate::config::{Model, ModelConfig, build};
use crate::error::ZooError;
use vaegis_tensor::{ParamStore, Tensor};

/// Suffix of the counters that PyTorch's batch normalization stores and that
/// nothing here reads.
const IGNORED_SUFFIX: &str = ".num_batches_tracked";

/// Copies named tensors, for example a PyTorch `state_dict`, into a store.
///
/// # Errors
/// A missing, additional or differently shaped tensor; nothing is changed then.
pub fn load_weights(store: &ParamStore, tensors: &[(String, Tensor)]) -> Result<(), ZooError> {
    let used = tensors
        .iter()
        .filter(|(name, _)| !name.ends_with(IGNORED_SUFFIX));
    let used: Vec<_> = used
        .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
        .collect();
    Ok(store.copy_from(&used)?)
}

/// The metadata that lets [`from_checkpoint`] build the model again.
pub fn metadata(config: &ModelConfig) -> serde_json::Value {
    serde_json::json!({ "model": config })
}

/// Builds the model that a checkpoint's metadata describes in `store` and
/// loads its weights.
///
/// # Errors
/// The metadata has no valid model configuration (`origin` is named in the
/// message), or the weights do not fit it.
pub fn from_checkpoint(
    origin: &std::path::Path,
    tensors: &[(String, Tensor)],
    metadata: &serde_json::Value,
    store: &ParamStore,
) -> Result<Box<dyn Model>, ZooError> {
    let missing = |reason: String| ZooError::NoModelConfig {
        path: origin.to_owned(),
        reason,
    };
    let config = metadata
        .get("model")
        .ok_or_else(|| missing("no key \"model\"".to_owned()))?;
    let config: ModelConfig =
        serde_json::from_value(config.clone()).map_err(|e| missing(e.to_string()))?;
    let model = build(&config, store)?;
    load_weights(store, tensors)?;
    Ok(model)
}
