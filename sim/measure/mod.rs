//! What is measured: recorders, the census, the truth that devices leave behind, process health, and the result.

mod census;
mod fault_counts;
mod histogram;
mod images;
mod machine;
mod process;
mod recorder;
mod result;
mod throttled;
mod trace;
mod truth;

pub use census::Census;
pub use fault_counts::FaultCounts;
pub use histogram::SeriesData;
pub use images::ImageCounts;
pub use machine::Machine;
pub use process::{ProcessError, Usage, cores, descriptor_limit, raise_descriptor_limit};
pub use recorder::{Counters, Gauges, LoopLag, Measurements, Recorder};
pub use result::{
    FaultRow, GeneratorHealth, HubHealth, Interval, ObserverHealth, RateResult, RunResult, ShardResult,
    ThresholdResult, Verdict,
};
pub use throttled::ThrottleCount;
pub use trace::{TraceEvent, Tracer};
pub use truth::{DeviceTimes, Truth};
