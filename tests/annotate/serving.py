"""The page's server in a thread."""

import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import uvicorn

from capekit.annotate.guard import Guard
from capekit.annotate.jobs import Jobs
from capekit.annotate.server import create_app


@contextmanager
def serve(project, host='127.0.0.1', token=None, max_bytes=50_000_000, port=0):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(('127.0.0.1', port))
    listener.listen()
    port = listener.getsockname()[1]
    guard = Guard(create_app(project, Jobs(project)), host, port, token, max_bytes)
    server = uvicorn.Server(uvicorn.Config(guard, log_level='error', timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs=dict(sockets=[listener]), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def request(method, path, body=None, **headers):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=10)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        own = {'X-Capekit': '1'} if method != 'GET' else {}
        names = {key.replace('_', '-'): value for key, value in headers.items()}
        sent = {key: value for key, value in {**own, **names}.items() if value is not None}
        connection.request(method, path, content, sent)
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    yield SimpleNamespace(request=request, port=port, url=f'http://127.0.0.1:{port}/')
    server.should_exit = True
    thread.join()


def record(image, animal, x, **changes):
    """A prediction as the page keeps it, of an animal whose box starts at x."""
    return {**dict(image=image, animal=animal, box=[x, 0, 20, 20], found='found', rank=1, reason='', random=False,
                   points={'k1': [x + 3, 10, 2], 'k2': [x + 5, 5, 2]}, scores={'k1': .5, 'k2': .5},
                   errors={'k1': None, 'k2': None}), **changes}
