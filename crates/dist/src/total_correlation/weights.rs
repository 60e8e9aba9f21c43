//! Which weight each posterior of the batch has in the estimate of the aggregate posterior.

use vaegis_tensor::pairwise::LogWeights;

/// How the posteriors of a batch stand for the aggregate posterior of N data points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Estimator {
    /// Weight 1/(N M) for all M posteriors of a batch that contains the sample's own: a lower
    /// bound on log q(z) in expectation, biased.
    MinibatchWeighted,
    /// Weights 1/N for the sample's own posterior, (N−M)/(N M) for its right neighbor and 1/M for
    /// the rest of a batch of M + 1: unbiased for q(z) over batches drawn without replacement.
    Stratified,
    /// What is copied from code to code under the name of [`Estimator::Stratified`], and is wrong:
    /// a stride of M + 1 in place of M + 2 puts the own weight into column 0 and the neighbor's
    /// into column 1, and one row does not sum to one. Only for comparison with numbers that were
    /// published with it.
    StratifiedCompat,
    /// Weight 1/M: the batch is the whole data set. Exact up to the sampling of z.
    Full,
}

/// What a minibatch estimate adds to the quantity it stands for; see [`Estimator::offsets`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offsets {
    /// To subtract from the mutual information.
    pub mutual_information: f64,
    /// To subtract from the total correlation.
    pub total_correlation: f64,
    /// To subtract from the dimension-wise KL.
    pub dimension_wise: f64,
}

impl Estimator {
    /// The weights as the routine takes them.
    ///
    /// # Shapes
    /// one row per sample, one column per posterior
    ///
    /// # Panics
    /// If the data set is not finite or smaller than the batch, if a batch estimator gets other
    /// than one sample per posterior or a stratified one fewer than two posteriors, or if `Full`
    /// is asked for a data set that is not the batch.
    pub fn log_weights(
        self,
        num_samples: i64,
        num_posteriors: i64,
        dataset_size: f64,
    ) -> LogWeights {
        let batch = num_posteriors as f64;
        assert!(
            dataset_size.is_finite() && dataset_size >= batch,
            "the data set of {dataset_size} must hold the batch of {num_posteriors}"
        );
        if self == Self::Full {
            assert!(
                dataset_size <= batch,
                "the full estimate needs all {dataset_size} posteriors, found {num_posteriors}; \
                 go through them with FullData"
            );
            return LogWeights::uniform(-batch.ln());
        }
        assert_eq!(
            num_samples, num_posteriors,
            "a batch estimate needs one sample of each posterior"
        );
        if self == Self::MinibatchWeighted {
            return LogWeights::uniform(-(dataset_size * batch).ln());
        }
        assert!(num_posteriors > 1, "stratified weights need two posteriors");
        let others = batch - 1.0;
        let own = -dataset_size.ln();
        let neighbor = ((dataset_size - others) / (dataset_size * others)).ln();
        let size = usize::try_from(num_posteriors).expect("invariant: positive");
        let exceptions = (0..size).map(|k| match self {
            Self::Stratified => [((k + 1) % size, neighbor), (k, own)],
            // The penultimate row is patched once more, on the wrong place.
            _ if k + 2 == size => [(0, neighbor), (1, neighbor)],
            _ => [(0, own), (1, neighbor)],
        });
        LogWeights::with_exceptions(-others.ln(), exceptions.collect())
    }

    /// The constants that the estimates of d coordinates carry at full batch: subtract them before
    /// reporting.
    ///
    /// # Formula
    /// ```text
    /// minibatch weighted: MI + log N,  TC + (d−1) log N,  DW − d log N
    /// others: none
    /// ```
    /// For batches smaller than the data set the gap of the total correlation may be larger or
    /// smaller; report [`Estimator::Full`] instead where the data set is at hand.
    pub fn offsets(self, dataset_size: f64, num_coordinates: i64) -> Offsets {
        let log_size = match self {
            Self::MinibatchWeighted => dataset_size.ln(),
            Self::Stratified | Self::StratifiedCompat | Self::Full => 0.0,
        };
        let d = num_coordinates as f64;
        Offsets {
            mutual_information: log_size,
            total_correlation: (d - 1.0) * log_size,
            dimension_wise: -d * log_size,
        }
    }
}
