//! Layers, and the traits by which models meet attacks, training and evaluation.
