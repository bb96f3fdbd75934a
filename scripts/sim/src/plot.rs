// SPDX-License-Identifier: Apache-2.0

//! Plain line charts as SVG.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;
const COLOURS: [&str; 6] = ["#1f6fb4", "#d2691e", "#3a8f3a", "#a03050", "#6a5acd", "#555555"];

/// A line: its name and points.
pub type Line = (String, Vec<(f64, f64)>);

/// A chart.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below the x axis.
    pub x: &'a str,
    /// At the y axis.
    pub y: &'a str,
    /// The x axis is logarithmic; points at or below 0 are left out.
    pub log_x: bool,
}

/// Steps of an axis: round numbers over this stretch.
fn steps(from: f64, to: f64) -> Vec<f64> {
    let raw = (to - from).max(1e-12) / 5.0;
    let unit = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * unit).find(|step| *step >= raw).unwrap_or(unit);
    let first = (from / step).ceil() as i64;
    let last = (to / step + 1e-9).floor() as i64;
    (first..=last).map(|number| number as f64 * step).collect()
}

/// A number as short as it can be.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e9 => format!("{}G", trimmed(value / 1e9)),
        v if v >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        v if v >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

impl Chart<'_> {
    /// The chart with these lines.
    pub fn draw(&self, lines: &[Line]) -> String {
        let on_x = |x: f64| if self.log_x { x.max(1e-12).log10() } else { x };
        let shown = |x: f64| !self.log_x || x > 0.0;
        let points = lines.iter().flat_map(|(_, points)| points).filter(|(x, _)| shown(*x));
        let (mut x_from, mut x_to, mut y_to) = (f64::MAX, f64::MIN, 0f64);
        for (x, y) in points {
            x_from = x_from.min(on_x(*x));
            x_to = x_to.max(on_x(*x));
            y_to = y_to.max(*y);
        }
        if x_from >= x_to {
            (x_from, x_to) = (0.0, x_from.clamp(1.0, 1e12));
        }
        let y_to = if y_to > 0.0 { y_to * 1.05 } else { 1.0 };
        let at_x = |x: f64| LEFT + (on_x(x) - x_from) / (x_to - x_from) * (WIDTH - LEFT - RIGHT);
        let at_y = |y: f64| HEIGHT - BOTTOM - y / y_to * (HEIGHT - TOP - BOTTOM);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"11\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
             <text x=\"{LEFT}\" y=\"16\" font-size=\"13\">{}</text>\n",
            self.title
        );
        let mut put = |text: String| svg.push_str(&text);
        for y in steps(0.0, y_to) {
            put(format!(
                "<path d=\"M{LEFT} {0:.1}H{1}\" stroke=\"#ddd\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>\n",
                at_y(y),
                WIDTH - RIGHT,
                LEFT - 6.0,
                at_y(y) + 4.0,
                short(y)
            ));
        }
        let ticks: Vec<f64> = match self.log_x {
            true => (x_from.ceil() as i32..=x_to.floor() as i32).map(|power| 10f64.powi(power)).collect(),
            false => steps(x_from, x_to),
        };
        for x in ticks {
            put(format!(
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                at_x(x),
                HEIGHT - BOTTOM + 15.0,
                short(x)
            ));
        }
        put(format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n<text x=\"12\" y=\"{}\" text-anchor=\"middle\" \
             transform=\"rotate(-90 12 {1})\">{}</text>\n",
            (LEFT + WIDTH - RIGHT) / 2.0,
            HEIGHT - 10.0,
            self.x,
            HEIGHT / 2.0,
            self.y
        ));
        for (number, (name, points)) in lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let mut path = String::new();
            for (x, y) in points.iter().filter(|(x, _)| shown(*x)) {
                let to = if path.is_empty() { 'M' } else { 'L' };
                let _ = write!(path, "{to}{:.1} {:.1}", at_x(*x), at_y(*y));
            }
            put(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\"/>\n"));
            put(format!(
                "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>\n",
                LEFT + 8.0 + 150.0 * (number % 4) as f64,
                29.0 + 12.0 * (number / 4) as f64
            ));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_has_its_lines_and_nothing_outside() {
        let chart = Chart { title: "t", x: "x", y: "y", log_x: true };
        let svg = chart.draw(&[("a".into(), vec![(0.0, 1.0), (1.0, 2.0), (1000.0, 4.0)]), ("b".into(), vec![])]);
        assert!(svg.contains(">a<") && svg.contains(">100<"));
        assert!(svg.contains("M64.0") && svg.contains("L628.0"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(steps(0.0, 10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(short(1_500_000.0), "1.5M");
    }
}
