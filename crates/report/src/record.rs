//! The records that an experiment leaves behind and that every rendering starts from.
//!
//! Not for models or tensors: a record is plain data and outlives the code that made it.

use crate::error::ReportError;
use crate::figure::Figure;
use crate::grid::ImageGrid;
use crate::number;
use crate::table::Table;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of the stored form; raised when an old `report.json` can no longer be read.
pub const FORMAT_VERSION: u32 = 1;

/// A statement about results that a run can support or contradict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Short name, such as `C3`.
    pub id: String,
    /// The statement in words.
    pub statement: String,
    /// Where it is made: equation, figure, section.
    pub source: String,
    /// What is computed and compared, precisely enough to disagree with.
    pub predicate: String,
}

impl Claim {
    /// A claim from its four texts.
    #[must_use]
    pub fn new(id: &str, statement: &str, source: &str, predicate: &str) -> Self {
        Self {
            id: id.to_owned(),
            statement: statement.to_owned(),
            source: source.to_owned(),
            predicate: predicate.to_owned(),
        }
    }
}

/// What a run says about a [`Claim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The predicate is true beyond the stated uncertainty.
    Holds,
    /// The predicate is false beyond the stated uncertainty.
    Fails,
    /// The uncertainty covers both answers.
    Inconclusive,
    /// The run did not measure it.
    NotRun,
}

impl Verdict {
    /// Every verdict, in the order in which they are counted.
    pub const ALL: [Self; 4] = [Self::Holds, Self::Fails, Self::Inconclusive, Self::NotRun];

    /// The word shown to people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Inconclusive => "inconclusive",
            Self::NotRun => "not run",
        }
    }

    /// A mark that tells verdicts apart without color.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Holds => "✓",
            Self::Fails => "✗",
            Self::Inconclusive => "≈",
            Self::NotRun => "–",
        }
    }
}

/// An interval with its confidence level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Lower end.
    #[serde(with = "number")]
    pub low: f64,
    /// Upper end.
    #[serde(with = "number")]
    pub high: f64,
    /// Confidence level, such as 0.95.
    pub level: f64,
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = number::display(100.0 * self.level);
        write!(
            f,
            "[{}, {}] ({percent} %)",
            number::display(self.low),
            number::display(self.high)
        )
    }
}

/// The statistic of a claim for one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedValue {
    /// Root seed of the run.
    pub seed: u64,
    /// The statistic.
    #[serde(with = "number")]
    pub value: f64,
}

/// A claim with what was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimResult {
    /// The claim.
    pub claim: Claim,
    /// The judgment.
    pub verdict: Verdict,
    /// What was seen, in a sentence with numbers.
    pub observed: String,
    /// The statistic of every seed.
    pub per_seed: Vec<SeedValue>,
    /// Interval of the statistic over seeds.
    pub interval: Option<Interval>,
}

impl ClaimResult {
    /// A judged claim without per-seed values.
    #[must_use]
    pub fn new(claim: Claim, verdict: Verdict, observed: &str) -> Self {
        Self {
            claim,
            verdict,
            observed: observed.to_owned(),
            per_seed: Vec::new(),
            interval: None,
        }
    }

    /// Adds the statistic of every seed.
    #[must_use]
    pub fn with_seeds(mut self, values: impl IntoIterator<Item = (u64, f64)>) -> Self {
        self.per_seed = values
            .into_iter()
            .map(|(seed, value)| SeedValue { seed, value })
            .collect();
        self
    }

    /// Adds the interval of the statistic.
    #[must_use]
    pub fn with_interval(mut self, low: f64, high: f64, level: f64) -> Self {
        self.interval = Some(Interval { low, high, level });
        self
    }
}

/// What was run, with which settings, by which code, on which machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunManifest {
    /// Registered name of the experiment.
    pub experiment: String,
    /// Size of the run: `smoke`, `desk` or `paper`.
    pub tier: String,
    /// The command that repeats the run.
    pub command: String,
    /// Root seeds.
    pub seeds: Vec<u64>,
    /// The complete configuration, defaults included.
    pub config: Value,
    /// Code, library, machine, data and time, as recorded by the core crate's provenance.
    pub provenance: Value,
}

impl RunManifest {
    /// A manifest without configuration and provenance.
    #[must_use]
    pub fn new(experiment: &str, tier: &str) -> Self {
        Self {
            experiment: experiment.to_owned(),
            tier: tier.to_owned(),
            command: String::new(),
            seeds: Vec::new(),
            config: Value::Null,
            provenance: Value::Null,
        }
    }

    /// Adds the command that repeats the run.
    #[must_use]
    pub fn with_command(mut self, command: &str) -> Self {
        command.clone_into(&mut self.command);
        self
    }

    /// Adds the root seeds.
    #[must_use]
    pub fn with_seeds(mut self, seeds: &[u64]) -> Self {
        self.seeds = seeds.to_vec();
        self
    }

    /// Adds the configuration.
    ///
    /// # Errors
    /// [`ReportError::Encode`] where it cannot be written as JSON.
    pub fn with_config(mut self, config: &impl Serialize) -> Result<Self, ReportError> {
        self.config = to_value("recording the configuration", config)?;
        Ok(self)
    }

    /// Adds the provenance.
    ///
    /// # Errors
    /// [`ReportError::Encode`] where it cannot be written as JSON.
    pub fn with_provenance(mut self, provenance: &impl Serialize) -> Result<Self, ReportError> {
        self.provenance = to_value("recording the provenance", provenance)?;
        Ok(self)
    }
}

