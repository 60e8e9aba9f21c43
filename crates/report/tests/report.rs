//! The report as a whole: files, page, summary, refusal of what is wrong.

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use vaegis_report::{
    Block, ImageCell, ImageGrid, Limits, Picture, Report, ReportError, RunManifest, Section, Table,
    accept, read_folder, summary_markdown, to_html, write_folder,
};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a writable folder")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            out.extend(
                names(&entry.path())
                    .into_iter()
                    .map(|inner| format!("{name}/{inner}")),
            );
        } else {
            out.insert(name);
        }
    }
    out
}

/// The page without pictures, figures and styles: its structure.
fn skeleton(page: &str) -> String {
    let mut out = String::new();
    let mut depth_of_svg = 0;
    for tag in page.split('<').skip(1) {
        let name: String = tag
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
            .collect();
        let is_inside = depth_of_svg > 0;
        depth_of_svg += usize::from(name == "svg");
        if !is_inside
            && matches!(
                name.as_str(),
                "section" | "h1" | "h2" | "h3" | "svg" | "nav"
            )
        {
            let text = tag.split_once('>').map_or("", |(_, text)| text).trim();
            out.push_str(&format!("{name} {text}\n"));
        }
        if !is_inside && matches!(name.as_str(), "table" | "img" | "details" | "figure") {
            out.push_str(&format!("{name}\n"));
        }
        depth_of_svg -= usize::from(name == "/svg");
    }
    // A run of equal lines says no more than its length.
    let mut lines: Vec<(String, usize)> = Vec::new();
    for line in out.lines() {
        match lines.last_mut() {
            Some((last, n)) if last == line => *n += 1,
            _ => lines.push((line.to_owned(), 1)),
        }
    }
    let line = |(text, n): (String, usize)| {
        if n > 1 {
            format!("{n} x {text}\n")
        } else {
            text + "\n"
        }
    };
    lines.into_iter().map(line).collect()
}

#[test]
fn page_has_the_expected_skeleton() {
    let report = common::report().expect("valid");
    insta::assert_snapshot!(skeleton(&to_html(&report).expect("valid")));
}

#[test]
fn summary_is_readable_markdown() {
    insta::assert_snapshot!(summary_markdown(&common::report().expect("valid")));
}

#[test]
fn page_needs_nothing_but_itself() {
    for report in [
        common::report().expect("valid"),
        common::hostile().expect("valid"),
    ] {
        let page = to_html(&report).expect("valid");
        assert!(!page.contains("<script"), "no script");
        assert!(page.contains("default-src 'none'"), "a policy");
        for source in page.split("src=\"").skip(1) {
            assert!(
                source.starts_with("data:image/png;base64,"),
                "{}",
                &source[..40]
            );
        }
        // Styles come from the one sheet whose digest the policy names.
        assert!(!page.contains("style=\""), "no inline style");
        for link in page.split("href=\"").skip(1) {
            let link = link.split('"').next().unwrap_or_default();
            let is_local = link.starts_with('#') || link == "data:," || !link.contains(':');
            assert!(is_local && !link.starts_with('/'), "{link}");
        }
    }
}

#[test]
fn headings_are_in_order_and_anchors_exist() {
    let page = to_html(&common::report().expect("valid")).expect("valid");
    let mut last = 0;
    for part in page.split("<h").skip(1) {
        let Some(level) = part.chars().next().and_then(|c| c.to_digit(10)) else {
            continue;
        };
        assert!(
            level <= last + 1,
            "a level {level} heading below level {last}"
        );
        last = level;
    }
    let ids: Vec<&str> = page
        .split(" id=\"")
        .skip(1)
        .filter_map(|s| s.split('"').next())
        .collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an identifier stands twice");
    for target in page
        .split("href=\"#")
        .skip(1)
        .filter_map(|s| s.split('"').next())
    {
        assert!(unique.contains(target), "no anchor '{target}'");
    }
    let images = page.matches("<img ").count();
    let texts = page
        .split(" alt=\"")
        .skip(1)
        .filter(|s| !s.starts_with('"'))
        .count();
    assert_eq!(images, texts, "every picture has a text");
}

#[test]
fn every_color_of_a_figure_follows_the_theme() {
    let page = to_html(&common::report().expect("valid")).expect("valid");
    for svg in page
        .split("<svg ")
        .skip(1)
        .filter_map(|s| s.split("</svg>").next())
    {
        for attribute in ["fill", "stroke"] {
            for part in svg.split(&format!(" {attribute}=\"")).skip(1) {
                let color = part.split('"').next().unwrap_or_default();
                let rule = format!(".plot [{attribute}=\"{color}\"]");
                assert!(
                    color == "none" || page.contains(&rule),
                    "no rule for {attribute} {color}"
                );
            }
        }
    }
}

