//! Separable resampling of one plane with a triangle filter.
//!
//! Growing is bilinear interpolation with half-pixel centers; shrinking widens the filter to the
//! covered area, as image libraries do, so that nothing aliases.

/// Weights of one output position over consecutive input positions.
struct Taps {
    start: usize,
    weights: Vec<f32>,
}

/// Resizes a `[from.0, from.1]` plane to `[to.0, to.1]`.
///
/// # Panics
///
/// When a side is 0 or the plane has another size.
pub fn resize_plane(plane: &[f32], from: (usize, usize), to: (usize, usize)) -> Vec<f32> {
    assert_eq!(plane.len(), from.0 * from.1, "resize_plane: plane size");
    assert!(
        from.0.min(from.1).min(to.0).min(to.1) > 0,
        "resize_plane: sides {from:?} to {to:?}"
    );
    let columns = taps(from.1, to.1);
    let mut narrow = Vec::with_capacity(from.0 * to.1);
    for row in plane.chunks_exact(from.1) {
        narrow.extend(columns.iter().map(|t| dot(&row[t.start..], &t.weights)));
    }
    let mut out = vec![0.0; to.0 * to.1];
    for (row, t) in out.chunks_exact_mut(to.1).zip(taps(from.0, to.0)) {
        for (i, weight) in t.weights.iter().enumerate() {
            let source = &narrow[(t.start + i) * to.1..][..to.1];
            for (o, v) in row.iter_mut().zip(source) {
                *o += weight * v;
            }
        }
    }
    out
}

/// Resizes interleaved bytes `[h, w, channels]` to channel-first bytes `[channels, to, to]`.
pub(crate) fn resize_bytes(
    data: &[u8],
    (height, width, channels): (usize, usize, usize),
    to: (usize, usize),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(channels * to.0 * to.1);
    for channel in 0..channels {
        let plane: Vec<f32> = data
            .iter()
            .skip(channel)
            .step_by(channels)
            .map(|&v| f32::from(v))
            .collect();
        let plane = resize_plane(&plane, (height, width), to);
        // Rounding to nearest; the filter's weights are positive, so bytes cannot overflow.
        out.extend(plane.iter().map(|v| (v + 0.5) as u8));
    }
    out
}

fn dot(values: &[f32], weights: &[f32]) -> f32 {
    values.iter().zip(weights).map(|(v, w)| v * w).sum()
}

/// Normalized triangle weights of every output position.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    (0..to)
        .map(|o| {
            let center = (o as f64 + 0.5) * scale;
            let start = ((center - support + 0.5).floor().max(0.0)) as usize;
            let end = ((center + support + 0.5).floor() as usize).clamp(start + 1, from);
            let raw: Vec<f64> = (start..end)
                .map(|i| (1.0 - ((i as f64 + 0.5 - center) / support).abs()).max(0.0))
                .collect();
            let sum: f64 = raw.iter().sum();
            Taps {
                start,
                weights: raw.iter().map(|w| (w / sum) as f32).collect(),
            }
        })
        .collect()
}
