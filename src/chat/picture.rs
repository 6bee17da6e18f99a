//! Pictures: whether something is one, how large it is, and the previews that others see of it.
//!
//! A decoder works on what a stranger sends, so it is told first how much it may have: what claims to be larger is not decoded at all
//! and stays a file to download. Previews are drawn anew, upright, and hold nothing of what a camera notes: no place, no time, no
//! serial number. Only the colour profile goes with them, without which colours are wrong.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageEncoder, ImageFormat, ImageReader, Limits, RgbImage};

use crate::domain::file::{Size, preview_widths};

/// Most pixels of a picture: what the cameras of telephones take (48 million), and some.
const PIXELS: u64 = 50_000_000;
/// Longest side: a scroll through a whole web page fits.
const SIDE: u32 = 20_000;
/// What a decoder may allocate, in bytes: so many pixels of four bytes, and its own tables.
const DECODER_BYTES: u64 = 256 * 1024 * 1024;
/// A preview is at most so many times as high as it is wide.
const TALL: u32 = 3;
/// Above this many pixels the quick way of making it smaller is the good one too, and the slow one takes too much memory.
const SMOOTH_PIXELS: u64 = 8_000_000;
/// Of previews as JPEG.
const QUALITY: u8 = 84;
/// A drawing or a screenshot stays sharp as PNG, if that costs no more than this many times its JPEG, in percent.
const SHARP_PERCENT: usize = 150;
/// Profiles are some hundred bytes; printers' are larger, and of no use here.
const PROFILE_BYTES: usize = 64 * 1024;

/// A picture that was decoded whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub media_type: &'static str,
    /// Upright.
    pub size: Size,
}

/// Decodes what lies at `original` and puts its previews into `folder`, each under its width. Nothing if it is no picture that browsers and
/// this program understand alike. Takes a moment and memory: for a thread of its own, few at a time.
pub fn look(original: &Path, folder: &Path) -> io::Result<Option<Picture>> {
    let Ok((media_type, drawing)) = decode(original) else { return Ok(None) };
    let size = Size { width: drawing.image.width(), height: drawing.image.height() };
    let mut widths: Vec<u32> = preview_widths(size).collect();
    // From the widest down, each from the one before: quicker, and no worse.
    widths.reverse();
    let mut image = drawing.image;
    for width in widths {
        image = smaller(image, width);
        let bytes = encode(&image, drawing.profile.as_deref(), drawing.is_drawn)?;
        let mut file = BufWriter::new(File::create(folder.join(width.to_string()))?);
        file.write_all(&bytes)?;
        file.flush()?;
    }
    Ok(Some(Picture { media_type, size }))
}

/// How many pixels the picture at `original` says that it has; nothing if [`look`] would decode none.
pub fn pixels(original: &Path) -> Option<u64> {
    let (_, decoder) = open(original).ok()?;
    let (width, height) = decoder.dimensions();
    Some(u64::from(width) * u64::from(height))
}

struct Drawing {
    image: DynamicImage,
    profile: Option<Vec<u8>>,
    /// It came in a form without loss.
    is_drawn: bool,
}

/// A decoder that has read what the picture says of itself, where that is no more than may be.
fn open(path: &Path) -> Result<(ImageFormat, impl ImageDecoder + use<>), image::ImageError> {
    let mut reader = ImageReader::new(BufReader::new(File::open(path)?)).with_guessed_format()?;
    let format = match reader.format() {
        Some(format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP)) => format,
        _ => return Err(beyond()),
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE);
    limits.max_image_height = Some(SIDE);
    limits.max_alloc = Some(DECODER_BYTES);
    reader.limits(limits);
    let decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    // By what it says of itself, before a single pixel is read.
    if width == 0 || height == 0 || width > SIDE || height > SIDE || u64::from(width) * u64::from(height) > PIXELS {
        return Err(beyond());
    }
    if decoder.total_bytes() > DECODER_BYTES {
        return Err(beyond());
    }
    Ok((format, decoder))
}

fn decode(path: &Path) -> Result<(&'static str, Drawing), image::ImageError> {
    let (format, mut decoder) = open(path)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = decoder.icc_profile().ok().flatten().filter(|profile| profile.len() <= PROFILE_BYTES && is_for_rgb(profile));
    let mut image = plain(DynamicImage::from_decoder(decoder)?);
    image.apply_orientation(orientation);
    let is_drawn = matches!(format, ImageFormat::Png | ImageFormat::Gif);
    Ok((format.to_mime_type(), Drawing { image, profile, is_drawn }))
}

fn beyond() -> image::ImageError {
    image::ImageError::Limits(image::error::LimitError::from_kind(image::error::LimitErrorKind::DimensionError))
}

/// Eight bits a channel, and transparency only where something is transparent.
fn plain(image: DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return DynamicImage::ImageRgb8(image.into_rgb8());
    }
    let image = image.into_rgba8();
    match image.pixels().all(|pixel| pixel.0[3] == u8::MAX) {
        true => DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(image).into_rgb8()),
        false => DynamicImage::ImageRgba8(image),
    }
}

/// A profile says in its header for which kind of colours it is. One for ink or grey means nothing for what is drawn here.
fn is_for_rgb(profile: &[u8]) -> bool {
    profile.get(16..20) == Some(b"RGB ")
}

/// The same at most so wide; as it is if it fits.
fn smaller(image: DynamicImage, width: u32) -> DynamicImage {
    let (from_width, from_height) = (image.width(), image.height());
    let height = (u64::from(from_height) * u64::from(width)).div_ceil(u64::from(from_width.max(1)));
    if from_width <= width && from_height <= width * TALL {
        return image;
    }
    let height = u32::try_from(height).unwrap_or(u32::MAX).min(width * TALL);
    let is_slight = from_width < 2 * width && u64::from(from_width) * u64::from(from_height) <= SMOOTH_PIXELS;
    match is_slight {
        true => image.resize(width, height, FilterType::Triangle),
        false => image.thumbnail(width, height),
    }
}

fn encode(image: &DynamicImage, profile: Option<&[u8]>, is_drawn: bool) -> io::Result<Vec<u8>> {
    let DynamicImage::ImageRgb8(opaque) = image else { return png(image, profile) };
    let photo = jpeg(opaque, profile)?;
    if is_drawn {
        let sharp = png(image, profile)?;
        if sharp.len() * 100 <= photo.len() * SHARP_PERCENT {
            return Ok(sharp);
        }
    }
    Ok(photo)
}

fn jpeg(image: &RgbImage, profile: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    if let Some(profile) = profile {
        // An encoder that takes none draws without it.
        let _ = encoder.set_icc_profile(profile.to_owned());
    }
    encoder.encode_image(image).map_err(io::Error::other)?;
    Ok(bytes)
}

fn png(image: &DynamicImage, profile: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, PngFilter::Adaptive);
    if let Some(profile) = profile {
        let _ = encoder.set_icc_profile(profile.to_owned());
    }
    image.write_with_encoder(encoder).map_err(io::Error::other)?;
    Ok(bytes)
}