#[test]
fn hostile_text_changes_no_structure() {
    let page = to_html(&common::hostile().expect("valid")).expect("valid");
    assert!(!page.contains("<script"), "a tag got through");
    assert!(!page.contains("</title></style>"), "an end tag got through");
    let markdown = summary_markdown(&common::hostile().expect("valid"));
    assert!(!markdown.contains('<'), "a tag got through");
}

#[test]
fn folder_is_complete_and_renders_again_to_the_same_bytes() {
    let (out, report) = (folder(), common::report().expect("valid"));
    let written = write_folder(out.path(), &report).expect("written");
    let first = names(out.path());
    assert_eq!(first.len(), written.files.len());
    insta::assert_debug_snapshot!(first);
    let page = std::fs::read(&written.html).expect("the page");
    for link in String::from_utf8_lossy(&page).split("href=\"").skip(1) {
        let link = link.split('"').next().unwrap_or_default();
        let is_file = !link.starts_with('#') && link != "data:,";
        assert!(
            !is_file || first.contains(link),
            "a link to {link}, which does not exist"
        );
    }
    // A file of an older report must not stay beside the new one.
    std::fs::write(out.path().join("data/old.csv"), "old").expect("written");
    let again = read_folder(out.path()).expect("its own record");
    write_folder(out.path(), &again).expect("written");
    assert_eq!(names(out.path()), first);
    assert_eq!(std::fs::read(&written.html).expect("the page"), page);
}

#[test]
fn values_that_are_not_finite_survive_the_record() {
    let report = common::hostile().expect("valid");
    let text = serde_json::to_string(&report).expect("JSON");
    let back: Report = serde_json::from_str(&text).expect("its own JSON");
    assert_eq!(serde_json::to_string(&back).expect("JSON"), text);
    assert!(text.contains("\"NaN\"") && text.contains("\"inf\""));
}

#[test]
fn damaged_records_are_refused() {
    let (out, report) = (folder(), common::report().expect("valid"));
    write_folder(out.path(), &report).expect("written");
    let path = out.path().join("report.json");
    let text = std::fs::read_to_string(&path).expect("the record");
    let page = std::fs::read(out.path().join("report.html")).expect("the page");
    let cases = [
        (
            "truncated",
            text[..text.len() / 2].to_owned(),
            "report.json",
        ),
        (
            "other version",
            text.replace("\"format_version\":1", "\"format_version\":9"),
            "found 9",
        ),
        (
            "unknown key",
            text.replacen("\"title\"", "\"extra\":1,\"title\"", 1),
            "extra",
        ),
        (
            "escape",
            text.replacen("\"id\":\"delta\"", "\"id\":\"../delta\"", 1),
            "../delta",
        ),
        (
            "same name",
            text.replacen("\"id\":\"delta\"", "\"id\":\"damage\"", 1),
            "found it twice",
        ),
        (
            "lost pixel",
            text.replacen("\"width\":28", "\"width\":29", 1),
            "expected 28x29x1 bytes",
        ),
    ];
    for (name, damaged, words) in cases {
        assert_ne!(damaged, text, "{name}: nothing was damaged");
        std::fs::write(&path, damaged).expect("written");
        let error = read_folder(out.path()).expect_err(name).to_string();
        assert!(error.contains(words), "{name}: {error}");
    }
    assert_eq!(
        std::fs::read(out.path().join("report.html")).expect("the page"),
        page
    );
}

#[test]
fn all_problems_are_listed_at_once() {
    let mut report = Report::new("t", RunManifest::new("e", "smoke"));
    let mut section = Section::new("claims", "taken by the page");
    let mut table = Table::new("Bad Id", "t", &["a"]);
    table.rows.push(vec![]);
    section.push(table);
    report.sections.push(section);
    let Err(ReportError::Invalid { problems, .. }) = report.validate() else {
        panic!("accepted");
    };
    assert_eq!(problems.len(), 3, "{problems:?}");
    let out = folder();
    assert!(write_folder(&out.path().join("new"), &report).is_err());
    assert!(
        names(out.path()).is_empty(),
        "a refused report leaves nothing behind"
    );
}

