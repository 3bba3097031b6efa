//! The answer for people, no wider than 100 columns, and for programs.

use super::answer::{Answer, Brief, Enough};
use super::bound::Bound;
use super::findings;
use super::size::{Need, Sizing};
use crate::hub::Tier;
use crate::policy::Unit;
use crate::report::{Align, columns, human_value, paragraph};

/// What the figures leave out.
const NOT_COUNTED: &str = "registering the devices, pings, what fails and is tried again, messages beside the plan's; \
                           prices";
/// What the mark of a hub in the table of tiers means.
const NOT_BORNE: &str = "*if nobody gave up: there things wait for longer than the plan has patience for";
/// How wide the heads of lines are.
const HEAD: usize = 11;

/// `answer` as JSON.
///
/// # Errors
/// There is a number in it that JSON has no form for.
pub fn sizing_json(answer: &Answer) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(answer)
}

/// `answer` as tables.
#[must_use]
pub fn sizing_text(answer: &Answer) -> String {
    let mut sections = Vec::new();
    match &answer.hub {
        Some(sizing) => {
            sections.extend([summary(answer, sizing), phases(sizing), operations(sizing)]);
        }
        None => {
            let mut lines = vec![format!("{}: {}", answer.plan, fleet(answer))];
            lines.extend(warnings(&answer.findings));
            sections.push(lines);
        }
    }
    sections.push(tiers(answer));
    sections.push(figures(answer));
    let text: Vec<String> = sections.into_iter().map(|lines| lines.join("\n") + "\n").collect();
    text.join("\n")
}

fn warnings(findings: &[String]) -> impl Iterator<Item = String> {
    findings.iter().flat_map(|finding| say("warning", finding))
}

fn say(head: &str, text: &str) -> Vec<String> {
    paragraph(&format!("{head:<HEAD$}"), text.split(' '), " ")
}

fn summary(answer: &Answer, sizing: &Sizing) -> Vec<String> {
    let (tier, units) = (sizing.tier.name(), sizing.units);
    let mut lines = vec![format!("{} on {tier} x {units}: {}", answer.plan, fleet(answer))];
    let takes = format!("{} at the limits' rates; {} at least", time(sizing.takes_s), time(sizing.at_least_s));
    lines.extend(say("takes", &format!("{takes}, with a minute's worth of each at once")));
    lines.extend(say("binds", &binds(sizing)));
    let bears = format!(
        "{} in the long run, by {}; the plan wants {}",
        updates(sizing.updates_per_s),
        sizing.binding.name(),
        answer.own_updates_per_s.map_or_else(|| "as many as there can be".to_owned(), updates)
    );
    lines.extend(say("hub bears", &bears));
    let messages = sizing.messages;
    lines.extend(say(
        "messages",
        &format!(
            "about {}: {} of the {} of a day (connecting {}, calls {}, reports {}{}, observing {})",
            messages.total,
            human_value(Unit::Percent, messages.percent()),
            messages.per_day,
            messages.connecting,
            messages.calls,
            messages.reports,
            Some(messages.telemetry)
                .filter(|sent| *sent > 0)
                .map_or(String::new(), |sent| format!(", telemetry {sent}")),
            messages.observing
        ),
    ));
    if let Some(deadline_s) = answer.deadline_s {
        lines.extend(say("deadline", &deadline(sizing, deadline_s)));
    }
    lines.extend(warnings(&answer.findings).chain(warnings(&sizing.findings)));
    lines
}

fn fleet(answer: &Answer) -> String {
    let plural = if answer.devices == 1 { "" } else { "s" };
    format!("{} device{plural}, {}", answer.devices, answer.load)
}

/// What keeps the roll-out from being quicker, in words.
fn binds(sizing: &Sizing) -> String {
    match sizing.bound {
        Bound::Limit(operation) => {
            let limit = sizing.need(operation).map_or(0.0, |need| need.limit_per_s);
            format!("{}, of which {} are allowed", operation.name(), human_value(Unit::Rate, limit))
        }
        Bound::Devices => "the devices that it may have, which are fewer".to_owned(),
        Bound::Quota => format!("the messages of a day: {} days are needed", sizing.messages.own_days()),
        Bound::Device => "the device's own time for an update (firmware), not the hub".to_owned(),
        Bound::Looks => "the plan's own observe.interval: how rarely the end is looked for".to_owned(),
        own => format!("the plan's own {}, not the hub", own.name()),
    }
}

