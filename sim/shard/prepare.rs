//! Up to the line: devices connected, the observer primed.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{MissedTickBehavior, interval};

use super::message::{Assignment, FromShard, HubProof, ImageOffer, Progress, ToShard};
use super::serve::{LOOK, Word, Work, in_words};
use super::{dialects, identities};
use crate::device::{Fleet, FleetPlan, ImageSource, ImageUrl};
use crate::driver::{self, OnlineError};
use crate::measure::Gauges;
use crate::mqtt::{ClientIdentity, ClientTls, ConnectionError, WebSocketClient};
use crate::policy::ConnectPace;
use crate::time::Nanos;

/// MQTT 3.1.1 has no other way to say so.
const REFUSAL: &str = ". A broker closes the connection of who wants what it does not have or allow: QoS 2 (hub.qos), retained \
                       messages, such a topic (hub.topics), such a client id (hub.client_id), or one connection more";

/// Once devices of another process come online, the rest is given up if none has come for so long.
const QUIET: Duration = Duration::from_secs(10);
/// What devices get beyond the connect ramp to come online.
const CONNECT_GRACE: Duration = Duration::from_secs(60);
/// Once the ramp is through, and some of our own devices are online, the rest is not waited for if none has become ready for so
/// long.
const CONNECT_QUIET: Duration = Duration::from_secs(20);
/// What is told of the reasons why some devices are not online.
const REASONS: usize = 3;

impl Work {
    /// Connects the devices, or waits for those of another process, and takes the observer's first
    /// look. An order to stop ends it wherever it is, except between taking measurements and keeping them.
    pub(super) async fn prepare(&mut self, orders: &mut Receiver<ToShard>) -> Result<Word, String> {
        let beat = Beat { say: self.say.clone(), gauges: Rc::new(Cell::new(self.pending.gauges)) };
        if let Err(word) = unless_told(orders, &beat, self.greet()).await? {
            return Ok(word);
        }
        let open = async {
            match &self.driver {
                Some(driver) => driver.open().await.map_err(in_words),
                None => Ok(()),
            }
        };
        if let Err(word) = unless_told(orders, &beat, open).await? {
            return Ok(word);
        }
        if self.assignment.roles.fleet {
            self.fleet = Some(self.start_fleet()?);
            match self.connect(orders).await? {
                Word::Go => {}
                word => return Ok(word),
            }
        } else if self.assignment.plan.hub.broker().is_some() {
            match self.wait_present(orders).await? {
                Word::Go => {}
                word => return Ok(word),
            }
        } else {
            match unless_told(orders, &beat, self.wait_online(&beat)).await? {
                Ok(missing) => {
                    let devices = self.assignment.range.len();
                    self.pending.gauges.connected = devices - missing;
                    if missing > 0 {
                        let warning = self.named(format!("{missing} of {devices} devices are not online"));
                        self.pending.warnings.push(warning);
                    }
                }
                Err(word) => return Ok(word),
            }
        }
        beat.gauges.set(self.pending.gauges);
        let prime = async {
            match &self.driver {
                Some(driver) => driver.prime(self.pending.gauges.connected).await.map_err(in_words),
                None => Ok(()),
            }
        };
        Ok(unless_told(orders, &beat, prime).await?.err().unwrap_or(Word::Go))
    }

    /// Whether the hub's REST side is there; an embedded hub has been seen to be.
    async fn greet(&self) -> Result<(), String> {
        match &self.rest {
            Some(rest) if !self.assignment.plan.hub.is_ours() => driver::greet(rest).await.map_err(in_words),
            _ => Ok(()),
        }
    }

    /// Waits for devices of another process; how many are missing in the end.
    async fn wait_online(&self, beat: &Beat) -> Result<u32, String> {
        let Some(rest) = &self.rest else { return Ok(0) };
        let tell = |connected, _| beat.gauges.set(Gauges { connected, ..Gauges::default() });
        let (limit, range) = (self.connect_limit(), self.assignment.range);
        match driver::wait_online(rest, &self.ids, range, limit, self.clock, tell).await {
            Err(OnlineError::Nobody { devices, .. }) if !self.is_whole() => Ok(devices),
            other => other.map_err(in_words),
        }
    }

