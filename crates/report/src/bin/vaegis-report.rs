//! Command line over stored reports; measures nothing and needs no tensor library.

use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use vaegis_report::browser::{self, BrowserOutcome, View};
use vaegis_report::folder::PAGE_NAME;
use vaegis_report::{Limits, ReportError};

/// Renders, summarizes and checks stored reports.
#[derive(Parser)]
#[command(name = "vaegis-report", version)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Makes page, figures and data files again from OUT/report.json.
    Render {
        /// Folder of the report.
        out: PathBuf,
    },
    /// Prints claims and tables as Markdown.
    Summary {
        /// Folder of the report.
        out: PathBuf,
    },
    /// Copies the summary with its CSV, SVG and PNG files to a folder for version control.
    Accept {
        /// Folder of the report.
        out: PathBuf,
        /// Folder that is replaced, such as docs/results/tour.
        destination: PathBuf,
        /// Larger files are left out and named.
        #[arg(long, default_value_t = Limits::default().file_bytes)]
        max_file_bytes: u64,
        /// More than this in all is refused.
        #[arg(long, default_value_t = Limits::default().total_bytes)]
        max_total_bytes: u64,
    },
    /// Loads the page in an installed Chromium and lists console messages and requests.
    BrowserCheck {
        /// Folder of the report, or a page.
        out: PathBuf,
        /// Width of the window.
        #[arg(long, default_value_t = View::default().width)]
        width: u32,
        /// Height of the window.
        #[arg(long, default_value_t = View::default().height)]
        height: u32,
        /// Prefer dark.
        #[arg(long)]
        dark: bool,
        /// Save a picture of the window here.
        #[arg(long)]
        screenshot: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().action) {
        Ok((text, code)) => {
            // A closed pipe, as by `| head`, is the reader's choice and no failure.
            let _ = std::io::stdout().write_all(text.as_bytes());
            code
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(action: Action) -> Result<(String, ExitCode), ReportError> {
    let mut text = String::new();
    let mut code = ExitCode::SUCCESS;
    let mut line = |words: String| {
        text.push_str(&words);
        text.push('\n');
    };
    match action {
        Action::Render { out } => {
            let report = vaegis_report::read_folder(&out)?;
            let written = vaegis_report::write_folder(&out, &report)?;
            for note in &written.notes {
                line(format!("note: {note}"));
            }
            line(format!(
                "{} ({} files)",
                written.html.display(),
                written.files.len()
            ));
        }
        Action::Summary { out } => {
            let report = vaegis_report::read_folder(&out)?;
            text = vaegis_report::summary_markdown(&report);
        }
        Action::Accept {
            out,
            destination,
            max_file_bytes,
            max_total_bytes,
        } => {
            let limits = Limits {
                file_bytes: max_file_bytes,
                total_bytes: max_total_bytes,
            };
            let accepted = vaegis_report::accept(&out, &destination, limits)?;
            for name in &accepted.left_out {
                line(format!("left out for its size: {name}"));
            }
            line(format!(
                "{} ({} files)",
                destination.display(),
                accepted.files.len()
            ));
        }
        Action::BrowserCheck {
            out,
            width,
            height,
            dark,
            screenshot,
        } => {
            let page = if out.is_dir() {
                out.join(PAGE_NAME)
            } else {
                out
            };
            let view = View {
                width,
                height,
                is_dark: dark,
                screenshot,
            };
            match browser::check_page_as(&page, &view)? {
                BrowserOutcome::NoBrowser => line("skipped: no browser".to_owned()),
                BrowserOutcome::Checked(check) => {
                    for message in &check.messages {
                        line(format!("console: {message}"));
                    }
                    for request in &check.requests {
                        line(format!("request: {request}"));
                    }
                    let (messages, requests) = (check.messages.len(), check.requests.len());
                    line(format!("{messages} console messages, {requests} requests"));
                    if messages + requests > 0 {
                        code = ExitCode::FAILURE;
                    }
                }
            }
        }
    }
    Ok((text, code))
}
