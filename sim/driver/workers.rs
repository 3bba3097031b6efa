//! The driver's thread: a runtime of its own, so that no other work delays a call.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, spawn_local};

use super::broker::Broker;
use super::config::ObserveKind;
use super::driver::{Command, DriverError, DriverPlan, Sample};
use super::event::Rules;
use super::ledger::Ledger;
use super::part::Part;
use super::query::Cursor;
use super::scribe::{Scribe, Sources};
use super::service::Service;
use super::shared::Shared;
use super::sighting::UpdateIds;
use super::{poll, query};
use crate::measure::Gauges;
use crate::policy::RetryPolicy;
use crate::time::Nanos;

/// The thread's name, in results too.
const NAME: &str = "driver";
/// How often the event loop's lateness is measured.
const PROBE: Duration = Duration::from_millis(50);
/// How long lines may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(1);

/// Starts the thread. It ends when `inbox` is closed.
pub(super) fn spawn(
    plan: DriverPlan,
    service: Service,
    inbox: mpsc::Receiver<Command>,
    finished: watch::Sender<bool>,
) -> io::Result<JoinHandle<()>> {
    // Such a runtime stays on the thread that made it.
    let (tell, made) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(NAME.to_owned()).spawn(move || {
        let runtime = match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
            Ok(runtime) => runtime,
            Err(error) => return drop(tell.send(error)),
        };
        drop(tell);
        // All work is in tasks of the runtime: to wake the future that it blocks on (as a `LocalSet` would be) costs
        // two system calls each time.
        let work = runtime.spawn_local(work(plan, service, inbox, finished));
        let _ = runtime.block_on(work);
        // A name that is still being looked up must not hold up the end.
        runtime.shutdown_background();
    })?;
    made.recv().map_or(Ok(thread), Err)
}

async fn work(plan: DriverPlan, service: Service, mut inbox: mpsc::Receiver<Command>, finished: watch::Sender<bool>) {
    let shared = Rc::new(share(plan, service, finished));
    // A range without devices is finished before it starts.
    shared.apply(|_| ());
    let cursor = Rc::new(Cell::new(Cursor::default()));
    let mut observers: Vec<AbortHandle> = Vec::new();
    let mut stopped = false;
    loop {
        let wake = shared.ledger.borrow_mut().wake().unwrap_or(Nanos::MAX);
        shared.armed.set(wake);
        let command = tokio::select! {
            command = inbox.recv() => command,
            () = shared.rearm.notified() => continue,
            () = tokio::time::sleep_until(shared.clock.instant(wake)) => {
                shared.apply(|ledger| ledger.tick(shared.clock.now()));
                continue;
            }
        };
        match command {
            None => {
                if let Some(broker) = shared.broker() {
                    close(broker).await;
                }
                return;
            }
            Some(Command::Open(reply)) => {
                let shared = Rc::clone(&shared);
                spawn_local(async move {
                    let opened = match shared.broker() {
                        Some(broker) => broker.open(&shared).await.map_err(DriverError::Line),
                        None => Ok(()),
                    };
                    // Whoever asked may be gone.
                    let _ = reply.send(opened);
                });
            }
            Some(Command::Settle(reply)) => {
                let shared = Rc::clone(&shared);
                spawn_local(async move {
                    if let Some(broker) = shared.broker() {
                        broker.settle(&shared).await;
                        // What is not acknowledged by then is lost, which is to be in the last that is handed over.
                        close(broker).await;
                        shared.ledger.borrow_mut().settle();
                    }
                    hand_over(&shared, reply);
                });
            }
            Some(Command::Prime(connected, reply)) if shared.broker().is_some() => {
                let shared = Rc::clone(&shared);
                spawn_local(async move {
                    if let Some(broker) = shared.broker() {
                        broker.hear_of(&shared, connected).await;
                    }
                    let _ = reply.send(Ok(()));
                });
            }
            Some(Command::Prime(_, reply)) => {
                let (shared, cursor) = (Rc::clone(&shared), Rc::clone(&cursor));
                spawn_local(async move {
                    let mut first = cursor.get();
                    let looked = match first.look(&shared).await {
                        // What changed during a look over the whole fleet, so that the load starts with cheap looks.
                        Ok(()) => first.look(&shared).await,
                        Err(error) => Err(error),
                    };
                    cursor.set(first);
                    // Whoever asked may be gone.
                    let _ = reply.send(looked.map_err(|error| DriverError::Prime(error.to_string())));
                });
            }
            Some(Command::StartAt(at)) if !stopped && observers.is_empty() => {
                shared.ledger.borrow_mut().release_wave(0, at);
                let observer = match shared.config.observe.kind {
                    ObserveKind::Query => spawn_local(query::run(Rc::clone(&shared), at, cursor.get())),
                    ObserveKind::Poll => spawn_local(poll::run(Rc::clone(&shared))),
                    // Whoever is told of everything does not look.
                    ObserveKind::Subscribe => spawn_local(std::future::ready(())),
                };
                observers = vec![observer.abort_handle(), spawn_local(probe(Rc::clone(&shared))).abort_handle()];
            }
            Some(Command::StartAt(_)) => {}
            Some(Command::Release(wave, at)) => shared.ledger.borrow_mut().release_wave(wave, at),
            Some(Command::Sample(reply)) => hand_over(&shared, reply),
            Some(Command::Stop(outcome, reply)) => {
                stopped = true;
                observers.iter().for_each(AbortHandle::abort);
                shared.apply(|ledger| ledger.stop(shared.clock.now(), outcome));
                hand_over(&shared, reply);
            }
        }
    }
}

