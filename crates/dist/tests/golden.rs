//! Golden values from SciPy, PyTorch and mpmath; `golden/distributions.py`
//! makes them and names the versions.

use serde_json::Value;
use vaegis_dist::{
    Bernoulli, Categorical, Cdf, ContinuousBernoulli, DiagNormal, DiscretizedLogistic,
    Distribution, Entropy, KlTo, Laplace, Logistic, Mean, Mixture, Normal, RelaxedCategorical,
    StraightThrough, Uniform, Variance, W2To, continuous_bernoulli,
};
use vaegis_tensor::{Kind, Tensor};

const GOLDEN: &str = include_str!("golden/distributions.json");

/// Two double-precision formulas for the same number, relative to one plus its size.
const ROUNDING: f64 = 1e-12;
/// PyTorch's continuous Bernoulli goes through probabilities, which costs it digits.
const PYTORCH_CONTINUOUS_BERNOULLI: f64 = 1e-9;
/// PyTorch clamps one-hot and relaxed probabilities at rounding.
const PYTORCH_CATEGORICAL: f64 = 1e-10;

const VALID: &str = "the golden parameters are valid";

fn golden() -> Value {
    serde_json::from_str(GOLDEN).expect("the golden file is JSON")
}

fn flatten(value: &Value, into: &mut Vec<f64>) {
    match value.as_array() {
        Some(items) => items.iter().for_each(|item| flatten(item, into)),
        None => into.push(value.as_f64().expect("a golden number")),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    let mut out = Vec::new();
    flatten(value, &mut out);
    out
}

/// A tensor of the shape of the nested list.
fn tensor(value: &Value) -> Tensor {
    let mut shape = Vec::new();
    let mut inner = value;
    while let Some(items) = inner.as_array() {
        shape.push(i64::try_from(items.len()).expect("a short list"));
        inner = &items[0];
    }
    Tensor::from_slice(&numbers(value)).reshape(shape)
}

fn assert_matches(what: &str, found: &Tensor, expected: &Value, tolerance: f64) {
    let found = Vec::<f64>::try_from(found.contiguous().view(-1)).expect("doubles");
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}: number of values");
    for (index, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!(
            (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{what} at {index}: found {a}, golden {b}",
        );
    }
}

struct Row<'a> {
    row: &'a Value,
    tolerance: f64,
}

impl Row<'_> {
    fn compare(&self, key: &str, found: impl FnOnce() -> Tensor) {
        let expected = &self.row[key];
        if !expected.is_null() {
            let what = format!("{} {} ({})", self.row["law"], key, self.row["source"]);
            assert_matches(&what, &found(), expected, self.tolerance);
        }
    }

    fn log_prob(&self, law: &dyn Distribution) {
        self.compare("log_prob", || law.log_prob(&tensor(&self.row["value"])));
    }

    fn moments<D: Mean + Variance>(&self, law: &D) {
        self.compare("mean", || law.mean());
        self.compare("variance", || law.variance());
    }

    fn cdf<D: Cdf>(&self, law: &D) {
        self.compare("cdf", || law.cdf(&tensor(&self.row["value"])));
    }

    fn entropy<D: Entropy>(&self, law: &D) {
        self.compare("entropy", || law.entropy());
    }

    fn scalar<D: Mean + Variance + Entropy + Cdf>(&self, law: &D) {
        self.log_prob(law);
        self.moments(law);
        self.cdf(law);
        self.entropy(law);
    }
}

fn parameters(row: &Value) -> Vec<Tensor> {
    row["parameters"]
        .as_array()
        .expect("a list of parameters")
        .iter()
        .map(tensor)
        .collect()
}

