//! One Python process per script, spoken to in lines of JSON.

use crate::Setting;
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use vaegis_tensor::{Tensor, checkpoint};

/// A running script; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Python {
    child: Child,
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
    script: &'static str,
}

impl Python {
    /// Starts a script of this folder and waits until it is ready.
    pub(crate) fn start(setting: &Setting, script: &'static str) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("peers")
            .join(script);
        let threads = setting.threads.to_string();
        let mut child = Command::new(&setting.python)
            .arg("-B")
            .arg(path)
            .arg(&threads)
            .env("OMP_NUM_THREADS", &threads)
            .env("MKL_NUM_THREADS", &threads)
            .env("OPENBLAS_NUM_THREADS", &threads)
            // Our libtorch must not get into the peer's process.
            .env_remove("LD_LIBRARY_PATH")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", setting.python.display()))?;
        let requests = child.stdin.take();
        let replies = child.stdout.take().context("the script's output")?;
        let mut python = Self {
            child,
            requests,
            replies: BufReader::new(replies),
            script,
        };
        python.read()?;
        Ok(python)
    }

    /// Sends a request and waits for the reply.
    pub(crate) fn ask(&mut self, request: &Value) -> Result<Value> {
        let requests = self.requests.as_mut().context("the script's input")?;
        writeln!(requests, "{request}")
            .and_then(|()| requests.flush())
            .with_context(|| format!("{} does not listen", self.script))?;
        self.read()
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.replies.read_line(&mut line)?;
        reply(&line).with_context(|| {
            format!(
                "{} failed (is the environment that of benches/peers/requirements.txt?)",
                self.script
            )
        })
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The script ends when its input does.
        self.requests = None;
        let _ = self.child.wait();
    }
}

/// A line as a reply; an error that the script reports is one here.
fn reply(line: &str) -> Result<Value> {
    if line.is_empty() {
        bail!("the script ended without a reply");
    }
    let value: Value = serde_json::from_str(line).with_context(|| format!("reading {line:?}"))?;
    if let Some(error) = value.get("error") {
        bail!("{}", error.as_str().unwrap_or("an error without text"));
    }
    Ok(value)
}

/// A number of a reply.
pub(crate) fn number(reply: &Value, name: &str) -> Result<f64> {
    reply[name]
        .as_f64()
        .with_context(|| format!("the reply has no number {name:?}"))
}

/// A list of numbers of a reply.
pub(crate) fn numbers(reply: &Value, name: &str) -> Result<Vec<f64>> {
    let list = reply[name].as_array();
    let numbers = list.and_then(|list| list.iter().map(Value::as_f64).collect());
    numbers.with_context(|| format!("the reply has no list of numbers {name:?}"))
}

/// Writes tensors for a script to read, and returns the path as text.
pub(crate) fn hand_over(
    setting: &Setting,
    file: &str,
    tensors: &[(String, Tensor)],
) -> Result<String> {
    let path = setting.exchange.path().join(file);
    checkpoint::save(&path, tensors, &json!({}))?;
    Ok(path.display().to_string())
}

/// Reads one tensor that a script has written.
pub(crate) fn take_over(path: &str, name: &str) -> Result<Tensor> {
    let (tensors, _) = checkpoint::load(Path::new(path), checkpoint::Limits::default())?;
    let found = tensors.into_iter().find(|(found, _)| found == name);
    Ok(found
        .with_context(|| format!("{path} has no tensor {name:?}"))?
        .1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_one_line_of_json() {
        let value = reply("{\"seconds\": [1.5, 2], \"threads\": 1}\n").expect("a reply");
        assert_eq!(numbers(&value, "seconds").expect("numbers"), [1.5, 2.0]);
        assert_eq!(number(&value, "threads").expect("a number"), 1.0);
        assert!(number(&value, "seconds").is_err() && numbers(&value, "threads").is_err());
    }

    #[test]
    fn failures_carry_the_scripts_words() {
        let error = reply("{\"error\": \"ValueError: no such pair\"}").expect_err("an error");
        assert!(error.to_string().contains("no such pair"));
        assert!(
            reply("")
                .expect_err("nothing")
                .to_string()
                .contains("ended")
        );
        assert!(reply("Traceback").is_err());
    }
}
