//! Many attacks as one resumable job: pairs × penalties × restarts flattened
//! into rows, worked off in chunks, every finished chunk's rows on disk at once.
//!
//! A chunk is the unit of work because a row's last bits depend on the batch it
//! is computed in (matrix products round differently for different batch
//! sizes). A killed job repeats its unfinished chunk in the same batch, so the
//! files of a resumed job equal those of an uninterrupted one bit for bit.

use crate::record::{AttackRecord, describe};
use crate::{Attack, AttackError, AttackRows};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use vaegis_core::codec::{JsonlWriter, read_json, read_jsonl, write_atomic, write_json};
use vaegis_core::{EntryLock, LOCK_FILE};
use vaegis_nn::LatentModel;
use vaegis_tensor::convert::to_f64_vec;
use vaegis_tensor::{Noise, Tensor, no_grad};

/// A targeted attack on many rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sweep {
    /// The attack on every row.
    pub attack: Attack,
    /// Rows worked off together; also what a kill can cost at most.
    pub chunk_rows: usize,
    /// Noise draws for the recorded likelihoods.
    pub samples: usize,
}

/// The rows of a sweep and where they come from.
#[derive(Debug)]
pub struct SweepRows {
    /// Inputs, targets, penalties and keys.
    pub rows: AttackRows,
    /// Pair number of each row.
    pub pairs: Vec<usize>,
    /// What the numbers depend on besides this struct, for example the hash of
    /// the model and of the data set: a job is resumed only where it agrees.
    pub context: String,
}

/// What identifies a job; stored beside its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobHeader {
    sweep: Sweep,
    fingerprint: String,
    num_rows: usize,
}

impl SweepRows {
    /// Every pair at every penalty, pair by pair. Keys depend on the pair alone,
    /// so that all penalties of a pair share start and noise.
    ///
    /// # Shapes
    /// originals, targets: `[P, C, H, W]`
    pub fn grid(originals: &Tensor, targets: &Tensor, lambdas: &[f64], context: String) -> Self {
        let num_pairs = originals.size()[0];
        let times = lambdas.len() as i64;
        let pairs: Vec<usize> = (0..num_pairs as usize)
            .flat_map(|pair| lambdas.iter().map(move |_| pair))
            .collect();
        let mut rows = AttackRows::targeted(
            originals.repeat_interleave_self_int(times, 0, None),
            targets.repeat_interleave_self_int(times, 0, None),
            lambdas.repeat(num_pairs as usize),
        );
        rows.keys = pairs.iter().map(|&p| p as u64).collect();
        Self {
            rows,
            pairs,
            context,
        }
    }

    /// Every pair in balls of every radius, without a penalty; as [`Self::grid`] otherwise.
    ///
    /// # Shapes
    /// originals, targets: `[P, C, H, W]`
    pub fn balls(originals: &Tensor, targets: &Tensor, radii: &[f64], context: String) -> Self {
        let mut all = Self::grid(originals, targets, radii, context);
        let free = vec![0.0; all.rows.len()];
        all.rows.radius = std::mem::replace(&mut all.rows.lambda, free);
        all
    }
}

