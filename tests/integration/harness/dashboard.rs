//! The dashboard (`helm/enroll/files/dashboard.json`) as Grafana would ask for it, and a plain drawing of what came back.

use std::fmt::Write as _;

use serde_json::Value;

use super::prometheus::Range;

/// What Grafana puts in the place of its variables: all of everything, and a window that holds several scrapes.
const VARIABLES: [(&str, &str); 4] = [
    ("$__rate_interval", "10s"),
    ("$job", "enroll"),
    ("$instance", ".*"),
    ("$tenant", ".*"),
];

const TEXT: &str = include_str!("../../../helm/enroll/files/dashboard.json");

/// The dashboard as it is imported.
pub(crate) fn dashboard() -> Value {
    serde_json::from_str(TEXT).expect("the dashboard is JSON")
}

/// Everything on it, rows among it, from top to bottom.
pub(crate) fn panels() -> Vec<Value> {
    let mut dashboard = dashboard();
    match dashboard["panels"].take() {
        Value::Array(panels) => panels,
        other => panic!("no panels: {other}"),
    }
}

/// The queries of a panel as they are sent, each with its legend.
pub(crate) fn queries(panel: &Value) -> Vec<(String, String)> {
    let targets = panel["targets"].as_array().into_iter().flatten();
    targets
        .map(|target| {
            let text = |name: &str| target[name].as_str().expect("a text").to_owned();
            let sent = VARIABLES.iter().fold(text("expr"), |query, (name, value)| {
                query.replace(name, value)
            });
            assert!(!sent.contains('$'), "a variable nobody knows: {sent}");
            (sent, text("legendFormat"))
        })
        .collect()
}

/// A page with all panels where the dashboard has them, drawn from what each query gave between two moments.
pub(crate) fn page(drawn: &[(Value, Vec<(String, Range)>)], from: f64, to: f64) -> String {
    let mut page = String::from(
        "<head><title>enroll</title><style>\
         body{font:12px sans-serif;margin:12px;background:#f4f5f7;color:#24292e}\
         main{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:24px;gap:6px}\
         section{background:#fff;border:1px solid #d8dbe0;border-radius:3px;padding:6px;overflow:hidden;display:flex;flex-direction:column}\
         h2{grid-column:1/-1;font-size:14px;margin:8px 0 0}h3{font-size:12px;margin:0 0 4px}\
         svg{flex:1;width:100%;min-height:0}b{font-size:24px;font-weight:500;margin:auto}\
         p{margin:2px 0 0;font-size:10px;line-height:1.3;max-height:26px;overflow:hidden}i{font-style:normal;margin-right:8px}\
         </style></head><body>",
    );
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<h2>enroll: the dashboard's panels, drawn by a test from what Prometheus told of {:.0} seconds</h2><main>",
        to - from
    );
    for (panel, series) in drawn {
        let title = escaped(panel["title"].as_str().unwrap_or_default());
        let place = |name: &str| panel["gridPos"][name].as_u64().unwrap_or_default();
        let (left, top) = (place("x") + 1, place("y") + 1);
        if panel["type"] == "row" {
            let _ = write!(page, "<h2 style='grid-row:{top}'>{title}</h2>");
            continue;
        }
        let (width, height) = (place("w"), place("h"));
        let inside = match panel["type"].as_str() {
            Some("stat") => last_value(panel, series),
            Some("table") => table(series),
            _ => chart(panel, series, (from, to)),
        };
        let _ = write!(
            page,
            "<section style='grid-area:{top}/{left}/span {height}/span {width}'><h3>{title}</h3>{inside}</section>"
        );
    }
    page + "</main></body>"
}

fn unit(panel: &Value) -> &str {
    let unit = &panel["fieldConfig"]["defaults"]["unit"];
    unit.as_str().expect("a unit")
}

fn last_value(panel: &Value, series: &[(String, Range)]) -> String {
    let last = series.first().and_then(|(_, range)| range.points.last());
    let text = last.map_or_else(|| "-".to_owned(), |(_, value)| shown(unit(panel), *value));
    format!("<b>{text}</b>")
}

fn table(series: &[(String, Range)]) -> String {
    series
        .iter()
        .map(|(_, range)| format!("<p>{}</p>", escaped(&range.labels.to_string())))
        .collect()
}

/// Lines over time, from nought to the highest value.
fn chart(panel: &Value, series: &[(String, Range)], (from, to): (f64, f64)) -> String {
    const COLOURS: [&str; 10] = [
        "#3b7dd8", "#d9822b", "#3d9950", "#c23b3b", "#7d56c2", "#8a6d3b", "#d45aa0", "#6b7280",
        "#a3a51c", "#2aa5b5",
    ];
    let points = || series.iter().flat_map(|(_, range)| &range.points);
    let finite = points().filter(|(_, value)| value.is_finite());
    let highest = finite
        .map(|(_, value)| *value)
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut lines = String::new();
    let mut legend = String::new();
    for (index, (name, range)) in series.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let path: Vec<String> = range
            .points
            .iter()
            .filter(|(_, value)| value.is_finite())
            .map(|(time, value)| {
                let across = (time - from) / (to - from) * 400.0;
                format!("{across:.1},{:.1}", 98.0 - value / highest * 94.0)
            })
            .collect();
        let _ = write!(
            lines,
            "<polyline fill='none' stroke='{colour}' stroke-width='1.5' vector-effect='non-scaling-stroke' points='{}'/>",
            path.join(" ")
        );
        let _ = write!(
            legend,
            "<i style='color:{colour}'>&#9644; {}</i>",
            escaped(name)
        );
    }
    let highest = shown(unit(panel), highest);
    format!(
        "<p>{highest}</p><svg viewBox='0 0 400 100' preserveAspectRatio='none'>\
         <path d='M0 4H400M0 51H400M0 98H400' stroke='#e5e7eb' vector-effect='non-scaling-stroke'/>{lines}</svg><p>{legend}</p>"
    )
}

/// The legend of one series: `{{label}}` stands for the label's value.
pub(crate) fn legend(format: &str, labels: &Value) -> String {
    let members = labels.as_object().into_iter().flatten();
    members.fold(format.to_owned(), |text, (name, value)| {
        text.replace(
            &format!("{{{{{name}}}}}"),
            value.as_str().unwrap_or_default(),
        )
    })
}

/// A value in a unit of Grafana's.
fn shown(unit: &str, value: f64) -> String {
    let scaled = |steps: &[(f64, &str)]| {
        let found = steps.iter().find(|(size, _)| value.abs() >= *size);
        let (size, name) = found.or(steps.last()).expect("a step");
        format!("{:.3} {name}", value / size)
    };
    let text = match unit {
        "s" => scaled(&[
            (86400.0, "d"),
            (3600.0, "h"),
            (60.0, "min"),
            (1.0, "s"),
            (1e-3, "ms"),
            (1e-6, "µs"),
        ]),
        "bytes" => scaled(&[(1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")]),
        "percentunit" => format!("{:.3} %", value * 100.0),
        "reqps" | "ops" => format!("{value:.3} /s"),
        "short" => format!("{value:.3} "),
        other => panic!("a unit that nobody here can write: {other}"),
    };
    let (number, name) = text.split_once(' ').expect("a unit");
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number} {name}").trim_end().to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
