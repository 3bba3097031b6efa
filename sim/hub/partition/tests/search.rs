//! Queries.

use super::*;

#[test]
fn queries_use_ids_and_updates_and_see_the_present_state() {
    let mut bench = Bench::new();
    for (n, id) in (1..).zip(["a", "b", "c", "d"]) {
        bench.online(n, id);
    }
    bench.pass(SECOND);
    let delta = crate::dialect::azure::rest::delta_query("a", "c", Some("1970-01-12T13:46:41Z"));
    assert_eq!(bench.query(&delta, None, 9).0, Vec::<Value>::new());
    for n in [4, 3, 1] {
        bench.publish(n, FromDevice::ReportedPatch { rid: "1" }, r#"{"firmwareStatus":"standBy"}"#);
        bench.pass(SECOND);
    }
    let (rows, next) = bench.query(&delta, None, 9);
    let ids: Vec<&Value> = rows.iter().map(|row| &row["deviceId"]).collect();
    assert_eq!((ids, next), (vec![&json!("c"), &json!("a")], None), "in order of their changes, within the range");
    assert_eq!(rows[0]["reported"]["$metadata"]["$lastUpdated"], "1970-01-12T13:46:42.000000Z");
    assert_eq!((&rows[0]["reported"]["$version"], &rows[0]["connectionState"]), (&json!(2), &json!("Connected")));
    let key = "properties.reported.$metadata.firmwareStatus.$lastUpdated";
    let text = format!("SELECT deviceId, {key} AS at FROM devices WHERE {key} > '1970-01-12T13:46:42.5Z'");
    let row = json!({"deviceId": "a", "at": "1970-01-12T13:46:43.000000Z"});
    assert_eq!(bench.query(&text, None, 9).0, [row]);
    let text = "SELECT deviceId FROM devices WHERE deviceId IN ['d','x','b'] AND properties.reported.$version = 2";
    assert_eq!(bench.query(text, None, 9).0, [json!({"deviceId": "d"})]);
    let whole = &bench.query("SELECT * FROM devices WHERE status = 'enabled'", None, 1).0[0];
    assert_eq!(
        whole.to_string(),
        serde_json::from_str::<Value>(&bench.partition.twin("a").unwrap()).unwrap().to_string()
    );
}

#[test]
fn paging_misses_nothing_while_twins_change() {
    let mut bench = Bench::new();
    let ids: Vec<String> = (0..20).map(|n| format!("d{n:02}")).collect();
    for (n, id) in (0..).zip(&ids) {
        bench.online(n, id);
    }
    let text =
        "SELECT deviceId FROM devices WHERE properties.reported.$metadata.$lastUpdated >= '1970-01-01T00:00:00Z'";
    for text in [text, "SELECT deviceId FROM devices"] {
        let (mut seen, mut cursor, mut turn) = (Vec::new(), None, 0);
        loop {
            let (rows, next) = bench.query(text, cursor.as_ref(), 3);
            seen.extend(rows.iter().map(|row| row["deviceId"].as_str().unwrap().to_owned()));
            if next.is_none() {
                break;
            }
            cursor = next;
            bench.pass(Duration::from_millis(1));
            if turn < 20 {
                bench.publish(turn, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
                turn += 5;
            }
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, ids, "{text}");
    }
}

#[test]
fn every_field_of_a_twin_can_be_asked_for() {
    let mut bench = Bench::new();
    let details = Details { status_reason: Some("lost".to_owned()), ..Details::default() };
    bench.partition.create(bench.now, "d", Registration { details, ..Registration::default() }).unwrap();
    let whole: Value = serde_json::from_str(&bench.partition.twin("d").unwrap()).unwrap();
    for name in [
        "deviceId",
        "etag",
        "deviceEtag",
        "status",
        "statusReason",
        "statusUpdateTime",
        "connectionState",
        "version",
        "lastActivityTime",
        "cloudToDeviceMessageCount",
        "authenticationType",
        "tags",
        "properties",
    ] {
        let (rows, _) = bench.query(&format!("SELECT {name} FROM devices"), None, 1);
        assert_eq!(rows[0][name], whole[name], "{name}");
        assert!(rows[0].get(name).is_some(), "{name}");
    }
    let text = "SELECT capabilities.iotEdge FROM devices WHERE capabilities.iotEdge = false AND statusReason = 'lost' \
                AND cloudToDeviceMessageCount = 0 AND statusUpdateTime < '2026-01-01'";
    assert_eq!(bench.query(text, None, 1).0, [json!({"iotEdge": false})]);
}

#[test]
fn an_answer_ends_at_the_moment_it_was_asked_for() {
    let text =
        "SELECT deviceId FROM devices WHERE properties.reported.$metadata.$lastUpdated >= '1970-01-12T13:46:41Z'";
    // Two workers, one clock.
    let mut workers = [Bench::new(), Bench::new()];
    for worker in &mut workers {
        worker.online(1, "a");
        worker.online(2, "b");
        worker.pass(SECOND);
    }
    let report = |worker: &mut Bench, device| {
        worker.pass(Duration::from_micros(1));
        worker.publish(device, FromDevice::ReportedPatch { rid: "1" }, r#"{"a":1}"#);
    };
    let micros = |worker: &Bench| worker.partition.wall.at(worker.now).as_microsecond();
    report(&mut workers[0], 1);
    report(&mut workers[1], 1);
    let acknowledged = micros(&workers[1]);
    let look = |worker: &Bench, asked: i64| {
        let plan = Plan::new(parse(text).unwrap()).asked_at(asked);
        worker.partition.search(&plan, None, 9).rows().map(|(_, row)| row.to_owned()).collect::<Vec<_>>()
    };
    assert!(look(&workers[1], acknowledged).is_empty(), "the same microsecond waits for the next look");
    let asked = acknowledged + 1;
    let row = |id: &str| format!(r#"{{"deviceId":"{id}"}}"#);
    assert_eq!(look(&workers[0], asked), [row("a")], "a change acknowledged before is there");
    // Both change before the second worker is visited; its change is the later one.
    report(&mut workers[0], 2);
    report(&mut workers[1], 2);
    assert_eq!(look(&workers[1], asked), [row("a")], "or the first worker's change would be overlooked for ever");
    let next = micros(&workers[1]) + 1;
    assert!(workers.iter().all(|worker| look(worker, next) == [row("a"), row("b")]));
    report(&mut workers[1], 1);
    assert_eq!(look(&workers[1], next), [row("b")], "what moves to the end while paging is not there twice");
}

#[test]
fn a_scan_of_the_fleet_is_cut_into_slices() {
    let mut bench = Bench::new();
    for n in 0..4500 {
        bench.partition.create(bench.now, &format!("d{n:04}"), Registration::default()).unwrap();
    }
    let slices = |text: &str| {
        let plan = Plan::new(parse(text).unwrap());
        let (mut cursor, mut rows, mut slices) = (None, 0, 0);
        loop {
            let slice = bench.partition.search(&plan, cursor.as_ref(), usize::MAX);
            (rows, slices) = (rows + slice.len(), slices + 1);
            cursor = slice.next;
            if cursor.is_none() {
                return (rows, slices);
            }
        }
    };
    assert_eq!(slices("SELECT deviceId FROM devices"), (4500, 3));
    assert_eq!(slices("SELECT COUNT() FROM devices WHERE deviceId >= 'd1000'"), (0, 2));
    assert_eq!(slices("SELECT * FROM devices WHERE tags.missing = 1 OR deviceId = 'd4499'"), (1, 3));
    assert_eq!(slices("SELECT * FROM devices.modules"), (0, 3));
}
