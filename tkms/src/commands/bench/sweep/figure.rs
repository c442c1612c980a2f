//! The picture: four tables of who wins and by how much, and below them what either takes, on logarithmic scales.

use super::measured::{DELAYS, KINDS, Mode, SIZES, Sweep};
use crate::commands::bench::svg::{Anchor, Svg};
use tkms_types::FheType;

/// Pixels.
const WIDTH: f64 = 1010.0;
const MARGIN: f64 = 24.0;
const LABELS: f64 = 70.0;
const CELL: (f64, f64) = (70.0, 26.0);
const GAP: f64 = 10.0;
/// Height of a table with its title and heads.
const TABLE: f64 = 178.0;
const CHART: (f64, f64) = (200.0, 190.0);
const CHART_GAP: f64 = 30.0;
/// Below this factor nobody wins.
const EVEN: f64 = 1.05;

type Kind = (&'static str, FheType);
/// Milliseconds of a protocol for a committee, a delay and a type, if measured.
type Quantity<'a> = &'a dyn Fn(Mode, u8, u32, Kind) -> Option<f64>;

/// Draws what there is.
pub fn draw(sweep: &Sweep) -> String {
    let charts = MARGIN + 66.0 + 3.0 * TABLE + 14.0;
    let mut svg = Svg::new(WIDTH, charts + 2.0 * (CHART.1 + 62.0) + 6.0);
    svg.text((MARGIN, 34.0), Anchor::Start, "t big", "Where each protocol wins, and by which factor");
    svg.rect((MARGIN, 48.0), (12.0, 12.0), "f");
    svg.text((MARGIN + 18.0, 58.5), Anchor::Start, "t", "flood");
    svg.rect((MARGIN + 70.0, 48.0), (12.0, 12.0), "e");
    svg.text((MARGIN + 88.0, 58.5), Anchor::Start, "t", "exact");
    let legend =
        "one value a request; n nodes, one process each, over mutual TLS on one machine; delay one way between nodes";
    svg.text((MARGIN + 140.0, 58.5), Anchor::Start, "s", legend);

    let online = |mode, n, _, kind: Kind| Some(sweep.online(mode, n, 0, kind.0)?.cpu_ms);
    let whole = |mode, n, _, kind| sweep.whole(mode, n, kind);
    let wall = |mode, n, delay, kind: Kind| Some(sweep.online(mode, n, delay, kind.0)?.wall_ms);
    let with_samples = |mode, n, delay, kind: Kind| sweep.wall_with_samples(mode, n, delay, kind.0);
    let (top, half) = (MARGIN + 66.0, WIDTH / 2.0 + 4.0);
    grid(&mut svg, (MARGIN, top), &[0], ("Processor time of all nodes, from request to answers", &online));
    grid(&mut svg, (half, top), &[0], ("… and all work before it: samples, masks", &whole));
    let title = "Wall time from request to answers, samples and masks being there";
    grid(&mut svg, (MARGIN, top + TABLE), &DELAYS, (title, &wall));
    let title =
        "Wall time if the samples are made when the request comes: flood squashes, exact switches (masks are there)";
    grid(&mut svg, (MARGIN, top + 2.0 * TABLE), &DELAYS, (title, &with_samples));

    let walls = DELAYS.map(|delay| Line { what: format!("{delay} ms"), class: dash(delay), delay, quantity: &wall });
    row(&mut svg, charts, "Wall time from request to answers, ms, by committee size; lines are delays", &walls);
    let cpu = [
        Line { what: "request".to_owned(), class: "", delay: 0, quantity: &online },
        Line { what: "all work".to_owned(), class: "dash", delay: 0, quantity: &whole },
    ];
    let title = "Processor time, ms, by committee size: of the request, and of all work with samples and masks";
    row(&mut svg, charts + CHART.1 + 62.0, title, &cpu);
    svg.finish()
}

const fn dash(delay: u32) -> &'static str {
    match delay {
        0 => "",
        1..40 => "dash",
        _ => "dot",
    }
}

