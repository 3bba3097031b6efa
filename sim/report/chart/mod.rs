//! Pictures for reports, as inline SVG: pure, deterministic, and without a colour of their own.
//!
//! Every picture is a plain value with a `draw` that gives an [`Svg`]. What distinguishes things is a [`Look`]: a number
//! from which the style sheet (`reports/templates/report.css`) makes a colour for light, dark and paper, with a dash and
//! the shape of a mark beside it, so that no difference is told by colour alone. Curves are labelled where they end.
//!
//! ```text
//! percentile.rs   percentile curves, x by nines        PercentileChart { groups: [CurveGroup { label, look, curves }] }
//! time.rs         lines and bands over time            TimeChart
//! stack.rs        stacked areas over time              StackChart
//! curve.rs        values by load                        LoadChart
//! change.rs       runs of two sides, and the change ChangeChart
//! heat.rs         counts over time and latency         HeatChart
//! span.rs         bars with whiskers; lanes of time    SpanChart
//! spark.rs        word-sized: a line, a dot at a limit Sparkline, LimitDot
//! frame.rs        the box, axes and grid that they share
//! scale.rs, ticks.rs, labels.rs, svg.rs                what they are made of
//! buckets.rs      many seconds as few
//! ```

mod buckets;
mod change;
mod curve;
mod frame;
mod heat;
mod labels;
mod look;
mod percentile;
mod scale;
mod span;
mod spark;
mod stack;
mod svg;
mod ticks;
mod time;

pub use buckets::{Bucket, buckets, grouped};
pub use change::{ChangeChart, ChangeRow};
pub use curve::{LoadChart, LoadLine, LoadPoint};
pub use heat::{HeatChart, HeatColumn};
pub use look::Look;
pub use percentile::{CurveGroup, CurvePoint, PercentileChart, curve_of};
pub use span::{Span, SpanChart, SpanRow};
pub use spark::{LimitDot, ShareBar, Sparkline};
pub use stack::{Layer, StackChart};
pub(super) use svg::Escaped;
pub use svg::Svg;
pub use ticks::{Unit, tick_duration};
pub use time::{Band, Line, Mark, TimeChart};
