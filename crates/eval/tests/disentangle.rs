//! Disentanglement scores on codes whose answer is known, and against an independent script.

use ndarray::{Array2, array};
use rand::{Rng, RngExt};
use serde::Deserialize;
use vaegis_core::SeedTree;
use vaegis_data::{OpenOptions, Split, open};
use vaegis_eval::EvalError;
use vaegis_eval::disentangle::{
    Codes, DciOptions, FactorScoreOptions, Group, MigOptions, completeness, dci, disentanglement,
    encode, factor_score, factor_score_of, lasso, mig, mig_of, sap,
};
use vaegis_nn::toy::{LinearGaussian, LinearGaussianSpec};
use vaegis_tensor::{Kind, Noise};

/// Sums in another order, and exponentials of another library.
const EXACT: f64 = 1e-11;
/// The script's proximal steps and the coordinate descent stop at different points this close.
const DESCENT: f64 = 1e-8;

fn noise() -> Noise {
    Noise::portable(SeedTree::new(33).child("samples"))
}

fn close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (f, e) in found.iter().zip(expected) {
        assert!((f - e).abs() <= tolerance, "{what}: {f} for {e}");
    }
}

#[derive(Deserialize)]
struct Golden {
    mean: Vec<Vec<f64>>,
    log_sigma: Vec<Vec<f64>>,
    samples: Vec<Vec<f64>>,
    factors: Vec<Vec<usize>>,
    sizes: Vec<usize>,
    train: Vec<(usize, Vec<usize>)>,
    test: Vec<(usize, Vec<usize>)>,
    marginal: Vec<f64>,
    mig: Vec<f64>,
    factor_score: f64,
    votes: Vec<Vec<u64>>,
    sap: f64,
    by_class: Vec<f64>,
    by_line: Vec<f64>,
    alpha: f64,
    importance: Vec<Vec<f64>>,
    informativeness: Vec<f64>,
    disentanglement: f64,
    completeness: f64,
}

fn table<T: Copy>(rows: &[Vec<T>]) -> Array2<T> {
    let shape = (rows.len(), rows[0].len());
    Array2::from_shape_vec(shape, rows.concat()).expect("a table")
}

#[test]
fn all_scores_match_the_script() {
    let golden: Golden =
        serde_json::from_str(include_str!("golden/disentangle.json")).expect("golden");
    let codes = Codes {
        mean: table(&golden.mean),
        log_sigma: table(&golden.log_sigma),
        factors: table(&golden.factors),
        names: vec!["kind".into(), "step".into()],
        sizes: golden.sizes,
        is_categorical: vec![true, false],
    };
    let samples = table(&golden.samples);
    let found = mig_of(&codes, samples.view(), &MigOptions::default(), &noise()).expect("measures");
    close(&found.entropies, &golden.marginal, EXACT, "entropies");
    close(&found.gaps, &golden.mig, EXACT, "gaps");
    assert!((found.score - golden.mig.iter().sum::<f64>() / 2.0).abs() < EXACT);

    let groups = |rows: Vec<(usize, Vec<usize>)>| -> Vec<Group> {
        rows.into_iter()
            .map(|(factor, rows)| Group { factor, rows })
            .collect()
    };
    let found =
        factor_score_of(&codes, &groups(golden.train), &groups(golden.test)).expect("measures");
    assert_eq!(found.votes, golden.votes);
    assert_eq!(found.active, [true, false, true, true]);
    assert!((found.score - golden.factor_score).abs() < EXACT);

    let found = sap(&codes).expect("measures");
    close(&found.predictability[0], &golden.by_class, EXACT, "classes");
    close(&found.predictability[1], &golden.by_line, EXACT, "line");
    assert!((found.score - golden.sap).abs() < EXACT);

    let options = DciOptions {
        alpha: golden.alpha,
    };
    let found = dci(&codes, &options).expect("measures");
    for (row, expected) in found.importance.iter().zip(&golden.importance) {
        close(row, expected, DESCENT, "importance");
    }
    close(
        &found.informativeness,
        &golden.informativeness,
        DESCENT,
        "informativeness",
    );
    assert!((found.disentanglement - golden.disentanglement).abs() < DESCENT);
    assert!((found.completeness - golden.completeness).abs() < DESCENT);
}

