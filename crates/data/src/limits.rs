//! How much a decoder may take, checked before memory is allocated.

use crate::error::DataError;

/// Upper bounds for untrusted files.
///
/// A decoder holds at most about twice `max_bytes` of decoded data plus its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Decoded bytes of one file or archive entry.
    pub max_bytes: u64,
    /// Width or height of one picture.
    pub max_side: u32,
    /// Entries of an archive or files of a folder.
    pub max_entries: u64,
}

/// 4 GiB decoded, pictures of 16 384 pixels a side, a million entries: above every registry set.
impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 4 << 30,
            max_side: 16_384,
            max_entries: 1_000_000,
        }
    }
}

impl Limits {
    /// Passes a number of decoded bytes that fits, as a `usize`.
    ///
    /// # Errors
    ///
    /// [`DataError::TooLarge`].
    pub(crate) fn bytes(
        &self,
        op: &'static str,
        name: &str,
        found: u128,
    ) -> Result<usize, DataError> {
        let fits = found <= u128::from(self.max_bytes);
        match usize::try_from(found) {
            Ok(n) if fits => Ok(n),
            _ => Err(too_large(op, name, "decoded size", self.max_bytes, found)),
        }
    }

    /// Passes a picture's width and height.
    ///
    /// # Errors
    ///
    /// [`DataError::TooLarge`].
    pub(crate) fn sides(
        &self,
        op: &'static str,
        name: &str,
        width: u32,
        height: u32,
    ) -> Result<(), DataError> {
        let side = width.max(height);
        if side > self.max_side {
            let limit = u64::from(self.max_side);
            return Err(too_large(op, name, "image side", limit, u128::from(side)));
        }
        Ok(())
    }

    /// Passes a number of archive entries or folder files.
    ///
    /// # Errors
    ///
    /// [`DataError::TooLarge`].
    pub(crate) fn entries(
        &self,
        op: &'static str,
        name: &str,
        found: u64,
    ) -> Result<(), DataError> {
        if found > self.max_entries {
            let found = u128::from(found);
            return Err(too_large(
                op,
                name,
                "number of entries",
                self.max_entries,
                found,
            ));
        }
        Ok(())
    }
}

pub(crate) fn too_large(
    op: &'static str,
    name: &str,
    what: &'static str,
    limit: u64,
    found: u128,
) -> DataError {
    DataError::TooLarge {
        op,
        name: name.to_owned(),
        what,
        expected: limit,
        found: u64::try_from(found).unwrap_or(u64::MAX),
    }
}
