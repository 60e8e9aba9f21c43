//! Draws a head: nearest ellipsoid at every sample, then Lambertian light on smooth normals.

use super::FACE_FACTOR_SIZES;
use super::canvas::Canvas;
use super::face_look::{Face, Part};
use super::vector::{Turn, Vec3, angle, dot, scale, unit};

/// Largest turn to either side, in degrees.
const AZIMUTH: f32 = 70.0;
/// Largest turn up or down, in degrees.
const ELEVATION: f32 = 30.0;
/// Farthest light on either side, in degrees.
const LIGHT: f32 = 75.0;
/// Height of the light above the horizon, in degrees.
const LIGHT_HEIGHT: f32 = 22.0;
/// Brightness that does not depend on the light.
const AMBIENT: f32 = 0.28;
/// Half the side of the picture, in units of about half a head.
const EXTENT: f32 = 1.45;
/// How far the picture's middle lies above the head's, because hair rises higher than chins sink.
const LIFT: f32 = 0.14;
/// How sharply neighboring solids of skin keep their own normals.
const BLEND: f32 = 5.0;
/// Squared shrunken distance beyond which a solid's pull on a normal is below a fiftieth.
const FAR: f32 = 2.2;

/// Draws the face of `[_, azimuth, elevation, light]`.
pub(super) fn draw(canvas: &mut Canvas, face: &Face, classes: &[usize]) {
    let azimuth = angle(classes[1], FACE_FACTOR_SIZES[1], AZIMUTH);
    let elevation = angle(classes[2], FACE_FACTOR_SIZES[2], ELEVATION);
    let turn = Turn::new(azimuth, elevation);
    let side = angle(classes[3], FACE_FACTOR_SIZES[3], LIGHT);
    let height = LIGHT_HEIGHT.to_radians();
    // The light stays with the viewer, whichever way the head turns.
    let light = turn.invert([
        side.sin() * height.cos(),
        height.sin(),
        side.cos() * height.cos(),
    ]);
    for (number, solid) in face.solids.iter().enumerate() {
        trace(canvas, &turn, solid.center, solid.half, number as f32);
    }
    let width = canvas.samples();
    for row in 0..width {
        let y = -canvas.coordinate(row, EXTENT);
        for column in 0..width {
            let at = row * width + column;
            if canvas.depth[at] == f32::NEG_INFINITY {
                continue;
            }
            let x = canvas.coordinate(column, EXTENT);
            let point = turn.invert([x, y + LIFT, canvas.depth[at]]);
            let number = canvas.value[at] as usize;
            canvas.value[at] = shade(face, number, point, light);
        }
    }
}

/// Offers the front of an ellipsoid, seen along the axis of sight, to all samples that it covers.
fn trace(canvas: &mut Canvas, turn: &Turn, center: Vec3, half: Vec3, number: f32) {
    let [right, up, sight] = turn.rows();
    let mut middle = turn.apply(center);
    middle[1] -= LIFT;
    let reach = |row: Vec3| {
        let r = [row[0] * half[0], row[1] * half[1], row[2] * half[2]];
        dot(r, r).sqrt()
    };
    let (reach_x, reach_y) = (reach(right), reach(up));
    let shrink = |v: Vec3| [v[0] / half[0], v[1] / half[1], v[2] / half[2]];
    // In shrunken coordinates the ellipsoid is the unit ball around 0.
    let (e, f, g) = (shrink(sight), shrink(right), shrink(up));
    let (ee, fe, ge) = (dot(e, e), dot(f, e), dot(g, e));
    let (ff, fg, gg) = (dot(f, f), dot(f, g), dot(g, g));
    let columns = canvas.span(middle[0] - reach_x, middle[0] + reach_x, EXTENT);
    // Rows run downwards.
    let rows = canvas.span(-middle[1] - reach_y, -middle[1] + reach_y, EXTENT);
    let width = canvas.samples();
    for row in rows {
        let y = -canvas.coordinate(row, EXTENT) - middle[1];
        for column in columns.clone() {
            let x = canvas.coordinate(column, EXTENT) - middle[0];
            let b = x * fe + y * ge;
            let c = x * x * ff + 2.0 * x * y * fg + y * y * gg - 1.0;
            let discriminant = b * b - ee * c;
            if discriminant > 0.0 {
                let depth = middle[2] + (discriminant.sqrt() - b) / ee;
                canvas.offer(row * width + column, depth, number);
            }
        }
    }
}

fn shade(face: &Face, number: usize, point: Vec3, light: Vec3) -> f32 {
    let part = face.solids[number].part;
    let mut normal = [0.0; 3];
    for (i, solid) in face.solids.iter().enumerate() {
        // Skin blends into skin, so that the parts of a face do not look glued together.
        let joins = i == number || (part == Part::Skin && solid.part == Part::Skin);
        if !joins {
            continue;
        }
        let mut slope = [0.0; 3];
        let mut square = 0.0;
        for axis in 0..3 {
            let v = (point[axis] - solid.center[axis]) / solid.half[axis];
            square += v * v;
            slope[axis] = v / solid.half[axis];
        }
        let weight = if i == number {
            1.0
        } else if square < FAR {
            1.0 / (1.0 + BLEND * (square - 1.0).max(0.0)).powi(2)
        } else {
            continue;
        };
        let slope = scale(unit(slope), weight);
        normal = [
            normal[0] + slope[0],
            normal[1] + slope[1],
            normal[2] + slope[2],
        ];
    }
    let lambert = dot(unit(normal), light).max(0.0);
    face.albedo(part, point) * (AMBIENT + (1.0 - AMBIENT) * lambert)
}
