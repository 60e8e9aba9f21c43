//! Data sets held in memory: bytes, bits or floats, turned into f32 a batch at a time.

use ndarray::{Array2, Axis};

use crate::dataset::{Batch, Dataset, DatasetSpec, check_indices};
use crate::error::DataError;

/// Labels and factors of all items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Targets {
    /// Class of each item.
    pub labels: Option<Vec<i64>>,
    /// Factors `[N, F]`.
    pub factors: Option<Array2<f32>>,
}

impl Targets {
    fn select_into(&self, indices: &[usize], batch: &mut Batch) {
        batch.labels = self
            .labels
            .as_ref()
            .map(|l| indices.iter().map(|&i| l[i]).collect());
        batch.factors = self.factors.as_ref().map(|f| f.select(Axis(0), indices));
        batch.indices.clear();
        batch.indices.extend_from_slice(indices);
    }

    fn check(&self, spec: &DatasetSpec) -> Result<(), DataError> {
        let labels = self.labels.as_ref().map_or(spec.len, Vec::len);
        let factors = self.factors.as_ref().map_or(spec.len, Array2::nrows);
        for (what, found) in [("labels", labels), ("factors", factors)] {
            if found != spec.len {
                let expected = format!("as many {what} as items ({})", spec.len);
                return Err(DataError::format("join", &spec.name, expected, found));
            }
        }
        let Some(classes) = spec.num_classes else {
            return Ok(());
        };
        let labels = self.labels.as_deref().unwrap_or_default();
        match labels.iter().position(|&l| l < 0 || l >= classes as i64) {
            None => Ok(()),
            Some(at) => {
                let found = format!("{} at item {at}", labels[at]);
                let expected = format!("labels 0 to {}", classes.saturating_sub(1));
                Err(DataError::format("join", &spec.name, expected, found))
            }
        }
    }
}

fn check_size(spec: &DatasetSpec, found: usize) -> Result<(), DataError> {
    let expected = spec.len.checked_mul(spec.item_size());
    if expected == Some(found) {
        return Ok(());
    }
    let expected = format!("{} items of shape {:?}", spec.len, spec.item_shape);
    Err(DataError::format(
        "join",
        &spec.name,
        expected,
        format!("{found} values"),
    ))
}

/// Unsigned bytes, divided by a constant to land in `[0, 1]`.
#[derive(Clone, Debug)]
pub struct ByteStore {
    spec: DatasetSpec,
    data: Vec<u8>,
    divisor: f32,
    targets: Targets,
}

impl ByteStore {
    /// Joins pixels with their targets; `divisor` is the byte that becomes 1.
    ///
    /// # Errors
    ///
    /// [`DataError::Format`] when counts disagree, [`DataError::Option`] for a zero divisor.
    pub fn new(
        spec: DatasetSpec,
        data: Vec<u8>,
        divisor: u8,
        targets: Targets,
    ) -> Result<Self, DataError> {
        check_size(&spec, data.len())?;
        targets.check(&spec)?;
        if divisor == 0 {
            return Err(DataError::Option {
                op: "ByteStore",
                name: "divisor",
                expected: "a byte above 0".to_owned(),
                found: "0".to_owned(),
            });
        }
        Ok(Self {
            spec,
            data,
            divisor: f32::from(divisor),
            targets,
        })
    }

    /// The bytes `[N, C, H, W]`.
    pub fn bytes(&self) -> &[u8] {
        &self.data
    }
}

impl Dataset for ByteStore {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        check_indices(&self.spec, indices)?;
        let size = self.spec.item_size();
        let mut buffer = batch.take_buffer(indices.len(), self.spec.item_shape);
        let divisor = self.divisor;
        for (out, &i) in buffer.chunks_exact_mut(size.max(1)).zip(indices) {
            let item = &self.data[i * size..(i + 1) * size];
            // A division, not a product with the inverse: k/255 is then the nearest f32 for
            // every k, as in other libraries, and the loop is still vectorized.
            for (o, &v) in out.iter_mut().zip(item) {
                *o = f32::from(v) / divisor;
            }
        }
        batch.put_buffer(buffer, indices.len(), self.spec.item_shape);
        self.targets.select_into(indices, batch);
        Ok(())
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        Ok(self.targets.labels.clone())
    }
}

/// Floats, passed through.
#[derive(Clone, Debug)]
pub struct FloatStore {
    spec: DatasetSpec,
    data: Vec<f32>,
    targets: Targets,
}

impl FloatStore {
    /// Joins values with their targets and sets the value range to their least and greatest.
    ///
    /// # Errors
    ///
    /// [`DataError::Format`] when counts disagree or a value is not finite.
    pub fn new(mut spec: DatasetSpec, data: Vec<f32>, targets: Targets) -> Result<Self, DataError> {
        check_size(&spec, data.len())?;
        targets.check(&spec)?;
        if let Some(at) = data.iter().position(|v| !v.is_finite()) {
            let found = format!("{} at value {at}", data[at]);
            return Err(DataError::format(
                "join",
                &spec.name,
                "finite values",
                found,
            ));
        }
        let low = data.iter().copied().fold(f32::INFINITY, f32::min);
        let high = data.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        spec.value_range = if data.is_empty() {
            (0.0, 0.0)
        } else {
            (low, high)
        };
        Ok(Self {
            spec,
            data,
            targets,
        })
    }
}

impl Dataset for FloatStore {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        check_indices(&self.spec, indices)?;
        let size = self.spec.item_size();
        let mut buffer = batch.take_buffer(indices.len(), self.spec.item_shape);
        for (out, &i) in buffer.chunks_exact_mut(size.max(1)).zip(indices) {
            out.copy_from_slice(&self.data[i * size..(i + 1) * size]);
        }
        batch.put_buffer(buffer, indices.len(), self.spec.item_shape);
        self.targets.select_into(indices, batch);
        Ok(())
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        Ok(self.targets.labels.clone())
    }
}
