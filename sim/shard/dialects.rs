//! The one place where a hub's dialect is chosen.

use std::sync::Arc;

use super::message::{Assignment, BrokerSecrets};
use crate::dialect::azure::AzureDevice;
use crate::dialect::plain::{PlainDevice, PlainOperator};
use crate::dialect::{AnyDevice, AnyOperator};
use crate::profile::HubPlan;

/// How the devices of `assignment` talk.
///
/// # Errors
/// What is missing, or cannot be used.
pub(super) fn of_devices(assignment: &Assignment) -> Result<AnyDevice, String> {
    let Assignment { plan, endpoints, credentials, .. } = assignment;
    // The profile holds it below 1,178 s.
    let keep_alive = u16::try_from(plan.fleet.keep_alive.as_secs()).unwrap_or(u16::MAX);
    match &plan.hub {
        HubPlan::Mqtt(broker) => {
            let password = credentials.broker.devices.clone();
            let device = PlainDevice::new(broker.dialect.clone(), password, keep_alive);
            Ok(Arc::new(device.map_err(|error| format!("hub.topics.{}: {error}", error.which()))?))
        }
        HubPlan::Embedded { .. } | HubPlan::Null { .. } | HubPlan::Azure => {
            let secrets = credentials.devices.clone().ok_or("a fleet needs the devices' keys")?;
            Ok(Arc::new(AzureDevice::new(&endpoints.host, secrets, keep_alive)))
        }
    }
}

/// How the operator of `assignment` talks, with `keep_alive` in seconds, if that is an MQTT client.
///
/// # Errors
/// What cannot be used.
pub(super) fn of_operator(assignment: &Assignment, keep_alive: u16) -> Result<Option<AnyOperator>, String> {
    let Assignment { plan, credentials: super::Credentials { broker: BrokerSecrets { driver, .. }, .. }, .. } =
        assignment;
    let HubPlan::Mqtt(broker) = &plan.hub else { return Ok(None) };
    let operator = PlainOperator::new(
        broker.dialect.clone(),
        driver.clone(),
        keep_alive,
        plan.fleet.telemetry.map_or(0, |telemetry| telemetry.qos),
    );
    Ok(Some(Arc::new(operator.map_err(|error| format!("hub.topics.{}: {error}", error.which()))?)))
}
