//! The picture at sizes that terminals have, and at those that none should have.

use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::super::chronicle::Said;
use super::super::status::{Health, Mishap, Pulse, SeriesRow, Status};
use super::{Picture, Theme, draw};
use crate::verdict::{LightState, ThresholdLight};

/// A drill in the middle of its faults.
fn picture() -> Picture {
    let light = |expr: &str, observed: Option<f64>, state| ThresholdLight { expr: expr.to_owned(), observed, state };
    let row = |name, count, p50: f64| SeriesRow {
        name,
        count,
        p50: Some(p50),
        p90: Some(p50 * 1.5),
        p99: (count >= 1000).then_some(p50 * 2.0),
        max: Some(p50 * 3.0),
    };
    let mishap = |what: &str, count| Mishap { what: what.to_owned(), count };
    let said = |at, text: &str| Said { at: Duration::from_millis(at), text: text.to_owned() };
    let mut status = Status {
        name: "canary-abort".to_owned(),
        phase: "during faults",
        drill: true,
        rollout: Some("wave 2 of 3, pausing".to_owned()),
        elapsed: Duration::from_millis(72_400),
        left: Some(Duration::from_millis(41_200)),
        devices: 3000,
        updates: Some((3000, 1234)),
        rate: Some((30.0, 29.0)),
        lag_us: Some(1_230),
        drives: true,
        series: vec![
            row("update.total", 1234, 2.31),
            row("update.overhead", 1234, 0.012),
            row("method.response", 1300, 0.004),
            row("twin.visible.completed", 1234, 0.25),
            row("reconnect", 60, 1.2),
            row("connect", 3000, 0.002),
        ],
        thresholds: vec![
            light("census.completed.pct >= 90", Some(91.2), LightState::Holding),
            light("update.total.p99 < 4s", Some(4.62), LightState::Broken),
            light("reconnect.p99 < 10s", None, LightState::Unknown),
        ],
        mishaps: vec![mishap("hub_error/503", 41), mishap("failed/applying/checksum_mismatch", 7)],
        health: Health {
            cores: 2,
            generator_cpu: Some(34.4),
            generator_memory: 47_185_920,
            hub_cpu: Some(21.0),
            hub_memory: Some(31_457_280),
            descriptors: Some((3062, 20_000)),
        },
        ..Status::default()
    };
    status.gauges.connected = 2940;
    status.gauges.stages = [1400, 160, 140, 1240, 60, 0];
    let wave = |second: u64| Pulse {
        second,
        offered: if second < 8 { 0.0 } else { 30.0 },
        achieved: if second < 8 { 0.0 } else { 20.0 + (second % 10) as f64 },
        connects: if second < 8 { 500.0 } else { (second % 3) as f64 },
    };
    status.pulse = (0..72).map(wave).collect();
    let said = vec![
        said(300, "this machine can carry it: 6,012 of 20,000 open files"),
        said(31_000, "fault bad-image begins"),
        said(44_100, "warning: 12 devices took longer than 5 s to come back"),
        said(50_000, "2026-11-28T20:47:09Z  WARN a client does not get in: 日本語 is not UTF-8 for everybody"),
    ];
    Picture { status: Arc::new(status), said }
}

fn drawn(picture: &Picture, width: u16, height: u16, color: bool) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame.buffer_mut(), picture, Theme { color })).unwrap();
    terminal.backend().buffer().clone()
}

fn text(buffer: &Buffer) -> String {
    let mut lines = Vec::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(ratatui::text::Span::raw(symbol).width()).unwrap().max(1);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

#[test]
fn the_picture_at_usual_sizes() {
    for (width, height) in [(100, 40), (80, 24), (40, 12), (20, 5)] {
        insta::assert_snapshot!(format!("{width}x{height}"), text(&drawn(&picture(), width, height, true)));
    }
}

#[test]
fn the_picture_at_the_beginning_and_at_the_end() {
    let status = Status { name: "quickstart".to_owned(), phase: "starting", devices: 300, ..Status::default() };
    let first = Picture { status: Arc::new(status), said: Vec::new() };
    insta::assert_snapshot!("first", text(&drawn(&first, 80, 24, true)));
    let mut picture = picture();
    let status = Arc::make_mut(&mut picture.status);
    (status.phase, status.left, status.stopping) = ("healing", None, true);
    status.updates = Some((3000, 3000));
    insta::assert_snapshot!("last", text(&drawn(&picture, 80, 24, true)));
}

#[test]
fn a_fleet_alone_has_no_updates_to_show() {
    let mut status = Status { name: "mine".to_owned(), phase: "connecting", devices: 10, ..Status::default() };
    status.gauges.connected = 4;
    status.pulse = (0..4).map(|second| Pulse { second, connects: 1.0, ..Pulse::default() }).collect();
    let text = text(&drawn(&Picture { status: Arc::new(status), said: Vec::new() }, 80, 24, true));
    assert!(text.contains("4 of 10 connected") && text.contains("connecting"), "{text}");
    assert!(!text.contains("offered") && !text.contains("updates") && !text.contains("lateness"), "{text}");
}

#[test]
fn no_size_is_too_small() {
    let picture = picture();
    for width in (0..130).step_by(3).chain([1, 400]) {
        for height in (0..50).chain([200]) {
            let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width, height });
            draw(&mut buffer, &picture, Theme { color: true });
        }
    }
}

#[test]
fn without_colors_the_words_say_it_all() {
    let (colored, plain) = (drawn(&picture(), 100, 40, true), drawn(&picture(), 100, 40, false));
    assert_eq!(text(&colored), text(&plain));
    assert!(colored.content.iter().any(|cell| cell.fg == Color::Red));
    assert!(plain.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    for words in ["✓ ok", "✗ broken", "? unknown", "[during faults]"] {
        assert!(text(&plain).contains(words), "{words}");
    }
}
