//! Which revisions made what a run shows: models and stages may come from earlier runs.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use vaegis_core::provenance::Provenance;

/// What stands for results that were stored before their revision was.
const UNRECORDED: &str = "not recorded";

/// The revisions of one run's results, this run's own and those that it read.
#[derive(Debug)]
pub struct Lineage {
    current: String,
    met: Mutex<BTreeSet<String>>,
}

impl Lineage {
    /// For a run of the program that this provenance describes.
    pub fn of(provenance: &Provenance) -> Self {
        let changes = match provenance.git_dirty {
            Some(true) => " with changes",
            _ => "",
        };
        Self {
            current: format!("{}{changes}", provenance.git_revision),
            met: Mutex::new(BTreeSet::new()),
        }
    }

    /// What to store beside a result that is made now; notes it as well.
    pub fn made(&self) -> String {
        self.note(&self.current);
        self.current.clone()
    }

    /// Notes the revision stored beside a result that was read.
    pub fn read(&self, revision: Option<&str>) {
        self.note(revision.unwrap_or(UNRECORDED));
    }

    /// All that was noted, in alphabetical order.
    pub fn met(&self) -> Vec<String> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        met.iter().cloned().collect()
    }

    fn note(&self, revision: &str) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if !met.contains(revision) {
            met.insert(revision.to_owned());
        }
    }
}
