//! An audit in sentences. Every number is said with the definition of r-robustness that it is of.

use super::{Audit, InputAudit, OfVariant};
use crate::variants::{long_name, short_name};
use vaegis_attacks::Variant;
use vaegis_eval::certificate::{Certificate, LayerNorms};
use vaegis_eval::margin_summary::{BoundRelation, MarginSummary};
use vaegis_theory::evidence::Evidence;
use vaegis_theory::stats;

/// Why a number is compared with those of its own definition only.
pub(super) const NO_ORDER: &str = "Margins of different definitions have no general order: \
    moving the noise scale can help an attack or hinder it. Compare a bound or a certificate with \
    the margin of its own definition only.";

/// The median; NaN without values.
pub(super) fn median(values: &[f64]) -> f64 {
    stats::median(values).unwrap_or(f64::NAN)
}

/// How many of the numbers have each kind of evidence.
pub(super) fn kinds(all: impl IntoIterator<Item = Evidence>) -> String {
    let mut counts: Vec<(Evidence, usize)> = Vec::new();
    for evidence in all {
        match counts.iter_mut().find(|(kind, _)| *kind == evidence) {
            Some((_, count)) => *count += 1,
            None => counts.push((evidence, 1)),
        }
    }
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let word = |(kind, count): &(Evidence, usize)| format!("{kind} on {count} of {total} inputs");
    counts.iter().map(word).collect::<Vec<_>>().join(", ")
}

impl Audit {
    /// The findings in a few sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences: Vec<String> = Vec::new();
        let all = &self.summary.margins;
        sentences.extend(all.iter().map(|m| self.margin_sentence(m)));
        if all.len() > 1 {
            sentences.push(NO_ORDER.to_owned());
        }
        sentences.push(self.bound_sentence());
        sentences.extend(self.certificate_sentences());
        let random = &self.summary.random;
        sentences.push(format!(
            "A random direction, {}, takes {:.1} (median): compare it with the margin {} before \
             concluding from random noise that a network is robust.",
            long_name(random.variant),
            random.found.median,
            short_name(random.variant),
        ));
        sentences.push(format!(
            "An attack of norm {} that maximizes the damage {} moves the reconstruction by {:.2} \
             (median, {}), while the clean reconstruction itself is {:.2} away from its input.",
            self.damage.last().map_or(f64::NAN, |p| p.norm),
            short_name(self.options.margins.variant),
            median(&self.values(|i| i.channels.both)),
            long_name(Variant::Both),
            median(&self.values(|i| i.distortion)),
        ));
        let mut certificates = self.inputs.iter().flat_map(|i| &i.certificates);
        if certificates.any(|c| c.layer_norms == LayerNorms::MeasuredOnly) {
            sentences.push(
                "Some layer is not as orthonormal as the model promises. The certificates of all \
                 definitions use the measured norms and hold for this network as it is; the \
                 Lipschitz constants it was configured with do not: train longer, or freeze with \
                 more Björck steps."
                    .to_owned(),
            );
        }
        sentences.extend(all.iter().flat_map(|m| self.share_sentences(m)));
        sentences
    }

    fn margin_sentence(&self, margins: &OfVariant<MarginSummary>) -> String {
        let OfVariant { variant, found } = margins;
        format!(
            "Margin {}: under every attack tried, distortions of L2 norm up to {:.2} (median over \
             {} inputs; smallest {:.2}) leave the reconstruction within {} of the clean one with \
             probability above {}. The attacks are incomplete, so the true margin may be smaller.",
            long_name(*variant),
            found.median,
            found.num_inputs,
            found.minimum,
            self.options.margins.r,
            self.options.margins.m,
        )
    }

    fn bound_sentence(&self) -> String {
        let variant = super::OF_BOUNDS;
        let bounds = self.values(|i| i.bounds.found.confident.frobenius);
        let relation = self.beside_margins(variant, |i| Some(i.bounds.found.confident.frobenius));
        format!(
            "First-order bound B_F, {}: median {:.3}, with confidence {} per input. It holds \
             exactly where the encoder is affine, and is an indicator elsewhere: above the whole \
             bracket of the margin {} on {} of the {} inputs where it is positive and finite.",
            long_name(variant),
            median(&bounds),
            1.0 - self.options.alpha,
            short_name(variant),
            relation.num_below,
            relation.num_pairs,
        )
    }

    fn certificate_sentences(&self) -> Vec<String> {
        let variants = self.certified_variants();
        if variants.is_empty() {
            return vec![
                "Certificate: none by any definition, since the layers of this network are not \
                 fully connected."
                    .to_owned(),
            ];
        }
        let sentence = |&variant: &Variant| {
            let best = || self.certificates(variant).map(|c| c.best);
            let radii: Vec<f64> = best().map(|b| b.radius).collect();
            format!(
                "Certificate {}: median {:.2e}, largest {:.2e} ({}). No attack of a smaller norm \
                 can break r-robustness by this definition; ordinary networks get small ones.",
                long_name(variant),
                median(&radii),
                radii.iter().copied().fold(0.0, f64::max),
                kinds(best().map(|b| b.evidence)),
            )
        };
        variants.iter().map(sentence).collect()
    }

    /// What the margins of one definition leave open: zeros of two kinds, and the cap.
    fn share_sentences(&self, margins: &OfVariant<MarginSummary>) -> Vec<String> {
        let OfVariant { variant, found } = margins;
        let name = long_name(*variant);
        let mut sentences = Vec::new();
        let hopeless = found.share_not_robust;
        if hopeless > 0.0 {
            sentences.push(format!(
                "{name}: {:.0} % of the inputs are not r-robust even without an attack: the \
                 posterior's noise alone leaves the ball; a larger r is needed (median r_min of \
                 V1 and V2 {:.2}).",
                100.0 * hopeless,
                median(&self.values(|i| i.bounds.found.r_min.value)),
            ));
        }
        let broken = found.share_bracketed_at_zero;
        if broken > 0.0 {
            sentences.push(format!(
                "{name}: {:.0} % of the inputs are robust at rest but at no radius tried: their \
                 margin is below the tolerance {}.",
                100.0 * broken,
                self.options.margins.tolerance,
            ));
        }
        let capped = found.share_at_cap;
        if capped > 0.0 {
            sentences.push(format!(
                "{name}: {:.0} % of the inputs withstood every norm up to {}: their margin is only \
                 known to exceed what was tried.",
                100.0 * capped,
                self.options.margins.cap,
            ));
        }
        sentences
    }

    /// The definitions for which this network has certificates: the same for every input.
    pub(super) fn certified_variants(&self) -> Vec<Variant> {
        let first = self.inputs.first().into_iter();
        let all = first.flat_map(|input| &input.certificates);
        all.map(|c| c.variant).collect()
    }

    /// The certificates of every input for one definition.
    pub(super) fn certificates(&self, variant: Variant) -> impl Iterator<Item = &Certificate> {
        let inputs = self.inputs.iter();
        inputs.filter_map(move |input| input.certificate(variant))
    }

    /// Radii beside the margins of the same definition; no pairs where those were not searched for.
    pub(super) fn beside_margins(
        &self,
        variant: Variant,
        radius: impl Fn(&InputAudit) -> Option<f64>,
    ) -> BoundRelation {
        let inputs = self.inputs.iter();
        BoundRelation::of(
            inputs.filter_map(|input| Some((radius(input)?, &input.margin(variant)?.margin))),
        )
    }
}
