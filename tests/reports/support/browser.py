"""A page in a real browser, and what the browser had to say about it."""

import os
from pathlib import Path

import axe_playwright_python
from PIL import Image

from support.program import ROOT

SCREENSHOTS = ROOT / "target/reports-screenshots"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # The browser's sandbox does not start for root.
    *(["--no-sandbox"] if os.getuid() == 0 else []),
]

# How a page is looked at: options of a browser's context, and the medium.
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 800}},
    "narrow": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
    "narrow-dark": {"color_scheme": "dark", "viewport": {"width": 360, "height": 740}},
    "scripts-off": {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}, "java_script_enabled": False},
    # As wide as A4 between the pages' own margins of 15 mm, at 96 dots an inch.
    "print": {"color_scheme": "light", "viewport": {"width": 680, "height": 986}},
}


class Looked:
    """A page, and everything it complained about or asked for."""

    def __init__(self, browser, path, look):
        # The axe of the tests is a script of theirs: it has to run where the page's own policy allows none.
        self.context = browser.new_context(**LOOKS[look], bypass_csp=True)
        self.page = self.context.new_page()
        self.trouble, self.requests = [], []
        self.page.on("console", lambda message: self.trouble.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("requestfailed", lambda request: self.trouble.append(f"failed: {request.url}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        if look == "print":
            self.page.emulate_media(media="print")
        self.url = Path(path).resolve().as_uri()
        self.page.goto(self.url, wait_until="load")

    def axe(self):
        """What axe says of it: rules of WCAG 2 at levels A and AA, and best practices."""
        self.page.evaluate(AXE)
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = self.page.evaluate("tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", tags)
        assert len(found["passes"]) > 10, "axe has looked at it"
        return [
            f"{violation['id']}: {violation['help']}: {node['target']} {node['html'][:200]}"
            for violation in found["violations"] for node in violation["nodes"]
        ]

    def close(self):
        self.context.close()


def colours(path):
    """How many different colours a picture has, and how much of it is not the commonest."""
    with Image.open(path) as picture:
        counted = picture.convert("RGB").getcolors(1 << 24)
    total = sum(count for count, _ in counted)
    return len(counted), 1 - max(count for count, _ in counted) / total