fn to_value(op: &'static str, value: &impl Serialize) -> Result<Value, ReportError> {
    serde_json::to_value(value).map_err(|source| ReportError::Encode { op, source })
}

/// One thing in a [`Section`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// A figure; neighbors share a responsive grid.
    Figure(Figure),
    /// A table.
    Table(Table),
    /// Pictures; neighbors share a responsive grid.
    Images(ImageGrid),
}

impl From<Figure> for Block {
    fn from(figure: Figure) -> Self {
        Self::Figure(figure)
    }
}

impl From<Table> for Block {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

impl From<ImageGrid> for Block {
    fn from(grid: ImageGrid) -> Self {
        Self::Images(grid)
    }
}

impl From<&str> for Block {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A headed part of a report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Anchor: see [`check_id`].
    pub id: String,
    /// Heading.
    pub title: String,
    /// Content, in reading order.
    pub blocks: Vec<Block>,
}

impl Section {
    /// An empty section.
    #[must_use]
    pub fn new(id: &str, title: &str) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            blocks: Vec::new(),
        }
    }

    /// Adds a block: a figure, a table, pictures or a paragraph.
    pub fn push(&mut self, block: impl Into<Block>) -> &mut Self {
        self.blocks.push(block.into());
        self
    }
}

/// Everything that one report shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// Title of the page.
    pub title: String,
    /// Opening paragraphs: what was done and what came out.
    pub summary: Vec<String>,
    /// What was run.
    pub manifest: RunManifest,
    /// Judged claims.
    pub claims: Vec<ClaimResult>,
    /// The rest, in reading order.
    pub sections: Vec<Section>,
}

impl Report {
    /// A report with no claims and sections yet.
    #[must_use]
    pub fn new(title: &str, manifest: RunManifest) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            title: title.to_owned(),
            summary: Vec::new(),
            manifest,
            claims: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Every block with its section, in reading order.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.sections.iter().flat_map(|section| &section.blocks)
    }

    /// How many claims have the verdict.
    #[must_use]
    pub fn num_with(&self, verdict: Verdict) -> usize {
        self.claims
            .iter()
            .filter(|result| result.verdict == verdict)
            .count()
    }

    /// Checks identifiers, lengths and picture sizes of everything inside.
    ///
    /// # Errors
    /// [`ReportError::Invalid`] with the list of all problems.
    pub fn validate(&self) -> Result<(), ReportError> {
        let mut problems = Vec::new();
        if self.format_version != FORMAT_VERSION {
            problems.push(format!(
                "format_version: expected {FORMAT_VERSION}, found {}",
                self.format_version
            ));
        }
        let mut seen = std::collections::BTreeSet::new();
        let mut claim_ids = std::collections::BTreeSet::new();
        let mut id = |kind: &str, id: &str, problems: &mut Vec<String>| {
            if let Err(problem) = check_id(id) {
                problems.push(format!("{kind} id {id:?}: {problem}"));
            } else if !seen.insert(id.to_owned()) {
                problems.push(format!(
                    "{kind} id {id:?}: expected a new one, found it twice"
                ));
            }
        };
        for result in &self.claims {
            if result.claim.id.trim().is_empty() || !claim_ids.insert(result.claim.id.as_str()) {
                let found = &result.claim.id;
                problems.push(format!("claim id {found:?}: expected a new, non-empty one"));
            }
        }
        for section in &self.sections {
            id("section", &section.id, &mut problems);
            for block in &section.blocks {
                let (kind, name, inner) = match block {
                    Block::Text(_) => continue,
                    Block::Figure(figure) => ("figure", &figure.id, figure.problems()),
                    Block::Table(table) => ("table", &table.id, table.problems()),
                    Block::Images(grid) => ("images", &grid.id, grid.problems()),
                };
                id(kind, name, &mut problems);
                problems.extend(
                    inner
                        .into_iter()
                        .map(|text| format!("{kind} '{name}': {text}")),
                );
            }
        }
        refuse("report", problems)
    }
}

/// Longest identifier, in bytes.
const MAX_ID: usize = 80;

/// Checks an identifier of a section, figure, table or picture, which is also a file stem.
///
/// It consists of `a-z`, `0-9`, `-` and `_`, starts with a letter or digit, and is at most 80 long,
/// so that it can never leave its folder and never needs escaping.
///
/// # Errors
/// What was expected instead.
pub fn check_id(id: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let starts_well = id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if id.len() > MAX_ID {
        Err(format!(
            "expected at most {MAX_ID} characters, found {}",
            id.len()
        ))
    } else if !starts_well || !id.chars().all(good) {
        Err("expected a-z, 0-9, - and _, starting with a letter or digit".to_owned())
    } else if RESERVED_IDS.contains(&id) {
        Err(format!(
            "expected none of the page's own anchors {RESERVED_IDS:?}"
        ))
    } else {
        Ok(())
    }
}

/// Anchors that the page itself uses.
pub(crate) const RESERVED_IDS: [&str; 6] = [
    "summary",
    "claims",
    "provenance",
    "files",
    "contents",
    "top",
];

/// Turns a list of problems into an error, or nothing into success.
pub(crate) fn refuse(op: &str, problems: Vec<String>) -> Result<(), ReportError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ReportError::Invalid {
            op: op.to_owned(),
            problems,
        })
    }
}
