use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::measure::{Interval, LoadSpan, RunResult, SeriesData, Verdict};
use crate::policy::Series;
use crate::report::sample::{bench, broker, capacity, sample};
use crate::report::{Reporter, ResultsJson, encode, from_json};

fn render(result: &RunResult) -> String {
    String::from_utf8(Html.render(result).unwrap()).unwrap()
}

/// To look at pages with a browser: `TWINSTORM_RESULT=results.json TWINSTORM_PAGE=report.html cargo test --lib look_at`.
#[test]
fn look_at_a_page() {
    let (Ok(from), Ok(to)) = (std::env::var("TWINSTORM_RESULT"), std::env::var("TWINSTORM_PAGE")) else { return };
    let result = match from.as_str() {
        "empty" => RunResult::default(),
        "sample" => sample(),
        "broker" => broker(),
        "bench" => bench(),
        "capacity" => capacity::with(capacity::capacity()),
        "by_generator" => capacity::with(capacity::by_generator()),
        "nothing_kept" => capacity::with(capacity::nothing_kept()),
        "widened" => capacity::with(capacity::widened()),
        file => from_json(&std::fs::read(file).unwrap()).unwrap(),
    };
    std::fs::write(to, render(&result)).unwrap();
}

#[test]
fn a_broker_s_messages_connections_and_what_it_does_not_tell_are_shown() {
    let page = render(&broker());
    assert!(headings(&page).contains(&(2, "messages".to_owned())));
    for words in [
        "the broker at mqtt://127.0.0.1:1884",
        "Driver connections.",
        "Presence is off",
        "each report as the broker delivers it",
        "<code>report</code>",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("uncertain by"), "no interval, no uncertainty");
    assert!(!render(&sample()).contains("id=\"messages\""));
}

/// The headings of a page, in order: level and anchor.
fn headings(page: &str) -> Vec<(u8, String)> {
    let parts = page.split("<h").skip(1);
    parts
        .filter_map(|part| {
            let level = part.chars().next()?.to_digit(10)?;
            let anchor = part.split_once("id=\"").filter(|(before, _)| !before.contains('>'));
            Some((level as u8, anchor.map(|(_, rest)| rest.split('"').next().unwrap().to_owned()).unwrap_or_default()))
        })
        .collect()
}

