//! Downloads against a server on this machine: resume, damage, sizes, schemes.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vaegis_core::hash::sha256_hex;
use vaegis_data::DataError;
use vaegis_data::fetch::{Progress, STALL, fetch, fetch_file};
use vaegis_data::registry::{Checksum, FileSpec};

/// How the server answers.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Honors ranges.
    Good,
    /// Ignores ranges and always sends everything.
    Whole,
    /// Cuts every answer off after this many bytes.
    Breaks(usize),
    /// Sends this many bytes of every answer and then nothing, over a connection that stays open.
    Stalls(usize),
    /// Answers 404.
    Absent,
    /// Redirects to another scheme.
    Redirect,
}

struct Server {
    url: &'static str,
    /// The first byte asked for by each request.
    ranges: Arc<Mutex<Vec<usize>>>,
}

fn serve(content: Vec<u8>, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let ranges = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&ranges);
    std::thread::spawn(move || {
        // Kept, so that they stay open.
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut start = 0;
            for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
                if let Some(range) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                    start = range.trim_end_matches('-').parse().expect("a number");
                }
            }
            log.lock().expect("log").push(start);
            let total = content.len();
            let (head, body) = match manner {
                Manner::Absent => ("HTTP/1.1 404 Not Found".to_owned(), &[][..]),
                Manner::Redirect => (
                    "HTTP/1.1 302 Found\r\nLocation: http://example.org/".to_owned(),
                    &[][..],
                ),
                Manner::Whole => ("HTTP/1.1 200 OK".to_owned(), &content[..]),
                _ if start > 0 && start >= total => {
                    ("HTTP/1.1 416 Range Not Satisfiable".to_owned(), &[][..])
                }
                _ if start > 0 => {
                    let range = format!("bytes {start}-{}/{total}", total - 1);
                    let head = format!("HTTP/1.1 206 Partial Content\r\nContent-Range: {range}");
                    (head, &content[start..])
                }
                _ => ("HTTP/1.1 200 OK".to_owned(), &content[..]),
            };
            let length = body.len();
            let sent = match manner {
                Manner::Breaks(n) | Manner::Stalls(n) => n.min(length),
                _ => length,
            };
            let head = format!("{head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            // The client may hang up first, for instance when the file is too long.
            let _ = stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body[..sent]));
            if matches!(manner, Manner::Stalls(_)) {
                silent.push(stream);
            }
        }
    });
    let url = format!("http://127.0.0.1:{port}/file.bin");
    Server {
        url: Box::leak(url.into_boxed_str()),
        ranges,
    }
}

fn content() -> Vec<u8> {
    (0..300_000_u32)
        .map(|i| (i.wrapping_mul(i) % 253) as u8)
        .collect()
}

fn spec(url: &'static str, content: &[u8]) -> FileSpec {
    let digest: &'static str = Box::leak(sha256_hex(content).into_boxed_str());
    let urls: &'static [&'static str] = Box::leak(vec![url].into_boxed_slice());
    FileSpec {
        path: "set/file.bin",
        bytes: Some(content.len() as u64),
        checksum: Checksum::Sha256(digest),
        urls,
    }
}

