//! Medians of rounds, ratios to the best rival, and their tables.

use std::fmt::Write;

use serde_json::Value;

const SETS: [&str; 3] = ["P1", "P2", "P3"];
/// Rows of the tables, in their order.
const ROWS: [Row; 15] = [
    Row::of("forward transform, 30 bits of modulus"),
    Row::of("encode"),
    Row::of("decode"),
    Row::of("encrypt symmetrically"),
    Row::of("decrypt and decode"),
    Row::of("make one Galois key"),
    Row::of("rotate"),
    Row::of("multiply, relinearize, rescale"),
    Row::of("multiply by plaintext"),
    Row::of(CIPHERTEXT),
    Row::of(SEEDED_CIPHERTEXT),
    Row {
        title: "bytes of a fresh ciphertext, this seeded, others not",
        this: SEEDED_CIPHERTEXT,
        others: CIPHERTEXT,
    },
    Row::of(KEY),
    Row::of(SEEDED_KEY),
    Row { title: "bytes of one Galois key, this seeded, others not", this: SEEDED_KEY, others: KEY },
];
const CIPHERTEXT: &str = "bytes of a fresh ciphertext";
const SEEDED_CIPHERTEXT: &str = "bytes of a fresh ciphertext, seeded";
const KEY: &str = "bytes of one Galois key";
const SEEDED_KEY: &str = "bytes of one Galois key, seeded";

/// A row, and the operations that are compared in it, by the name that every program gives them.
struct Row {
    title: &'static str,
    this: &'static str,
    others: &'static str,
}

impl Row {
    const fn of(operation: &'static str) -> Self {
        Self { title: operation, this: operation, others: operation }
    }

    fn operation(&self, program: &str) -> &'static str {
        if program == THIS { self.this } else { self.others }
    }
}

const THIS: &str = "this";

/// Where programs run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Native,
    WebAssembly,
}

impl Side {
    fn has(self, line: &Value) -> bool {
        let program = line["program"].as_str().unwrap_or_default();
        let in_wasm = program.starts_with("node-seal") || line["backend"] == "simd128";
        in_wasm == (self == Self::WebAssembly)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Native => "Native",
            Self::WebAssembly => "WebAssembly",
        }
    }
}

/// The measurements of one side, round by round.
pub(super) struct Rounds {
    side: Side,
    rounds: Vec<Vec<Value>>,
}

impl Rounds {
    pub(super) fn new(side: Side, all: &[Vec<Value>]) -> Self {
        let of_side = |round: &Vec<Value>| round.iter().filter(|line| side.has(line)).cloned().collect();
        Self { side, rounds: all.iter().map(of_side).collect() }
    }

    fn find<'a>(round: &'a [Value], program: &str, set: &str, operation: &str) -> Option<&'a Value> {
        round
            .iter()
            .find(|line| line["program"] == program && line["set"] == set && line["operation"] == operation)
    }

    fn programs(&self) -> Vec<&str> {
        let mut programs = vec![THIS];
        for name in self.rounds[0].iter().filter_map(|line| line["program"].as_str()) {
            if !programs.contains(&name) {
                programs.push(name);
            }
        }
        programs
    }

    /// The median over rounds of the best rival's value divided by ours.
    fn ratio(&self, set: &str, row: &Row) -> Option<f64> {
        let rivals = self.programs().split_off(1);
        let of_round = |round: &Vec<Value>| {
            let value =
                |program: &str| Self::find(round, program, set, row.operation(program))?["value"].as_f64();
            let best = rivals.iter().filter_map(|rival| value(rival)).min_by(f64::total_cmp)?;
            Some(best / value(THIS)?)
        };
        median(self.rounds.iter().filter_map(of_round))
    }

    fn cell(&self, program: &str, set: &str, operation: &str) -> String {
        let lines = || self.rounds.iter().filter_map(|round| Self::find(round, program, set, operation));
        let Some(value) = median(lines().filter_map(|line| line["value"].as_f64())) else {
            return "–".to_owned();
        };
        match median(lines().filter_map(|line| line["precision_bits"].as_f64())) {
            Some(bits) => format!("{} ({bits:.0})", number(value)),
            None => number(value),
        }
    }

    /// One table for each parameter set.
    pub(super) fn tables(&self) -> String {
        let mut text = String::new();
        let programs = self.programs();
        for set in SETS {
            let chain = |program: &str| {
                let of_set = |line: &&Value| line["program"] == program && line["set"] == set;
                self.rounds[0].iter().find(of_set).map_or_else(String::new, |line| {
                    let number = |field: &str| line[field].as_f64().unwrap_or_default();
                    // Not every library tells its primes.
                    let log_qp = line["log_qp"].as_f64().map_or("?".to_owned(), |bits| format!("{bits:.0}"));
                    format!("{log_qp}; {}; 2^{}", number("depth"), number("scale_bits"))
                })
            };
            let header = programs.join(" | ");
            let rule = "---|".repeat(programs.len() + 2);
            let _ = write!(text, "### {}, {set}\n\n| | {header} | ratio |\n|{rule}\n", self.side.title());
            let chains: Vec<String> = programs.iter().map(|program| chain(program)).collect();
            let _ = writeln!(text, "| log₂(QP); depth; scale | {} | |", chains.join(" | "));
            for row in &ROWS {
                let cell = |program: &&str| self.cell(program, set, row.operation(program));
                let cells: Vec<String> = programs.iter().map(cell).collect();
                let ratio = times(self.ratio(set, row));
                let _ = writeln!(text, "| {} | {} | {ratio} |", row.title, cells.join(" | "));
            }
            text.push('\n');
        }
        text
    }
}

