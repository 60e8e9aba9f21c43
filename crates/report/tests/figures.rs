//! Figures of any data: never a panic, always a word about what is missing.

use proptest::prelude::*;
use vaegis_report::figure::to_svg;
use vaegis_report::{
    Axis, Bars, BoxSummary, Drawing, Figure, HeatMap, Histogram, Line, Points, Report, ReportError,
    RunManifest, Scale, Section, to_html,
};

fn axis(is_log: bool) -> Axis {
    if is_log {
        Axis::log10("quantity")
    } else {
        Axis::linear("quantity")
    }
}

fn lines(is_log: bool, x: Vec<f64>, y: Vec<f64>) -> Result<Drawing, ReportError> {
    to_svg(&Figure::lines(
        "f",
        "F",
        axis(is_log),
        axis(is_log),
        vec![Line::new("l", x, y)],
    )?)
}

fn assert_says(drawing: &Drawing, words: &str) {
    assert!(
        drawing.notes.iter().any(|note| note.contains(words)),
        "{:?}",
        drawing.notes
    );
}

fn is_well_formed(svg: &str) -> bool {
    let opened = svg.matches("<text").count();
    svg.starts_with("<svg ")
        && svg.trim_end().ends_with("</svg>")
        && opened == svg.matches("</text>").count()
        && !svg.contains("NaN")
}

#[test]
fn empty_figures_say_so() {
    let no_points = lines(false, vec![], vec![]).expect("empty is valid");
    assert_says(&no_points, "There is no data to draw.");
    assert!(no_points.svg.contains("There is no data to draw."));
    let scatter = Figure::scatter("f", "F", axis(true), axis(true), vec![]).expect("valid");
    assert_says(
        &to_svg(&scatter.with_regression()).expect("drawn"),
        "no data",
    );
    let bars = Figure::bars("f", "F", "x", axis(false), &[], vec![]).expect("valid");
    assert_says(&to_svg(&bars).expect("drawn"), "no data");
    let histogram = Histogram::equal_bins("h", &[], 10);
    let figure = Figure::histogram("f", "F", axis(false), vec![histogram]).expect("valid");
    assert_says(&to_svg(&figure).expect("drawn"), "no data");
    let boxes = vec![BoxSummary::from_values("none", &[f64::NAN])];
    let figure = Figure::boxes("f", "F", "x", axis(false), boxes).expect("valid");
    let drawing = to_svg(&figure).expect("drawn");
    assert_says(&drawing, "no data");
    assert_says(&drawing, "There are no values for 'none'.");
}

#[test]
fn missing_points_are_counted() {
    let drawing = lines(
        true,
        vec![1.0, 2.0, f64::NAN, 4.0],
        vec![1.0, 0.0, 2.0, 3.0],
    )
    .expect("valid");
    assert_says(&drawing, "1 value was left out: it is not finite");
    assert_says(
        &drawing,
        "1 value was left out: it is not positive, and the axis is logarithmic.",
    );
    let none = lines(true, vec![1.0, 2.0], vec![0.0, -3.0]).expect("valid");
    assert_says(&none, "There is no data to draw.");
    assert_says(&none, "2 values were left out: they are not positive");
    let line = Line::new("l", vec![0.0, 5.0], vec![0.5, 0.5]);
    let x = Axis::linear("x").with_range(0.0, 1.0);
    let figure = Figure::lines("f", "F", x, axis(false), vec![line]).expect("valid");
    assert_says(
        &to_svg(&figure).expect("drawn"),
        "1 value was left out: it is outside the drawn range.",
    );
}

#[test]
fn a_single_point_is_drawn() {
    let drawing = lines(false, vec![2.0], vec![3.0]).expect("valid");
    assert_eq!(drawing.notes, Vec::<String>::new());
    // The point, and its sign in the legend.
    assert_eq!(drawing.svg.matches("<circle").count(), 2);
}

