//! A client of another's making: rumqttc's, which shares nothing with ours but the packets' layout.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rumqttc::{Client, ConnectionError, Event, MqttOptions, Outgoing, Packet, QoS};

use super::Mosquitto;
use crate::program::eventually;

/// Requests that wait to be sent, at most.
const CAPACITY: usize = 1_000;

/// A client, and what came to it. It connects again by itself.
pub(crate) struct Peer {
    client: Client,
    seen: Arc<Mutex<Seen>>,
    gone: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a client has seen.
#[derive(Default)]
struct Seen {
    connections: usize,
    subscribed: usize,
    acknowledged: usize,
    messages: Vec<Message>,
    error: Option<String>,
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) retained: bool,
}

impl Peer {
    /// One that is connected, with a session that ends with the connection.
    #[track_caller]
    pub(crate) fn connect(broker: &Mosquitto, id: &str) -> Self {
        Self::with(MqttOptions::new(id, "127.0.0.1", broker.port()))
    }

    /// One that is connected as `options` say.
    #[track_caller]
    pub(crate) fn with(options: MqttOptions) -> Self {
        let peer = Self::start(options);
        peer.until_connected(1);
        peer
    }

    /// One that tries.
    pub(crate) fn start(mut options: MqttOptions) -> Self {
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut connection) = Client::new(options, CAPACITY);
        let (seen, gone) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (sees, is_gone) = (Arc::clone(&seen), Arc::clone(&gone));
        let thread = std::thread::spawn(move || {
            for event in connection.iter() {
                let failed = event.is_err();
                let left = matches!(event, Ok(Event::Outgoing(Outgoing::Disconnect)));
                sees.lock().unwrap().note(event);
                if left || failed && is_gone.load(Ordering::Relaxed) {
                    break;
                }
                if failed {
                    // It would try again at once.
                    std::thread::park_timeout(Duration::from_millis(20));
                }
            }
        });
        Self { client, seen, gone, thread: Some(thread) }
    }

    /// How often it was let in.
    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Waits until it has connected for the `nth` time.
    #[track_caller]
    pub(crate) fn until_connected(&self, nth: usize) {
        eventually("the client is connected", || self.connections() >= nth);
    }

    /// Subscribes, and waits until that is so.
    #[track_caller]
    pub(crate) fn subscribe(&self, filter: &str, qos: QoS) {
        let before = self.seen.lock().unwrap().subscribed;
        self.client.subscribe(filter, qos).unwrap();
        eventually("the broker took the subscription", || self.seen.lock().unwrap().subscribed > before);
    }

    /// Subscribes once the broker listens.
    pub(crate) fn subscribe_later(&self, filter: &str, qos: QoS) {
        self.client.subscribe(filter, qos).unwrap();
    }

    /// Publishes; from QoS 1 on it waits until the broker has it.
    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, qos: QoS, retain: bool, payload: &str) {
        let before = self.acknowledged();
        self.client.publish(topic, qos, retain, payload).unwrap();
        if qos != QoS::AtMostOnce {
            eventually("the broker took the message", || self.acknowledged() > before);
        }
    }

    /// How many of its messages the broker has acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.seen.lock().unwrap().acknowledged
    }

    /// What came so far.
    pub(crate) fn messages(&self) -> Vec<Message> {
        self.seen.lock().unwrap().messages.clone()
    }

    /// Waits until `count` messages have come, and returns them.
    #[track_caller]
    pub(crate) fn until_messages(&self, count: usize) -> Vec<Message> {
        eventually("messages came", || self.seen.lock().unwrap().messages.len() >= count);
        self.messages()
    }

    /// Why it last lost its connection, or was let in no more.
    pub(crate) fn error(&self) -> Option<String> {
        self.seen.lock().unwrap().error.clone()
    }

    /// Waits until it is refused, or loses its connection, and returns why.
    #[track_caller]
    pub(crate) fn until_error(&self) -> String {
        eventually("the client was refused", || self.error().is_some());
        self.error().unwrap()
    }
}

impl Seen {
    fn note(&mut self, event: Result<Event, ConnectionError>) {
        match event {
            Ok(Event::Incoming(Packet::ConnAck(_))) => self.connections += 1,
            Ok(Event::Incoming(Packet::SubAck(_))) => self.subscribed += 1,
            Ok(Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_))) => self.acknowledged += 1,
            Ok(Event::Incoming(Packet::Publish(publish))) => self.messages.push(Message {
                topic: publish.topic,
                payload: String::from_utf8_lossy(&publish.payload).into_owned(),
                retained: publish.retain,
            }),
            Ok(_) => {}
            Err(error) => self.error = Some(error.to_string()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        // Where the broker is gone, or the queue is full, the next error ends it.
        let asked = self.client.try_disconnect().is_ok();
        if let Some(thread) = self.thread.take().filter(|_| asked && !std::thread::panicking()) {
            let _ = thread.join();
        }
    }
}