/// The values of an attribute.
fn attribute(page: &str, name: &str) -> Vec<String> {
    let marker = format!(" {name}=\"");
    page.split(&marker).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn everything_stands_in_its_order() {
    let page = render(&sample());
    let sections: Vec<String> =
        headings(&page).into_iter().filter(|(level, _)| *level == 2).map(|(_, anchor)| anchor).collect();
    assert_eq!(
        sections.join(" "),
        "contents verdict thresholds drill stages durations latency census faults attempts retries rollout \
         invariants generator observer plan"
    );
    for anchor in &sections[2..] {
        assert!(page.contains(&format!("<a href=\"#{anchor}\">")), "{anchor} is in the contents");
    }
}

#[test]
fn a_capacity_comes_first_with_its_curves_and_every_step() {
    let page = render(&capacity::with(capacity::capacity()));
    let sections: Vec<String> = headings(&page).into_iter().map(|(_, anchor)| anchor).take(3).collect();
    assert_eq!(sections, ["", "contents", "verdict"]);
    let section = page.split("<h2 id=\"capacity\">").nth(1).unwrap().split("</section>").next().unwrap();
    assert!(section.contains("40 to 41.8 calls/s (4.5\u{a0}% wide); more is throttled: census"), "{section}");
    let pictures: Vec<String> = attribute(section, "id").into_iter().filter(|id| id.ends_with("-t")).collect();
    let names = ["achieved", "method-response", "update-overhead", "throttled"];
    assert_eq!(pictures, names.map(|name| format!("capacity-{name}-t")));
    // Three steps have too few samples for a p99, and one of them broke: what is told of them is marked as a bound.
    assert_eq!(section.matches("class=\"dt open c2\"").count(), 6, "of two series");
    assert!(section.contains("p99 ≤ 1.46\u{a0}ms at 10, kept") && section.contains(">≤ 61.3\u{a0}ms<"), "{section}");
    assert!(section.contains("≤ is the longest: fewer than 1,000 samples tell no p99"), "{section}");
    // What was used of the machine is known of the two long steps alone.
    assert!(section.contains(">10.0\u{a0}%<") && !section.contains(">2.5\u{a0}%<"), "{section}");
    let links: Vec<String> = attribute(section, "href");
    assert_eq!(links, [1, 2, 3, 9, 8, 10, 7, 6, 5, 4].map(|number| format!("steps/{number:02}/report.html")));
    for found in [
        capacity::unfinished(),
        capacity::widened(),
        capacity::by_generator(),
        capacity::nothing_kept(),
        capacity::nothing_broken(),
        crate::measure::CapacityResult::default(),
    ] {
        let mut result = capacity::with(found);
        result.plan["report"]["formats"] = serde_json::json!(["json"]);
        let page = render(&result);
        assert!(page.contains("<h2 id=\"capacity\">"));
        assert!(attribute(&page, "href").iter().all(|link| link.starts_with('#') || link == "data:,"));
    }
}

#[test]
fn the_head_of_a_search_is_told_from_the_step_that_the_page_is_of() {
    let page = render(&capacity::with(capacity::capacity()));
    assert!(page.contains("Started 2026-11-03T10:19:30Z · took 96.4\u{a0}s"));
    let of = "step 9, 40 calls/s, which the lower end was confirmed by. ";
    assert!(
        page.contains(&format!("<p class=\"proven\">Capacity: 40 to 41.8 calls/s. All else is of {of}958 of")),
        "{page}"
    );
    assert!(page.contains(&format!("All that follows is of {}", of.trim())));
    assert!(page.contains("<dt>Duration</dt>") && page.contains("10 steps, step 9: 24.2\u{a0}s"), "{page}");
    let page = render(&capacity::stopped());
    assert!(page.contains("The search ended before it was done: the interval is what it had come to."));
    assert!(!page.contains("only what ran") && !page.contains("stopped early"), "the step ran whole");
}

#[test]
fn what_ends_a_generator_is_not_called_a_capacity_of_the_hub() {
    let page = render(&capacity::with(capacity::by_generator()));
    assert!(page.contains("<p class=\"proven\">Capacity: no limit of the hub was found: this machine&#39;s generator"));
    assert!(page.contains("<dt>The generator&#39;s end</dt>") && !page.contains("<dt>Capacity</dt>"));
    assert!(page.contains("<p class=\"note doubt\">No limit of the hub was found"));
}

#[test]
fn a_page_is_in_order_for_who_cannot_see_it() {
    let mut whole = sample();
    whole.capacity = Some(capacity::capacity());
    let page = render(&whole);
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"));
    let levels: Vec<u8> = headings(&page).into_iter().map(|(level, _)| level).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    let mut ids = attribute(&page, "id");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "every id is there once");
    for labelled in ["aria-labelledby", "aria-describedby"] {
        for id in attribute(&page, labelled) {
            assert!(ids.binary_search(&id).is_ok(), "{labelled}={id}");
        }
    }
    // Every picture names itself, or only shows what stands beside it.
    for picture in page.split("<svg ").skip(1) {
        let head = picture.split('>').next().unwrap();
        assert!(head.contains("role=\"img\"") != head.contains("aria-hidden"), "{head}");
    }
    assert_eq!(page.matches("<figure>").count(), page.matches("<details><summary>Table: ").count());
    assert!(!page.contains("<th scope=\"col\"></th>") && !page.contains("<th scope=\"row\"></th>"));
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    for page in [render(&sample()), render(&RunResult::default())] {
        assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:;"));
        for word in ["<script", " src=", "@import", "url(", "javascript:", " onload", "<iframe", "<object"] {
            assert!(!page.contains(word), "{word}");
        }
        for link in attribute(&page, "href") {
            assert!(link.starts_with('#') || link == "data:,", "{link}");
        }
        for scheme in ["http://", "https://"] {
            assert!(!page.contains(scheme), "{scheme}");
        }
    }
}

