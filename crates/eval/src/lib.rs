//! Measurements: ELBO and IWAE, distances, attack success, empirical margins and bounds.