/// `N` codes of two ordered factors of 5 and 4 classes, each combination equally often, with the
/// mean of latent j given by `latent(j, classes)` and small posteriors.
fn synthetic(sigma: f64, latents: usize, latent: impl Fn(usize, [usize; 2], f64) -> f64) -> Codes {
    let n = 1000;
    let mut rng = SeedTree::new(34).rng();
    let factors = Array2::from_shape_fn((n, 2), |(i, f)| [i % 5, i / 5 % 4][f]);
    let mut normal = || {
        // The sum of twelve uniform numbers: near enough to a normal one, and all of one spread.
        (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
    };
    let mean = Array2::from_shape_fn((n, latents), |(i, j)| {
        latent(j, [factors[[i, 0]], factors[[i, 1]]], normal())
    });
    Codes {
        log_sigma: Array2::from_elem((n, latents), sigma.ln()),
        mean,
        factors,
        names: vec!["a".into(), "b".into()],
        sizes: vec![5, 4],
        is_categorical: vec![false, false],
    }
}

fn scores(codes: &Codes) -> [f64; 5] {
    let options = FactorScoreOptions {
        group_size: 50,
        num_train: 300,
        num_test: 300,
    };
    let seed = SeedTree::new(35);
    let mig = mig(codes, &MigOptions::default(), &noise()).expect("measures");
    let dci = dci(codes, &DciOptions::default()).expect("measures");
    [
        mig.score,
        factor_score(codes, &options, &seed)
            .expect("measures")
            .score,
        sap(codes).expect("measures").score,
        dci.disentanglement,
        dci.completeness,
    ]
}

#[test]
fn sb_33_a_factorized_encoder_has_a_gap_above_095_and_copies_have_none() {
    let mut factorized = synthetic(0.01, 3, |j, v, _| if j < 2 { v[j] as f64 } else { 0.0 });
    // The third latent says nothing: its posterior is the prior for every input.
    factorized.log_sigma.column_mut(2).fill(0.0);
    let [mig, factor, sap, dis, com] = scores(&factorized);
    assert!(mig > 0.95 && mig < 1.01, "MIG {mig}");
    assert!(factor == 1.0, "FactorVAE {factor}");
    assert!(sap > 0.9, "SAP {sap}");
    assert!(dis > 0.95 && com > 0.95, "DCI {dis} {com}");
    let copies = synthetic(0.01, 3, |_, v, _| v[0] as f64);
    let [mig, factor, sap, ..] = scores(&copies);
    assert!(mig.abs() < 0.02, "MIG {mig}");
    // One latent answers for both factors, so one factor is never told.
    assert!(factor < 0.7, "FactorVAE {factor}");
    assert!(sap.abs() < 0.02, "SAP {sap}");
}

/// A factor that cycles through the rows has each class on rows of one parity alone when its number
/// of classes is even.
#[test]
fn a_categorical_factor_may_cycle_through_the_rows() {
    let num_classes = 4;
    let class = |i: usize| i % num_classes;
    let codes = Codes {
        mean: Array2::from_shape_fn((80, 2), |(i, j)| if j == 0 { class(i) as f64 } else { 0.0 }),
        log_sigma: Array2::from_elem((80, 2), 0.0),
        factors: Array2::from_shape_fn((80, 1), |(i, _)| class(i)),
        names: vec!["shape".into()],
        sizes: vec![num_classes],
        is_categorical: vec![true],
    };
    let found = sap(&codes).expect("measures");
    // The first latent is the class; the second says nothing, so that one class takes all.
    assert_eq!(found.predictability, [[1.0, 1.0 / num_classes as f64]]);
    assert_eq!(found.score, 1.0 - 1.0 / num_classes as f64);
}

#[test]
fn a_rotation_of_the_latents_spoils_every_score() {
    let straight = synthetic(0.05, 2, |j, v, _| v[j] as f64 - 1.7);
    let turned = synthetic(0.05, 2, |j, v, _| {
        let (a, b) = (v[0] as f64 - 2.0, v[1] as f64 - 1.5);
        if j == 0 { 0.7 * (a + b) } else { 0.7 * (a - b) }
    });
    let (before, after) = (scores(&straight), scores(&turned));
    let names = ["MIG", "FactorVAE", "SAP", "disentanglement", "completeness"];
    for ((name, b), a) in names.iter().zip(before).zip(after) {
        assert!(b > a + 0.2, "{name}: {b} before, {a} after");
    }
}

#[test]
fn fewer_samples_give_nearly_the_same_gap() {
    let codes = synthetic(0.3, 3, |j, v, e| if j < 2 { v[j] as f64 } else { e });
    let all = mig(&codes, &MigOptions::default(), &noise()).expect("measures");
    let few = mig(&codes, &MigOptions { max_samples: 200 }, &noise()).expect("measures");
    assert_ne!(all.score, few.score);
    // Entropies of 200 samples have standard errors of about a twentieth.
    assert!(
        (all.score - few.score).abs() < 0.1,
        "{} {}",
        all.score,
        few.score
    );
}

#[test]
fn importance_tables_have_their_closed_forms() {
    let diagonal = array![[2.0, 0.0], [0.0, 0.5], [0.0, 0.0]];
    assert_eq!(
        (disentanglement(&diagonal), completeness(&diagonal)),
        (1.0, 1.0)
    );
    let even = Array2::from_elem((3, 2), 0.7);
    assert!(disentanglement(&even).abs() < EXACT && completeness(&even).abs() < EXACT);
    // One latent holds both factors: complete, not disentangled.
    let one = array![[1.0, 1.0], [0.0, 0.0]];
    assert!(disentanglement(&one).abs() < EXACT);
    assert_eq!(completeness(&one), 1.0);
    assert_eq!(disentanglement(&Array2::zeros((2, 2))), 0.0);
}

#[test]
fn lasso_satisfies_its_optimality_conditions() {
    let mut rng = SeedTree::new(36).rng();
    let mut uniform = || (rng.next_u32() as f64) / f64::from(u32::MAX) - 0.5;
    let x = Array2::from_shape_fn((40, 6), |_| uniform());
    let y = x.dot(&array![3.0, 0.0, -1.0, 0.0, 0.0, 0.2]) + 0.1;
    let alpha = 0.02;
    let weights = lasso(x.view(), y.view(), alpha);
    let slopes = x
        .t()
        .dot(&(&y - &x.dot(&ndarray::Array1::from(weights.clone()))))
        / 40.0;
    for (w, slope) in weights.iter().zip(slopes) {
        if *w == 0.0 {
            assert!(slope.abs() <= alpha + DESCENT);
        } else {
            assert!((slope - alpha * w.signum()).abs() < DESCENT);
        }
    }
    assert!(weights.contains(&0.0) && weights[0] > 1.0);
    assert!(lasso(x.view(), y.view(), 10.0).iter().all(|&w| w == 0.0));
}

#[test]
fn codes_of_a_data_set_keep_their_factors_and_bad_ones_are_named() {
    let options = OpenOptions {
        size: Some(8),
        ..OpenOptions::default()
    };
    let data = open("sprites", None, Split::Test, &options).expect("generated");
    let spec = LinearGaussianSpec::random(64, 3, &SeedTree::new(1));
    let flat = FlatSprites(data);
    let model = LinearGaussian::new(Kind::Float, &spec);
    let indices: Vec<usize> = (0..600).collect();
    let codes = encode(&model, &flat, &indices, &["posX", "shape"], &["shape"]).expect("encodes");
    assert_eq!(
        (codes.mean.dim(), codes.factors.dim()),
        ((600, 3), (600, 2))
    );
    assert_eq!(codes.sizes, [12, 5]);
    assert_eq!(codes.is_categorical, [false, true]);
    let one = encode(&model, &flat, &[7, 599], &["posX", "shape"], &[]).expect("encodes");
    assert_eq!(one.factors.row(1), codes.factors.row(599));
    assert!(
        (&one.mean.row(1) - &codes.mean.row(599))
            .iter()
            .all(|d| d.abs() < 1e-5)
    );
    let error = encode(&model, &flat, &indices, &["hue"], &[]).expect_err("no such factor");
    assert!(error.to_string().contains("hue"), "{error}");
    let mut broken = codes.clone();
    broken.mean[[3, 1]] = f64::NAN;
    for codes in [
        broken,
        Codes {
            sizes: vec![12, 2],
            ..codes.clone()
        },
    ] {
        assert!(matches!(sap(&codes), Err(EvalError::BadInput { .. })));
        assert!(mig(&codes, &MigOptions::default(), &noise()).is_err());
        assert!(dci(&codes, &DciOptions::default()).is_err());
    }
    let group = vec![Group {
        factor: 0,
        rows: vec![0, 1, 600],
    }];
    assert!(factor_score_of(&codes, &group, &group).is_err());
    assert!(dci(&codes, &DciOptions { alpha: -1.0 }).is_err());
}

/// Sprites as rows of pixels, the shape of the linear model's images.
struct FlatSprites(Box<dyn vaegis_data::Dataset>);

impl vaegis_data::Dataset for FlatSprites {
    fn spec(&self) -> &vaegis_data::DatasetSpec {
        self.0.spec()
    }

    fn batch_into(
        &self,
        indices: &[usize],
        batch: &mut vaegis_data::Batch,
    ) -> Result<(), vaegis_data::DataError> {
        self.0.batch_into(indices, batch)?;
        let shape = (indices.len(), 1, 1, 64);
        let x = std::mem::replace(&mut batch.x, ndarray::Array4::zeros((0, 0, 0, 0)));
        batch.x = x.into_shape_with_order(shape).expect("64 pixels");
        Ok(())
    }
}
