//! Layers against their definitions, and Jacobians against products of layers.

use vaegis_core::seed::SeedTree;
use vaegis_nn::lipschitz::{AffineMap, PathActivation};
use vaegis_nn::{
    Activation, BatchNorm, Conv, ConvSpec, ConvTranspose, Filters, Linear, Mlp, MlpSpec, Mode,
    NetworkPath, WeightInit, Window,
};
use vaegis_tensor::autograd::per_example_jacobian;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, no_grad};

/// Rounding of sums of some hundred f64 products.
const ROUNDING: f64 = 1e-11;
/// The same in f32.
const SINGLE_ROUNDING: f64 = 1e-5;

fn noise(label: &str) -> Noise {
    Noise::portable(SeedTree::new(3).child(label))
}

fn store(kind: Kind) -> ParamStore {
    ParamStore::new(kind, Device::Cpu, noise("init"))
}

fn normal(label: &str, shape: &[i64]) -> Tensor {
    noise(label).standard_normal(shape, Kind::Double, Device::Cpu)
}

fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64) {
    assert_eq!(found.size(), expected.size());
    let error = (found - expected).abs().max().double_value(&[]);
    assert!(error <= tolerance, "{error:e}");
}

#[test]
fn torch_default_fills_the_published_interval() {
    for (fan_in, fan_out) in [(784, 400), (20, 400)] {
        let store = store(Kind::Double);
        let layer =
            Linear::new(&store.root(), fan_in, fan_out, WeightInit::TorchDefault).expect("new");
        let bound = (fan_in as f64).sqrt().recip();
        for tensor in [layer.weight(), layer.bias()] {
            let largest = tensor.abs().max().double_value(&[]);
            assert!(
                largest <= bound && largest > 0.95 * bound,
                "{largest} of {bound}"
            );
        }
        let spread = layer.weight().std(true).double_value(&[]);
        assert!(
            (spread - bound / 3f64.sqrt()).abs() < 0.03 * bound,
            "{spread}"
        );
    }
}

#[test]
fn mlp_jacobian_is_the_product_of_the_layers() {
    let store = store(Kind::Double);
    let spec = MlpSpec {
        sizes: vec![7, 9, 8, 4],
        activation: Activation::Relu,
        output_activation: Activation::Identity,
    };
    let net = Mlp::new(&store.root().sub("encoder"), spec, WeightInit::TorchDefault).expect("new");
    store.set_trainable(false);
    let x = normal("x", &[5, 7]);
    let found = per_example_jacobian(|x| net.forward(x), &x);
    for row in 0..5 {
        let mut h = x.narrow(0, row, 1);
        let mut product = Tensor::eye(7, (Kind::Double, Device::Cpu));
        for (k, layer) in net.layers().iter().enumerate() {
            h = layer.forward(&h);
            product = layer.weight().matmul(&product);
            if k + 1 < net.layers().len() {
                let open = h.gt(0.0).to_kind(Kind::Double); // [1, units]
                product = open.transpose(0, 1) * product;
                h = h.relu();
            }
        }
        assert_close(&found.get(row), &product, ROUNDING);
    }
}

#[test]
fn jacobians_by_layers_are_those_by_backward_passes() {
    for activation in Activation::ALL {
        let store = store(Kind::Double);
        let spec = MlpSpec {
            sizes: vec![7, 9, 8, 4],
            activation,
            output_activation: Activation::Identity,
        };
        let net = Mlp::new(&store.root().sub("net"), spec, WeightInit::TorchDefault).expect("new");
        store.set_trainable(false);
        // More rows than one block, and a last block that is not full.
        let x = normal("rows", &[150, 7]);
        let path = NetworkPath::of_linear(net.layers(), activation, 1.0);
        let found = path.jacobian(&x);
        let expected = per_example_jacobian(|x| net.forward(x), &x);
        assert_close(&found, &expected, ROUNDING);
        let single = path.jacobian(&x.to_kind(Kind::Float));
        assert_eq!(single.kind(), Kind::Float);
        assert_close(&single.to_kind(Kind::Double), &expected, SINGLE_ROUNDING);
    }
}

#[test]
fn jacobians_through_sorted_groups_are_those_by_backward_passes() {
    for group in [2, 4] {
        let layer = |name: &str, out: i64, into: i64| AffineMap {
            weight: normal(&format!("{name} weight"), &[out, into]),
            bias: normal(&format!("{name} bias"), &[out]),
        };
        let path = NetworkPath {
            layers: vec![layer("a", 8, 7), layer("b", 12, 8), layer("c", 3, 12)],
            activation: PathActivation::GroupSort(group),
            output_lipschitz: 1.0,
        };
        let x = normal("rows", &[150, 7]);
        let expected = per_example_jacobian(|x| path.forward(x), &x);
        assert_close(&path.jacobian(&x), &expected, ROUNDING);
    }
}

