"""The device of Microsoft's tutorial "Use device management to initiate a device firmware update (Python)", written
anew on today's azure-iot-device.

It connects, reports that it stands by, and when `firmwareUpdate` is called it answers at once and goes through the
update in the background, one reported property after another.

    IOTHUB_DEVICE_CONNECTION_STRING=... python device.py [--ca ca.pem] [--websockets] [--wait SECONDS]
"""

import argparse
import os
import threading
import time
from datetime import datetime

from azure.iot.device import IoTHubDeviceClient, MethodResponse

# Each step: what it is called, and which property holds the time at which it began or ended.
STEPS = [
    ("downloading", "downloadComplete"),
    ("applying", "startedApplyingImage"),
    ("completed", "lastFirmwareUpdate"),
]


def say(*words):
    print(*words, flush=True)


def report(client, status, timestamp_name):
    client.patch_twin_reported_properties({"firmwareStatus": status, timestamp_name: str(datetime.now())})
    say("Reported:", status)


def update(client, wait):
    for status, timestamp_name in STEPS:
        time.sleep(wait)
        report(client, status, timestamp_name)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--ca", help="file with the certificate that signs the hub's")
    arguments.add_argument("--websockets", action="store_true", help="MQTT over WebSocket, on port 443")
    arguments.add_argument("--wait", type=float, default=15, help="seconds that each step takes (default: 15)")
    arguments = arguments.parse_args()

    options = {"websockets": arguments.websockets}
    if arguments.ca:
        with open(arguments.ca) as file:
            options["server_verification_cert"] = file.read()
    connection_string = os.environ["IOTHUB_DEVICE_CONNECTION_STRING"]
    client = IoTHubDeviceClient.create_from_connection_string(connection_string, **options)

    def answer(request):
        if request.name != "firmwareUpdate":
            client.send_method_response(MethodResponse.create_from_method_request(request, 404, None))
            return
        say("Called:", request.name, request.payload["fwPackageUri"])
        started = {"Response": "Firmware update started"}
        client.send_method_response(MethodResponse.create_from_method_request(request, 200, started))
        threading.Thread(target=update, args=(client, arguments.wait), daemon=True).start()

    client.connect()
    client.on_method_request_received = answer
    report(client, "standBy", "logTime")
    say("Waiting for commands, Ctrl-C ends")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        client.shutdown()


if __name__ == "__main__":
    main()
