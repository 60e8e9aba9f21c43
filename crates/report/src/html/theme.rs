//! The style sheet: the hand-written part, and the rules that recolor figures for dark screens.
//!
//! Not for structure.

use crate::figure::palette;
use std::fmt::Write as _;

/// Colors of series on a dark page, in the order of the palette.
const DARK_SERIES: [&str; 8] = [
    "#6DB3F0", "#F2905F", "#57C79A", "#C99BE6", "#DDB13F", "#EE86B4", "#5FCBD8", "#A7B2BD",
];

/// The whole style sheet.
///
/// Figures carry their light colors as attributes, so that the SVG files stand alone; here each of
/// those colors is mapped to a variable of the page.
pub(super) fn style_sheet() -> String {
    let palette = palette();
    let mut out = String::from(include_str!("style.css"));
    let mut light = String::new();
    let mut dark = String::new();
    for (i, color) in palette.series.iter().enumerate() {
        let _ = write!(light, "--s{i}:{color};");
        let _ = write!(dark, "--s{i}:{};", DARK_SERIES[i % DARK_SERIES.len()]);
        map(&mut out, color, &format!("--s{i}"));
    }
    map(&mut out, &palette.paper, "--card");
    map(&mut out, &palette.ink, "--ink");
    map(&mut out, &palette.muted, "--muted");
    map(&mut out, &palette.grid, "--rule");
    let _ = write!(
        out,
        ":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    );
    out
}

fn map(out: &mut String, color: &str, variable: &str) {
    for attribute in ["fill", "stroke"] {
        let _ = writeln!(
            out,
            ".plot [{attribute}=\"{color}\"]{{{attribute}:var({variable})}}"
        );
    }
}
