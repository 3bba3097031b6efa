"""Addresses of 127.0.0.0/8: the device SDK knows the ports 8883 and 443 only, so each hub has an address of its own."""

import errno
import itertools
import os
import socket

MQTTS = 8883
HTTPS = 443

_counter = itertools.count()


class CannotListen(Exception):
    """This machine does not let us listen where the SDKs connect to."""


def own_address():
    """A loopback address of which nobody listens on the ports that the SDKs use."""
    # Processes start at different places; the attempt to listen decides.
    start = os.getpid() * 64
    for _ in range(1000):
        n = (start + next(_counter)) % (1 << 22)
        address = f"127.{64 + (n >> 16)}.{n >> 8 & 255}.{n & 255}"
        if all(_is_free(address, port) for port in (MQTTS, HTTPS)):
            return address
    raise CannotListen("no address of 127.64.0.0/10 has the ports 8883 and 443 free")


def _is_free(address, port):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            if error.errno == errno.EACCES:
                raise CannotListen(
                    f"this user may not listen on port {port}, where the SDKs connect to: run the tests as root, or "
                    f"allow it with `sysctl -w net.ipv4.ip_unprivileged_port_start={port}`"
                ) from error
            if error.errno == errno.EADDRNOTAVAIL:
                raise CannotListen(
                    f"{address} is no address of this machine: the tests need 127.0.0.0/8 on the loopback interface, "
                    "as Linux has it"
                ) from error
            raise
    return True
