//! The diagonal of injected against observed: what an update may end in, by the faults that hit it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Fault, FaultKind, Outcome, Place};

/// How long a fault of the hub may still be felt after it is over: what was queued has to drain, and what had failed to
/// be tried again.
const AFTERMATH: Duration = Duration::from_secs(1);

/// The outcomes that a hub with limits, or one elsewhere, may bring about by itself: it is what is measured.
const THE_HUBS_OWN: [Outcome; 6] = [
    Outcome::NotOnline,
    Outcome::NoResponse,
    Outcome::Throttled,
    Outcome::HubError,
    Outcome::Stuck,
    Outcome::LostDevice,
];

/// What really happened to an update, as far as it bears on how it may end: the truth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Bit n: fault n of the plan hit it.
    pub faults: u64,
    /// The first fault that decided how it ends.
    pub decisive: Option<usize>,
    /// Whether the device accepted its call.
    pub accepted: bool,
    /// Whether the device failed for a reason of its own.
    pub failed_itself: bool,
    /// Bit n: fault n of the plan hit an earlier update of the device, and may have kept it busy, or away, ever since.
    pub left_behind: u64,
}

/// By what an update was hit: the rows of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hit {
    /// By nothing.
    None,
    /// By this fault alone, by its index in the plan.
    One(usize),
    /// By several faults.
    Several,
}

/// How an update was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Bit n: fault n of the plan hit it, an earlier one's that explains its end among them.
    pub faults: u64,
    /// What it should have ended in, where it did not.
    pub off_diagonal: Option<Expected>,
}

/// What an update may end in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Any of these.
    pub outcomes: BTreeSet<Outcome>,
    /// This one with this detail, where the fault decides that too.
    pub detail: Option<(Outcome, String)>,
}

impl Expected {
    fn holds(&self, outcome: Outcome, detail: &str) -> bool {
        let other = self.detail.as_ref().is_some_and(|(of, expected)| *of == outcome && expected != detail);
        self.outcomes.contains(&outcome) && !other
    }
}

/// Judges updates by the faults of a plan.
#[derive(Debug, Clone, Default)]
pub struct Diagonal {
    faults: Arc<[Fault]>,
    lenient: bool,
    presence_unknown: bool,
}

impl Diagonal {
    /// Judges by `faults`. A `lenient` one leaves to the hub what it may bring about by itself: for hubs with limits, and
    /// those elsewhere.
    #[must_use]
    pub fn new(faults: &[Fault], lenient: bool) -> Self {
        Self { faults: faults.into(), lenient, presence_unknown: false }
    }

    /// The same for a hub that does not tell whether devices are connected, if that is `unknown`: one that is not, and should
    /// end an update as such, ends it as one does that says nothing.
    #[must_use]
    pub fn where_presence_is(mut self, unknown: bool) -> Self {
        self.presence_unknown = unknown;
        self
    }

    /// Whether there is nothing to judge by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The name of a fault.
    #[must_use]
    pub fn name(&self, fault: usize) -> &str {
        self.faults.get(fault).map_or("unknown", |fault| &fault.name)
    }