fn share(plan: DriverPlan, service: Service, finished: watch::Sender<bool>) -> Shared {
    let DriverPlan {
        config,
        seed,
        devices,
        range,
        ids,
        run_id,
        clock,
        truth,
        tracer,
        diagonal,
        phases,
        events,
        swallow_outcomes,
        ..
    } = plan;
    let lines_truth = truth.clone();
    let update_ids = UpdateIds::new(&run_id);
    let carried = config.update_id.then(|| update_ids.clone());
    let by_job = config.via.job_devices().is_some();
    let rules = Rules {
        // A job calls each of its devices once; what is tried again is the request for it.
        retry: if by_job { RetryPolicy::NEVER } else { config.retry_method },
        by_job,
        stage_deadline: config.observe.stage_deadline,
        read_again: config.observe.interval * 4,
        version: config.version.clone(),
        ids: update_ids,
        seed,
    };
    let scribe = Scribe::new(Sources {
        truth,
        tracer,
        ids: carried.clone(),
        devices: ids.clone(),
        diagonal,
        by_job,
        phases,
        is_told: config.observe.kind == ObserveKind::Subscribe,
        events,
        swallow: swallow_outcomes,
    });
    let part = Part {
        ids: ids.clone(),
        range,
        devices,
        updates: config.settling() + config.updates(devices),
        settle: config.settle,
        lasts: config.lasts,
        load: config.load,
        rollout: config.rollout.clone(),
        max_in_flight: config.max_in_flight,
        job_devices: config.via.job_devices(),
        polls: config.observe.kind == ObserveKind::Poll,
    };
    let ledger = Ledger::new(rules, part, scribe);
    Shared {
        ledger: RefCell::new(ledger),
        service,
        truth: lines_truth,
        clock,
        config,
        ids,
        range,
        devices,
        seed,
        run_id,
        update_ids: carried,
        reads: Shared::read_permits(),
        rearm: Notify::new(),
        observed: Notify::new(),
        armed: Cell::new(Nanos::MAX),
        finished,
    }
}

/// Lets the lines to `broker` say good-bye; one that does not answer is not waited for.
async fn close(broker: &Broker) {
    let _ = tokio::time::timeout(FAREWELL, broker.close()).await;
}

/// Answers with a sample. If nobody waits for it any more, the next one will hold what was measured.
fn hand_over(shared: &Shared, reply: oneshot::Sender<Sample>) {
    if let Err(sample) = reply.send(sample(shared)) {
        shared.ledger.borrow_mut().scribe().recorder().take_back(&sample.measurements);
    }
}

fn sample(shared: &Shared) -> Sample {
    let mut ledger = shared.ledger.borrow_mut();
    Sample {
        measurements: ledger.scribe().take(),
        gauges: Gauges { calls_in_flight: ledger.in_flight(), ..Gauges::default() },
        seen: ledger.seen(),
        finished: ledger.is_finished(),
    }
}

/// Measures how late the event loop comes to a timer.
async fn probe(shared: Rc<Shared>) {
    loop {
        let due = shared.clock.now() + PROBE;
        tokio::time::sleep_until(shared.clock.instant(due)).await;
        let lag = shared.clock.now().since(due);
        shared.ledger.borrow_mut().scribe().recorder().loop_lag(NAME, lag);
    }
}
