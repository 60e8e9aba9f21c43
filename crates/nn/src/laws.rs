//! What every trainable latent-variable model must satisfy, as functions that
//! tests of concrete models call. Behind the feature `testkit`.

use crate::{LatentModel, LatentPath, LossTerms, Mode, Objective, StepContext};
use vaegis_core::seed::SeedTree;
use vaegis_tensor::autograd::gradient;
use vaegis_tensor::{Kind, Noise, ParamStore, Tensor, no_grad};

/// How far two ways to the same number may be apart, relative to its size. f32
/// sums over pixels in another order lose some digits; f64 hardly any.
fn tolerance(kind: Kind) -> f64 {
    if kind == Kind::Double { 1e-10 } else { 2e-4 }
}

/// Checks a model on the batch `x`, panicking at the first broken law.
///
/// `build` makes the model with initial weights drawn from the given seed. The
/// laws: shapes; the loss is the weighted sum of its terms; the terms `recon`
/// and `kl` are the likelihood and the divergence along the same noise; a
/// gradient reaches mean and scale of every layer; the same
/// seed gives the same loss and other noise another; saved weights give the same
/// model; in [`Mode::Eval`] rows are independent and buffers stay.
///
/// # Shapes
/// x: `[B, C, H, W]` with B ≥ 2
///
/// # Panics
/// If a law is broken.
pub fn check_latent_model<M>(build: impl Fn(u64) -> Box<M>, x: &Tensor)
where
    M: LatentModel + Objective + ?Sized,
{
    let model = build(1);
    check_shapes(&*model, x);
    check_terms(&*model, x);
    check_reparameterization(&*model, x);
    check_seeds(&*build(1), &*build(1), x);
    check_weights(&*model, &*build(2), x);
    check_eval_mode(&*model, x);
}

fn store<M: LatentModel + ?Sized>(model: &M) -> &ParamStore {
    LatentModel::params(model)
}

fn noise(seed: u64) -> Noise {
    Noise::portable(SeedTree::new(seed).child("laws"))
}

fn loss<M: Objective + ?Sized>(model: &M, x: &Tensor, noise: &Noise) -> LossTerms {
    model.loss(
        x,
        None,
        &StepContext {
            step: 0,
            noise,
            dataset_size: 1000,
        },
    )
}

fn latent_noise<M: LatentModel + ?Sized>(model: &M, x: &Tensor, noise: &Noise) -> Vec<Tensor> {
    let context = StepContext {
        step: 0,
        noise,
        dataset_size: 1000,
    };
    let sizes = model.latent_sizes();
    let layers = sizes.iter().enumerate();
    layers
        .map(|(l, &size)| {
            let like = Tensor::zeros([x.size()[0], size], (x.kind(), x.device()));
            context.latent_noise(l as u64, &like)
        })
        .collect()
}

fn assert_close(what: &str, a: &Tensor, b: &Tensor) {
    assert_eq!(a.size(), b.size(), "{what}: shapes differ");
    let scale = b.abs().max().double_value(&[]).max(1.0);
    let difference = (a - b).abs().max().double_value(&[]) / scale;
    assert!(
        difference <= tolerance(a.kind()),
        "{what}: differ by {difference:e} of {scale}"
    );
}

fn check_shapes<M: LatentModel + ?Sized>(model: &M, x: &Tensor) {
    let batch = x.size()[0];
    assert_eq!(
        x.size()[1..],
        model.input_shape(),
        "the test batch fits the model"
    );
    let eps = latent_noise(model, x, &noise(0));
    for (path, mode) in [
        (LatentPath::Mean, Mode::Eval),
        (LatentPath::Noise(&eps), Mode::Eval),
    ] {
        let posterior = model.posterior(x, path, mode);
        let sizes = model.latent_sizes();
        assert_eq!(
            posterior.layers.len(),
            sizes.len(),
            "one posterior per layer"
        );
        assert_eq!(posterior.z.len(), sizes.len(), "one point per layer");
        for ((layer, z), &size) in posterior.layers.iter().zip(&posterior.z).zip(&sizes) {
            assert_eq!(layer.mean().size(), [batch, size], "posterior mean");
            assert_eq!(
                layer.log_scale().size(),
                [batch, size],
                "posterior log scale"
            );
            assert_eq!(z.size(), [batch, size], "point");
        }
        let likelihood = model.decode(&posterior.z, mode);
        assert_eq!(
            likelihood.parameter.size(),
            x.size(),
            "likelihood parameter"
        );
        assert_eq!(likelihood.mean().size(), x.size(), "likelihood mean");
        assert_eq!(likelihood.log_prob(x).size(), [batch], "log likelihood");
        let divergences = model.kl_terms(&posterior, mode);
        let ratios = model.log_ratio_terms(&posterior, mode);
        for terms in [divergences, ratios] {
            assert_eq!(terms.len(), sizes.len(), "one divergence per layer");
            for kl in terms {
                assert_eq!(kl.size(), [batch], "divergence of a layer");
            }
        }
    }
    let (low, high) = model.bounds();
    assert!(low < high, "pixel bounds {low}, {high}");
}

