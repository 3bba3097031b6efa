mod kinds;
mod properties;

use std::time::Duration;

use super::{Act, Form, Script};
use crate::device::Delays;
use crate::policy::FaultKind;
use crate::random::{Domain, Seed};

/// The script of an update that waits 10 s, downloads 20 s and applies 40 s, and is hit by `faults`.
fn script(faults: &[FaultKind]) -> Script {
    let delays = Delays([10, 20, 40].map(Duration::from_secs));
    Script::new(delays).with(faults.iter().enumerate(), |fault| Seed(7).stream(Domain::FaultDelays, fault as u64, 0))
}

/// What a script does, with the moment of each act.
fn acts(script: &Script) -> impl Iterator<Item = (Duration, &Act)> {
    script.steps().iter().scan(Duration::ZERO, |time, step| {
        *time += step.after;
        Some((*time, &step.act))
    })
}

/// What a script does, in short.
fn told(script: &Script) -> String {
    let act = |(time, act): (Duration, &Act)| {
        let what = match act {
            Act::Pass => return None,
            Act::Download => "download".to_owned(),
            Act::Strike(fault) => format!("!{fault}"),
            Act::Report(line) => {
                let mut what = line.status.to_string();
                if let Some((stage, code)) = line.error.as_deref() {
                    what += &format!(":{}/{code}", stage.as_str());
                }
                if line.form != Form::Honest {
                    what += &format!("({:?})", line.form);
                }
                if line.copies > 0 {
                    what += &format!("x{}", line.copies + 1);
                }
                what
            }
            Act::Cut(away) => format!("away {}", away.as_secs_f64()),
            Act::Vanish => "gone".to_owned(),
            Act::Hang => "for ever".to_owned(),
        };
        Some(format!("{} {what}", time.as_secs_f64()))
    };
    acts(script).filter_map(act).collect::<Vec<_>>().join(", ")
}
