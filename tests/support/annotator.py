"""An annotator at the browser: a page object for Label Studio's interface (selectors of version 1.23)."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, Response, expect, sync_playwright
from tests.support.waiting import PATIENCE

CHROMIUM = "/usr/bin/chromium"
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_SUBMIT = 'button[aria-label="Submit current annotation"]'
_UPDATE = 'button[aria-label="submit"]'  # shown once the annotation is stored, with the text Update
_PATIENCE = 1000 * PATIENCE  # milliseconds


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium (Debian's, installed when missing) without any traffic of its own."""
    if not Path(CHROMIUM).exists():
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *arguments], env=environment, stdout=subprocess.DEVNULL, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Annotator:
    """One logged-in person in a browser context of their own."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url.rstrip("/")
        self._context = browser.new_context(viewport={"width": 1400, "height": 900})
        self._context.set_default_timeout(_PATIENCE)
        self.page: Page = self._context.new_page()

    def close(self) -> None:
        """Close the person's pages."""
        self._context.close()

    def log_in(self, email: str, password: str) -> None:
        """Log in with the form and wait for the start page."""
        self.page.goto(f"{self.url}/user/login/")
        self.page.fill("#email", email)
        self.page.fill("#password", password)
        self.page.click('button[aria-label="Log In"]')
        self.page.wait_for_url(lambda url: "/user/login" not in url)

    # One task, opened from the Data Manager

    def open_task(self, project: int, task: int) -> None:
        """Open a task and wait until its choices are shown."""
        self.page.goto(f"{self.url}/projects/{project}/data?task={task}")
        self._choices().first.wait_for(state="attached")

    def selected_choices(self) -> list[str]:
        """The choices that are ticked now, whether by the annotator or by a prediction."""
        return [str(choice.get_attribute("name")) for choice in self._choices().all() if choice.is_checked()]

    def wait_for_preselection(self) -> list[str]:
        """Wait until a prediction has ticked something, and give what it ticked."""
        expect(self.page.locator(".lsf-choices input:checked").first).to_be_attached(timeout=_PATIENCE)
        return self.selected_choices()

    def wait_for_shown_version(self, version: str) -> None:
        """Wait until a tab of the predictions tells this version, which Label Studio shortens in the middle."""
        shortened = re.compile(f"{re.escape(version[:8])}.*{re.escape(version[-6:])}", re.DOTALL)
        expect(self.page.locator(".lsf-annotations-carousel").first).to_contain_text(shortened, timeout=_PATIENCE)

    def choose(self, label: str) -> None:
        """Make `label` the only ticked choice of a single-choice control."""
        box = self.page.locator(f'.lsf-choices input[name="{label}"]')
        if not box.is_checked():
            box.click(force=True)
        expect(box).to_be_checked(timeout=_PATIENCE)

    def submit(self) -> int:
        """Press Submit; gives the id of the annotation that Label Studio stored."""
        with self.page.expect_response(lambda answer: _stores(answer, "POST")) as waited:
            self.page.click(_SUBMIT)
        self.page.locator(_UPDATE).wait_for()
        return int(waited.value.json()["id"])

    def update(self) -> None:
        """Press Update, after something of a stored annotation was changed."""
        with self.page.expect_response(lambda answer: _stores(answer, "PATCH")) as waited:
            self.page.click(_UPDATE)
        assert waited.value.ok, waited.value.text()

    # The label stream

    def start_label_stream(self, project: int) -> None:
        """Press Label All Tasks, so to speak: tasks come one after the other."""
        self.page.goto(f"{self.url}/projects/{project}/data?labeling=1")
        self._choices().first.wait_for(state="attached")

    def submit_in_stream(self, label: str) -> None:
        """Choose a label for the task on screen, submit, and wait for the next one."""
        self.choose(label)
        self._go_on(_SUBMIT)

    def skip_in_stream(self) -> None:
        """Skip the task on screen and wait for the next one."""
        self._go_on('button[aria-label="skip-task"]')

    def _go_on(self, button: str) -> None:
        with self.page.expect_response(lambda answer: "id=next_task" in answer.url) as waited:
            self.page.click(button)
        # The answered task stays on screen for a while: its boxes must not be taken for those of the next.
        shown = self.page.locator(".lsf-current-task__task-id").first
        following = re.compile(rf"^\s*{waited.value.json()['id']}\b")
        expect(shown).to_have_text(following, use_inner_text=True, timeout=_PATIENCE)
        expect(self.page.locator(button)).to_be_enabled(timeout=_PATIENCE)

    # Settings > Model

    def open_model_settings(self, project: int) -> None:
        """Open the page that shows the project's ML backends."""
        self.page.goto(f"{self.url}/projects/{project}/settings/ml")
        self.page.locator(".lsf-backend-card").first.wait_for()

    def backend_card(self) -> Locator:
        """The card of the project's backend."""
        return self.page.locator(".lsf-backend-card").first

    def wait_for_backend_state(self, state: str) -> None:
        """Wait until the card says that of the connection, for example `Connected`; Label Studio asks for it again."""
        expect(self.page.locator(".lsf-ml__status-label").first).to_have_text(state, timeout=_PATIENCE)

    def press_start_training(self) -> None:
        """Choose Start Training in the card's menu and confirm."""
        self.page.click('button[aria-label="Machine learning model options"]')
        self.page.get_by_text("Start Training", exact=True).first.click()
        with self.page.expect_response(lambda answer: answer.request.method == "POST" and "/train" in answer.url):
            self.page.get_by_role("button", name="Start Training").last.click()

    # Parts of the page

    def _choices(self) -> Locator:
        return self.page.locator(".lsf-choices input")


def _stores(answer: Response, method: str) -> bool:
    return answer.request.method == method and "/annotations" in answer.url
