//! Calling by jobs: the hub calls many devices at one request, and is asked afterwards how it went.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::answer::CallFailure;
use super::query::PAGE;
use super::shared::{READ_LIMIT, ReadError, Shared, unanswered};
use crate::dialect::MethodAnswer;
use crate::dialect::azure::jobs::{self, JobState};
use crate::dialect::azure::rest;
use crate::policy::Retrying;
use crate::random::Domain;

/// How long a job may take: longer than a throttled hub needs for the largest one.
const EXECUTION: Duration = Duration::from_secs(3600);
/// How often a job is asked for, unless twins are looked at less often: a tier allows few such requests (8.1).
const PAUSE: Duration = Duration::from_millis(250);
/// How often the rows of a job that has ended are read in vain: a hub's index may lag behind the job.
const LOOKS: u32 = 5;

impl Shared {
    /// Calls `devices` by a job that is named after update `number`, and tells the ledger how each call ended.
    pub(super) async fn call_by_job(self: Rc<Self>, number: u64, devices: Vec<u32>) {
        let now = self.clock.now();
        let sent = |device: &u32| self.apply(|ledger| ledger.sent(now, *device));
        let devices: Vec<u32> = devices.into_iter().filter(sent).collect();
        if devices.is_empty() {
            return;
        }
        let id = format!("{}-{number}", self.run_id);
        let (answers, otherwise) = match self.schedule(&id, number, &devices).await {
            Ok(()) => self.follow(&id, devices.len()).await,
            Err(answer) => (HashMap::new(), answer),
        };
        let now = self.clock.now();
        self.apply(|ledger| {
            for device in devices {
                ledger.answered(now, device, answers.get(&device).unwrap_or(&otherwise));
            }
        });
    }

    /// Hands the job over to the hub, again after a failure that may pass; how it failed for good.
    async fn schedule(&self, id: &str, number: u64, devices: &[u32]) -> Result<(), MethodAnswer> {
        let condition = jobs::condition(devices.iter().map(|device| self.ids.id(*device)));
        let request = jobs::schedule_method(id, &self.method_call(Some(number)), &condition, EXECUTION);
        let (mut attempts, mut retrying) = (0_u32, Retrying::default());
        loop {
            attempts += 1;
            let sent = self.clock.now();
            let answer = match self.send(request.clone(), READ_LIMIT).await {
                Ok(response) if response.status == 200 => return Ok(()),
                // An earlier attempt got through, and its answer was lost.
                Ok(response) if attempts > 1 && jobs::is_there_already(&response) => return Ok(()),
                Ok(response) => jobs::refusal(&response),
                Err(error) => unanswered(error),
            };
            let Err((failure, retry_after)) = CallFailure::of(&answer) else { return Err(answer) };
            let mut random = self.seed.stream(Domain::MethodRetry, number, u64::from(attempts));
            let failed = failure.failed(self.clock.now().since(sent), retry_after);
            let wait = failed.and_then(|failed| retrying.next(&self.config.retry_method, failed, &mut random));
            let Some(wait) = wait else { return Err(answer) };
            self.ledger.borrow_mut().scribe().recorder().retries().method.retry(wait);
            self.pause(wait).await;
        }
    }

    /// Waits for the end of a job over `count` devices: how the calls ended, and what is to be thought of those that
    /// its rows do not tell of.
    async fn follow(&self, id: &str, count: usize) -> (HashMap<u32, MethodAnswer>, MethodAnswer) {
        let deadline = self.clock.now() + EXECUTION + READ_LIMIT;
        let mut answers = HashMap::new();
        let failure = loop {
            self.pause(self.config.observe.interval.max(PAUSE)).await;
            match self.observe(jobs::get(id)).await {
                Ok(response) => match jobs::state(&response.body) {
                    Ok(JobState::Ended(failure)) => break failure,
                    Ok(JobState::Unfinished) => {}
                    Err(_) => self.ledger.borrow_mut().scribe().recorder().counters().observer_errors += 1,
                },
                Err(ReadError::Throttled(Some(retry_after))) => self.pause(retry_after).await,
                Err(_) => {}
            }
            if self.clock.now() >= deadline {
                return (answers, MethodAnswer::ClientTimeout);
            }
        };
        for look in 0..LOOKS {
            if look > 0 {
                self.pause(PAUSE).await;
            }
            // A page that cannot be read is read at the next look.
            let _ = self.read_rows(id, &mut answers).await;
            if answers.len() >= count {
                break;
            }
        }
        let reason = failure.unwrap_or_else(|| "its rows do not name the device".to_owned());
        (answers, MethodAnswer::Broken { reason: format!("the job {id}: {reason}") })
    }

    async fn read_rows(&self, id: &str, answers: &mut HashMap<u32, MethodAnswer>) -> Result<(), ReadError> {
        let text = jobs::devices_query(id);
        let mut continuation: Option<String> = None;
        loop {
            let page = self.observe(rest::query(&text, PAGE, continuation.as_deref())).await?;
            let rows = jobs::answers(&page.body)?;
            answers.extend(rows.into_iter().filter_map(|(id, answer)| Some((self.ids.device(&id)?, answer))));
            continuation = page.continuation;
            if continuation.is_none() {
                return Ok(());
            }
        }
    }

    async fn pause(&self, time: Duration) {
        tokio::time::sleep_until(self.clock.instant(self.clock.now() + time)).await;
    }
}
