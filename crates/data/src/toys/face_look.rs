//! What the head of an identity looks like: its solids, its colors and what is painted on it.

use rand::{Rng, RngExt};
use vaegis_core::SeedTree;

use super::vector::Vec3;

/// Parts of a head; the number of a part decides its color.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Skin,
    Ear,
    Neck,
    Hair,
}

/// An ellipsoid along the axes of the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solid {
    pub(super) part: Part,
    pub(super) center: Vec3,
    pub(super) half: Vec3,
}

/// Marks painted on the front of the skin.
#[derive(Clone, Debug)]
struct Marks {
    eye: [f32; 2],
    eye_half: [f32; 2],
    iris: f32,
    iris_radius: f32,
    brow_lift: f32,
    brow_half: [f32; 2],
    brow_tilt: f32,
    mouth_height: f32,
    mouth_half: [f32; 2],
    smile: f32,
    lips: f32,
    beard: f32,
    glasses: bool,
}

/// One identity.
#[derive(Clone, Debug)]
pub(super) struct Face {
    pub(super) solids: Vec<Solid>,
    skin: f32,
    hair: f32,
    marks: Marks,
}

/// Rows of the parameter table: every value is uniform between two bounds.
fn between(rng: &mut impl Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

impl Face {
    /// Draws an identity.
    pub(super) fn from_seed(seed: &SeedTree) -> Self {
        let rng = &mut seed.rng();
        let skin = between(rng, 0.58, 1.0);
        let mut hair = between(rng, 0.08, 0.8);
        // Hair of the color of the skin would hide the shape of the head.
        if (hair - skin).abs() < 0.22 {
            hair -= 0.25;
        }
        let head = [
            between(rng, 0.64, 0.8),
            between(rng, 0.9, 1.02),
            between(rng, 0.8, 0.92),
        ];
        let jaw = [
            between(rng, 0.42, 0.62),
            between(rng, 0.42, 0.54),
            between(rng, 0.5, 0.6),
        ];
        let mut solids = vec![
            solid(Part::Skin, [0.0, 0.08, 0.0], head),
            solid(Part::Skin, [0.0, -0.55, 0.22], jaw),
        ];
        let nose = [
            between(rng, 0.09, 0.17),
            between(rng, 0.2, 0.32),
            between(rng, 0.16, 0.3),
        ];
        let nose_height = between(rng, -0.22, -0.12);
        solids.push(solid(Part::Skin, [0.0, nose_height, head[2] - 0.06], nose));
        let tip = [nose[0] * 1.25, nose[0] * 0.85, nose[2] * 0.75];
        let tip_height = nose_height - nose[1] * 0.62;
        solids.push(solid(Part::Skin, [0.0, tip_height, head[2] - 0.02], tip));
        let ear = between(rng, 0.75, 1.35);
        for side in [-1.0, 1.0] {
            let center = [side * head[0] * 1.01, -0.02, -0.04];
            solids.push(solid(
                Part::Ear,
                center,
                [0.09 * ear, 0.19 * ear, 0.12 * ear],
            ));
        }
        let neck = between(rng, 0.32, 0.48);
        solids.push(solid(Part::Neck, [0.0, -1.2, -0.14], [neck, 0.8, neck]));
        push_hair(&mut solids, head, rng);
        Self {
            solids,
            skin,
            hair,
            marks: Marks::draw(rng),
        }
    }

    /// Albedo of a part at a point of its surface, in head coordinates.
    pub(super) fn albedo(&self, part: Part, at: Vec3) -> f32 {
        match part {
            Part::Skin if at[2] > 0.15 => self.marks.paint(self.skin, self.hair, at),
            Part::Skin | Part::Ear => self.skin,
            Part::Neck => 0.9 * self.skin,
            Part::Hair => self.hair,
        }
    }
}

fn solid(part: Part, center: Vec3, half: Vec3) -> Solid {
    Solid { part, center, half }
}

/// One of six ways to wear hair, bald included.
fn push_hair(solids: &mut Vec<Solid>, head: Vec3, rng: &mut impl Rng) {
    let style = rng.random_range(0..7);
    if style == 0 {
        return;
    }
    let volume = between(rng, 0.04, 0.13);
    let back = between(rng, -0.34, -0.2);
    let up = between(rng, 0.2, 0.32);
    let cap = [head[0] + volume, head[1] - 0.02 + volume, head[2] + volume];
    let mut hair = |center, half| solids.push(solid(Part::Hair, center, half));
    hair([0.0, up, back], cap);
    match style {
        // Long, down to the shoulders.
        1 => hair([0.0, -0.5, -0.42], [head[0] + 0.16, 1.0, 0.58]),
        // To the chin, on both sides.
        2 => {
            for side in [-1.0, 1.0] {
                let center = [side * (head[0] + 0.02), -0.2, -0.1];
                hair(center, [0.2, 0.75, 0.42]);
            }
        }
        // A bun.
        3 => hair([0.0, 1.05, -0.45], [0.3, 0.26, 0.3]),
        // A fringe over the forehead.
        4 => hair([0.0, 0.74, 0.34], [head[0] * 0.86, 0.3, 0.5]),
        // Much of it all around.
        5 => hair([0.0, 0.35, -0.4], [head[0] + 0.3, 0.85, 0.8]),
        // Short: the cap alone.
        _ => {}
    }
}

impl Marks {
    fn draw(rng: &mut impl Rng) -> Self {
        let eye_width = between(rng, 0.12, 0.17);
        let eye_height = between(rng, 0.055, 0.095);
        Self {
            eye: [between(rng, 0.25, 0.33), between(rng, 0.1, 0.2)],
            eye_half: [eye_width, eye_height],
            iris: between(rng, 0.02, 0.4),
            iris_radius: eye_height * between(rng, 0.8, 1.05),
            brow_lift: between(rng, 0.13, 0.2),
            brow_half: [eye_width * between(rng, 1.0, 1.3), between(rng, 0.02, 0.05)],
            brow_tilt: between(rng, -0.35, 0.35),
            mouth_height: between(rng, -0.62, -0.5),
            mouth_half: [between(rng, 0.17, 0.3), between(rng, 0.035, 0.08)],
            smile: between(rng, -0.5, 1.1),
            lips: between(rng, 0.35, 0.7),
            beard: if rng.random_range(0..4) == 0 {
                between(rng, 0.4, 0.9)
            } else {
                0.0
            },
            glasses: rng.random_range(0..5) == 0,
        }
    }

    /// Albedo of the front of the face at `at`; both halves are alike.
    fn paint(&self, skin: f32, hair: f32, at: Vec3) -> f32 {
        let (x, y) = (at[0].abs(), at[1]);
        let from_eye = [x - self.eye[0], y - self.eye[1]];
        if self.glasses {
            let radius = (from_eye[0] / 0.24).hypot((from_eye[1] + 0.02) / 0.2);
            let bridge = x < 0.07 && (from_eye[1] - 0.03).abs() < 0.03;
            if (0.86..1.1).contains(&radius) || bridge {
                return 0.06;
            }
        }
        let opening = (from_eye[0] / self.eye_half[0]).hypot(from_eye[1] / self.eye_half[1]);
        if opening < 1.0 {
            let iris = from_eye[0].hypot(from_eye[1]) / self.iris_radius;
            return match iris {
                r if r < 0.45 => 0.01,
                r if r < 1.0 => self.iris,
                _ => 1.0,
            };
        }
        // The rim of the lids.
        if opening < 1.22 {
            return 0.45 * skin;
        }
        let brow = [
            from_eye[0] / self.brow_half[0],
            (from_eye[1] - self.brow_lift - self.brow_tilt * from_eye[0]) / self.brow_half[1],
        ];
        if brow[0].abs() < 1.0 && brow[1].abs() < 1.0 {
            return hair.min(0.6 * skin);
        }
        let bend = self.smile * x * x;
        let lips =
            (x / self.mouth_half[0]).hypot((y - self.mouth_height - bend) / self.mouth_half[1]);
        if lips < 1.0 {
            let closed = (y - self.mouth_height - bend).abs() < 0.016;
            return if closed {
                0.12 * skin
            } else {
                self.lips * skin
            };
        }
        // A beard covers the jaw below a line that rises to the ears, and the upper lip.
        let edge = self.mouth_height + 0.12 + 0.55 * x * x;
        if self.beard > 0.0 && y < edge {
            return skin + self.beard * (hair.min(skin) - skin);
        }
        skin
    }
}
