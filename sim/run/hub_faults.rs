//! What the faults of a run really did to its hubs, as these tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::coordinator::Coordinator;
use crate::hub::{HubFaultChange, HubFaultNews};
use crate::measure::{FaultRow, HubFaultRow};
use crate::policy::{Fault, Place};
use crate::profile::Plan;

/// Beginning and end of each fault on each hub, from the start of the load.
#[derive(Debug, Default)]
pub(super) struct HubFaults {
    windows: BTreeMap<usize, BTreeMap<usize, Window>>,
    /// Hubs that have died: nothing more is heard of them.
    dead: BTreeSet<usize>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Window {
    began: Duration,
    ended: Option<Duration>,
}

impl HubFaults {
    /// Notes what hub number `hub` says.
    pub(super) fn note(&mut self, hub: usize, news: HubFaultNews) {
        let window = self.windows.entry(news.fault).or_default().entry(hub).or_default();
        match news.change {
            HubFaultChange::Began => window.began = news.since_start,
            HubFaultChange::Ended => window.ended = Some(news.since_start),
        }
    }

    /// Hub number `hub` has died.
    pub(super) fn note_death(&mut self, hub: usize) {
        self.dead.insert(hub);
    }

    /// Completes `rows` of faults of the plan: what is done to hubs alone, devices cannot count.
    pub(super) fn complete(&self, plan: &Plan, mut rows: Vec<FaultRow>) -> Vec<FaultRow> {
        for row in &mut rows {
            let index = plan.faults.iter().position(|fault| fault.name == row.name);
            row.strikes = row.strikes.max(index.map_or(0, |index| self.strikes(index)));
        }
        rows
    }

    /// Hubs that the fault number `index` was done to.
    fn strikes(&self, index: usize) -> u64 {
        self.windows.get(&index).map_or(0, BTreeMap::len) as u64
    }

    /// A row for each of the plan's `faults` that strikes hubs.
    pub(super) fn rows(&self, faults: &[Fault]) -> Vec<HubFaultRow> {
        let row = |(index, fault): (usize, &Fault)| {
            let windows: Vec<(&usize, &Window)> = self.windows.get(&index).into_iter().flatten().collect();
            // Until all are well again that ever can be, the fault is not over.
            let told = windows.iter().filter(|(hub, window)| window.ended.is_some() || !self.dead.contains(hub));
            let ended: Option<Vec<Duration>> = told.map(|(_, window)| window.ended).collect();
            HubFaultRow {
                name: fault.name.clone(),
                kind: fault.kind.name().to_owned(),
                strikes: self.strikes(index),
                began_s: windows.iter().map(|(_, window)| window.began.as_secs_f64()).reduce(f64::min),
                ended_s: ended.and_then(|ended| ended.iter().map(Duration::as_secs_f64).reduce(f64::max)),
            }
        };
        faults.iter().enumerate().filter(|(_, fault)| fault.kind.place() == Place::Hub).map(row).collect()
    }
}

impl Coordinator {
    /// A fault begins or ends on hub number `hub`.
    pub(super) fn on_hub_fault(&mut self, hub: usize, news: HubFaultNews) {
        let fault = &self.options.plan.faults[news.fault];
        let what = if news.change == HubFaultChange::Began { "begins" } else { "is over" };
        self.live.say(&format!("fault {} {what}{}", fault.name, self.hubs.which(hub)));
        self.hub_faults.note(hub, news);
    }

    /// What the plan does to a hub could not be done: whatever is measured is not what was planned.
    pub(super) fn on_hub_trouble(&mut self, why: String) {
        self.live.say(&why);
        self.reasons.push(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::FaultKind;

    #[test]
    fn a_fault_lasts_from_the_first_hub_it_strikes_to_the_last_that_is_well() {
        let faults = [Fault::new(FaultKind::Reset), Fault::new(FaultKind::HubDown), Fault::new(FaultKind::HubDown)];
        let mut noted = HubFaults::default();
        let news = |change, seconds| HubFaultNews { fault: 1, change, since_start: Duration::from_secs(seconds) };
        noted.note(0, news(HubFaultChange::Began, 3));
        noted.note(1, news(HubFaultChange::Began, 2));
        noted.note(1, news(HubFaultChange::Ended, 9));
        assert_eq!(noted.rows(&faults)[0].ended_s, None);
        noted.note(0, news(HubFaultChange::Ended, 8));
        assert_eq!((noted.strikes(0), noted.strikes(1)), (0, 2));
        let rows = noted.rows(&faults);
        assert_eq!((rows.len(), rows[0].strikes, rows[0].began_s, rows[0].ended_s), (2, 2, Some(2.0), Some(9.0)));
        assert_eq!((rows[1].strikes, rows[1].began_s, rows[1].ended_s), (0, None, None));
    }

    #[test]
    fn a_hub_that_died_holds_up_the_end_of_no_fault() {
        let faults = [Fault::new(FaultKind::HubDown), Fault::new(FaultKind::HubDown)];
        let mut noted = HubFaults::default();
        let news = |fault, change, seconds| HubFaultNews { fault, change, since_start: Duration::from_secs(seconds) };
        for hub in 0..3 {
            noted.note(hub, news(0, HubFaultChange::Began, 2));
        }
        noted.note(2, news(0, HubFaultChange::Ended, 7));
        noted.note(0, news(1, HubFaultChange::Began, 3));
        noted.note_death(0);
        assert_eq!(noted.rows(&faults)[0].ended_s, None, "one is alive and not well");
        noted.note(1, news(0, HubFaultChange::Ended, 6));
        noted.note_death(2);
        let rows = noted.rows(&faults);
        assert_eq!((rows[0].strikes, rows[0].ended_s), (3, Some(7.0)), "what the dead have said stands");
        assert_eq!((rows[1].strikes, rows[1].ended_s), (1, None), "nobody saw it end");
    }
}
