//! The program's commands, one file each.

pub mod data;
pub mod run;