#[test]
fn names_follow_a_sequence_of_layers_and_activations() {
    let store = store(Kind::Float);
    let spec = MlpSpec {
        sizes: vec![3, 4, 5],
        activation: Activation::Relu,
        output_activation: Activation::Relu,
    };
    Mlp::new(&store.root().sub("encoder"), spec, WeightInit::Zero).expect("new");
    let names: Vec<String> = store
        .named_tensors()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let expected = [
        "encoder.0.weight",
        "encoder.0.bias",
        "encoder.2.weight",
        "encoder.2.bias",
    ];
    assert_eq!(names, expected);
}

#[test]
fn owned_activation_has_the_value_and_the_slope_of_the_other() {
    let x = normal("x", &[64]).set_requires_grad(true);
    for activation in Activation::ALL {
        let plain = activation.forward(&x);
        let owned = activation.apply_owned(&x * 1.0);
        assert_close(&owned, &plain, 0.0);
        let slope =
            |y: &Tensor| Tensor::run_backward(&[y.sum(None)], &[&x], false, false).remove(0);
        assert_close(&slope(&owned), &slope(&plain), ROUNDING);
    }
}

#[test]
fn batch_norm_trains_on_the_batch_and_evaluates_on_the_running_statistics() {
    let store = store(Kind::Double);
    let norm = BatchNorm::new(&store.root(), 3).expect("new");
    let x = normal("x", &[16, 3]) * 2.0 + 5.0;
    let running = |name: &str| {
        let found = store
            .named_tensors()
            .into_iter()
            .find(|(other, _)| other == name);
        found.expect("buffer").1.copy()
    };
    no_grad(|| {
        let trained = norm.forward(&x, Mode::Train);
        let zeros = Tensor::zeros([3], (Kind::Double, Device::Cpu));
        assert_close(&trained.mean_dim(0, false, None), &zeros, ROUNDING);
        let expected = x.mean_dim(0, false, None) * 0.1;
        assert_close(&running("running_mean"), &expected, ROUNDING);
        let expected = x.var_dim(0, true, false) * 0.1 + 0.9;
        assert_close(&running("running_var"), &expected, ROUNDING);

        let (mean, var) = (running("running_mean"), running("running_var"));
        let evaluated = norm.forward(&x, Mode::Eval);
        assert_close(&evaluated, &((&x - &mean) / (&var + 1e-5).sqrt()), ROUNDING);
        assert!(running("running_mean").equal(&mean) && running("running_var").equal(&var));
        let alone = norm.forward(&x.narrow(0, 4, 1), Mode::Eval);
        assert_close(&alone, &evaluated.narrow(0, 4, 1), 0.0);
    });
}

#[test]
fn convolutions_that_are_one_product_equal_the_general_ones() {
    // A window over the whole image takes the short way; padding the image by
    // hand and cutting the answer takes the general one.
    let store = store(Kind::Double);
    let window = Window::new(4, 1, 0);
    let conv = Conv::new(
        &store.root().sub("a"),
        3,
        5,
        window,
        WeightInit::TorchDefault,
    )
    .expect("new");
    let x = normal("x", &[2, 3, 4, 4]);
    let general = conv
        .forward(&x.constant_pad_nd([0, 1, 0, 1]))
        .narrow(2, 0, 1)
        .narrow(3, 0, 1);
    assert_close(&conv.forward(&x), &general, ROUNDING);

    let conv = ConvTranspose::new(
        &store.root().sub("b"),
        5,
        3,
        window,
        WeightInit::TorchDefault,
    )
    .expect("new");
    let z = normal("z", &[2, 5, 1, 1]);
    let general = conv
        .forward(&z.constant_pad_nd([0, 1, 0, 1]))
        .narrow(2, 0, 4)
        .narrow(3, 0, 4);
    assert_close(&conv.forward(&z), &general, ROUNDING);
}

#[test]
fn windows_walk_down_to_one_pixel_and_back() {
    for channels in [1, 3] {
        for side in [28, 32, 64] {
            let spec = ConvSpec {
                channels,
                side,
                filters: Filters::Auto,
                width: 1.0,
            };
            let mut size = side;
            let mut sides = vec![size];
            for (_, window) in spec.encoder_layers() {
                size = window.conv_side(size);
                sides.push(size);
            }
            let expected: &[i64] = match side {
                64 => &[64, 32, 16, 8, 4, 1],
                32 => &[32, 16, 8, 4, 1],
                _ => &[28, 14, 7, 4, 1],
            };
            assert_eq!(sides, expected);
            let mut back = vec![1];
            let mut size = 1;
            for (_, window) in spec.decoder_layers() {
                size = window.conv_transpose_side(size);
                back.push(size);
            }
            sides.reverse();
            assert_eq!(
                back,
                [&[1], &sides[..]].concat(),
                "a 1 × 1 layer, then the way back"
            );
        }
    }
}