/// Every text of `value` replaced, but for those that have to be what they are.
fn poison(value: &mut Value, nasty: &str) {
    const KEPT: [&str; 18] = [
        "schema",
        "started_at",
        "hdr",
        "verdict",
        "place",
        "expected",
        "observed",
        "stages",
        "name",
        "census",
        "series",
        "outcomes",
        "phase",
        "of",
        "cause",
        "purpose",
        "measured_at",
        "build",
    ];
    match value {
        Value::String(text) => *text = nasty.to_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| poison(item, nasty)),
        Value::Object(fields) => {
            fields
                .iter_mut()
                .filter(|(name, _)| !KEPT.contains(&name.as_str()))
                .for_each(|(_, value)| poison(value, nasty));
        }
        _ => {}
    }
}

#[test]
fn no_text_of_a_result_is_markup() {
    let nasty = "<script>alert(1)</script>\"&'<img src=x onerror=y>";
    let whole = RunResult { capacity: Some(capacity::by_generator()), ..sample() };
    let mut document: Value = serde_json::from_slice(&ResultsJson.render(&whole).unwrap()).unwrap();
    document["absent"] = Value::Array(Vec::new());
    let mut plan = document["plan"].clone();
    plan["description"] = nasty.into();
    poison(&mut document, nasty);
    document["plan"] = plan;
    document["plan"][nasty] = nasty.into();
    document["name"] = nasty.into();
    for fault in document["faults"].as_array_mut().unwrap() {
        fault["name"] = nasty.into();
    }
    document["census_by"]["failed"][nasty] = 3.into();
    document["generator"]["loop_lag_p99_us"][nasty] = 3.into();
    for span in document["drill"]["timeline"].as_array_mut().unwrap() {
        span["name"] = nasty.into();
    }
    document["off_diagonal"][0]["observed"] = nasty.into();
    document["off_diagonal"][0]["expected"] = vec![nasty].into();
    let result = from_json(&serde_json::to_vec(&document).unwrap()).unwrap();
    let page = render(&result);
    assert!(page.matches("alert(1)").count() > 20, "it is there");
    for word in ["<script", "<img", "\"&'"] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn what_does_not_count_says_so_in_every_section() {
    let mut result = sample();
    for (verdict, valid, banner, badge) in [
        (Verdict::Invalid, false, "Not valid: these figures do not count", "does not count"),
        (Verdict::Aborted, true, "Stopped before its end: these figures cover only what ran", "stopped early"),
    ] {
        (result.verdict, result.valid) = (verdict, valid);
        result.invalid_reasons = vec!["the generator was too slow".to_owned()];
        let page = render(&result);
        assert!(page.contains(&format!("<aside class=\"banner\" aria-label=\"Whether the figures count\">{banner}")));
        assert!(page.contains(&format!("@top-center {{ content: \"{banner}\"")), "on paper too");
        assert!(page.contains("<li>the generator was too slow</li>"));
        let ended = "<li>ended at 20.0\u{a0}s by the threshold census.failed &#60; 20: observed 20 then</li>";
        assert_eq!(page.contains(ended), verdict == Verdict::Aborted, "{page}");
        // Contents, the verdict itself, how the generator fared, and the plan.
        let sections = headings(&page).iter().filter(|(level, _)| *level == 2).count();
        assert_eq!(page.matches(&format!("<span class=\"badge\">{badge}</span>")).count(), sections - 4);
    }
    assert!(!render(&sample()).contains("class=\"banner\"") && !render(&sample()).contains("class=\"badge\""));
}

#[test]
fn a_result_with_nothing_in_it_has_no_empty_picture() {
    let page = render(&RunResult::default());
    assert!(!page.contains("<figure") && !page.contains("<svg") && !page.contains("<tbody>\n</tbody>"), "{page}");
    let anchors: Vec<String> =
        headings(&page).into_iter().map(|(_, anchor)| anchor).filter(|a| !a.is_empty()).collect();
    assert_eq!(anchors, ["contents", "verdict", "census", "generator"]);
}

#[test]
fn percentiles_without_samples_are_no_numbers() {
    let mut result = sample();
    let mut few = SeriesData::default();
    (1..=15).for_each(|n| few.record(Duration::from_millis(n * 111)));
    result.series = BTreeMap::from([(Series::UpdateTotal, few)]);
    let page = render(&result);
    // The shortest, the longest and the mean are numbers of 15 samples; a median is none.
    let row = page.split("<code>update.total</code>").nth(1).unwrap().split("</tr>").next().unwrap();
    let cells: Vec<&str> = row.split("<td").skip(1).map(|cell| cell.split(['>', '<']).nth(1).unwrap()).collect();
    assert_eq!(cells, ["15", "111\u{a0}ms", "1.67\u{a0}s", "888\u{a0}ms"]);
    assert!(!page.contains("id=\"curves-update-t\""), "there is no curve either");
}

fn seconds(count: u32, hdr: &BTreeMap<String, String>) -> Vec<Interval> {
    let interval = |second: u32| Interval {
        t_s: f64::from(second),
        length_s: 1.0,
        connected: 10_000 - second % 13,
        stages: ["standBy", "downloading", "applying", "completed", "failed"]
            .iter()
            .enumerate()
            .map(|(index, stage)| ((*stage).to_owned(), 1000 + (second * 7 + index as u32 * 131) % 997))
            .collect(),
        offered: u64::from(100 + second % 31),
        achieved: u64::from(100 + second % 29),
        attempts: u64::from(second % 301),
        connect_attempts: u64::from(second % 11),
        call_attempts: u64::from(second % 131),
        report_attempts: u64::from(second % 401),
        p50_us: hdr.keys().map(|name| (name.clone(), u64::from(1000 + second % 977))).collect(),
        // Histograms of every 60th second: to unpack them all would only take time.
        hdr: if second.is_multiple_of(60) { hdr.clone() } else { BTreeMap::new() },
        ..Interval::default()
    };
    (1..=count).map(interval).collect()
}

#[test]
fn a_run_of_four_hours_is_no_larger_than_a_picture_can_show() {
    let mut wide = SeriesData::default();
    (1..2000).for_each(|n| wide.record(Duration::from_micros(n * n * 7)));
    let text = encode(&wide).unwrap();
    let hdr = [Series::MethodResponse, Series::UpdateTotal, Series::UpdateOverhead]
        .map(|s| (s.name().to_owned(), text.clone()));
    let mut result = sample();
    result.intervals = seconds(14_400, &hdr.into());
    result.duration_s = 14_400.0;
    result.load = Some(LoadSpan { from_s: 10.0, to_s: 14_390.0 });
    let size = render(&result).len();
    assert!((100_000..1_000_000).contains(&size), "{size}");
}

#[test]
fn a_load_that_is_a_small_part_of_its_run_is_looked_at_by_itself() {
    let mut result = sample();
    result.intervals = seconds(1000, &BTreeMap::new());
    result.load = Some(LoadSpan { from_s: 900.0, to_s: 950.0 });
    let (whole, load) = (timeline::Timeline::of(&result), timeline::Timeline::of_load(&result));
    assert_eq!((whole.intervals.len(), whole.span_s), (1000, (0.0, 1000.0)));
    assert!(load.span_s.0 <= 899.0 && load.span_s.1 >= 952.0 && load.intervals.len() < 60, "{:?}", load.span_s);
    assert!(render(&result).contains("Only the time of the load is shown."));
    result.load = Some(LoadSpan { from_s: 100.0, to_s: 950.0 });
    assert_eq!(timeline::Timeline::of_load(&result).intervals.len(), 1000);
}
