//! Parameters and buffers by name, in creation order. A repeated name is an
//! error; libtorch's own store would rename it silently.

use crate::{Device, Kind, Noise, Tensor, TensorError, no_grad};
use std::cell::RefCell;
use std::rc::Rc;

/// How a new parameter is filled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// The same value everywhere.
    Constant(f64),
    /// Uniform on [−bound, bound].
    Uniform {
        /// Half width of the interval.
        bound: f64,
    },
    /// Normal with this standard deviation, mean zero.
    Normal {
        /// Standard deviation.
        std: f64,
    },
}

/// One named tensor of a model.
#[derive(Debug)]
pub struct Entry {
    /// Full dotted name.
    pub name: String,
    /// The tensor itself, shared with the layer that uses it.
    pub tensor: Tensor,
    /// False for buffers such as running statistics.
    pub trainable: bool,
}

#[derive(Debug)]
struct Inner {
    entries: Vec<Entry>,
    kind: Kind,
    device: Device,
    noise: Noise,
}

/// All parameters of one model, in creation order.
///
/// Cloning shares the store, not the numbers.
#[derive(Clone, Debug)]
pub struct ParamStore {
    inner: Rc<RefCell<Inner>>,
}

impl ParamStore {
    /// An empty store; initial values are drawn from `noise` by name, so they
    /// do not depend on the order of creation.
    pub fn new(kind: Kind, device: Device, noise: Noise) -> Self {
        Self {
            inner: Rc::new(RefCell::new(Inner {
                entries: Vec::new(),
                kind,
                device,
                noise,
            })),
        }
    }

    /// The root path, under which layers create their parameters.
    pub fn root(&self) -> ParamPath {
        ParamPath {
            store: self.clone(),
            prefix: String::new(),
        }
    }

    /// Element kind of new parameters.
    pub fn kind(&self) -> Kind {
        self.inner.borrow().kind
    }

    /// Device of the parameters.
    pub fn device(&self) -> Device {
        self.inner.borrow().device
    }

    /// Names and tensors (parameters and buffers), in creation order. The
    /// tensors share storage with the model.
    pub fn named_tensors(&self) -> Vec<(String, Tensor)> {
        let inner = self.inner.borrow();
        inner
            .entries
            .iter()
            .map(|e| (e.name.clone(), e.tensor.shallow_clone()))
            .collect()
    }

    /// Names and tensors of the trainable parameters, in creation order.
    pub fn trainable(&self) -> Vec<(String, Tensor)> {
        let inner = self.inner.borrow();
        let trainable = inner.entries.iter().filter(|e| e.trainable);
        trainable
            .map(|e| (e.name.clone(), e.tensor.shallow_clone()))
            .collect()
    }

    /// Number of trainable scalars.
    pub fn num_parameters(&self) -> usize {
        self.trainable().iter().map(|(_, t)| t.numel()).sum()
    }

    /// Whether gradients with respect to the parameters are recorded. Attacks
    /// and evaluation freeze the store, which also saves their cost.
    pub fn set_trainable(&self, on: bool) {
        for entry in self
            .inner
            .borrow_mut()
            .entries
            .iter_mut()
            .filter(|e| e.trainable)
        {
            entry.tensor = entry.tensor.set_requires_grad(on);
        }
    }

