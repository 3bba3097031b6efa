//! How a roll-out goes on a hub with limits: its phases, one after the other as `run` has them.

use serde::Serialize;

use super::bound::Bound;
use super::buckets::{Amounts, Buckets};
use super::demand::Demand;
use crate::hub::Operation;

/// The phases of a roll-out, none of which fails or repeats anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Course {
    /// Every device connects, and reports that it is there.
    pub connecting: Phase,
    /// The observer reads the whole fleet.
    pub first_look: Phase,
    /// Idle time that the plan asks for: `load.hold`, and the pauses between waves.
    pub idle_s: f64,
    /// From the first call to the last report: all waves, without the pauses between them.
    pub updating: Phase,
    /// All of it, in seconds.
    pub total_s: f64,
}

/// A part of a roll-out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Phase {
    /// How long it takes, in seconds.
    pub s: f64,
    /// What keeps it from being shorter.
    pub bound: Bound,
}

impl Phase {
    /// The longest of several.
    fn longest(phases: impl IntoIterator<Item = Self>, own: Self) -> Self {
        // Of equal ones the plan's own: what the hub does not lengthen is not its fault.
        phases.into_iter().fold(own, |longest, phase| if phase.s > longest.s { phase } else { longest })
    }
}

impl Course {
    /// That of `demand` on a hub that has these `buckets` left.
    pub(super) fn of(demand: &Demand, mut buckets: Buckets) -> Self {
        let connecting = {
            let limits = demand.connecting.iter().map(|(operation, amount)| Phase {
                s: buckets.until_last(*operation, *amount, 0.0),
                bound: Bound::Limit(*operation),
            });
            Phase::longest(limits, Phase { s: demand.connect_s, bound: Bound::ConnectRate })
        };
        buckets.pass(connecting.s, &demand.connecting);
        let pages = Amounts::from([(Operation::Query, demand.first_pages as f64)]);
        let first_look = Phase {
            s: buckets.until_last(Operation::Query, demand.first_pages as f64, 0.0),
            bound: Bound::Limit(Operation::Query),
        };
        buckets.pass(first_look.s, &pages);
        buckets.pass(demand.hold_s, &Amounts::new());
        let (mut updating, mut longest, mut idle_s) = (0.0, 0.0, demand.hold_s);
        let mut bound = Bound::Device;
        for (number, wave) in demand.waves.iter().enumerate() {
            if number > 0 {
                buckets.pass(demand.pause_s, &Amounts::new());
                idle_s += demand.pause_s;
            }
            let amounts = demand.of_updates(wave.updates);
            let limits = amounts.iter().map(|(operation, amount)| {
                let (lead, tail) = demand.around(*operation);
                Phase { s: buckets.until_last(*operation, *amount, lead) + tail, bound: Bound::Limit(*operation) }
            });
            let phase = Phase::longest(limits, Phase { s: wave.own_s, bound: wave.bound });
            if phase.s > longest {
                (longest, bound) = (phase.s, phase.bound);
            }
            updating += phase.s;
            buckets.pass(phase.s, &amounts);
        }
        let total_s = connecting.s + first_look.s + idle_s + updating;
        Self { connecting, first_look, idle_s, updating: Phase { s: updating, bound }, total_s }
    }

    /// What the longest of the phases is bound by.
    #[must_use]
    pub fn bound(&self) -> Bound {
        Phase::longest([self.connecting, self.first_look], self.updating).bound
    }
}
