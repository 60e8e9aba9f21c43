//! Which latent layers an objective compares, and how it goes through the layers below them.

use serde::{Deserialize, Serialize};

/// Largest number of layers that a [`LayerSet`] can name.
const MAX_LAYERS: usize = 64;

/// Which latent layers enter a latent objective. In files: `"all"`, `"bottom"`, `"top"`, or a list
/// of layer numbers with 1 nearest the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "LayersTable", into = "LayersTable")]
pub enum Layers {
    /// Every layer.
    #[default]
    All,
    /// The layer nearest the data.
    Bottom,
    /// The layer farthest from the data.
    Top,
    /// The layers of a list.
    Only(LayerSet),
}

impl Layers {
    /// The layers with these numbers, 1 nearest the data; none if the list is empty, repeats a
    /// number or holds one that is 0 or above 64.
    pub fn only(numbers: &[usize]) -> Option<Self> {
        let mut bits = 0_u64;
        for &number in numbers {
            if !(1..=MAX_LAYERS).contains(&number) {
                return None;
            }
            let bit = 1_u64 << (number - 1);
            if bits & bit != 0 {
                return None;
            }
            bits |= bit;
        }
        (bits != 0).then_some(Self::Only(LayerSet { bits }))
    }

    /// Whether the layer at `position` (0 nearest the data) counts in a model with `num_layers`.
    pub fn contains(self, position: usize, num_layers: usize) -> bool {
        match self {
            Self::All => true,
            Self::Bottom => position == 0,
            Self::Top => position + 1 == num_layers,
            Self::Only(set) => position < MAX_LAYERS && (set.bits >> position) & 1 == 1,
        }
    }

    /// The largest number of an explicit list.
    pub fn largest(self) -> Option<usize> {
        match self {
            Self::Only(set) => set.numbers().last().copied(),
            Self::All | Self::Bottom | Self::Top => None,
        }
    }
}

/// A non-empty set of layer numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSet {
    /// Bit n − 1 stands for layer n.
    bits: u64,
}

impl LayerSet {
    /// The numbers in ascending order, 1 nearest the data.
    pub fn numbers(self) -> Vec<usize> {
        (1..=MAX_LAYERS)
            .filter(|n| (self.bits >> (n - 1)) & 1 == 1)
            .collect()
    }
}

/// [`Layers`] as it stands in files.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LayersTable {
    Name(String),
    Numbers(Vec<usize>),
}

impl From<Layers> for LayersTable {
    fn from(layers: Layers) -> Self {
        match layers {
            Layers::All => Self::Name("all".to_owned()),
            Layers::Bottom => Self::Name("bottom".to_owned()),
            Layers::Top => Self::Name("top".to_owned()),
            Layers::Only(set) => Self::Numbers(set.numbers()),
        }
    }
}

impl TryFrom<LayersTable> for Layers {
    type Error = String;

    fn try_from(table: LayersTable) -> Result<Self, String> {
        const EXPECTED: &str =
            "expected \"all\", \"bottom\", \"top\" or a list of different layer numbers from 1";
        match table {
            LayersTable::Name(name) => match name.as_str() {
                "all" => Ok(Self::All),
                "bottom" => Ok(Self::Bottom),
                "top" => Ok(Self::Top),
                _ => Err(format!("{EXPECTED}, found {name:?}")),
            },
            LayersTable::Numbers(numbers) => {
                Self::only(&numbers).ok_or_else(|| format!("{EXPECTED}, found {numbers:?}"))
            }
        }
    }
}

/// Which points of the lower layers the posterior of an upper layer is taken at. The marginal
/// q(zⁱ|x) of an upper layer is no Gaussian, so a latent attack compares conditionals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HierMode {
    /// The chain of means, for the attacked input as for the target.
    #[default]
    Mean,
    /// Chains of draws with common random numbers: both inputs share the noise, and the
    /// divergence is averaged over the chains.
    Crn {
        /// Number of chains.
        samples: usize,
    },
}

impl HierMode {
    /// Noise draws per row; 0 for the means.
    pub fn num_samples(self) -> usize {
        match self {
            Self::Mean => 0,
            Self::Crn { samples } => samples,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Layers;

    #[test]
    fn lists_and_names_survive_files() {
        for (layers, text) in [
            (Layers::All, "\"all\""),
            (Layers::Bottom, "\"bottom\""),
            (Layers::Top, "\"top\""),
            (Layers::only(&[3, 1]).expect("a set"), "[1,3]"),
        ] {
            assert_eq!(serde_json::to_string(&layers).expect("writes"), text);
            let again: Layers = serde_json::from_str(text).expect("reads");
            assert_eq!(again, layers);
        }
        for text in ["\"middle\"", "[]", "[0]", "[1,1]", "[65]"] {
            let error = serde_json::from_str::<Layers>(text).expect_err("refused");
            assert!(error.to_string().contains("expected \"all\""), "{error}");
        }
    }

    #[test]
    fn positions_count_from_the_data() {
        let counted = |layers: Layers| (0..3).map(|l| layers.contains(l, 3)).collect::<Vec<_>>();
        assert_eq!(counted(Layers::All), [true, true, true]);
        assert_eq!(counted(Layers::Bottom), [true, false, false]);
        assert_eq!(counted(Layers::Top), [false, false, true]);
        let list = Layers::only(&[2, 3]).expect("a set");
        assert_eq!(counted(list), [false, true, true]);
        assert_eq!(list.largest(), Some(3));
    }
}
