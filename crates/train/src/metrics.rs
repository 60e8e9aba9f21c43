//! The metric file: one JSON object per record, without clock times, so that equal runs give
//! equal bytes.

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::Path;
use vaegis_core::codec::read_jsonl;

use crate::TrainError;

/// Means over the steps since the record before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricRecord {
    /// Number of completed steps.
    pub step: u64,
    /// Epoch of the last of them, from 0.
    pub epoch: u64,
    /// Learning rate of the last of them.
    pub lr: f64,
    /// The loss: Σ weight · term.
    pub loss: f64,
    /// Every term by name, unweighted, in the order of the loss; then `grad_norm` before clipping
    /// where gradients are clipped.
    pub terms: NamedValues,
}

/// Values by name that keep their order in JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamedValues(pub Vec<(String, f64)>);

impl NamedValues {
    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| *value)
    }
}

impl Serialize for NamedValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for NamedValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = NamedValues;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NamedValues, A::Error> {
                let mut values = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    values.push(entry);
                }
                Ok(NamedValues(values))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// All records of a metric file, oldest first.
///
/// # Errors
/// A file that cannot be read or a complete line that is no record.
pub fn read_metrics(path: &Path) -> Result<Vec<MetricRecord>, TrainError> {
    Ok(read_jsonl(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_json_with_their_order() {
        let terms = [("recon", 100.125), ("kl", 0.1), ("a", -3.0)];
        let terms = NamedValues(terms.map(|(n, v)| (n.to_owned(), v)).into());
        let record = MetricRecord {
            step: 50,
            epoch: 1,
            lr: 1e-3,
            loss: 0.3,
            terms,
        };
        let text = serde_json::to_string(&record).expect("serializes");
        assert!(
            text.contains(r#""terms":{"recon":100.125,"kl":0.1,"a":-3.0}"#),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<MetricRecord>(&text).expect("round trip"),
            record
        );
        assert_eq!(record.terms.get("kl"), Some(0.1));
        assert_eq!(record.terms.get("none"), None);
    }
}