    /// Waits until devices of another process have said that they are connected, or no further one has for a while.
    async fn wait_present(&mut self, orders: &mut Receiver<ToShard>) -> Result<Word, String> {
        let broker = self.assignment.plan.hub.broker();
        if broker.is_none_or(|broker| broker.dialect.topics.presence.is_none()) {
            self.pending.warnings.push("devices without presence: which of them are online is not known".to_owned());
            return Ok(Word::Go);
        }
        let devices = self.assignment.range.len();
        let until = self.clock.now() + self.connect_limit();
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lull = Lull::from(self.clock.now());
        loop {
            tokio::select! {
                order = orders.recv() => return Ok(Word::of(order)),
                _ = look.tick() => {}
            }
            self.look().await?;
            let (connected, now) = (self.pending.gauges.connected, self.clock.now());
            let lull = lull.at(now, connected);
            if self.progress_is_due() {
                self.report_progress().await;
            }
            if connected >= devices {
                return Ok(Word::Go);
            }
            let over = now >= until || (connected > 0 && lull >= QUIET);
            if over && connected == 0 && self.is_whole() {
                return Err(format!(
                    "none of {devices} devices has said that it is connected, the first is `{}`: start the fleet first, or say \
                     `hub.topics.presence = \"\"` if yours do not say so",
                    self.ids.id(self.assignment.range.start)
                ));
            }
            if over {
                let warning = self.named(format!("{} of {devices} devices are not online", devices - connected));
                self.pending.warnings.push(warning);
                return Ok(Word::Go);
            }
        }
    }

    /// Whether there is no other shard.
    fn is_whole(&self) -> bool {
        self.assignment.range.len() == self.assignment.plan.fleet.devices
    }

    /// `text` with the shard that says it, where there are several.
    fn named(&self, text: String) -> String {
        if self.is_whole() { text } else { format!("shard {}: {text}", self.assignment.shard) }
    }

    fn start_fleet(&self) -> Result<Fleet, String> {
        let Assignment { plan, range, endpoints, credentials, image, .. } = &self.assignment;
        let hub = endpoints.mqtt.ok_or("a fleet needs the hub's MQTT address")?;
        let resumption = plan.fleet.tls_resumption;
        let tls = tls(&self.assignment, resumption)?;
        let secrets = credentials.devices.as_ref();
        let websocket = endpoints.websocket.as_ref().map(|path| WebSocketClient::new(&endpoints.host, path));
        Fleet::start(FleetPlan {
            config: plan.fleet.clone(),
            firmware: plan.firmware.clone(),
            load_settles: plan.driver.settle.is_some(),
            faults: Arc::new(plan.fault_plan()),
            seed: plan.seed,
            range: *range,
            ids: self.ids.clone(),
            hub,
            tls,
            identities: secrets.map_or(Ok(None), |secrets| identities::read(*range, secrets))?,
            websocket,
            images: image.as_ref().map(image_source).transpose()?,
            dialect: dialects::of_devices(&self.assignment)?,
            clock: self.clock,
            truth: self.truth.clone(),
            tracer: self.tracer.clone(),
        })
        .map_err(in_words)
    }

    /// Waits until every device has reported once or has given up, or no further one has for a while. Some may be missing then:
    /// their updates will tell, and they still may come. If none came online, there is nothing to run.
    async fn connect(&mut self, orders: &mut Receiver<ToShard>) -> Result<Word, String> {
        let devices = self.assignment.range.len();
        let ramp_ends = self.clock.now() + self.connect_ramp();
        let mut lull = Lull::from(ramp_ends);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => return Ok(Word::of(order)),
                _ = look.tick() => {}
            }
            self.look().await?;
            let (stands, now) = (self.pending.gauges, self.clock.now());
            let quiet = lull.at(now, stands.ready) >= CONNECT_QUIET && stands.connected > 0;
            let over = stands.ready >= devices || now >= ramp_ends + CONNECT_GRACE || quiet;
            if over && stands.gave_up >= devices.min(stands.ready) && stands.connected == 0 {
                let why = self.why_none_is_online(devices).await;
                if self.is_whole() {
                    return Err(why);
                }
                // Those of other shards may be online: as in a single one, the run goes on with what there is.
                let why = self.named(why);
                self.pending.warnings.push(why);
            } else if over && (stands.ready < devices || stands.gave_up > 0) {
                let missing = devices.saturating_sub(stands.ready) + stands.gave_up;
                let reasons = self.reasons().await;
                let why = if reasons.is_empty() { String::new() } else { format!(": {}", first(&reasons, REASONS)) };
                let warning = self.named(format!("{missing} of {devices} devices are not online{why}"));
                self.pending.warnings.push(warning);
            }
            if self.progress_is_due() {
                self.report_progress().await;
            }
            if over {
                break;
            }
        }
        Ok(Word::Go)
    }

    /// The time in which all devices have begun to connect.
    fn connect_ramp(&self) -> Duration {
        let fleet = &self.assignment.plan.fleet;
        let ramp = f64::from(fleet.devices) / fleet.connect_rate;
        Duration::from_secs_f64(ramp * ConnectPace::longest(fleet.connect_slow_down))
    }

    /// The time that devices get to come online.
    fn connect_limit(&self) -> Duration {
        self.connect_ramp() + CONNECT_GRACE
    }

    async fn why_none_is_online(&self, devices: u32) -> String {
        let reasons = self.reasons().await.join("; ");
        let closed = ConnectionError::Closed.to_string();
        let is_refused = self.assignment.plan.hub.broker().is_some() && reasons.contains(&closed);
        let hint = if is_refused { REFUSAL } else { "" };
        format!("none of {devices} devices came online: {reasons}{hint}")
    }

    /// Why devices are not online, the first reason first.
    async fn reasons(&self) -> Vec<String> {
        let failures = match &self.fleet {
            Some(fleet) => fleet.failures().await,
            None => Vec::new(),
        };
        failures.into_iter().map(|failure| failure.text).collect()
    }
}

