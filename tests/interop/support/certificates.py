"""Certificates of X.509 devices: self-signed ones, and those of a CA."""

from datetime import datetime, timedelta, timezone

from azure.iot.device import X509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Certificate:
    """A certificate and its key; signed by itself unless an `issuer` is given."""

    def __init__(self, common_name, issuer=None, authority=False):
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(issuer.certificate.subject if issuer else name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        self.certificate = builder.sign(issuer.key if issuer else self.key, hashes.SHA256())

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def thumbprint(self, algorithm=hashes.SHA1):
        return self.certificate.fingerprint(algorithm()).hex().upper()

    def kept_in(self, folder, *chain):
        """What the device SDK takes: files of the certificate, with its chain, and of the key."""
        certificate, key = folder / "device.pem", folder / "device.key"
        certificate.write_text("".join(each.pem for each in (self, *chain)))
        key.write_bytes(
            self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return X509(cert_file=str(certificate), key_file=str(key))
