//! Gzip and zlib with a bound on the decoded size, so that a small bomb cannot fill the memory.

use std::io::Read;

use flate2::bufread::{GzDecoder, ZlibDecoder};

use crate::error::DataError;
use crate::limits::{Limits, too_large};

const OP: &str = "decompress";
/// First growth step of the output when the trailer's size hint is unusable.
const FIRST_BYTES: usize = 1 << 16;

/// Decompresses one gzip member that must fill the whole input.
///
/// # Errors
///
/// [`DataError::Format`] for damage (also a wrong checksum or trailing bytes) and
/// [`DataError::TooLarge`] as soon as the output passes the limit.
pub fn gunzip(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, DataError> {
    let mut decoder = GzDecoder::new(bytes);
    let out = bounded(name, &mut decoder, size_hint(bytes), bytes.len(), limits)?;
    let rest = decoder.into_inner().len();
    if rest > 0 {
        return Err(damaged(name, &format!("{rest} bytes after the end")));
    }
    Ok(out)
}

/// Decompresses one zlib stream that must fill the whole input.
///
/// # Errors
///
/// As [`gunzip`].
pub(super) fn inflate(name: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, DataError> {
    let mut decoder = ZlibDecoder::new(bytes);
    let hint = bytes.len().saturating_mul(4);
    let out = bounded(name, &mut decoder, hint, bytes.len(), limits)?;
    let rest = decoder.into_inner().len();
    if rest > 0 {
        return Err(damaged(name, &format!("{rest} bytes after the end")));
    }
    Ok(out)
}

fn damaged(name: &str, found: &dyn std::fmt::Display) -> DataError {
    let expected = "a whole compressed stream with a right checksum";
    DataError::format(OP, name, expected, found)
}

/// Reads a decompressor to its end, in a buffer that never grows past the limit.
fn bounded(
    name: &str,
    decoder: &mut impl Read,
    hint: usize,
    input: usize,
    limits: &Limits,
) -> Result<Vec<u8>, DataError> {
    let limit = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
    // No deflate stream grows more than about 1032 times, so a larger hint is a lie.
    let mut out = vec![0_u8; hint.min(limit).min(input.saturating_mul(1100))];
    let mut filled = 0;
    loop {
        if filled == out.len() {
            // A full buffer may be the exact end: probe with one byte before growing.
            let mut probe = [0_u8; 1];
            if decoder.read(&mut probe).map_err(|e| damaged(name, &e))? == 0 {
                break;
            }
            if filled >= limit {
                let found = filled as u128 + 1;
                return Err(too_large(OP, name, "decoded size", limits.max_bytes, found));
            }
            let grown = out.len().saturating_mul(2).max(FIRST_BYTES).min(limit);
            out.reserve_exact(grown - filled);
            out.resize(grown, 0);
            out[filled] = probe[0];
            filled += 1;
            continue;
        }
        match decoder
            .read(&mut out[filled..])
            .map_err(|e| damaged(name, &e))?
        {
            0 => break,
            n => filled += n,
        }
    }
    out.truncate(filled);
    Ok(out)
}

/// The size that the trailer claims (modulo 2³²); only a hint, because it may lie.
fn size_hint(bytes: &[u8]) -> usize {
    match bytes.last_chunk::<4>() {
        Some(tail) => u32::from_le_bytes(*tail) as usize,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("writes to memory");
        encoder.finish().expect("writes to memory")
    }

    #[test]
    fn round_trip_and_limit() {
        let plain: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        let limits = Limits {
            max_bytes: 100_000,
            ..Limits::default()
        };
        assert_eq!(gunzip("a", &gzip(&plain), &limits).expect("fits"), plain);
        let limits = Limits {
            max_bytes: 99_999,
            ..limits
        };
        assert!(matches!(
            gunzip("a", &gzip(&plain), &limits),
            Err(DataError::TooLarge { .. })
        ));
        assert_eq!(gunzip("a", &gzip(b""), &limits).expect("empty"), b"");
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_a_lying_trailer_is_harmless() {
        let bomb = gzip(&vec![0_u8; 50 << 20]);
        let limits = Limits {
            max_bytes: 1 << 20,
            ..Limits::default()
        };
        let error = gunzip("bomb.gz", &bomb, &limits)
            .expect_err("too large")
            .to_string();
        assert!(
            error.contains("bomb.gz") && error.contains("1048576"),
            "{error}"
        );
        let mut lying = gzip(b"small");
        let end = lying.len();
        lying[end - 4..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(gunzip("lying", &lying, &limits).is_err());
    }

    #[test]
    fn truncation_flips_and_trailing_bytes_are_errors() {
        let good = gzip(b"some text that is long enough to have a body, a body, a body");
        let limits = Limits::default();
        for cut in 0..good.len() {
            assert!(gunzip("cut", &good[..cut], &limits).is_err(), "{cut}");
        }
        for at in good.len() - 8..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(gunzip("flip", &bad, &limits).is_err(), "{at}");
        }
        let mut long = good;
        long.push(0);
        assert!(
            gunzip("long", &long, &limits)
                .expect_err("tail")
                .to_string()
                .contains("1 bytes")
        );
    }
}
