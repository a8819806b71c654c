//! The table of the benchmark: one row per command, with its goal or its ratio to another row.

use crate::measure::Measurement;

/// Explanations below the table.
pub const NOTES: &str = "\
cpu: processor time of all threads. peak: resident memory. Both are those of the first process: Chromium,
which starts others, uses more. times: ratio of wall time, and of processor time. Goals are for wall time.";

pub fn print_header() {
    println!(
        "\n{:<40} {:>9} {:>9} {:>9}",
        "", "seconds", "cpu", "peak MiB"
    );
}

/// Prints a row.
pub fn print_row(title: &str, measured: Measurement, note: &str) {
    let row = format!(
        "{title:<40} {:>9.3} {:>9.2} {:>9.0}   {note}",
        measured.seconds,
        measured.cpu_seconds,
        measured.peak_kib as f64 / 1024.0
    );
    println!("{}", row.trim_end());
}

/// Prints that a row is skipped, and why.
pub fn print_skipped(title: &str, reason: &str) {
    let last = reason.trim().lines().last().unwrap_or_default();
    println!("SKIPPED: {title}: {}", last.trim());
}

/// The ratios of a row to one of ours: "6.4 and 8.1 times both reports".
pub fn ratio(theirs: Measurement, ours: Measurement, name: &str) -> String {
    let times = |theirs: f64, ours: f64| theirs / ours.max(1e-9);
    format!(
        "{:.1} and {:.1} times {name}",
        times(theirs.seconds, ours.seconds),
        times(theirs.cpu_seconds, ours.cpu_seconds)
    )
}

/// A limit for the wall time of a row, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Goal(pub f64);

impl Goal {
    /// The words in the row: "goal 0.5 s: missed by 0.2 s".
    pub fn note(self, seconds: f64) -> String {
        let Self(goal) = self;
        if seconds <= goal {
            format!("goal {goal} s: met")
        } else {
            format!("goal {goal} s: missed by {:.3} s", seconds - goal)
        }
    }

    /// The line in the summary, if the goal is missed.
    pub fn missed(self, title: &str, seconds: f64) -> Option<String> {
        let is_missed = seconds > self.0;
        is_missed.then(|| format!("{title}: {seconds:.3} s, goal {} s", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::measured, *};

    #[test]
    fn goals_are_met_or_missed() {
        assert_eq!(Goal(0.5).note(0.5), "goal 0.5 s: met");
        assert_eq!(Goal(0.5).missed("both", 0.5), None);
        assert_eq!(Goal(0.1).note(0.25), "goal 0.1 s: missed by 0.150 s");
        let missed = Goal(0.1).missed("both", 0.25);
        assert_eq!(missed.as_deref(), Some("both: 0.250 s, goal 0.1 s"));
    }

    #[test]
    fn ratios_are_of_wall_and_processor_time() {
        let (theirs, ours) = (measured(6.0, 9.0, 0), measured(2.0, 0.5, 0));
        assert_eq!(ratio(theirs, ours, "both"), "3.0 and 18.0 times both");
    }
}