impl Sweep {
    /// Runs the sweep in memory.
    ///
    /// # Errors
    /// As [`Attack::run`]; no row, no row per chunk, no draw.
    pub fn run(
        &self,
        victim: &dyn LatentModel,
        rows: &SweepRows,
        noise: &Noise,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<(Vec<AttackRecord>, Tensor), AttackError> {
        self.check(rows)?;
        let (mut records, mut distortions) = (Vec::new(), Vec::new());
        for chunk in 0..self.num_chunks(rows) {
            let (new, distortion) = self.run_chunk(victim, rows, chunk, noise)?;
            records.extend(new);
            distortions.push(distortion);
            progress(records.len(), rows.rows.len());
        }
        Ok((records, Tensor::cat(&distortions, 0)))
    }

    /// Runs the sweep with its rows under `folder`, going on where an earlier
    /// run of the same job stopped.
    ///
    /// Writes `job.json`, `records.jsonl` (one [`AttackRecord`] per line, in row
    /// order) and `distortions-N.f32` (raw little-endian rows of d) per chunk. A folder has one
    /// writer at a time: where another thread or process works in it, its end is waited for.
    ///
    /// # Errors
    /// As [`Sweep::run`]; a folder that holds another job; disk errors.
    pub fn run_resumable(
        &self,
        victim: &dyn LatentModel,
        rows: &SweepRows,
        noise: &Noise,
        folder: &Path,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<(Vec<AttackRecord>, Tensor), AttackError> {
        self.check(rows)?;
        let header = self.header(rows, noise)?;
        let _lock = EntryLock::acquire(&folder.join(LOCK_FILE), || {
            let folder = folder.display();
            tracing::warn!("waiting for another run that attacks in {folder}; its rows are kept");
        })?;
        let job_path = folder.join("job.json");
        if job_path.exists() {
            let stored: JobHeader = read_json(&job_path)?;
            if stored != header {
                return Err(AttackError::BadInput {
                    name: "sweep folder",
                    expected: "the same job as in an earlier run".into(),
                    found: format!(
                        "another one in {}, different in {}: choose another folder or delete it",
                        folder.display(),
                        header.differences(&stored).join(", ")
                    ),
                });
            }
        } else {
            write_json(&job_path, &header)?;
        }
        let records_path = folder.join("records.jsonl");
        let mut records = self.complete_chunks(rows, &records_path, folder)?;
        progress(records.len(), rows.rows.len());
        let mut writer = JsonlWriter::open_append(&records_path)?;
        for chunk in records.len().div_ceil(self.chunk_rows)..self.num_chunks(rows) {
            let (new, distortion) = self.run_chunk(victim, rows, chunk, noise)?;
            // Distortions first: a chunk counts as finished by its last record.
            write_atomic(&distortion_path(folder, chunk), &to_bytes(&distortion))?;
            for record in &new {
                writer.append(record)?;
            }
            writer.sync()?;
            records.extend(new);
            progress(records.len(), rows.rows.len());
        }
        let distortions = self.load_distortions(rows, folder)?;
        Ok((records, distortions))
    }

    /// Checks the job's own numbers; those of its attack are checked where it runs.
    fn check(&self, rows: &SweepRows) -> Result<(), AttackError> {
        let num_rows = rows.rows.len();
        for (name, found) in [
            ("sweep.rows", num_rows),
            ("sweep.chunk-rows", self.chunk_rows),
            ("sweep.samples", self.samples),
        ] {
            if found == 0 {
                return Err(AttackError::BadInput {
                    name,
                    expected: "at least 1".into(),
                    found: "0".into(),
                });
            }
        }
        if rows.pairs.len() != num_rows {
            return Err(AttackError::BadInput {
                name: "sweep.pairs",
                expected: format!("{num_rows} pair numbers, one per row"),
                found: rows.pairs.len().to_string(),
            });
        }
        Ok(())
    }

    fn header(&self, rows: &SweepRows, noise: &Noise) -> Result<JobHeader, AttackError> {
        let r = &rows.rows;
        // As bits, because an infinite radius has no place in canonical JSON.
        let radius: Vec<u64> = r.radius.iter().map(|v| v.to_bits()).collect();
        let identity = (
            &rows.context,
            &rows.pairs,
            &r.lambda,
            radius,
            &r.keys,
            image_hash(&r.x),
            r.target.as_ref().map(image_hash),
            noise.seed(),
            format!("{:?}", noise.source()),
        );
        Ok(JobHeader {
            sweep: self.clone(),
            fingerprint: vaegis_core::hash::content_hash(&identity)?,
            num_rows: r.len(),
        })
    }

    fn num_chunks(&self, rows: &SweepRows) -> usize {
        rows.rows.len().div_ceil(self.chunk_rows)
    }

    fn run_chunk(
        &self,
        victim: &dyn LatentModel,
        rows: &SweepRows,
        chunk: usize,
        noise: &Noise,
    ) -> Result<(Vec<AttackRecord>, Tensor), AttackError> {
        let start = chunk * self.chunk_rows;
        let end = (start + self.chunk_rows).min(rows.rows.len());
        let part = rows.rows.select(&(start..end).collect::<Vec<_>>());
        let outcome = self.attack.run(victim, &part, noise)?;
        let pairs = &rows.pairs[start..end];
        let records = describe(
            victim,
            &self.attack,
            &part,
            pairs,
            &outcome,
            self.samples,
            noise,
        );
        Ok((
            records,
            outcome.distortion.to_kind(vaegis_tensor::Kind::Float),
        ))
    }

    /// Records of the chunks that are complete; the file is cut after them.
    fn complete_chunks(
        &self,
        rows: &SweepRows,
        path: &Path,
        folder: &Path,
    ) -> Result<Vec<AttackRecord>, AttackError> {
        if !path.exists() {
            return Ok(Vec::new());
        }
        let mut records: Vec<AttackRecord> = read_jsonl(path)?;
        let found = records.len();
        let mut complete = if found == rows.rows.len() {
            found
        } else {
            found - found % self.chunk_rows
        };
        let has_distortions = |chunk: &usize| distortion_path(folder, *chunk).exists();
        let saved = (0..complete.div_ceil(self.chunk_rows))
            .take_while(has_distortions)
            .count();
        complete = complete.min(saved * self.chunk_rows);
        if complete < found {
            records.truncate(complete);
            // Rewriting is safe: a kill in between leaves fewer complete chunks,
            // which are computed again.
            write_atomic(path, b"")?;
            let mut writer = JsonlWriter::open_append(path)?;
            for record in &records {
                writer.append(record)?;
            }
            writer.sync()?;
        }
        Ok(records)
    }

    fn load_distortions(&self, rows: &SweepRows, folder: &Path) -> Result<Tensor, AttackError> {
        let width = rows.rows.x.size()[1..].iter().product::<i64>();
        let mut parts = Vec::new();
        for chunk in 0..self.num_chunks(rows) {
            let start = chunk * self.chunk_rows;
            let len = self.chunk_rows.min(rows.rows.len() - start);
            let expected = len as u64 * width as u64 * 4;
            let path = distortion_path(folder, chunk);
            let bytes = vaegis_core::codec::read_limited(&path, expected)?;
            if bytes.len() as u64 != expected {
                return Err(AttackError::BadInput {
                    name: "distortion file",
                    expected: format!("{expected} bytes"),
                    found: format!("{} bytes in {}", bytes.len(), path.display()),
                });
            }
            let values: Vec<f32> = bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect();
            parts.push(Tensor::from_slice(&values).reshape([len as i64, width]));
        }
        Ok(no_grad(|| Tensor::cat(&parts, 0)))
    }
}

impl JobHeader {
    /// What another job has otherwise, by the names of the settings; what only the fingerprint
    /// covers (images, penalties, keys, noise, context) is named together.
    fn differences(&self, other: &Self) -> Vec<String> {
        let value = |job: &Self| {
            serde_json::to_value(&job.sweep).expect("invariant: settings are written as JSON")
        };
        let mut names = Vec::new();
        push_differences("", &value(self), &value(other), &mut names);
        if self.num_rows != other.num_rows {
            names.push(format!("rows ({} there)", other.num_rows));
        }
        if self.fingerprint != other.fingerprint {
            names.push("images, penalties, keys, noise or context".into());
        }
        names
    }
}

/// The paths at which two trees of settings differ, with the other's value.
fn push_differences(path: &str, own: &Value, other: &Value, names: &mut Vec<String>) {
    match (own, other) {
        (Value::Object(own), Value::Object(theirs)) => {
            let keys: BTreeSet<&String> = own.keys().chain(theirs.keys()).collect();
            for key in keys {
                let [a, b] = [own, theirs].map(|side| side.get(key).unwrap_or(&Value::Null));
                let dot = if path.is_empty() { "" } else { "." };
                push_differences(&format!("{path}{dot}{key}"), a, b, names);
            }
        }
        _ if own == other => (),
        _ => names.push(format!("{path} ({other} there)")),
    }
}

/// SHA-256 of a tensor's kind, shape and values. Images are f32 or f64, and f64
/// holds both exactly.
fn image_hash(images: &Tensor) -> String {
    let values = to_f64_vec(images);
    let mut bytes = format!("{:?} {:?} ", images.kind(), images.size()).into_bytes();
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    vaegis_core::hash::sha256_hex(&bytes)
}

fn distortion_path(folder: &Path, chunk: usize) -> PathBuf {
    folder.join(format!("distortions-{chunk:05}.f32"))
}

fn to_bytes(tensor: &Tensor) -> Vec<u8> {
    let values =
        Vec::<f32>::try_from(&tensor.flatten(0, -1)).expect("invariant: flat f32 on the host");
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}