/// Types down, committee sizes across for each delay.
fn grid(svg: &mut Svg, (left, top): (f64, f64), delays: &[u32], (title, quantity): (&str, Quantity<'_>)) {
    svg.text((left, top + 14.0), Anchor::Start, "t b", title);
    let heads = top + if delays.len() > 1 { 48.0 } else { 34.0 };
    for (group, delay) in delays.iter().enumerate() {
        let start = left + LABELS + group as f64 * (CELL.0 * SIZES.len() as f64 + GAP);
        if delays.len() > 1 {
            let middle = start + CELL.0 * SIZES.len() as f64 / 2.0;
            svg.text((middle, top + 32.0), Anchor::Middle, "s", &format!("delay {delay} ms"));
        }
        for (column, n) in SIZES.into_iter().enumerate() {
            let x = start + CELL.0 * column as f64;
            svg.text((x + CELL.0 / 2.0, heads), Anchor::Middle, "s", &format!("n = {n}"));
            for (line, kind) in KINDS.into_iter().enumerate() {
                let y = heads + 6.0 + CELL.1 * line as f64;
                if group == 0 && column == 0 {
                    svg.text((left + LABELS - 8.0, y + 17.0), Anchor::End, "t", kind.0);
                }
                let both = [Mode::Flood, Mode::Exact].map(|mode| quantity(mode, n, *delay, kind));
                if let [Some(flood), Some(exact)] = both {
                    verdict(svg, (x, y), flood, exact);
                }
            }
        }
    }
}

/// One box: the winner's colour, and how many times less it takes.
fn verdict(svg: &mut Svg, (x, y): (f64, f64), flood: f64, exact: f64) {
    let factor = (flood / exact).max(exact / flood);
    let class = match (factor < EVEN, exact < flood) {
        (true, _) => "q",
        (_, true) => "e",
        (_, false) => "f",
    };
    svg.rect((x + 1.0, y + 1.0), (CELL.0 - 2.0, CELL.1 - 2.0), class);
    let words = match factor {
        ..EVEN => "even".to_owned(),
        ..9.95 => format!("{factor:.1} ×"),
        _ => format!("{factor:.0} ×"),
    };
    svg.text((x + CELL.0 / 2.0, y + 17.5), Anchor::Middle, "in b", &words);
}

/// A line of both protocols in a chart.
struct Line<'a> {
    what: String,
    class: &'static str,
    delay: u32,
    quantity: Quantity<'a>,
}

/// A chart for each type, with one scale.
fn row(svg: &mut Svg, top: f64, title: &str, lines: &[Line<'_>]) {
    svg.text((MARGIN, top + 14.0), Anchor::Start, "t b", title);
    let value =
        |line: &Line<'_>, mode, n, kind| (line.quantity)(mode, n, line.delay, kind).filter(|value| *value > 0.0);
    let modes = [Mode::Flood, Mode::Exact];
    let each =
        KINDS.into_iter().flat_map(|kind| SIZES.into_iter().flat_map(move |n| modes.map(|mode| (mode, n, kind))));
    let all: Vec<f64> =
        each.flat_map(|(mode, n, kind)| lines.iter().filter_map(move |line| value(line, mode, n, kind))).collect();
    let scale = Scale::over(&all, top + 40.0);
    for (place, kind) in KINDS.into_iter().enumerate() {
        let left = MARGIN + 46.0 + (CHART.0 + CHART_GAP) * place as f64;
        let x = |size: usize| left + 18.0 + (CHART.0 - 66.0) / 3.0 * size as f64;
        svg.text((left, top + 33.0), Anchor::Start, "t", kind.0);
        for (y, label) in scale.ticks() {
            svg.polyline(&[(left, y), (left + CHART.0 - 30.0, y)], "grid");
            if place == 0 {
                svg.text((left - 6.0, y + 4.0), Anchor::End, "s", &label);
            }
        }
        for (size, n) in SIZES.into_iter().enumerate() {
            let head = if size == 0 { format!("n = {n}") } else { n.to_string() };
            svg.text((x(size), top + 40.0 + CHART.1 + 14.0), Anchor::Middle, "s", &head);
        }
        let mut ends: Vec<(f64, &str, &str)> = Vec::new();
        for (mode, line) in modes.into_iter().flat_map(|mode| lines.iter().map(move |line| (mode, line))) {
            let (stroke, fill) = if mode == Mode::Flood { ("lf", "f") } else { ("le", "e") };
            let sizes = SIZES.into_iter().enumerate();
            let points: Vec<_> =
                sizes.filter_map(|(size, n)| Some((x(size), scale.y(value(line, mode, n, kind)?)))).collect();
            svg.polyline(&points, &format!("{stroke} {}", line.class));
            points.iter().for_each(|point| svg.dot(*point, fill));
            ends.extend(points.last().map(|(_, y)| (*y, fill, line.what.as_str())));
        }
        for (y, fill, what) in apart(ends) {
            svg.text((x(3) + 8.0, y + 4.0), Anchor::Start, fill, what);
        }
    }
}

/// Labels from top to bottom, moved down where they would cover each other.
fn apart<'a>(mut ends: Vec<(f64, &'a str, &'a str)>) -> Vec<(f64, &'a str, &'a str)> {
    ends.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = f64::NEG_INFINITY;
    for (y, ..) in &mut ends {
        *y = y.max(free);
        free = *y + 12.0;
    }
    ends
}

