//! Draws a chair: flat-shaded convex solids through a pinhole camera, on white.

use vaegis_core::SeedTree;

use super::CHAIR_FACTOR_SIZES;
use super::canvas::Canvas;
use super::chair_parts::{Prism, style};
use super::vector::{Turn, Vec3, add, cross, dot, scale, sub, unit};

/// Elevation of the camera in the lowest class, and the step to the next, in degrees.
const LOWEST: f32 = 6.0;
const STEP: f32 = 10.0;
/// Distance of the camera from the middle of a chair, in units of about a seat's width.
const DISTANCE: f32 = 5.0;
/// Half the side of the picture at the middle's distance.
const EXTENT: f32 = 1.4;
/// Largest distance of a point of a chair from the origin. A ball of this radius looks 1.3 wide
/// from where the camera is, so no turn can cut a chair off.
const REACH: f32 = 1.26;
/// Direction of the light, as the camera sees it.
const LIGHT: Vec3 = [-0.5, 0.62, 0.6];
/// Brightness that does not depend on the light.
const AMBIENT: f32 = 0.36;
/// How much darker a part gets per unit of distance.
const FADE: f32 = 0.13;

/// One style, as solids around the origin.
#[derive(Clone, Debug)]
pub(super) struct Chair {
    prisms: Vec<Prism>,
}

impl Chair {
    /// Draws a style, and moves it so that the middle of its height is at the origin; one that
    /// would leave the picture is made smaller.
    pub(super) fn from_seed(seed: &SeedTree) -> Self {
        let mut prisms = style(&mut seed.rng());
        let heights = || prisms.iter().flat_map(Prism::points).map(|p| p[1]);
        let low = heights().fold(f32::INFINITY, f32::min);
        let high = heights().fold(f32::NEG_INFINITY, f32::max);
        let middle = [0.0, 0.5 * (low + high), 0.0];
        prisms.iter_mut().for_each(|p| p.map(|v| sub(v, middle)));
        let reach = prisms.iter().flat_map(Prism::points).map(|p| dot(p, p));
        let shrink = REACH / reach.fold(0.0, f32::max).sqrt().max(REACH);
        prisms.iter_mut().for_each(|p| p.map(|v| scale(v, shrink)));
        Self { prisms }
    }
}

/// Draws the chair of `[_, azimuth, elevation]`.
pub(super) fn draw(canvas: &mut Canvas, chair: &Chair, classes: &[usize]) {
    let azimuth = std::f32::consts::TAU * classes[1] as f32 / CHAIR_FACTOR_SIZES[1] as f32;
    let elevation = (LOWEST + STEP * classes[2] as f32).to_radians();
    let turn = Turn::new(azimuth, elevation);
    let light = unit(LIGHT);
    for prism in &chair.prisms {
        let bottom: Vec<Vec3> = prism.bottom.iter().map(|&p| turn.apply(p)).collect();
        let top: Vec<Vec3> = prism.top.iter().map(|&p| turn.apply(p)).collect();
        let middle = scale(
            bottom.iter().chain(&top).copied().fold([0.0; 3], add),
            1.0 / (2 * bottom.len()) as f32,
        );
        fill(canvas, &bottom, middle, prism.albedo, light);
        fill(canvas, &top, middle, prism.albedo, light);
        for i in 0..bottom.len() {
            let next = (i + 1) % bottom.len();
            let face = [bottom[i], bottom[next], top[next], top[i]];
            fill(canvas, &face, middle, prism.albedo, light);
        }
    }
    for (value, &depth) in canvas.value.iter_mut().zip(&canvas.depth) {
        if depth == f32::NEG_INFINITY {
            *value = 1.0;
        }
    }
}

/// Fills a flat convex face of a solid around `inside`, if its outer side can be seen.
fn fill(canvas: &mut Canvas, face: &[Vec3], inside: Vec3, albedo: f32, light: Vec3) {
    // The diagonals span the plane also where a side has shrunk to a point.
    let half = face.len() / 2;
    let mut normal = unit(cross(
        sub(face[half], face[0]),
        sub(face[half + 1], face[1]),
    ));
    if dot(normal, sub(face[0], inside)) < 0.0 {
        normal = scale(normal, -1.0);
    }
    let offset = dot(normal, face[0]);
    let facing = normal[2] * DISTANCE - offset;
    if facing <= 0.0 {
        return;
    }
    let lambert = dot(normal, light).max(0.0);
    let brightness = albedo * (AMBIENT + (1.0 - AMBIENT) * lambert);
    let screen: Vec<[f32; 2]> = face
        .iter()
        .map(|p| {
            let zoom = DISTANCE / (DISTANCE - p[2]);
            [p[0] * zoom, -p[1] * zoom]
        })
        .collect();
    let bounds = |axis: usize| {
        let values = screen.iter().map(|p| p[axis]);
        (
            values.clone().fold(f32::INFINITY, f32::min),
            values.fold(f32::NEG_INFINITY, f32::max),
        )
    };
    let ((left, right), (top, bottom)) = (bounds(0), bounds(1));
    let columns = canvas.span(left, right, EXTENT);
    let area: f32 = edges(&screen).map(|(a, b)| a[0] * b[1] - a[1] * b[0]).sum();
    let turned = area.signum();
    let width = canvas.samples();
    for row in canvas.span(top, bottom, EXTENT) {
        let y = canvas.coordinate(row, EXTENT);
        for column in columns.clone() {
            let x = canvas.coordinate(column, EXTENT);
            let covered = edges(&screen).all(|(a, b)| {
                turned * ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) >= 0.0
            });
            if covered {
                // The plane of the face, in the camera's inverse distance.
                let near = (normal[2] - (normal[0] * x - normal[1] * y) / DISTANCE) / facing;
                let behind = 1.0 / near - DISTANCE;
                let value = brightness * (1.0 - FADE * behind);
                canvas.offer(row * width + column, near, value);
            }
        }
    }
}

/// The sides of a closed outline.
fn edges(outline: &[[f32; 2]]) -> impl Iterator<Item = ([f32; 2], [f32; 2])> + '_ {
    let next = outline.iter().cycle().skip(1);
    outline.iter().copied().zip(next.copied())
}
