//! Lipschitz layers against singular values, norms and finite differences.

use vaegis_core::seed::SeedTree;
use vaegis_nn::lipschitz::{
    Bjorck, BjorckLinear, BjorckScaling, Excess, LipschitzMlp, LipschitzMlpSpec,
    ORTHONORMAL_TOLERANCE, activation_lipschitz, group_sort, mean_lipschitz, project_log_scale,
    singular_values,
};
use vaegis_nn::{Activation, LikelihoodKind, Mode};
use vaegis_tensor::autograd;
use vaegis_tensor::{Device, Kind, Noise, ParamStore, Tensor, no_grad};

/// Rounding of sums of some hundred f64 products.
const ROUNDING: f64 = 1e-11;
/// Central differences of step 1e-5 in f64: truncation 1e-10, rounding 1e-10.
const DIFFERENCES: f64 = 1e-7;

fn noise(label: &str) -> Noise {
    Noise::portable(SeedTree::new(11).child(label))
}

fn store(kind: Kind) -> ParamStore {
    ParamStore::new(kind, Device::Cpu, noise("init"))
}

fn normal(label: &str, shape: &[i64]) -> Tensor {
    noise(label).standard_normal(shape, Kind::Double, Device::Cpu)
}

fn gradient(f: impl Fn(&Tensor) -> Tensor, x: &Tensor) -> Tensor {
    let x = x.detach().copy().set_requires_grad(true);
    autograd::gradient(&f(&x), &[&x]).remove(0)
}

/// A matrix with these singular values.
fn with_values(rows: i64, columns: i64, values: &[f64]) -> Tensor {
    let side = values.len() as i64;
    let q = |label: &str, n: i64| {
        let (q, _) = Tensor::linalg_qr(&normal(label, &[n, side]), "reduced");
        q
    };
    let values = Tensor::from_slice(values);
    (q("left", rows) * values).matmul(&q("right", columns).transpose(0, 1))
}

fn orders() -> impl Iterator<Item = Bjorck> {
    (1..=Bjorck::MAX_ORDER).map(|order| Bjorck {
        order,
        scaling: BjorckScaling::None,
        ..Bjorck::default()
    })
}

/// C20, 9.1 item 15: singular values of a step are the published polynomial of
/// the old ones, whichever side of the matrix is longer.
#[test]
fn one_step_maps_singular_values_by_the_polynomial() {
    let values = [1.9, 1.4, 1.0, 0.7, 0.2, 0.01];
    for bjorck in orders() {
        for (rows, columns) in [(6, 9), (9, 6), (6, 6)] {
            let w = with_values(rows, columns, &values);
            let step = Bjorck {
                train_steps: 1,
                ..bjorck
            };
            let found = singular_values(&step.orthonormalize(&w));
            let mut expected: Vec<f64> = values.iter().map(|&s| bjorck.map(s).abs()).collect();
            expected.sort_by(|a, b| b.total_cmp(a));
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < ROUNDING, "{found} {expected}");
            }
        }
    }
}

/// 9.1 item 15 and the region of convergence.
#[test]
fn the_map_stays_below_one_and_converges_where_it_is_said_to() {
    for bjorck in orders() {
        for k in 0..=1000 {
            let s = f64::from(k) / 1000.0;
            assert!(
                bjorck.map(s) <= 1.0 + ROUNDING,
                "order {}: {s}",
                bjorck.order
            );
            assert!(bjorck.map(s) >= s - ROUNDING, "no value shrinks below 1");
        }
    }
    let cubic = Bjorck::default();
    for k in 0..=2000 {
        let s = f64::from(k) / 1000.0;
        assert!(
            cubic.map(s).abs() <= 1.0 + ROUNDING,
            "|f({s})| for s in (0, 2]"
        );
    }
    let iterate = |s: f64, steps: usize| (0..steps).fold(s, |s, _| cubic.map(s));
    assert!((iterate(1.7, 50) - 1.0).abs() < ROUNDING, "below √3: to +1");
    assert!((iterate(1.8, 50) + 1.0).abs() < ROUNDING, "above √3: to −1");
    assert!(iterate(2.3, 50).abs() > 1e6 || !iterate(2.3, 50).is_finite());
    // Growth by 3/2 per step: 10⁻³ needs 21 steps to come within 10⁻⁶ of 1.
    assert!(iterate(1e-3, 20) < 1.0 - 1e-6 && iterate(1e-3, 21) >= 1.0 - 1e-6);
}

