//! Downloads of registry files: only when asked, over HTTPS, resumed, and checked by hash.
//!
//! The one module with a network connection. A file appears under its name only when its
//! checksum is right; until then it is `NAME.part`, which the next call continues.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::Agent;
use ureq::http::header::CONTENT_RANGE;
use vaegis_core::CoreError;

use crate::error::DataError;
use crate::registry::{self, FileSpec, FileState, file_state};

/// How often one address is tried again after a broken connection that made progress.
const MAX_TRIES: usize = 5;
/// Bytes above which a file of unpublished size is refused.
const MAX_UNKNOWN_BYTES: u64 = 1 << 30;

/// How long nothing may arrive before a connection counts as broken. Large files take as long as
/// they take, but a server that is silent for so long has stopped.
pub const STALL: Duration = Duration::from_secs(60);

/// Where a download stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file.
    pub path: &'a str,
    /// Bytes on disk.
    pub done: u64,
    /// Bytes in all, where known.
    pub total: Option<u64>,
}

/// Downloads what is missing of a data set below `root`; returns the files that are now there.
///
/// Uses the first layout of which every file has an address. Files that are already right are
/// left alone.
///
/// # Errors
///
/// [`DataError::UnknownDataset`]; [`DataError::Fetch`] when no layout can be fetched, when the
/// connection fails (the next call resumes) or when the checksum is wrong (nothing is kept).
pub fn fetch(
    name: &str,
    root: &Path,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<Vec<PathBuf>, DataError> {
    let entry = registry::find(name)?;
    let layout = entry
        .layouts
        .iter()
        .find(|l| l.files.iter().all(|f| !f.urls.is_empty()))
        .ok_or_else(|| {
            let needs_none = entry.layouts.is_empty();
            DataError::Fetch {
                name: name.to_owned(),
                expected: "a data set with an address for every file".to_owned(),
                found: if needs_none {
                    "a generated set"
                } else {
                    "no address"
                }
                .to_owned(),
                advice: if needs_none {
                    "open it; it needs no files".to_owned()
                } else {
                    format!("get the files from {}", entry.origin)
                },
            }
        })?;
    layout
        .files
        .iter()
        .map(|file| fetch_file(file, root, STALL, progress))
        .collect()
}

/// Downloads one file below `root`, trying its addresses in order.
///
/// A connection over which nothing arrives for `stall` (by default [`STALL`]) is given up, as one
/// that broke: what arrived is kept and continued.
///
/// # Errors
///
/// [`DataError::Fetch`] of the last address, or [`DataError::Core`].
pub fn fetch_file(
    file: &FileSpec,
    root: &Path,
    stall: Duration,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<PathBuf, DataError> {
    let path = root.join(file.path);
    if file_state(&path, file) == FileState::Present {
        return Ok(path);
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(|e| CoreError::io("make", parent, e))?;
    }
    let mut last = Err(failure(
        file.path,
        "an address",
        "none",
        "see the registry's origin",
    ));
    for url in file.urls {
        last = from_url(url, file, &path, stall, progress);
        if last.is_ok() {
            break;
        }
    }
    last.map(|()| path)
}

fn failure(
    name: &str,
    expected: impl Into<String>,
    found: impl ToString,
    advice: &str,
) -> DataError {
    DataError::Fetch {
        name: name.to_owned(),
        expected: expected.into(),
        found: found.to_string(),
        advice: advice.to_owned(),
    }
}

/// Downloads from one address into the part file, checks it and gives it its name.
fn from_url(
    url: &str,
    file: &FileSpec,
    path: &Path,
    stall: Duration,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<(), DataError> {
    let agent = agent_for(url, stall)?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let length = |p: &Path| std::fs::metadata(p).map_or(0, |m| m.len());
    let mut resumed = length(&part) > 0;
    let mut result = Ok(());
    for _ in 0..MAX_TRIES {
        let before = length(&part);
        result = transfer(&agent, url, file, &part, progress);
        if result.is_ok() {
            if file.checksum.of_file(&part)? == file.checksum.to_string() {
                let io = |e| CoreError::io("rename into", path, e);
                std::fs::rename(&part, path).map_err(io)?;
                return Ok(());
            }
            let found = file.checksum.of_file(&part)?;
            std::fs::remove_file(&part).map_err(|e| CoreError::io("remove", &part, e))?;
            let advice = "the address serves another file; nothing was kept";
            result = Err(failure(url, file.checksum.to_string(), found, advice));
            // A part of an older download may have spoiled it: once more from the start.
            if std::mem::take(&mut resumed) {
                continue;
            }
            return result;
        }
        if length(&part) <= before {
            return result;
        }
    }
    result
}

/// One request that continues the part file; ends well when the whole body has arrived.
fn transfer(
    agent: &Agent,
    url: &str,
    file: &FileSpec,
    part: &Path,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<(), DataError> {
    const RETRY: &str = "run the command again: it resumes where it stopped";
    let io = |e| CoreError::io("write", part, e);
    let limit = file.bytes.unwrap_or(MAX_UNKNOWN_BYTES);
    let mut done = std::fs::metadata(part).map_or(0, |m| m.len());
    if done >= limit {
        // A whole part needs only its check; a longer one is of no use.
        if file.bytes == Some(done) {
            return Ok(());
        }
        std::fs::remove_file(part).map_err(io)?;
        done = 0;
    }
    let mut request = agent.get(url);
    if done > 0 {
        request = request.header("Range", format!("bytes={done}-"));
    }
    let response = request
        .call()
        .map_err(|e| failure(url, "an answer", e, RETRY))?;
    let (head, mut body) = response.into_parts();
    let range = head
        .headers
        .get(CONTENT_RANGE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let append = match head.status.as_u16() {
        200 => false,
        206 if range.starts_with(&format!("bytes {done}-")) => true,
        416 => {
            std::fs::remove_file(part).map_err(io)?;
            let found = "416: the part on disk does not fit";
            return Err(failure(url, "the rest of the file", found, RETRY));
        }
        status => {
            let found = format!("status {status} {range}");
            return Err(failure(url, "status 200 or 206", found, "try again later"));
        }
    };
    if !append {
        done = 0;
    }
    let mut out: File = OpenOptions::new()
        .create(true)
        .write(true)
        .append(append)
        .truncate(!append)
        .open(part)
        .map_err(io)?;
    let mut reader = body.as_reader();
    let mut block = vec![0_u8; 1 << 16];
    loop {
        let n = reader
            .read(&mut block)
            .map_err(|e| failure(url, "the whole file", e, RETRY))?;
        if n == 0 {
            break;
        }
        done += n as u64;
        if done > limit {
            drop(out);
            std::fs::remove_file(part).map_err(io)?;
            let advice = "the address serves another file; nothing was kept";
            return Err(failure(url, format!("{limit} bytes"), "more", advice));
        }
        out.write_all(&block[..n]).map_err(io)?;
        progress(&Progress {
            path: file.path,
            done,
            total: file.bytes,
        });
    }
    out.sync_all().map_err(io)?;
    match file.bytes {
        Some(bytes) if bytes != done => Err(failure(
            url,
            format!("{bytes} bytes"),
            format!("{done}"),
            RETRY,
        )),
        _ => Ok(()),
    }
}

/// A client for an address: HTTPS everywhere, plain HTTP only on this machine.
fn agent_for(url: &str, stall: Duration) -> Result<Agent, DataError> {
    let loopback = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"]
        .iter()
        .any(|prefix| url.starts_with(prefix));
    if !loopback && !url.starts_with("https://") {
        let advice = "plain HTTP is refused, because anybody on the way could change the file";
        return Err(failure(url, "an https address", "another scheme", advice));
    }
    let config = Agent::config_builder()
        .https_only(!loopback)
        .max_redirects(if loopback { 0 } else { 8 })
        .http_status_as_error(false)
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_per_read(Some(stall))
        .build();
    Ok(Agent::new_with_config(config))
}
