//! Creating a fleet's devices by bulk requests.

use super::client::Client;
use super::registry::{Pace, Patient, RegistryError, RegistryProgress, Roll, in_batches, refused};
use crate::dialect::azure::enrolment::{self, BulkReason, Enrolment};
use crate::time::Clock;

/// Devices in the way that are named.
pub(super) const NAMED: usize = 5;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provisioned {
    /// Devices that were created.
    pub created: u32,
    /// Devices that were there already, with the same secret.
    pub found: u32,
    /// Devices that are there with another secret, and were left as they are.
    pub in_the_way: u32,
    /// The first few of them.
    pub named: Vec<String>,
    /// Devices among those found that are disabled, and were left as they are.
    pub disabled: u32,
    /// The first few of them.
    pub named_disabled: Vec<String>,
}

/// Creates the devices of `roll` that the hub has not got yet; with `dry_run` it only tells how many that are at most, by
/// the marks of those that are there. One that is there with the same secret is left as it is, and so is one with another, which is told.
///
/// # Errors
/// The first thing that went wrong; what was created stays, and the same again goes on from there.
pub async fn provision(
    client: &Client,
    roll: &Roll,
    clock: Clock,
    dry_run: bool,
    mut progress: impl FnMut(RegistryProgress),
) -> Result<Provisioned, RegistryError> {
    let patient = Patient::new(client);
    let mut known = vec![false; roll.range.len() as usize];
    for device in patient.marked(roll).await? {
        if let Some(known) = device.checked_sub(roll.range.start).and_then(|index| known.get_mut(index as usize)) {
            *known = true;
        }
    }
    let (there, todo): (Vec<_>, Vec<_>) = roll.range.iter().zip(known).partition(|(_, known)| *known);
    let numbers = |devices: Vec<(u32, bool)>| devices.into_iter().map(|(device, _)| device).collect::<Vec<u32>>();
    let (there, todo) = (numbers(there), numbers(todo));
    let mut result = Provisioned::default();
    if dry_run {
        (result.created, result.found) = (todo.len() as u32, there.len() as u32);
        return Ok(result);
    }
    let mut done = 0;
    let mut tell = |done| progress(RegistryProgress { done, of: roll.range.len(), throttled: patient.throttled() });
    tell(done);
    let mut pace = Pace::new(clock, roll.rate);
    let mut absorb = |part, count| {
        result.absorb(part);
        done += count;
        tell(done);
    };
    in_batches(&patient, roll, &mut pace, &todo, create, &mut absorb).await?;
    // A mark outlives a change of the key.
    in_batches(&patient, roll, &mut pace, &there, look, &mut absorb).await?;
    Ok(result)
}

async fn create(patient: Patient, batch: Vec<Enrolment>) -> Result<Provisioned, RegistryError> {
    let response = patient.send(enrolment::create(&batch)).await?;
    let failures = enrolment::failures(response.status, &response.body).map_err(|_| refused(&response))?;
    let mut result = Provisioned { created: batch.len() as u32, ..Provisioned::default() };
    for failure in failures {
        let device = batch.iter().find(|device| device.id == failure.id);
        match (failure.reason, device) {
            (BulkReason::Exists, Some(device)) => {
                result.created = result.created.saturating_sub(1);
                result.compare(&patient, device).await?;
            }
            (BulkReason::Other(why), _) => return Err(RegistryError::Device { id: failure.id, why }),
            (reason, _) => return Err(RegistryError::Device { id: failure.id, why: format!("{reason:?}") }),
        }
    }
    Ok(result)
}

/// Looks at devices that are there.
async fn look(patient: Patient, batch: Vec<Enrolment>) -> Result<Provisioned, RegistryError> {
    let mut result = Provisioned::default();
    for device in &batch {
        result.compare(&patient, device).await?;
    }
    Ok(result)
}

impl Provisioned {
    async fn compare(&mut self, patient: &Patient, device: &Enrolment) -> Result<(), RegistryError> {
        let identity = patient.send(enrolment::identity(&device.id)).await?;
        // One that is gone again by now is in nobody's way, but not created either.
        if identity.status != 200 || !enrolment::proves(&identity.body, &device.proof)? {
            self.in_the_way += 1;
            self.named.push(device.id.clone());
            return Ok(());
        }
        self.found += 1;
        if !enrolment::enabled(&identity.body)? {
            self.disabled += 1;
            self.named_disabled.push(device.id.clone());
        }
        Ok(())
    }

