"""The service of Microsoft's tutorial "Use device management to initiate a device firmware update (Python)", written
anew on today's azure-iot-hub.

It calls `firmwareUpdate` on a device, and reads the device's twin until the update is completed.

    IOTHUB_CONNECTION_STRING=... [REQUESTS_CA_BUNDLE=ca.pem] python service.py DEVICE
"""

import argparse
import json
import os
import time

from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod

RESPONSE_TIMEOUT = 60
POLL = 0.5


def say(*words):
    print(*words, flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("device", help="the device's id")
    arguments.add_argument("--uri", default="https://secureURL", help="where the image is")
    arguments = arguments.parse_args()

    registry = IoTHubRegistryManager.from_connection_string(os.environ["IOTHUB_CONNECTION_STRING"])
    call = CloudToDeviceMethod(
        method_name="firmwareUpdate",
        payload={"fwPackageUri": arguments.uri},
        response_timeout_in_seconds=RESPONSE_TIMEOUT,
    )
    answer = registry.invoke_device_method(arguments.device, call)
    say("Answer:", answer.status, json.dumps(answer.payload))

    # An earlier update may have left `completed` behind: this one is over when the time of its end is a new one.
    seen = None
    before = registry.get_twin(arguments.device).properties.reported.get("lastFirmwareUpdate")
    while True:
        reported = registry.get_twin(arguments.device).properties.reported
        status = reported.get("firmwareStatus")
        if status != seen:
            say("Status:", status)
            seen = status
        if status == "completed" and reported.get("lastFirmwareUpdate") != before:
            break
        time.sleep(POLL)
    reported.pop("$metadata", None)
    say("Twin:", json.dumps(reported))


if __name__ == "__main__":
    main()