/// C20: after freezing, all singular values are 1 to 10⁻⁵ in f64, for every
/// order and scaling that is safe, whatever the parameter looks like.
#[test]
fn frozen_layers_are_orthonormal_by_svd() {
    for scaling in [BjorckScaling::Size, BjorckScaling::Spectral] {
        for order in 1..=Bjorck::MAX_ORDER {
            for kind in [Kind::Double, Kind::Float] {
                let bjorck = Bjorck {
                    order,
                    scaling,
                    ..Bjorck::default()
                };
                let store = store(kind);
                let layer = BjorckLinear::new(&store.root(), 60, 24, 1.0, bjorck).expect("new");
                let values: Vec<f64> = (0..24).map(|k| 0.05 + 0.3 * f64::from(k)).collect();
                let weight = with_values(24, 60, &values).to_kind(kind);
                let bias = Tensor::zeros([24], (kind, Device::Cpu));
                store
                    .copy_from(&[("weight".into(), weight), ("bias".into(), bias)])
                    .expect("fits");
                let found = singular_values(&layer.effective_weight(Mode::Eval));
                for s in found {
                    assert!((s - 1.0).abs() <= ORTHONORMAL_TOLERANCE, "{s}");
                }
            }
        }
    }
}

/// A short iteration from small singular values does not converge: no constant
/// is given, or the constant is multiplied where a value is above 1.
#[test]
fn an_unconverged_layer_is_refused_or_pays() {
    let build = |bjorck: Bjorck| {
        let store = store(Kind::Double);
        let spec = LipschitzMlpSpec {
            sizes: vec![8, 6, 4],
            lipschitz: 9.0,
            group: 2,
            bjorck,
        };
        (LipschitzMlp::new(&store.root(), spec).expect("new"), store)
    };
    let (net, _) = build(Bjorck::default());
    let constant = net.lipschitz(Excess::Refuse).expect("orthonormal");
    assert!((constant / 9.0 - 1.0).abs() < 3.0 * ORTHONORMAL_TOLERANCE);
    assert!((net.path(0.25).lipschitz() / constant - 0.25).abs() < 1e-4);

    let lazy = Bjorck {
        eval_steps: 1,
        scaling: BjorckScaling::None,
        ..Bjorck::default()
    };
    let (net, store) = build(lazy);
    let mut values = store.named_tensors();
    for (name, value) in &mut values {
        if name == "0.weight" {
            // f(2.2) = −2.02: above 1 after one step.
            *value = with_values(6, 8, &[2.2, 1.0, 1.0, 1.0, 0.5, 0.3]);
        }
    }
    store.copy_from(&values).expect("fits");
    let error = net.lipschitz(Excess::Refuse).expect_err("not orthonormal");
    assert_eq!(error.layer, 0);
    assert!(error.to_string().contains("layer 0"), "{error}");
    let paid = net.lipschitz(Excess::Multiply).expect("multiplied");
    let over = lazy.map(2.2).abs();
    assert!((paid / (9.0 * over) - 1.0).abs() < ROUNDING, "{paid}");
}

/// C20, 9.1 item 15.
#[test]
fn group_sort_keeps_norm_and_multiset_and_is_nonexpansive() {
    let x = normal("x", &[40, 12]);
    let y = normal("y", &[40, 12]);
    for group in [1, 2, 3, 4, 6, 12] {
        let sorted = group_sort(&x, group);
        let again = group_sort(&sorted, group);
        assert_eq!(sorted, again, "idempotent");
        let multiset = |t: &Tensor| t.unflatten(-1, [12 / group, group]).sort(-1, true).0;
        assert_eq!(
            multiset(&sorted),
            multiset(&x),
            "the same numbers per group"
        );
        let norms = |t: &Tensor| t.square().sum_dim_intlist(1, false, None).sqrt();
        let change = (norms(&sorted) - norms(&x)).abs().max().double_value(&[]);
        assert!(change < ROUNDING);
        let apart = norms(&(&x - &y)) - norms(&(&sorted - group_sort(&y, group)));
        assert!(apart.min().double_value(&[]) > -ROUNDING, "1-Lipschitz");
        // The Jacobian is a permutation: the norm of every gradient passes.
        let v = normal("v", &[40, 12]);
        let g = gradient(|x| (group_sort(x, group) * &v).sum(None), &x);
        let lost = (norms(&g) - norms(&v)).abs().max().double_value(&[]);
        assert!(lost < ROUNDING);
    }
}

#[test]
fn gradients_of_the_iteration_match_finite_differences() {
    for (rows, columns) in [(4, 6), (6, 4)] {
        for order in 1..=Bjorck::MAX_ORDER {
            let bjorck = Bjorck {
                order,
                scaling: BjorckScaling::None,
                ..Bjorck::default()
            };
            let w = with_values(rows, columns, &[1.2, 0.9, 0.6, 0.4]);
            let v = normal("v", &[rows, columns]);
            let f = |w: &Tensor| (bjorck.orthonormalize(w) * &v).sum(Kind::Double);
            let found = gradient(f, &w);
            let direction = normal("direction", &[rows, columns]);
            let step = 1e-5;
            let ends = [step, -step].map(|h| f(&(&w + &direction * h)).double_value(&[]));
            let expected = (ends[0] - ends[1]) / (2.0 * step);
            let found = (found * direction).sum(Kind::Double).double_value(&[]);
            assert!((found - expected).abs() < DIFFERENCES * expected.abs().max(1.0));
        }
    }
}

