//! The fonts of the window, so that a report reads the same where they are not installed. They are subsets of the files that
//! the UI ships, made by `assets/subset.py`; their licence, the SIL Open Font License 1.1, stands beside them.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const FONTS: [(&str, &str, &[u8]); 2] = [
    ("Inter", "400 600", include_bytes!("../assets/Inter.woff2")),
    ("JetBrains Mono", "400", include_bytes!("../assets/JetBrainsMono.woff2")),
];

/// `@font-face` rules with the fonts in them.
pub(crate) fn faces() -> String {
    let face = |(family, weight, bytes): &(&str, &str, &[u8])| {
        format!(
            "@font-face{{font-family:\"{family}\";font-weight:{weight};src:url(data:font/woff2;base64,{}) format(\"woff2\")}}\n",
            STANDARD.encode(bytes)
        )
    };
    FONTS.iter().map(face).collect()
}
