# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page in a real browser, as wide as a phone and as a desk, in light and dark: it fits, can be read, and asks for nothing."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.quetrex.platform.plugins.module_utils.reporting.page import page
from lab.observations import inject
from lab.overviews import full, overview

pytestmark = pytest.mark.browser

CHROMIUM = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-sync",
    "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--metrics-recording-only", "--no-pings", "--mute-audio",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
)  # fmt: skip
# Around the page stands another one of the same origin, which may look into it: the page itself runs no scripts.
FRAME = """<!doctype html><meta charset="utf-8"><style>body{margin:0}iframe{border:0;display:block}</style>
<iframe src="/status.html" width="WIDTH" height="800"></iframe><pre id="result"></pre>
<script>
const frame = document.querySelector('iframe');
const channel = text => (text.match(/[\\d.]+/g) || []).map(Number);
const over = (top, under) => { const a = top[3] === undefined ? 1 : top[3]; return [0, 1, 2].map(i => top[i] * a + under[i] * (1 - a)); };
const linear = value => (value /= 255) <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
const light = color => .2126 * linear(color[0]) + .7152 * linear(color[1]) + .0722 * linear(color[2]);
frame.onload = () => {
  const inside = frame.contentDocument, view = frame.contentWindow, wide = [], pale = [], small = [];
  const ground = element => {
    if (!element) return [255, 255, 255];
    const color = channel(view.getComputedStyle(element).backgroundColor);
    return color[3] === 0 ? ground(element.parentElement) : over(color, ground(element.parentElement));
  };
  for (const element of inside.body.querySelectorAll('*')) {
    const box = element.getBoundingClientRect(), style = view.getComputedStyle(element);
    const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join(' ').trim();
    const name = element.tagName + '.' + element.className + ' ' + text.slice(0, 30);
    if (box.right > WIDTH + .5 || box.left < -.5 || element.scrollWidth > element.clientWidth + 1 && style.display !== 'inline') wide.push(name);
    if (!text) continue;
    const [a, b] = [light(over(channel(style.color), ground(element))), light(ground(element))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) pale.push(name + ' ' + ((a + .05) / (b + .05)).toFixed(2));
    if (parseFloat(style.fontSize) < 12) small.push(name);
  }
  frame.height = inside.documentElement.scrollHeight;
  const dark = view.matchMedia('(prefers-color-scheme: dark)').matches;
  const asked = view.performance.getEntriesByType('resource').map(one => one.name);
  document.getElementById('result').textContent =
    JSON.stringify({asked, width: inside.documentElement.scrollWidth, height: frame.height, dark, wide, pale, small, title: inside.title});
};
</script>"""


class Site:
    """The page on an address of this machine."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                text = site.pages.get(self.path)
                self.send_response(200 if text is not None else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write((text or "").encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    assert CHROMIUM, "no browser on this machine: tools/bootstrap system"
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


def look(site: Site, folder: Path, width: int, *more: str) -> tuple[dict[str, Any], str]:
    """What the browser measures, and what its console says."""
    site.pages["/"] = FRAME.replace("WIDTH", str(width))
    words = [str(CHROMIUM), *QUIET, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000", *more]
    done = subprocess.run([*words, "--dump-dom", f"{site.url}/"], capture_output=True, text=True, check=False, timeout=120)
    found = re.search(r'<pre id="result">(\{.*?\})</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return json.loads(html.unescape(found[1])), "\n".join(console)


def faulty() -> dict[str, Any]:
    """Everything that can be on a page at once, with long words in it."""
    observed = full()
    for fault in ("image swapped", "record changed", "page broken", "unit failed", "grant added", "stranger"):
        inject(observed, fault)
    return observed


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_fits_can_be_read_and_asks_for_nothing(site: Site, tmp_path: Path, width: int, dark: bool) -> None:
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    for name, observed in (("clean", full()), ("faulty", faulty())):
        site.pages["/status.html"] = page(overview(observed, rehearsal={"seconds": 183.2, "at": "2026-11-14T02:00:00Z"}))
        measured, console = look(site, tmp_path, width, scheme)
        assert (measured["dark"], measured["width"]) == (dark, width), measured
        assert (measured["wide"], measured["pale"], measured["small"]) == ([], [], []), name
        assert console == "", name
        assert measured["asked"] == [], name
        if where := os.environ.get("STATUS_SHOTS"):
            size = f"--window-size={max(width, 500)},{measured['height']}"
            shot = f"--screenshot={where}/{name}-{width}-{'dark' if dark else 'light'}.png"
            words = [str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path / 'profile'}", scheme, "--virtual-time-budget=4000", size, shot, f"{site.url}/"]
            subprocess.run(words, capture_output=True, check=True, timeout=120)


def test_a_page_that_does_none_of_that_is_seen(site: Site, tmp_path: Path) -> None:
    """What is looked for above can be found."""
    image = '<img src="http://elsewhere.test/x.png"><img src="https://elsewhere.test/y.png"><img src="/z.png">'
    words = "<script>console.error('spoilt')</script>"
    site.pages["/status.html"] = f'{image}{words}<p style="width:500px;color:#bbb;font-size:9px">pale, small and wide</p>'
    measured, console = look(site, tmp_path, 360)
    assert [len(measured[name]) for name in ("wide", "pale", "small")] == [1, 1, 1], measured
    assert "spoilt" in console
    assert sorted(measured["asked"]) == [f"{site.url}/z.png", "http://elsewhere.test/x.png", "https://elsewhere.test/y.png"]
