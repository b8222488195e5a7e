//! The compiled model as a picture: one row for each layer, what it reads, and bars for its level, its key switches
//! and its time. A self-contained SVG.

use std::fmt::Write as _;

use crate::{layers::Layer, report::Report};

/// Heights and places in pixels.
const ROW: usize = 30;
const TOP: usize = 96;
const NAMES: usize = 90;
const KINDS: usize = 330;
const BARS: [usize; 3] = [560, 690, 820];
const BAR: f64 = 100.0;
const WIDTH: usize = 1000;
/// Letters of a name that fit.
const LETTERS: usize = 32;

const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1b2733}.head{font-weight:600}.note{fill:#5b6b7a;font-size:12px}.name{font-family:ui-monospace,monospace;font-size:12px}.edge{fill:none;stroke:#8a99a8;stroke-width:1.5}";

/// What a bar shows of a layer.
type Measure = fn(&Layer) -> f64;

/// Draws a report.
#[must_use]
pub fn picture(report: &Report) -> String {
    let layers = &report.layers;
    let height = TOP + layers.len() * ROW + 24;
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = draw(&mut svg, report, height);
    svg
}

fn draw(svg: &mut String, report: &Report, height: usize) -> std::fmt::Result {
    let layers = &report.layers;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"><style>{STYLE}</style><rect width="100%" height="100%" fill="white"/>"#
    )?;
    writeln!(svg, r#"<text class="head" x="20" y="28" font-size="16">{}</text>"#, escaped(&report.model))?;
    let time: f64 = layers.iter().map(|layer| layer.milliseconds).sum();
    writeln!(
        svg,
        r#"<text class="note" x="20" y="48">ring degree 2^{}, {} levels, log₂(QP) {:.0} of {:.0} · {} key switches, {:.0} ms · {} keys, {:.1} MB · request {:.0} KB, result {:.0} KB</text>"#,
        report.parameters.log_degree,
        report.parameters.levels,
        report.parameters.log_qp,
        report.parameters.max_log_qp,
        report.sizes.key_switches,
        time,
        report.sizes.keys,
        report.sizes.key_bytes as f64 / 1e6,
        report.sizes.request_bytes as f64 / 1e3,
        report.sizes.result_bytes as f64 / 1e3,
    )?;
    let heads = [
        (NAMES, "layer"),
        (KINDS, "step"),
        (BARS[0], "level"),
        (BARS[1], "key switches"),
        (BARS[2], "milliseconds"),
    ];
    for (x, head) in heads {
        writeln!(svg, r#"<text class="head" x="{x}" y="{}">{head}</text>"#, TOP - 18)?;
    }
    let most = |of: Measure| layers.iter().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let measures: [(Measure, &str); 3] = [
        (|layer| f64::from(layer.level), "#7aa6d8"),
        (|layer| layer.key_switches as f64, "#d8a45c"),
        (|layer| layer.milliseconds, "#7fb88a"),
    ];
    for (at, layer) in layers.iter().enumerate() {
        edges(svg, at, layer)?;
        let y = middle(at);
        writeln!(svg, r#"<circle cx="66" cy="{y}" r="6" fill="{}"/>"#, colour(layer.operation))?;
        let shape = layer.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        writeln!(
            svg,
            r#"<text class="name" x="{NAMES}" y="{}">{}</text>"#,
            y + 4,
            escaped(&shortened(&layer.node))
        )?;
        writeln!(
            svg,
            r#"<text x="{KINDS}" y="{}">{} <tspan class="note">{shape}</tspan></text>"#,
            y + 4,
            layer.operation
        )?;
        for ((measure, colour), x) in measures.iter().zip(BARS) {
            let value = measure(layer);
            let width = BAR * value / most(*measure);
            let digits = usize::from(value.fract() != 0.0);
            writeln!(
                svg,
                r#"<rect x="{x}" y="{}" width="{width:.1}" height="16" rx="2" fill="{colour}"/><text class="note" x="{}" y="{}">{value:.digits$}</text>"#,
                y - 8,
                x + 4 + width as usize,
                y + 4
            )?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(())
}

/// Lines from what a layer reads: straight from the one above it, in an arc past others.
fn edges(svg: &mut String, at: usize, layer: &Layer) -> std::fmt::Result {
    for &from in &layer.reads {
        let (start, end) = (middle(from), middle(at));
        if from + 1 == at {
            writeln!(svg, r#"<path class="edge" d="M66 {start} V{end}"/>"#)?;
        } else {
            let out = 66usize.saturating_sub(14 + 8 * (at - from)).max(12);
            writeln!(svg, r#"<path class="edge" d="M66 {start} C{out} {start} {out} {end} 66 {end}"/>"#)?;
        }
    }
    Ok(())
}

fn middle(row: usize) -> usize {
    TOP + row * ROW + ROW / 2
}

fn colour(operation: &str) -> &'static str {
    match operation {
        "input" => "#5b6b7a",
        "linear" => "#3d78c2",
        "sum" => "#9bb8dc",
        _ => "#c2553d",
    }
}

/// The end of a long name, which says more than its start.
fn shortened(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    match letters.len().checked_sub(LETTERS) {
        Some(more @ 1..) => format!("…{}", letters[more + 1..].iter().collect::<String>()),
        _ => name.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_keep_their_end() {
        assert_eq!(escaped("a<b>&c"), "a&lt;b&gt;&amp;c");
        let long = format!("{}/conv1", "x".repeat(60));
        assert!(shortened(&long).ends_with("/conv1") && shortened(&long).chars().count() == LETTERS);
        assert_eq!(shortened("short"), "short");
    }
}
