"""Files that are whole or absent, and outputs that are refused before anything is computed."""

import os

import pytest

from capekit.errors import CapekitError
from capekit.files import atomic_write, check_writable, read_json, read_json_lines, remove_partial


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / 'deep' / 'file'
    with atomic_write(path) as file:
        file.write(b'whole')
    with pytest.raises(KeyError), atomic_write(path) as file:
        file.write(b'ha')
        raise KeyError
    assert path.read_bytes() == b'whole' and os.listdir(path.parent) == ['file']


def test_what_a_killed_process_leaves_is_removed_and_nothing_else(tmp_path):
    for name in ('.file.abc.partial', 'set.partial', '.hidden'):
        (tmp_path / name).write_text('x')
    (tmp_path / '.folder.partial').mkdir()
    remove_partial(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ['.folder.partial', '.hidden', 'set.partial']


def test_paths_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / 'file').write_text('x')
    for path, folder in ((tmp_path, False), (tmp_path / 'file' / 'deep' / 'x', False), (tmp_path / ('n' * 300), False),
                         (tmp_path / 'file', True), ('/proc/none/x', False), ('a\0b', False), ('', False)):
        with pytest.raises(CapekitError, match='--out .*cannot be written'):
            check_writable(path, '--out', folder)
    for path, folder in ((tmp_path / 'file', False), (tmp_path / 'new' / 'deep' / 'x', False), (tmp_path, True),
                         (tmp_path / 'new' / 'folder', True)):
        check_writable(path, '--out', folder)
    assert os.listdir(tmp_path) == ['file']


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'cannot be read [(]No such file'), (b'{"a":\n }', 'invalid JSON at line 2, column 2: Expecting value'),
    (b'', 'invalid JSON at line 1'), (b'\xff\xfe{', 'invalid JSON [(].*utf-8'),
    (b'[' * 10 ** 5, 'invalid JSON [(].*recursion')], ids=['missing', 'incomplete', 'empty', 'not UTF-8', 'deep'])
def test_a_json_file_that_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / 'some.json'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CapekitError, match=f'some.json: {message}'):
        read_json(path)


def test_a_byte_order_mark_is_no_content(tmp_path):
    (tmp_path / 'some.json').write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json(tmp_path / 'some.json') == {'a': 1}


def test_a_line_that_is_not_json_is_named(tmp_path):
    path = tmp_path / 'some.json'
    path.write_text('{"a": 1}\n[2]\n')
    assert read_json_lines(path) == [{'a': 1}, [2]]
    for line, message in (('{"a', 'invalid JSON at line 1, column 2'), ('[' * 10 ** 5, 'invalid JSON [(].*recursion')):
        path.write_text(f'{{"a": 1}}\n{line}\n')
        with pytest.raises(CapekitError, match=f'some.json, line 2: {message}'):
            read_json_lines(path)
    with pytest.raises(CapekitError, match='none: cannot be read'):
        read_json_lines(tmp_path / 'none')
