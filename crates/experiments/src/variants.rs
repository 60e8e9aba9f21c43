//! What the definitions of r-robustness are called in tables and sentences.
//!
//! Not for files that programs read: there a variant has the name by which it is stored.

use vaegis_attacks::Variant;

/// Short name of a variant in tables.
pub(crate) fn short_name(variant: Variant) -> &'static str {
    match variant {
        Variant::MeanOnly => "V1",
        Variant::Both => "V2",
        Variant::TwoSample => "V3",
        Variant::SigmaOnly => "σ only",
    }
}

/// Name of a variant with what it perturbs, for readers who do not know the numbers. It has no
/// comma, so that a heading of a CSV file needs no quotes.
pub(crate) fn long_name(variant: Variant) -> &'static str {
    match variant {
        Variant::MeanOnly => "V1 (mean only)",
        Variant::Both => "V2 (mean and noise scale)",
        Variant::TwoSample => "V3 (two samples)",
        Variant::SigmaOnly => "σ only (noise scale)",
    }
}
