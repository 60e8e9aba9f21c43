//! Bad parameters are errors with names and numbers; shapes broadcast; the
//! straight-through sample has the value and the gradient that it promises.

use vaegis_core::SeedTree;
use vaegis_dist::{
    Bernoulli, Categorical, ContinuousBernoulli, DiagNormal, DiscretizedLogistic, DistError,
    Distribution, Independent, Laplace, Levels, Logistic, Mixture, Mode, Normal,
    RelaxedCategorical, Reparameterize, StraightThrough, Uniform,
};
use vaegis_tensor::{Device, Kind, Noise, Tensor, autograd};

const VALID: &str = "the parameters of the test are valid";

fn tensor(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

#[test]
fn values_that_are_not_finite() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let (good, bad) = (tensor(&[0.5, 0.5]), tensor(&[0.5, bad]));
        let errors = [
            Normal::new(&bad, &good).err(),
            Normal::new(&good, &bad).err(),
            Normal::from_log_scale(&good, &bad).err(),
            Laplace::new(&bad, &good).err(),
            Logistic::new(&good, &bad).err(),
            Uniform::new(&good, &bad).err(),
            Bernoulli::new(&bad).err(),
            Bernoulli::from_probs(&bad).err(),
            ContinuousBernoulli::new(&bad).err(),
            Categorical::new(&bad).err(),
            RelaxedCategorical::new(&bad, 1.0).err(),
            StraightThrough::from_logits(&bad, 1.0).err(),
            DiscretizedLogistic::grey(&bad, &good).err(),
            DiagNormal::try_new(bad.copy(), good.copy()).err(),
            DiagNormal::try_new(good.copy(), bad.copy()).err(),
        ];
        for (number, error) in errors.into_iter().enumerate() {
            let found = match error {
                Some(DistError::NonFinite { found, .. }) => found,
                other => panic!("constructor {number}: {other:?}"),
            };
            assert!(!found.is_finite());
        }
    }
    let error = RelaxedCategorical::new(&tensor(&[0.0, 1.0]), f64::NAN).err();
    assert!(matches!(
        error,
        Some(DistError::NonFinite {
            name: "temperature",
            ..
        })
    ));
}