fn deadline(sizing: &Sizing, deadline_s: f64) -> String {
    let text = time(deadline_s);
    if sizing.meets(deadline_s) {
        format!("{text}: met")
    } else if !sizing.fits {
        format!("{text}: missed, as the hub cannot have so many devices")
    } else if sizing.throws_off {
        format!("{text}: missed, as devices would be thrown off: see the warnings")
    } else if sizing.gives_up {
        format!("{text}: missed, as updates would be given up: see the warnings")
    } else {
        let saved = match (sizing.at_least_s <= deadline_s, sizing.bound) {
            (false, _) => "",
            (true, Bound::Quota) => "; a start shortly before 00:00 UTC may save it",
            (true, _) => " at the limits' rates; what passes at once may save it",
        };
        format!("{text}: missed by {}{saved}", some_time(sizing.takes_s - deadline_s))
    }
}

/// More than no time.
fn some_time(seconds: f64) -> String {
    if seconds < 0.05 { "less than 0.1 s".to_owned() } else { time(seconds) }
}

fn phases(sizing: &Sizing) -> Vec<String> {
    let (rates, bursts) = (sizing.at_rates, sizing.with_bursts);
    let row =
        |name: &str, s: f64, least: f64, bound: &str| vec![name.to_owned(), time(s), time(least), bound.to_owned()];
    let mut rows = vec![["Phases", "takes", "at least", "binds"].map(str::to_owned).to_vec()];
    for (name, rate, burst) in [
        ("connecting", rates.connecting, bursts.connecting),
        ("first look", rates.first_look, bursts.first_look),
        ("updating", rates.updating, bursts.updating),
    ] {
        rows.push(row(name, rate.s, burst.s, rate.bound.name()));
    }
    if rates.idle_s > 0.0 {
        rows.insert(3, row("idle", rates.idle_s, bursts.idle_s, "the plan's own"));
    }
    for (name, rate, burst) in
        [("last looks", rates.last_looks, bursts.last_looks), ("lasting", rates.lasting, bursts.lasting)]
    {
        if rate.s > 0.0 || burst.s > 0.0 {
            rows.push(row(name, rate.s, burst.s, rate.bound.name()));
        }
    }
    table(&[Align::Left, Align::Right, Align::Right, Align::Left], &rows)
}

fn operations(sizing: &Sizing) -> Vec<String> {
    let heads = ["Operations", "connecting", "per update", "in all", "limit", "at once", "takes alone", "updates/s"];
    let row = |need: &Need| {
        vec![
            need.operation.name().to_owned(),
            count(need.connecting),
            count(need.per_update),
            count(need.in_all),
            human_value(Unit::Rate, need.limit_per_s),
            count(need.burst),
            time(need.alone_s),
            need.updates_per_s.map_or_else(|| "-".to_owned(), |rate| human_value(Unit::Rate, rate)),
        ]
    };
    let rows: Vec<Vec<String>> =
        std::iter::once(heads.map(str::to_owned).to_vec()).chain(sizing.operations.iter().map(row)).collect();
    let mut align = [Align::Right; 8];
    align[0] = Align::Left;
    table(&align, &rows)
}

