//! Adversarial attacks on latent-variable models: objective, constraint, search, budget.
