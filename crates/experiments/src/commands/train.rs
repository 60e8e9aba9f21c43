//! `vaegis train`: one model from one configuration file.

use super::default::Family;
use super::machine::{Machine, MachineArgs};
use super::model_folder::{MODEL_FILE, RUN_FILE, metadata, stored_run};
use super::run_config::{DatasetConfig, RunConfig, check_fit};
use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use vaegis_core::SeedTree;
use vaegis_core::codec::{read_json, to_toml, write_atomic, write_json};
use vaegis_core::config::load_toml;
use vaegis_data::{Dataset, Split};
use vaegis_eval::elbo::{ElboRow, elbo, mean};
use vaegis_nn::LatentModel;
use vaegis_tensor::convert::to_tensor;
use vaegis_tensor::{Kind, Noise, ParamStore, checkpoint};
use vaegis_train::{Observer, Output, ProgressBar, Trainer};
use vaegis_zoo::{Model, build};

/// Test images in memory at once.
const IMAGES_PER_PASS: usize = 4096;

/// What a run came to.
const RESULT_FILE: &str = "result.json";

/// How and with what it came to that.
const PROVENANCE_FILE: &str = "provenance.json";

/// Options of `vaegis train`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  vaegis train --print-default > vae.toml        a commented configuration to start from
  vaegis train --print-default seatbelt          the same for another family
  vaegis train vae.toml --out models/vae         train; run it again after a kill and it goes on
  vaegis train vae.toml --out models/vae-1 --seed 1 --data ~/data --device cuda:0
  vaegis show models/vae                         what came of it

The folder gets run.toml (the configuration), metrics.jsonl, checkpoint/ (to go on from),
model.safetensors (opens in PyTorch too), result.json, provenance.json and the empty file lock.
A folder of another run is refused, and one in which another process trains at the moment. Raising train.epochs continues a finished run unless the schedule is a cosine.
Exit code 0: trained; 1: an error, said on stderr; 2: a wrong command line.")]
pub struct TrainArgs {
    /// The configuration
    #[arg(value_name = "CONFIG.toml", required_unless_present = "print_default")]
    pub config: Option<PathBuf>,
    /// Folder of the run
    #[arg(long, value_name = "DIR", required_unless_present = "print_default")]
    pub out: Option<PathBuf>,
    /// Root seed instead of the configuration's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Noise draws per test image for the ELBO at the end
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub elbo_draws: usize,
    /// Print a commented default configuration of a model family [default: vae] and do nothing else
    #[arg(long, value_name = "FAMILY", value_enum, num_args = 0..=1, default_missing_value = "vae")]
    pub print_default: Option<Family>,
    /// Where it computes
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// What a run came to, as stored in `result.json`; free of times, so that equal runs give equal
/// bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainResult {
    /// Steps of training.
    pub steps: u64,
    /// Mean loss of the last complete epoch.
    pub epoch_loss: Option<f64>,
    /// Mean ELBO over the test split, in its terms.
    pub test: ElboRow,
    /// Images of the test split.
    pub test_images: usize,
    /// Noise draws per test image.
    pub elbo_draws: usize,
    /// SHA-256 of the weights' file.
    pub model_sha256: String,
}

/// Trains, or goes on training, and prints the test ELBO.
///
/// # Errors
/// An impossible configuration, data that cannot be used, a folder of another run, a loss that is
/// not finite, disk errors. Nothing is written before everything that can be checked is checked.
pub fn run(args: &TrainArgs, print: &mut dyn FnMut(&str)) -> Result<()> {
    if let Some(family) = args.print_default {
        print(family.default_toml().trim_end());
        return Ok(());
    }
    let (Some(path), Some(out)) = (&args.config, &args.out) else {
        bail!("a configuration and --out DIR are needed");
    };
    if args.elbo_draws == 0 {
        bail!("--elbo-draws: expected at least 1, found 0");
    }
    let start = Instant::now();
    let mut config: RunConfig = load_toml(path)?;
    if let Some(seed) = args.seed {
        config.seed = seed;
    }
    let machine = args.machine.resolve()?;
    let root = machine.data_root.as_deref();
    let train = config.dataset.open(Split::Train, root)?;
    let test = config.dataset.open(Split::Test, root)?;
    let seed = SeedTree::new(config.seed).child("model");
    let store = ParamStore::new(
        Kind::Float,
        machine.device,
        Noise::portable(seed.child("init")),
    );
    let model = build(&config.model, &store).with_context(|| path.display().to_string())?;
    for data in [&train, &test] {
        if data.is_empty() {
            let spec = data.spec();
            bail!(
                "the {} split of {:?} has no items",
                spec.split.name(),
                spec.name
            );
        }
        check_fit(&*model, &**data).with_context(|| path.display().to_string())?;
    }
    let batch = config.train.batch_size;
    if train.len() < batch && config.train.drop_last {
        bail!(
            "{}: {} training items do not fill one batch of train.batch-size = {batch}: lower it, \
             or set train.drop-last = false",
            path.display(),
            train.len()
        );
    }
    refuse_other_run(out, &config)?;

    let report = {
        let mut observers: Vec<Box<dyn Observer + '_>> = Vec::new();
        if !args.machine.quiet {
            observers.push(Box::new(ProgressBar::new("training")));
        }
        let created = !out.exists();
        std::fs::create_dir_all(out)
            .with_context(|| format!("creating the folder {}", out.display()))?;
        let trainer = Trainer::new(
            &*model,
            Arc::clone(&train),
            config.train.clone(),
            seed.child("train"),
            // run.toml was compared above, so an older checkpoint in the folder is of this model.
            Some(Output::new(out, to_toml(&config.model)?).trusting_older()),
            observers,
        );
        if trainer.is_err() && created {
            // Only an empty folder can be removed, so nothing is lost.
            let _ = std::fs::remove_dir(out);
        }
        let mut trainer = trainer?;
        write_atomic(&out.join(RUN_FILE), to_toml(&config)?.as_bytes())?;
        trainer.train()?
    };
    store.set_trainable(false);
    let file = out.join(MODEL_FILE);
    checkpoint::save(
        &file,
        &store.named_tensors(),
        &metadata(&config, report.steps),
    )?;
    let test_elbo = test_elbo(&*model, &*test, args.elbo_draws, &seed, &machine)?;
    let result = TrainResult {
        steps: report.steps,
        epoch_loss: report.epoch_loss,
        test: test_elbo,
        test_images: test.len(),
        elbo_draws: args.elbo_draws,
        model_sha256: vaegis_core::hash::sha256_file(&file)?.0,
    };
    let (result_file, provenance_file) = (out.join(RESULT_FILE), out.join(PROVENANCE_FILE));
    // The record of a run is that of the process that came to its result: looking at a finished
    // folder once more must not replace it.
    let stored: Option<TrainResult> = read_json(&result_file).ok();
    let is_known = report.steps == report.resumed_from && stored.as_ref() == Some(&result);
    if !(is_known && provenance_file.exists()) {
        write_json(&result_file, &result)?;
        let mut provenance = machine.provenance(config.seed, &[&*train, &*test]);
        provenance.finish(start);
        write_json(&provenance_file, &provenance)?;
    }
    for line in lines(&result, &*model, &config.dataset, report.resumed_from) {
        print(&line);
    }
    print(&format!("model: {}", file.display()));
    Ok(())
}

