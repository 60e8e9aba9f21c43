//! Element-wise updates in one pass over memory, for contiguous tensors on the CPU.
//!
//! The moments, the parameter and the gradient are each read once and written once; the same
//! update by tensor operations moves about four times as many bytes. Every element is computed
//! alone, so the result does not depend on the number of threads.

use crate::{Device, Kind, Tensor};

/// The numbers of one Adam update.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdamStep {
    pub(super) beta1: f64,
    pub(super) beta2: f64,
    /// η / (1 − β₁ᵗ).
    pub(super) step_size: f64,
    /// √(1 − β₂ᵗ).
    pub(super) correction2_sqrt: f64,
    pub(super) eps: f64,
    /// Weight of the L2 term in the gradient.
    pub(super) l2: f64,
    /// Factor of the parameter before the update (decoupled decay).
    pub(super) shrink: f64,
}

/// Applies one Adam update in place; false if these tensors need the general path.
pub(super) fn adam(
    parameter: &mut Tensor,
    gradient: &Tensor,
    m: &mut Tensor,
    v: &mut Tensor,
    step: &AdamStep,
    scale: f64,
) -> bool {
    let kind = parameter.kind();
    let same = |t: &Tensor| {
        t.device() == Device::Cpu && t.kind() == kind && t.numel() == parameter.numel()
    };
    if ![&*parameter, gradient, m, v]
        .iter()
        .all(|t| same(t) && t.is_contiguous())
    {
        return false;
    }
    match kind {
        Kind::Float => adam_f32(
            slice_mut::<f32>(parameter),
            slice::<f32>(gradient),
            slice_mut::<f32>(m),
            slice_mut::<f32>(v),
            step,
            scale as f32,
        ),
        Kind::Double => adam_f64(
            slice_mut::<f64>(parameter),
            slice::<f64>(gradient),
            slice_mut::<f64>(m),
            slice_mut::<f64>(v),
            step,
            scale,
        ),
        _ => return false,
    }
    true
}

/// One loop per element kind; the constants are rounded to the kind once, before the loop.
///
/// It is compiled for AVX2 as well, since roots and quotients take most of the time where the
/// tensors are in the cache. Wider vectors round as narrow ones do: the bits are the same.
macro_rules! adam_loop {
    ($name:ident, $float:ty) => {
        fn $name(
            parameter: &mut [$float],
            gradient: &[$float],
            m: &mut [$float],
            v: &mut [$float],
            step: &AdamStep,
            scale: $float,
        ) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide(
                    parameter: &mut [$float],
                    gradient: &[$float],
                    m: &mut [$float],
                    v: &mut [$float],
                    step: &AdamStep,
                    scale: $float,
                ) {
                    body(parameter, gradient, m, v, step, scale);
                }
                if is_x86_feature_detected!("avx2") {
                    #[expect(unsafe_code, reason = "a safe function compiled for AVX2")]
                    // SAFETY: `wide` is a safe function whose only demand is AVX2, and the
                    // processor was just found to have it.
                    return unsafe { wide(parameter, gradient, m, v, step, scale) };
                }
            }
            body(parameter, gradient, m, v, step, scale);

            #[inline(always)]
            fn body(
                parameter: &mut [$float],
                gradient: &[$float],
                m: &mut [$float],
                v: &mut [$float],
                step: &AdamStep,
                scale: $float,
            ) {
                let one_minus_beta1 = (1.0 - step.beta1) as $float;
                let beta2 = step.beta2 as $float;
                let one_minus_beta2 = (1.0 - step.beta2) as $float;
                let step_size = step.step_size as $float;
                let correction2_sqrt = step.correction2_sqrt as $float;
                let (eps, l2, shrink) =
                    (step.eps as $float, step.l2 as $float, step.shrink as $float);
                // Slices of one length let the compiler drop the bound checks and use vectors.
                let n = parameter.len();
                let (gradient, m, v) = (&gradient[..n], &mut m[..n], &mut v[..n]);
                for i in 0..n {
                    let start = parameter[i] * shrink;
                    let g = gradient[i] * scale + start * l2;
                    m[i] += one_minus_beta1 * (g - m[i]);
                    v[i] = beta2 * v[i] + one_minus_beta2 * (g * g);
                    parameter[i] =
                        start - step_size * m[i] / (v[i].sqrt() / correction2_sqrt + eps);
                }
            }
        }
    };
}

adam_loop!(adam_f32, f32);
adam_loop!(adam_f64, f64);

/// The elements of a contiguous CPU tensor whose kind was checked by the caller.
#[expect(
    unsafe_code,
    reason = "tch offers no borrowed view of a tensor's elements"
)]
fn slice<T>(tensor: &Tensor) -> &[T] {
    if tensor.numel() == 0 {
        return &[];
    }
    // SAFETY: the caller checked that the tensor is on the CPU, contiguous and of kind `T`, so
    // its data pointer leads to `numel` initialized values that live as long as the tensor.
    unsafe {
        std::slice::from_raw_parts(tensor.data_ptr().cast::<T>().cast_const(), tensor.numel())
    }
}

/// The elements of a contiguous CPU tensor whose kind was checked by the caller, to write to.
#[expect(
    unsafe_code,
    reason = "tch offers no borrowed view of a tensor's elements"
)]
fn slice_mut<T>(tensor: &mut Tensor) -> &mut [T] {
    if tensor.numel() == 0 {
        return &mut [];
    }
    // SAFETY: as in `slice`; the moments belong to the optimizer alone, a gradient never shares
    // storage with a parameter, and nothing else reads a parameter while `apply` runs on this
    // thread, so the slices do not overlap.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<T>(), tensor.numel()) }
}
