//! Charts as SVG that the server draws: shapes of numbers, no text from anywhere.

use std::fmt::Write as _;

use crate::telemetry::history::Sample;

/// Milliseconds.
const MINUTE: i64 = 60_000;
/// What a chart looks back on: what there is, within these bounds.
const LEAST_SPAN: i64 = 2 * MINUTE;
const MOST_SPAN: i64 = 30 * MINUTE;
/// The drawing's size in its own units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 150.0;

/// A line over the last half hour.
pub(super) struct Chart {
    /// The line, for `points` of an SVG polyline.
    pub(super) line: String,
    /// The same down to the ground, for a polygon.
    pub(super) area: String,
    /// The highest value, at the top of the drawing.
    pub(super) top: String,
    /// The value of the last sample.
    pub(super) last: String,
    /// How many minutes it looks back.
    pub(super) minutes: i64,
}

/// A chart of values by time.
pub(super) fn chart(values: &[(i64, f64)]) -> Chart {
    let end = values.last().map_or(0, |(at, _)| *at);
    let known = end.saturating_sub(values.first().map_or(0, |(at, _)| *at));
    let span = known.clamp(LEAST_SPAN, MOST_SPAN);
    let highest = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    // A round top, so that the scale does not jump with every sample.
    let top = round_up(highest);
    let begin = end.saturating_sub(span);
    let mut line = String::new();
    let mut first = WIDTH;
    for (at, value) in values.iter().filter(|(at, _)| *at >= begin) {
        let x = WIDTH * as_f64(at.saturating_sub(begin)) / as_f64(span.max(1));
        let y = HEIGHT - HEIGHT * value / top;
        first = first.min(x);
        let _ = write!(line, "{x:.1},{y:.1} ");
    }
    let line = line.trim_end().to_owned();
    let area = if line.is_empty() {
        String::new()
    } else {
        format!("{first:.1},{HEIGHT} {line} {WIDTH},{HEIGHT}")
    };
    Chart {
        line,
        area,
        top: number(top),
        last: number(values.last().map_or(0.0, |(_, value)| *value)),
        minutes: span / MINUTE,
    }
}

/// By how much a rising count rose in the minute before each sample. A count that falls has begun anew.
pub(super) fn within_a_minute(
    samples: &[Sample],
    count: impl Fn(&Sample) -> u64,
) -> Vec<(i64, f64)> {
    let mut first = 0;
    let mut rises = Vec::with_capacity(samples.len());
    for sample in samples {
        let begin = sample.at.saturating_sub(MINUTE);
        while samples.get(first).is_some_and(|early| early.at < begin) {
            first += 1;
        }
        let before = samples.get(first).map(&count).unwrap_or_default();
        let rise = count(sample).saturating_sub(before);
        rises.push((sample.at, as_f64(i64::try_from(rise).unwrap_or(i64::MAX))));
    }
    rises
}

/// A part of a whole, as a length of 0 to 100.
pub(super) fn share(part: u64, most: u64) -> String {
    let whole = |count: u64| as_f64(i64::try_from(count).unwrap_or(i64::MAX));
    format!("{:.1}", 100.0 * whole(part) / whole(most.max(1)))
}

/// 1, 2 or 5 times a power of ten, not below the value and at least 1.
fn round_up(value: f64) -> f64 {
    let mut power = 1.0;
    while power < 1e15 {
        for step in [1.0, 2.0, 5.0] {
            if step * power >= value {
                return step * power;
            }
        }
        power *= 10.0;
    }
    value
}

fn number(value: f64) -> String {
    if value >= 10.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

/// Exact below 2^32 in either half, which no figure here leaves.
#[allow(
    clippy::cast_precision_loss,
    reason = "a drawing is exact to a tenth of its unit"
)]
fn as_f64(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::{MINUTE, chart, round_up, share, within_a_minute};
    use crate::telemetry::history::{Figures, Sample};

    #[test]
    fn a_line_stays_within_its_drawing() {
        let drawn = chart(&[
            (0, 9.0),
            (MINUTE, 0.0),
            (2 * MINUTE, 15.0),
            (4 * MINUTE, 20.0),
        ]);
        assert_eq!(drawn.line, "0.0,82.5 150.0,150.0 300.0,37.5 600.0,0.0");
        assert_eq!(
            drawn.area,
            "0.0,150 0.0,82.5 150.0,150.0 300.0,37.5 600.0,0.0 600,150"
        );
        assert_eq!((drawn.top.as_str(), drawn.last.as_str()), ("20", "20"));
        let long: Vec<(i64, f64)> = (0..100).map(|minute| (minute * MINUTE, 1.0)).collect();
        let drawn = chart(&long);
        assert_eq!((drawn.minutes, drawn.line.split(' ').count()), (30, 31));
        let empty = chart(&[]);
        assert_eq!((empty.line.as_str(), empty.area.as_str()), ("", ""));
        assert_eq!(chart(&[(5, 0.0)]).line, "600.0,150.0");
    }

    #[test]
    fn a_rise_is_told_of_the_minute_before_and_a_fall_is_a_new_beginning() {
        let sample = |at, count| Sample {
            at,
            figures: Figures {
                outcomes: [("registered", count)].into(),
                ..Figures::default()
            },
        };
        let samples = [
            sample(0, 5),
            sample(5000, 6),
            sample(65_000, 9),
            sample(66_000, 9),
            sample(70_000, 2),
        ];
        let count = |sample: &Sample| sample.figures.outcomes["registered"];
        let rises: Vec<f64> = within_a_minute(&samples, count)
            .into_iter()
            .map(|(_, rise)| rise)
            .collect();
        assert_eq!(rises, [0.0, 1.0, 3.0, 0.0, 0.0]);
        assert_eq!(within_a_minute(&[], count), []);
    }

    #[test]
    fn scales_and_shares_are_round() {
        for (value, top) in [
            (0.0, 1.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (3.0, 5.0),
            (51.0, 100.0),
        ] {
            assert!((round_up(value) - top).abs() < f64::EPSILON, "{value}");
        }
        assert_eq!(share(1, 3), "33.3");
        assert_eq!(share(0, 0), "0.0");
    }
}
