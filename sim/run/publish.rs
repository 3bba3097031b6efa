//! What is known of a run that goes on, for whoever scrapes its metrics.

use super::assemble;
use super::coordinator::Coordinator;
use super::faults;
use super::live::Status;
use super::rollout::{self, Waves};
use crate::measure::{RateResult, RunResult, ThresholdResult, Usage};
use crate::report::Moment;
use crate::time::Nanos;
use crate::verdict::{LightState, ThresholdLight};

impl Coordinator {
    /// Hands over what is known by now, if anybody may ask for it. To be called once a second.
    ///
    /// All there is to do is to copy the histograms, 200 KB for each series (0.5 to 4 ms for all thirty, measured on two busy
    /// cores): statistics and text, 4 to 6 ms more, are made on the thread of who serves them, when somebody asks.
    pub(super) fn publish(&mut self, status: &Status) {
        if let Some(metrics) = self.options.metrics.clone() {
            let moment = Moment { phase: status.phase, gauges: status.gauges };
            metrics.publish(self.known_so_far(status), moment);
        }
    }

    /// A result of what was measured so far, as far as metrics tell of it. Of it only thresholds are judged.
    fn known_so_far(&mut self, status: &Status) -> RunResult {
        let hub = assemble::hub(&self.placement, self.hubs.usage());
        let own = Usage::of_self().since(self.before);
        let (plan, roles, tally) = (&self.options.plan, self.options.roles, &self.tally);
        let (total, none) = (&tally.total, Waves::default());
        let duration_s = status.elapsed.as_secs_f64();
        let (offered, achieved) = status.rate.unzip();
        RunResult {
            name: plan.name.clone(),
            started_at: self.clock.wall().at(Nanos::ZERO),
            duration_s,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: plan.seed.0,
            census: total.census.clone(),
            series: total.series.clone(),
            rate: RateResult { offered_per_s: offered, achieved_per_s: achieved, telemetry: None },
            generator: assemble::generator(tally, own, duration_s, self.hub_on_same_machine),
            hub,
            shards: assemble::shards(&self.placement, tally),
            observer: if roles.driver { assemble::observer(plan, tally) } else { Default::default() },
            faults: self.hub_faults.complete(plan, faults::rows(plan, roles, tally, |_| true)),
            rollout: rollout::result(plan, roles, tally, self.rollout.as_ref().map_or(&none, |rollout| &rollout.waves)),
            images: (roles.fleet && plan.firmware.downloads().is_some()).then_some(total.counters.images),
            messages: total.messages.clone(),
            thresholds: self.watch.lights.iter().map(judged_so_far).collect(),
            retries: assemble::retries(plan, tally),
            // An update that has not ended yet breaks none.
            invariants: if roles.driver { total.invariants.rows().to_vec() } else { Vec::new() },
            losses_unexplained: total.counters.losses_unexplained,
            ..RunResult::default()
        }
    }
}

/// What is open yet has no answer.
fn judged_so_far(light: &ThresholdLight) -> ThresholdResult {
    let ok = match light.state {
        LightState::Holding => Some(true),
        LightState::Broken => Some(false),
        LightState::Unknown => None,
    };
    ThresholdResult { expr: light.expr.clone(), observed: light.observed, judged_by: None, ok }
}
