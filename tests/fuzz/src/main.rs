//! Lets libFuzzer drive the target that the variable FUZZ_TARGET names.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use twinstorm::fuzz::{Target, target};

static TARGET: OnceLock<Target> = OnceLock::new();

fn chosen() -> Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET is `{name}`, which is no target"))
}

fuzz_target!(|data: &[u8]| TARGET.get_or_init(chosen)(data));
