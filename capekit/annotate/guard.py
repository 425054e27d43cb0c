"""Who may talk to the page's server: this page, from this machine or with the token, in requests of bounded size."""

import hmac
import json
import os
import secrets
from pathlib import Path
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse

from capekit.errors import CapekitError

LOOPBACK = ('127.0.0.1', 'localhost', '::1')
COOKIE = 'capekit_token'
TOKEN_LENGTH = 32
HEADERS = {
    'Content-Security-Policy': "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
                               "form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer', 'X-Frame-Options': 'DENY',
    'Cross-Origin-Resource-Policy': 'same-origin', 'Cache-Control': 'no-store'}


class Answer(JSONResponse):
    """JSON in ASCII, which also holds what a file name or a message may have of text that is not Unicode."""

    def render(self, content) -> bytes:
        return json.dumps(content, allow_nan=False).encode()


def kept_token(path: Path) -> str:
    """The token of a project, the same after a restart, so that open pages can go on; made where nobody else has it.

    Raises:
        CapekitError: the file cannot be read or written.
    """
    try:
        if path.is_file() and not path.is_symlink() and not path.stat().st_mode & 0o077:
            token = path.read_text('ascii', 'replace')
            if len(token) == TOKEN_LENGTH:
                return token
        path.unlink(missing_ok=True)
        token = secrets.token_urlsafe(TOKEN_LENGTH * 3 // 4)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 'w') as file:
            file.write(token)
        return token
    except OSError as error:
        raise CapekitError(f'{path}: cannot be written ({error.strerror})') from None


class Guard:
    """ASGI middleware that refuses what does not come from the page itself.

    - The `Host` must be the address that the server was started on. A page of another site whose name was made to point
      to this machine (DNS rebinding) has another one.
    - A request that another site's page sends (`Sec-Fetch-Site`, `Origin`) is refused; opening the page itself is not.
    - A request that changes something needs the header `X-Capekit`, which no form of another site can send.
    - With a token, every request needs its cookie; `/?token=...` sets it.
    - A body over `max_bytes` is refused before it is read, or while it is read if it does not state its length.

    Args:
        app: the application behind.
        host, port: where the server listens.
        token: None lets everyone on the machine in.
        max_bytes: of a request's body.
    """

    def __init__(self, app, host: str, port: int, token: str | None, max_bytes: int = 50_000_000):
        names = LOOPBACK if host in LOOPBACK else None
        self.app, self.token, self.max_bytes = app, token, max_bytes
        self.hosts = names and {f'[{name}]:{port}' if ':' in name else f'{name}:{port}' for name in names}

    async def __call__(self, scope, receive, send):
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return
        headers = {key.decode('latin-1'): value.decode('latin-1') for key, value in scope['headers']}
        response = self._refusal(scope, headers)
        if response is not None:
            await response(scope, receive, _with_headers(send))
            return
        await self.app(scope, self._bounded(receive), _with_headers(send))

    def _refusal(self, scope, headers):
        host, reads = headers.get('host', ''), scope['method'] in ('GET', 'HEAD')
        if self.hosts is not None and host not in self.hosts:
            return _error(403, f'the host {host!r} is not this server; open http://{sorted(self.hosts)[0]}')
        opens_page = reads and scope['path'] == '/' and headers.get('sec-fetch-mode', 'navigate') == 'navigate'
        if headers.get('sec-fetch-site', 'same-origin') not in ('same-origin', 'none') and not opens_page:
            return _error(403, 'requests of other sites are refused')
        if 'origin' in headers and headers['origin'].split('://')[-1] != host:
            return _error(403, f'requests of other sites are refused ({headers["origin"]!r})')
        if not reads and 'x-capekit' not in headers:
            return _error(403, 'only the page itself may change something')
        if self.token is not None:
            given = parse_qs(scope['query_string'].decode('latin-1')).get('token', [''])[0]
            if opens_page and hmac.compare_digest(given.encode(), self.token.encode()):
                response = RedirectResponse('/', 303)
                # 'strict' would not be sent after this redirect where a link of another site led here.
                response.set_cookie(COOKIE, self.token, httponly=True, samesite='lax')
                return response
            cookie = cookie_parser(headers.get('cookie', '')).get(COOKIE, '')
            if not hmac.compare_digest(cookie.encode(), self.token.encode()):
                return _error(403, 'open the address that capekit annotate printed, with its token')
        length = headers.get('content-length', '0')
        if not length.isdecimal() or int(length) > self.max_bytes:
            return _error(413, self._too_large())
        return None

    def _too_large(self) -> str:
        return f'at most {self.max_bytes / 1e6:.0f} MB at a time'

    def _bounded(self, receive):
        seen = 0

        async def bounded():
            nonlocal seen
            message = await receive()
            seen += len(message.get('body', b''))
            if seen > self.max_bytes:
                raise HTTPException(413, self._too_large())
            return message
        return bounded


def _with_headers(send):
    async def with_headers(message):
        if message['type'] == 'http.response.start':
            own = [(key.lower().encode(), value.encode()) for key, value in HEADERS.items()]
            message = {**message, 'headers': [*message['headers'], *own]}
        await send(message)
    return with_headers


def _error(status: int, text: str) -> Answer:
    return Answer({'error': text}, status)
