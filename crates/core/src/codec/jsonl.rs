//! Append-only records, one JSON value a line, that survive a kill in the middle of a line.
//!
//! A line counts only with its line feed. Opening for append cuts a torn last line off; reading
//! ignores it. Not for data that must be replaced as a whole: see `write_atomic`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CoreError;

/// Longest line that is read.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// Appends records to a file; every record is with the operating system when `append` returns.
#[derive(Debug)]
pub struct JsonlWriter {
    file: File,
    path: PathBuf,
    line: Vec<u8>,
}

impl JsonlWriter {
    /// Opens or makes a file for appending, after cutting a torn last line off.
    ///
    /// # Errors
    ///
    /// [`CoreError::Io`].
    pub fn open_append(path: &Path) -> Result<Self, CoreError> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|e| CoreError::io("make", parent, e))?;
        }
        let io = |e| CoreError::io("open", path, e);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(io)?;
        let end = end_of_last_line(&mut file).map_err(io)?;
        file.set_len(end).map_err(io)?;
        file.seek(SeekFrom::Start(end)).map_err(io)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            line: Vec::new(),
        })
    }

    /// Appends one record as one line in one write.
    ///
    /// # Errors
    ///
    /// [`CoreError::Encode`], or [`CoreError::Io`]: the file may then hold a torn line, which the
    /// next opening repairs.
    pub fn append<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CoreError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value).map_err(|e| CoreError::Encode {
            format: "JSONL",
            name: self.path.display().to_string(),
            message: e.to_string(),
        })?;
        self.line.push(b'\n');
        self.file
            .write_all(&self.line)
            .and_then(|()| self.file.flush())
            .map_err(|e| CoreError::io("append to", &self.path, e))
    }

    /// Forces everything to the disk, so that also a power cut loses nothing.
    ///
    /// # Errors
    ///
    /// [`CoreError::Io`].
    pub fn sync(&self) -> Result<(), CoreError> {
        self.file
            .sync_data()
            .map_err(|e| CoreError::io("flush", &self.path, e))
    }
}

/// Reads all records of a file; a torn last line is ignored, blank lines are skipped.
///
/// # Errors
///
/// [`CoreError::Parse`] with the number of a complete line that does not parse,
/// [`CoreError::TooLarge`] for a line of more than 64 MiB, [`CoreError::Io`].
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, CoreError> {
    let io = |e| CoreError::io("read", path, e);
    let mut reader = BufReader::new(File::open(path).map_err(io)?);
    let mut values = Vec::new();
    let mut line = Vec::new();
    for number in 1_usize.. {
        line.clear();
        reader
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut line)
            .map_err(io)?;
        if line.len() as u64 == MAX_LINE_BYTES {
            return Err(CoreError::TooLarge {
                name: format!("{}:{number}", path.display()),
                found: MAX_LINE_BYTES,
                limit: MAX_LINE_BYTES - 1,
            });
        }
        if line.last() != Some(&b'\n') {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let value = serde_json::from_slice(&line).map_err(|e| CoreError::Parse {
            format: "JSONL",
            path: path.to_owned(),
            line: number,
            message: e.to_string(),
        })?;
        values.push(value);
    }
    Ok(values)
}

/// Position after the last line feed, found by reading blocks from the end.
fn end_of_last_line(file: &mut File) -> std::io::Result<u64> {
    const BLOCK: u64 = 1 << 16;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut block = vec![0_u8; BLOCK as usize];
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let part = &mut block[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(part)?;
        if let Some(at) = part.iter().rposition(|&b| b == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_at_any_byte_loses_only_the_torn_record() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("metrics.jsonl");
        let mut writer = JsonlWriter::open_append(&path).expect("opens");
        for i in 0..3_u32 {
            writer.append(&("row", i)).expect("appends");
        }
        writer.sync().expect("flushes");
        let whole = std::fs::read(&path).expect("reads");
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("writes");
            let complete = whole[..cut].iter().filter(|&&b| b == b'\n').count();
            let rows: Vec<(String, u32)> = read_jsonl(&path).expect("reads");
            assert_eq!(rows.len(), complete);
            let mut writer = JsonlWriter::open_append(&path).expect("repairs");
            writer.append(&("again", 9)).expect("appends");
            let rows: Vec<(String, u32)> = read_jsonl(&path).expect("reads");
            assert_eq!(rows.len(), complete + 1);
            assert_eq!(rows[complete], ("again".to_owned(), 9));
        }
    }

    #[test]
    fn a_torn_line_longer_than_a_block_is_cut_off() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("long.jsonl");
        let mut text = b"1\n".to_vec();
        text.extend(std::iter::repeat_n(b'7', 200_000));
        std::fs::write(&path, &text).expect("writes");
        JsonlWriter::open_append(&path)
            .expect("repairs")
            .append(&2)
            .expect("appends");
        assert_eq!(read_jsonl::<u32>(&path).expect("reads"), [1, 2]);
    }

    #[test]
    fn a_broken_line_in_the_middle_is_an_error_with_its_number() {
        let dir = tempfile::tempdir().expect("temp folder");
        let path = dir.path().join("bad.jsonl");
        std::fs::write(&path, "1\n\n{\n3\n").expect("writes");
        let error = read_jsonl::<u32>(&path).expect_err("line 3").to_string();
        assert!(error.contains("bad.jsonl:3:"), "{error}");
    }
}
