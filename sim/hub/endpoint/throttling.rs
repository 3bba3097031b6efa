//! How many connections are let in (8.1, 8.3).

use super::link::{certificate, flush};
use crate::hub::throttle::Operation;
use crate::hub::workers::Worker;
use crate::mqtt::{ConnAck, Connect, ConnectReturnCode, Connection, Packet};
use crate::policy::Admission;

/// Lets a connection in that has sent CONNECT: at once, or after a while in which CONNACK is held back and nothing more
/// is read. Beyond the queue it is refused as if the hub were unavailable for a moment: some SDKs never come back after
/// any other refusal (1.6). Once the messages of the day are used up, it is closed without an answer.
///
/// Who does not prove that he may connect is let in, to be refused: otherwise anybody could use up what the devices of
/// the hub have. The proof is asked for again after a delay, in which the device may have been disabled. Asked on the
/// worker that the device belongs to.
pub(super) async fn lets_in(worker: &Worker, connection: &mut Connection, connect: &Connect) -> bool {
    let Some(throttles) = worker.throttles.in_force() else { return true };
    let certificate = certificate(worker, connection, connect);
    if !worker.with(|partition, now| partition.is_proven(now, connect, certificate.as_ref())) {
        return true;
    }
    let now = worker.clock.now();
    if !throttles.has_quota(now) {
        tracing::debug!("a connection closed: the messages of the day are used up (403002)");
        return false;
    }
    // Each that waits has its connection: there are descriptors for so many.
    match throttles.admit(now, Operation::Connect, 1, true) {
        Admission::Now => true,
        Admission::Delay(wait) => {
            tokio::time::sleep(wait).await;
            true
        }
        Admission::Refuse { .. } => {
            tracing::debug!("a connection refused: too many at once (429001)");
            let refused = Packet::ConnAck(ConnAck::new(ConnectReturnCode::ServiceUnavailable, false));
            if connection.send_last(&mut worker.scratch.borrow_mut(), &[refused]).is_ok() {
                flush(connection).await;
            }
            false
        }
    }
}
