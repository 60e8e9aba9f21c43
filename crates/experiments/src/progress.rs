//! How far a run is, with an estimate of the time left.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Seconds between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Progress of a whole run in units of expected seconds; shared by all workers.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    total: f64,
    done: f64,
    /// Units that an earlier process had done; they say nothing about speed.
    skipped: f64,
    started: Instant,
    last_line: Instant,
}

/// Units of a bar per unit of work: a bar counts whole numbers.
const BAR_SCALE: f64 = 100.0;

impl Progress {
    /// Progress over `total` units, titled `title`.
    pub fn new(title: &str, total: f64) -> Self {
        let bar = ProgressBar::new((total * BAR_SCALE) as u64);
        let template = "{prefix} {wide_bar} {percent:>3} %  {elapsed} gone, {msg}";
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.expect("invariant: the template is valid"));
        bar.set_prefix(title.to_owned());
        let now = Instant::now();
        let state = State {
            total,
            done: 0.0,
            skipped: 0.0,
            started: now,
            last_line: now,
        };
        Self {
            bar,
            terminal: std::io::stderr().is_terminal(),
            state: Mutex::new(state),
        }
    }

    /// [`Self::new`], or [`Self::hidden`] where the user asked for quiet.
    pub fn unless(quiet: bool, title: &str, total: f64) -> Self {
        if quiet {
            Self::hidden()
        } else {
            Self::new(title, total)
        }
    }

    /// Progress that shows nothing.
    pub fn hidden() -> Self {
        let progress = Self::new("", 1.0);
        progress
            .bar
            .set_draw_target(indicatif::ProgressDrawTarget::hidden());
        Self {
            terminal: true,
            ..progress
        }
    }

    /// Counts `units` of finished work and says what is being done.
    pub fn advance(&self, units: f64, message: &str) {
        self.update(units, 0.0, message);
    }

    /// Counts work that an earlier process had done already.
    pub fn skip(&self, units: f64, message: &str) {
        self.update(units, units, message);
    }

    fn update(&self, units: f64, skipped: f64, message: &str) {
        let mut state = self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        state.done = (state.done + units).min(state.total);
        state.skipped += skipped;
        let left = state.time_left();
        let left = left.map_or_else(|| "estimating".to_owned(), |s| format!("{} left", clock(s)));
        self.bar.set_position((state.done * BAR_SCALE) as u64);
        self.bar.set_message(format!("{left}  {message}"));
        if !self.terminal && state.last_line.elapsed() >= LINE_INTERVAL {
            state.last_line = Instant::now();
            let percent = 100.0 * state.done / state.total;
            tracing::info!("{percent:3.0} %, {left}: {message}");
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl State {
    /// Expected seconds left, from the speed of this process; none while it has
    /// hardly begun.
    fn time_left(&self) -> Option<f64> {
        let (elapsed, own) = (
            self.started.elapsed().as_secs_f64(),
            self.done - self.skipped,
        );
        let known = elapsed > 2.0 && own > 0.01 * self.total.min(50.0);
        known.then(|| (self.total - self.done) * elapsed / own)
    }
}

/// Seconds as minutes and seconds.
fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    if whole >= 3600 {
        return format!("{} h {:02} min", whole / 3600, whole / 60 % 60);
    }
    format!("{}:{:02}", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_like_times() {
        assert_eq!(clock(5.4), "0:05");
        assert_eq!(clock(125.0), "2:05");
        assert_eq!(clock(3725.0), "1 h 02 min");
    }

    #[test]
    fn work_done_earlier_does_not_count_as_speed() {
        let start = Instant::now()
            .checked_sub(Duration::from_secs(10))
            .expect("a past");
        let state = State {
            total: 100.0,
            done: 60.0,
            skipped: 50.0,
            started: start,
            last_line: start,
        };
        let left = state.time_left().expect("an estimate");
        // Ten units took ten seconds, forty are left.
        assert!((left - 40.0).abs() < 1.0, "{left}");
    }
}
