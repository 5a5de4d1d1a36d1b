# Copyright (c) 2026, the sre.backup_sync authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page in a real browser: readable by everybody, sound in itself, and inert whatever stands in the evidence."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import harness
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import chromium
from playwright.sync_api import Browser, Page, sync_playwright

from ansible_collections.sre.backup_sync.plugins.plugin_utils._report.html import html
from ansible_collections.sre.backup_sync.tests.unit.plugins.plugin_utils._report.hostile import (
    BUNDLE,
    DIAGNOSIS,
    HOSTILE,
    hostile,
    hostile_bundle,
)

# One browser for all of them, so all of them on one worker.
pytestmark = pytest.mark.xdist_group("page")

WHEN = "2026-11-21T23:30:00Z"
WIDTHS = {"desk": 1180, "phone": 390}
PAIRS = [("cluster", "dns-failure"), ("cluster", "healthy"), ("region", "vault-access-policy"), ("region", "healthy")]


@pytest.fixture(scope="module")
def browser() -> t.Iterator[Browser]:
    """The Chromium of the machine."""
    with sync_playwright() as playwright:
        started = chromium(playwright)
        yield started
        started.close()


@pytest.fixture(scope="module", params=PAIRS, ids="-".join)
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that a run of a scenario left."""
    kind, name = request.param
    folder = tmp_path_factory.mktemp(name)
    described = harness.scenario(name, kind)
    with harness.lab(harness.scenario_file(name, kind), folder / "lab") as lab:
        values = {**harness.variables(lab.info, described, folder / "report"), "sync_report_formats": ["html", "json"]}
        run = harness.play(folder / "run", values)
    assert run.code == 0, run.output[-3000:]
    return next((folder / "report").iterdir()) / "report.html"


class Watched:
    """A page, and all that it did besides being shown."""

    def __init__(self, browser: Browser, file: Path, *, scheme: str = "light", width: int = WIDTHS["desk"]) -> None:
        self.did: list[str] = []
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        self.page.on("console", lambda message: self.did.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.did.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.did.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.did.append(f"request: {request.url}"))
        self.page.goto(file.as_uri())
        assert self.did.pop(0) == f"request: {file.as_uri()}"

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *dummy: t.Any) -> None:
        self.page.close()

    def open_all(self) -> None:
        """Unfold everything, as a reader may."""
        self.page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")


def _written(folder: Path, text: str) -> Path:
    file = folder / "report.html"
    file.write_text(text, encoding="utf-8", errors="backslashreplace")
    return file


def _violations(page: Page) -> list[str]:
    found = Axe().run(page).response
    assert len(found["passes"]) > 15  # it did look
    return [f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


def _texts_that_overlap(page: Page) -> list[str]:
    return page.evaluate(
        """() => [...document.querySelectorAll('svg')].flatMap(svg => {
            const boxes = [...svg.querySelectorAll('text')].map(one => [one.textContent, one.getBoundingClientRect()]);
            return boxes.flatMap(([name, a], at) => boxes.slice(at + 1).filter(([other, b]) =>
                a.right > b.left + 1 && b.right > a.left + 1 && a.bottom > b.top + 3 && b.bottom > a.top + 3
            ).map(([other]) => name + ' / ' + other));
        })"""
    )


# ------------------------------------------------------------------------------------------------- what a run leaves


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_it(browser: Browser, report: Path, scheme: str, width: str) -> None:
    with Watched(browser, report, scheme=scheme, width=WIDTHS[width]) as watched:
        watched.open_all()
        assert _violations(watched.page) == []
        assert watched.did == []


def test_the_check_sees_what_is_wrong(browser: Browser, report: Path, tmp_path: Path) -> None:
    spoilt = report.read_text().replace('<html lang="en">', "<html>").replace("--soft: #566072", "--soft: #d5dae2")
    digest = spoilt.index("sha256-")
    spoilt = spoilt[:digest] + "x" + spoilt[digest + 1 :]
    with Watched(browser, _written(tmp_path, spoilt.replace("'xha256-", "'unsafe-inline' 'xha256-"))) as watched:
        names = {found.split()[0] for found in _violations(watched.page)}
    assert {"html-has-lang", "color-contrast"} <= names


def test_every_link_leads_to_something_in_the_file(browser: Browser, report: Path) -> None:
    with Watched(browser, report) as watched:
        links = watched.page.locator("a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        assert len(links) > 5
        for link in sorted(set(links)):
            assert link.startswith("#") and watched.page.locator(link).count() == 1, link
        assert watched.did == []


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_runs_out_of_the_page_or_over_other_words(browser: Browser, report: Path, width: str) -> None:
    with Watched(browser, report, width=WIDTHS[width]) as watched:
        watched.open_all()
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[width]
        assert _texts_that_overlap(watched.page) == []


def test_it_is_used_with_the_keyboard(browser: Browser, report: Path) -> None:
    with Watched(browser, report) as watched:
        watched.page.keyboard.press("Tab")
        assert watched.page.evaluate("document.activeElement.textContent") == "To the answer"
        watched.page.keyboard.press("Enter")
        assert watched.page.url.endswith("#answer")
        summary = watched.page.locator("#findings summary").first
        summary.focus()
        watched.page.keyboard.press("Enter")
        assert summary.evaluate("one => one.parentElement.open")


def test_a_printed_page_is_unfolded(browser: Browser, report: Path) -> None:
    with Watched(browser, report) as watched:
        words = watched.page.locator("#findings details .in p").first
        assert not words.is_visible()
        watched.page.emulate_media(media="print")
        assert words.is_visible() and not watched.page.locator("nav").is_visible()
        assert not watched.page.locator("details.raw .in").first.is_visible()
        assert watched.page.pdf().startswith(b"%PDF")


# ------------------------------------------------------------------------------------------- what may stand in a page


@pytest.mark.parametrize("name", [*HOSTILE, "ten megabytes"])
def test_hostile_evidence_is_inert(browser: Browser, name: str, tmp_path: Path) -> None:
    text = HOSTILE.get(name) or "<b>word</b> " * 900_000
    file = _written(tmp_path, html(hostile(text), hostile_bundle(text), gathered_at=WHEN, where=text))
    with Watched(browser, file) as watched:
        watched.open_all()
        watched.page.mouse.move(300, 300)
        for tag in ("script", "img", "b", "svg[onload]", "[onmouseover]", "iframe"):
            assert watched.page.locator(tag).count() == 0, tag
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["desk"]
        assert watched.page.locator("h1").is_visible() and watched.page.locator("footer").is_visible()
        shown = " ".join("".join(char if char.isprintable() else " " for char in text[:200]).split())[:150]
        assert shown in " ".join(watched.page.locator("main").inner_text().split())
        assert watched.did == []


def test_the_policy_of_the_page_stops_what_would_get_in(browser: Browser, tmp_path: Path) -> None:
    text = html(DIAGNOSIS, BUNDLE, gathered_at=WHEN).replace("</main>", "<script>document.title = 'ran'</script><img src='https://evil.example/x.png'></main>")
    with Watched(browser, _written(tmp_path, text)) as watched:
        assert watched.page.title().startswith("FAILING")
        blocked = [did for did in watched.did if did.endswith("The action has been blocked.")]
        # the browser tells of the request before its policy stops it
        assert len(blocked) == 2 and set(watched.did) - set(blocked) == {"request: https://evil.example/x.png"}


def test_a_thousand_resources_stay_readable(browser: Browser, tmp_path: Path) -> None:
    told, bundle = copy.deepcopy(DIAGNOSIS), copy.deepcopy(BUNDLE)
    names = [f"arn:aws:ec2:eu-west-1:111122223333:volume/vol-{number:017x}" for number in range(1000)]
    points = bundle["evidence"]["recovery_points"]
    lags, verdicts = bundle["evidence"]["copy_lag"]["resources"][0], points["timeline"][0]["verdicts"]
    told["dr_readiness"]["resources"] = [
        {"resource": name, "verdict": "not_ready", "exposure_s": 90000 - number, "newest_matched_at": "2026-11-21T17:00:00Z"}
        for number, name in enumerate(names)
    ]
    points["timeline"] = [{"resource": name, "verdicts": verdicts} for name in names]
    bundle["evidence"]["copy_lag"]["resources"] = [{**lags, "resource": name} for name in names]
    with Watched(browser, _written(tmp_path, html(told, bundle, gathered_at=WHEN))) as watched:
        assert watched.page.locator("#resources tbody tr").count() == 1000
        assert watched.page.evaluate("document.documentElement.scrollWidth") <= WIDTHS["desk"]
        assert _texts_that_overlap(watched.page) == []
        # the answer, not the list, is what one sees first
        assert watched.page.locator(".cause").bounding_box()["y"] < 400
        assert _violations(watched.page) == []
