//! Plots of what was found, as SVG: one bar for each way and each cost.

use std::fmt::Write as _;

use super::report::{Found, Medians, Section};

const LABELS: f64 = 280.0;
const PANEL: f64 = 190.0;
const GAP: f64 = 62.0;
const ROW: f64 = 24.0;
const TOP: f64 = 74.0;
/// A bar that is longer than so many times the limit is cut, or else nothing of the
/// others could be seen.
const CUT: f64 = 6.0;

/// Colours that people who don't see all of them can tell apart (Okabe and Ito).
const OURS: &str = "#0072b2";
const SERVER: &str = "#8a8a8a";
const OTHERS: &str = "#e69f00";

/// A panel: its title, its unit, and what it shows.
type Panel = (&'static str, &'static str, fn(Medians) -> Option<f64>);

const PANELS: [Panel; 4] = [
    ("Time", "s", |of| Some(of.wall)),
    ("Server CPU", "s", |of| of.server),
    ("Client CPU", "s", |of| of.client),
    ("Peak memory of the client", "MiB", |of| of.peak_mib),
];

/// Draws a section.
pub(crate) fn draw(section: &Section) -> String {
    let rows: Vec<(&Found, Option<Medians>)> =
        section.found.iter().map(|found| (found, found.medians())).collect();
    let height = TOP + ROW * count(rows.len()) + 34.0;
    let width = LABELS + (PANEL + GAP) * count(PANELS.len());
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    text(&mut svg, 12.0, 26.0, "start", "font-size=\"16\" font-weight=\"bold\"", &section.heading());
    for (number, (found, of)) in rows.iter().enumerate() {
        let y = TOP + ROW * count(number) + ROW * 0.68;
        let weight = if found.ours { "font-weight=\"bold\"" } else { "" };
        text(&mut svg, LABELS - 10.0, y, "end", weight, &found.name);
        if of.is_none() {
            let why: String = found.not_run.as_deref().unwrap_or_default().chars().take(110).collect();
            text(&mut svg, LABELS, y, "start", "fill=\"#777777\"", &format!("not run: {why}"));
        }
    }
    for (number, panel) in PANELS.iter().enumerate() {
        draw_panel(&mut svg, LABELS + (PANEL + GAP) * count(number), *panel, &rows, section.limit());
    }
    let below = height - 12.0;
    let words = [(OURS, "ours"), (SERVER, "the server and its client"), (OTHERS, "others")];
    for (number, (colour, word)) in words.into_iter().enumerate() {
        let x = LABELS + 190.0 * count(number);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"11\" height=\"11\" fill=\"{colour}\"/>",
            below - 10.0
        );
        text(&mut svg, x + 16.0, below, "start", "", word);
    }
    text(&mut svg, LABELS + 570.0, below, "start", "", "dotted: server COPY, one file; pale: other rows");
    svg.push_str("</svg>\n");
    svg
}

fn draw_panel(
    svg: &mut String,
    x: f64,
    (title, unit, part): Panel,
    rows: &[(&Found, Option<Medians>)],
    limit: Option<Medians>,
) {
    text(svg, x, TOP - 14.0, "start", "font-weight=\"bold\"", &format!("{title}, {unit}"));
    let limit = limit.and_then(part).filter(|limit| *limit > 0.0);
    let most = rows.iter().filter_map(|(_, of)| of.and_then(part)).fold(0.0, f64::max);
    // Memory and the client's time of the limit are next to nothing: no measure for others.
    let cut = match limit {
        Some(limit) if title == "Time" || title == "Server CPU" => most.min(limit * CUT),
        _ => most,
    };
    let scale = |number: f64| if cut > 0.0 { number.min(cut) / cut * PANEL } else { 0.0 };
    for (number, (found, of)) in rows.iter().enumerate() {
        let top = TOP + ROW * count(number);
        let Some(of) = of else { continue };
        let Some(value) = part(*of) else {
            text(svg, x + 3.0, top + ROW * 0.68, "start", "fill=\"#777777\"", "not measured");
            continue;
        };
        let colour = if found.ours {
            OURS
        } else if found.peer {
            OTHERS
        } else {
            SERVER
        };
        let opacity = if found.is_wrong() { 0.35 } else { 1.0 };
        let length = scale(value).max(1.0);
        let _ = writeln!(
            svg,
            "<rect x=\"{x}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" fill=\"{colour}\" opacity=\"{opacity}\"/>",
            top + 4.0,
            ROW - 8.0
        );
        if value > cut {
            // Two strokes, as an axis that is broken has them.
            for offset in [14.0, 20.0] {
                let (left, right) = (x + length - offset, x + length - offset + 5.0);
                let _ = writeln!(
                    svg,
                    "<line x1=\"{left:.1}\" y1=\"{}\" x2=\"{right:.1}\" y2=\"{}\" stroke=\"#ffffff\" stroke-width=\"2\"/>",
                    top + ROW - 3.0,
                    top + 3.0
                );
            }
        }
        let written =
            if unit == "MiB" || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        text(svg, x + length + 4.0, top + ROW * 0.68, "start", "", &written);
    }
    if let Some(limit) = limit.filter(|_| title == "Time" || title == "Server CPU") {
        let at = x + scale(limit);
        let bottom = TOP + ROW * count(rows.len());
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" y1=\"{}\" x2=\"{at:.1}\" y2=\"{bottom}\" stroke=\"#333333\" stroke-dasharray=\"3 3\"/>",
            TOP - 4.0
        );
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {more}>{words}</text>");
}

#[expect(clippy::cast_precision_loss, reason = "a plot has few rows")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{found, section};
    use super::super::rows::Verdict;
    use super::super::variant::Way;
    use super::*;

    #[test]
    fn every_way_is_in_the_plot_and_long_bars_are_cut() {
        let mut missing = Found::new(Way::Python);
        missing.not_run = Some("a < b".to_owned());
        let svg = draw(&section(vec![
            found(Way::Limit, &[1.0], &Verdict::Same),
            found(Way::Ours { one: false }, &[100.0], &Verdict::Same),
            missing,
        ]));
        assert!(svg.contains(">ours, stream<"), "{svg}");
        assert!(svg.contains("not run: a &lt; b"), "{svg}");
        let cut = format!("width=\"{PANEL:.1}\"");
        assert!(svg.contains(&cut), "{svg}");
        assert!(svg.contains("stroke=\"#ffffff\""), "{svg}");
    }
}
