//! Special functions with both tails kept accurate.
//!
//! For: the normal, chi-square, beta, binomial and Student distributions as they enter bounds and
//! intervals. Arguments outside the domain give NaN, as in `std`. Not for sampling.

mod beta;
mod gamma;
mod normal;
mod saddle;

pub use beta::{
    beta_inc, beta_inc_inverse, beta_inc_upper, binomial_cdf, binomial_sf, student_t_quantile,
};
pub use gamma::{
    chi2_cdf, chi2_quantile, chi2_sf, gamma_inc, gamma_inc_upper, noncentral_chi2_cdf,
};
pub use normal::{normal_cdf, normal_pdf, normal_sf, probit, probit_from_failures};

pub(crate) use saddle::last_false_first_true;
