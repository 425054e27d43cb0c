"""The page of a gallery, and the backends that get its images."""

import json
import re

import cv2
import numpy as np
import pytest
from mmengine.visualization import Visualizer

from capekit.errors import CapekitError
from capekit.visualization import Caption, Gallery, configured_visualizer
from capekit.visualization.gallery import pixels
from capekit.visualization.panels import make_panels, show_image

BACKENDS = ['LocalVisBackend', 'TensorboardVisBackend']


def _figure(value=128):
    figure, ((axes,),) = make_panels(1, 1)
    show_image(axes, np.full((8, 8, 3), value, np.uint8), 'title')
    return figure


def _items(page):
    return json.loads(re.search(r'<script id="items" type="application/json">(.*)</script>', page.read_text())[1])


def test_images_and_captions(tmp_path):
    gallery = Gallery(tmp_path / 'new', 'a <b> & "c"')
    path = gallery.add('1_a/b', _figure(), Caption('a/b </script>', 'worst', '3', 0.5, float('nan')))
    page = gallery.close()
    assert page == tmp_path / 'new/index.html' and path.name == '1_a_b.png' and path.is_file()
    (item,) = _items(page)
    assert item == dict(file='1_a_b.png', category='a/b </script>', group='worst', episode='3', pck=0.5, note='')
    text = page.read_text()
    assert '<title>a &lt;b&gt; &amp; &quot;c&quot;</title>' in text and '{{' not in text
    assert 'http' not in text  # nothing from the network


@pytest.mark.parametrize('backend', BACKENDS)
def test_backends_get_the_images(tmp_path, backend):
    if backend == 'TensorboardVisBackend':
        pytest.importorskip('tensorboard')
    config = dict(visualizer=dict(type='Visualizer', vis_backends=[dict(type=backend)]))
    gallery = Gallery(tmp_path, 'title', configured_visualizer(config, tmp_path))
    figures = [_figure(value) for value in (50, 200)]
    for number, figure in enumerate(figures):
        gallery.add(f'image {number}', figure, Caption('cat'))
    gallery.close()
    if backend == 'LocalVisBackend':
        for number, figure in enumerate(figures):
            image = cv2.imread(str(tmp_path / f'vis_data/vis_image/image {number}_{number}.png'))
            np.testing.assert_array_equal(image[..., ::-1], pixels(figure))
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    events = EventAccumulator(str(tmp_path / 'vis_data'))
    events.Reload()
    assert events.Tags()['images'] == ['image 0', 'image 1']


def test_a_config_without_a_visualizer(tmp_path):
    assert configured_visualizer({}, tmp_path) is None and not list(tmp_path.iterdir())
    assert not Visualizer.check_instance_created(str(tmp_path))


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(CapekitError, match='file/image.png: cannot be written'):
        Gallery(tmp_path / 'file', '').add('image', _figure(), Caption('cat'))
