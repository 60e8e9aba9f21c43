//! What the scalar laws of a location and a scale share: construction, access to the parameters,
//! and a center that is both mean and mode. Their densities, noise and divergences are their own.

/// Implements constructors and accessors for a law with the fields `loc`, `scale` and `log_scale`,
/// and its mean and mode at the location. `$scale` documents the scale.
macro_rules! location_scale {
    ($law:ident, $scale:literal) => {
        impl $law {
            /// The law with this location and scale.
            ///
            /// # Shapes
            /// loc, scale: broadcast to `batch_shape`
            ///
            /// # Errors
            /// Parameters that are not finite floats of one kind and device, that do not
            /// broadcast, or a scale that is not positive.
            pub fn new(loc: &Tensor, scale: &Tensor) -> Result<Self, DistError> {
                const OP: &str = concat!(stringify!($law), "::new");
                check::finite(OP, "loc", loc)?;
                check::positive(OP, "scale", scale)?;
                let (loc, scale) = check::broadcast(OP, loc, "scale", scale)?;
                let log_scale = scale.log();
                Ok(Self {
                    loc,
                    scale,
                    log_scale,
                })
            }

            /// The law with this location and log scale, which networks produce.
            ///
            /// # Shapes
            /// loc, log_scale: broadcast to `batch_shape`
            ///
            /// # Errors
            /// Parameters that are not finite floats of one kind and device, that do not
            /// broadcast, or a scale that overflows or underflows.
            pub fn from_log_scale(loc: &Tensor, log_scale: &Tensor) -> Result<Self, DistError> {
                const OP: &str = concat!(stringify!($law), "::from_log_scale");
                check::finite(OP, "loc", loc)?;
                check::finite(OP, "log_scale", log_scale)?;
                let (loc, log_scale) = check::broadcast(OP, loc, "log_scale", log_scale)?;
                let scale = log_scale.exp();
                check::positive(OP, "exp(log_scale)", &scale)?;
                Ok(Self {
                    loc,
                    scale,
                    log_scale,
                })
            }

            /// The location, `batch_shape`.
            pub fn loc(&self) -> &Tensor {
                &self.loc
            }

            #[doc = $scale]
            pub fn scale(&self) -> &Tensor {
                &self.scale
            }

            /// Logarithm of the scale, `batch_shape`.
            pub fn log_scale(&self) -> &Tensor {
                &self.log_scale
            }

            /// (x − loc)/scale.
            fn standardize(&self, value: &Tensor) -> Tensor {
                check::assert_value(stringify!($law), value, &self.loc.size(), &[]);
                (value - &self.loc) / &self.scale
            }
        }

        impl Mean for $law {
            fn mean(&self) -> Tensor {
                self.loc.shallow_clone()
            }
        }

        impl Mode for $law {
            fn mode(&self) -> Tensor {
                self.loc.shallow_clone()
            }
        }
    };
}

pub(crate) use location_scale;
