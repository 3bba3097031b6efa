//! The profiles that are built in, and where others come from.

use super::*;
use crate::policy::FaultPlan;

#[test]
fn every_built_in_profile_is_a_plan_with_a_name_and_thresholds() {
    for (name, description) in list().unwrap() {
        let plan = load(name, &[]).unwrap();
        assert_eq!(plan.name, name);
        // What a drill is judged by stands in its assertions.
        let is_judged = !plan.thresholds.is_empty() || plan.drill.is_some_and(|drill| !drill.assertions.is_empty());
        assert!(!description.is_empty() && is_judged, "{name}");
        assert!(source(name).unwrap().starts_with(&format!("# {name}: ")), "{name}");
    }
}

#[test]
fn an_empty_profile_is_quickstart_without_its_name_faults_and_thresholds() {
    let quickstart = load("quickstart", &[]).unwrap();
    let empty = plan("");
    assert_eq!((empty.name.as_str(), empty.thresholds.len()), ("my", 0));
    let expected =
        Plan { name: empty.name.clone(), description: String::new(), thresholds: Vec::new(), ..quickstart.clone() };
    assert_eq!(empty, expected);
    assert_eq!(quickstart.driver.load.rate(), Some(100.0));
}

#[test]
fn the_tutorial_says_nothing_that_the_tutorial_does_not_say() {
    let plan = load("tutorial", &[]).unwrap();
    assert_eq!((plan.driver.version, plan.driver.update_id), (None, false));
    assert_eq!(plan.driver.load, Load::Closed { in_flight: 1 });
    assert_eq!((plan.driver.response_timeout, plan.driver.retry_method), (60 * SECOND, RetryPolicy::NEVER));
    assert_eq!(plan.firmware.wait, crate::policy::Delay::Fixed(15 * SECOND));
}

#[test]
fn each_fault_of_first_faults_hits_somebody_and_nine_in_ten_go_free() {
    let plan = load("first-faults", &[]).unwrap();
    let faults = FaultPlan::new(plan.seed, &plan.faults, plan.fleet.devices);
    let mut hits = vec![0; plan.faults.len()];
    let mut free = 0;
    for device in 0..plan.fleet.devices {
        let hit: Vec<usize> = faults.hits(device, 0).map(|(index, _)| index).collect();
        free += u32::from(hit.is_empty());
        hit.into_iter().for_each(|index| hits[index] += 1);
    }
    assert!(hits.iter().all(|&hits| hits > 0), "{hits:?}");
    assert!(free * 100 >= plan.fleet.devices * 85, "{free}");
}

#[test]
fn a_profile_is_a_built_in_name_or_a_file() {
    let error = load("quikstart", &[]).unwrap_err().to_string();
    let names: Vec<&str> = list().unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(error.contains(&names.join(", ")), "{error}");
    assert!(error.contains("`./quikstart.toml`"), "{error}");
    let error = load("./missing.toml", &[]).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the profile ./missing.toml: "), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my fleet.toml");
    std::fs::write(&path, "[fleet]\ndevices = 3\n").unwrap();
    let plan = load(path.to_str().unwrap(), &[]).unwrap();
    assert_eq!((plan.name.as_str(), plan.fleet.devices), ("my-fleet", 3));
}

#[test]
fn a_plan_survives_json() {
    for (name, _) in list().unwrap() {
        let plan = load(name, &[]).unwrap();
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{json}");
    }
}