/// Decades of milliseconds from bottom to top.
struct Scale {
    top: f64,
    low: i32,
    high: i32,
}

impl Scale {
    fn over(values: &[f64], top: f64) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min).min(1e6);
        let high = values.iter().copied().fold(1.0, f64::max);
        let low = low.log10().floor() as i32;
        Self { top, low, high: (high.log10().ceil() as i32).max(low + 1) }
    }

    fn y(&self, value: f64) -> f64 {
        let decades = f64::from(self.high - self.low);
        self.top + CHART.1 * (f64::from(self.high) - value.log10()) / decades
    }

    fn ticks(&self) -> impl Iterator<Item = (f64, String)> {
        (self.low..=self.high).map(|decade| {
            let value = 10f64.powi(decade);
            (self.y(value), if value < 1e3 { value.to_string() } else { format!("{} s", value / 1e3) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::{Entry, example};
    use super::*;

    /// Boxes of a class; the legend has one of each.
    fn boxes(svg: &str, class: &str) -> usize {
        svg.lines().filter(|line| line.starts_with("<rect") && line.contains(&format!("class=\"{class}\""))).count() - 1
    }

    #[test]
    fn every_box_has_the_colour_of_who_takes_less() {
        let svg = draw(&example());
        // online and wall: flood takes half and less in 16 + 48 boxes; of all work, and with the samples, exact in all but none
        let flood_with_samples = KINDS
            .into_iter()
            .flat_map(|kind| DELAYS.map(|delay| (kind, delay)))
            .filter(|(kind, delay)| {
                10.0 + f64::from(*delay) + 100.0 * kind.1.squashed_blocks() as f64 <= 20.5 + 4.0 * f64::from(*delay)
            })
            .count();
        assert_eq!(boxes(&svg, "f"), 16 + 48 + 4 * flood_with_samples);
        assert_eq!(boxes(&svg, "e"), 16 + 48 - 4 * flood_with_samples);
        assert!(svg.contains("class=\"in b\">2.0 ×<"));
    }

    #[test]
    fn what_was_not_measured_is_not_drawn() {
        let mut sweep = example();
        sweep.0.retain(|entry| !matches!(entry, Entry::Online(online) if online.n == 13));
        let whole = draw(&example()).matches("<circle").count();
        assert_eq!(draw(&sweep).matches("<circle").count(), whole * 3 / 4);
        assert!(!draw(&Sweep(Vec::new())).contains("<circle"));
    }

    #[test]
    fn a_decade_has_the_same_height_everywhere() {
        let scale = Scale::over(&[3.0, 400.0], 0.0);
        assert_eq!((scale.low, scale.high), (0, 3));
        assert!((scale.y(1.0) - scale.y(10.0) - CHART.1 / 3.0).abs() < 1e-9);
        assert_eq!(scale.y(1000.0), 0.0);
    }
}
