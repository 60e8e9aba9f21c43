//! Just enough vector arithmetic for drawing solids.

/// A point or a direction: right, up, towards the viewer.
pub(super) type Vec3 = [f32; 3];

pub(super) fn dot(a: Vec3, b: Vec3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn add(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn sub(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn scale(a: Vec3, s: f32) -> Vec3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

pub(super) fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The direction of a vector; a vector of length 0 stays 0.
pub(super) fn unit(a: Vec3) -> Vec3 {
    scale(a, 1.0 / dot(a, a).sqrt().max(f32::MIN_POSITIVE))
}

/// A rotation, as rows: it takes model coordinates to those of the camera.
#[derive(Clone, Copy)]
pub(super) struct Turn([Vec3; 3]);

impl Turn {
    /// First by `azimuth` about the upward axis, then by `elevation` towards the viewer.
    pub(super) fn new(azimuth: f32, elevation: f32) -> Self {
        let (sa, ca) = azimuth.sin_cos();
        let (se, ce) = elevation.sin_cos();
        Self([
            [ca, 0.0, sa],
            [se * sa, ce, -se * ca],
            [-ce * sa, se, ce * ca],
        ])
    }

    /// Model to camera.
    pub(super) fn apply(&self, v: Vec3) -> Vec3 {
        [dot(self.0[0], v), dot(self.0[1], v), dot(self.0[2], v)]
    }

    /// Camera to model.
    pub(super) fn invert(&self, v: Vec3) -> Vec3 {
        let [r, u, t] = self.0;
        add(add(scale(r, v[0]), scale(u, v[1])), scale(t, v[2]))
    }

    /// The rows.
    pub(super) fn rows(&self) -> [Vec3; 3] {
        self.0
    }
}

/// Angle of class `class` of `count` between `-range` and `range`, in radians.
pub(super) fn angle(class: usize, count: usize, range: f32) -> f32 {
    (2.0 * class as f32 / (count - 1) as f32 - 1.0) * range.to_radians()
}
