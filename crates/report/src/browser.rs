//! Loads a page in a headless Chromium and listens: console messages and network requests.
//!
//! Not for interaction tests. The browser's own housekeeping requests are told from the page's by
//! their initiator, and the resolver is disabled, so that nothing leaves the machine either way.

use crate::error::ReportError;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Environment variable that names the browser to use.
pub const BROWSER_VARIABLE: &str = "VAEGIS_BROWSER";
/// Programs that are looked for on the path.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// A page that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(90);
/// Largest net log that is read, in bytes.
const MAX_LOG_BYTES: u64 = 256 << 20;

/// How a page is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Width of the window, in CSS pixels.
    pub width: u32,
    /// Height of the window, in CSS pixels.
    pub height: u32,
    /// Whether the reader prefers dark pages.
    pub is_dark: bool,
    /// Where to put a picture of the page.
    pub screenshot: Option<PathBuf>,
}

impl Default for View {
    /// A light desktop window of 1280 by 900, no picture.
    fn default() -> Self {
        Self {
            width: 1280,
            height: 900,
            is_dark: false,
            screenshot: None,
        }
    }
}

/// What the browser said about a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageCheck {
    /// The program used.
    pub browser: PathBuf,
    /// Console messages of any level; a page without scripts has no reason for one.
    pub messages: Vec<String>,
    /// Addresses that the page requested, its own file excluded.
    pub requests: Vec<String>,
}

/// The result of [`check_page`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrowserOutcome {
    /// No Chromium or Chrome is installed, so nothing was checked.
    NoBrowser,
    /// The page was loaded.
    Checked(PageCheck),
}

impl BrowserOutcome {
    /// Whether the page was loaded without message and request; `None` without a browser.
    #[must_use]
    pub fn is_clean(&self) -> Option<bool> {
        match self {
            Self::NoBrowser => None,
            Self::Checked(check) => Some(check.messages.is_empty() && check.requests.is_empty()),
        }
    }
}

/// The browser named by `VAEGIS_BROWSER`, or the first Chromium or Chrome on the path.
#[must_use]
pub fn find() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(BROWSER_VARIABLE).filter(|name| !name.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let candidates = PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.into_iter().find(|file| file.is_file())
}

/// Loads a page from a file as [`View::default`] and listens.
///
/// # Errors
/// As for [`check_page_as`].
pub fn check_page(page: &Path) -> Result<BrowserOutcome, ReportError> {
    check_page_as(page, &View::default())
}

/// Loads a page from a file and listens.
///
/// # Errors
/// [`ReportError::Core`] where the page cannot be read, [`ReportError::Browser`] where the browser
/// does not start, does not end in time or leaves no log.
pub fn check_page_as(page: &Path, view: &View) -> Result<BrowserOutcome, ReportError> {
    let Some(browser) = find() else {
        return Ok(BrowserOutcome::NoBrowser);
    };
    let page = std::fs::canonicalize(page)
        .map_err(|source| vaegis_core::CoreError::io("read", page, source))?;
    let fail = |reason: String| ReportError::Browser {
        browser: browser.clone(),
        reason,
    };
    let profile = tempfile::Builder::new()
        .prefix("vaegis-browser-")
        .tempdir()
        .map_err(|error| fail(format!("no folder for its profile: {error}")))?;
    let (log, net_log) = (
        profile.path().join("stderr"),
        profile.path().join("net.json"),
    );
    let stderr = File::create(&log).map_err(|error| fail(format!("no log file: {error}")))?;
    let picture = profile.path().join("page.png");
    let mut child = command(&browser, profile.path(), &net_log, &picture, view)
        .arg(file_url(&page))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map_err(|error| {
            fail(format!(
                "it does not start: {error}; unset or correct VAEGIS_BROWSER"
            ))
        })?;
    wait(&mut child).map_err(&fail)?;
    let read = |path: &Path| {
        vaegis_core::codec::read_limited(path, MAX_LOG_BYTES)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let messages = console_messages(&read(&log)?);
    if !picture.is_file() {
        return Err(fail("it ended without a picture of the page".to_owned()));
    }
    let requests = page_requests(&read(&net_log)?).map_err(&fail)?;
    if let Some(target) = &view.screenshot {
        std::fs::copy(&picture, target)
            .map_err(|source| vaegis_core::CoreError::io("write", target, source))?;
    }
    let check = PageCheck {
        browser: browser.clone(),
        messages,
        requests,
    };
    Ok(BrowserOutcome::Checked(check))
}

fn command(browser: &Path, profile: &Path, net_log: &Path, picture: &Path, view: &View) -> Command {
    let with = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let scheme = if view.is_dark { 0 } else { 1 };
    let mut command = Command::new(browser);
    command
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
        ])
        .args([
            "--no-first-run",
            "--no-default-browser-check",
            "--disable-extensions",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
        ])
        .args([
            "--disable-sync",
            "--disable-default-apps",
            "--disable-dev-shm-usage",
        ])
        .args([
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
        ])
        .arg(with("user-data-dir", profile))
        .arg(with("log-net-log", net_log))
        .arg(with("screenshot", picture))
        .arg(format!("--window-size={},{}", view.width, view.height))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"));
    command
}

