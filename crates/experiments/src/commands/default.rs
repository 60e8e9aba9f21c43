//! What `vaegis train --print-default` prints: a commented configuration for each model family.
//!
//! The texts are put together from the files in `default/`; tests compare them with the types.

use clap::ValueEnum;

/// A model family, as on the command line and in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Family {
    /// The VAE and the beta-VAE
    #[default]
    Vae,
    /// The VAE with chosen Lipschitz constants
    LipschitzVae,
    /// The VAE with a penalty on the total correlation
    BetaTcvae,
    /// The hierarchical VAE with a penalty on the total correlation of its top layer
    Seatbelt,
    /// The VAE whose total correlation is told by a discriminator
    FactorVae,
}

impl Family {
    /// The `[model]` tables with their comments.
    fn model(self) -> &'static str {
        match self {
            Self::Vae => include_str!("default/vae.toml"),
            Self::LipschitzVae => include_str!("default/lipschitz-vae.toml"),
            Self::BetaTcvae => include_str!("default/beta-tcvae.toml"),
            Self::Seatbelt => include_str!("default/seatbelt.toml"),
            Self::FactorVae => include_str!("default/factor-vae.toml"),
        }
    }

    /// Side of the default images, and whether the default pixels lie in [−1, 1].
    fn images(self) -> (usize, bool) {
        match self {
            Self::Vae | Self::LipschitzVae => (28, false),
            Self::BetaTcvae | Self::Seatbelt | Self::FactorVae => (64, true),
        }
    }

    /// A whole configuration: the family's defaults with data that fit them.
    pub fn default_toml(self) -> String {
        let (side, is_signed) = self.images();
        let optional = if is_signed { "" } else { "#" };
        [
            include_str!("default/head.toml"),
            "[dataset]\n",
            include_str!("default/dataset.toml"),
            "# Side of the images, for sets that are drawn or resized; remove the line for a set's \
             own size.\n",
            &format!("size = {side}\n"),
            include_str!("default/dataset_rest.toml"),
            &format!("{optional}range = [-1.0, 1.0]\n\n"),
            self.model(),
            include_str!("default/train.toml"),
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::run_config::{DatasetConfig, RunConfig, check_fit, range_warning};
    use std::path::Path;
    use vaegis_core::codec::{from_toml, to_toml};
    use vaegis_core::{SeedTree, Validate as _};
    use vaegis_data::{Split, registry};
    use vaegis_tensor::{Device, Kind, Noise, ParamStore};
    use vaegis_train::TrainConfig;
    use vaegis_zoo::{ModelConfig, build};

    fn parse(text: &str) -> RunConfig {
        from_toml(Path::new("default.toml"), text).expect(text)
    }

    /// The text with its optional keys as keys.
    fn with_optional_keys(text: &str) -> String {
        text.lines()
            .map(|line| match line.strip_prefix('#') {
                Some(key) if !key.is_empty() && !key.starts_with(' ') => format!("{key}\n"),
                _ => format!("{line}\n"),
            })
            .collect()
    }

    /// All keys of all tables, by their own names.
    fn keys(value: &toml::Value) -> Vec<String> {
        let toml::Value::Table(table) = value else {
            return Vec::new();
        };
        let within = table.values().flat_map(keys);
        table.keys().cloned().chain(within).collect()
    }

    /// A file with nothing but the family's name has the family's defaults.
    fn bare(family: Family) -> ModelConfig {
        let name = family.to_possible_value().expect("not hidden");
        parse(&format!("[model]\nfamily = {:?}", name.get_name())).model
    }

    #[test]
    fn the_printed_defaults_are_the_defaults() {
        assert_eq!(parse(&Family::Vae.default_toml()), RunConfig::default());
        assert_eq!(parse(""), RunConfig::default());
        for family in Family::value_variants() {
            let config = parse(&family.default_toml());
            assert_eq!(config.violations(), [], "{family:?}");
            assert_eq!(config.model, bare(*family), "{family:?}");
            assert_eq!(config.train, TrainConfig::default(), "{family:?}");
        }
    }

    #[test]
    fn the_optional_keys_of_the_printed_defaults_exist() {
        for family in Family::value_variants() {
            let config = parse(&with_optional_keys(&family.default_toml()));
            assert_eq!(config.violations(), [], "{family:?}");
            assert_eq!(config.dataset.train_items, Some(10_000));
            assert_eq!(config.dataset.range, Some((-1.0, 1.0)));
            assert_eq!(config.train.max_steps, Some(1000));
        }
    }

    #[test]
    fn every_key_of_a_family_is_printed_for_it() {
        for family in Family::value_variants() {
            let text = family.default_toml();
            let printed: Vec<String> = with_optional_keys(&text)
                .lines()
                .filter_map(|line| line.split_once(" = "))
                .map(|(key, _)| key.to_owned())
                .collect();
            let model = to_toml(&bare(*family)).expect("serializes");
            let table = toml::Value::Table(model.parse().expect("a table"));
            for key in keys(&table) {
                let is_table = text.contains(&format!("[model.{key}]"));
                assert!(is_table || printed.contains(&key), "{family:?}: {key}");
            }
        }
    }

    #[test]
    fn every_data_set_is_named() {
        let text = Family::Vae.default_toml();
        for entry in registry::REGISTRY {
            let names = text.split([' ', ',', ';', '\n']);
            assert!(
                names.clone().any(|name| name == entry.name),
                "{}",
                entry.name
            );
        }
    }

    /// The printed data go with the printed model, down to the range of the values.
    #[test]
    fn the_printed_defaults_fit_their_data() {
        for family in Family::value_variants() {
            let config = parse(&family.default_toml());
            let few = DatasetConfig {
                samples: Some(40),
                ..config.dataset
            };
            let data = few.open(Split::Test, None).expect("made");
            let noise = Noise::portable(SeedTree::new(0));
            let store = ParamStore::new(Kind::Float, Device::Cpu, noise);
            let model = build(&config.model, &store).expect("possible");
            check_fit(&*model, &*data).expect("fits");
            let range = data.spec().value_range;
            assert_eq!(
                range_warning("it", range, model.bounds()),
                None,
                "{family:?}"
            );
        }
    }
}
