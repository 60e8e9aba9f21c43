//! What was measured, as it is stored.

use crate::{Setting, machine, page};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use vaegis_benches::summary::Summary;
use vaegis_core::codec::{write_atomic, write_json};
use vaegis_core::provenance::{Provenance, RunFacts};

/// Everything of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    pub(crate) provenance: Provenance,
    /// Versions on the other side.
    pub(crate) versions: BTreeMap<String, String>,
    /// Whether the run was a quick one.
    pub(crate) quick: bool,
    /// Rate of large f32 matrix products, in operations per second.
    pub(crate) gemm_rate: f64,
    /// Processes that waited for a processor at the start: more than none of them spoils times.
    pub(crate) load: String,
    pub(crate) parts: Vec<Part>,
}

/// One part of the comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// What was done on both sides.
    pub(crate) what: String,
    pub(crate) ratios: Vec<Ratio>,
    /// Facts beside the ratios.
    pub(crate) notes: Vec<String>,
    /// Tables beside the ratios.
    pub(crate) tables: Vec<Table>,
}

/// How many times faster (or better) ours is than a peer.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) what: String,
    pub(crate) peer: String,
    /// Seconds of one unit of work, ours.
    pub(crate) ours: Summary,
    /// The peer's.
    pub(crate) theirs: Summary,
    /// Theirs over ours, round by round.
    pub(crate) ratio: Summary,
    /// What the ratio ought to be at least, if there is a goal.
    pub(crate) target: Option<f64>,
}

impl Ratio {
    /// From the seconds of both sides, round by round.
    pub(crate) fn new(
        what: impl Into<String>,
        peer: impl Into<String>,
        ours: &[f64],
        theirs: &[f64],
        target: Option<f64>,
    ) -> Self {
        Self {
            what: what.into(),
            peer: peer.into(),
            ours: Summary::of(ours),
            theirs: Summary::of(theirs),
            ratio: Summary::of_ratios(theirs, ours),
            target,
        }
    }

    /// Whether the median reaches the target; none without one.
    pub(crate) fn reached(&self) -> Option<bool> {
        self.target.map(|target| self.ratio.median >= target)
    }
}

/// Rows of text with a heading.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Record {
    /// Looks at the machine and at both sides' versions.
    pub(crate) fn start(setting: &Setting) -> Result<Self> {
        let facts = RunFacts {
            libtorch: vaegis_tensor::device::libtorch_version(),
            device: "cpu".to_owned(),
            threads: setting.threads,
            seeds: vec![crate::victim::SEED],
            ..RunFacts::default()
        };
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        Ok(Self {
            provenance: Provenance::collect(source, facts),
            versions: machine::versions(&setting.python)?,
            quick: setting.quick,
            gemm_rate: machine::gemm_rate(),
            load: machine::load(),
            parts: Vec::new(),
        })
    }

    pub(crate) fn finish(&mut self, start: Instant) {
        self.provenance.finish(start);
    }

    /// Writes `peers.md` and `peers.json`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        write_json(&folder.join("peers.json"), self)?;
        write_atomic(&folder.join("peers.md"), page::whole(self).as_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_judged_by_the_median() {
        let ratio = |target| Ratio::new("w", "p", &[1.0, 1.0, 1.0], &[0.5, 2.0, 9.0], target);
        assert_eq!(ratio(Some(2.0)).reached(), Some(true));
        assert_eq!(ratio(Some(2.1)).reached(), Some(false));
        assert_eq!(ratio(None).reached(), None);
    }
}
