"""A headless Chromium for the tests, which reaches no network and keeps a record of what it tries.

Debian's packages are installed where they are missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

PACKAGES = ("chromium", "chromium-driver")
COMMANDS = ("chromium", "chromedriver")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def obstacle() -> str | None:
    """Why no browser can be started here, or None."""
    if all(map(shutil.which, COMMANDS)):
        return None
    if not shutil.which("apt-get"):
        return "Chromium is not installed, and there is no apt-get to install it"
    return None if os.geteuid() == 0 else "Chromium is not installed, which needs root"


@contextlib.contextmanager
def running(profile: Path):
    """A browser with a profile of its own, until the end of the block."""
    if not all(map(shutil.which, COMMANDS)):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES]
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    options = Options()
    options.binary_location = shutil.which(COMMANDS[0])
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(shutil.which(COMMANDS[1])))
    try:
        browser.get("about:blank")
        requests(browser)  # those of the page that it opens by itself
        yield browser
    finally:
        browser.quit()


def complaints(browser) -> list[str]:
    """What the console said since the last call: errors, exceptions, what the policy stopped."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requests(browser) -> list[str]:
    """Addresses that pages asked for since the last call, without those in the page itself."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [one["request"]["url"] for one in sent if not one["request"]["url"].startswith("data:")]


def emulate(browser, media: str = "", **preferences: str) -> None:
    """Let pages see another medium (``print``) or other preferences (``color_scheme="dark"``).

    Without motion, unless it is asked for, so that nothing moves under the pointer.
    """
    features = [
        {"name": f"prefers-{name.replace('_', '-')}", "value": value}
        for name, value in {"reduced_motion": "reduce", **preferences}.items()
    ]
    command = {"media": media, "features": features}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", command)


@contextlib.contextmanager
def width(browser, pixels: int, high: int = 740):
    """A screen of that size, until the end of the block."""
    size = {"width": pixels, "height": high, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