/// The network is L-Lipschitz in training and in evaluation, and steep: random
/// pairs never exceed L, and the gradient comes near it.
#[test]
fn networks_are_as_steep_as_their_constant_and_no_steeper() {
    let store = store(Kind::Double);
    let spec = LipschitzMlpSpec {
        sizes: vec![20, 16, 12, 5],
        lipschitz: 7.0,
        group: 2,
        bjorck: Bjorck::default(),
    };
    let net = LipschitzMlp::new(&store.root(), spec).expect("new");
    let (x, y) = (normal("x", &[500, 20]), normal("y", &[500, 20]));
    let norms = |t: &Tensor| t.square().sum_dim_intlist(1, false, None).sqrt();
    for mode in [Mode::Train, Mode::Eval] {
        no_grad(|| {
            let moved = norms(&(net.forward(&x, mode) - net.forward(&y, mode)));
            let ratio = (moved / norms(&(&x - &y))).max().double_value(&[]);
            assert!(ratio <= 7.0 * (1.0 + ORTHONORMAL_TOLERANCE), "{ratio}");
        });
    }
    let jacobians =
        autograd::per_example_jacobian(|x| net.forward(x, Mode::Eval), &x.narrow(0, 0, 20));
    let norms = autograd::spectral_norms(&jacobians);
    let (low, high) = (norms.min().double_value(&[]), norms.max().double_value(&[]));
    assert!(high <= 7.0 * (1.0 + ORTHONORMAL_TOLERANCE), "{high}");
    assert!(low > 1.0, "gradients do not vanish: {low}");
}

/// A changed parameter changes the frozen map; an unchanged one does not.
#[test]
fn the_frozen_map_follows_the_parameter() {
    let store = store(Kind::Float);
    let layer = BjorckLinear::new(&store.root(), 6, 4, 1.0, Bjorck::default()).expect("new");
    let before = layer.effective_weight(Mode::Eval);
    assert_eq!(before, layer.effective_weight(Mode::Eval));
    let other = with_values(4, 6, &[1.3, 0.8, 0.6, 0.5]).to_kind(Kind::Float);
    no_grad(|| store.trainable()[0].1.shallow_clone().copy_(&other));
    let after = layer.effective_weight(Mode::Eval);
    assert!((before - after).abs().max().double_value(&[]) > 0.1);
}

#[test]
fn scales_are_projected_onto_the_ball_and_only_from_outside() {
    let log_sigma = normal("log_sigma", &[200, 5]);
    let radius = 2.5;
    let sigma = log_sigma.exp();
    let projected = project_log_scale(&log_sigma, radius).exp();
    let norms = |t: &Tensor| t.square().sum_dim_intlist(1, true, None).sqrt();
    let factor = (norms(&sigma).reciprocal() * radius).clamp_max(1.0);
    let error = (&projected - &sigma * factor).abs().max();
    assert!(error.double_value(&[]) < ROUNDING);
    // Both cases occur.
    let inside = norms(&sigma).le(radius).to_kind(Kind::Double).mean(None);
    assert!((0.1..0.9).contains(&inside.double_value(&[])));
    let other = normal("other", &[200, 5]).exp();
    let apart = norms(&(&sigma - &other))
        - norms(&(&projected - project_log_scale(&other.log(), radius).exp()));
    assert!(apart.min().double_value(&[]) > -ROUNDING, "1-Lipschitz");
}

/// Constants of activations and likelihood means against their steepest slope
/// on a dense grid: never exceeded, and close.
#[test]
fn constants_of_elementwise_functions_hold_and_are_tight() {
    let grid = Tensor::linspace(-30.0, 30.0, 60_001, (Kind::Double, Device::Cpu));
    let slope = |f: &dyn Fn(&Tensor) -> Tensor| {
        let slopes = gradient(|x| f(x).sum(None), &grid);
        slopes.abs().max().double_value(&[])
    };
    for activation in Activation::ALL {
        let constant = activation_lipschitz(activation);
        let found = slope(&|x| activation.forward(x));
        assert!(
            found <= constant + ROUNDING && found > 0.99 * constant,
            "{activation:?}: {found} for {constant}"
        );
    }
    for kind in [
        LikelihoodKind::Bernoulli,
        LikelihoodKind::ContinuousBernoulli,
        LikelihoodKind::Gaussian { sigma: 0.3 },
    ] {
        let constant = mean_lipschitz(kind);
        let found = slope(&|x| {
            vaegis_nn::Likelihood {
                kind,
                parameter: x.shallow_clone(),
            }
            .mean()
        });
        // The slope of the continuous Bernoulli mean is a difference of large
        // numbers at its series' border.
        assert!(
            found <= constant * (1.0 + 1e-9) && found > 0.999 * constant,
            "{kind:?}: {found} for {constant}"
        );
    }
}
