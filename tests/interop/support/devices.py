"""Devices made of azure-iot-device."""

import queue
from contextlib import contextmanager

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, MethodResponse

from .program import LIMIT, wait_until


class Device:
    """A client of the SDK, and everything that came in at it."""

    def __init__(self, client):
        self.client = client
        self.patches = queue.Queue()
        self.methods = queue.Queue()
        # How often the connection came or went.
        self.changes = 0
        self.failures = []
        # Answers to methods, by name: a function of the request's payload that returns a status and a payload.
        self.answers = {}
        client.on_connection_state_change = self._changed
        client.on_background_exception = self.failures.append

    def _changed(self):
        self.changes += 1

    def listen(self):
        """Subscribes to methods and desired properties."""
        self.client.on_method_request_received = self._answer
        self.client.on_twin_desired_properties_patch_received = self.patches.put
        return self

    def _answer(self, request):
        self.methods.put((request.name, request.payload))
        answer = self.answers.get(request.name, lambda payload: (200, {"echo": payload}))
        status, payload = answer(request.payload)
        self.client.send_method_response(MethodResponse.create_from_method_request(request, status, payload))

    def next_patch(self, limit=LIMIT):
        return self.patches.get(timeout=limit)

    def wait_connected(self, connected=True, limit=LIMIT):
        wait_until(lambda: self.client.connected == connected, f"connected = {connected}", limit)


@contextmanager
def shut_down(client):
    """The device around a client; the client is connected, and shut down in the end."""
    device = Device(client)
    try:
        client.connect()
        yield device
    finally:
        client.shutdown()


def device(hub, name, key=None, **options):
    """A device with a symmetric key, the one that derives from the master key unless told otherwise."""
    options.setdefault("server_verification_cert", hub.ca)
    connection_string = hub.device_connection_string(name, key)
    return shut_down(IoTHubDeviceClient.create_from_connection_string(connection_string, **options))


def module(hub, name, module_id, key, **options):
    options.setdefault("server_verification_cert", hub.ca)
    connection_string = f"HostName={hub.host};DeviceId={name};ModuleId={module_id};SharedAccessKey={key}"
    return shut_down(IoTHubModuleClient.create_from_connection_string(connection_string, **options))


def x509_device(hub, name, x509, **options):
    options.setdefault("server_verification_cert", hub.ca)
    return shut_down(
        IoTHubDeviceClient.create_from_x509_certificate(x509=x509, hostname=hub.host, device_id=name, **options)
    )
