//! Deleting the devices that [`super::provision()`] created, and no other.

use std::collections::HashSet;

use super::client::Client;
use super::provision::NAMED;
use super::registry::{Pace, Patient, RegistryError, RegistryProgress, Roll, in_batches, refused};
use crate::dialect::azure::enrolment::{self, BulkReason, Enrolment, Proof};
use crate::dialect::azure::rest;
use crate::time::Clock;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Devices that were deleted, or would be.
    pub deleted: u32,
    /// Devices that changed under its hands, and were left as they are.
    pub left: u32,
    /// Devices that have another secret than they were created with, and were left as they are.
    pub rekeyed: u32,
    /// The first few of them.
    pub named: Vec<String>,
}

/// Deletes the devices that carry the mark of `roll`'s fleet and are in its range; with `dry_run` it only tells
/// how many that are. The index by which they are found may be minutes behind (4): right before its deletion each is
/// looked at once more, and deleted only if it is still what was looked at.
///
/// # Errors
/// The first thing that went wrong; what was deleted is gone, and the same again goes on from there.
pub async fn cleanup(
    client: &Client,
    roll: &Roll,
    clock: Clock,
    dry_run: bool,
    mut progress: impl FnMut(RegistryProgress),
) -> Result<Cleaned, RegistryError> {
    let patient = Patient::new(client);
    let mut pace = Pace::new(clock, roll.rate);
    let (mut seen, mut result) = (HashSet::new(), Cleaned::default());
    loop {
        // A device that is gone may stand in the index for a while.
        let found: Vec<u32> = patient
            .marked(roll)
            .await?
            .into_iter()
            .filter(|device| roll.range.contains(*device) && seen.insert(*device))
            .collect();
        if dry_run {
            return Ok(Cleaned { deleted: found.len() as u32, ..Cleaned::default() });
        }
        if found.is_empty() {
            return Ok(result);
        }
        let (mut done, of) = ((seen.len() - found.len()) as u32, seen.len() as u32);
        let mut tell = |done| progress(RegistryProgress { done, of, throttled: patient.throttled() });
        tell(done);
        in_batches(&patient, roll, &mut pace, &found, delete, |part: Cleaned, count| {
            result.deleted += part.deleted;
            result.left += part.left;
            result.rekeyed += part.rekeyed;
            result.named.extend(part.named);
            result.named.sort_unstable();
            result.named.truncate(NAMED);
            done += count;
            tell(done);
        })
        .await?;
    }
}

async fn delete(patient: Patient, devices: Vec<Enrolment>) -> Result<Cleaned, RegistryError> {
    let (mut result, mut ours) = (Cleaned::default(), Vec::new());
    for Enrolment { id, mark, proof } in devices {
        let twin = patient.send(rest::get_twin(&id)).await?;
        match twin.status {
            200 => {
                let found = enrolment::found(&twin.body)?;
                if found.mark.as_deref() != Some(&mark) {
                    result.left += 1;
                    continue;
                }
                // A mark outlives a change of the key. The etag is of before: a change from now on keeps the device.
                let identity = patient.send(enrolment::identity(&id)).await?;
                match identity.status {
                    200 if still_proves(&identity.body, &proof)? => ours.push((id, found.etag)),
                    200 => {
                        result.rekeyed += 1;
                        result.named.push(id);
                    }
                    404 => {}
                    _ => return Err(refused(&identity)),
                }
            }
            404 => {}
            _ => return Err(refused(&twin)),
        }
    }
    if ours.is_empty() {
        return Ok(result);
    }
    let response = patient.send(enrolment::delete(&ours)).await?;
    let failures = enrolment::failures(response.status, &response.body).map_err(|_| refused(&response))?;
    result.deleted = ours.len() as u32;
    for failure in failures {
        result.deleted = result.deleted.saturating_sub(1);
        match failure.reason {
            BulkReason::Unknown => {}
            BulkReason::Changed => result.left += 1,
            BulkReason::Exists => {}
            BulkReason::Other(why) => return Err(RegistryError::Device { id: failure.id, why }),
        }
    }
    Ok(result)
}

/// Whoever cleans up does not say whether certificates are known one by one or by their CA.
fn still_proves(identity: &[u8], proof: &Proof) -> Result<bool, serde_json::Error> {
    let by_authority = matches!(proof, Proof::Thumbprint(_)) && enrolment::proves(identity, &Proof::Authority)?;
    Ok(by_authority || enrolment::proves(identity, proof)?)
}
