//! Which machine, and which program on it, a figure was measured with.

use std::fmt;
use std::fs;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// What a program's speed depends on. Two that are equal can be expected to do as much.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachineDescription {
    /// The model of its processor; empty where the kernel does not tell.
    pub cpu: String,
    /// Cores that the program may use.
    pub cores: usize,
    /// Memory in bytes: of the machine or of the program's control group; 0 where the kernel does not tell.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// The system, as it calls itself.
    pub os: String,
    /// The program's version.
    pub version: String,
    /// How the program was built.
    pub build: Build,
}

/// How a program was built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Build {
    /// With checks, and slow.
    #[default]
    Debug,
    /// For use.
    Release,
}

impl Build {
    /// Of this program.
    #[must_use]
    pub const fn own() -> Self {
        if cfg!(debug_assertions) { Self::Debug } else { Self::Release }
    }
}

impl MachineDescription {
    /// This machine, and this program.
    #[must_use]
    pub fn read() -> Self {
        let machine = Machine::read();
        let memory_bytes = machine.memory.map_or(0, |(total, _)| total);
        Self { cores: machine.cores, memory_bytes, ..Self::below(Path::new("/")) }
    }

    /// What is told by files below `root`.
    fn below(root: &Path) -> Self {
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let value = |text: &str, key: &str, sign: char| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(sign));
            line.unwrap_or_default().trim().trim_matches('"').to_owned()
        };
        // Not every kernel names a model: on ARM it numbers maker and part.
        let processor = text("proc/cpuinfo");
        let cpu = match value(&processor, "model name", ':') {
            name if name.is_empty() => {
                let numbers = ["CPU implementer", "CPU part"].map(|key| value(&processor, key, ':'));
                numbers.join(" ").trim().to_owned()
            }
            name => name,
        };
        Self {
            cpu,
            kernel: text("proc/sys/kernel/osrelease").trim().to_owned(),
            os: match value(&text("etc/os-release"), "PRETTY_NAME", '=') {
                name if name.is_empty() => text("proc/sys/kernel/ostype").trim().to_owned(),
                name => name,
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: Build::own(),
            ..Self::default()
        }
    }
}

impl fmt::Display for MachineDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, memory_bytes, kernel, os, version, build } = self;
        let cpu = if cpu.is_empty() { "an unnamed processor" } else { cpu };
        let gibibytes = *memory_bytes as f64 / f64::from(1 << 30);
        let build = match build {
            Build::Debug => "debug build",
            Build::Release => "release build",
        };
        write!(f, "{cpu}, {cores} cores, {gibibytes:.1} GiB, {os}, kernel {kernel}, twinstorm {version} ({build})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(files: &[(&str, &str)]) -> MachineDescription {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        MachineDescription::below(root.path())
    }

    #[test]
    fn a_machine_is_described_by_its_files() {
        let described = described(&[
            ("proc/cpuinfo", "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2.0GHz\n\nprocessor\t: 1\n"),
            ("proc/sys/kernel/osrelease", "6.1.0-1\n"),
            ("proc/sys/kernel/ostype", "Linux\n"),
            ("etc/os-release", "NAME=\"Some\"\nPRETTY_NAME=\"Some Linux 12\"\n"),
        ]);
        let words = MachineDescription { cores: 2, memory_bytes: 3 << 29, ..described }.to_string();
        assert!(
            words.starts_with("Some CPU @ 2.0GHz, 2 cores, 1.5 GiB, Some Linux 12, kernel 6.1.0-1, twins"),
            "{words}"
        );
    }

    #[test]
    fn a_machine_without_names_is_told_by_numbers() {
        let described = described(&[
            ("proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"),
            ("proc/sys/kernel/ostype", "Linux\n"),
        ]);
        assert_eq!(
            (described.cpu.as_str(), described.os.as_str(), described.kernel.as_str()),
            ("0x41 0xd0c", "Linux", "")
        );
    }

    #[test]
    fn this_machine_describes_itself_the_same_twice() {
        let machine = MachineDescription::read();
        assert_eq!(machine, MachineDescription::read());
        assert!(machine.cores > 0 && machine.memory_bytes > 0 && !machine.kernel.is_empty(), "{machine:?}");
    }
}
