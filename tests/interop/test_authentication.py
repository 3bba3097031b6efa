"""Who gets in: keys, policies, X.509 certificates, tokens that end; with both SDKs."""

import time

import pytest
from azure.iot.device import IoTHubDeviceClient
from azure.iot.device.exceptions import ClientError, CredentialError
from azure.iot.hub import IoTHubRegistryManager
from cryptography.hazmat.primitives import hashes

from support.certificates import Certificate
from support.devices import device, shut_down, x509_device
from support.program import wait_until
from support.rows import client, service
from support.service import PRIMARY, SECONDARY, method, refused

TRANSPORTS = pytest.mark.parametrize("websockets", [False, True], ids=["tls", "wss"])
WRONG = "d3Jvbmcta2V5LW9mLTMyLWJ5dGVzLWZvci10ZXN0cy4="


@client("create_from_connection_string", "primary key, secondary key")
@TRANSPORTS
def test_both_keys_open(hub, name, websockets):
    hub.registry().create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    for key in (PRIMARY, SECONDARY):
        with device(hub, name, key, websockets=websockets) as it:
            it.client.send_message("hello")


@client("create_from_symmetric_key")
def test_a_symmetric_key_opens(hub, name):
    hub.registry().create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    made = IoTHubDeviceClient.create_from_symmetric_key(
        PRIMARY, hostname=hub.host, device_id=name, server_verification_cert=hub.ca
    )
    with shut_down(made) as it:
        it.client.send_message("hello")


@client("connect", "a wrong key, an unknown device, a disabled device", result="refused: CredentialError")
@TRANSPORTS
@pytest.mark.parametrize("why", ["wrong-key", "unknown", "disabled"])
def test_nobody_else_gets_in(hub, name, why, websockets):
    if why != "unknown":
        hub.registry().create_device_with_sas(name, PRIMARY, SECONDARY, "disabled" if why == "disabled" else "enabled")
    key = WRONG if why == "wrong-key" else PRIMARY
    with pytest.raises(CredentialError):
        with device(hub, name, key, websockets=websockets):
            pass


@client("connect", "the hub's certificate not trusted", result="refused by the SDK")
def test_the_hub_has_to_prove_itself(hub, name):
    stranger = Certificate("stranger", authority=True)
    with pytest.raises(ClientError, match="TLS"):
        with device(hub, name, server_verification_cert=stranger.pem):
            pass


@client("create_from_connection_string", "`GatewayHostName`: the hub at an address that is not its name")
@TRANSPORTS
def test_a_gateway_is_where_the_hub_is(start_hub, name, websockets):
    hub = start_hub(host="hub.example")
    connection_string = hub.device_connection_string(name) + f";GatewayHostName={hub.address}"
    made = IoTHubDeviceClient.create_from_connection_string(
        connection_string, server_verification_cert=hub.ca, websockets=websockets
    )
    with shut_down(made) as it:
        assert it.client.get_twin()["reported"] == {"$version": 1}


@service("from_connection_string", "`HostName` with a port: HTTPS elsewhere than on 443")
def test_the_rest_side_may_be_at_another_port(start_hub, name):
    hub = start_hub(https=8443)
    assert f"HostName={hub.address}:8443;" in hub.connection_string
    registry = hub.registry()
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    # The device knows nothing of that port.
    with device(hub, name, PRIMARY) as it:
        it.listen()
        assert registry.invoke_device_method(name, method("ping", 1)).payload == {"echo": 1}


# X.509.


@client("create_from_x509_certificate", "by thumbprint, SHA-1 and SHA-256, primary and secondary")
@TRANSPORTS
@pytest.mark.parametrize("algorithm", [hashes.SHA1, hashes.SHA256], ids=["sha1", "sha256"])
def test_a_thumbprint_opens(hub, name, tmp_path, algorithm, websockets):
    certificate = Certificate(name)
    registry = hub.registry()
    other = Certificate("other").thumbprint(algorithm)
    made = registry.create_device_with_x509(name, certificate.thumbprint(algorithm), other, "enabled")
    x509 = certificate.kept_in(tmp_path)
    with x509_device(hub, name, x509, websockets=websockets) as it:
        it.listen()
        it.client.patch_twin_reported_properties({"by": "x509"})
        assert registry.invoke_device_method(name, method("ping", 1)).payload == {"echo": 1}
    assert registry.get_twin(name).authentication_type == "selfSigned"
    # Case counts for nothing, and the secondary is as good.
    registry.update_device_with_x509(name, made.etag, other, certificate.thumbprint(algorithm).lower(), "enabled")
    with x509_device(hub, name, x509, websockets=websockets) as it:
        assert it.client.connected
    registry.update_device_with_x509(name, None, other, other, "enabled")
    with pytest.raises(CredentialError):
        with x509_device(hub, name, x509, websockets=websockets):
            pass


