//! What can go wrong between a result and a format.

use hdrhistogram::serialization::{DeserializeError, V2DeflateSerializeError};

/// Why a result cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A histogram cannot be packed.
    #[error("cannot write a histogram: {0}")]
    Pack(#[from] V2DeflateSerializeError),
    /// A histogram's text is not base64.
    #[error("a histogram is damaged: {0}")]
    Base64(#[from] base64::DecodeError),
    /// A histogram cannot be unpacked.
    #[error("a histogram is damaged: {0}")]
    Unpack(#[from] DeserializeError),
    /// A histogram of other bounds than ours.
    #[error("a histogram holds values beyond one hour")]
    Bounds,
    /// The log cannot be written.
    #[error("cannot write the histogram log: {0}")]
    Log(#[from] std::io::Error),
    /// A page cannot be filled in.
    #[error("cannot write the page: {0}")]
    Page(#[from] askama::Error),
    /// The XML cannot be written.
    #[error("cannot write XML: {0}")]
    Xml(#[from] quick_junit::SerializeError),
    /// Not JSON, or not of the form of a result.
    #[error("not a result: {0}")]
    Json(#[from] serde_json::Error),
    /// Of another version.
    #[error("the result has the schema `{found}`, this program reads `{expected}`")]
    Schema {
        /// What it says.
        found: String,
        /// What is understood.
        expected: &'static str,
    },
}

impl ReportError {
    /// Whether what was read ends where more is due.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        matches!(self, Self::Json(error) if error.is_eof())
    }
}
