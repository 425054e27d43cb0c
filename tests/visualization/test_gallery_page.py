"""The page of a gallery in a real browser, opened as a file: sorting, leafing, filters, links."""

import numpy as np
import pytest
from chromium import chromium, needs_chromium

from capekit.visualization import Caption, Gallery
from capekit.visualization.panels import make_panels, show_image

pytestmark = needs_chromium
ERRORS = {'worst of <b>a</b>': 0.5, 'best of a': 0.1, 'worst of b': 0.7, 'no error': None}


@pytest.fixture
def page(tmp_path):
    gallery = Gallery(tmp_path / 'a folder', 'see <i>this</i>')
    for number, (category, error) in enumerate(ERRORS.items()):
        figure, ((axes,),) = make_panels(1, 1)
        show_image(axes, np.full((8, 8, 3), 60 * number, np.uint8), category)
        gallery.add(f'{number} #1', figure, Caption(category, category.split()[0], f'{number}, query 2', 0.25, error,
                                                    'worst keypoint: tail'))
    return gallery.close().as_uri()


@pytest.fixture
def tab():
    with chromium() as browser:
        context = browser.new_context(viewport=dict(width=1000, height=700), offline=True)
        tab, faults = context.new_page(), []
        tab.on('pageerror', lambda error: faults.append(str(error)))
        tab.on('requestfailed', lambda request: faults.append(request.url))
        yield tab
        assert not faults


def test_leafing_through(page, tab):
    def shown():
        assert tab.evaluate("document.getElementById('image').decode().then(() => true)")
        return tab.locator('#caption dd').all_text_contents()
    tab.goto(page)
    assert tab.title() == 'see <i>this</i>'
    assert shown() == ['worst of b', 'worst', '2, query 2', '25', '0.700', 'worst keypoint: tail']
    tab.keyboard.press('ArrowLeft')
    assert shown()[0] == 'worst of b'
    tab.keyboard.press('ArrowRight')
    assert shown()[0] == 'worst of <b>a</b>' and '2 of 4' in tab.locator('#place').inner_text()
    link = tab.url
    tab.keyboard.press('End')
    assert shown() == ['no error', 'no', '3, query 2', '25', 'worst keypoint: tail']
    tab.locator('#previous').click()
    assert shown()[0] == 'best of a'
    tab.locator('#strip button').first.click()
    assert shown()[0] == 'worst of b'
    tab.get_by_label('Show').select_option('best')
    assert shown()[0] == 'best of a' and tab.locator('#strip button').count() == 1
    assert tab.locator('#next').is_disabled()
    tab.get_by_label('Category').select_option('worst of b')
    assert tab.locator('#place').inner_text() == 'nothing to show' and not tab.locator('#image').is_visible()
    tab.goto('about:blank')
    tab.goto(link)
    assert shown()[0] == 'worst of <b>a</b>'
