//! The icon as a picture of any size, drawn by code: systems that keep an app's icon want PNG, and no picture has to lie in the source.
//! The shape is that of `assets/icons/parlor.svg`, on its grid of 32 by 32.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// How the icon sits in its square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The bubble by itself, on nothing.
    Clear,
    /// A white bubble on the colour, small enough that a system may cut any shape out of the square: it keeps to the middle four fifths.
    Filled,
}

type Colour = [f64; 3];

const TEAL: Colour = [0x1c as f64, 0x7a as f64, 0x80 as f64];
const WHITE: Colour = [255.0; 3];
/// The grid on which the shape is drawn.
const GRID: f64 = 32.0;
/// How much of a filled square the bubble takes.
const INSET: f64 = 0.6;
/// The middle of the bubble with its tail.
const MIDDLE: (f64, f64) = (16.0, 16.0);

/// A PNG of so many pixels each way.
pub fn png(size: u32, ground: Ground) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((size * size * 4) as usize);
    let scale = match ground {
        Ground::Clear => f64::from(size) / GRID,
        Ground::Filled => f64::from(size) / GRID * INSET,
    };
    for y in 0..size {
        for x in 0..size {
            let at = |pixel: u32, middle: f64| (f64::from(pixel) + 0.5 - f64::from(size) / 2.0) / scale + middle;
            pixels.extend(pixel((at(x, MIDDLE.0), at(y, MIDDLE.1)), scale, ground));
        }
    }
    encode(size, &pixels)
}

fn pixel(at: (f64, f64), scale: f64, ground: Ground) -> [u8; 4] {
    // How much of the pixel a shape covers, by how far its edge is.
    let cover = |distance: f64| (0.5 - distance * scale).clamp(0.0, 1.0);
    let (bubble, lines) = (cover(bubble(at)), cover(lines(at)));
    let (shape, ink) = match ground {
        Ground::Clear => (TEAL, WHITE),
        Ground::Filled => (WHITE, TEAL),
    };
    let mix = |a: Colour, b: Colour, part: f64| [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * part);
    let (colour, alpha) = match ground {
        Ground::Clear => (mix(shape, ink, lines), bubble),
        Ground::Filled => (mix(TEAL, mix(shape, ink, lines), bubble), 1.0),
    };
    let byte = |value: f64| value.round().clamp(0.0, 255.0) as u8;
    [byte(colour[0]), byte(colour[1]), byte(colour[2]), byte(alpha * 255.0)]
}

/// The distance to the bubble's edge; negative inside.
fn bubble((x, y): (f64, f64)) -> f64 {
    // A rounded box, and the tail as the triangle that hangs from it, a little rounded.
    let (dx, dy) = ((x - 16.0).abs() - 6.0, (y - 14.5).abs() - 3.5);
    let body = dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - 8.0;
    body.min(triangle((x, y), [(6.8, 20.0), (13.0, 25.2), (6.8, 29.5)]) - 0.8)
}

/// The distance to a triangle whose corners go round clockwise as seen on screen, with its corners drawn in.
fn triangle(at: (f64, f64), corners: [(f64, f64); 3]) -> f64 {
    let mut inside = f64::NEG_INFINITY;
    let mut edge = f64::INFINITY;
    for i in 0..3 {
        let (from, to) = (corners[i], corners[(i + 1) % 3]);
        let (along, off) = ((to.0 - from.0, to.1 - from.1), (at.0 - from.0, at.1 - from.1));
        let side = (along.1 * off.0 - along.0 * off.1) / along.0.hypot(along.1);
        inside = inside.max(side);
        edge = edge.min(capsule(at, from, to));
    }
    if inside <= 0.0 { inside } else { edge }
}

/// The distance to the three lines of text inside.
fn lines(at: (f64, f64)) -> f64 {
    let all = [((9.5, 11.5), (18.5, 11.5)), ((9.5, 17.0), (15.0, 17.0)), ((22.0, 10.5), (22.0, 18.0))];
    all.into_iter().map(|(from, to)| capsule(at, from, to) - 1.3).fold(f64::INFINITY, f64::min)
}

/// The distance to a line from one point to another.
fn capsule(at: (f64, f64), from: (f64, f64), to: (f64, f64)) -> f64 {
    let (along, off) = ((to.0 - from.0, to.1 - from.1), (at.0 - from.0, at.1 - from.1));
    let part = ((along.0 * off.0 + along.1 * off.1) / (along.0 * along.0 + along.1 * along.1)).clamp(0.0, 1.0);
    (off.0 - along.0 * part).hypot(off.1 - along.1 * part)
}

fn encode(size: u32, pixels: &[u8]) -> Vec<u8> {
    let mut png = Vec::new();
    // Writing into memory does not fail.
    let done = PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::Adaptive).write_image(
        pixels,
        size,
        size,
        ExtendedColorType::Rgba8,
    );
    done.map(|()| png).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bubble_is_where_the_drawing_has_it() {
        let at = |x: f64, y: f64| pixel((x, y), 16.0, Ground::Clear);
        assert_eq!(at(16.0, 5.0), [0x1c, 0x7a, 0x80, 255], "the bubble's upper part");
        assert_eq!(at(12.0, 11.5), [255; 4], "the first line");
        assert_eq!(at(22.0, 14.0), [255; 4], "the upright line");
        assert_eq!(at(7.5, 27.0)[3], 255, "the tail");
        for outside in [(1.0, 1.0), (2.5, 3.5), (29.5, 25.5), (20.0, 29.0), (5.0, 29.0)] {
            assert_eq!(at(outside.0, outside.1)[3], 0, "{outside:?}");
        }
        assert_eq!(pixel((-8.0, -8.0), 16.0, Ground::Filled), [0x1c, 0x7a, 0x80, 255]);
    }

    #[test]
    fn a_png_is_small() {
        let small = png(64, Ground::Clear);
        assert!(small.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert!(small.len() < 4_000, "{}", small.len());
    }
}
