//! Properties of charts of every kind, for any data.

use super::{Options, samples, text};
use retrocast_domain::{
    ChartKind,
    chart::{Bar, Role, Series},
};

/// The elements of an SVG file as (name, attributes); fails when the file is not well-formed.
fn elements(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    let (mut open, mut out, mut remaining) = (Vec::new(), Vec::new(), text);
    while let Some(start) = remaining.find('<') {
        assert!(
            !remaining[..start].contains('>'),
            "stray > in {:?}",
            &remaining[..start.min(80)]
        );
        let end = start + remaining[start..].find('>').expect("every < is closed");
        let tag = &remaining[start + 1..end];
        assert!(!tag.contains('<'), "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else {
            let closed = tag.ends_with('/');
            let tag = tag.trim_end_matches('/');
            let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
            if !closed {
                open.push(name.to_string());
            }
            out.push((name.to_string(), pairs(attributes)));
        }
        remaining = &remaining[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    out
}

fn pairs(mut text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    while let Some((name, after_name)) = text.trim_start().split_once("=\"") {
        let (value, after_value) = after_name.split_once('"').expect("every quote is closed");
        assert!(
            name.chars()
                .all(|c| c.is_ascii_alphabetic() || c == '-' || c == ':'),
            "{name:?}"
        );
        assert!(
            !out.iter()
                .any(|(other, _): &(String, String)| other == name),
            "twice: {name}"
        );
        out.push((name.to_string(), value.to_string()));
        text = after_value;
    }
    assert!(text.trim().is_empty(), "{text:?}");
    out
}

fn attribute(element: &(String, Vec<(String, String)>), name: &str) -> Option<f64> {
    element
        .1
        .iter()
        .find(|(other, _)| other == name)
        .and_then(|(_, value)| value.parse().ok())
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// Every text of an SVG file with its box.
fn text_boxes(drawing: &str) -> Vec<(String, [f64; 4])> {
    let mut out = Vec::new();
    for part in drawing.split("<text ").skip(1) {
        let (attributes, remaining) = part.split_once('>').unwrap();
        let element = ("text".to_string(), pairs(attributes));
        let content = unescape(remaining.split_once("</text>").unwrap().0);
        let size = attribute(&element, "font-size").unwrap();
        let width = text::text_width(&content, size, attributes.contains("font-weight"));
        let x = attribute(&element, "x").unwrap();
        let left = if attributes.contains("\"end\"") {
            x - width
        } else if attributes.contains("\"middle\"") {
            x - width / 2.0
        } else {
            x
        };
        let y = attribute(&element, "y").unwrap();
        out.push((
            content,
            [left, y - 0.72 * size, left + width, y + 0.2 * size],
        ));
    }
    out
}

fn check(chart: &retrocast_domain::Chart, options: &Options) {
    let text = super::svg(chart, options);
    assert_eq!(
        text,
        super::svg(chart, options),
        "{}: not deterministic",
        chart.id
    );
    assert!(
        !text.contains("NaN") && !text.contains("inf\""),
        "{}",
        chart.id
    );
    assert!(!text.contains("<script"), "{}", chart.id);
    assert!(
        text.chars().all(|c| !c.is_control() || c == '\n'),
        "{}",
        chart.id
    );
    assert!(text.len() < 900_000, "{}: {} bytes", chart.id, text.len());
    let elements = elements(&text);
    let names: Vec<_> = elements.iter().take(3).map(|e| e.0.as_str()).collect();
    assert_eq!(names, ["svg", "title", "desc"]);
    let (width, height) = (
        attribute(&elements[0], "width").unwrap(),
        attribute(&elements[0], "height").unwrap(),
    );
    assert!((width - options.width_pt).abs() < 0.01 && height > 0.0);
    for (content, [left, top, right, bottom]) in text_boxes(&text) {
        let inside = left >= -0.1 && top >= -0.1 && right <= width + 0.1 && bottom <= height + 0.1;
        assert!(
            inside,
            "{}: {content:?} at {left} {top} {right} {bottom} of {width} {height}",
            chart.id
        );
    }
    for element in elements.iter().filter(|e| e.0 == "rect") {
        let get = |name| attribute(element, name).unwrap();
        let (x, y, w, h) = (get("x"), get("y"), get("width"), get("height"));
        let inside = x >= -0.1 && y >= -0.1 && x + w <= width + 0.1 && y + h <= height + 0.1;
        assert!(
            inside,
            "{}: rect {x} {y} {w} {h} of {width} {height}",
            chart.id
        );
    }
}

#[test]
fn every_kind_is_valid_at_every_width() {
    for chart in samples::one_of_each() {
        for options in [
            Options::default(),
            Options::new(720.0, 12.0),
            Options::new(320.0, 11.5),
        ] {
            check(&chart, &options);
        }
    }
}

#[test]
fn extreme_data_is_drawn() {
    for chart in samples::extreme() {
        check(&chart, &Options::default());
        check(&chart, &Options::new(120.0, 11.0));
    }
}

#[test]
fn labels_do_not_overlap() {
    for chart in samples::one_of_each() {
        for options in [
            Options::default(),
            Options::new(720.0, 12.0),
            Options::new(340.0, 11.5),
        ] {
            let boxes = text_boxes(&super::svg(&chart, &options));
            for (i, (first, first_box)) in boxes.iter().enumerate() {
                for (second, second_box) in &boxes[i + 1..] {
                    let apart = first_box[2] <= second_box[0] + 0.6
                        || second_box[2] <= first_box[0] + 0.6
                        || first_box[3] <= second_box[1] + 0.6
                        || second_box[3] <= first_box[1] + 0.6;
                    assert!(
                        apart,
                        "{} at {}: {first:?} and {second:?}",
                        chart.id, options.width_pt
                    );
                }
            }
        }
    }
}

/// Bounding boxes of the straight lines of a class in an SVG file.
fn straight_lines(drawing: &str, class: &str) -> Vec<[f64; 4]> {
    let elements = elements(drawing);
    let is_line = |element: &&(String, Vec<(String, String)>)| {
        let has = |name: &str, value: &str| {
            let mut attributes = element.1.iter();
            attributes.any(|(other, text)| other == name && text == value)
        };
        element.0 == "path" && has("class", class)
    };
    let ends = |element: &(String, Vec<(String, String)>)| {
        let (_, path) = element.1.iter().find(|(name, _)| name == "d")?;
        let numbers = path.split(['M', 'L', ' ']).filter(|part| !part.is_empty());
        let numbers: Vec<f64> = numbers.map(|n| n.parse().expect("a number")).collect();
        let [a, b, c, d] = numbers[..] else {
            return None;
        };
        Some([a.min(c), b.min(d), a.max(c), b.max(d)])
    };
    elements.iter().filter(is_line).filter_map(ends).collect()
}

#[test]
fn values_do_not_overlap_bars_or_intervals() {
    // A highlighted bar beside a bar with a higher interval.
    let values = [
        (1.0, 0.2),
        (1.9, 0.3),
        (2.1, 0.4),
        (1.8, 0.5),
        (1.6, 0.3),
        (0.9, 0.9),
    ];
    let bars = (0..24).map(|hour| {
        let (value, half) = values[hour % values.len()];
        Bar {
            label: format!("{hour:02}:00"),
            value,
            interval: Some([value - half, value + half]),
            text: format!("+{}\u{a0}%", (value * 100.0) as u32),
            highlight: value > 1.5,
        }
    });
    let mut chart = samples::components();
    for horizontal in [true, false] {
        chart.kind = ChartKind::Bars {
            bars: bars.clone().collect(),
            baseline: 1.0,
            baseline_label: "the mean".to_string(),
            horizontal,
        };
        for options in [
            Options::default(),
            Options::new(230.0, 6.6),
            Options::new(720.0, 9.0),
        ] {
            let drawing = super::svg(&chart, &options);
            let mut shapes = straight_lines(&drawing, "stroke-text");
            assert_eq!(shapes.len(), 24 * 3, "an interval and its ends");
            for bar in elements(&drawing).iter().filter(|e| e.0 == "rect") {
                let get = |name| attribute(bar, name).unwrap();
                if attribute(bar, "rx").is_none() {
                    let (x, y) = (get("x"), get("y"));
                    shapes.push([x, y, x + get("width"), y + get("height")]);
                }
            }
            let texts: Vec<_> = text_boxes(&drawing)
                .into_iter()
                .filter(|(text, _)| text.starts_with('+'))
                .collect();
            assert!(texts.len() > 3, "{texts:?}");
            for (text, text_box) in &texts {
                for shape in &shapes {
                    let apart = text_box[2] <= shape[0]
                        || shape[2] <= text_box[0]
                        || text_box[3] <= shape[1]
                        || shape[3] <= text_box[1];
                    assert!(
                        apart,
                        "{text} at {text_box:?} on {shape:?}, {horizontal}, {}",
                        options.width_pt
                    );
                }
            }
        }
    }
}

#[test]
fn lines_that_end_close_together_are_named_in_a_key() {
    let are_named_at_ends = |values: [f64; 3]| {
        let mut chart = samples::forecast();
        let ChartKind::Line { series, bands, .. } = &mut chart.kind else {
            panic!("a chart with a line");
        };
        bands.clear();
        let times = series[0].times.clone();
        *series = (0..)
            .zip(values)
            .map(|(i, end)| Series {
                name: format!("line {i}"),
                values: times.iter().map(|_| Some(end)).collect(),
                times: times.clone(),
                role: Role::Observed,
            })
            .collect();
        let drawing = super::svg(&chart, &Options::default());
        let boxes = text_boxes(&drawing);
        let named = boxes.iter().filter(|(text, _)| text.starts_with("line "));
        let left = named
            .map(|(_, text_box)| text_box[0])
            .fold(f64::INFINITY, f64::min);
        left > Options::default().width_pt / 2.0
    };
    assert!(are_named_at_ends([0.0, 50.0, 100.0]), "at the ends");
    assert!(!are_named_at_ends([0.0, 99.0, 100.0]), "in a key");
}

#[test]
fn bar_lengths_are_proportional() {
    let text = super::svg(&samples::components(), &Options::default());
    let bars: Vec<f64> = elements(&text)
        .iter()
        .filter(|e| e.0 == "rect" && attribute(e, "rx").is_none())
        .filter_map(|e| attribute(e, "width"))
        .collect();
    for (length, expected) in bars.iter().zip([412.0, 301.0, 190.0, 94.0, 71.0]) {
        assert!(
            (length / bars[0] - expected / 412.0).abs() < 1e-3,
            "{bars:?}"
        );
    }
    assert_eq!(bars.len(), 5);
}

#[test]
fn only_highlighted_bars_have_the_accent() {
    let colours = |is_claimed: bool| {
        let mut chart = samples::components();
        if let ChartKind::Bars { bars, .. } = &mut chart.kind {
            bars[0].highlight = is_claimed;
        }
        let text = super::svg(&chart, &Options::default());
        let rects = text.split("<rect").skip(1);
        let fill = |rect: &str| {
            let (_, fill) = rect.split_once("fill=\"").expect("a fill");
            fill.split('"').next().expect("a colour").to_string()
        };
        let bars = rects.filter(|rect| !rect.split('>').next().unwrap_or("").contains("rx="));
        bars.map(fill).collect::<Vec<_>>()
    };
    let (claimed, open) = (colours(true), colours(false));
    assert_ne!(claimed[0], claimed[1]);
    assert_eq!(open, vec![claimed[1].clone(); 5]);
}

#[test]
fn bars_extend_to_both_sides_of_the_baseline() {
    let text = super::svg(&samples::weekdays(), &Options::default());
    let elements = elements(&text);
    let bars: Vec<_> = elements
        .iter()
        .filter(|e| e.0 == "rect" && attribute(e, "rx").is_none())
        .collect();
    let get = |i: usize, name| attribute(bars[i], name).unwrap();
    let origin = get(0, "y") + get(0, "height");
    assert!(
        (get(6, "y") - origin).abs() < 0.02,
        "a bar below 1 starts at the baseline"
    );
    assert!((get(0, "height") / get(6, "height") - 0.73 / 0.52).abs() < 0.01);
}

#[test]
fn cumulative_effect_is_the_sum() {
    let text = super::svg(&samples::effect(), &Options::default());
    let label = text_boxes(&text)
        .into_iter()
        .map(|w| w.0)
        .collect::<Vec<_>>()
        .join(" ");
    assert!(label.contains("cumulative effect −2"), "{label}");
    assert!(!label.contains("summed"), "{label}");
}

#[test]
fn the_same_chart_twice_on_a_page_has_two_identifiers() {
    let once = super::svg(&samples::bullet(), &Options::default());
    let twice = super::svg(&samples::bullet(), &Options::default().suffix("-narrow"));
    assert!(once.contains("id=\"bullet-title\"") && twice.contains("id=\"bullet-narrow-title\""));
}

#[test]
fn keys_of_overlapping_bands_are_distinguished() {
    let swatches = |bands: usize| {
        let mut chart = samples::forecast();
        let ChartKind::Line { bands: drawn, .. } = &mut chart.kind else {
            panic!("a chart with a line");
        };
        let band = drawn[0].clone();
        drawn.resize(bands, band);
        let text = super::svg(&chart, &Options::new(200.0, 8.0));
        text.matches("fill-opacity=\"0.3\"").count()
    };
    assert_eq!([1, 2].map(swatches), [1, 3], "the second is twice as dark");
}
