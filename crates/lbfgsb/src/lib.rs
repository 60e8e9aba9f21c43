//! Batched bound-constrained L-BFGS (L-BFGS-B) by reverse communication, without libtorch.
