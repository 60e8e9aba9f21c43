//! Data sets: files, archives and generators to ndarray batches, without libtorch.
