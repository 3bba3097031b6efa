//! How much a hub can bear.

mod sizing;

pub use sizing::{
    Answer, Bound, Brief, Course, Demand, Enough, Messages, Need, ObserverNeed, Phase, SOURCES, Sizing, Source,
    TierAnswer, Wave, sizing_json, sizing_text,
};
