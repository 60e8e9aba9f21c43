//! Just enough of the tar format to read named files out of a data set's archive in memory.

use crate::error::DataError;
use crate::limits::Limits;

const OP: &str = "decode tar";
const BLOCK: usize = 512;

/// Lists the regular files of a tar archive as names and slices of the input.
///
/// # Errors
///
/// [`DataError::Format`] for a wrong header checksum or a file that runs past the end.
pub fn decode_tar<'a>(
    name: &str,
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<Vec<(String, &'a [u8])>, DataError> {
    let bad = |expected: &str, found: String| DataError::format(OP, name, expected, found);
    let mut files = Vec::new();
    let mut at = 0_usize;
    while let Some(header) = bytes.get(at..at.saturating_add(BLOCK)) {
        if header.iter().all(|&b| b == 0) {
            return Ok(files);
        }
        let sum: u64 = header
            .iter()
            .enumerate()
            .map(|(i, &b)| u64::from(if (148..156).contains(&i) { b' ' } else { b }))
            .sum();
        if octal(&header[148..156]) != Some(sum) {
            return Err(bad(
                "a header with a right checksum",
                format!("damage at byte {at}"),
            ));
        }
        let size = octal(&header[124..136])
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| bad("an octal size", format!("{:02x?}", &header[124..136])))?;
        let start = at + BLOCK;
        let end = start.saturating_add(size);
        let Some(body) = bytes.get(start..end) else {
            return Err(bad(
                &format!("{size} bytes of a file"),
                "the end of the archive".into(),
            ));
        };
        if matches!(header[156], 0 | b'0') {
            let end = header[..100].iter().position(|&b| b == 0).unwrap_or(100);
            files.push((String::from_utf8_lossy(&header[..end]).into_owned(), body));
            limits.entries(OP, name, files.len() as u64)?;
        }
        at = start.saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    Err(bad(
        "two empty blocks at the end",
        "the end of the bytes".to_owned(),
    ))
}

/// Parses an octal field that ends with a space or a zero byte.
fn octal(field: &[u8]) -> Option<u64> {
    let digits: Vec<u8> = field
        .iter()
        .copied()
        .skip_while(|&b| b == b' ')
        .take_while(|b| (b'0'..=b'7').contains(b))
        .collect();
    u64::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One file's header and padded body.
    pub(crate) fn member(name: &str, body: &[u8]) -> Vec<u8> {
        let mut header = [0_u8; BLOCK];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", body.len()).as_bytes());
        header[156] = b'0';
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let mut bytes = header.to_vec();
        bytes.extend(body);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        bytes
    }

    #[test]
    fn files_are_found_and_damage_is_an_error() {
        let mut bytes = member("d/one.bin", b"first");
        bytes.extend(member("d/two.bin", &[7; 600]));
        bytes.extend([0; 1024]);
        let limits = Limits::default();
        let files = decode_tar("t", &bytes, &limits).expect("reads");
        assert_eq!(files[0], ("d/one.bin".to_owned(), &b"first"[..]));
        assert_eq!((files.len(), files[1].1.len()), (2, 600));
        for cut in [0, 100, 512, 800, 1024, 2000, 2048] {
            assert!(decode_tar("t", &bytes[..cut], &limits).is_err(), "{cut}");
        }
        for at in [0, 124, 130, 150] {
            let mut bad = bytes.clone();
            bad[at] ^= 2;
            assert!(decode_tar("t", &bad, &limits).is_err(), "{at}");
        }
    }
}
