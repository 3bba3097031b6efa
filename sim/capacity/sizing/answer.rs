//! What somebody who asks for a hub is told: of the one that he asks for, of every tier, and which is enough.

use serde::Serialize;

use super::bound::Bound;
use super::demand::Demand;
use super::findings;
use super::messages::Messages;
use super::size::Sizing;
use super::source::{SOURCES, Source};
use crate::hub::{Operation, Tier};

/// What a plan needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The plan's name.
    pub plan: String,
    /// Its devices.
    pub devices: u32,
    /// Its updates, those to settle among them.
    pub updates: u64,
    /// Its load in words.
    pub load: String,
    /// Processes that observe, each on its own.
    pub shards: u32,
    /// Whether what devices take is drawn for every update, rather than for a million of them.
    pub is_drawn: bool,
    /// Updates per second at most, as the plan wants them; `None` for as many as there can be.
    pub own_updates_per_s: Option<f64>,
    /// What is to be known of the plan, whatever its hub is, in sentences.
    pub findings: Vec<String>,
    /// The hub that was asked for, if one was.
    pub hub: Option<Sizing>,
    /// When it is to be over, in seconds from its start, if that was asked.
    pub deadline_s: Option<f64>,
    /// Whether it is by then: on the hub that was asked for, else on any. `None` without a deadline.
    pub met: Option<bool>,
    /// Every tier.
    pub tiers: Vec<TierAnswer>,
    /// The smallest tier that is enough, and its fewest units; `None` if no hub is. Prices are not known here: fewer
    /// units of a higher tier may cost less.
    pub smallest: Option<Enough>,
    /// The smallest that is enough for the deadline if nothing were given up, where that is another one: what it takes
    /// stands among the findings of its tier.
    pub smallest_with_patience: Option<Enough>,
    /// Where the figures are from.
    pub sources: [Source; SOURCES.len()],
}

/// A plan on a tier.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TierAnswer {
    /// The tier.
    pub tier: Tier,
    /// With one unit, and with as many as there may be.
    pub sizes: Vec<Brief>,
    /// The fewest units that are enough: for the deadline, or without one to keep up with the plan's own rate; `None` if
    /// none are.
    pub enough_units: Option<u32>,
    /// The fewest that are enough for the deadline if nothing were given up.
    pub enough_units_with_patience: Option<u32>,
    /// What else is to be known of the hub with the fewest units of the two, in sentences.
    pub findings: Vec<String>,
}

/// A hub that is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Enough {
    /// Its tier.
    pub tier: Tier,
    /// Its units.
    pub units: u32,
}

/// A [`Sizing`] in short; its fields are those of the same names there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "they are those of `Sizing`")]
pub struct Brief {
    pub units: u32,
    pub fits: bool,
    pub gives_up: bool,
    pub throws_off: bool,
    pub takes_s: f64,
    pub at_least_s: f64,
    pub bound: Bound,
    pub updates_per_s: f64,
    pub binding: Operation,
    pub messages: Messages,
}

impl Brief {
    fn of(sizing: &Sizing) -> Self {
        Self {
            units: sizing.units,
            fits: sizing.fits,
            gives_up: sizing.gives_up,
            throws_off: sizing.throws_off,
            takes_s: sizing.takes_s,
            at_least_s: sizing.at_least_s,
            bound: sizing.bound,
            updates_per_s: sizing.updates_per_s,
            binding: sizing.binding,
            messages: sizing.messages,
        }
    }
}

impl Answer {
    /// What `demand` needs; of the hub that is asked for as well, if one is. `deadline_s` is when it is to be over, in
    /// seconds.
    #[must_use]
    pub fn of(demand: &Demand, hub: Option<(Tier, u32)>, deadline_s: Option<f64>) -> Self {
        let is_enough = |sizing: &Sizing| match deadline_s {
            Some(deadline_s) => sizing.meets(deadline_s),
            None => sizing.keeps_up_with(demand.own_rate),
        };
        let tier = |tier: Tier| {
            let (one, most) = tier.units().into_inner();
            let ends = if one == most { vec![one] } else { vec![one, most] };
            let would = |sizing: &Sizing| deadline_s.is_some_and(|deadline_s| sizing.would_meet(deadline_s));
            let (mut enough, mut patient) = (None, None);
            for units in tier.units() {
                let sizing = Sizing::of(demand, tier, units);
                let is_enough = is_enough(&sizing);
                if patient.is_none() && would(&sizing) {
                    patient = Some(sizing.clone());
                }
                if is_enough {
                    enough = Some(sizing);
                    break;
                }
            }
            TierAnswer {
                tier,
                sizes: ends.into_iter().map(|units| Brief::of(&Sizing::of(demand, tier, units))).collect(),
                enough_units: enough.as_ref().map(|sizing| sizing.units),
                enough_units_with_patience: patient.as_ref().map(|sizing| sizing.units),
                findings: patient.or(enough).map_or_else(Vec::new, |sizing| sizing.findings),
            }
        };
        let tiers: Vec<TierAnswer> = Tier::ALL.into_iter().map(tier).collect();
        let smallest = tiers.iter().find_map(|row| Some(Enough { tier: row.tier, units: row.enough_units? }));
        let patient = |row: &TierAnswer| Some(Enough { tier: row.tier, units: row.enough_units_with_patience? });
        let smallest_with_patience = tiers.iter().find_map(patient).filter(|patient| smallest != Some(*patient));
        let hub = hub.map(|(tier, units)| Sizing::of(demand, tier, units));
        let met = deadline_s
            .map(|deadline_s| hub.as_ref().map_or(smallest.is_some(), |sizing: &Sizing| sizing.meets(deadline_s)));
        Self {
            plan: demand.name.clone(),
            devices: demand.devices,
            updates: demand.updates,
            load: demand.load.clone(),
            shards: demand.shards,
            is_drawn: demand.is_drawn,
            own_updates_per_s: demand.own_rate,
            findings: findings::of_plan(demand),
            hub,
            deadline_s,
            met,
            tiers,
            smallest,
            smallest_with_patience,
            sources: SOURCES,
        }
    }
}
