//! The labels of a whole set, without its images.

use std::sync::Arc;

use vaegis_data::dataset::LABELS_PER_PASS;
use vaegis_data::{
    Batch, DataError, Dataset, DatasetSpec, Mapped, OpenOptions, Split, Step, Subset, open,
};

/// Pictures that must not be asked for, with a label each.
struct Unreadable {
    spec: DatasetSpec,
    labels: Option<Vec<i64>>,
}

impl Dataset for Unreadable {
    fn spec(&self) -> &DatasetSpec {
        &self.spec
    }

    fn batch_into(&self, _indices: &[usize], _batch: &mut Batch) -> Result<(), DataError> {
        panic!("an image was read")
    }

    fn labels(&self) -> Result<Option<Vec<i64>>, DataError> {
        Ok(self.labels.clone())
    }
}

/// A set that implements only what it must.
struct Plain(Box<dyn Dataset>);

impl Dataset for Plain {
    fn spec(&self) -> &DatasetSpec {
        self.0.spec()
    }

    fn batch_into(&self, indices: &[usize], batch: &mut Batch) -> Result<(), DataError> {
        self.0.batch_into(indices, batch)
    }
}

fn made(name: &str, samples: usize) -> Box<dyn Dataset> {
    let options = OpenOptions {
        samples: Some(samples),
        ..OpenOptions::default()
    };
    open(name, None, Split::Test, &options).expect("opens")
}

#[test]
fn labels_are_those_of_the_batches() {
    for name in [
        "sprites",
        "toy-faces",
        "toy-chairs",
        "blobs",
        "dsprites",
        "linear-gaussian",
    ] {
        let data = made(name, 40);
        // dSprites has its natural number of images; a stride meets all its shapes.
        let stride = (data.len() / 40).max(1);
        let some: Vec<usize> = (0..data.len()).step_by(stride).collect();
        let by_batch = data.batch(&some).expect("in range").labels;
        let labels = data.labels().expect("labels");
        if let Some(labels) = &labels {
            assert_eq!(labels.len(), data.len(), "{name}");
        }
        let at_some = labels.map(|all| some.iter().map(|&i| all[i]).collect::<Vec<_>>());
        assert_eq!(at_some, by_batch, "{name}");
    }
}

#[test]
fn what_is_inherited_gives_the_same_in_several_passes() {
    let len = LABELS_PER_PASS + 3;
    let data = made("blobs", len);
    let labels = data.labels().expect("labels");
    assert_eq!(labels.as_ref().map(Vec::len), Some(len));
    assert_eq!(Plain(data).labels().expect("labels"), labels);
    let without = Plain(made("swiss-roll", 5));
    assert_eq!(without.labels().expect("reads"), None);
}

#[test]
fn wrappers_pass_labels_on_without_touching_an_image() {
    let spec = made("sprites", 4).spec().clone();
    let of = |labels: Option<Vec<i64>>| -> Box<dyn Dataset> {
        let inner: Arc<dyn Dataset> = Arc::new(Unreadable {
            spec: spec.clone(),
            labels,
        });
        let step = Step::Range {
            low: -1.0,
            high: 1.0,
        };
        let mapped = Mapped::new(inner, vec![step]).expect("possible");
        Box::new(Subset::new(mapped, vec![3, 1, 1]).expect("in range"))
    };
    let labels = of(Some(vec![5, 6, 7, 8])).labels().expect("labels");
    assert_eq!(labels, Some(vec![8, 6, 6]));
    assert_eq!(of(None).labels().expect("none"), None);
}
