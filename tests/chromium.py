"""A headless Chromium for tests of pages; a test module that imports this is skipped without it."""

import shutil
from contextlib import contextmanager

import pytest

sync_api = pytest.importorskip('playwright.sync_api', reason='tests of the page need it: pip install playwright')
CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
needs_chromium = pytest.mark.skipif(CHROMIUM is None,
                                    reason='the tests of the page need a Chromium: apt install chromium')


@contextmanager
def chromium():
    """A browser, while the block runs."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield browser
        browser.close()
