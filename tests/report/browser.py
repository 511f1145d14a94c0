"""A real browser without a window, cut off from every network, for pages that are looked at."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Page", "chromium", "opened"]

# As root there is no sandbox, and nothing is to be asked of the network at the start.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Page:
    """A page that is open.

    Args:
        handle: the driver's page.
        console: what it wrote to the console as a warning or an error, and what went wrong in it.
        requests: the addresses that it asked for, beside its own.
    """

    handle: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def why_not() -> str | None:
    """Why no browser can be driven here; None where one can."""
    if program() is None:
        return "there is no Chromium here"
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return None


def program() -> str | None:
    """The browser of this machine."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser, for several pages."""
    from playwright.sync_api import sync_playwright

    environ = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program(), args=list(FLAGS), env=environ)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(
    browser: Any, file: Path, *, width: int = 1280, height: int = 900, scheme: Literal["light", "dark"] = "light"
) -> Iterator[Page]:
    """A page from a file, offline.

    Args:
        browser: the browser.
        file: the page's file.
        width: of the window, in CSS pixels.
        height: of the window.
        scheme: what the reader prefers.
    """
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True, device_scale_factor=1
    )
    try:
        page = Page(context.new_page())
        page.handle.on("console", lambda message: _heard(page, message))
        page.handle.on("pageerror", lambda error: page.console.append(str(error)))
        address = file.resolve().as_uri()
        page.handle.on("request", lambda request: _asked(page, request.url, address))
        page.handle.goto(address)
        yield page
    finally:
        context.close()


def _heard(page: Page, message: Any) -> None:
    if message.type in ("error", "warning"):
        page.console.append(message.text)


def _asked(page: Page, url: str, own: str) -> None:
    if url.partition("#")[0] != own:
        page.requests.append(url)
