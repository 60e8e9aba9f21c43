//! Encoder noise, likelihood and ELBO against β.

use crate::RunCtx;
use crate::page::Page;
use anyhow::{Result, bail};

/// Draws and judges it.
pub(super) fn draw(_ctx: &RunCtx, id: &str, _page: &mut Page) -> Result<()> {
    bail!("{id} is being written")
}
