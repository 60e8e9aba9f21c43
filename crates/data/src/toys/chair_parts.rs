//! Of what solids a chair of a random style is built.

use rand::{Rng, RngExt};

use super::vector::{Vec3, add, cross, scale, sub, unit};

/// A convex solid between two outlines of equally many points.
#[derive(Clone, Debug)]
pub(super) struct Prism {
    pub(super) bottom: Vec<Vec3>,
    pub(super) top: Vec<Vec3>,
    pub(super) albedo: f32,
}

impl Prism {
    pub(super) fn points(&self) -> impl Iterator<Item = Vec3> + '_ {
        self.bottom.iter().chain(&self.top).copied()
    }

    /// Moves every point.
    pub(super) fn map(&mut self, f: impl Fn(Vec3) -> Vec3) {
        for point in self.bottom.iter_mut().chain(&mut self.top) {
            *point = f(*point);
        }
    }
}

/// A box along the axes.
fn block(center: Vec3, half: Vec3, albedo: f32) -> Prism {
    let ring = |y: f32| {
        [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]
            .map(|[x, z]| add(center, [x * half[0], y, z * half[2]]))
            .to_vec()
    };
    Prism {
        bottom: ring(-half[1]),
        top: ring(half[1]),
        albedo,
    }
}

/// A round or square rod from `from` to `to`, with a radius at each end.
fn rod(from: Vec3, to: Vec3, radii: [f32; 2], sides: usize, albedo: f32) -> Prism {
    let axis = unit(sub(to, from));
    let helper = if axis[1].abs() > 0.9 {
        [0.0, 0.0, 1.0]
    } else {
        [0.0, 1.0, 0.0]
    };
    let across = unit(cross(axis, helper));
    let along = cross(axis, across);
    let ring = |center: Vec3, radius: f32| {
        (0..sides)
            .map(|i| {
                // The added half puts the sides of a square rod along the axes.
                let (s, c) = (std::f32::consts::TAU * (i as f32 + 0.5) / sides as f32).sin_cos();
                add(
                    center,
                    add(scale(across, c * radius), scale(along, s * radius)),
                )
            })
            .collect()
    };
    Prism {
        bottom: ring(from, radii[0]),
        top: ring(to, radii[1]),
        albedo,
    }
}

fn between(rng: &mut impl Rng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// What all parts of a chair share.
struct Plan {
    /// Half width, half thickness and half depth of the seat, whose middle is the origin.
    seat: Vec3,
    round: bool,
    leg: f32,
    legs: f32,
    back: f32,
    tilt: f32,
    frame: f32,
    cover: f32,
}

/// Draws a style: a seat, legs, mostly a back, sometimes arms.
pub(super) fn style(rng: &mut impl Rng) -> Vec<Prism> {
    let frame = between(rng, 0.15, 0.9);
    let plan = Plan {
        seat: [
            between(rng, 0.4, 0.6),
            between(rng, 0.025, 0.11),
            between(rng, 0.4, 0.54),
        ],
        round: rng.random_range(0..5) == 0,
        leg: between(rng, 0.032, 0.068),
        legs: between(rng, 0.45, 0.9),
        back: between(rng, 0.55, 1.0),
        tilt: between(rng, 0.02, 0.32),
        frame,
        cover: if rng.random() {
            between(rng, 0.25, 0.95)
        } else {
            frame
        },
    };
    let mut parts = Vec::new();
    let [w, t, d] = plan.seat;
    if plan.round {
        let radius = 0.5 * (w + d);
        parts.push(rod(
            [0.0, -t, 0.0],
            [0.0, t, 0.0],
            [radius; 2],
            18,
            plan.cover,
        ));
    } else {
        parts.push(block([0.0; 3], plan.seat, plan.cover));
    }
    legs(&plan, rng, &mut parts);
    back(&plan, rng, &mut parts);
    arms(&plan, rng, &mut parts);
    parts
}

fn legs(plan: &Plan, rng: &mut impl Rng, parts: &mut Vec<Prism>) {
    let [w, t, d] = plan.seat;
    let inset = if plan.round { 0.68 } else { 0.9 };
    let floor = -t - plan.legs;
    let splay = between(rng, 0.0, 0.16);
    let corners = [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]];
    let tops = corners.map(|[x, z]| [x * w * inset, -t, z * d * inset]);
    let feet = tops.map(|[x, _, z]| [x * (1.0 + splay), floor, z * (1.0 + splay)]);
    let mut rods = |from, to, radii, sides| parts.push(rod(from, to, radii, sides, plan.frame));
    let style = rng.random_range(0..6);
    match style {
        // Four legs, square or round and tapered, without or with rails between them.
        0..=2 => {
            let (sides, taper) = if style == 1 { (8, 0.6) } else { (4, 1.0) };
            for (top, foot) in tops.into_iter().zip(feet) {
                rods(foot, top, [plan.leg * taper, plan.leg], sides);
            }
            if style == 2 {
                let part = between(rng, 0.25, 0.6);
                let point = |i: usize| add(scale(feet[i], 1.0 - part), scale(tops[i], part));
                for i in 0..4 {
                    rods(point(i), point((i + 1) % 4), [0.6 * plan.leg; 2], 4);
                }
            }
        }
        // A column on a disk.
        3 => {
            rods([0.0, floor, 0.0], [0.0, -t, 0.0], [plan.leg * 1.2; 2], 8);
            let base = between(rng, 0.3, 0.48);
            rods(
                [0.0, floor, 0.0],
                [0.0, floor + 0.05, 0.0],
                [base, base * 0.8],
                14,
            );
        }
        // A column on a star of five feet.
        4 => {
            let hub = [0.0, floor + 0.1, 0.0];
            rods(hub, [0.0, -t, 0.0], [plan.leg; 2], 8);
            for i in 0..5 {
                let (s, c) = (std::f32::consts::TAU * i as f32 / 5.0).sin_cos();
                let tip = [0.5 * s, floor, 0.5 * c];
                rods(tip, hub, [0.03, 0.05], 4);
            }
        }
        // Sled runners.
        _ => {
            for (a, b) in [(0, 3), (1, 2)] {
                let foot = |i: usize| [tops[i][0], floor, tops[i][2]];
                rods(foot(a), tops[a], [plan.leg; 2], 4);
                rods(foot(b), tops[b], [plan.leg; 2], 4);
                rods(foot(a), foot(b), [plan.leg; 2], 4);
            }
        }
    }
}