#[test]
fn unequal_lengths_are_errors() {
    let refused = |result: Result<Figure, ReportError>| {
        let error = result.expect_err("lengths differ").to_string();
        assert!(error.contains("expected 2 values, found 1"), "{error}");
    };
    let two = || vec![1.0, 2.0];
    let figure = |line| Figure::lines("f", "F", axis(false), axis(false), vec![line]);
    refused(figure(Line::new("l", two(), vec![1.0])));
    refused(figure(
        Line::new("l", two(), two()).with_band(vec![1.0], two()),
    ));
    refused(figure(
        Line::new("l", two(), two()).with_band(two(), vec![1.0]),
    ));
    let points = vec![Points::new("p", two(), vec![1.0])];
    refused(Figure::scatter("f", "F", axis(false), axis(false), points));
    let bars = vec![Bars::new("b", vec![1.0])];
    refused(Figure::bars("f", "F", "x", axis(false), &["a", "b"], bars));
    let mut histogram = Histogram::equal_bins("h", &[1.0, 2.0], 2);
    histogram.counts.pop();
    refused(Figure::histogram("f", "F", axis(false), vec![histogram]));
}

#[test]
fn impossible_ranges_are_errors() {
    for (low, high) in [
        (1.0, 1.0),
        (2.0, 1.0),
        (f64::NAN, 1.0),
        (0.0, f64::INFINITY),
    ] {
        let x = Axis::linear("x").with_range(low, high);
        assert!(
            Figure::lines("f", "F", x, axis(false), vec![]).is_err(),
            "{low}..{high}"
        );
    }
    let x = Axis::log10("x").with_range(0.0, 1.0);
    assert!(Figure::lines("f", "F", x, axis(false), vec![]).is_err());
}

#[test]
fn regression_recovers_a_power_law() {
    let x: Vec<f64> = (1..20).map(f64::from).collect();
    let y = x.iter().map(|x| 3.0 * x.powf(1.5)).collect();
    let group = vec![Points::new("p", x, y)];
    let figure = Figure::scatter("f", "F", axis(true), axis(true), group).expect("valid");
    let drawing = to_svg(&figure.with_regression()).expect("drawn");
    // log10 3 = 0.4771.
    assert_says(&drawing, "log₁₀ y = 0.4771 + 1.5 · log₁₀ x, R² = 1.");
}

#[test]
fn box_summary_matches_hand_count() {
    let values: Vec<f64> = (1..=9).map(f64::from).chain([30.0]).collect();
    let summary = BoxSummary::from_values("b", &values);
    // Ten sorted values: quartiles at positions 2.25, 4.5 and 6.75; reach 1.5 · 4.5.
    assert_eq!([summary.q1, summary.median, summary.q3], [3.25, 5.5, 7.75]);
    assert_eq!([summary.low_whisker, summary.high_whisker], [1.0, 9.0]);
    assert_eq!(summary.outliers, [30.0]);
}

#[test]
fn heat_maps_shade_by_size_and_show_the_numbers() {
    let map = |values: Vec<f64>, scale| HeatMap {
        columns: vec!["1".to_owned(), "10".to_owned()],
        rows: vec!["L = 1".to_owned(), "L = 4".to_owned()],
        values,
        scale,
    };
    let heat = |map| Figure::heat("f", "F", ("β", "depth"), map);
    let figure = heat(map(vec![1.0, 1000.0, f64::NAN, -2.0], Scale::Log10)).expect("valid");
    let drawing = to_svg(&figure).expect("drawn");
    assert!(is_well_formed(&drawing.svg));
    assert_says(&drawing, "1 value was left out: it is not finite");
    assert_says(&drawing, "1 value was left out: it is not positive");
    // The largest value is fully opaque, the smallest nearly clear, and both are written out.
    for words in ["opacity=\"1\"", "opacity=\"0.06\"", "1000", "L = 4"] {
        assert!(drawing.svg.contains(words), "{words}");
    }
    let csv = figure.to_csv().expect("valid");
    assert!(csv.contains("row,column,value"), "{csv}");
    assert!(csv.contains("L = 1,10,1000"), "{csv}");
    assert!(figure.alt_text().starts_with("Heat map"));
    let nothing = heat(map(vec![f64::NAN; 4], Scale::Linear)).expect("valid");
    assert_says(&to_svg(&nothing).expect("drawn"), "no data");
    // Equal values have a shade too.
    let equal = heat(map(vec![3.0; 4], Scale::Linear)).expect("valid");
    assert!(is_well_formed(&to_svg(&equal).expect("drawn").svg));
    let short = heat(map(vec![3.0], Scale::Linear)).expect_err("too few");
    assert!(short.to_string().contains("expected 4 values"), "{short}");
}

