//! Measurements that cannot be made.

/// An error of the evaluation crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// An input does not fit the model or the measurement.
    #[error("{name}: expected {expected}, found {found}")]
    BadInput {
        /// The input's name.
        name: &'static str,
        /// What is needed.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A model whose layers are not what its certificates would rest on.
    #[error("no certificate: {0}, as `certify_measured` does")]
    Unconverged(#[from] vaegis_nn::lipschitz::Unconverged),
    /// A statistic has no value for these numbers.
    #[error(transparent)]
    Theory(#[from] vaegis_theory::TheoryError),
    /// An attack could not be started.
    #[error(transparent)]
    Attack(#[from] vaegis_attacks::AttackError),
    /// A data set could not be read or made.
    #[error(transparent)]
    Data(#[from] vaegis_data::DataError),
    /// The tensor crate reported an error.
    #[error(transparent)]
    Tensor(#[from] vaegis_tensor::TensorError),
}

/// Measurements of one latent layer only.
pub(crate) fn one_layer(model: &dyn vaegis_nn::LatentModel) -> Result<i64, EvalError> {
    match model.latent_sizes().as_slice() {
        [size] => Ok(*size),
        sizes => Err(EvalError::BadInput {
            name: "model",
            expected: "one latent layer".into(),
            found: format!("{} latent layers", sizes.len()),
        }),
    }
}
