//! The border to libtorch: devices, noise, autograd, parameters, optimizers, checkpoints.