fn names(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(root.join("set"))
        .expect("folder")
        .map(|e| e.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn get(file: &FileSpec, root: &Path) -> Result<(), DataError> {
    fetch_file(file, root, STALL, &mut |_| {}).map(drop)
}

#[test]
fn a_whole_download_is_checked_reported_and_not_repeated() {
    let dir = tempfile::tempdir().expect("temp folder");
    let server = serve(content(), Manner::Good);
    let file = spec(server.url, &content());
    let mut last = 0;
    let mut report = |p: &Progress<'_>| {
        assert!(p.done > last && p.total == Some(300_000));
        last = p.done;
    };
    let path = fetch_file(&file, dir.path(), STALL, &mut report).expect("fetches");
    assert_eq!(last, 300_000);
    assert_eq!(std::fs::read(path).expect("reads"), content());
    get(&file, dir.path()).expect("already there");
    assert_eq!(*server.ranges.lock().expect("log"), [0]);
    assert_eq!(names(dir.path()), ["file.bin"]);
}

#[test]
fn an_interrupted_download_resumes_where_it_stopped() {
    let dir = tempfile::tempdir().expect("temp folder");
    std::fs::create_dir(dir.path().join("set")).expect("makes");
    std::fs::write(dir.path().join("set/file.bin.part"), &content()[..123_456]).expect("writes");
    let server = serve(content(), Manner::Good);
    let file = spec(server.url, &content());
    get(&file, dir.path()).expect("resumes");
    assert_eq!(*server.ranges.lock().expect("log"), [123_456]);
    assert_eq!(names(dir.path()), ["file.bin"]);
}

#[test]
fn broken_connections_are_continued_and_progress_is_kept() {
    let dir = tempfile::tempdir().expect("temp folder");
    let server = serve(content(), Manner::Breaks(80_000));
    let file = spec(server.url, &content());
    get(&file, dir.path()).expect("four pieces");
    let ranges = server.ranges.lock().expect("log").clone();
    assert_eq!(ranges, [0, 80_000, 160_000, 240_000]);
    let small = serve(content(), Manner::Breaks(10_000));
    let other = tempfile::tempdir().expect("temp folder");
    let error = get(&spec(small.url, &content()), other.path()).expect_err("too many pieces");
    assert!(error.to_string().contains("resumes"), "{error}");
    let kept = std::fs::metadata(other.path().join("set/file.bin.part"))
        .expect("part")
        .len();
    assert!(kept >= 10_000);
}

#[test]
fn a_silent_server_is_given_up_and_continued() {
    // Far above what a busy machine needs to answer itself, far below a test's patience.
    let stall = Duration::from_millis(500);
    let fetch_from = |server: &Server, root: &Path| {
        fetch_file(&spec(server.url, &content()), root, stall, &mut |_| {}).map(drop)
    };
    let dir = tempfile::tempdir().expect("temp folder");
    let server = serve(content(), Manner::Stalls(100_000));
    fetch_from(&server, dir.path()).expect("three pieces");
    assert_eq!(*server.ranges.lock().expect("log"), [0, 100_000, 200_000]);
    assert_eq!(names(dir.path()), ["file.bin"]);
    // Nothing at all arrives: an error soon, not a wait for ever.
    let other = tempfile::tempdir().expect("temp folder");
    let start = Instant::now();
    let error = fetch_from(&serve(content(), Manner::Stalls(0)), other.path());
    let text = error.expect_err("silent").to_string();
    assert!(text.contains("resumes"), "{text}");
    assert!(start.elapsed() < 20 * stall, "{:?}", start.elapsed());
}

#[test]
fn a_server_without_ranges_and_a_spoiled_part_are_survived() {
    for manner in [Manner::Whole, Manner::Good] {
        let dir = tempfile::tempdir().expect("temp folder");
        std::fs::create_dir(dir.path().join("set")).expect("makes");
        std::fs::write(dir.path().join("set/file.bin.part"), vec![9; 1000]).expect("writes");
        let server = serve(content(), manner);
        get(&spec(server.url, &content()), dir.path()).expect("starts over");
        assert_eq!(names(dir.path()), ["file.bin"]);
    }
}

#[test]
fn wrong_files_are_never_kept() {
    let mut flipped = content();
    flipped[1000] ^= 1;
    let mut longer = content();
    longer.push(0);
    for (served, word) in [(flipped, "sha256"), (longer, "more")] {
        let dir = tempfile::tempdir().expect("temp folder");
        let server = serve(served, Manner::Good);
        let error = get(&spec(server.url, &content()), dir.path())
            .expect_err(word)
            .to_string();
        assert!(
            error.contains(word) && error.contains("nothing was kept"),
            "{error}"
        );
        assert!(names(dir.path()).is_empty());
    }
}

#[test]
fn bad_answers_and_bad_schemes_are_refused() {
    let dir = tempfile::tempdir().expect("temp folder");
    let absent = serve(content(), Manner::Absent);
    let error = get(&spec(absent.url, &content()), dir.path())
        .expect_err("404")
        .to_string();
    assert!(error.contains("404"), "{error}");
    let redirect = serve(content(), Manner::Redirect);
    assert!(get(&spec(redirect.url, &content()), dir.path()).is_err());
    for url in [
        "http://example.org/x",
        "http://127.0.0.1.example.org/x",
        "ftp://x/y",
        "file:///x",
    ] {
        let error = get(&spec(url, &content()), dir.path())
            .expect_err(url)
            .to_string();
        assert!(error.contains("https"), "{error}");
    }
    assert!(names(dir.path()).is_empty());
}

#[test]
fn sets_without_addresses_say_where_to_get_them() {
    let dir = tempfile::tempdir().expect("temp folder");
    let error = fetch("optdigits", dir.path(), &mut |_| {})
        .expect_err("no address")
        .to_string();
    assert!(error.contains("archive.ics.uci.edu"), "{error}");
    let error = fetch("sprites", dir.path(), &mut |_| {})
        .expect_err("generated")
        .to_string();
    assert!(error.contains("needs no files"), "{error}");
    assert!(fetch("nothing", dir.path(), &mut |_| {}).is_err());
}
