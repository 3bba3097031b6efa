//! The ten drills that ship, at a reduced size: each proves its claim, and its twin, in which one thing is broken, does
//! not, for the reason that it is meant to. So it is known that the drill would tell.

mod bench;

use bench::{beside_its_twin, percent_of};

#[test]
fn reconnect_storm_tells_a_jitter_that_does_not_spread() {
    // As in the drill, attempts are spread over five seconds or not at all. Few enough connect in a second at first.
    let policy = |jitter, base| {
        format!("{{ policy = \"exponential\", base = \"{base}\", cap = \"{base}\", jitter = \"{jitter}\" }}")
    };
    let connect = |full| format!("retry.connect=[{}, {}]", policy("none", "5s"), policy("full", full));
    let (spread, crowded) = (connect("5s"), connect("200ms"));
    beside_its_twin("reconnect-storm")
        .at_rate("19/s")
        .short(&["fleet.connect_rate=60/s", &spread, "retry.method.cap=1s"])
        .short(&["fault.outage.at=2s", "fault.outage.for=1s", "drill.recovery=6s"])
        .broken_by(&[&crowded])
        .ends("fail", &["retry.connect.exponential-full.peak.pct <= 45"]);
}

#[test]
fn token_cliff_tells_tokens_that_end_together() {
    beside_its_twin("token-cliff")
        .at_rate("11/s")
        .short(&["retry.connect.base=300ms", "retry.connect.cap=1s", "retry.method.cap=1s"])
        .short(&["load.hold=1s", "fault.cliff.at=4s", "fault.cliff.for=1s"])
        .short(&["fault.spread.at=10s", "fault.spread.for=4s", "fault.spread.spread=4s"])
        .short(&["drill.lead=1s", "drill.recovery=1s", &steady("census.completed.pct >= 100")])
        .asserting("faults.spread.peak.pct <= 20", "faults.spread.peak.pct <= 45")
        .broken_by(&["fault.spread.spread=0s"])
        .ends("fail", &["faults.spread.peak.pct <= 45"]);
}

#[test]
fn throttled_hub_tells_reports_that_are_dropped() {
    beside_its_twin("throttled-hub")
        .short(&["fault.limit.at=2s", "fault.limit.for=3s", "fault.limit.rate=40/s", "fault.limit.burst=20"])
        .short(&["fault.limit.queue=500ms", "retry.twin.cap=1s", "observe.stage_deadline=5s"])
        .short(&["drill.recovery=1500ms"])
        // Of so few patches, a moment in which the hub's process has to wait for a core is several percent.
        .asserting("throttle.twin_update.goodput.pct >= 95", "throttle.twin_update.goodput.pct >= 80")
        .asserting("retry.twin.retries >= 50", "retry.twin.retries >= 10")
        .broken_by(&["retry.twin=none"])
        .ends(
            "invalid",
            &[
                "retry.twin.retries >= 10",
                "reports.dropped == 0",
                "census.completed.pct >= 100",
                "faults.off_diagonal == 0",
            ],
        );
}

#[test]
fn identity_fight_tells_updates_that_the_impostor_costs() {
    beside_its_twin("identity-fight")
        .short(&[&percent_of("impostor", 20), "fault.impostor.at=2s", "fault.impostor.for=3s"])
        .short(&["retry.connect.cap=1s", "retry.method.cap=1s", "drill.recovery=1s"])
        .asserting("connected.pct >= 97", "connected.pct >= 60")
        .broken_by(&["retry.method=none"])
        .ends("fail", &["census.completed.pct >= 100"]);
}

#[test]
fn half_open_tells_a_keep_alive_that_is_too_long() {
    beside_its_twin("half-open")
        .at_rate("17/s")
        .short(&["fleet.keep_alive=1s", "load.response_timeout=5s", "retry.connect.cap=1s", "retry.method.cap=1s"])
        .short(&["fault.hole.at=1500ms", "fault.hole.for=6500ms", "drill.recovery=1500ms"])
        .asserting("faults.hole.found.max < 12500ms", "faults.hole.found.max < 4s")
        .broken_by(&["fleet.keep_alive=5s"])
        .ends("fail", &["faults.hole.found.max < 4s"]);
}

#[test]
fn canary_abort_tells_a_roll_out_that_does_not_stop() {
    beside_its_twin("canary-abort")
        .at_rate("100/s")
        .short(&["rollout.pause=3s", "rollout.abort.min_executed=10"])
        .short(&[&percent_of("bad-image", 30), "fault.bad-image.at=2500ms", "drill.lead=1s"])
        .asserting("census.failed >= 5", "census.failed >= 1")
        .broken_by(&["rollout.abort.failed=90%"])
        .ends("not_recovered", &["rollout.aborted == 1", "rollout.waves == 2", "rollout.exposed.pct <= 10"]);
}

