//! The page in a real browser: no console message, no request.

#![expect(clippy::print_stdout, reason = "a test says why it checked nothing")]

mod common;

use std::path::{Path, PathBuf};
use vaegis_report::browser::{BrowserOutcome, PageCheck, View, check_page_as, find};
use vaegis_report::{Report, write_folder};

/// Loads a report's page, or says that there is no browser.
fn load(name: &str, report: &Report, view: &View) -> Option<PageCheck> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let written = write_folder(&folder, report).expect("the sample is valid");
    checked(&written.html, view)
}

fn checked(page: &Path, view: &View) -> Option<PageCheck> {
    match check_page_as(page, view).expect("the browser works") {
        BrowserOutcome::NoBrowser => {
            println!("skipped: no browser");
            None
        }
        BrowserOutcome::Checked(check) => Some(check),
    }
}

fn assert_clean(check: Option<PageCheck>) {
    if let Some(check) = check {
        assert_eq!(check.messages, Vec::<String>::new(), "console messages");
        assert_eq!(check.requests, Vec::<String>::new(), "network requests");
    }
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn sample_report_loads_cleanly_in_light_dark_and_narrow() {
    let report = common::report().expect("the sample is valid");
    let desktop = View {
        height: 6000,
        ..View::default()
    };
    for (name, view) in [
        ("light.png", desktop.clone()),
        (
            "dark.png",
            View {
                is_dark: true,
                ..desktop.clone()
            },
        ),
        (
            "narrow.png",
            View {
                width: 500,
                height: 9000,
                ..desktop
            },
        ),
    ] {
        let view = View {
            screenshot: Some(picture(name)),
            ..view
        };
        assert_clean(load(&format!("sample-{name}"), &report, &view));
    }
}

#[test]
fn dark_and_light_differ() {
    if find().is_none() {
        println!("skipped: no browser");
        return;
    }
    let report = common::report().expect("the sample is valid");
    let corner = |is_dark| {
        let file = picture(if is_dark {
            "corner-dark.png"
        } else {
            "corner-light.png"
        });
        let view = View {
            is_dark,
            screenshot: Some(file.clone()),
            ..View::default()
        };
        load(
            if is_dark { "corner-d" } else { "corner-l" },
            &report,
            &view,
        );
        image::open(file)
            .expect("a picture")
            .to_rgb8()
            .get_pixel(2, 2)
            .0
    };
    let (light, dark) = (corner(false), corner(true));
    assert!(light.iter().all(|&v| v > 200), "light page: {light:?}");
    assert!(dark.iter().all(|&v| v < 60), "dark page: {dark:?}");
}

#[test]
fn hostile_report_loads_cleanly() {
    let report = common::hostile().expect("hostile text is valid text");
    let view = View {
        screenshot: Some(picture("hostile.png")),
        ..View::default()
    };
    assert_clean(load("hostile", &report, &view));
}

#[test]
fn the_check_notices_messages_and_requests() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let page = folder.join("offender.html");
    let html = "<!DOCTYPE html><title>t</title><link rel=icon href='data:,'>\
                <img src='http://127.0.0.1:9/pixel.png'><script>console.error('said')</script>";
    vaegis_core::codec::write_atomic(&page, html.as_bytes()).expect("a writable folder");
    if let Some(check) = checked(&page, &View::default()) {
        assert!(
            check.messages.iter().any(|m| m.contains("said")),
            "{:?}",
            check.messages
        );
        assert_eq!(check.requests, ["http://127.0.0.1:9/pixel.png"]);
    }
}
