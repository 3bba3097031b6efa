"""The embedded hub, as an SDK program meets it."""

import base64
import hashlib
import hmac
import shlex
import time
from urllib.parse import quote

from azure.iot.hub import (
    DigitalTwinClient,
    IoTHubConfigurationManager,
    IoTHubHttpRuntimeManager,
    IoTHubJobManager,
    IoTHubRegistryManager,
)

from .addresses import HTTPS, MQTTS, own_address
from .program import twinstorm, wait_until


class Hub:
    """A hub on an address of its own, whose CA and keys outlive its restarts."""

    def __init__(self, folder, tls_dir, *arguments, host=None, https=HTTPS):
        self.folder = folder
        self.tls_dir = tls_dir
        self.address = own_address()
        self.host = host or self.address
        self.https = https
        self.arguments = arguments
        self.process = None
        # What the next start finds in its environment: after the first, the keys that the hub had.
        self.environment = {}
        self.start()

    def start(self):
        env_file = self.folder / "hub.env"
        self.process = twinstorm(
            "hub",
            *("--mqtts", f"{self.address}:{MQTTS}"),
            *("--https", f"{self.address}:{self.https}"),
            *("--host", self.host),
            *("--tls-dir", self.tls_dir),
            *("--env-file", env_file),
            *("--workers", "2"),
            *self.arguments,
            environment=self.environment,
        )
        wait_until(lambda: env_file.exists() or not self.process.running(), "the hub's --env-file")
        assert self.process.running(), f"the hub did not start:\n{self.process.output()}"
        self.environment = read_env_file(env_file)

    def stop(self):
        self.process.stop()
        assert "panicked" not in self.process.output(), self.process.output()

    def restart(self):
        """Ends the hub without a word to anybody, and starts it again with the keys that it had."""
        self.process.kill()
        self.start()

    @property
    def ca(self):
        """The CA's certificate, in PEM."""
        return (self.tls_dir / "ca.pem").read_text()

    @property
    def connection_string(self):
        """The service's."""
        return self.environment["IOTHUB_CONNECTION_STRING"]

    def policy_connection_string(self, policy, key):
        return f"HostName={self.host};SharedAccessKeyName={policy};SharedAccessKey={key}"

    def device_key(self, device):
        """The key that derives from the master key: the hub knows a device by it that nobody has created."""
        master = base64.b64decode(self.environment["TWINSTORM_FLEET_KEY"])
        return base64.b64encode(hmac.digest(master, device.encode(), hashlib.sha256)).decode()

    def device_connection_string(self, device, key=None):
        return f"HostName={self.host};DeviceId={device};SharedAccessKey={key or self.device_key(device)}"

    def device_token(self, device, life, signed_for=None):
        """A token of the device that ends `life` seconds from now, signed with its key or with that of another."""
        resource = quote(f"{self.host}/devices/{device}", safe="")
        expiry = int(time.time() + life)
        key = base64.b64decode(self.device_key(signed_for or device))
        signature = base64.b64encode(hmac.digest(key, f"{resource}\n{expiry}".encode(), hashlib.sha256)).decode()
        return f"SharedAccessSignature sr={resource}&sig={quote(signature, safe='')}&se={expiry}"

    def mqtt(self, transport):
        """Where our fleet finds the hub, as variables of its environment."""
        at = {"tls": f"mqtts://{self.address}:{MQTTS}", "wss": f"wss://{self.address}:{self.https}"}[transport]
        return {"TWINSTORM_HUB_MQTT": at}

    # The managers of azure-iot-hub.

    def registry(self):
        return IoTHubRegistryManager.from_connection_string(self.connection_string)

    def jobs(self):
        return IoTHubJobManager.from_connection_string(self.connection_string)

    def configurations(self):
        return IoTHubConfigurationManager.from_connection_string(self.connection_string)

    def digital_twins(self):
        return DigitalTwinClient.from_connection_string(self.connection_string)

    def runtime(self):
        return IoTHubHttpRuntimeManager.from_connection_string(self.connection_string)


def read_env_file(path):
    """The variables that a shell would have after sourcing the file."""
    variables = {}
    for word in shlex.split(path.read_text()):
        if word != "export":
            name, value = word.split("=", 1)
            variables[name] = value
    return variables
