//! Pictures of the virtual screen: what a user would see, with every pixel of the real window.
use std::collections::BTreeSet;
use std::path::Path;

/// Writes the framebuffer of Xvfb, an `xwd` file, as a PNG.
pub(crate) fn save(framebuffer: &Path, file: &Path) -> Result<(), String> {
    let xwd = std::fs::read(framebuffer).map_err(|error| format!("reading {}: {error}", framebuffer.display()))?;
    let (width, height, rgb) = decode(&xwd).ok_or_else(|| format!("{} is not a 24-bit xwd", framebuffer.display()))?;
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| format!("making {}: {error}", folder.display()))?;
    }
    let out = std::fs::File::create(file).map_err(|error| format!("making {}: {error}", file.display()))?;
    let mut encoder = png::Encoder::new(std::io::BufWriter::new(out), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let failed = |error: png::EncodingError| format!("writing {}: {error}", file.display());
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&rgb).map_err(failed)?;
    writer.finish().map_err(failed)
}

/// How many different colours are on the screen: text alone has dozens, an empty window one or two.
pub(crate) fn colours(framebuffer: &Path) -> Result<usize, String> {
    let xwd = std::fs::read(framebuffer).map_err(|error| format!("reading {}: {error}", framebuffer.display()))?;
    let (_, _, rgb) = decode(&xwd).ok_or_else(|| format!("{} is not a 24-bit xwd", framebuffer.display()))?;
    Ok(rgb.chunks_exact(3).collect::<BTreeSet<_>>().len())
}

/// Width, height and RGB bytes. Header fields are 32-bit big-endian numbers: 0 header size, 4 width, 5 height,
/// 7 byte order (0 is least significant first), 11 bits per pixel, 12 bytes per line, 19 colour-map entries.
fn decode(xwd: &[u8]) -> Option<(u32, u32, Vec<u8>)> {
    let field = |n: usize| xwd.get(n * 4..n * 4 + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    let (width, height, line) = (field(4)?, field(5)?, field(12)? as usize);
    if field(1)? != 7 || field(11)? != 32 {
        return None;
    }
    let little = field(7)? == 0;
    // Each colour-map entry takes 12 bytes between the header and the picture.
    let pixels = xwd.get(field(0)? as usize + field(19)? as usize * 12..)?;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for row in pixels.chunks_exact(line).take(height as usize) {
        for pixel in row.chunks_exact(4).take(width as usize) {
            rgb.extend(if little { [pixel[2], pixel[1], pixel[0]] } else { [pixel[1], pixel[2], pixel[3]] });
        }
    }
    (rgb.len() == width as usize * height as usize * 3).then_some((width, height, rgb))
}
