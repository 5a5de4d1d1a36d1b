# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take the pictures of README and guides from the reports that the demo left, with the Chromium of the machine."""

from __future__ import annotations

import sys
from pathlib import Path

import places
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from browser import chromium  # noqa: E402  pylint: disable=wrong-import-position

# (picture, pair of the demo, scheme, what of the page: its first screen, or the element of that id)
PICTURES = (
    ("cluster-failing", "cluster-dns-failure", "light", None),
    ("cluster-failing-resources", "cluster-dns-failure", "light", "#resources"),
    ("cluster-failing-course", "cluster-dns-failure", "light", "#course"),
    ("cluster-healthy", "cluster-healthy", "light", None),
    ("region-failing", "region-vault-access-policy", "dark", None),
    ("region-failing-resources", "region-vault-access-policy", "dark", "#resources"),
    ("region-healthy", "region-healthy", "dark", None),
)


def main() -> None:
    """Arguments: the folder of the demo, the folder for the pictures."""
    demo, folder = places.given("screenshots.py", "DEMO", "FOLDER")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = chromium(playwright)
        for name, pair, scheme, selector in PICTURES:
            page = browser.new_page(viewport={"width": 1100, "height": 860}, color_scheme=scheme)
            page.goto((demo / pair / "report.html").as_uri())
            place = str(folder / f"{name}.png")
            if selector:
                page.locator(selector).screenshot(path=place)
            else:
                page.screenshot(path=place)
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
