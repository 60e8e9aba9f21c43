//! The pinned wheels, and the small part of Python's requirement syntax that
//! is needed to check that the pins are what PyTorch itself asks for.
//!
//! Knows names, versions and hashes; downloads nothing.

use anyhow::{Context, Result, bail, ensure};

/// The PyTorch release that the pinned tch is built against.
pub(crate) const VERSION: &str = "2.11.0";

const TABLE: &str = include_str!("wheels.txt");

/// Requirements of the torch wheel that only its Python side uses: the
/// compiler of `torch.compile`, and bindings that torch imports.
const PYTHON_ONLY: [&str; 2] = ["triton", "cuda-bindings"];

/// Which of the two folders is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    /// What is linked: the processor's kernels and the headers.
    Cpu,
    /// What the program opens at run time when a CUDA device is asked for.
    Cuda,
}

impl Variant {
    /// Name of the folder in the cache.
    pub(crate) fn folder(self) -> String {
        match self {
            Self::Cpu => format!("{VERSION}-cpu"),
            Self::Cuda => format!("{VERSION}-cuda"),
        }
    }
}

/// One wheel that is downloaded as a whole and unpacked in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wheel {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    unpacked_cpu: u64,
    unpacked_cuda: u64,
}

impl Wheel {
    /// Bytes that unpacking writes.
    pub(crate) fn unpacked(&self, variant: Variant) -> u64 {
        match variant {
            Variant::Cpu => self.unpacked_cpu,
            Variant::Cuda => self.unpacked_cuda,
        }
    }

    /// The line of a requirements file, with the hash that pip must find.
    pub(crate) fn requirement(&self) -> String {
        format!(
            "{}=={} --hash=sha256:{}\n",
            self.name, self.version, self.sha256
        )
    }

    /// How the file name of the wheel begins.
    pub(crate) fn file_prefix(&self) -> String {
        format!("{}-{}-", self.name.replace('-', "_"), self.version)
    }
}

/// The wheels of a variant, smallest first, so that mistakes show early.
pub(crate) fn wheels(variant: Variant) -> Result<Vec<Wheel>> {
    let all = parse_table(TABLE)?;
    let wanted = |wheel: &Wheel| match variant {
        Variant::Cpu => wheel.unpacked_cpu > 0,
        Variant::Cuda => true,
    };
    Ok(all.into_iter().filter(wanted).collect())
}

fn parse_table(text: &str) -> Result<Vec<Wheel>> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(parse_pin)
        .collect()
}

fn parse_pin(line: &str) -> Result<Wheel> {
    let context = || format!("wheels.txt: not `name==version | bytes | cpu cuda | sha256`: {line}");
    let columns: Vec<&str> = line.split('|').map(str::trim).collect();
    let [requirement, bytes, unpacked, sha256] = columns[..] else {
        bail!(context())
    };
    let (name, version) = requirement.split_once("==").with_context(context)?;
    let (cpu, cuda) = unpacked.split_once(' ').with_context(context)?;
    ensure!(
        sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit()),
        context()
    );
    Ok(Wheel {
        name: name.to_owned(),
        version: version.to_owned(),
        bytes: bytes.parse().with_context(context)?,
        sha256: sha256.to_owned(),
        unpacked_cpu: cpu.trim().parse().with_context(context)?,
        unpacked_cuda: cuda.trim().parse().with_context(context)?,
    })
}

/// One `Requires-Dist` line of a wheel's METADATA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) name: String,
    pub(crate) extras: Vec<String>,
    pub(crate) specifier: String,
    pub(crate) marker: String,
}