fn check_terms<M: LatentModel + Objective + ?Sized>(model: &M, x: &Tensor) {
    let noise = noise(1);
    let terms = loss(model, x, &noise);
    let total = terms.total();
    assert_eq!(total.size(), [0_i64; 0], "the loss is a scalar");
    let mut sum = total.zeros_like();
    for (k, term) in terms.terms.iter().enumerate() {
        assert!(
            terms.terms[..k].iter().all(|t| t.name != term.name),
            "{} twice",
            term.name
        );
        let finite = term.value.isfinite().all().int64_value(&[]) == 1;
        assert!(finite, "{} is finite", term.name);
        let size = term.value.size();
        assert!(
            size.is_empty() || size == [x.size()[0]],
            "{} has shape {size:?}",
            term.name
        );
        sum += term.value.mean(None) * term.weight;
    }
    assert_close("total and sum of terms", &total, &sum);

    let find = |name: &str| {
        terms
            .terms
            .iter()
            .find(|t| t.name == name)
            .map(|t| &t.value)
    };
    let eps = latent_noise(model, x, &noise);
    let posterior = model.posterior(x, LatentPath::Noise(&eps), Mode::Train);
    if let Some(recon) = find("recon") {
        let replayed = -model.decode(&posterior.z, Mode::Train).log_prob(x);
        assert_close("recon and likelihood", recon, &replayed);
    }
    if let Some(kl) = find("kl") {
        let layers = model.kl_terms(&posterior, Mode::Train);
        let sum: Tensor = Tensor::stack(&layers, 0).sum_dim_intlist(0, false, None);
        assert_close("kl and divergences of the layers", kl, &sum);
    }
}

fn check_reparameterization<M: LatentModel + ?Sized>(model: &M, x: &Tensor) {
    let eps = latent_noise(model, x, &noise(2));
    let posterior = model.posterior(x, LatentPath::Noise(&eps), Mode::Eval);
    let log_prob = model.decode(&posterior.z, Mode::Eval).log_prob(x).sum(None);
    let kl = model.kl_terms(&posterior, Mode::Eval);
    let elbo = kl
        .iter()
        .fold(log_prob.shallow_clone(), |sum, term| sum - term.sum(None));
    for (l, layer) in posterior.layers.iter().enumerate() {
        // A likelihood may read the layer nearest the data alone; the bound reads all.
        let output = if l == 0 { &log_prob } else { &elbo };
        for (what, tensor) in [("mean", layer.mean()), ("log scale", layer.log_scale())] {
            // A retained graph: the layers share it.
            let slope = Tensor::run_backward(&[output], &[tensor], true, false).remove(0);
            let size = slope.abs().max().double_value(&[]);
            assert!(
                size > 0.0 && size.is_finite(),
                "slope in the {what} of layer {l}: {size}"
            );
        }
    }
}

fn check_seeds<M: LatentModel + Objective + ?Sized>(a: &M, b: &M, x: &Tensor) {
    let value = |model: &M, seed: u64| loss(model, x, &noise(seed)).total().double_value(&[]);
    let (first, again) = (value(a, 3), value(b, 3));
    assert_eq!(first.to_bits(), again.to_bits(), "same seed, same loss");
    assert!(
        first != value(a, 4),
        "other noise gives the same loss {first}"
    );
}

fn check_weights<M: LatentModel + ?Sized>(model: &M, other: &M, x: &Tensor) {
    let saved = store(model).named_tensors();
    store(other)
        .copy_from(&saved)
        .expect("the weights of the same configuration fit");
    let (a, b) = no_grad(|| (model.reconstruct(x), other.reconstruct(x)));
    assert!(a.equal(&b), "equal weights, equal reconstructions");
}

fn check_eval_mode<M: LatentModel + Objective + ?Sized>(model: &M, x: &Tensor) {
    // A training pass first, so that running statistics are not at their start.
    let total = loss(model, x, &noise(5)).total();
    let parameters = store(model).trainable();
    let inputs: Vec<&Tensor> = parameters.iter().map(|(_, tensor)| tensor).collect();
    let slopes = gradient(&total, &inputs);
    let largest = slopes
        .iter()
        .map(|slope| slope.abs().max().double_value(&[]));
    assert!(
        largest.fold(0.0, f64::max) > 0.0,
        "the loss depends on the parameters"
    );

    let before: Vec<Tensor> = store(model)
        .named_tensors()
        .iter()
        .map(|(_, t)| t.copy())
        .collect();
    no_grad(|| {
        let whole = model.posterior(x, LatentPath::Mean, Mode::Eval);
        let picture = model.decode(&whole.z, Mode::Eval).parameter;
        for row in 0..x.size()[0] {
            let single = model.posterior(&x.narrow(0, row, 1), LatentPath::Mean, Mode::Eval);
            for (layer, alone) in whole.layers.iter().zip(&single.layers) {
                assert_close("mean alone", alone.mean(), &layer.mean().narrow(0, row, 1));
                let scale = layer.log_scale().narrow(0, row, 1);
                assert_close("log scale alone", alone.log_scale(), &scale);
            }
            let alone = model.decode(&single.z, Mode::Eval).parameter;
            assert_close("decoder alone", &alone, &picture.narrow(0, row, 1));
        }
    });
    for ((name, after), before) in store(model).named_tensors().iter().zip(&before) {
        assert!(after.equal(before), "{name} changed in evaluation mode");
    }
}
