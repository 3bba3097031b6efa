//! Pure decisions and the data that every actor shares: arrivals, delays, retries, faults, outcomes, thresholds.

mod arena;
mod arrivals;
mod capacity;
mod connect_pace;
mod delay;
mod device_ids;
mod diagonal;
mod drill;
mod due_times;
mod erlang;
mod fault;
mod fleet_range;
mod image;
mod load;
mod message;
mod metric;
mod outage;
mod outcome;
mod report_format;
mod retry;
mod rollout;
mod rollout_stage;
mod series;
mod service;
mod settle;
mod station;
mod status;
mod telemetry;
mod threshold;
mod threshold_rule;
mod throttle;
pub mod units;

pub use arena::Arena;
pub use arrivals::{Arrival, Arrivals};
pub use capacity::{CapacityOf, CapacityPlan, Settling};
pub use connect_pace::ConnectPace;
pub use delay::{Delay, DelayError};
pub use device_ids::DeviceIds;
pub use diagonal::{Diagonal, Expected, Hit, Hits, Judgement};
pub use drill::{Assertion, Drill, DrillPhase, DrillPhases};
pub use erlang::MmcQueue;
pub use fault::{
    Bandwidth, BootLoop, Duplicate, Fail, Fault, FaultKind, FaultPlan, FaultStage, HubEffect, HubFault, HubSlow,
    Latency, Malformation, Malformed, Place, Reboot, Reject, Rollback, Select, Skip, Slow, SlowReply, Slowness, Stall,
    Throttled, ThrottledOperation, TokenExpiry, Vanish,
};
pub use fleet_range::DeviceRange;
pub use image::MadeImage;
pub use load::{ArrivalKind, Load, Ramp};
pub use message::{MessageFigure, MessageKind, MessageWitnesses};
pub use metric::{Better, FaultFigure, Metric, RetryFigure, RetryOf, RolloutFigure, Statistic, ThresholdError, Unit};
pub use outage::OutageCommands;
pub use outcome::Outcome;
pub use report_format::ReportFormat;
pub use retry::{Backoff, ConnectPolicies, Failed, Failure, Jitter, RetryPolicy, Retrying};
pub use rollout::{AbortCriteria, Rollout};
pub use rollout_stage::{RolloutLead, RolloutStage, RolloutStep};
pub use series::Series;
pub use service::ServiceModel;
pub use settle::Settle;
pub use station::Station;
pub use status::FirmwareStatus;
pub use telemetry::{Churn, Telemetry};
pub use threshold::{Comparison, Threshold};
pub use threshold_rule::ThresholdRule;
pub use throttle::{Admission, Limit, Throttle};