#[test]
fn every_law_matches() {
    let golden = golden();
    let laws = golden["laws"].as_array().expect("a list of laws");
    for row in laws {
        let p = parameters(row);
        let name = row["law"].as_str().expect("a name");
        let tolerance = match (name, row["source"].as_str()) {
            ("ContinuousBernoulli", Some("torch")) => PYTORCH_CONTINUOUS_BERNOULLI,
            ("RelaxedCategorical" | "StraightThrough", _) => PYTORCH_CATEGORICAL,
            _ => ROUNDING,
        };
        let check = Row { row, tolerance };
        match name {
            "Normal" => check.scalar(&Normal::new(&p[0], &p[1]).expect(VALID)),
            "Laplace" => check.scalar(&Laplace::new(&p[0], &p[1]).expect(VALID)),
            "Logistic" => check.scalar(&Logistic::new(&p[0], &p[1]).expect(VALID)),
            "Uniform" => check.scalar(&Uniform::new(&p[0], &p[1]).expect(VALID)),
            "Bernoulli" => check.scalar(&Bernoulli::new(&p[0]).expect(VALID)),
            "DiscretizedLogistic" => {
                check.scalar(&DiscretizedLogistic::grey(&p[0], &p[1]).expect(VALID));
            }
            "ContinuousBernoulli" => {
                check.scalar(&ContinuousBernoulli::new(&p[0]).expect(VALID));
                check.compare("log_normalizer", || {
                    continuous_bernoulli::log_normalizer(&p[0])
                });
            }
            "Categorical" => {
                let law = Categorical::new(&p[0]).expect(VALID);
                let value = tensor(&row["value"]).to_kind(Kind::Int64);
                check.compare("log_prob", || law.log_prob(&value));
                check.entropy(&law);
            }
            "RelaxedCategorical" => {
                let temperature = p[1].double_value(&[]);
                check.log_prob(&RelaxedCategorical::new(&p[0], temperature).expect(VALID));
            }
            "StraightThrough" => {
                let law = StraightThrough::from_logits(&p[0], 1.0).expect(VALID);
                check.log_prob(&law);
                check.entropy(&law);
                check.compare("mean", || law.mean());
            }
            "DiagNormal" => {
                let law = DiagNormal::try_new(p[0].copy(), p[1].copy()).expect(VALID);
                check.log_prob(&law);
                check.moments(&law);
                check.entropy(&law);
            }
            "Mixture" => {
                let weights = Categorical::new(&p[0]).expect(VALID);
                let components = Normal::new(&p[1], &p[2]).expect(VALID);
                let law = Mixture::new(weights, components).expect(VALID);
                check.log_prob(&law);
                check.moments(&law);
                check.cdf(&law);
            }
            other => panic!("the golden file has a law {other:?} that this test does not know"),
        }
    }
    assert_eq!(laws.len(), 15, "a law is missing from the golden file");
}

#[test]
fn every_divergence_matches() {
    let golden = golden();
    let pairs = golden["divergences"].as_array().expect("a list of pairs");
    for row in pairs {
        let p = parameters(row);
        let name = row["pair"].as_str().expect("a name");
        let normal = |i: usize| Normal::new(&p[i], &p[i + 1]).expect(VALID);
        let laplace = |i: usize| Laplace::new(&p[i], &p[i + 1]).expect(VALID);
        let uniform = |i: usize| Uniform::new(&p[i], &p[i + 1]).expect(VALID);
        let diagonal = |i: usize| DiagNormal::try_new(p[i].copy(), p[i + 1].copy()).expect(VALID);
        let found = match name {
            "Normal-Normal" => normal(0).kl_to(&normal(2)),
            "Laplace-Laplace" => laplace(0).kl_to(&laplace(2)),
            "Laplace-Normal" => laplace(0).kl_to(&normal(2)),
            "Normal-Laplace" => normal(0).kl_to(&laplace(2)),
            "Uniform-Normal" => uniform(0).kl_to(&normal(2)),
            "Uniform-Uniform" => uniform(0).kl_to(&uniform(2)),
            "Bernoulli-Bernoulli" => {
                let [a, b] = [0, 1].map(|i: usize| Bernoulli::new(&p[i]).expect(VALID));
                a.kl_to(&b)
            }
            "ContinuousBernoulli-ContinuousBernoulli" => {
                let [a, b] = [0, 1].map(|i: usize| ContinuousBernoulli::new(&p[i]).expect(VALID));
                a.kl_to(&b)
            }
            "Categorical-Categorical" => {
                let [a, b] = [0, 1].map(|i: usize| Categorical::new(&p[i]).expect(VALID));
                a.kl_to(&b)
            }
            "DiagNormal-DiagNormal" => diagonal(0).kl_to(&diagonal(2)),
            other => panic!("the golden file has a pair {other:?} that this test does not know"),
        };
        let tolerance = if name.starts_with("Continuous") {
            PYTORCH_CONTINUOUS_BERNOULLI
        } else {
            ROUNDING
        };
        assert_matches(name, &found, &row["kl"], tolerance);
    }
    assert_eq!(pairs.len(), 10, "a pair is missing from the golden file");
}

#[test]
fn every_distance_matches() {
    let golden = golden();
    let pairs = golden["distances"].as_array().expect("a list of pairs");
    for row in pairs {
        let p = parameters(row);
        let name = row["pair"].as_str().expect("a name");
        let found = match name {
            "Normal-Normal" => {
                let [a, b] = [0, 2].map(|i: usize| Normal::new(&p[i], &p[i + 1]).expect(VALID));
                a.w2_squared_to(&b)
            }
            "Laplace-Laplace" => {
                let [a, b] = [0, 2].map(|i: usize| Laplace::new(&p[i], &p[i + 1]).expect(VALID));
                a.w2_squared_to(&b)
            }
            "Logistic-Logistic" => {
                let [a, b] = [0, 2].map(|i: usize| Logistic::new(&p[i], &p[i + 1]).expect(VALID));
                a.w2_squared_to(&b)
            }
            "Uniform-Uniform" => {
                let [a, b] = [0, 2].map(|i: usize| Uniform::new(&p[i], &p[i + 1]).expect(VALID));
                a.w2_squared_to(&b)
            }
            other => panic!("the golden file has a pair {other:?} that this test does not know"),
        };
        assert_matches(name, &found, &row["w2_squared"], ROUNDING);
    }
    assert_eq!(pairs.len(), 4, "a pair is missing from the golden file");
}