/// The first few of `reasons`.
fn first(reasons: &[String], few: usize) -> String {
    reasons[..reasons.len().min(few)].join("; ")
}

/// How long a count has stood still.
struct Lull {
    count: u32,
    since: Nanos,
}

impl Lull {
    /// Nothing has been counted, and from then on it matters.
    const fn from(since: Nanos) -> Self {
        Self { count: 0, since }
    }

    /// How long it has stood at `now`, when it is `count`.
    fn at(&mut self, now: Nanos, count: u32) -> Duration {
        if count != self.count {
            *self = Self { count, since: now.max(self.since) };
        }
        now.since(self.since)
    }
}

/// How TLS is spoken with the hub of `assignment`, if it is: with what all clients of it show, where they show the same.
pub(super) fn tls(assignment: &Assignment, resumption: bool) -> Result<Option<ClientTls>, String> {
    let Some(proof) = &assignment.endpoints.tls else { return Ok(None) };
    let tls = client_tls(proof, resumption)?;
    Ok(Some(match &assignment.credentials.broker.client {
        Some((certificate, key)) => {
            let identity = ClientIdentity::from_pem(certificate, key.reveal());
            tls.all_presenting(&identity.map_err(|error| format!("hub.tls.certificate and private_key: {error}"))?)
        }
        None => tls,
    }))
}

/// How devices check the hub's certificate.
fn client_tls(proof: &HubProof, resumption: bool) -> Result<ClientTls, String> {
    match &proof.authority {
        Some(authority) => ClientTls::new(&proof.host, authority, resumption),
        None => ClientTls::with_system_roots(&proof.host, resumption),
    }
    .map_err(in_words)
}

/// Where devices download, and how they check that it is there.
fn image_source(image: &ImageOffer) -> Result<ImageSource, String> {
    let url = ImageUrl::parse(&image.url).map_err(|why| format!("the image's address is unusable: {why}"))?;
    ImageSource::new(&url, image.authority.as_deref()).map_err(in_words)
}

/// The sign of life while nothing is measured yet.
struct Beat {
    say: Sender<FromShard>,
    gauges: Rc<Cell<Gauges>>,
}

impl Beat {
    /// Nothing but the gauges: it spans no time. One that finds no room is left out, the next tells more.
    fn tell(&self) {
        let progress = Progress { gauges: self.gauges.get(), ..Progress::default() };
        let _ = self.say.try_send(FromShard::Progress(Box::new(progress)));
    }
}

/// Does `work` unless an order comes first.
async fn unless_told<T>(
    orders: &mut Receiver<ToShard>,
    beat: &Beat,
    work: impl Future<Output = Result<T, String>>,
) -> Result<Result<T, Word>, String> {
    let mut work = std::pin::pin!(work);
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            done = &mut work => return done.map(Ok),
            order = orders.recv() => return Ok(Err(Word::of(order))),
            _ = second.tick() => beat.tell(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_stands_still_from_its_last_change_on_but_not_before_it_matters() {
        let second = |seconds| Nanos::ZERO + Duration::from_secs(seconds);
        let mut lull = Lull::from(second(10));
        let stood = [(1, 0), (4, 3), (9, 3), (12, 3), (14, 5), (20, 5), (21, 4)];
        let stood = stood.map(|(now, count)| lull.at(second(now), count).as_secs());
        assert_eq!(stood, [0, 0, 0, 2, 0, 6, 0]);
    }
}
