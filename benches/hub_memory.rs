//! What a connected device costs the hub: user memory and CPU, with identity, session and twin.
//!
//! The hub is the program itself (`twinstorm hub`, one worker, plain TCP); the devices are bare sockets of this
//! process. Each device connects, subscribes and reports `standBy` once. No other hub speaks this dialect, so the peer
//! in the table is a bare prototype that did the same and nothing else.
//!
//! `cargo bench --bench hub_memory [-- DEVICES]` (10,000 unless told otherwise).

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use bytes::{Bytes, BytesMut};
use twinstorm::dialect::DeviceDialect;
use twinstorm::dialect::azure::{AzureDevice, Key};
use twinstorm::measure::{Usage, raise_descriptor_limit};
use twinstorm::mqtt::{MAX_PACKET, Packet, Subscribe};
use twinstorm::time::Clock;

/// User memory of the prototype per device, in bytes: nothing but sockets, subscriptions and twins as text.
const FLOOR: f64 = 1200.0;
/// What a device may cost, in bytes.
const TARGET: f64 = 2500.0;
/// What the tutorial's device reports first.
const STAND_BY: &[u8] = br#"{"firmwareStatus":"standBy","logTime":"2026-01-31 17:05:09.123456"}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let devices = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    raise_descriptor_limit()?;
    let hub = HubProcess::start()?;
    let empty = hub.private_memory()?;
    println!("hub alone: {} KiB of private memory", empty / 1024);
    println!("{devices} devices    bytes each   CPU us each   (floor {FLOOR} bytes, at most {TARGET})");
    let device = AzureDevice::new(&hub.host, hub.fleet_key.clone(), 1200);
    for round in ["connected", "connected again", "once more", "and again"] {
        let cpu = hub.cpu()?;
        let connections = (0..devices).map(|n| online(&hub, &device, n)).collect::<Result<Vec<_>, _>>()?;
        let each = (hub.private_memory()? - empty) as f64 / devices as f64;
        let micros = (hub.cpu()? - cpu).as_secs_f64() * 1e6 / devices as f64;
        let met = if each <= TARGET { "ok" } else { "MISSED" };
        println!("{round:18} {each:10.0} {micros:12.0}   {:.2} x the floor, {met}", each / FLOOR);
        drop(connections);
        let each = (hub.private_memory_at_rest()? - empty) as f64 / devices as f64;
        println!("{:18} {each:10.0}", "gone");
    }
    Ok(())
}

/// Connects the device `n`, subscribes and reports.
fn online(hub: &HubProcess, device: &AzureDevice, n: usize) -> Result<TcpStream, Box<dyn Error>> {
    let clock = Clock::start();
    let expires = clock.wall().at(clock.now() + Duration::from_secs(3600));
    let mut stream = TcpStream::connect(hub.mqtt)?;
    stream.set_nodelay(true)?;
    let mut subscribe = Subscribe::new_many(device.subscriptions(""));
    subscribe.pkid = 1;
    for (packet, answers) in [
        (Packet::Connect(device.connect(u32::try_from(n)?, &format!("sim-{n:07}"), expires)), 1),
        (Packet::Subscribe(subscribe), 1),
        (device.report("", "1", Bytes::from_static(STAND_BY)).packet(2), 2),
    ] {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, MAX_PACKET).map_err(|error| format!("cannot write a packet: {error:?}"))?;
        stream.write_all(&bytes)?;
        let mut received = BytesMut::new();
        let mut packets = 0;
        while packets < answers {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err("the hub closed a connection".into());
            }
            received.extend_from_slice(&buffer[..read]);
            while Packet::read(&mut received, MAX_PACKET).is_ok() {
                packets += 1;
            }
        }
    }
    Ok(stream)
}

/// `twinstorm hub`, killed on drop.
struct HubProcess {
    child: Child,
    mqtt: SocketAddr,
    host: String,
    fleet_key: Key,
}

impl HubProcess {
    fn start() -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("hub.env");
        let mut child = Command::new(env!("CARGO_BIN_EXE_twinstorm"))
            .args(["hub", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--workers", "1", "--env-file"])
            .arg(&file)
            .stdout(Stdio::piped())
            .spawn()?;
        let words = BufReader::new(child.stdout.take().ok_or("the hub has no output")?);
        let (mut mqtt, mut host) = (None, None);
        for line in words.lines() {
            let line = line?;
            match line.split_once(' ').map(|(name, value)| (name, value.trim())) {
                Some(("MQTT", address)) => mqtt = Some(address.parse()?),
                Some(("host", name)) => host = Some(name.to_owned()),
                Some(("keys", _)) => break,
                _ => {}
            }
        }
        let file = fs::read_to_string(file)?;
        let key = file.lines().find_map(|line| line.strip_prefix("export TWINSTORM_FLEET_KEY='")?.strip_suffix('\''));
        let fleet_key = Key::from_base64(key.ok_or("the hub wrote no key")?)?;
        Ok(Self { child, mqtt: mqtt.ok_or("no address")?, host: host.ok_or("no host name")?, fleet_key })
    }

    /// Resident memory that is neither of files nor shared, in bytes.
    fn private_memory(&self) -> Result<u64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix("kB"));
        Ok(line.ok_or("the system tells no RssAnon")?.trim().parse::<u64>()? * 1024)
    }

    /// The same, once the hub has closed what its clients closed.
    fn private_memory_at_rest(&self) -> Result<u64, Box<dyn Error>> {
        let mut before = self.cpu()?;
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.cpu()?;
            if now == before {
                return self.private_memory();
            }
            before = now;
        }
    }

    fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        Ok(Usage::of_process(self.child.id()).ok_or("the hub is gone")?.cpu)
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
