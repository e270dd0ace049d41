"""Imported by every Python process that a test starts with this folder in PYTHONPATH.

A connection elsewhere than to this machine is refused and its host noted in the file FOREIGN;
with a file PAUSES, pauses are noted there in place of being made.
"""

import ipaddress
import os
import sys
import time


def loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def note(name: str, line: object) -> None:
    with open(os.environ[name], "a") as file:
        file.write(f"{line}\n")


def watch(event: str, arguments: tuple) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo" and arguments[0]:
        host = arguments[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if not loopback(host):
        note("FOREIGN", host)
        raise ConnectionRefusedError(f"a test may not ask {host}")


sys.addaudithook(watch)
if "PAUSES" in os.environ:
    time.sleep = lambda seconds: note("PAUSES", seconds)
