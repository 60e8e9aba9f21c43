//! `vaegis data`: what data sets there are, whether they are intact, and how to
//! get them.

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use vaegis_data::registry::{self, FileState};

/// Options of `vaegis data`.
#[derive(Clone, Debug, Args)]
pub struct DataArgs {
    /// What to do
    #[command(subcommand)]
    pub action: DataAction,
    /// Folder of the real data sets
    #[arg(long, env = "VAEGIS_DATA", value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
}

/// The actions of `vaegis data`.
#[derive(Clone, Debug, Subcommand)]
pub enum DataAction {
    /// List the known data sets with size, licence and origin
    List {
        /// As the page docs/datasets.md
        #[arg(long)]
        markdown: bool,
    },
    /// Compare the files in the data folder with their checksums
    Check {
        /// Data sets; without one, all
        names: Vec<String>,
    },
    /// Download a data set; this is the only command that uses the network
    Fetch {
        /// The data set
        name: String,
    },
}

/// Carries out one action.
///
/// # Errors
/// No data folder, an unknown name, a damaged or missing file, a failed download.
pub fn run(args: &DataArgs, print: &mut dyn FnMut(&str)) -> Result<()> {
    let root = || {
        vaegis_data::default_root(args.data.as_deref())
            .context("no data folder: give --data DIR or set VAEGIS_DATA")
    };
    match &args.action {
        DataAction::List { markdown: true } => print(registry::markdown().trim_end()),
        DataAction::List { markdown: false } => print(registry::list_text().trim_end()),
        DataAction::Check { names } => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let files = registry::check(&root()?, &names)?;
            let mut damaged = 0;
            for file in &files {
                print(&file.to_string());
                let fine = matches!(file.state, FileState::Present | FileState::Missing);
                damaged += usize::from(!fine);
            }
            if damaged > 0 {
                bail!("{damaged} files are not what they should be");
            }
        }
        DataAction::Fetch { name } => {
            let root = root()?;
            let bar = indicatif::ProgressBar::no_length();
            let style = "{prefix} {wide_bar} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left";
            bar.set_style(indicatif::ProgressStyle::with_template(style)?);
            vaegis_data::fetch::fetch(name, &root, &mut |progress| {
                bar.set_prefix(progress.path.to_owned());
                bar.set_length(progress.total.unwrap_or(0));
                bar.set_position(progress.done);
            })?;
            bar.finish_and_clear();
            print(&format!("{name} is in {}", root.display()));
        }
    }
    Ok(())
}