#[test]
fn stuck_stage_tells_a_driver_that_never_times_out() {
    let hangs = ["waiting", "downloading", "verifying", "applying", "rebooting"].map(|stage| format!("hangs-{stage}"));
    let drill = hangs.iter().fold(beside_its_twin("stuck-stage"), |drill, fault| {
        let (at, lasts) = (format!("fault.{fault}.at=2s"), format!("fault.{fault}.for=3s"));
        drill.short(&[&percent_of(fault, 8), &at, &lasts])
    });
    let unseen: Vec<String> = hangs.iter().map(|fault| format!("faults.{fault}.stuck.pct >= 100")).collect();
    let unseen: Vec<&str> = unseen.iter().map(String::as_str).chain(["during: census.stuck.pct >= 4"]).collect();
    drill
        .short(&["observe.stage_deadline=4s", "drill.recovery=1s"])
        .asserting("during: census.stuck.pct <= 18", "during: census.stuck.pct <= 50")
        .broken_by(&["observe.stage_deadline=1h", "drill.limit=9s"])
        .ends("not_recovered", &unseen);
}

#[test]
fn rollback_storm_tells_that_hardly_anybody_went_back() {
    beside_its_twin("rollback-storm")
        .short(&["fault.goes-back.at=2s", "fault.goes-back.for=3s", "fault.goes-back.delay=uniform 50ms..150ms"])
        .short(&["fault.restarts.at=2s", "fault.restarts.for=3s", "fault.restarts.away=uniform 100ms..300ms"])
        .short(&["retry.connect.cap=1s", "retry.method.cap=1s", "drill.recovery=1s"])
        .broken_by(&[&percent_of("goes-back", 5)])
        .ends("fail", &["during: census.rolled_back.pct >= 15"]);
}

#[test]
fn liars_tells_a_lie_that_nobody_could_tell() {
    let lies =
        ["false_success", "no-downloading", "no-applying", "reorder", "bad-json", "wrong-type", "too-large", "twice"];
    lies.iter()
        .fold(beside_its_twin("liars"), |drill, fault| {
            let (at, lasts) = (format!("fault.{fault}.at=2s"), format!("fault.{fault}.for=3s"));
            drill.short(&[&percent_of(fault, 8), &at, &lasts])
        })
        .short(&["observe.stage_deadline=4s", "drill.recovery=1s"])
        // Who was told no version cannot be caught with another: there is no such lie, and the drill does not go without.
        .broken_by(&["firmware.new_version="])
        .ends("invalid", &["faults.false_success.protocol_violation.pct >= 100"]);
}

#[test]
fn flaky_fleet_tells_a_driver_that_has_no_patience() {
    let mut drill = beside_its_twin("flaky-fleet");
    // Of 200 devices, so that each strikes somebody whichever of the others comes first.
    let faults = [
        ("reject", 5),
        ("no_reply", 10),
        ("slow_reply", 5),
        ("offline", 5),
        ("damaged", 5),
        ("full", 5),
        ("rollback", 5),
        ("stall", 5),
        ("slow", 15),
        ("reboot", 20),
        ("boot_loop", 5),
        ("vanish", 5),
        ("false_success", 5),
        ("reset", 5),
        ("latency", 5),
    ];
    for (fault, percent) in faults {
        let (at, lasts) = (format!("fault.{fault}.at=2s"), format!("fault.{fault}.for=3s"));
        drill = drill.short(&[&percent_of(fault, percent), &at, &lasts]);
    }
    drill
        .short(&["fault.slow.factor=40", "fault.rollback.delay=100ms", "fault.slow_reply.delay=uniform 100ms..500ms"])
        .short(&["fault.reboot.away=uniform 100ms..500ms", "retry.connect.cap=1s", "retry.method.cap=1s"])
        .short(&["load.response_timeout=5s", "observe.stage_deadline=8s"])
        .short(&["drill.lead=1s", "drill.recovery=1500ms"])
        .asserting("during: census.completed.pct >= 90", "during: census.completed.pct >= 30")
        .asserting("connected.pct >= 90", "connected.pct >= 60")
        // Who vanished stays away.
        .short(&[&steady("census.completed.pct >= 100")])
        // Devices that are merely slow are called stuck.
        .broken_by(&["observe.stage_deadline=1500ms"])
        .ends("invalid", &["faults.off_diagonal == 0"]);
}

fn steady(expression: &str) -> String {
    format!("drill.steady=[\"{expression}\"]")
}
