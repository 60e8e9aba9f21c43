//! Reproduction: the registry of experiments and the vaegis program.
