//! A picture with few words: text, boxes and lines whose looks are classes, in colours for light and dark pages.

use std::fmt::Write as _;

/// Looks of everything that is drawn. `f` is of `flood`, `e` of `exact`; what has neither is of the page.
const STYLE: &str = "\
.page{fill:#fff}.t{fill:#1c2430}.s{fill:#5b6675}.in{fill:#fff}\
.f{fill:#c2571a}.e{fill:#12805c}.q{fill:#8a94a3}\
.grid{stroke:#d9dee5;fill:none}.lf{stroke:#c2571a;fill:none;stroke-width:2}.le{stroke:#12805c;fill:none;stroke-width:2}\
.b{font-weight:600}.big{font-size:17px;font-weight:600}.dash{stroke-dasharray:7 4}.dot{stroke-dasharray:2 3}\
@media(prefers-color-scheme:dark){.page{fill:#14181f}.t{fill:#e8ecf1}.s{fill:#9aa6b5}.in{fill:#10141a}\
.f{fill:#f0915a}.e{fill:#47c79a}.q{fill:#778292}.grid{stroke:#2d3541}.lf{stroke:#f0915a}.le{stroke:#47c79a}}";

/// The end of a text that stands at its place.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// Text begins there.
    Start,
    /// Text is centred.
    Middle,
    /// Text ends there.
    End,
}

/// A picture being drawn; lengths are pixels.
pub struct Svg {
    text: String,
}

impl Svg {
    /// An empty page.
    pub fn new(width: f64, height: f64) -> Self {
        let text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n<style>{STYLE}</style>\n"
        );
        let mut svg = Self { text };
        svg.rect((0.0, 0.0), (width, height), "page");
        svg
    }

    /// Words at a place, their feet on its height.
    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        self.line(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{words}</text>"
        ));
    }

    /// A filled box: upper left corner, width and height.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
        self.line(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" class=\"{class}\"/>"
        ));
    }

    /// Straight lines from point to point.
    pub fn polyline(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.line(format_args!("<polyline points=\"{}\" class=\"{class}\"/>", points.join(" ")));
    }

    /// A filled circle.
    pub fn dot(&mut self, (x, y): (f64, f64), class: &str) {
        self.line(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.8\" class=\"{class}\"/>"));
    }

    /// The file.
    pub fn finish(mut self) -> String {
        self.text.push_str("</svg>\n");
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // a String takes everything
        if self.text.write_fmt(line).is_ok() {
            self.text.push('\n');
        }
    }
}
