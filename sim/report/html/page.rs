//! The page.

use askama::Template;

use super::blocks::Section;
use super::headline::Headline;
use super::timeline::Timeline;
use super::{
    attempts, capacity, census, drill, faults, health, heat, invariants, judged, messages, percentiles, plan, retries,
    rollout, spent, stages, text,
};
use crate::measure::RunResult;
use crate::report::{ReportError, Reporter};

/// `report.html`.
#[derive(Debug, Clone, Copy)]
pub struct Html;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    name: String,
    description: String,
    meta: String,
    headline: Headline,
    sections: Vec<Section>,
    footer: String,
}

impl Reporter for Html {
    fn render(&self, result: &RunResult) -> Result<Vec<u8>, ReportError> {
        let (timeline, load) = (Timeline::of(result), Timeline::of_load(result));
        let headline = Headline::of(result);
        let sections = [
            capacity::capacity(result),
            judged::thresholds(result),
            drill::drill(result, &timeline),
            stages::stages(&timeline, &load),
            percentiles::percentiles(result, &timeline),
            heat::heat(&load),
            spent::spent(result),
            census::census(result),
            faults::faults(result),
            attempts::attempts(result, &timeline, &load),
            messages::messages(result),
            retries::retries(result),
            rollout::rollout(result),
            invariants::invariants(result),
            health::generator(result),
            health::observer(result),
            plan::plan(result),
        ];
        let mut sections: Vec<Section> = sections.into_iter().flatten().collect();
        // Whoever begins to read further below is told too; the plan and how the generator fared hold all the same.
        for section in sections.iter_mut().filter(|section| !["plan", "generator"].contains(&section.id)) {
            section.badge = headline.badge();
        }
        let page = Page {
            name: if result.name.is_empty() { "a run without a name".to_owned() } else { result.name.clone() },
            description: result.plan["description"].as_str().unwrap_or_default().to_owned(),
            meta: format!(
                "Started {:.0} · took {} · seed {} · twinstorm {}",
                result.began_at(),
                text::span(result.took_s()),
                result.seed,
                result.version
            ),
            headline,
            sections,
            footer: format!(
                "Made by twinstorm {} from results.json alone. A percentile with fewer than 10 samples beyond it is no \
                 number: it stands as “-” in tables, and curves end before it.",
                result.version
            ),
        };
        Ok(page.render()?.into_bytes())
    }
}