    /// Copies values into the parameters by name.
    ///
    /// # Errors
    /// A missing, additional or differently shaped tensor; nothing is changed then.
    pub fn copy_from(&self, values: &[(String, Tensor)]) -> Result<(), TensorError> {
        let mismatch = |name: &str, expected: String, found: String| {
            Err(TensorError::ParameterMismatch {
                op: "loading parameters",
                name: name.to_owned(),
                expected,
                found,
            })
        };
        let inner = self.inner.borrow();
        let mut pairs = Vec::with_capacity(inner.entries.len());
        for entry in &inner.entries {
            let Some((_, value)) = values.iter().find(|(name, _)| *name == entry.name) else {
                return mismatch(
                    &entry.name,
                    format!("{:?}", entry.tensor.size()),
                    "none".into(),
                );
            };
            if value.size() != entry.tensor.size() {
                let (expected, found) = (entry.tensor.size(), value.size());
                return mismatch(&entry.name, format!("{expected:?}"), format!("{found:?}"));
            }
            pairs.push((entry.tensor.shallow_clone(), value));
        }
        for (name, value) in values {
            if !inner.entries.iter().any(|e| e.name == *name) {
                return mismatch(
                    name,
                    "no such parameter".into(),
                    format!("{:?}", value.size()),
                );
            }
        }
        no_grad(|| {
            for (mut parameter, value) in pairs {
                parameter.copy_(value);
            }
        });
        Ok(())
    }

    fn insert(&self, name: String, tensor: Tensor, trainable: bool) -> Result<(), TensorError> {
        let mut inner = self.inner.borrow_mut();
        if inner.entries.iter().any(|e| e.name == name) {
            return Err(TensorError::DuplicateParameter { name });
        }
        inner.entries.push(Entry {
            name,
            tensor,
            trainable,
        });
        Ok(())
    }
}

/// A place in a [`ParamStore`] under which a layer creates its parameters.
#[derive(Clone, Debug)]
pub struct ParamPath {
    store: ParamStore,
    prefix: String,
}

impl ParamPath {
    /// The path `name` below this one.
    pub fn sub(&self, name: &str) -> Self {
        Self {
            store: self.store.clone(),
            prefix: self.full_name(name),
        }
    }

    /// The store that this path belongs to.
    pub fn store(&self) -> &ParamStore {
        &self.store
    }

    /// Creates a trainable parameter.
    ///
    /// # Errors
    /// The name is taken, or there is not enough memory.
    pub fn param(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, TensorError> {
        let name = self.full_name(name);
        let tensor = self.filled(&name, shape, init)?.set_requires_grad(true);
        self.store.insert(name, tensor.shallow_clone(), true)?;
        Ok(tensor)
    }

    /// Creates a buffer: saved and loaded, never trained.
    ///
    /// # Errors
    /// The name is taken, or there is not enough memory.
    pub fn buffer(&self, name: &str, shape: &[i64], value: f64) -> Result<Tensor, TensorError> {
        let name = self.full_name(name);
        let tensor = self.filled(&name, shape, Init::Constant(value))?;
        self.store.insert(name, tensor.shallow_clone(), false)?;
        Ok(tensor)
    }

    fn filled(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, TensorError> {
        require_memory(name, shape)?;
        let (kind, device) = (self.store.kind(), self.store.device());
        let noise = self.store.inner.borrow().noise.child(name);
        Ok(match init {
            Init::Constant(value) => Tensor::full(shape, value, (kind, device)),
            Init::Uniform { bound } => noise.uniform(shape, kind, device) * (2.0 * bound) - bound,
            Init::Normal { std } => noise.standard_normal(shape, kind, device) * std,
        })
    }

    fn full_name(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }
}

/// Bytes on the host that one number takes while it is initialized: the draw, its tensor and the
/// parameter, each at most an f64.
const BYTES_PER_NUMBER: usize = 24;

/// Refuses a parameter that cannot be allocated: libtorch and the noise would abort the program.
///
/// The memory is asked for and given back untouched. Systems that promise any amount are not seen
/// through by this.
fn require_memory(name: &str, shape: &[i64]) -> Result<(), TensorError> {
    let bytes = shape.iter().try_fold(BYTES_PER_NUMBER, |product, &size| {
        product.checked_mul(usize::try_from(size).ok()?)
    });
    let is_there = bytes.is_some_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok());
    if is_there {
        return Ok(());
    }
    Err(TensorError::OutOfMemory {
        name: name.to_owned(),
        shape: shape.to_vec(),
    })
}
