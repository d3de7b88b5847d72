"""A headless Chromium for tests to look at pages with."""

import json
from pathlib import Path
from typing import Any, Self

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

# Where Debian has them. Without paths selenium would look for a driver on the internet.
CHROMIUM = "/usr/bin/chromium"
DRIVER = "/usr/bin/chromedriver"
WAIT = 20.0


class Browser:
    """Chromium with `profile`, an empty folder, as its own, to the end of the `with` block."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile

    def __enter__(self) -> Self:
        options = Options()
        options.binary_location = CHROMIUM
        for flag in (
            "headless",
            "no-sandbox",
            "disable-gpu",
            "disable-dev-shm-usage",
            "disable-background-networking",
            "disable-component-update",
            "disable-sync",
            "no-first-run",
            f"user-data-dir={self._profile}",
            "window-size=1280,900",
        ):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.driver = webdriver.Chrome(options, Service(DRIVER))
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()

    def find(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """The text of every element, hidden ones too; in one call, so that the page cannot change in between."""
        script = "return [...document.querySelectorAll(arguments[0])].map((element) => element.textContent)"
        found: list[str] = self.driver.execute_script(script, selector)
        return found

    def wait(self, condition: Any, what: str) -> None:
        """Until `condition()` holds, for at most `WAIT` seconds."""
        WebDriverWait(self.driver, WAIT, 0.05).until(lambda _: condition(), f"waited in vain for {what}")

    def write(self, selector: str, text: str) -> None:
        """Put `text` in the place of what is in a field, as if pasted."""
        script = """
        const [field, text] = arguments;
        field.value = text;
        field.dispatchEvent(new Event("input", { bubbles: true }));
        """
        self.driver.execute_script(script, self.find(selector), text)

    def emulate(self, *, scheme: str = "light", width: int = 1280, height: int = 900) -> None:
        """Another colour scheme, or another size of the window in CSS pixels."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def disconnect(self, gone: bool) -> None:
        """Make every request fail from now on, or none."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        conditions = {"offline": gone, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def requested(self) -> list[str]:
        """The URLs of what pages have requested since the last call; the browser's own are left out."""
        urls = [entry["request"]["url"] for entry in self.network("requestWillBeSent")]
        return [url for url in urls if not url.startswith(("chrome:", "chrome-untrusted:", "data:"))]

    def network(self, event: str) -> list[dict[str, Any]]:
        """The network's events of this kind since the last call of this or of `requested`."""
        entries = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [entry["params"] for entry in entries if entry["method"] == f"Network.{event}"]

    def complaints(self) -> list[str]:
        """What the console has said since the last call: errors of scripts, what the policy refused, failed loads."""
        return [entry["message"] for entry in self.driver.get_log("browser")]
