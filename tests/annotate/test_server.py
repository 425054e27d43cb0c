"""What the server answers, and to whom."""

import io
import json
import os
import socket

import cv2
import numpy as np
import pytest
from PIL import Image
from serving import record, serve

from capekit.datasets.images import read_image
from capekit.files import write_json

ANIMAL = dict(image='frame_1.png', animal='a1', points={'k1': [3, 4, 2]}, box=None, deleted=False, origin='drawn',
              revision=0)


def error(answer) -> str:
    status, body, _ = answer
    assert status >= 400
    return json.loads(body)['error']


def test_the_project_as_the_page_reads_it(page, project):
    assert page.request('POST', '/api/animal', ANIMAL)[0] == 200
    project.folder.joinpath('broken.png').write_bytes(b'nothing')
    status, body, headers = page.request('GET', '/api/project')
    content = json.loads(body)
    assert status == 200 and headers['content-security-policy'].startswith("default-src 'self'")
    names = [image['name'] for image in content['images']]
    assert names == ['broken.png', 'frame_1.png', 'frame_2.png', 'frame_10.png']
    assert content['images'][0]['problem'] and content['images'][1]['width'] == 60
    assert content['animals'] == {'frame_1.png': {'a1': dict(points={'k1': [3, 4, 2]}, box=None, origin='drawn')}}


def test_images_by_name_and_nothing_else(page, project):
    assert page.request('GET', '/image/frame_1.png')[1] == (project.folder / 'frame_1.png').read_bytes()
    for path in ('/image/..%2Fsecret.png', '/image/capekit%2Fchanges.jsonl', '/image/%2Fetc%2Fpasswd',
                 '/image/changes.jsonl',
                 '/static/..%2Fserver.py', '/static/%2e%2e/server.py', '/export/..%2Fchanges.jsonl'):
        status, body, _ = page.request('GET', path)
        assert status in (400, 404) and b'schema' not in body and b'root:' not in body and b'import' not in body, path


def test_other_types_are_shown_as_png(page, project):
    cv2.imwrite(str(project.folder / 'scan.tif'), np.full((6, 8, 3), 50, np.uint8))
    status, body, headers = page.request('GET', '/image/scan.tif')
    assert status == 200 and headers['content-type'] == 'image/png' and body[:4] == b'\x89PNG'


@pytest.mark.parametrize('headers', [
    dict(Origin='https://elsewhere.example'), dict(Origin='null'), dict(Sec_Fetch_Site='cross-site'),
    dict(Sec_Fetch_Site='same-site'), dict(X_Capekit=None), dict(Host='elsewhere.example:80')])
def test_changes_that_another_site_asks_for(page, project, headers):
    before = project.state.animals.copy()
    assert page.request('POST', '/api/animal', ANIMAL, **headers)[0] == 403
    assert project.state.animals == before


def test_another_site_reads_nothing_but_may_link_to_the_page(page):
    assert page.request('GET', '/api/project', Sec_Fetch_Site='cross-site', Sec_Fetch_Mode='cors')[0] == 403
    assert page.request('GET', '/image/frame_1.png', Sec_Fetch_Site='cross-site', Sec_Fetch_Mode='no-cors')[0] == 403
    assert page.request('GET', '/api/project', Host='elsewhere.example')[0] == 403
    assert page.request('GET', '/', Sec_Fetch_Site='cross-site', Sec_Fetch_Mode='navigate')[0] == 200


def test_elsewhere_than_on_this_machine_a_token_is_needed(project):
    with serve(project, host='0.0.0.0', token='sesame') as page:
        assert page.request('GET', '/')[0] == 403 and page.request('GET', '/?token=wrong')[0] == 403
        assert page.request('GET', '/api/project', Cookie='capekit_token=wrong')[0] == 403
        status, _, headers = page.request('GET', '/?token=sesame')
        assert status == 303 and headers['location'] == '/'
        assert 'HttpOnly; Path=/; SameSite=lax' in headers['set-cookie']
        cookie = headers['set-cookie'].split(';')[0]
        assert page.request('GET', '/api/project', Cookie=cookie)[0] == 200


@pytest.mark.parametrize('body', [b'', b'nonsense', b'[]', b'{}', b'{"image": 3}',
                                  json.dumps({**ANIMAL, 'more': 1}).encode(),
                                  json.dumps({**ANIMAL, 'points': []}).encode(), b'{"a":' * 2000,
                                  json.dumps({**ANIMAL, 'points': {'k1': [3, float('inf'), 2]}}).encode()])
def test_bodies_that_the_page_would_not_send(page, body):
    assert error(page.request('POST', '/api/animal', body))
    assert page.request('GET', '/api/project')[0] == 200


