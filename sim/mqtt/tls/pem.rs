//! Certificates in PEM.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::error::TlsConfigError;

/// The first certificate in `pem`, in DER: where it is a chain, that of its owner.
///
/// # Errors
/// [`TlsConfigError::Certificate`] if there is none.
pub fn first_certificate(pem: &[u8]) -> Result<Vec<u8>, TlsConfigError> {
    let first = CertificateDer::from_pem_slice(pem);
    first.map(|first| first.to_vec()).map_err(|error| TlsConfigError::Certificate(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_chain_is_its_owners() {
        const CHAIN: &str = "-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n\
                             -----BEGIN CERTIFICATE-----\nNDU2\n-----END CERTIFICATE-----\n";
        assert_eq!(first_certificate(CHAIN.as_bytes()).unwrap(), b"123");
        let error = first_certificate(b"a key, say").unwrap_err().to_string();
        assert!(error.contains("holds no certificate") && !error.contains("a key"), "{error}");
    }
}