#[test]
fn accept_keeps_what_is_small() {
    let (out, docs) = (folder(), folder());
    write_folder(out.path(), &common::report().expect("valid")).expect("written");
    let target = docs.path().join("results/tour");
    let accepted = accept(out.path(), &target, Limits::default()).expect("small enough");
    assert_eq!(accepted.left_out, Vec::<String>::new());
    let kept = names(&target);
    assert_eq!(kept.len(), accepted.files.len());
    assert!(kept.contains("summary.md") && kept.contains("figures/delta.svg"));
    assert!(kept.iter().all(|name| !name.ends_with(".json")));
    let pictures: Vec<_> = kept.iter().filter(|name| name.ends_with(".png")).collect();
    assert!(!pictures.is_empty(), "{kept:?}");
    let summary = std::fs::read_to_string(target.join("summary.md")).expect("a summary");
    for picture in pictures {
        assert!(
            summary.contains(&format!("]({picture})")),
            "{picture} is not shown"
        );
    }

    let limits = Limits {
        file_bytes: 4000,
        ..Limits::default()
    };
    let accepted = accept(out.path(), &target, limits).expect("what is left is small");
    assert!(accepted.left_out.contains(&"figures/delta.svg".to_owned()));
    let summary = std::fs::read_to_string(target.join("summary.md")).expect("a summary");
    assert!(summary.contains("Left out for their size"));
    assert!(!summary.contains("(figures/delta.svg)"));

    let limits = Limits {
        total_bytes: 1000,
        ..Limits::default()
    };
    let error = accept(out.path(), &target, limits).expect_err("over the limit");
    assert!(
        matches!(error, ReportError::TooLarge { limit: 1000, .. }),
        "{error}"
    );
    assert!(
        target.join("summary.md").exists(),
        "the last accepted state stays"
    );
}

#[test]
fn six_panels_have_the_published_layout() {
    let report = common::report().expect("valid");
    let grid = report.blocks().find_map(|block| match block {
        Block::Images(grid) if grid.id == "pair-0-kl" => Some(grid),
        _ => None,
    });
    let grid = grid.expect("the sample has it");
    let captions: Vec<Vec<&str>> = grid
        .cells
        .iter()
        .map(|row| {
            row.iter()
                .flatten()
                .map(|c| c.caption.split(':').next().unwrap_or(""))
                .collect()
        })
        .collect();
    assert_eq!(captions[0], ["Original", "Original rec.", "Adversarial"]);
    assert_eq!(captions[1], ["Target", "Adversarial rec.", "Distortion"]);
    let png = image::load_from_memory(&grid.to_png().expect("a picture"))
        .expect("a PNG")
        .to_rgb8();
    // Three columns and two rows of 28 pixels times 4, gaps of 6.
    assert_eq!((png.width(), png.height()), (3 * 118 + 6, 2 * 118 + 6));
    // The top left pixel of the adversarial panel is the record's, enlarged by 4.
    let cell = grid.cells[0][2].as_ref().expect("a panel");
    for (x, y) in [(0, 0), (3, 3)] {
        assert_eq!(
            png.get_pixel(2 * 118 + 6 + x, 6 + y).0,
            [cell.picture.pixels[0]; 3]
        );
    }
}

#[test]
fn pictures_keep_channel_order_and_refuse_what_is_none() {
    // Red, then green in the first channel-major layout [3, 1, 2].
    let picture = Picture::from_unit([3, 1, 2], &[1.0, 0.0, 0.0, 1.5, -1.0, 0.0]).expect("valid");
    assert_eq!(picture.pixels, [255, 0, 0, 0, 255, 0]);
    let rescaled = Picture::rescaled([1, 1, 3], &[-2.0, 0.0, 2.0]).expect("valid");
    assert_eq!(rescaled.pixels, [0, 128, 255]);
    assert_eq!(
        Picture::rescaled([1, 1, 2], &[3.0, 3.0])
            .expect("valid")
            .pixels,
        [128, 128]
    );
    let not_a_number = Picture::from_unit([1, 1, 2], &[0.0, f32::NAN]);
    assert!(matches!(
        not_a_number,
        Err(ReportError::Pixel { index: 1, .. })
    ));
    let too_few = Picture::from_unit([1, 2, 2], &[0.0; 3]);
    assert!(matches!(
        too_few,
        Err(ReportError::Length {
            expected: 4,
            found: 3,
            ..
        })
    ));
    assert!(
        Picture::from_unit([2, 1, 1], &[0.0; 2]).is_err(),
        "two channels"
    );
    assert!(Picture::from_unit([1, 0, 1], &[]).is_err(), "no rows");
    assert!(
        Picture::from_bytes(usize::MAX, 2, 3, vec![]).is_err(),
        "an impossible size"
    );
    let mut grid = ImageGrid::new("g", "g", &["a", "b"]);
    let row = vec![Some(ImageCell::new(picture, ""))];
    assert!(grid.push_row("short", row).is_err());
}