def test_uploads_are_images_of_bounded_size_and_overwrite_nothing(project):
    png = cv2.imencode('.png', np.zeros((5, 5, 3), np.uint8))[1].tobytes()
    with serve(project, max_bytes=10_000) as page:
        assert page.request('PUT', '/api/upload/new%20one.png', png)[0] == 200
        assert 'already in the folder' in error(page.request('PUT', '/api/upload/frame_1.png', png))
        assert 'not an image file name' in error(page.request('PUT', '/api/upload/evil.html', png))
        assert page.request('PUT', '/api/upload/..%2Fup.png', png)[0] in (400, 404, 405)
        assert 'not a readable image' in error(page.request('PUT', '/api/upload/fake.png', b'<html>'))
        assert page.request('PUT', '/api/upload/large.png', png + bytes(10_000))[0] == 413
    assert sorted(path.name for path in project.folder.iterdir()) == [
        'capekit', 'frame_1.png', 'frame_10.png', 'frame_2.png', 'new one.png']


def test_what_needs_a_model_says_so(page):
    answer = page.request('POST', '/api/job/predict', dict(boxes='find', animals=1))
    assert 'adapt to the labelled images first' in error(answer)
    assert 'nothing is labelled yet' in error(page.request('POST', '/api/job/adapt', dict(seconds=1)))
    assert 'one of find, drawn, whole' in error(page.request('POST', '/api/job/try', dict(boxes='x', animals=1)))
    assert 'no job' in error(page.request('POST', '/api/job/other', {}))
    assert json.loads(page.request('GET', '/api/predictions')[1]) == dict(predictions=[], round=0)


def test_export_and_import(page, project, tmp_path_factory):
    page.request('POST', '/api/animal', ANIMAL)
    answer = json.loads(page.request('POST', '/api/export', dict(formats=['coco']))[1])
    content = page.request('GET', f'/export/{answer["files"][0]}')[1]
    assert json.loads(content)['annotations'][0]['keypoints'][:3] == [3, 4, 2]
    page.request('POST', '/api/animal', {**ANIMAL, 'deleted': True, 'revision': 1})
    text = json.loads(page.request('POST', '/api/import?name=theirs.json', content)[1])['text']
    assert text == '1 animals imported'
    assert project.state.animals['frame_1.png']['a1'].points == {'k1': [3, 4, 2]}
    assert error(page.request('POST', '/api/import?name=nonsense.json', b'{}'))
    assert 'not the name of a label file' in error(page.request('POST', '/api/import?name=..%2Fx.json', content))


def test_a_stale_change_is_refused_and_one_that_is_sent_twice_is_not(page, project):
    assert json.loads(page.request('POST', '/api/animal', ANIMAL)[1]) == dict(revision=1)
    other = {**ANIMAL, 'points': {'k2': [9, 9, 2]}}
    status, body, _ = page.request('POST', '/api/animal', other)
    assert status == 409 and json.loads(body)['error'].startswith('frame_1.png, animal a1: changed elsewhere')
    assert json.loads(page.request('POST', '/api/animal', ANIMAL)[1]) == dict(revision=1)  # whose answer was lost
    assert project.state.animals['frame_1.png']['a1'].points == ANIMAL['points']
    assert json.loads(page.request('POST', '/api/animal', {**other, 'revision': 1})[1]) == dict(revision=2)
    assert json.loads(page.request('GET', '/api/project')[1])['revisions'] == {'frame_1.png': {'a1': 2}}


def test_new_keypoints_get_their_ids_from_the_server(page, project):
    def add(name, revision):
        keypoints = [*project.state.keypoints, dict(id=None, name=name)]
        return page.request('POST', '/api/schema', dict(category='mouse', keypoints=keypoints, links=[], pairs=[],
                                                        revision=revision))
    answer = json.loads(add('ear', 1)[1])
    assert answer['schema_revision'] == 2 and answer['keypoints'][-1] == dict(id='k3', name='ear')
    assert add('paw', 1)[0] == 409 and [item['name'] for item in project.state.keypoints][-1] == 'ear'
    assert json.loads(add('paw', 2)[1])['keypoints'][-1] == dict(id='k4', name='paw')