#[test]
fn values_outside_the_domain() {
    let (zero, one) = (tensor(&[0.0]), tensor(&[1.0]));
    let levels = Levels {
        count: 1,
        low: 0.0,
        high: 1.0,
    };
    let logistic = || Logistic::new(&zero, &one).expect(VALID);
    let errors = [
        (Normal::new(&zero, &zero).err(), "scale"),
        (Laplace::new(&zero, &tensor(&[-1.0])).err(), "scale"),
        (Logistic::new(&zero, &zero).err(), "scale"),
        (
            Normal::from_log_scale(&zero, &tensor(&[-1e4])).err(),
            "exp(log_scale)",
        ),
        (Uniform::new(&one, &zero).err(), "high − low"),
        (Bernoulli::from_probs(&zero).err(), "probs"),
        (Bernoulli::from_probs(&one).err(), "1 − probs"),
        (
            RelaxedCategorical::new(&tensor(&[0.0, 1.0]), 0.0).err(),
            "temperature",
        ),
        (
            DiscretizedLogistic::new(logistic(), levels).err(),
            "count − 1",
        ),
        (
            DiscretizedLogistic::new(
                logistic(),
                Levels {
                    high: -1.0,
                    ..Levels::GREY
                },
            )
            .err(),
            "high − low",
        ),
    ];
    for (error, expected) in errors {
        match error {
            Some(DistError::OutOfDomain { name, found, .. }) => {
                assert_eq!(name, expected);
                assert!(found <= 0.0);
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
    let text = Normal::new(&zero, &zero)
        .expect_err("a zero scale")
        .to_string();
    assert!(
        text.contains("scale must be greater than zero, found 0"),
        "{text}"
    );
}

#[test]
fn shapes_and_kinds_that_do_not_fit() {
    let (two, three) = (tensor(&[0.5, 0.5]), tensor(&[0.5, 0.5, 0.5]));
    let weights = || Categorical::new(&three).expect(VALID);
    let pair = || Normal::new(&two, &two).expect(VALID);
    let errors = [
        Normal::new(&two, &three).err(),
        Uniform::new(&two, &(&three + 1.0)).err(),
        DiagNormal::try_new(two.copy(), three.copy()).err(),
        DiagNormal::try_new(Tensor::from(1.0), Tensor::from(1.0)).err(),
        Categorical::new(&Tensor::from(1.0)).err(),
        Categorical::new(&Tensor::zeros([2, 0], (Kind::Double, Device::Cpu))).err(),
        Independent::new(pair(), 2).err(),
        Mixture::new(weights(), pair()).err(),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        assert!(
            matches!(error, Some(DistError::Shape { .. })),
            "constructor {number}: {error:?}"
        );
    }
    let whole = Tensor::from_slice(&[1_i64, 2]);
    assert!(matches!(
        Bernoulli::new(&whole).err(),
        Some(DistError::Options { .. })
    ));
    let single = two.to_kind(Kind::Float);
    assert!(matches!(
        Normal::new(&two, &single).err(),
        Some(DistError::Options { .. })
    ));
    let mixed = DiagNormal::try_new(two.copy(), single);
    assert!(matches!(mixed.err(), Some(DistError::Options { .. })));
}

#[test]
fn parameters_broadcast() {
    let law = Normal::new(
        &Tensor::zeros([4, 1], (Kind::Double, Device::Cpu)),
        &tensor(&[1.0, 2.0]),
    )
    .expect(VALID);
    assert_eq!(law.batch_shape(), [4, 2]);
    assert_eq!(
        law.sample(&Noise::portable(SeedTree::new(1)), &[3]).size(),
        [3, 4, 2]
    );
    let image = Independent::new(law, 2).expect(VALID);
    assert_eq!(
        (image.batch_shape(), image.event_shape()),
        (vec![], vec![4, 2])
    );
    let value = Tensor::zeros([7, 4, 2], (Kind::Double, Device::Cpu));
    assert_eq!(image.log_prob(&value).size(), [7]);
    let nothing = Independent::new(Bernoulli::new(&tensor(&[0.1, 0.2])).expect(VALID), 0);
    let nothing = nothing.expect(VALID);
    assert_eq!(
        nothing.log_prob(&tensor(&[0.0, 1.0])).size(),
        [2],
        "no axis means no sum"
    );
}

#[test]
fn distributions_are_objects() {
    let laws: Vec<Box<dyn Distribution>> = vec![
        Box::new(Bernoulli::new(&tensor(&[0.1])).expect(VALID)),
        Box::new(Uniform::new(&tensor(&[0.1]), &tensor(&[0.2])).expect(VALID)),
    ];
    for law in laws {
        assert_eq!(law.batch_shape(), [1]);
    }
}

#[test]
fn zero_noise_gives_the_mean() {
    let law = DiagNormal::new(tensor(&[0.3, -1.0]), tensor(&[2.0, 0.1]));
    assert!(law.from_noise(&tensor(&[0.0, 0.0])).equal(law.mean()));
}

#[test]
fn straight_through_is_hard_forward_and_soft_backward() {
    let logits = tensor(&[0.3, -1.0, 0.5]).set_requires_grad(true);
    let noise = Noise::portable(SeedTree::new(5));
    let weights = noise
        .child("weights")
        .standard_normal(&[50, 3], Kind::Double, Device::Cpu);
    let eps = noise
        .child("eps")
        .gumbel(&[50, 3], Kind::Double, Device::Cpu);
    let hard = StraightThrough::from_logits(&logits, 0.6).expect(VALID);
    let sample = hard.from_noise(&eps);
    let corners = sample.eq(0.0).logical_or(&sample.eq(1.0)).all();
    assert_eq!(corners.int64_value(&[]), 1, "one-hot to the last bit");
    assert!(
        sample
            .sum_dim_intlist(-1, false, Kind::Double)
            .equal(&sample.select(-1, 0).ones_like())
    );
    let gradient = |sample: Tensor| autograd::gradient(&(sample * &weights).sum(None), &[&logits]);
    let soft = RelaxedCategorical::new(&logits, 0.6).expect(VALID);
    assert!(gradient(sample)[0].equal(&gradient(soft.from_noise(&eps))[0]));
}

#[test]
fn modes_are_most_likely() {
    let law = DiscretizedLogistic::grey(&tensor(&[0.5, 1.4]), &tensor(&[-4.0, -1.0])).expect(VALID);
    // 0.5 lies between the levels 127 and 128; above the range the open end takes all.
    let mode = Vec::<f64>::try_from(law.mode() * 255.0).expect("doubles");
    assert!(
        (mode[0] - 127.5).abs() < 0.6 && (mode[1] - 255.0).abs() < 1e-9,
        "{mode:?}"
    );
    let law = Categorical::new(&tensor(&[0.3, -1.0, 0.5])).expect(VALID);
    assert_eq!(law.mode().int64_value(&[]), 2);
    let law = Bernoulli::new(&tensor(&[0.3, -1.0])).expect(VALID);
    assert!(law.mode().equal(&tensor(&[1.0, 0.0])));
}

#[test]
fn responsibilities_sum_to_one() {
    let weights = Categorical::new(&tensor(&[0.0, 1.0])).expect(VALID);
    let components = Normal::new(&tensor(&[-5.0, 5.0]), &tensor(&[1.0, 1.0])).expect(VALID);
    let law = Mixture::new(weights, components).expect(VALID);
    let posterior = law.log_responsibilities(&tensor(&[-5.0, 5.0, 0.1])).exp();
    assert_eq!(posterior.size(), [3, 2]);
    let rows = Vec::<f64>::try_from(posterior.sum_dim_intlist(-1, false, Kind::Double));
    assert!(
        rows.expect("doubles")
            .iter()
            .all(|total| (total - 1.0).abs() < 1e-12)
    );
    assert!(posterior.double_value(&[0, 0]) > 0.999 && posterior.double_value(&[1, 1]) > 0.999);
}
