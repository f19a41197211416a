"""A real browser without a window, for pages that are files; it can reach nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from services.server import find_program

OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", "--force-prefers-reduced-motion",
    "--window-size=1280,1000",
)  # fmt: skip


@contextmanager
def open_browser() -> Iterator[Chrome]:
    """A browser with an empty profile; its console is kept."""
    options = ChromeOptions()
    options.binary_location = str(find_program("chromium"))
    driver = Service(str(find_program("chromedriver")))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for option in (*OPTIONS, f"--user-data-dir={profile}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = Chrome(options=options, service=driver)
        try:
            yield browser
        finally:
            browser.quit()
