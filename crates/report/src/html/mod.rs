//! One HTML page that needs nothing but itself: styles, figures and pictures are inside.
//!
//! Not for interaction: there is no script at all, and the content security policy forbids the page
//! to load anything. All text from records is escaped here, at the border, and nowhere else.

mod blocks;
mod theme;

use crate::error::ReportError;
use crate::number;
use crate::record::{Block, ClaimResult, Report, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Text as HTML or XML: no tag, attribute or entity of its own survives.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A NUL is an error in HTML wherever it stands.
            '\0' => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// The whole page.
///
/// # Errors
/// [`ReportError::Invalid`] for a report that contradicts itself, and what drawing can fail with.
pub fn to_html(report: &Report) -> Result<String, ReportError> {
    report.validate()?;
    let style = theme::style_sheet();
    let digest = BASE64.encode(Sha256::digest(style.as_bytes()));
    let title = escape(&report.title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<link rel=\"icon\" href=\"data:,\">\n\
         <style>{style}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the results</a>\n"
    );
    push_masthead(&mut page, report);
    page.push_str("<div class=\"layout\">\n");
    push_contents(&mut page, report);
    page.push_str("<main id=\"main\">\n");
    push_summary(&mut page, report);
    push_claims(&mut page, &report.claims);
    let mut numbers = blocks::Numbers::default();
    for section in &report.sections {
        let (id, title) = (escape(&section.id), escape(&section.title));
        let _ = writeln!(
            page,
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>"
        );
        blocks::push_blocks(&mut page, &section.blocks, &mut numbers)?;
        page.push_str("</section>\n");
    }
    push_provenance(&mut page, report);
    push_files(&mut page, report);
    let _ = write!(
        page,
        "</main>\n</div>\n<footer><p>Rendered by vaegis-report {} from \
         <a href=\"report.json\">report.json</a>, which holds everything on this page. \
         <a href=\"#top\">Back to the top</a></p></footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    Ok(page)
}

fn push_masthead(page: &mut String, report: &Report) {
    let manifest = &report.manifest;
    let _ = writeln!(
        page,
        "<header class=\"masthead\" id=\"top\">\n<p class=\"eyebrow\">{} · tier {}</p>\n\
         <h1>{}</h1>",
        escape(&manifest.experiment),
        escape(&manifest.tier),
        escape(&report.title)
    );
    let mut facts = Vec::new();
    if let Some(started) = text_at(&manifest.provenance, "started_at") {
        facts.push(format!("started {}", escape(started)));
    }
    if let Some(revision) = text_at(&manifest.provenance, "git_revision") {
        let short: String = revision.chars().take(12).collect();
        facts.push(format!("revision <code>{}</code>", escape(&short)));
    }
    if let Some(device) = text_at(&manifest.provenance, "device") {
        facts.push(format!("on {}", escape(device)));
    }
    if !manifest.seeds.is_empty() {
        let s = if manifest.seeds.len() == 1 { "" } else { "s" };
        facts.push(format!("seed{s} {}", join(&manifest.seeds)));
    }
    if !facts.is_empty() {
        let _ = writeln!(page, "<p class=\"facts\">{}</p>", facts.join(" · "));
    }
    if !report.claims.is_empty() {
        page.push_str("<ul class=\"tally\" aria-label=\"Verdicts\">\n");
        for verdict in Verdict::ALL {
            let n = report.num_with(verdict);
            if n > 0 {
                let _ = writeln!(page, "<li>{}</li>", badge(verdict, &format!("{n} ")));
            }
        }
        page.push_str("</ul>\n");
    }
    page.push_str("</header>\n");
}

fn badge(verdict: Verdict, before: &str) -> String {
    let class = match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Inconclusive => "open",
        Verdict::NotRun => "none",
    };
    format!(
        "<span class=\"badge {class}\"><span aria-hidden=\"true\">{}</span> {before}{}</span>",
        verdict.symbol(),
        verdict.label()
    )
}

fn push_contents(page: &mut String, report: &Report) {
    page.push_str("<nav class=\"contents\" aria-label=\"Contents\">\n<ol>\n");
    let mut item = |id: &str, title: &str| {
        let _ = writeln!(
            page,
            "<li><a href=\"#{}\">{}</a></li>",
            escape(id),
            escape(title)
        );
    };
    if !report.summary.is_empty() {
        item("summary", "Summary");
    }
    if !report.claims.is_empty() {
        item("claims", "Claims");
    }
    for section in &report.sections {
        item(&section.id, &section.title);
    }
    item("provenance", "Provenance");
    item("files", "Files");
    page.push_str("</ol>\n</nav>\n");
}

fn push_summary(page: &mut String, report: &Report) {
    if report.summary.is_empty() {
        return;
    }
    page.push_str("<section aria-labelledby=\"summary\">\n<h2 id=\"summary\">Summary</h2>\n");
    for paragraph in &report.summary {
        let _ = writeln!(page, "<p class=\"lead\">{}</p>", escape(paragraph));
    }
    page.push_str("</section>\n");
}

fn push_claims(page: &mut String, claims: &[ClaimResult]) {
    if claims.is_empty() {
        return;
    }
    // The roles keep it a table for screen readers where the style stacks it on a narrow screen.
    page.push_str(
        "<section aria-labelledby=\"claims\">\n<h2 id=\"claims\">Claims</h2>\n\
         <table class=\"claims\" role=\"table\">\n\
         <caption class=\"hidden\">Every claim, what was observed, and the verdict</caption>\n\
         <thead role=\"rowgroup\"><tr role=\"row\"><th role=\"columnheader\" scope=\"col\">Claim\
         </th><th role=\"columnheader\" scope=\"col\">Observed</th>\
         <th role=\"columnheader\" scope=\"col\">Verdict</th></tr></thead>\n\
         <tbody role=\"rowgroup\">\n",
    );
    for result in claims {
        push_claim(page, result);
    }
    page.push_str(
        "</tbody>\n</table>\n<p class=\"links\">\
         <a href=\"data/claims.csv\" aria-label=\"CSV: data/claims.csv\">CSV</a> \
         <a href=\"data/claims.json\" aria-label=\"JSON: data/claims.json\">JSON</a></p>\n\
         </section>\n",
    );
}

fn push_claim(page: &mut String, result: &ClaimResult) {
    let claim = &result.claim;
    let _ = write!(
        page,
        "<tr role=\"row\"><th role=\"rowheader\" scope=\"row\"><span class=\"claim-id\">{}</span> \
         <span class=\"statement\">{}</span>",
        escape(&claim.id),
        escape(&claim.statement)
    );
    if !claim.predicate.is_empty() || !claim.source.is_empty() {
        let _ = write!(
            page,
            "<details><summary>How it is judged</summary><p>{}</p><p class=\"source\">Source: \
             {}</p></details>",
            escape(&claim.predicate),
            escape(&claim.source)
        );
    }
    let _ = write!(
        page,
        "</th><td role=\"cell\"><p>{}</p>",
        escape(&result.observed)
    );
    let mut details = Vec::new();
    if let Some(interval) = &result.interval {
        details.push(format!("interval {}", escape(&interval.to_string())));
    }
    for seed in &result.per_seed {
        details.push(format!(
            "seed {}: {}",
            seed.seed,
            escape(&number::display(seed.value))
        ));
    }
    if !details.is_empty() {
        let _ = write!(
            page,
            "<p class=\"seeds\"><span>{}</span></p>",
            details.join("</span> <span>")
        );
    }
    let _ = writeln!(
        page,
        "</td><td role=\"cell\">{}</td></tr>",
        badge(result.verdict, "")
    );
}

fn push_provenance(page: &mut String, report: &Report) {
    let manifest = &report.manifest;
    page.push_str(
        "<section aria-labelledby=\"provenance\">\n<h2 id=\"provenance\">Provenance</h2>\n",
    );
    if !manifest.command.is_empty() {
        let _ = writeln!(
            page,
            "<p>This run can be repeated by</p>\n<pre tabindex=\"0\"><code>{}</code></pre>",
            escape(&manifest.command)
        );
    }
    let mut run = vec![
        ("experiment".to_owned(), manifest.experiment.clone()),
        ("tier".to_owned(), manifest.tier.clone()),
        ("seeds".to_owned(), join(&manifest.seeds)),
    ];
    flatten("", &manifest.provenance, &mut run);
    push_pairs(page, "Code, machine, data and time", true, &run);
    let mut config = Vec::new();
    flatten("", &manifest.config, &mut config);
    push_pairs(page, "Configuration", false, &config);
    page.push_str("</section>\n");
}

fn push_pairs(page: &mut String, title: &str, is_open: bool, pairs: &[(String, String)]) {
    let open = if is_open { " open" } else { "" };
    let _ = writeln!(
        page,
        "<details class=\"pairs\"{open}><summary>{title}</summary>"
    );
    if pairs.is_empty() {
        page.push_str("<p>Nothing was recorded.</p>\n");
    } else {
        page.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
        let _ = write!(
            page,
            "{title}\">\n<table><thead><tr><th scope=\"col\">Key</th>"
        );
        page.push_str("<th scope=\"col\">Value</th></tr></thead>\n<tbody>\n");
        for (key, value) in pairs {
            let (key, value) = (escape(key), escape(value));
            let _ = writeln!(
                page,
                "<tr><th scope=\"row\">{key}</th><td>{value}</td></tr>"
            );
        }
        page.push_str("</tbody></table>\n</div>\n");
    }
    page.push_str("</details>\n");
}

fn push_files(page: &mut String, report: &Report) {
    page.push_str(
        "<section aria-labelledby=\"files\">\n<h2 id=\"files\">Files</h2>\n\
         <p>The numbers behind everything on this page lie beside it.</p>\n\
         <details class=\"pairs\"><summary>All files</summary>\n<ul class=\"files\">\n",
    );
    let mut names = vec!["report.json".to_owned()];
    if !report.claims.is_empty() {
        names.extend(["data/claims.csv".to_owned(), "data/claims.json".to_owned()]);
    }
    names.extend(report.blocks().flat_map(block_files));
    for name in names {
        let name = escape(&name);
        let _ = writeln!(page, "<li><a href=\"{name}\">{name}</a></li>");
    }
    page.push_str("</ul>\n</details>\n</section>\n");
}

/// The files that belong to a block, relative to the page.
pub(crate) fn block_files(block: &Block) -> Vec<String> {
    match block {
        Block::Text(_) => Vec::new(),
        Block::Figure(f) => vec![
            format!("data/{}.csv", f.id),
            format!("data/{}.json", f.id),
            format!("figures/{}.svg", f.id),
        ],
        Block::Table(t) => vec![format!("data/{}.csv", t.id), format!("data/{}.json", t.id)],
        Block::Images(g) => vec![
            format!("images/{}.png", g.id),
            format!("data/{}.json", g.id),
        ],
    }
}

fn text_at<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value
        .get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn join<T: ToString>(values: &[T]) -> String {
    values
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Nested JSON as dotted keys and plain values, in the order of the record.
pub(crate) fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    let key = |name: &str| {
        if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}.{name}")
        }
    };
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                flatten(&key(name), inner, out);
            }
        }
        Value::Array(list) if list.iter().any(|v| v.is_object() || v.is_array()) => {
            for (i, inner) in list.iter().enumerate() {
                flatten(&key(&i.to_string()), inner, out);
            }
        }
        Value::Array(list) => {
            let texts: Vec<String> = list.iter().map(scalar).collect();
            out.push((key("").trim_end_matches('.').to_owned(), texts.join(", ")));
        }
        Value::Null if prefix.is_empty() => {}
        other => out.push((key("").trim_end_matches('.').to_owned(), scalar(other))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}
