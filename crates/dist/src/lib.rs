//! Probability: distributions, reparameterisation and divergences on tensors.
