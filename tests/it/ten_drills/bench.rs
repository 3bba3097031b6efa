//! A shipped drill made short, and run beside its twin.

use serde_json::Value;
use toml::Table;

use crate::support::{ANY_CENSUS, Ended, QuickRun, Running, census, twinstorm};

/// What makes any of them short. In `steady` there is no duration: lateness would be judged by it.
const SHORT: [&str; 8] = [
    ANY_CENSUS,
    "fleet.connect_rate=1000/s",
    "firmware.wait=uniform 50ms..150ms",
    "firmware.download=uniform 50ms..150ms",
    "firmware.apply=uniform 50ms..150ms",
    "observe.interval=100ms",
    "drill.lead=500ms",
    r#"drill.steady=["census.completed.pct >= 100", "connected.pct >= 99"]"#,
];

/// A drill that is to run twice: as it is, and broken.
pub(super) struct Drill {
    name: &'static str,
    rate: &'static str,
    sets: Vec<String>,
    assertions: Vec<String>,
    broken_by: Vec<String>,
}

/// The drill of this name, with 200 devices.
pub(super) fn beside_its_twin(name: &'static str) -> Drill {
    let file = format!("{}/profiles/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let profile: Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let assertions =
        profile["drill"]["assert"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned());
    let sets = SHORT.map(str::to_owned).into();
    Drill { name, rate: "25/s", sets, assertions: assertions.collect(), broken_by: Vec::new() }
}

/// So many percent of the devices are struck by a fault.
pub(super) fn percent_of(fault: &str, percent: u32) -> String {
    format!("fault.{fault}.select={{ percent = {percent} }}")
}

impl Drill {
    pub(super) fn at_rate(self, rate: &'static str) -> Self {
        Self { rate, ..self }
    }

    /// Overrides for both.
    pub(super) fn short(mut self, sets: &[&str]) -> Self {
        self.sets.extend(sets.iter().map(|set| (*set).to_owned()));
        self
    }

    /// In both, the shipped assertion is replaced by one that suits a short drill of few devices.
    #[track_caller]
    pub(super) fn asserting(mut self, shipped: &str, short: &str) -> Self {
        let found = self.assertions.iter_mut().find(|assertion| *assertion == shipped);
        short.clone_into(found.unwrap_or_else(|| panic!("{} no longer asserts `{shipped}`", self.name)));
        self
    }

    /// Overrides for the twin alone.
    pub(super) fn broken_by(mut self, sets: &[&str]) -> Self {
        self.broken_by.extend(sets.iter().map(|set| (*set).to_owned()));
        self
    }

    /// Runs both: the drill has to pass, its twin to end in `verdict` with just these assertions broken.
    #[track_caller]
    pub(super) fn ends(self, verdict: &str, broken: &[&str]) {
        let (drill, twin) = (QuickRun::new(), QuickRun::new());
        let (running, running_twin) = (self.start(&drill, &[]), self.start(&twin, &self.broken_by));
        let (ended, ended_twin) = (running.wait(), running_twin.wait());
        self.check(&drill, ended, "pass", &[]);
        self.check(&twin, ended_twin, verdict, broken);
    }

    fn start(&self, quick: &QuickRun, more: &[String]) -> Running {
        let mut command = twinstorm(&["run", self.name, "--devices", "200", "--rate", self.rate]);
        command.arg("--out").arg(quick.out());
        let assertions = format!("drill.assert={:?}", self.assertions);
        for set in self.sets.iter().chain([&assertions]).chain(more) {
            command.args(["--set", set]);
        }
        Running::start(command)
    }

    #[track_caller]
    fn check(&self, quick: &QuickRun, ended: Ended, verdict: &str, broken: &[&str]) {
        let code = match verdict {
            "pass" => 0,
            "invalid" => 96,
            _ => 99,
        };
        let ended = ended.expect(code);
        let results = quick.results();
        assert_eq!((&results["name"], &results["verdict"]), (&self.name.into(), &verdict.into()), "{}", ended.stdout);
        assert_eq!(census(&results, "unaccounted"), 0);
        let found: Vec<&str> = list(&results, "assertions").filter(|item| item["ok"] != true).map(expression).collect();
        assert_eq!(found, broken, "{}", ended.stdout);
        assert_eq!(list(&results, "assertions").count(), self.assertions.len());
        // Twins are broken in what is asserted: before the faults, all is well there too.
        let unsteady = list(&results, "steady").filter(|item| item["ok"] == false);
        let unsteady: Vec<&Value> = unsteady.filter(|item| verdict == "pass" || item["phase"] == "before").collect();
        assert!(unsteady.is_empty(), "{unsteady:?}\n{}", ended.stdout);
    }
}

fn list<'a>(results: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    results["drill"][key].as_array().unwrap().iter()
}

fn expression(judged: &Value) -> &str {
    judged["expr"].as_str().unwrap()
}
