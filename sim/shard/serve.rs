//! What a shard does with its assignment: register, connect, wait for the start, run, stop, hand over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::message::{Assignment, FromShard, Progress, StopReason, ToShard};
use crate::device::{Fleet, FleetPlan};
use crate::dialect::azure::AzureDevice;
use crate::driver::{self, Driver, DriverPlan, RestClient};
use crate::measure::{Measurements, Tracer, Truth, descriptor_limit};
use crate::policy::{DeviceIds, FaultPlan, Outcome};
use crate::time::{Clock, Nanos};

/// How often a shard looks at its actors.
const LOOK: Duration = Duration::from_millis(100);
/// Looks between two progress messages.
const LOOKS_PER_PROGRESS: u32 = 10;
/// What devices get beyond the connect ramp to come online.
const CONNECT_GRACE: Duration = Duration::from_secs(60);
/// How long connections may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Serves one assignment.
pub(super) async fn serve(
    clock: Clock,
    tracer: Option<Arc<Tracer>>,
    mut orders: Receiver<ToShard>,
    say: Sender<FromShard>,
) {
    let descriptors = descriptor_limit().map_or(0, |(soft, _)| soft);
    // If nobody listens any more, there is nobody left to work for.
    if say.send(FromShard::Hello { descriptors }).await.is_err() {
        return;
    }
    let Some(ToShard::Assign(assignment)) = orders.recv().await else { return };
    let done = match Actors::start(&assignment, clock, tracer) {
        Ok(actors) => actors.run(&assignment, orders, &say).await,
        Err(why) => Err(why),
    };
    let last = match done {
        Ok(progress) => FromShard::Result(Box::new(progress)),
        Err(why) => FromShard::Failed(why),
    };
    let _ = say.send(last).await;
}

/// The actors of a shard.
struct Actors {
    clock: Clock,
    fleet: Option<Fleet>,
    driver: Option<Driver>,
    rest: Option<RestClient>,
    /// Measured, but not handed over yet.
    pending: Progress,
}

/// How far a shard is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Devices come online, until this moment at the latest.
    Connecting { until: Instant },
    /// Everything stands ready for the start.
    Ready,
    /// The load is on.
    Loaded,
}

impl Actors {
    /// The driver is made first: from then on every planned update is in the census.
    fn start(assignment: &Assignment, clock: Clock, tracer: Option<Arc<Tracer>>) -> Result<Self, String> {
        let Assignment { plan, range, roles, endpoints, credentials, .. } = assignment;
        let ids = DeviceIds::new(&plan.fleet.id_prefix);
        let truth = (roles.fleet && roles.driver).then(|| Arc::new(Truth::new(*range)));
        let rest = match (&endpoints.rest, &credentials.service) {
            (Some(url), Some(service)) => {
                let connections = plan.driver.max_in_flight as usize;
                Some(RestClient::new(url, service.clone(), clock, connections).map_err(|error| error.to_string())?)
            }
            _ => None,
        };
        let driver = match (&rest, roles.driver) {
            (_, false) => None,
            (None, true) => return Err("a driver needs the hub's REST endpoint and a connection string".to_owned()),
            (Some(rest), true) => Some(
                Driver::start(DriverPlan {
                    config: plan.driver.clone(),
                    seed: plan.seed,
                    devices: plan.fleet.devices,
                    range: *range,
                    ids: ids.clone(),
                    run_id: assignment.run_id.clone(),
                    rest: rest.settings(),
                    clock,
                    truth: truth.clone(),
                    tracer: tracer.clone(),
                    swallow_outcomes: assignment.swallow_outcomes,
                })
                .map_err(|error| error.to_string())?,
            ),
        };
        let fleet = match (roles.fleet, endpoints.mqtt, &credentials.fleet_key) {
            (false, ..) => None,
            (true, Some(hub), Some(key)) => Some(
                Fleet::start(FleetPlan {
                    config: plan.fleet.clone(),
                    firmware: plan.firmware.clone(),
                    faults: Arc::new(FaultPlan::new(plan.seed, &plan.faults, plan.fleet.devices)),
                    seed: plan.seed,
                    range: *range,
                    hub,
                    dialect: AzureDevice::new(&endpoints.host, key.clone(), plan.fleet.keep_alive.as_secs() as u16),
                    clock,
                    truth,
                    tracer,
                })
                .map_err(|error| error.to_string())?,
            ),
            (true, ..) => return Err("a fleet needs the hub's MQTT endpoint and the fleet's key".to_owned()),
        };
        Ok(Self { clock, fleet, driver, rest, pending: Progress::default() })
    }
}