impl Requirement {
    /// Parses `name[extra,..]specifier; marker`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (head, marker) = text.split_once(';').unwrap_or((text, ""));
        let head = head.trim();
        let end = head.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        let (name, rest) = head.split_at(end.unwrap_or(head.len()));
        ensure!(!name.is_empty(), "a requirement without a name: {text:?}");
        let rest = rest.trim();
        let (extras, specifier) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (extras, specifier) = rest
                    .split_once(']')
                    .with_context(|| format!("`[` without `]`: {text:?}"))?;
                (
                    extras.split(',').map(|e| e.trim().to_owned()).collect(),
                    specifier,
                )
            }
            None => (Vec::new(), rest),
        };
        Ok(Self {
            // Names compare without regard to case and to the kind of dash.
            name: name.to_lowercase().replace(['_', '.'], "-"),
            extras,
            specifier: specifier.trim().trim_matches(['(', ')']).to_owned(),
            marker: marker.trim().replace('"', "'"),
        })
    }

    /// Whether it applies on Linux, given the extras that were asked for.
    fn applies(&self, extras: &[String]) -> bool {
        let other_system = ["'Windows'", "'Darwin'"]
            .iter()
            .any(|s| self.marker.contains(s));
        let extra = match self.marker.split_once("extra ==") {
            None => true,
            Some((_, wanted)) => {
                let wanted = wanted.trim().trim_matches(['\'', ')', ' ']);
                extras.iter().any(|extra| extra == wanted)
            }
        };
        extra && !other_system
    }

    /// Whether a version meets `==a.b.c` or `==a.b.*`; other operators are
    /// not used where this is called, and count as not met.
    fn accepts(&self, version: &str) -> bool {
        match self.specifier.strip_prefix("==").map(str::trim) {
            None => false,
            Some(wanted) => match wanted.strip_suffix(".*") {
                None => wanted == version,
                Some(prefix) => {
                    version == prefix
                        || version
                            .strip_prefix(prefix)
                            .is_some_and(|r| r.starts_with('.'))
                }
            },
        }
    }
}

/// The `Requires-Dist` lines of a METADATA file that apply on Linux.
pub(crate) fn linux_requirements(metadata: &str, extras: &[String]) -> Result<Vec<Requirement>> {
    let header = metadata.lines().take_while(|line| !line.is_empty());
    let lines = header.filter_map(|line| line.strip_prefix("Requires-Dist:"));
    let parsed: Result<Vec<_>> = lines.map(Requirement::parse).collect();
    Ok(parsed?
        .into_iter()
        .filter(|requirement| requirement.applies(extras))
        .collect())
}

