//! Networks with a known Lipschitz constant: orthonormal linear maps, sorting
//! activations, scaling, and the projection that keeps σ in a ball.
//!
//! Also [`NetworkPath`], the form in which any fully connected network, whether
//! built from these layers or not, shows itself to certificates. Not for the
//! certificates themselves, and not for convolutions.

mod ball;
mod bjorck;
mod group_sort;
mod layer;
mod mlp;
mod path;
mod verify;

pub use ball::project_log_scale;
pub use bjorck::{Bjorck, BjorckScaling, ORTHONORMAL_TOLERANCE};
pub use group_sort::{group_order, group_sort};
pub use layer::BjorckLinear;
pub use mlp::{LipschitzMlp, LipschitzMlpSpec};
pub use path::{
    AffineMap, NetworkPath, NetworkPaths, PathActivation, ScalePath, activation_lipschitz,
    mean_lipschitz, singular_values,
};
pub use verify::{Excess, LayerCheck, Unconverged};
