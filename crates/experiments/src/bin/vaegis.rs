//! The vaegis program.
fn main() {}