/// Checks that the pins are complete for the CUDA libraries that `torch`
/// requires, directly and through the collection named `cuda-toolkit`.
///
/// Without this a new release could bring a new library, the install would
/// look fine, and opening the backend would fail on the user's machine.
pub(crate) fn check_cuda_pins(torch: &str, toolkit: &str, pins: &[Wheel]) -> Result<()> {
    let gpu = |r: &Requirement| r.name.starts_with("nvidia-") || r.name.starts_with("cuda-");
    let direct = linux_requirements(torch, &[])?;
    let mut needed: Vec<Requirement> = direct
        .into_iter()
        .filter(|r| gpu(r) && !PYTHON_ONLY.contains(&r.name.as_str()))
        .collect();
    let collection = needed.iter().find(|r| r.name == "cuda-toolkit").cloned();
    if let Some(collection) = collection {
        needed.extend(linux_requirements(toolkit, &collection.extras)?);
    }
    ensure!(
        !needed.is_empty(),
        "the torch wheel requires no CUDA library; is it a CPU-only build?"
    );
    for requirement in needed {
        let Some(pin) = pins.iter().find(|pin| pin.name == requirement.name) else {
            bail!(
                "torch requires {}, which wheels.txt does not pin; add it",
                requirement.name
            );
        };
        ensure!(
            requirement.accepts(&pin.version),
            "torch requires {}{}, but wheels.txt pins {}",
            requirement.name,
            requirement.specifier,
            pin.version
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    /// Lines as they stand in the METADATA of the two wheels.
    const TORCH: &str = "\
Metadata-Version: 2.1
Requires-Dist: filelock
Requires-Dist: cuda-toolkit[cudart,nvtx]==13.0.2; platform_system == \"Linux\"
Requires-Dist: cuda-bindings<14,>=13.0.3; platform_system == \"Linux\"
Requires-Dist: nvidia-cudnn-cu13==9.19.0.56; platform_system == \"Linux\"
Requires-Dist: triton==3.6.0; platform_system == \"Linux\"
Requires-Dist: optree>=0.13.0; extra == \"optree\"

Requires-Dist: this is the description, no header
";
    const TOOLKIT: &str = "\
Requires-Dist: nvidia-npp==13.0.1.2.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'npp'
Requires-Dist: nvidia-cuda-runtime==13.0.96.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'cudart'
Requires-Dist: nvidia-nvtx==13.0.85.*; (sys_platform == 'linux' or sys_platform == 'win32') and extra == 'nvtx'
";

    #[test]
    fn the_shipped_table_is_complete() {
        let cpu = wheels(Variant::Cpu).unwrap();
        let names: Vec<_> = cpu.iter().map(|w| w.name.as_str()).collect();
        assert_eq!(names, ["nvidia-cuda-runtime", "nvidia-cuda-cupti", "torch"]);
        let cuda = wheels(Variant::Cuda).unwrap();
        assert!(
            cuda.windows(2).all(|pair| pair[0].bytes <= pair[1].bytes),
            "not smallest first"
        );
        assert!(
            cuda.iter()
                .any(|w| w.name == "torch" && w.version == VERSION)
        );
        check_cuda_pins(TORCH, TOOLKIT, &cuda).unwrap();
    }

    #[test]
    fn a_damaged_line_is_refused_with_the_line() {
        for line in [
            "torch==1",
            "torch 1 | 1 | 0 0 | ff",
            "torch==1 | x | 0 0 | ff",
        ] {
            let error = parse_table(line).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }

    #[test]
    fn requirements_are_taken_apart() {
        let r =
            Requirement::parse("Cuda_Toolkit[cublas, nvtx]==13.0.2; platform_system == \"Linux\"");
        let r = r.unwrap();
        assert_eq!(r.name, "cuda-toolkit");
        assert_eq!(r.extras, ["cublas", "nvtx"]);
        assert_eq!(r.specifier, "==13.0.2");
        assert_eq!(r.marker, "platform_system == 'Linux'");
        let r = Requirement::parse("jinja2 (>=3)").unwrap();
        assert_eq!((r.name.as_str(), r.specifier.as_str()), ("jinja2", ">=3"));
        assert!(Requirement::parse("[x]==1").is_err());
        assert!(Requirement::parse("a[x==1").is_err());
    }

    #[test]
    fn markers_select_linux_and_extras() {
        let extras = ["cudart".to_owned()];
        let names = |text: &str, extras: &[String]| -> Vec<String> {
            linux_requirements(text, extras)
                .unwrap()
                .into_iter()
                .map(|r| r.name)
                .collect()
        };
        assert_eq!(names(TOOLKIT, &extras), ["nvidia-cuda-runtime"]);
        assert!(names(TOOLKIT, &[]).is_empty());
        assert!(!names(TORCH, &[]).contains(&"optree".to_owned()));
        assert!(names("Requires-Dist: a==1; platform_system == \"Windows\"", &[]).is_empty());
    }

    #[test]
    fn versions_match_exactly_or_below_a_star() {
        let accepts = |specifier: &str, version: &str| {
            Requirement::parse(&format!("a{specifier}"))
                .unwrap()
                .accepts(version)
        };
        assert!(
            accepts("==1.2", "1.2") && accepts("==1.2.*", "1.2") && accepts("==1.2.*", "1.2.3")
        );
        assert!(!accepts("==1.2", "1.2.3") && !accepts("==1.2.*", "1.23") && !accepts(">=1", "1"));
    }

    #[test]
    fn a_missing_or_different_pin_is_named() {
        let mut pins = wheels(Variant::Cuda).unwrap();
        pins.retain(|pin| pin.name != "nvidia-nvtx");
        let error = check_cuda_pins(TORCH, TOOLKIT, &pins)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("nvidia-nvtx") && error.contains("wheels.txt"),
            "{error}"
        );
        let mut pins = wheels(Variant::Cuda).unwrap();
        for pin in &mut pins {
            pin.version = "1".to_owned();
        }
        assert!(check_cuda_pins(TORCH, TOOLKIT, &pins).is_err());
    }
}
