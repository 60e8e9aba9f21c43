//! Theorems of robust deep generative models as f64 functions, without libtorch.
