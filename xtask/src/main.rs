//! Developer and reproduction commands.
fn main() {}
