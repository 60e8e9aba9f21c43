//! Options of the searches that make no sense are named, not run.

use vaegis_attacks::search::{AdamSearch, Apgd, Pgd};
use vaegis_attacks::{Attack, Constraint, Objective, Search, Variant};

fn check(search: Search) -> Result<(), String> {
    let damage = Attack {
        search,
        ..Attack::max_damage(Variant::Both)
    };
    let attack = match search {
        // It compares values and has no ball of its own.
        Search::Adam(_) => Attack::new(Objective::LATENT_KL, Constraint::PENALIZED, search),
        Search::Apgd(_) => Attack {
            noise_mode: vaegis_attacks::NoiseMode::Common,
            ..damage
        },
        _ => damage,
    };
    attack.check().map_err(|error| error.to_string())
}

#[test]
fn options_out_of_range_are_refused_by_name_and_their_edges_are_not() {
    let adam = |beta1, beta2| {
        Search::Adam(AdamSearch {
            beta1,
            beta2,
            ..AdamSearch::default()
        })
    };
    let apgd = |rho| {
        Search::Apgd(Apgd {
            rho,
            ..Apgd::default()
        })
    };
    let pgd = |decay, floor| {
        Search::Pgd(Pgd {
            decay,
            floor,
            ..Pgd::default()
        })
    };
    let refused = [
        ("search.beta1", adam(1.0, 0.999)),
        ("search.beta1", adam(-0.1, 0.999)),
        ("search.beta1", adam(f64::NAN, 0.999)),
        ("search.beta2", adam(0.9, 1.0)),
        ("search.beta2", adam(0.9, 1.5)),
        ("search.rho", apgd(0.0)),
        ("search.rho", apgd(1.0)),
        ("search.rho", apgd(f64::NAN)),
        ("search.decay", pgd(-0.1, 0.2)),
        ("search.floor", pgd(0.3, -0.1)),
        ("search.decay", pgd(f64::INFINITY, 0.1)),
        ("search.decay + search.floor", pgd(0.0, 0.0)),
    ];
    for (name, search) in refused {
        let error = check(search).expect_err(name);
        assert!(error.starts_with(&format!("{name}: expected")), "{error}");
    }
    for search in [
        adam(0.0, 0.0),
        apgd(0.5),
        pgd(0.0, 0.1),
        pgd(0.3, 0.0),
        Search::Adam(AdamSearch::default()),
        Search::Apgd(Apgd::default()),
        Search::Pgd(Pgd::default()),
    ] {
        assert_eq!(check(search), Ok(()), "{search:?}");
    }
}
