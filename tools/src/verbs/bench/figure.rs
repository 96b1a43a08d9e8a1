//! A figure: what was measured, and what it is held to.

use serde::Serialize;

use crate::output::Row;

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    /// Its name, for programs.
    id: &'static str,
    /// Its name, for people.
    what: &'static str,
    /// The median of the runs.
    value: f64,
    unit: &'static str,
    /// What it must not be above.
    at_most: Option<f64>,
    /// What it must not be below.
    at_least: Option<f64>,
    /// Whether it is as it should be; `null` where nothing is demanded.
    met: Option<bool>,
    /// Each run.
    runs: Vec<f64>,
}

impl Figure {
    /// The median of some runs, of which there is one at least.
    pub(super) fn new(id: &'static str, what: &'static str, (runs, unit): (Vec<f64>, &'static str)) -> Self {
        Self { id, what, value: median(&runs), unit, at_most: None, at_least: None, met: None, runs }
    }

    pub(super) fn at_most(mut self, bound: f64) -> Self {
        self.at_most = Some(bound);
        self.met = Some(self.value <= bound);
        self
    }

    pub(super) fn at_least(mut self, bound: f64) -> Self {
        self.at_least = Some(bound);
        self.met = Some(self.value >= bound);
        self
    }
}

impl Row for Figure {
    const HEADINGS: &'static [&'static str] = &["FIGURE", ">VALUE", "UNIT", "DEMANDED", "MET"];

    fn cells(&self) -> Vec<String> {
        let demanded = match (self.at_most, self.at_least) {
            (Some(most), _) => format!("at most {}", rounded(most)),
            (None, Some(least)) => format!("at least {}", rounded(least)),
            (None, None) => String::new(),
        };
        let met = self.met.map_or("", |met| if met { "yes" } else { "no" });
        vec![self.what.to_owned(), rounded(self.value), self.unit.to_owned(), demanded, met.to_owned()]
    }
}

/// The middle one; of an even number the upper of the two.
pub(super) fn median(runs: &[f64]) -> f64 {
    let mut sorted = runs.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three digits that matter, or all before the point.
fn rounded(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_its_median_and_knows_whether_it_is_met() {
        let figure = |runs: &[f64]| Figure::new("x", "x", (runs.to_vec(), "s"));
        assert_eq!(figure(&[3.0, 1.0, 2.0]).value.to_bits(), 2.0_f64.to_bits());
        assert_eq!(figure(&[1.0]).at_most(1.0).met, Some(true));
        assert_eq!(figure(&[1.1]).at_most(1.0).met, Some(false));
        assert_eq!(figure(&[1.1]).at_least(2.0).met, Some(false));
        assert_eq!(figure(&[1.1]).met, None);
    }

    #[test]
    fn people_see_three_digits() {
        let rounded: Vec<String> = [0.123_4, 12.34, 1_234.5].into_iter().map(rounded).collect();
        assert_eq!(rounded, ["0.12", "12.3", "1234"]);
    }
}
