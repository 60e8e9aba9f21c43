//! Tables over the number of codes and over δ and c: where which statement begins to hold.

use anyhow::Result;
use vaegis_report::{Cell, Table};
use vaegis_theory::entropy::{
    crossover, entropy_exact, entropy_first_order, min_entropy_threshold, relative_error,
};

/// Numbers of codes of the table of thresholds; three and fewer have none.
const THRESHOLD_CODES: [usize; 9] = [4, 8, 16, 32, 64, 128, 256, 512, 1024];
/// δ for which a threshold gap is also given as a distance.
const THRESHOLD_DELTAS: [f64; 3] = [1.0, 0.5, 0.1];
/// Relative errors of the first order whose gaps are given.
const ERRORS: [f64; 3] = [1e-2, 1e-4, 1e-6];
/// Diameters δ of the table of crossovers.
pub(super) const CROSSOVER_DELTAS: [f64; 5] = [0.1, 0.5, 0.9, 0.99, 1.0];
/// Lower logits c of the table of crossovers.
pub(super) const CROSSOVER_LOGITS: [f64; 4] = [-1.0, 0.0, 1.0, 5.0];
/// A gap at which everything that is searched for has happened: e⁻⁶⁰·1023 is below 1e-20.
const LARGEST_GAP: f64 = 60.0;
/// Halvings of a bracket; 60 exhaust an f64.
const NUM_BISECTIONS: usize = 60;

/// g*(K), from which on one code against all others has the least entropy.
pub(super) fn least_entropy() -> Result<Table> {
    let mut names = vec!["codes".to_owned(), "gap g*".to_owned()];
    names.extend(THRESHOLD_DELTAS.map(|delta| format!("d* at δ = {delta}")));
    names.push("entropy at g*".to_owned());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = "Gap from which on one code against all others has the least entropy";
    let mut table = Table::new("thresholds", title, &names)
        .with_caption("As a distance of the nearest code: d* = (g* − δ²/2)/δ. With 3 codes or fewer the arrangement always has the least entropy.");
    for num_codes in THRESHOLD_CODES {
        let Some(gap) = min_entropy_threshold(num_codes)? else {
            continue;
        };
        let mut row: Vec<Cell> = vec![num_codes.into(), gap.into()];
        row.extend(THRESHOLD_DELTAS.map(|delta| Cell::from((gap - 0.5 * delta * delta) / delta)));
        row.push(entropy_exact(num_codes, gap)?.into());
        table.push_row(row)?;
    }
    Ok(table)
}

/// Gaps at which the first order becomes a possible entropy, and then an accurate one.
pub(super) fn first_order(codes: &[usize]) -> Result<Table> {
    let mut names = vec!["codes".to_owned(), "above ln K below gap".to_owned()];
    names.extend(ERRORS.map(|error| format!("error {error:.0e} at gap")));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = "Gaps from which on the first-order form is an entropy, and an accurate one";
    let mut table = Table::new("first-order", title, &names).with_caption(
        "Below the first gap the printed value exceeds ln K, which no entropy of K codes does.",
    );
    for &num_codes in codes {
        let most = (num_codes as f64).ln();
        let mut row: Vec<Cell> = vec![num_codes.into()];
        row.push(last_gap(|gap| Ok(entropy_first_order(num_codes, gap)? > most))?.into());
        for error in ERRORS {
            row.push(last_gap(|gap| Ok(relative_error(num_codes, gap)? > error))?.into());
        }
        table.push_row(row)?;
    }
    Ok(table)
}

/// d*(δ, c), beyond which rVQ has more entropy than a softmax.
pub(super) fn crossovers() -> Result<Table> {
    let mut names = vec!["δ".to_owned()];
    names.extend(CROSSOVER_LOGITS.map(|c| format!("d* at c = {c}")));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = "Network output beyond which rVQ has more entropy than a softmax";
    let mut table = Table::new("crossovers", title, &names).with_caption(
        "d* = (c + δ²/2)/(1 − δ), for any number of codes; where it is negative, rVQ has more at \
         every output. No entry: there is no such output, and at δ = 1 rVQ has more only for \
         c < −½.",
    );
    for delta in CROSSOVER_DELTAS {
        let mut row: Vec<Cell> = vec![delta.into()];
        for c in CROSSOVER_LOGITS {
            row.push(crossover(delta, c)?.map_or(Cell::Missing, Cell::from));
        }
        table.push_row(row)?;
    }
    Ok(table)
}

/// The gap at which a statement that is true at 0 and false for large gaps changes.
fn last_gap(holds: impl Fn(f64) -> Result<bool>) -> Result<f64> {
    let (mut low, mut high) = (0.0, LARGEST_GAP);
    for _ in 0..NUM_BISECTIONS {
        let middle = 0.5 * (low + high);
        if holds(middle)? {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(table: &Table, row: usize) -> Vec<f64> {
        let value = |cell: &Cell| match cell {
            Cell::Number(value) => *value,
            Cell::Int(value) => *value as f64,
            _ => f64::NAN,
        };
        table.rows[row].iter().map(value).collect()
    }

    fn near(got: &[f64], want: &[f64], tolerance: f64) -> bool {
        let mut pairs = got.iter().zip(want);
        got.len() == want.len() && pairs.all(|(g, w)| (g - w).abs() <= tolerance)
    }

    /// F11: the reference values to the digits with which they are given.
    #[test]
    fn thresholds_are_the_reference_values() {
        let table = least_entropy().expect("a table");
        assert_eq!(table.rows.len(), THRESHOLD_CODES.len());
        let row = numbers(&table, 6);
        assert!(
            near(
                &row,
                &[256.0, 7.00105, 6.501, 13.752, 69.961, 1.528568],
                5.1e-4
            ),
            "{row:?}"
        );
        let row = numbers(&table, 0);
        assert!(
            near(&row, &[4.0, 0.82213, 0.322, 1.394, 8.171, 1.308445], 5.1e-4),
            "{row:?}"
        );
    }

    /// V4: the gaps of the printed accuracy, to the digits of the reference.
    #[test]
    fn gaps_of_the_first_order_are_the_reference_values() {
        let table = first_order(&[2, 16, 256]).expect("a table");
        for (row, want) in [
            [2.0, 1.116, 4.509, 9.160, 13.781],
            [16.0, 3.099, 7.250, 11.879, 16.495],
            [256.0, 5.736, 10.100, 14.719, 19.332],
        ]
        .iter()
        .enumerate()
        {
            let got = numbers(&table, row);
            assert!(near(&got, want, 5.1e-4), "{got:?}");
        }
    }

    /// F12: the crossover by hand, and none from δ = 1 on.
    #[test]
    fn crossovers_are_the_closed_form() {
        let table = crossovers().expect("a table");
        // (c + 1/8)/(1/2) = 2c + 1/4.
        let row = numbers(&table, 1);
        assert!(
            near(&row, &[0.5, -1.75, 0.25, 2.25, 10.25], 1e-12),
            "{row:?}"
        );
        let last = &table.rows[CROSSOVER_DELTAS.len() - 1];
        assert!(last[1..].iter().all(|cell| *cell == Cell::Missing));
    }
}
