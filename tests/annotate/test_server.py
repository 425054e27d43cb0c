"""What the server answers, and to whom."""

import json

import cv2
import numpy as np
import pytest
from serving import serve

ANIMAL = dict(image='frame_1.png', animal='a1', points={'k1': [3, 4, 2]}, box=None, deleted=False, origin='drawn')


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
        assert status == 303 and headers['location'] == '/' and 'HttpOnly' in headers['set-cookie']
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
    assert json.loads(page.request('GET', '/api/predictions')[1]) == dict(predictions=[])


def test_export_and_import(page, project, tmp_path_factory):
    page.request('POST', '/api/animal', ANIMAL)
    answer = json.loads(page.request('POST', '/api/export', dict(formats=['coco']))[1])
    content = page.request('GET', f'/export/{answer["files"][0]}')[1]
    assert json.loads(content)['annotations'][0]['keypoints'][:3] == [3, 4, 2]
    page.request('POST', '/api/animal', {**ANIMAL, 'deleted': True})
    text = json.loads(page.request('POST', '/api/import?name=theirs.json', content)[1])['text']
    assert text == '1 animals imported'
    assert project.state.animals['frame_1.png']['a1'].points == {'k1': [3, 4, 2]}
    assert error(page.request('POST', '/api/import?name=nonsense.json', b'{}'))
    assert 'not the name of a label file' in error(page.request('POST', '/api/import?name=..%2Fx.json', content))