#[test]
fn histogram_counts_every_value_once() {
    let edges = vec![0.0, 1.0, 2.0];
    let histogram = Histogram::from_values("h", &[0.0, 0.5, 1.0, 2.0, 2.5, -1.0, f64::NAN], edges);
    assert_eq!(histogram.counts, [2, 2]);
    assert_eq!(histogram.num_outside, 3);
}

/// Numbers of every kind, extreme and broken ones included.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -10.0..10.0_f64,
        Just(0.0),
        Just(f64::NAN),
        Just(f64::INFINITY)
    ]
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(number(), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_line_or_scatter_panics(
        x in numbers(), y in numbers(), low in numbers(), high in numbers(),
        logs in any::<(bool, bool)>(), range in proptest::option::of((number(), number())),
    ) {
        let n = x.len().min(y.len()).min(low.len()).min(high.len());
        let cut = |v: &[f64]| v[..n].to_vec();
        let mut y_axis = axis(logs.1);
        y_axis.range = range;
        let line = Line::new("l", cut(&x), cut(&y)).with_band(cut(&low), cut(&high));
        let points = Points::new("p", cut(&x), cut(&y));
        let line = Figure::lines("f", "F", axis(logs.0), y_axis.clone(), vec![line]);
        let points = Figure::scatter("f", "F", axis(logs.0), y_axis, vec![points]);
        prop_assert_eq!(line.is_ok(), points.is_ok());
        if let (Ok(line), Ok(points)) = (line, points) {
            let line = to_svg(&line.with_horizontal("g", 1.0)).expect("drawn");
            let points = to_svg(&points.with_identity().with_regression()).expect("drawn");
            prop_assert!(is_well_formed(&line.svg));
            prop_assert!(is_well_formed(&points.svg));
            let is_empty = line.svg.contains("There is no data to draw.");
            prop_assert_eq!(is_empty, line.notes.iter().any(|n| n == "There is no data to draw."));
        }
    }

    #[test]
    fn no_bar_box_or_histogram_panics(
        values in numbers(), low in numbers(), edges in numbers(), is_log: bool, bins in 0_usize..40,
    ) {
        let n = values.len().min(low.len());
        let categories = vec!["category"; n];
        let (first, second) = (values[..n].to_vec(), low[..n].to_vec());
        let bars = Bars::new("b", first.clone()).with_band(second, first);
        let summary = BoxSummary::from_values("b", &values);
        let mut sorted = edges;
        sorted.sort_by(f64::total_cmp);
        sorted.dedup();
        let figures = [
            Figure::bars("f", "F", "x", axis(is_log), &categories, vec![bars.clone(), bars]),
            Figure::boxes("f", "F", "x", axis(is_log), vec![summary.clone(), summary]),
            Figure::histogram("f", "F", axis(is_log), vec![Histogram::equal_bins("h", &values, bins)]),
            Figure::histogram("f", "F", axis(is_log), vec![Histogram::from_values("h", &values, sorted)]),
        ];
        for figure in figures.into_iter().flatten() {
            let drawing = to_svg(&figure).expect("drawn");
            prop_assert!(is_well_formed(&drawing.svg));
            prop_assert!(figure.to_csv().is_ok());
        }
    }

    #[test]
    fn any_text_is_escaped(text in any::<String>(), tag in "<[a-z]{1,6}[ />]") {
        let hostile = format!("{text}{tag}{text}");
        let line = Line::new(&hostile, vec![1.0, 2.0], vec![1.0, 2.0]);
        let figure = Figure::lines("f", &hostile, Axis::linear(&hostile), axis(false), vec![line])
            .expect("valid")
            .with_caption(&hostile);
        let count = |report: &Report| to_html(report).expect("valid").matches('<').count();
        let page = |title: &str, figure: Figure| {
            let mut report = Report::new(title, RunManifest::new(title, title));
            let mut section = Section::new("s", title);
            section.push(figure).push(title);
            report.sections.push(section);
            report
        };
        let harmless = Line::new("name", vec![1.0, 2.0], vec![1.0, 2.0]);
        let plain = Figure::lines("f", "F", Axis::linear("x"), axis(false), vec![harmless])
            .expect("valid")
            .with_caption("c");
        // The number of tags does not depend on the text.
        prop_assert_eq!(count(&page(&hostile, figure)), count(&page("plain", plain)));
    }
}