@pytest.fixture
def authority(tmp_path):
    """A CA of devices, and the file that the hub is given."""
    authority = Certificate("devices CA", authority=True)
    (tmp_path / "devices-ca.pem").write_text(authority.pem)
    authority.file = tmp_path / "devices-ca.pem"
    return authority


@client("create_from_x509_certificate", "signed by a CA that the hub was given")
@TRANSPORTS
def test_a_ca_opens(start_hub, name, tmp_path, authority, websockets):
    hub = start_hub("--client-ca", authority.file)
    hub.registry().create_device_with_certificate_authority(name, "enabled")
    middle = Certificate("middle", issuer=authority, authority=True)
    for signed, chain in [(Certificate(name, issuer=authority), ()), (Certificate(name, issuer=middle), (middle,))]:
        with x509_device(hub, name, signed.kept_in(tmp_path, *chain), websockets=websockets) as it:
            it.client.send_message("hello")
    others = [
        Certificate("another-name", issuer=authority),
        Certificate(name, issuer=Certificate("devices CA", authority=True)),
        Certificate(name),
    ]
    for other in others:
        with pytest.raises(CredentialError):
            with x509_device(hub, name, other.kept_in(tmp_path), websockets=websockets):
                pass


# Tokens.


@client("create_from_sastoken")
def test_a_token_opens(hub, name):
    made = IoTHubDeviceClient.create_from_sastoken(hub.device_token(name, 300), server_verification_cert=hub.ca)
    with shut_down(made) as it:
        it.client.send_message("hello")


@client("connect", "an expired token, a token for another device", result="refused: CredentialError")
@pytest.mark.parametrize("why", ["expired", "other"])
def test_not_every_token_opens(hub, name, why):
    # The SDK itself refuses a token that has expired already: this one does so before it is used.
    token = hub.device_token(name, 1) if why == "expired" else hub.device_token(name, 300, signed_for=f"{name}-2")
    made = IoTHubDeviceClient.create_from_sastoken(token, server_verification_cert=hub.ca)
    if why == "expired":
        time.sleep(1.5)
    with pytest.raises(CredentialError):
        with shut_down(made):
            pass


@client("sastoken_ttl", "the token is renewed before it ends: the SDK reconnects, and goes on")
@TRANSPORTS
def test_a_token_is_renewed(hub, name, websockets):
    # The SDK renews two minutes before the end.
    with device(hub, name, sastoken_ttl=125, websockets=websockets) as it:
        it.listen()
        wait_until(lambda: it.changes >= 3, "a second connection")
        it.wait_connected()
        assert hub.registry().invoke_device_method(name, method("ping", 1)).payload == {"echo": 1}
    assert it.failures == []


@client("a connection", "whose token ends", result="closed by the hub")
def test_a_connection_ends_with_its_token(hub, name):
    # Too short to be renewed in time: the end is the hub's.
    made = IoTHubDeviceClient.create_from_sastoken(hub.device_token(name, 4), server_verification_cert=hub.ca)
    with shut_down(made) as it:
        it.wait_connected(False, limit=30)


# Policies.


@service("every call", "under a policy without the right", result="refused, 401")
@pytest.mark.parametrize(
    ("policy", "may"),
    [
        ("service", {"twin"}),
        ("registryRead", {"read"}),
        ("registryReadWrite", {"read", "write"}),
        ("device", set()),
    ],
)
def test_a_policy_permits_what_it_permits(hub, name, policy, may):
    hub.registry().create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    registry = IoTHubRegistryManager.from_connection_string(
        hub.environment[f"IOTHUB_CONNECTION_STRING_{policy.upper()}"]
    )
    calls = {
        "read": lambda: registry.get_device(name),
        "write": lambda: registry.create_device_with_sas(f"{name}-2", PRIMARY, SECONDARY, "enabled"),
        "twin": lambda: registry.get_twin(name),
    }
    for right, call in calls.items():
        if right in may:
            call()
        else:
            with refused(401, "IotHubUnauthorized"):
                call()


@service("every call", "a wrong key, an unknown policy", result="refused, 401")
def test_a_service_needs_its_key(hub):
    for policy in ("iothubowner", "nobody"):
        stranger = IoTHubRegistryManager.from_connection_string(hub.policy_connection_string(policy, WRONG))
        with refused(401, "IotHubUnauthorizedAccess"):
            stranger.get_devices()
