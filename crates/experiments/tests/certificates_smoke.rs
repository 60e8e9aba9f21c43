//! The certificate experiment through the program, small, on sprites: no sound
//! claim is violated, the printed one is, and a second run gives the same page.

mod common;

use common::succeed;
use vaegis_report::{Verdict, read_folder};

const RUN: &str = "run certificates --tier smoke --seeds 1 --jobs 2 --threads 1 --out out --quiet";

#[test]
fn no_certificate_is_violated_and_the_printed_bound_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let said = succeed(at, RUN);
    assert!(said.contains("report.html"), "{said}");
    let out = at.join("out/certificates-smoke-0");
    let report = read_folder(&out).expect("a report");
    let ids: Vec<&str> = report.claims.iter().map(|r| r.claim.id.as_str()).collect();
    assert_eq!(
        ids[..2],
        ["sound-never-violated", "printed-bound-is-violated"]
    );
    for result in &report.claims {
        assert_eq!(result.verdict, Verdict::Holds, "{result:?}");
    }
    let table = std::fs::read_to_string(out.join("data/violations.csv")).expect("a table");
    // V1 and V3 of the Lipschitz VAEs, V2 where σ is a network, V1 of the ordinary ones.
    // Four images of each of two sets; the ordinary VAE at beta = 1 also stands among the constants.
    for (model, variants, worth) in [
        ("lipschitz-5", 2, "sound: 8,8,"),
        ("lipschitz-8", 2, "sound: 8,8,"),
        ("lipschitz-sigma", 3, "sound: 8,8,"),
        // p₀ of an ordinary VAE is sampled, and some of these are not certified at all; the
        // Lipschitz margins need no sample.
        ("vae-1", 1, "sound with confidence 0.999999: "),
        ("vae-10", 1, "sound with confidence 0.999999: "),
        ("L = 10", 2, "sound: 4,4,"),
    ] {
        let certificates = table.lines().filter(|l| l.starts_with("\"certificate, V"));
        let row = format!(",{model},{worth}");
        let found = certificates.filter(|l| l.contains(&row)).count();
        assert_eq!(found, variants, "{model}:\n{table}");
    }
    let constants = std::fs::read_to_string(out.join("data/margins-mnist-by-constant.csv"));
    let constants = constants.expect("a table");
    assert_eq!(constants.lines().count(), 1 + 6 + 1, "{constants}");
    // Two data sets of four images, five models, one seed.
    let pairs = ["mnist", "cifar10"].map(|set| {
        let pairs = std::fs::read_to_string(out.join(format!("data/pairs-{set}.csv")));
        pairs.expect("a table").lines().count()
    });
    assert_eq!(pairs, [1 + 4 * 5; 2]);
    succeed(at, RUN);
    let again = std::fs::read_to_string(out.join("data/violations.csv")).expect("a table");
    assert_eq!(again, table, "stored stages give the same numbers");
}