    /// The faults of the hub, bit by bit, that were at work at any time between two moments, counted from the start of
    /// the load.
    #[must_use]
    pub fn of_the_hub(&self, from: Duration, until: Duration) -> u64 {
        let at_work = |fault: &Fault| {
            let over = fault.ends().is_some_and(|end| end + AFTERMATH <= from);
            fault.kind.place() == Place::Hub && fault.at <= until && !over
        };
        self.bits(u64::MAX).filter(|(_, fault)| at_work(fault)).fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// Whether one of these faults, bit by bit, makes devices report what the workflow forbids.
    #[must_use]
    pub fn forbidden_by(&self, faults: u64) -> bool {
        self.bits(faults).any(|(_, fault)| fault.kind.outcomes().contains(&Outcome::ProtocolViolation))
    }

    /// Judges an update that ended so; `None` where how it ended is nobody's doing: it was not sent, stopped, or lost with
    /// its hub.
    #[must_use]
    pub fn judge(&self, hits: &Hits, outcome: Outcome, detail: &str) -> Option<Judgement> {
        let nobodys = matches!(outcome, Outcome::NotSent | Outcome::Aborted | Outcome::LostShard);
        if nobodys || (outcome, detail) == (Outcome::HubError, "hub_died") {
            return None;
        }
        let expected = self.expected(hits);
        if expected.holds(outcome, detail) {
            return Some(Judgement { faults: hits.faults, off_diagonal: None });
        }
        // A device that an earlier update's fault holds on to is busy, or away.
        let refused = matches!(outcome, Outcome::Rejected | Outcome::NotOnline | Outcome::NoResponse);
        if refused && hits.left_behind != 0 && !hits.accepted {
            return Some(Judgement { faults: hits.faults | hits.left_behind, off_diagonal: None });
        }
        Some(Judgement { faults: hits.faults, off_diagonal: Some(expected) })
    }

    /// What an update with these hits may end in.
    fn expected(&self, hits: &Hits) -> Expected {
        let decisive = hits.decisive.and_then(|fault| self.faults.get(fault));
        let mut outcomes = BTreeSet::new();
        for (index, fault) in self.bits(hits.faults) {
            let lasting = is_lasting(fault);
            match hits.decisive {
                Some(decisive) if decisive == index => outcomes.extend(fault.kind.outcomes()),
                // Of several the first terminal one decides, unless the link or the hub has its way at the same time.
                Some(_) if lasting => outcomes.extend(without_success(&fault.kind)),
                Some(_) => {}
                // It takes devices away, but this one had its call before.
                None if lasting && hits.accepted && fault.kind.is_terminal() => {
                    outcomes.extend([Outcome::Completed, Outcome::LostDevice]);
                }
                // It kept attempts from the device, and a later one was accepted.
                None if hits.accepted && fault.kind.place() == Place::Call => {
                    outcomes.extend(fault.kind.outcomes());
                    outcomes.insert(Outcome::Completed);
                }
                None => outcomes.extend(fault.kind.outcomes()),
            }
        }
        if let Some(fault) = decisive {
            outcomes.extend(fault.kind.outcomes());
        }
        for (_, fault) in self.bits(hits.faults).filter(|(_, fault)| is_lasting(fault)) {
            outcomes.extend(beyond_patience(fault, hits.accepted));
        }
        if hits.failed_itself {
            outcomes.remove(&Outcome::Completed);
            outcomes.insert(Outcome::Failed);
        } else if outcomes.is_empty() {
            outcomes.insert(Outcome::Completed);
        }
        if self.lenient {
            outcomes.extend(THE_HUBS_OWN);
        }
        if self.presence_unknown {
            let taken_for: Vec<Outcome> = outcomes.iter().filter_map(|outcome| outcome.without_presence()).collect();
            outcomes.extend(taken_for);
        }
        // Every kind that decides a detail has one outcome. How far a device came cannot be seen where its reports did not
        // get through.
        let cut_off = || self.lenient || self.bits(hits.faults).any(|(_, fault)| is_lasting(fault));
        let detail = decisive.and_then(|fault| {
            let outcome = *fault.kind.outcomes().first()?;
            let seen = !matches!(outcome, Outcome::Stuck | Outcome::LostDevice) || !cut_off();
            seen.then_some((outcome, fault.kind.detail()?))
        });
        Expected { outcomes, detail }
    }

    fn bits(&self, faults: u64) -> impl Iterator<Item = (usize, &Fault)> {
        self.faults.iter().enumerate().take(64).filter(move |(index, _)| faults >> index & 1 == 1)
    }
}

/// Whether it strikes whatever devices are doing, for as long as it lasts.
fn is_lasting(fault: &Fault) -> bool {
    matches!(fault.kind.place(), Place::Link | Place::Hub)
}

/// What a lasting fault may come to as well where it outlasts what the plan has patience for: the retries of a call, the
/// deadline of a stage. How long it lasts, how devices come back and how long they are waited for is all the plan's, so that
/// no other outcome could be called the right one.
fn beyond_patience(fault: &Fault, accepted: bool) -> impl Iterator<Item = Outcome> {
    let cuts_off = fault.kind.place() == Place::Link || fault.kind == FaultKind::HubDown;
    let (late, away) = match accepted {
        true => (Outcome::Stuck, Outcome::LostDevice),
        false => (Outcome::NoResponse, Outcome::NotOnline),
    };
    [late].into_iter().chain(cuts_off.then_some(away))
}

fn without_success(kind: &FaultKind) -> impl Iterator<Item = Outcome> {
    kind.outcomes().iter().copied().filter(|outcome| *outcome != Outcome::Completed)
}

impl Hit {
    /// The row of an update that these faults hit, bit by bit.
    #[must_use]
    pub const fn of(faults: u64) -> Self {
        match faults.count_ones() {
            0 => Self::None,
            1 => Self::One(faults.trailing_zeros() as usize),
            _ => Self::Several,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Fail, FaultStage, Reject, Slow, Slowness, Stall, Vanish};

    const NO_REPLY: usize = 0;
    const FAIL: usize = 1;
    const STALL: usize = 2;
    const SLOW: usize = 3;
    const OFFLINE: usize = 4;
    const RESET: usize = 5;
    const HUB_DOWN: usize = 6;
    const REORDER: usize = 7;
    const REJECT: usize = 8;

    fn diagonal(lenient: bool) -> Diagonal {
        let fail = Fail { stage: FaultStage::Applying, code: "checksum_mismatch".to_owned() };
        let second = Duration::from_secs(1);
        let faults = [
            FaultKind::NoReply,
            FaultKind::Fail(fail),
            FaultKind::Stall(Stall { stage: FaultStage::Rebooting }),
            FaultKind::Slow(Slow { stage: FaultStage::Waiting, by: Slowness::Factor(2.0) }),
            FaultKind::Offline,
            FaultKind::Reset,
            FaultKind::HubDown,
            FaultKind::Reorder,
            FaultKind::Reject(Reject { status: 503 }),
        ]
        .map(|kind| Fault { at: 10 * second, lasts: Some(5 * second), ..Fault::new(kind) });
        Diagonal::new(&faults, lenient)
    }

    fn hits(faults: &[usize], decisive: Option<usize>, accepted: bool) -> Hits {
        let faults = faults.iter().fold(0, |bits, fault| bits | 1 << fault);
        Hits { faults, decisive, accepted, ..Hits::default() }
    }

    fn holds(lenient: bool, hits: &Hits, outcome: Outcome, detail: &str) -> bool {
        diagonal(lenient).judge(hits, outcome, detail).unwrap().off_diagonal.is_none()
    }

    #[test]
    fn an_update_ends_as_its_faults_let_it() {
        use Outcome::{
            Completed, Failed, HubError, LostDevice, NoResponse, NotOnline, ProtocolViolation, Rejected, Stuck,
        };
        let checksum = "applying/checksum_mismatch";
        for (faults, decisive, accepted, outcome, detail, expected) in [
            (&[][..], None, true, Completed, "", true),
            (&[], None, true, Stuck, "applying", false),
            (&[], None, false, NotOnline, "", false),
            (&[NO_REPLY], Some(NO_REPLY), false, NoResponse, "", true),
            (&[NO_REPLY], Some(NO_REPLY), false, Completed, "", false),
            (&[NO_REPLY], None, true, NoResponse, "", true),
            // A retry found the device when the fault was over.
            (&[NO_REPLY], None, true, Completed, "", true),
            (&[NO_REPLY], None, true, Stuck, "applying", false),
            (&[REJECT], None, true, Completed, "", true),
            (&[REJECT], Some(REJECT), false, Rejected, "503", true),
            (&[REJECT], Some(REJECT), false, Rejected, "409", false),
            (&[FAIL], Some(FAIL), true, Failed, checksum, true),
            (&[FAIL], Some(FAIL), true, Failed, "applying/boot_failed", false),
            (&[FAIL], Some(FAIL), true, Completed, "", false),
            (&[STALL], Some(STALL), true, Stuck, "applying", true),
            (&[STALL], Some(STALL), true, Stuck, "downloading", false),
            (&[STALL], Some(STALL), true, LostDevice, "applying", false),
            (&[SLOW], None, true, Completed, "", true),
            (&[SLOW], None, true, Stuck, "waiting", false),
            (&[REORDER], Some(REORDER), true, ProtocolViolation, "backward:applying>downloading", true),
            // Several: the first terminal one decides, else all together.
            (&[SLOW, FAIL], Some(FAIL), true, Failed, checksum, true),
            (&[SLOW, FAIL], Some(FAIL), true, Completed, "", false),
            (&[SLOW, RESET], None, true, Completed, "", true),
            (&[SLOW, HUB_DOWN], None, true, HubError, "unreachable", true),
            // Whoever is away before its call never gets it; in the middle of an update it may be back in time.
            (&[OFFLINE], None, false, NotOnline, "", true),
            (&[OFFLINE], None, false, Completed, "", false),
            (&[OFFLINE], None, true, Completed, "", true),
            (&[OFFLINE], None, true, LostDevice, "applying", true),
            (&[OFFLINE], None, true, Rejected, "409", false),
            // Patience may end before a connection is back, or the hub quick again.
            (&[OFFLINE], None, true, Stuck, "applying", true),
            (&[RESET], None, false, NotOnline, "", true),
            (&[RESET], None, true, LostDevice, "applying", true),
            (&[RESET], None, true, NotOnline, "", false),
            (&[HUB_DOWN], None, true, LostDevice, "applying", true),
            (&[FAIL, RESET], Some(FAIL), true, LostDevice, "downloading", true),
            (&[FAIL, RESET], Some(FAIL), true, Completed, "", false),
            (&[STALL, OFFLINE], Some(STALL), true, LostDevice, "applying", true),
            (&[STALL, OFFLINE], Some(STALL), true, Stuck, "downloading", true),
            (&[STALL, HUB_DOWN], Some(STALL), true, HubError, "unreachable", true),
            (&[STALL, HUB_DOWN], Some(STALL), true, LostDevice, "downloading", true),
            (&[STALL, HUB_DOWN], Some(STALL), true, Completed, "", false),
        ] {
            let found = holds(false, &hits(faults, decisive, accepted), outcome, detail);
            assert_eq!(found, expected, "{faults:?} {decisive:?} {outcome} {detail}");
        }
    }

    #[test]
    fn a_hub_with_limits_may_do_what_hubs_do_but_no_device_may_lie() {
        use Outcome::{Completed, Failed, ProtocolViolation, Rejected, Throttled};
        let nothing = hits(&[], None, true);
        let fail = hits(&[FAIL], Some(FAIL), true);
        for (hits, outcome, expected) in [
            (&nothing, Throttled, true),
            (&nothing, Completed, true),
            (&nothing, Rejected, false),
            (&nothing, Failed, false),
            (&nothing, ProtocolViolation, false),
            (&fail, Throttled, true),
            (&fail, Completed, false),
        ] {
            assert_eq!(holds(true, hits, outcome, ""), expected, "{outcome}");
        }
    }

    #[test]
    fn where_nobody_tells_presence_silence_is_accepted_for_being_away() {
        use Outcome::{Completed, LostDevice, NoResponse, NotOnline, Stuck};
        let offline = hits(&[OFFLINE], None, false);
        let reset = hits(&[RESET], None, true);
        let stall = hits(&[STALL], Some(STALL), true);
        let vanish = [Fault::new(FaultKind::Vanish(Vanish { stage: FaultStage::Applying }))];
        let vanished = |unknown, outcome, detail| {
            let diagonal = Diagonal::new(&vanish, false).where_presence_is(unknown);
            diagonal.judge(&hits(&[0], Some(0), true), outcome, detail).unwrap().off_diagonal.is_none()
        };
        for (hits, outcome, detail, expected) in [
            (&offline, NotOnline, "", true),
            (&offline, NoResponse, "", true),
            (&offline, Completed, "", false),
            (&reset, LostDevice, "applying", true),
            (&reset, Stuck, "applying", true),
            (&stall, Stuck, "applying", true),
            (&stall, LostDevice, "applying", false),
            (&stall, NoResponse, "", false),
        ] {
            let judged = diagonal(false).where_presence_is(true).judge(hits, outcome, detail).unwrap();
            assert_eq!(judged.off_diagonal.is_none(), expected, "{hits:?} {outcome}");
        }
        for (unknown, outcome, expected) in
            [(false, LostDevice, true), (false, Stuck, false), (true, LostDevice, true), (true, Stuck, true)]
        {
            assert_eq!(vanished(unknown, outcome, "applying"), expected, "{unknown} {outcome}");
        }
    }

    #[test]
    fn a_failure_of_the_devices_own_is_expected_once_it_said_so() {
        let own = Hits { failed_itself: true, ..hits(&[RESET], None, true) };
        assert!(holds(false, &own, Outcome::Failed, "downloading/connection_lost"));
        assert!(!holds(false, &own, Outcome::Completed, ""));
    }

    #[test]
    fn what_an_earlier_update_left_behind_explains_a_refusal_and_nothing_else() {
        let after = Hits { left_behind: 1 << STALL, ..hits(&[], None, false) };
        let judged = diagonal(false).judge(&after, Outcome::Rejected, "409").unwrap();
        assert_eq!(judged, Judgement { faults: 1 << STALL, off_diagonal: None });
        assert!(!holds(false, &after, Outcome::Stuck, "waiting"));
        let judged = diagonal(false).judge(&Hits { accepted: true, ..after }, Outcome::Completed, "").unwrap();
        assert_eq!(judged, Judgement { faults: 0, off_diagonal: None });
    }

    #[test]
    fn what_nobody_brought_about_is_not_judged() {
        for (outcome, detail) in [
            (Outcome::NotSent, "max_in_flight"),
            (Outcome::Aborted, "calling"),
            (Outcome::LostShard, ""),
            (Outcome::HubError, "hub_died"),
        ] {
            assert_eq!(diagonal(false).judge(&hits(&[FAIL], Some(FAIL), true), outcome, detail), None);
        }
    }

    #[test]
    fn the_hub_strikes_whom_its_window_finds() {
        let found = |from, until| diagonal(false).of_the_hub(Duration::from_secs(from), Duration::from_secs(until));
        let down = 1 << HUB_DOWN;
        for (from, until, expected) in
            [(0, 9, 0), (0, 10, down), (12, 13, down), (9, 60, down), (15, 60, down), (16, 60, 0)]
        {
            assert_eq!(found(from, until), expected, "{from} {until}");
        }
    }

    #[test]
    fn rows_are_told_by_how_many_hit() {
        assert_eq!([Hit::of(0), Hit::of(1 << 63), Hit::of(0b11)], [Hit::None, Hit::One(63), Hit::Several]);
        assert!(diagonal(false).forbidden_by(1 << REORDER | 1) && !diagonal(false).forbidden_by(1 << FAIL));
    }
}