/// Builds an upright back on the rear edge, then leans it backwards.
fn back(plan: &Plan, rng: &mut impl Rng, parts: &mut Vec<Prism>) {
    let [w, t, d] = plan.seat;
    let h = plan.back;
    let rear = -d * if plan.round { 0.75 } else { 0.94 };
    let thick = between(rng, 0.025, 0.07);
    let width = w * if plan.round { 0.75 } else { 0.94 };
    let mut built = Vec::new();
    let mut bar = |center: Vec3, half: Vec3, albedo: f32| built.push(block(center, half, albedo));
    let posts = |bar: &mut dyn FnMut(Vec3, Vec3, f32)| {
        for side in [-1.0, 1.0] {
            bar(
                [side * width, 0.5 * h, 0.0],
                [plan.leg, 0.5 * h, plan.leg],
                plan.frame,
            );
        }
    };
    match rng.random_range(0..8) {
        // A stool.
        0 => return,
        // A panel down to the seat.
        1 | 2 => bar([0.0, 0.5 * h, 0.0], [width, 0.5 * h, thick], plan.cover),
        // A panel on posts.
        3 | 4 => {
            posts(&mut bar);
            let part = between(rng, 0.25, 0.6);
            bar(
                [0.0, h * (1.0 - 0.5 * part), 0.0],
                [width, 0.5 * h * part, thick],
                plan.cover,
            );
        }
        // Upright slats under a rail.
        5 => {
            posts(&mut bar);
            bar([0.0, h - 0.06, 0.0], [width, 0.07, thick], plan.frame);
            let count = rng.random_range(2..=5);
            for i in 0..count {
                let x = width * (2.0 * (i as f32 + 1.0) / (count as f32 + 1.0) - 1.0);
                bar([x, 0.5 * h, 0.0], [0.04, 0.5 * h, 0.02], plan.frame);
            }
        }
        // A ladder.
        6 => {
            posts(&mut bar);
            let count = rng.random_range(2..=4);
            for i in 0..count {
                let y = h * (i as f32 + 1.0) / count as f32 - 0.07;
                bar([0.0, y, 0.0], [width, 0.06, 0.02], plan.frame);
            }
        }
        // A round back of staves along an arc.
        _ => {
            for i in 0..7_u8 {
                let (s, c) = (0.3 * (f32::from(i) - 3.0)).sin_cos();
                let center = [width * 1.1 * s, 0.5 * h, 0.42 * d * (1.0 - c)];
                bar(center, [width * 0.17, 0.5 * h, thick], plan.cover);
            }
        }
    }
    for mut prism in built {
        prism.map(|[x, y, z]| [x, y + t, rear + z - y * plan.tilt]);
        parts.push(prism);
    }
}

fn arms(plan: &Plan, rng: &mut impl Rng, parts: &mut Vec<Prism>) {
    let [w, t, d] = plan.seat;
    let height = between(rng, 0.22, 0.36);
    match rng.random_range(0..5) {
        // Rests on posts.
        0 => {
            for side in [-1.0, 1.0] {
                let x = side * (w + 0.03);
                parts.push(block(
                    [x, t + height, -0.05],
                    [0.055, 0.03, d * 0.95],
                    plan.frame,
                ));
                parts.push(block(
                    [x, 0.5 * height, 0.7 * d],
                    [0.04, 0.5 * height + t, 0.04],
                    plan.frame,
                ));
            }
        }
        // Closed sides, as of a club chair.
        1 => {
            for side in [-1.0, 1.0] {
                parts.push(block(
                    [side * (w + 0.04), 0.5 * height, 0.0],
                    [0.07, 0.5 * height + t, d],
                    plan.cover,
                ));
            }
        }
        _ => {}
    }
}
