//! What is measured: recorders, the census, the truth that devices leave behind, process health, and the result.

mod capacity;
mod census;
mod drill;
mod event;
mod exposition;
mod fault_counts;
mod fault_row;
mod histogram;
mod images;
mod invariants;
mod judged;
mod line;
mod machine;
mod machine_description;
mod messages;
mod process;
mod recorder;
mod result;
mod retries;
mod service;
mod settled;
mod throttled;
mod trace;
mod truth;
mod wave;

pub use capacity::{CapacityCause, CapacityCeiling, CapacityResult, CapacityStep, StepPurpose};
pub use census::Census;
pub use drill::{DrillResult, FaultSpan, HealResult, PhaseData, PhaseResult, SteadyResult};
pub use event::{Answer, Event, EventCounts, Events, Happening};
pub use exposition::{Exposition, MetricsText};
pub use fault_counts::FaultCounts;
pub use fault_row::{Distribution, FaultRow, MatrixRow};
pub use histogram::SeriesData;
pub use images::ImageCounts;
pub use invariants::{Invariant, InvariantRow, Invariants, Violation};
pub use judged::{Judged, OffDiagonal};
pub use line::{LineHealth, LineRow};
pub use machine::Machine;
pub use machine_description::{Build, MachineDescription};
pub use messages::{MessageCounts, MessageKind, Messages};
pub use process::{ProcessError, Usage, cores, descriptor_limit, raise_descriptor_limit};
pub use recorder::{Counters, Gauges, LoopLag, Measurements, Recorder};
pub use result::{
    GeneratorHealth, HubFaultRow, HubHealth, Interval, LoadSpan, ObserverHealth, RateResult, Retries, RetryRow,
    RunResult, ShardResult, TelemetryRate, ThresholdAbort, ThresholdResult, Verdict,
};
pub use retries::{RetryCounts, RetryTally};
pub use service::{HubCounts, ServiceCount};
pub use settled::{Settled, SettledResult};
pub use throttled::{BusyThrottle, ThrottleCount};
pub use trace::{TraceEvent, Tracer};
pub use truth::{DeviceTimes, LostTelemetry, TelemetryTruth, Truth};
pub use wave::{RolloutAbort, RolloutResult, WaveCount, WaveResult};