/// Refuses a folder whose run has another data set, model or seed; the trainer compares the rest.
fn refuse_other_run(out: &Path, config: &RunConfig) -> Result<()> {
    if out.is_file() {
        bail!("--out {} is a file: a folder is needed", out.display());
    }
    let Some(stored) = stored_run(out)? else {
        return Ok(());
    };
    let mut different = Vec::new();
    if stored.seed != config.seed {
        different.push(format!(
            "seed ({} there, {} here)",
            stored.seed, config.seed
        ));
    }
    if stored.dataset != config.dataset {
        different.push("[dataset]".to_owned());
    }
    if stored.model != config.model {
        different.push("[model]".to_owned());
    }
    if !different.is_empty() {
        bail!(
            "{} holds another run: {} differ from its {RUN_FILE}; choose another --out or remove \
             the folder",
            out.display(),
            different.join(", ")
        );
    }
    Ok(())
}

/// The mean ELBO over a whole split, a part of it in memory at a time.
fn test_elbo(
    model: &dyn Model,
    test: &dyn Dataset,
    draws: usize,
    seed: &SeedTree,
    machine: &Machine,
) -> Result<ElboRow> {
    let noise = Noise::portable(seed.child("elbo"));
    let model: &dyn LatentModel = model;
    let mut rows = Vec::with_capacity(test.len());
    let positions: Vec<usize> = (0..test.len()).collect();
    for (part, positions) in positions.chunks(IMAGES_PER_PASS).enumerate() {
        let x = to_tensor(&test.batch(positions)?.x).to_device(machine.device); // [B, C, H, W]
        rows.extend(elbo(model, &x, draws, &noise.index(part as u64)));
    }
    Ok(mean(&rows))
}

fn lines(
    result: &TrainResult,
    model: &dyn Model,
    dataset: &DatasetConfig,
    resumed_from: u64,
) -> Vec<String> {
    let resumed = match resumed_from {
        0 => String::new(),
        step => format!(" ({step} of them by earlier processes)"),
    };
    let loss = result.epoch_loss.map_or_else(String::new, |l| {
        format!(", mean loss of the last epoch {l:.3}")
    });
    vec![
        format!(
            "{} on {}: {} steps{resumed}{loss}",
            model.family(),
            dataset.name,
            result.steps
        ),
        format!(
            "test ELBO {:.3} nats (log likelihood {:.3}, KL {:.3}) over {} images with {} noise {}",
            result.test.elbo(),
            result.test.log_likelihood,
            result.test.kl,
            result.test_images,
            result.elbo_draws,
            if result.elbo_draws == 1 {
                "draw"
            } else {
                "draws"
            },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that trains in a moment.
    const TINY: &str = "\
        [dataset]\nname = \"sprites\"\nsize = 8\nsamples = 64\n\
        [model]\nfamily = \"vae\"\ninput = [1, 8, 8]\nlatent = 2\n\
        [model.network]\nkind = \"mlp\"\nhidden = [8]\n\
        [train]\nbatch-size = 16\nepochs = 2\n";

    #[test]
    fn a_finished_folder_keeps_its_record_until_something_is_computed() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("tiny.toml");
        std::fs::write(&config, TINY).expect("written");
        let out = folder.path().join("m");
        let train = |elbo_draws| {
            let args = TrainArgs {
                config: Some(config.clone()),
                out: Some(out.clone()),
                seed: None,
                elbo_draws,
                print_default: None,
                machine: MachineArgs {
                    data: None,
                    device: "cpu".to_owned(),
                    threads: Some(1),
                    quiet: true,
                },
            };
            run(&args, &mut |_| ()).expect("trains");
            // It holds the time of the run, so no two are equal.
            std::fs::read(out.join(PROVENANCE_FILE)).expect("written")
        };
        let first = train(1);
        assert_eq!(train(1), first, "nothing was computed");
        let other_draws = train(2);
        assert_ne!(other_draws, first, "another result");
        std::fs::write(&config, TINY.replace("epochs = 2", "epochs = 3")).expect("written");
        assert_ne!(train(2), other_draws, "another epoch");
    }
}
