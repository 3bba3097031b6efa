//! Reading devices' certificates and keys from their files, once, before the first of them connects.

use std::fs;
use std::path::Path;

use crate::device::DeviceIdentities;
use crate::dialect::azure::{CertificateFiles, DeviceSecrets};
use crate::policy::DeviceRange;

/// What the devices of `range` show, if certificates are what they have.
///
/// # Errors
/// The file that cannot be used, and why.
pub(super) fn read(range: DeviceRange, secrets: &DeviceSecrets) -> Result<Option<DeviceIdentities>, String> {
    let DeviceSecrets::Certificates(files) = secrets else { return Ok(None) };
    let (mut certificates, mut keys) = (Vec::new(), Vec::new());
    for device in range.iter() {
        let (certificate, key) = pair(files, device)?;
        certificates.push(certificate);
        keys.push(key);
    }
    let identities = DeviceIdentities::new(range.start, &certificates, &keys);
    identities.map(Some).ok_or_else(|| "the devices' certificates are longer than 4 GiB together".to_owned())
}

fn pair(files: &CertificateFiles, device: u32) -> Result<(String, String), String> {
    let (certificate, key) = files.of(device).ok_or_else(|| format!("device {device} has no certificate"))?;
    let text = |path: &Path| {
        fs::read_to_string(path).map_err(|error| format!("cannot read a device's {}: {error}", path.display()))
    };
    let (chain, secret) = (text(&certificate)?, text(&key)?);
    DeviceIdentities::check(&chain, &secret)
        .map_err(|error| format!("{} and {}: {error}", certificate.display(), key.display()))?;
    Ok((chain, secret))
}
