//! A progress line for long downloads: bytes done, total, estimate.

use crate::room::megabytes;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two lines where the output is a file, so that logs stay short.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Writes to standard error: one line that is redrawn on a terminal, or a
/// line now and then elsewhere.
pub(crate) struct Progress {
    label: String,
    total: u64,
    start: Instant,
    last_log: Instant,
    terminal: bool,
}

impl Progress {
    /// Starts the clock of the estimate.
    pub(crate) fn new(label: impl Into<String>, total: u64) -> Self {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Self {
            label: label.into(),
            total,
            start: now,
            last_log: now,
            terminal,
        }
    }

    /// Shows that `done` bytes are there.
    pub(crate) fn update(&mut self, done: u64) {
        let line = line(&self.label, done, self.total, self.start.elapsed());
        if self.terminal {
            // Erase to the end, since the new line may be shorter.
            eprint!("\r{line}\x1b[K");
            let _ = std::io::stderr().flush();
        } else if self.last_log.elapsed() >= LOG_INTERVAL {
            eprintln!("{line}");
            self.last_log = Instant::now();
        }
    }

    /// Leaves a last line with the time it took.
    pub(crate) fn finish(self) {
        let start = if self.terminal { "\r" } else { "" };
        let end = if self.terminal { "\x1b[K" } else { "" };
        eprintln!(
            "{start}{}: {} in {:.0} s{end}",
            self.label,
            megabytes(self.total),
            self.start.elapsed().as_secs_f64()
        );
    }
}

fn line(label: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let done = done.min(total);
    let share = done as f64 / total.max(1) as f64;
    let seconds = elapsed.as_secs_f64();
    let rest = if share > 0.01 && seconds > 1.0 {
        let left = seconds * (1.0 - share) / share;
        let (minutes, seconds) = ((left / 60.0).floor(), left % 60.0);
        if minutes > 0.0 {
            format!(", about {minutes:.0} min {seconds:.0} s left")
        } else {
            format!(", about {seconds:.0} s left")
        }
    } else {
        String::new()
    };
    format!(
        "{label}: {} of {} ({:.0} %){rest}",
        megabytes(done),
        megabytes(total),
        share * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_share_and_estimate() {
        let at = |done, seconds| line("x", done, 100_000_000, Duration::from_secs(seconds));
        assert_eq!(at(0, 0), "x: 0.0 MB of 100 MB (0 %)");
        assert_eq!(
            at(25_000_000, 5),
            "x: 25 MB of 100 MB (25 %), about 15 s left"
        );
        assert_eq!(
            at(10_000_000, 10),
            "x: 10 MB of 100 MB (10 %), about 1 min 30 s left"
        );
        assert_eq!(
            at(200_000_000, 10),
            "x: 100 MB of 100 MB (100 %), about 0 s left"
        );
    }
}