def test_a_decision_and_its_animal_are_one_change(page, project):
    review = dict(image='frame_1.png', animal='p1', decision='accept', points={'k1': [-3.25, 10, 2], 'k2': [5, 5, 2]},
                  box=[0, 0, 60, 40], revision=0, round=0)
    assert error(page.request('POST', '/api/review', {**review, 'box': [0, 0, 0, 40]}))
    assert not project.state.decisions and not project.state.animals
    assert json.loads(page.request('POST', '/api/review', review)[1]) == dict(revision=1)
    animal = project.state.animals['frame_1.png']['p1']
    assert animal.points == {'k1': [-3.25, 10, 1], 'k2': [5, 5, 2]} and animal.origin == 'accepted'
    assert project.state.decisions == {'frame_1.png': {'p1': 'accept'}}
    assert page.request('POST', '/api/review', {**review, 'decision': 'reject'})[0] == 409
    assert page.request('POST', '/api/review', {**review, 'decision': 'reject', 'revision': 1})[0] == 200
    assert project.state.animals == {'frame_1.png': {}}
    project.forget_decisions()
    assert 'predicted again' in error(page.request('POST', '/api/review', {**review, 'revision': 2}))
    write_json(project.own / 'predict.json', [record('frame_1.png', 'p1', 0)])
    assert json.loads(page.request('GET', '/api/predictions')[1])['round'] == 1


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'tif', 'bmp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_the_picture_that_is_shown_is_the_one_that_is_read(page, project, suffix, orientation):
    """Chromium turns JPEG and PNG as `read_image` does; others come decoded, so that nothing is left to turn."""
    exif, path = Image.Exif(), project.folder / f'turned.{suffix}'
    exif[0x0112] = orientation
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[:10, :20] = 255
    Image.fromarray(stored).save(path, **({} if suffix == 'bmp' else dict(exif=exif)))
    status, body, headers = page.request('GET', f'/image/{path.name}')
    read = read_image(str(path))
    assert status == 200 and project.size(path.name) == read.shape[1::-1]
    if suffix in ('webp', 'tif'):
        assert headers['content-type'] == 'image/png' and not Image.open(io.BytesIO(body)).getexif()
        assert np.array_equal(np.array(Image.open(io.BytesIO(body))), read)
    else:
        assert body == path.read_bytes()


def test_what_is_shown_goes_by_the_content(page, project):
    Image.new('RGB', (8, 6)).save(project.folder / 'really_webp.png', 'webp')
    assert page.request('GET', '/image/really_webp.png')[1][:4] == b'\x89PNG'


SCHEMA = dict(category='mouse', keypoints=[], links=[], pairs=[], revision=1)
REVIEW = dict(image='frame_1.png', animal='p1', decision='reject', points={}, box=None, revision=0, round=0)


@pytest.mark.parametrize(('path', 'body'), [
    ('schema', {**SCHEMA, 'category': '\ud800'}), ('schema', {**SCHEMA, 'keypoints': [dict(id='\ud800', name='x')]}),
    ('schema', {**SCHEMA, 'keypoints': [dict(id=None, name='\ud800')]}), ('schema', {**SCHEMA, 'keypoints': [{}]}),
    ('review', {**REVIEW, 'animal': '\ud800'}), ('review', {**REVIEW, 'image': '\ud800.png'}),
    ('review', {**REVIEW, 'image': 'x' * 300 + '.png'}), ('review', {**REVIEW, 'decision': '\ud800'}),
    ('animal', {**ANIMAL, 'points': {'k1': [10 ** 400, 1, 2]}}), ('animal', {**ANIMAL, 'box': [0, 0, 10 ** 400, 1]}),
    ('animal', {**ANIMAL, 'points': {'k1': [1, 1e300, 1]}}), ('animal', {**ANIMAL, 'points': {'\ud800': [1, 1, 2]}}),
    ('animal', {**ANIMAL, 'image': 'x\0.png'}), ('job/adapt', dict(seconds=10 ** 400)), ('export', dict(formats=[[]])),
    ('export', dict(formats=['\ud800']))])
def test_no_text_or_number_breaks_the_server(page, project, path, body):
    assert error(page.request('POST', f'/api/{path}', body)).isprintable()
    assert page.request('GET', '/api/project')[0] == 200 and len(project.state.keypoints) == 2


def test_a_file_name_that_is_not_utf8_is_named(page, project):
    with open(os.fsencode(project.folder) + b'/\xe9.png', 'wb') as file:
        file.write((project.folder / 'frame_1.png').read_bytes())
    status, body, _ = page.request('GET', '/api/project')
    image = json.loads(body)['images'][-1]
    assert status == 200 and image['name'] == '\\udce9.png' and 'not UTF-8' in image['problem']
    assert len(project.images()) == 3


def test_foreign_cookies_do_not_matter(project):
    with serve(project, host='0.0.0.0', token='sesame') as page:
        assert page.request('GET', '/api/project', Cookie='a,b=c; capekit_token=sesame')[0] == 200
        assert page.request('GET', '/api/project', Cookie='a,b=c')[0] == 403


def test_a_body_that_does_not_state_its_length_is_bounded_too(project):
    with serve(project, max_bytes=1000) as page:
        connection = socket.create_connection(('127.0.0.1', page.port), timeout=10)
        connection.sendall(f'PUT /api/upload/big.png HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nX-Capekit: 1\r\n'
                           f'Transfer-Encoding: chunked\r\n\r\n7d0\r\n{"x" * 2000}\r\n0\r\n\r\n'.encode())
        assert connection.recv(300).startswith(b'HTTP/1.1 413 ')
        connection.close()
    assert not (project.folder / 'big.png').exists()


def test_unknown_routes_answer_in_json(page):
    assert error(page.request('GET', '/api/nothing')) and error(page.request('GET', '/api/animal'))
