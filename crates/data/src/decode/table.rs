//! Tables of small integers in comma-separated text, as UCI publishes them.

use super::gunzip;
use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode table";

/// Rows of equal length with values 0..=255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntTable {
    /// Values per row.
    pub columns: usize,
    /// The values, row after row.
    pub data: Vec<u8>,
}

/// Decodes plain or gzip-compressed rows of `columns` integers, each at most `max`.
///
/// # Errors
///
/// [`DataError::Format`] with the line and column of the first value that does not fit.
pub fn decode_table(
    name: &str,
    bytes: &[u8],
    columns: usize,
    max: u8,
    limits: &Limits,
) -> Result<IntTable, DataError> {
    let unpacked;
    let text = if bytes.starts_with(&[0x1f, 0x8b]) {
        unpacked = gunzip(name, bytes, limits)?;
        unpacked.as_slice()
    } else {
        bytes
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut record = csv::ByteRecord::new();
    let mut data = Vec::new();
    let mut row = 0_usize;
    loop {
        let more = reader
            .read_byte_record(&mut record)
            .map_err(|e| DataError::format(OP, name, "comma-separated text", e))?;
        if !more {
            break;
        }
        row += 1;
        if record.len() != columns {
            let found = format!("{} in row {row}", record.len());
            return Err(DataError::format(
                OP,
                name,
                format!("{columns} columns"),
                found,
            ));
        }
        for (column, field) in record.iter().enumerate() {
            let value: Option<u8> = std::str::from_utf8(field)
                .ok()
                .and_then(|s| s.trim().parse().ok());
            match value {
                Some(value) if value <= max => data.push(value),
                _ => {
                    let shown = String::from_utf8_lossy(&field[..field.len().min(20)]);
                    let found = format!("{shown:?} in row {row}, column {}", column + 1);
                    let expected = format!("integers from 0 to {max}");
                    return Err(DataError::format(OP, name, expected, found));
                }
            }
        }
        limits.bytes(OP, name, data.len() as u128)?;
    }
    Ok(IntTable { columns, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_errors_with_positions() {
        let decode = |text: &str| decode_table("t.csv", text.as_bytes(), 3, 16, &Limits::default());
        assert_eq!(
            decode("1,2,3\n16,0,9\n").expect("good").data,
            [1, 2, 3, 16, 0, 9]
        );
        for (text, word) in [
            ("1,2\n", "2 in row 1"),
            ("1,2,3\n1,2,x\n", "row 2, column 3"),
            ("1,2,17\n", "0 to 16"),
            ("1,nan,3\n", "nan"),
            ("1,-1,3\n", "-1"),
        ] {
            let error = decode(text).expect_err(word).to_string();
            assert!(error.contains(word) && error.contains("t.csv"), "{error}");
        }
    }
}
