//! A picture with depth, drawn finer than it is kept, so that edges come out soft.

/// Samples with their depth; the nearest wins.
pub(super) struct Canvas {
    side: usize,
    factor: usize,
    /// Nearness of what was drawn at each sample; minus infinity where nothing was.
    pub(super) depth: Vec<f32>,
    /// Brightness of each sample, or whatever the drawer keeps there until it shades.
    pub(super) value: Vec<f32>,
}

impl Canvas {
    /// An empty picture that ends up with `side` pixels a side.
    pub(super) fn new(side: usize) -> Self {
        // A pixel of a small picture covers more, so it is drawn of more samples.
        let factor = if side < 48 { 3 } else { 2 };
        let count = (side * factor) * (side * factor);
        Self {
            side,
            factor,
            depth: vec![f32::NEG_INFINITY; count],
            value: vec![0.0; count],
        }
    }

    /// Samples a side.
    pub(super) fn samples(&self) -> usize {
        self.side * self.factor
    }

    /// Offers a value at a sample; it stays if it is the nearest.
    pub(super) fn offer(&mut self, at: usize, depth: f32, value: f32) {
        if depth > self.depth[at] {
            self.depth[at] = depth;
            self.value[at] = value;
        }
    }

    /// Range of samples whose middle lies between two coordinates, where the picture spans
    /// `-extent` to `extent`.
    pub(super) fn span(&self, low: f32, high: f32, extent: f32) -> std::ops::Range<usize> {
        let count = self.samples() as f32;
        let place = |v: f32| ((v / extent + 1.0) * 0.5 * count - 0.5).clamp(-1.0, count);
        let first = place(low).ceil().max(0.0) as usize;
        let last = (place(high).floor() + 1.0).max(0.0) as usize;
        first..last.min(self.samples())
    }

    /// Coordinate of the middle of a sample.
    pub(super) fn coordinate(&self, sample: usize, extent: f32) -> f32 {
        (2.0 * (sample as f32 + 0.5) / self.samples() as f32 - 1.0) * extent
    }

    /// Averages the samples of every pixel and rounds to bytes.
    pub(super) fn finish(self) -> Vec<u8> {
        let (side, factor, width) = (self.side, self.factor, self.samples());
        let scale = 255.0 / (factor * factor) as f32;
        let mut bytes = Vec::with_capacity(side * side);
        for row in self.value.chunks_exact(width * factor) {
            for column in 0..side {
                let sum: f32 = (0..factor)
                    .flat_map(|line| &row[line * width + column * factor..][..factor])
                    .sum();
                bytes.push((sum * scale + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
        bytes
    }
}
