//! A part of a data set, chosen by index.

use vaegis_core::hash::sha256_hex;

use crate::dataset::{Batch, Dataset, DatasetSpec, check_indices};
use crate::error::DataError;

/// Some items of a data set in a chosen order; its indices count from 0 again.
#[derive(Clone, Debug)]
pub struct Subset<D> {
    inner: D,
    chosen: Vec<usize>,
    spec: DatasetSpec,
}

impl<D: Dataset> Subset<D> {
    /// Chooses items; repeats are allowed.
    ///
    /// # Errors
    ///
    /// [`DataError::Index`] when a chosen item does not exist.
    pub fn new(inner: D, chosen: Vec<usize>) -> Result<Self, DataError> {
        check_indices(inner.spec(), &chosen)?;
        let mut spec = inner.spec().clone();
        spec.len = chosen.len();
        spec.checksum = sha256_hex(format!("{} {chosen:?}", spec.checksum).as_bytes());
        Ok(Self {
            inner,
            chosen,
            spec,
        })
    }

    /// Chooses the first `count` items, or all where there are fewer.
    pub fn first(inner: D, count: usize) -> Self {
        let chosen = (0..count.min(inner.len())).collect();
        Self::new(inner, chosen).expect("invariant: all below the length")
    }

    /// The index in the whole data set of an item of this part.
    pub fn original(&self, index: usize) -> Option<usize> {
        self.chosen.get(index).copied()
    }
}

impl<D: Dataset> Dataset for Subset<D> {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        check_indices(&self.spec, indices)?;
        let originals: Vec<usize> = indices.iter().map(|&i| self.chosen[i]).collect();
        self.inner.batch_into(&originals, batch)?;
        batch.indices.clear();
        batch.indices.extend_from_slice(indices);
        Ok(())
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        let all = self.inner.labels()?;
        Ok(all.map(|all| self.chosen.iter().map(|&i| all[i]).collect()))
    }
}

/// A boxed or shared data set is a data set.
impl<D: Dataset + ?Sized> Dataset for Box<D> {
    fn spec(&self) -> &DatasetSpec {
        (**self).spec()
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        (**self).batch_into(indices, batch)
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        (**self).labels()
    }
}

impl<D: Dataset + ?Sized> Dataset for std::sync::Arc<D> {
    fn spec(&self) -> &DatasetSpec {
        (**self).spec()
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        (**self).batch_into(indices, batch)
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        (**self).labels()
    }
}
