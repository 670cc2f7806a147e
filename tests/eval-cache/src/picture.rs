//! The curves as a picture (SVG).

use crate::figures::Operating;
use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 48.0;
const TOP: f64 = 16.0;
/// The largest wrong rate that is shown.
const MOST_WRONG: f64 = 0.03;
const COLOURS: [&str; 2] = ["#8a8f98", "#0b6bcb"];

/// Answers a lookup over wrong answers a lookup, with a mark where the service stands.
pub(crate) fn draw(curves: &[(&str, Vec<Operating>)], mark: &Operating) -> String {
    let shown = curves.iter().flat_map(|(_, points)| points).filter(|point| point.wrong_rate <= MOST_WRONG);
    let most = shown.map(|point| point.hit_rate).fold(0.05, f64::max) * 1.05;
    let x = |wrong: f64| LEFT + wrong / MOST_WRONG * (WIDTH - LEFT - 16.0);
    let y = |hit: f64| HEIGHT - BOTTOM - hit / most * (HEIGHT - BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    // Writing to a text never fails.
    let mut line = |text: String| writeln!(svg, "{text}").unwrap_or_default();
    for step in 0..=6 {
        let wrong = MOST_WRONG * f64::from(step) / 6.0;
        let (at, foot) = (x(wrong), HEIGHT - BOTTOM);
        line(format!("<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{foot}\" stroke=\"#e4e6ea\"/>"));
        let label = wrong * 100.0;
        line(format!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label:.1} %</text>", foot + 16.0));
    }
    for step in 0..=5 {
        let hit = most * f64::from(step) / 5.0;
        let (at, label) = (y(hit), hit * 100.0);
        line(format!(
            "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\" stroke=\"#e4e6ea\"/>",
            WIDTH - 16.0
        ));
        line(format!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label:.0} %</text>",
            LEFT - 6.0,
            at + 4.0
        ));
    }
    for (number, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS.get(number).copied().unwrap_or("black");
        let mut path = String::new();
        let mut last = f64::MIN;
        for point in points.iter().filter(|point| point.wrong_rate <= MOST_WRONG) {
            // Points closer than a third of a pixel are one.
            if y(point.hit_rate) - last < -0.33 || last == f64::MIN {
                last = y(point.hit_rate);
                let command = if path.is_empty() { 'M' } else { 'L' };
                path.push_str(&format!("{command}{:.1} {last:.1}", x(point.wrong_rate)));
            }
        }
        line(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"));
        let row = TOP + 16.0 + 18.0 * number as f64;
        line(format!("<text x=\"{}\" y=\"{row}\" fill=\"{colour}\">{name}</text>", LEFT + 12.0));
    }
    let (at_x, at_y) = (x(mark.wrong_rate.min(MOST_WRONG)), y(mark.hit_rate));
    line(format!("<circle cx=\"{at_x:.1}\" cy=\"{at_y:.1}\" r=\"5\" fill=\"#0b6bcb\"/>"));
    let (middle, foot) = ((LEFT + WIDTH) / 2.0, HEIGHT - 10.0);
    line(format!(
        "<text x=\"{middle}\" y=\"{foot}\" text-anchor=\"middle\">wrong answers a lookup; the dot: as shipped</text>"
    ));
    line(format!(
        "<text x=\"14\" y=\"{0}\" text-anchor=\"middle\" transform=\"rotate(-90 14 {0})\">answers a lookup</text>",
        HEIGHT / 2.0
    ));
    svg.push_str("</svg>\n");
    svg
}