fn wait(child: &mut Child) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("it ended with {status}")),
            Ok(None) if start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(None) => {
                // It may have ended in between, which is just as well.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("it did not end within {} s", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("it cannot be waited for: {error}")),
        }
    }
}

/// A path as a URL: everything beyond letters, digits and a few marks is percent-encoded.
fn file_url(path: &Path) -> String {
    let mut url = String::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(*byte)),
            b if b.is_ascii_alphanumeric() => url.push(char::from(*b)),
            b => url.push_str(&format!("%{b:02X}")),
        }
    }
    url
}

/// The console lines of the browser's log; it does not tell their levels apart.
fn console_messages(log: &str) -> Vec<String> {
    let lines = log.lines().filter(|line| line.contains(":CONSOLE"));
    lines
        .map(|line| {
            line.split_once("] ")
                .map_or(line, |(_, text)| text)
                .to_owned()
        })
        .collect()
}

/// Addresses of the requests in a net log that a page initiated.
fn page_requests(log: &str) -> Result<Vec<String>, String> {
    let log: Value =
        serde_json::from_str(log).map_err(|error| format!("its net log is no JSON: {error}"))?;
    let start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
        .as_i64()
        .ok_or("its net log has no URL_REQUEST_START_JOB; another version of the format?")?;
    let events = log["events"]
        .as_array()
        .ok_or("its net log has no events")?;
    let mut out = Vec::new();
    for event in events
        .iter()
        .filter(|event| event["type"].as_i64() == Some(start))
    {
        let params = &event["params"];
        // The browser's own requests have no origin; a file's origin is opaque, written "null".
        let is_own = params["initiator"]
            .as_str()
            .is_none_or(|name| name == "not an origin");
        if let (false, Some(url)) = (is_own, params["url"].as_str()) {
            out.push(url.to_owned());
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_understood() {
        let log = "[1:1:0/0.1:WARNING:media.cc:1] not a message\n\
                   [1:1:0/0.1:INFO:CONSOLE:1] \"bad\", source: file:///a.html (1)\n";
        assert_eq!(
            console_messages(log),
            ["\"bad\", source: file:///a.html (1)"]
        );
        let net = r#"{"constants": {"logEventTypes": {"URL_REQUEST_START_JOB": 7}}, "events": [
            {"type": 7, "params": {"initiator": "not an origin", "url": "https://own.example/"}},
            {"type": 7, "params": {"initiator": "null", "url": "https://page.example/"}},
            {"type": 7, "params": {"net_error": -105}},
            {"type": 8, "params": {"initiator": "null", "url": "https://other.example/"}}]}"#;
        assert_eq!(
            page_requests(net).expect("a net log"),
            ["https://page.example/"]
        );
        assert!(page_requests("{}").is_err());
        assert_eq!(
            file_url(Path::new("/a b/ü.html")),
            "file:///a%20b/%C3%BC.html"
        );
    }
}
