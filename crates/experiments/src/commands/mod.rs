//! The program's commands, one file each, and what several of them share.

pub mod attack;
pub mod attack_options;
mod attack_report;
pub mod audit;
pub mod data;
pub mod default;
pub mod machine;
pub mod margin;
pub mod margin_legacy;
mod margin_table;
pub mod model_folder;
pub mod radius_args;
pub mod run;
pub mod run_config;
pub mod show;
pub mod train;
