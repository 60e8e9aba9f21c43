//! ndarray to tensor and back. Always a copy: a tensor may outlive the array and the other way
//! round.

use crate::{Device, Kind, Tensor, TensorError};
use ndarray::{ArrayBase, ArrayD, Data, Dimension};

/// An element type that both sides know.
pub trait Element: Copy + tch::kind::Element {}

impl Element for f32 {}
impl Element for f64 {}
impl Element for i64 {}
impl Element for u8 {}

/// The array as a CPU tensor of the same shape and kind.
///
/// # Shapes
/// array: any → the same
pub fn to_tensor<T: Element, S: Data<Elem = T>, D: Dimension>(array: &ArrayBase<S, D>) -> Tensor {
    let shape: Vec<i64> = array
        .shape()
        .iter()
        .map(|&n| i64::try_from(n).expect("invariant: sizes fit"))
        .collect();
    let standard = array.as_standard_layout();
    let slice = standard
        .as_slice()
        .expect("invariant: standard layout is contiguous");
    Tensor::from_slice(slice).reshape(&shape[..])
}

/// The tensor's values as an array of the same shape, copied to the host.
///
/// # Shapes
/// tensor: any → the same
///
/// # Errors
/// The tensor's kind is not `T`: convert it first, so that no digits are lost by accident.
pub fn to_array<T: Element>(tensor: &Tensor) -> Result<ArrayD<T>, TensorError> {
    let kind = tensor.kind();
    if kind != T::KIND {
        return Err(TensorError::Kind {
            op: "reading a tensor into an array",
            expected: format!("{:?}", T::KIND),
            found: format!("{kind:?}"),
        });
    }
    let shape: Vec<usize> = tensor
        .size()
        .iter()
        .map(|&n| usize::try_from(n).expect("invariant: sizes are not negative"))
        .collect();
    let host = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut values = vec![T::ZERO; host.numel()];
    host.f_copy_data(&mut values, host.numel())?;
    Ok(ArrayD::from_shape_vec(shape, values).expect("invariant: shape and count agree"))
}

/// All values in row-major order as f64, from any real kind and device.
pub fn to_f64_vec(tensor: &Tensor) -> Vec<f64> {
    let flat = tensor
        .detach()
        .to_kind(Kind::Double)
        .to_device(Device::Cpu)
        .reshape(-1_i64);
    Vec::try_from(flat).expect("invariant: a flat tensor of doubles is a vector")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, Array4, array};

    #[test]
    fn values_and_shapes_survive_both_ways() {
        let a = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as f32);
        let t = to_tensor(&a);
        assert_eq!(t.size(), [2, 3, 4]);
        assert_eq!(t.double_value(&[1, 2, 3]).to_bits(), 123.0_f64.to_bits());
        assert_eq!(to_array::<f32>(&t).expect("f32"), a.into_dyn());
    }

    #[test]
    fn strided_views_are_read_in_row_major_order() {
        let a = array![[1.0_f64, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let t = to_tensor(&a.t());
        assert_eq!(t.size(), [3, 2]);
        assert_eq!(to_f64_vec(&t), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let back = to_array::<f64>(&t.tr()).expect("a strided tensor is copied");
        assert_eq!(back, a.into_dyn());
    }

    #[test]
    fn empty_and_scalar_tensors_convert() {
        let empty = Array4::<u8>::zeros((0, 1, 2, 3));
        let t = to_tensor(&empty);
        assert_eq!(t.size(), [0, 1, 2, 3]);
        assert_eq!(to_array::<u8>(&t).expect("u8").shape(), [0, 1, 2, 3]);
        let scalar = to_tensor(&ndarray::arr0(7_i64));
        assert_eq!(scalar.size(), Vec::<i64>::new());
        assert_eq!(to_array::<i64>(&scalar).expect("i64").sum(), 7);
    }

    #[test]
    fn another_kind_is_an_error_that_names_both() {
        let error = to_array::<f32>(&Tensor::from(1.0_f64)).expect_err("double is not float");
        let text = error.to_string();
        assert!(text.contains("Float") && text.contains("Double"), "{text}");
    }
}