fn tiers(answer: &Answer) -> Vec<String> {
    let heads = ["Tiers", "units", "takes", "at least", "binds", "updates", "messages of a day"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for tier in &answer.tiers {
        for (number, size) in tier.sizes.iter().enumerate() {
            let name = if number == 0 { tier.tier.name() } else { "" };
            let mut row = vec![name.to_owned(), size.units.to_string()];
            row.extend(brief(size));
            rows.push(row);
        }
    }
    let mut align = [Align::Right; 7];
    (align[0], align[4]) = (Align::Left, Align::Left);
    let mut lines = table(&align, &rows);
    let sizes = || answer.tiers.iter().flat_map(|tier| tier.sizes.iter().filter(|size| size.fits));
    if sizes().any(|size| size.gives_up || size.throws_off) {
        lines.extend(paragraph("  ", NOT_BORNE.split(' '), " "));
    }
    lines.extend(enough(answer));
    let slow = answer.tiers.iter().flat_map(|row| row.sizes.iter().map(move |size| (row.tier, size)));
    let slow = slow.filter(|(tier, size)| size.fits && size.messages.days > 1 && !is_told(answer, *tier, size.units));
    lines.extend(slow.flat_map(|(tier, size)| {
        let text = findings::days(tier, size.units, &size.messages).unwrap_or_default();
        paragraph("  warning  ", text.split(' '), " ")
    }));
    lines
}

fn brief(size: &Brief) -> Vec<String> {
    if !size.fits {
        return ["never", "-", "devices", "-", "-"].map(str::to_owned).to_vec();
    }
    let mark = if size.gives_up || size.throws_off { "*" } else { "" };
    vec![
        mark.to_owned() + &time(size.takes_s),
        time(size.at_least_s),
        size.bound.name().to_owned(),
        human_value(Unit::Rate, size.updates_per_s),
        human_value(Unit::Percent, size.messages.percent()),
    ]
}

/// Which hubs are enough.
fn enough(answer: &Answer) -> Vec<String> {
    let of = match (answer.deadline_s, answer.own_updates_per_s) {
        (Some(deadline_s), _) => format!("For a deadline of {}", time(deadline_s)),
        (None, Some(rate)) => format!("To keep up with the plan's own {}", updates(rate)),
        (None, None) => "For its devices, and its messages within a day".to_owned(),
    };
    let rows = answer.tiers.iter().map(|row| match row.enough_units {
        Some(units) => format!("{} x {units}", row.tier.name()),
        None => format!("{} never", row.tier.name()),
    });
    let rows: Vec<String> = rows.collect();
    let name = |hub: Enough| format!("{} x {}", hub.tier.name(), hub.units);
    let mut text = match answer.smallest {
        Some(smallest) => format!(
            "{of}: {}; the smallest tier is {}. Prices are not known here: fewer units of a higher tier may cost less.",
            rows.join(", "),
            name(smallest)
        ),
        None => format!("{of}: no hub is enough."),
    };
    if let Some(patient) = answer.smallest_with_patience {
        text += &format!(" With more patience, or fewer calls at once, {} would do.", name(patient));
    }
    let mut lines = paragraph("  ", text.split(' '), " ");
    let named = answer.smallest_with_patience.or(answer.smallest).filter(|named| !is_asked_for(answer, *named));
    let of =
        |named: Enough| answer.tiers.iter().filter(move |row| row.tier == named.tier).flat_map(|row| &row.findings);
    let told = named.into_iter().flat_map(of);
    lines.extend(told.flat_map(|finding| paragraph("  warning  ", finding.split(' '), " ")));
    lines
}

/// Whether a hub is the one that was asked for, of which all is told above.
fn is_asked_for(answer: &Answer, hub: Enough) -> bool {
    answer.hub.as_ref().is_some_and(|asked| hub == Enough { tier: asked.tier, units: asked.units })
}

/// Whether what is to be known of a hub has been told.
fn is_told(answer: &Answer, tier: Tier, units: u32) -> bool {
    let hub = Enough { tier, units };
    answer.smallest_with_patience.or(answer.smallest) == Some(hub) || is_asked_for(answer, hub)
}

fn figures(answer: &Answer) -> Vec<String> {
    let mut lines = vec!["Figures".to_owned()];
    for source in &answer.sources {
        let from = source.page.map_or_else(String::new, |page| format!("{page}, "));
        lines.extend(paragraph("  ", format!("{from}{}: {}", source.date, source.of).split(' '), " "));
    }
    let shards = match answer.shards {
        1 => "one shard, which observes".to_owned(),
        several => format!("{several} shards, each of which observes"),
    };
    let drawn = if answer.is_drawn {
        "calls and every device's delays as a run draws them from the seed"
    } else {
        "calls as a run draws them from the seed, and the delays of a million of the updates"
    };
    let counted = format!(
        "one hub; {shards}; {drawn}; queries that reach back by observe.overlap, which \
                           Azure's index needs (the embedded hub does without, and is billed less)"
    );
    lines.extend(paragraph("  counted: ", counted.split(' '), " "));
    lines.extend(paragraph("  not counted: ", NOT_COUNTED.split(' '), " "));
    lines
}

/// Columns whose first row is their heads, the first of which is the table's title.
fn table(align: &[Align], rows: &[Vec<String>]) -> Vec<String> {
    let mut lines = columns(align, rows);
    if let Some(first) = lines.first_mut() {
        // A title stands at the margin, and what it is of below it, indented.
        let title: String = first.trim_start().to_owned();
        *first = match title.split_once("  ") {
            Some((title, rest)) => format!("{title}    {rest}"),
            None => title,
        };
    }
    lines
}

fn updates(per_s: f64) -> String {
    human_value(Unit::Rate, per_s).replace("/s", " updates/s")
}

/// A number of operations: whole where it is large.
fn count(value: f64) -> String {
    if value == 0.0 {
        "-".to_owned()
    } else if value >= 100.0 || value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Seconds as `12.3 s`, `4 m 05 s`, `3 h 20 m` or `2 d 03 h 10 m`.
fn time(seconds: f64) -> String {
    // As far as an answer goes, beyond a year is beyond a year.
    let whole = seconds.round().clamp(0.0, 1e12) as u64;
    match whole {
        0..60 if seconds < 59.95 => format!("{seconds:.1} s"),
        0..3600 => format!("{} m {:02} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {:02} m", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {:02} h {:02} m", whole / 86_400, whole % 86_400 / 3600, whole % 3600 / 60),
    }
}
