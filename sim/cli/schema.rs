//! `twinstorm schema`.

use clap::{Args, ValueEnum};

use super::arguments::CommandError;
use super::report::unprinted;
use crate::report::results_schema;
use crate::run::print;
use crate::verdict::ExitCode;

/// Prints the JSON Schema of a file that the program writes.
#[derive(Debug, Args)]
pub(super) struct SchemaCommand {
    /// Of which
    #[arg(value_enum, default_value_t = Document::Results)]
    document: Document,
}

/// Files that have a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Document {
    /// results.json
    Results,
}

impl SchemaCommand {
    pub(super) fn execute(self) -> Result<ExitCode, CommandError> {
        let schema = match self.document {
            Document::Results => results_schema().map_err(CommandError::other)?,
        };
        print::product(schema.as_bytes()).map_err(unprinted)?;
        Ok(ExitCode::Success)
    }
}
