//! Messages from devices to the cloud (7), and wills (1.5).

use std::sync::Arc;

use super::device::split_id;
use super::devices::Slot;
use super::state::{Effect, Partition};
use crate::dialect::azure::{FromDevice, MessageProperties};
use crate::hub::telemetry::{AuthMethod, Message};
use crate::mqtt::{Connect, QoS};
use crate::time::Nanos;

/// The largest message, in bytes, with the names and values of its properties (1.7).
const MAX_MESSAGE: usize = 256 * 1024;

/// What a device sends, now or by its will.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent<'a> {
    /// `k=v&k=v`, percent-encoded.
    pub(super) properties: &'a str,
    pub(super) retain: bool,
    pub(super) is_will: bool,
    pub(super) body: &'a [u8],
}

impl Sent<'_> {
    pub(super) fn is_too_large(&self) -> bool {
        let room = MAX_MESSAGE.saturating_sub(self.body.len());
        self.body.len() > MAX_MESSAGE
            // Decoding makes nothing longer.
            || self.properties.len() > room && MessageProperties::size(self.properties) > room
    }
}

/// What is to be sent in a device's name when its connection is lost.
#[derive(Debug)]
pub(super) struct Will {
    properties: Box<str>,
    retain: bool,
    body: Box<[u8]>,
}

/// A will that is no message of its device.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IllegalWill;

impl Will {
    /// The will in `connect`, if there is one, of the device or module `id`.
    pub(super) fn of(connect: &Connect, id: &str) -> Result<Option<Box<Self>>, IllegalWill> {
        let Some(will) = &connect.last_will else { return Ok(None) };
        match FromDevice::parse(&will.topic) {
            Some(FromDevice::Telemetry { device, module, properties })
                if (device, module) == split_id(id) && will.qos != QoS::ExactlyOnce =>
            {
                let (properties, body) = (properties.into(), will.message.as_ref().into());
                Ok(Some(Box::new(Self { properties, retain: will.retain, body })))
            }
            _ => Err(IllegalWill),
        }
    }
}

impl Partition {
    /// Lets messages be handed out, as effects; otherwise they are only counted.
    pub(in crate::hub) const fn keep_telemetry(&mut self) {
        self.keeps_telemetry = true;
    }

    /// A device has sent a message.
    pub(super) fn sent(&mut self, now: Nanos, slot: Slot, sent: Sent<'_>) {
        let Some(device) = self.devices.get_mut(slot) else { return };
        device.telemetry = device.telemetry.saturating_add(1);
        self.counters.telemetry += 1;
        if !self.keeps_telemetry {
            return;
        }
        let message = Message {
            sender: Arc::clone(&device.id),
            generation: device.identity.generation,
            method: device.session.as_ref().map_or(AuthMethod::Key, |session| session.method),
            model: device.identity.model_id().map(Into::into),
            at: self.wall.at(now),
            properties: sent.properties.into(),
            retain: sent.retain,
            is_will: sent.is_will,
            body: sent.body.into(),
        };
        self.emit(Effect::Message(Box::new(message)));
    }

    /// The connection of a device is lost: its will is done.
    pub(super) fn execute(&mut self, now: Nanos, slot: Slot, will: Option<Box<Will>>) {
        if let Some(will) = will {
            let Will { properties, retain, body } = &*will;
            self.sent(now, slot, Sent { properties, retain: *retain, is_will: true, body });
        }
    }

    /// Messages that the device or module `id` has sent, if there is one.
    pub(in crate::hub) fn telemetry_of(&self, id: &str) -> Option<u32> {
        self.devices.named(id).map(|device| device.telemetry)
    }
}
