//! Device, threads and data folder: the options that every working command has.

use crate::context;
use anyhow::{Result, bail};
use clap::Args;
use std::path::PathBuf;
use vaegis_core::provenance::{DatasetUse, Provenance};
use vaegis_data::Dataset;
use vaegis_tensor::{Device, device::DeviceSpec};

/// Options on where a command computes and where it finds data.
#[derive(Clone, Debug, Args)]
pub struct MachineArgs {
    /// Folder of the real data sets
    #[arg(long, env = "VAEGIS_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// cpu, cuda:N, or auto
    #[arg(long, value_name = "D", default_value = "cpu")]
    pub device: String,
    /// Threads of libtorch and rayon; without it one per core. Bit-equal results need the same number
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Show no progress
    #[arg(long)]
    pub quiet: bool,
}

/// The options with everything looked up.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Device of the tensors.
    pub device: Device,
    /// Threads within one tensor operation.
    pub threads: usize,
    /// Folder of the real data sets.
    pub data_root: Option<PathBuf>,
}

impl MachineArgs {
    /// Finds the device and sets the number of threads.
    ///
    /// # Errors
    /// No threads, or a device that is not there.
    pub fn resolve(&self) -> Result<Machine> {
        if self.threads == Some(0) {
            bail!("--threads: expected at least 1, found 0");
        }
        let spec: DeviceSpec = self.device.parse()?;
        let device = spec.resolve()?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.unwrap_or(cores);
        set_num_threads(threads, threads);
        Ok(Machine {
            device,
            threads,
            data_root: vaegis_data::default_root(self.data.as_deref()),
        })
    }
}

impl Machine {
    /// What is recorded beside a result of this process.
    pub fn provenance(&self, seed: u64, datasets: &[&dyn Dataset]) -> Provenance {
        let mut provenance = context::provenance(self.device, self.threads, &[seed], "");
        let used = datasets.iter().map(|set| {
            let spec = set.spec();
            DatasetUse {
                name: format!("{} ({} {})", spec.name, set.len(), spec.split.name()),
                origin: spec.origin.clone(),
                checksum: spec.checksum.clone(),
            }
        });
        provenance.datasets = used.collect();
        provenance
    }
}

/// Sets the number of threads of libtorch's operations, and of rayon in the whole process.
pub(crate) fn set_num_threads(libtorch: usize, rayon: usize) {
    vaegis_tensor::device::set_num_threads(libtorch);
    // An error means that the pool is in use already, as where tests share a process; results do
    // not depend on its size.
    let _ = rayon::ThreadPoolBuilder::new()
        .num_threads(rayon)
        .build_global();
}

/// The command line of this process, for records.
pub fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!("vaegis {}", words.join(" "))
}