/// The table of the README: ratios only, of what has one.
pub(super) fn summary(machine: &str, native: &Rounds, webassembly: &Rounds) -> String {
    let rivals: Vec<&str> =
        [native, webassembly].iter().flat_map(|side| side.programs().split_off(1)).collect();
    let mut text = format!("{machine} Rivals: {}.\n\n| |", rivals.join("; "));
    for side in [native, webassembly] {
        for set in SETS {
            let _ = write!(text, " {} {set} |", side.side.title());
        }
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(2 * SETS.len()));
    for row in &ROWS {
        let ratios = [native, webassembly].map(|side| SETS.map(|set| side.ratio(set, row)));
        if ratios.iter().flatten().any(Option::is_some) {
            let _ = write!(text, "| {} |", row.title);
            ratios.into_iter().flatten().for_each(|ratio| {
                let _ = write!(text, " {} |", times(ratio));
            });
            text.push('\n');
        }
    }
    text
}

fn times(ratio: Option<f64>) -> String {
    match ratio {
        Some(ratio) if ratio >= 10.0 => format!("{ratio:.0}×"),
        Some(ratio) => format!("{ratio:.1}×"),
        None => "–".to_owned(),
    }
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Rounds, Row, SEEDED_KEY, Side, summary};

    fn line(program: &str, backend: &str, value: f64) -> Value {
        json!({"program": program, "backend": backend, "set": "P1", "operation": "rotate", "value": value,
            "precision_bits": 15.2, "log_qp": 200.0, "depth": 3, "scale_bits": 30})
    }

    #[test]
    fn a_ratio_is_the_median_of_the_best_rival_in_each_round() {
        let round = |ours, theirs, others| {
            let native = [line("this", "avx2", ours), line("a", "", theirs), line("b", "", others)];
            native.into_iter().chain([line("this", "simd128", 4.0), line("node-seal 7", "", 36.0)]).collect()
        };
        let rounds: Vec<Vec<Value>> =
            vec![round(10.0, 60.0, 90.0), round(10.0, 80.0, 50.0), round(10.0, 200.0, 70.0)];
        let (native, wasm) = (Rounds::new(Side::Native, &rounds), Rounds::new(Side::WebAssembly, &rounds));
        assert_eq!(native.ratio("P1", &Row::of("rotate")), Some(6.0));
        assert!(native.tables().contains("| rotate | 10.0 (15) | 80.0 (15) | 70.0 (15) | 6.0× |"));
        assert!(summary("m.", &native, &wasm).starts_with("m. Rivals: a; b; node-seal 7.\n"));
        assert!(summary("m.", &native, &wasm).ends_with("|\n| rotate | 6.0× | – | – | 9.0× | – | – |\n"));
    }

    #[test]
    fn a_seeded_key_is_compared_with_seeded_ones_and_with_others() {
        let line = |program: &str, operation: &str, value: f64| json!({"program": program, "backend": "", "set": "P1", "operation": operation, "value": value});
        let round = vec![
            line("this", SEEDED_KEY, 10.0),
            line("a", SEEDED_KEY, 20.0),
            line("a", "bytes of one Galois key", 40.0),
            line("b", "bytes of one Galois key", 30.0),
        ];
        let tables = Rounds::new(Side::Native, &[round]).tables();
        for row in [
            "| bytes of one Galois key | – | 40.0 | 30.0 | – |\n",
            "| bytes of one Galois key, seeded | 10.0 | 20.0 | – | 2.0× |\n",
            "| bytes of one Galois key, this seeded, others not | 10.0 | 40.0 | 30.0 | 3.0× |\n",
        ] {
            assert!(tables.contains(row), "{row} in\n{tables}");
        }
    }
}
