//! The same as tables of a page.

use super::measured::{DELAYS, KINDS, Mode, SIZES, Sweep};

/// All that was measured. What was not is a dash.
pub fn write(sweep: &Sweep) -> String {
    let mut text = String::new();
    text.push_str(
        "Online, one value a request. Wall: median, and the tenth to the ninetieth of a hundred, at 0, 20 and 80 ms. Delays: what 60 ms more \
         of delay add to the wall, divided by 60 ms. Processor: of all nodes, at 0 and 80 ms. Messages and bytes: from one node to one peer; \
         bodies at 0 ms, and on the wire at 20 ms.\n\n\
         | type | n | | wall, ms: 0 | 20 | 80 | delays | processor, ms: 0 | 80 | messages | bytes | on the wire |\n\
         | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for ((kind, _), n) in KINDS.into_iter().flat_map(|kind| SIZES.map(|n| (kind, n))) {
        for mode in [Mode::Flood, Mode::Exact] {
            text.push_str(&online(sweep, kind, n, mode));
        }
    }
    text.push_str("\nBefore a request. Masks: one item of stock masks one block.\n\n");
    text.push_str(
        "| n | batch, items | processor of all nodes, µs an item | items/s at 0 ms | 20 | 80 | bytes an item, one node to one peer |\n\
         | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for n in SIZES {
        let at = |delay| sweep.stock(n, delay);
        let rates = DELAYS.map(|delay| cell(at(delay).map(|stock| stock.per_s), 0)).join(" | ");
        let batch = at(0).map_or("–".to_owned(), |stock| stock.batch.to_string());
        let cpu = cell(at(0).map(|stock| stock.cpu_us), 2);
        let bytes = cell(at(20).and_then(|stock| stock.wire_bytes), 1);
        text.push_str(&format!("| {n} | {batch} | {cpu} | {rates} | {bytes} |\n"));
    }
    text.push_str("\nSamples, by one coprocessor on all cores, and what `exact` takes ahead in all:\n\n");
    text.push_str(
        "| type | blocks | squash (flood): wall, ms | processor, ms | switch (exact): wall, ms | processor, ms | switch and masks at n = 4 … 13, ms |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for kind in KINDS {
        let samples = |mode| {
            let samples = sweep.samples(mode, kind.0);
            let (wall, cpu) = (samples.map(|samples| samples.wall_ms), samples.map(|samples| samples.cpu_ms));
            [cell(wall, 1), cell(cpu, 1)].join(" | ")
        };
        let ahead = SIZES.map(|n| cell(sweep.before(Mode::Exact, n, kind), 1)).join(" … ");
        let (name, blocks) = (kind.0, kind.1.squashed_blocks());
        let (squash, switch) = (samples(Mode::Flood), samples(Mode::Exact));
        text.push_str(&format!("| {name} | {blocks} | {squash} | {switch} | {ahead} |\n"));
    }
    text
}

fn online(sweep: &Sweep, kind: &str, n: u8, mode: Mode) -> String {
    let at = |delay| sweep.online(mode, n, delay, kind);
    let walls = DELAYS.map(|delay| match at(delay) {
        Some(at) => format!("{:.1} ({:.1}–{:.1})", at.wall_ms, at.wall_p10_ms, at.wall_p90_ms),
        None => "–".to_owned(),
    });
    let cells = [
        walls.join(" | "),
        cell(sweep.delays(mode, n, kind), 1),
        cell(at(0).map(|at| at.cpu_ms), 1),
        cell(at(80).map(|at| at.cpu_ms), 1),
        cell(at(0).map(|at| at.messages), 1),
        cell(at(0).map(|at| at.payload_bytes), 0),
        cell(at(20).and_then(|at| at.wire_bytes), 0),
    ];
    let mode = if mode == Mode::Flood { "flood" } else { "exact" };
    format!("| {kind} | {n} | {mode} | {} |\n", cells.join(" | "))
}

fn cell(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

#[cfg(test)]
mod tests {
    use super::super::measured::example;
    use super::*;

    #[test]
    fn every_line_has_the_cells_of_its_head_and_what_is_missing_is_a_dash() {
        for text in [write(&example()), write(&Sweep(Vec::new()))] {
            let mut columns = 0;
            for line in text.lines() {
                let cells = line.matches('|').count();
                if cells == 0 {
                    columns = 0;
                } else if columns == 0 {
                    columns = cells;
                }
                assert!(cells == 0 || cells == columns, "{line}");
            }
        }
        assert!(
            write(&example()).contains(
                "| euint64 | 7 | exact | 20.0 (20.0–20.0) | 100.0 (100.0–100.0) | 340.0 (340.0–340.0) | 4.0 |"
            )
        );
        assert!(write(&Sweep(Vec::new())).contains("| ebool | 4 | flood | – | – | – | – |"));
    }
}