    fn absorb(&mut self, part: Self) {
        self.created += part.created;
        self.found += part.found;
        self.in_the_way += part.in_the_way;
        self.disabled += part.disabled;
        for (named, more) in [(&mut self.named, part.named), (&mut self.named_disabled, part.named_disabled)] {
            named.extend(more);
            named.sort_unstable();
            named.truncate(NAMED);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::dialect::azure::{Key, SasToken};
    use crate::driver::cleanup;
    use crate::driver::scripted::{Asked, Reply, ScriptedHub};
    use crate::policy::{DeviceIds, DeviceRange};

    fn roll(devices: u32) -> Roll {
        let enrol = Arc::new(|device| Ok(Enrolment::derived(DeviceIds::new("sim-").id(device), &master())));
        Roll { ids: DeviceIds::new("sim-"), range: DeviceRange { start: 0, end: devices }, enrol, rate: None }
    }

    fn master() -> Key {
        Key::from_bytes([3; 32])
    }

    #[tokio::test]
    async fn devices_are_created_in_batches_and_those_that_exist_are_told_apart() {
        let asked_for = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked_for);
        let hub = ScriptedHub::start(move |asked: Asked| {
            let token = SasToken::parse(&asked.authorization).unwrap();
            assert!(token.is_signed_by(&Key::from_bytes([7; 32])));
            let identity =
                |key: Key| json!({"status": "disabled", "authentication": {"type": "sas", "symmetricKey": {"primaryKey": key.to_base64()}}});
            ready(match asked.what.as_str() {
                "POST /devices/query" => Reply::new(
                    200,
                    json!([
                        {"deviceId": "sim-0000003", "fleet": master().mark()},
                        {"deviceId": "sim-0000004", "fleet": "another"},
                        {"deviceId": "sim-0000005"},
                        {"deviceId": "sim-0000999", "fleet": master().mark()},
                    ]),
                ),
                "GET /devices/sim-0000000" => Reply::new(200, identity(master().derive("sim-0000000"))),
                // Its key was changed since it was marked.
                "GET /devices/sim-0000003" => Reply::new(200, identity(Key::from_bytes([9; 32]))),
                "GET /devices/sim-0000001" => Reply::new(200, identity(Key::from_bytes([9; 32]))),
                _ => {
                    seen.lock().unwrap().push(asked.body);
                    // Two of them exist already, in the words of either kind of hub.
                    let errors = json!([
                        {"deviceId": "sim-0000000", "errorCode": 409_001},
                        {"deviceId": "sim-0000001", "errorCode": "DeviceAlreadyExists"}
                    ]);
                    let first = seen.lock().unwrap().len() == 1;
                    let errors = if first { errors } else { json!([]) };
                    Reply::new(400, json!({"isSuccessful": false, "errors": errors, "warnings": []}))
                }
            })
        })
        .await;
        let mut told = Vec::new();
        // One batch first, so that the script knows which it is.
        let first = provision(&hub.client(), &roll(100), Clock::start(), false, |now| told.push(now)).await.unwrap();
        let named = ["sim-0000001", "sim-0000003"].map(str::to_owned).to_vec();
        let named_disabled = vec!["sim-0000000".to_owned()];
        assert_eq!(first, Provisioned { created: 97, found: 1, in_the_way: 2, named, disabled: 1, named_disabled });
        assert_eq!(told.last().map(|now| (now.done, now.of)), Some((100, 100)));
        let more = provision(&hub.client(), &roll(250), Clock::start(), false, |_| ()).await.unwrap();
        assert_eq!((more.created, more.found, more.in_the_way), (249, 0, 1));
        let batches = asked_for.lock().unwrap();
        let sizes: Vec<usize> = batches.iter().map(|batch| batch.as_array().unwrap().len()).collect();
        assert_eq!((sizes[0], sizes.len(), sizes.iter().sum::<usize>()), (99, 4, 99 + 249));
        let device: &Value = &batches[0][2];
        assert_eq!(
            (&device["id"], &device["tags"]["twinstorm"]["fleet"]),
            (&json!("sim-0000002"), &json!(master().mark()))
        );
        let keys = &device["authentication"]["symmetricKey"];
        assert_eq!(keys["primaryKey"], master().derive("sim-0000002").to_base64());
        assert_ne!(keys["primaryKey"], keys["secondaryKey"]);
    }

    #[tokio::test]
    async fn a_refusal_says_why() {
        let full = json!({"isSuccessful": false, "errors": [{"deviceId": "sim-0000003", "errorCode": 403_002}]});
        for (reply, words) in [
            (Reply::new(401, Value::Null), "refuses the service's key"),
            (
                Reply::new(403, json!({"Message": "ErrorCode:IotHubQuotaExceeded;x"})),
                "403: its quota of messages is spent",
            ),
            (Reply::new(400, full), "refuses `sim-0000003`: 403002"),
            (Reply::new(400, json!({"Message": "ErrorCode:ArgumentInvalid;bad", "ExceptionMessage": ""})), "bad"),
            (Reply::new(412, json!({"Message": "ErrorCode:PreconditionFailed;stale"})), "stale"),
        ] {
            let hub = ScriptedHub::start(move |asked| {
                ready(if asked.what.contains("query") { Reply::new(200, json!([])) } else { reply.clone() })
            })
            .await;
            let refused = provision(&hub.client(), &roll(10), Clock::start(), false, |_| ()).await;
            let error = refused.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn only_what_carries_the_mark_when_it_is_looked_at_is_deleted() {
        let asked_for = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked_for);
        let twin = |mark: &str, etag: &str| json!({"deviceEtag": etag, "tags": {"twinstorm": {"fleet": mark}}});
        let identity =
            |key: Key| json!({"authentication": {"type": "sas", "symmetricKey": {"primaryKey": key.to_base64()}}});
        // An index that is behind: of five devices with the mark one is gone, one is somebody else's by now, and one
        // changes right before it is deleted.
        let hub = ScriptedHub::start(move |asked: Asked| {
            let ours = master().mark();
            ready(match asked.what.as_str() {
                "POST /devices/query" => Reply::new(
                    200,
                    (0..6).map(|n| json!({"deviceId": format!("sim-000000{n}"), "fleet": if n != 4 { &*ours } else { "another" }})).collect(),
                ),
                "GET /twins/sim-0000000" => Reply::new(200, twin(&ours, "e0")),
                "GET /twins/sim-0000001" => Reply::new(404, json!({"Message": "ErrorCode:DeviceNotFound;gone"})),
                "GET /twins/sim-0000002" => Reply::new(200, twin("another", "e2")),
                "GET /twins/sim-0000003" => Reply::new(200, twin(&ours, "e3")),
                "GET /twins/sim-0000005" => Reply::new(200, twin(&ours, "e5")),
                "GET /devices/sim-0000000" => Reply::new(200, identity(master().derive("sim-0000000"))),
                "GET /devices/sim-0000003" => Reply::new(200, identity(master().derive("sim-0000003"))),
                // Its key was changed since it was marked.
                "GET /devices/sim-0000005" => Reply::new(200, identity(Key::from_bytes([9; 32]))),
                _ => {
                    seen.lock().unwrap().push(asked.body);
                    let errors = json!([{"deviceId": "sim-0000003", "errorCode": 412_001}]);
                    Reply::new(400, json!({"isSuccessful": false, "errors": errors, "warnings": []}))
                }
            })
        })
        .await;
        let dry = cleanup(&hub.client(), &roll(6), Clock::start(), true, |_| ()).await.unwrap();
        assert_eq!((dry.deleted, asked_for.lock().unwrap().len()), (5, 0));
        let done = cleanup(&hub.client(), &roll(6), Clock::start(), false, |_| ()).await.unwrap();
        assert_eq!((done.deleted, done.left), (1, 2));
        assert_eq!((done.rekeyed, done.named), (1, vec!["sim-0000005".to_owned()]));
        let wanted = json!([
            {"id": "sim-0000000", "importMode": "deleteIfMatchETag", "eTag": "e0"},
            {"id": "sim-0000003", "importMode": "deleteIfMatchETag", "eTag": "e3"},
        ]);
        assert_eq!(*asked_for.lock().unwrap(), [wanted]);
    }
}
