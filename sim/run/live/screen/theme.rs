//! Colours and emphasis. No meaning rests on a colour alone: words or signs say the same.

use ratatui::style::{Color, Modifier, Style};

use crate::policy::FirmwareStatus;

/// How things look.
#[derive(Debug, Clone, Copy)]
pub(in crate::run::live) struct Theme {
    /// Whether there are colours (<https://no-color.org>).
    pub(in crate::run::live) color: bool,
}

impl Theme {
    fn colored(self, color: Color) -> Style {
        if self.color { Style::new().fg(color) } else { Style::new() }
    }

    /// What is to be read first.
    pub(super) const fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is to be read last.
    pub(super) const fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What is as it should be.
    pub(super) fn good(self) -> Style {
        self.colored(Color::Green)
    }

    /// What is not.
    pub(super) fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What may or may not be.
    pub(super) fn doubtful(self) -> Style {
        self.colored(Color::Yellow)
    }

    /// Bars and curves of what goes on.
    pub(super) fn bar(self) -> Style {
        self.colored(Color::Cyan)
    }

    /// The bar of a stage.
    pub(super) fn stage(self, status: FirmwareStatus) -> Style {
        match status {
            FirmwareStatus::StandBy => self.dim(),
            FirmwareStatus::Downloading => self.colored(Color::Blue),
            FirmwareStatus::Applying => self.colored(Color::Cyan),
            FirmwareStatus::Completed => self.good(),
            FirmwareStatus::Failed => self.colored(Color::Red),
            FirmwareStatus::RolledBack => self.doubtful(),
        }
    }
}
