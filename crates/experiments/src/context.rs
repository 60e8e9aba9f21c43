//! What a run may use: tier, seeds, device, folders, workers.

use crate::Tier;
use crate::lineage::Lineage;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use vaegis_core::SeedTree;
use vaegis_core::provenance::{Provenance, RunFacts};
use vaegis_tensor::Device;
use vaegis_tensor::device::{self, DeviceSpec};

/// Settings of one run of one experiment.
#[derive(Clone, Debug)]
pub struct RunCtx {
    /// Size of the run.
    pub tier: Tier,
    /// Root seed; replicate k uses `seed + k`.
    pub seed: u64,
    /// Number of replicates over which claims are judged; none for the
    /// experiment's own number (at least 3).
    pub num_seeds: Option<usize>,
    /// Device as the user named it.
    pub device_spec: DeviceSpec,
    /// Device as resolved.
    pub device: Device,
    /// Folder of the real data sets.
    pub data_root: Option<PathBuf>,
    /// Folder of this run.
    pub out: PathBuf,
    /// Folder of trained models, shared by experiments.
    pub cache: PathBuf,
    /// Models worked on at once.
    pub jobs: usize,
    /// libtorch threads within one job. Results are bit-equal only for equal
    /// numbers of threads.
    pub threads: usize,
    /// Whether progress is shown.
    pub quiet: bool,
    /// Command line, for the report.
    pub command: String,
    /// Revisions of the results that the run shows.
    pub lineage: Arc<Lineage>,
}

impl RunCtx {
    /// The seeds of the replicates.
    pub fn seeds(&self, default: usize) -> Vec<u64> {
        (0..self.num_seeds.unwrap_or(default) as u64)
            .map(|k| self.seed.wrapping_add(k))
            .collect()
    }

    /// The seed tree of one replicate of an experiment.
    pub fn seed_tree(&self, experiment: &str, seed: u64) -> SeedTree {
        SeedTree::new(seed).child(experiment)
    }

    /// Where and with what this run is made; the data sets are the caller's to add.
    pub fn provenance(&self, seeds: &[u64]) -> Provenance {
        provenance(self.device, self.threads, seeds, self.tier.name())
    }

    /// Adds to a provenance what is known at the end of a run that began at `start`.
    pub fn finish(&self, provenance: &mut Provenance, start: Instant) {
        provenance.computed_at = self.lineage.met();
        provenance.finish(start);
    }
}

/// Where and with what results are made, by this program's own revision.
pub(crate) fn provenance(device: Device, threads: usize, seeds: &[u64], tier: &str) -> Provenance {
    Provenance::collect(
        // Not the working folder, which may be another project's checkout.
        Path::new(env!("CARGO_MANIFEST_DIR")),
        RunFacts {
            libtorch: device::libtorch_version(),
            device: format!("{device:?}").to_lowercase(),
            threads,
            seeds: seeds.to_vec(),
            tier: tier.to_owned(),
        },
    )
}
