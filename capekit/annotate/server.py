"""The page's server: images and labels of one project over HTTP."""

import json
import re
from pathlib import Path

import cv2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from capekit.annotate.exchange import Exchange
from capekit.annotate.guard import Answer
from capekit.annotate.jobs import Jobs
from capekit.annotate.project import IMAGE_TYPES, Conflict, Project
from capekit.datasets.images import read_image
from capekit.errors import CapekitError
from capekit.files import atomic_write

# How files start that every browser turns as `read_image` does; of other types it ignores the orientation, or shows
# nothing.
SHOWN_AS_THEY_ARE = {b'\xff\xd8': 'image/jpeg', b'\x89P': 'image/png', b'BM': 'image/bmp'}
UPLOAD_NAME = re.compile(r'\w[\w .()+-]{0,120}')


def create_app(project: Project, jobs: Jobs) -> Starlette:
    """The application; every route but the page and its assets answers in JSON, errors as `{'error': line}`."""
    handlers = Handlers(project, jobs)
    static = Path(__file__).parent / 'static'
    return Starlette(
        routes=[
            Route('/', lambda request: FileResponse(static / 'index.html')),
            Mount('/static', StaticFiles(directory=static)),
            Route('/image/{name}', handlers.image),
            Route('/api/project', handlers.project),
            Route('/api/schema', handlers.schema, methods=['POST']),
            Route('/api/animal', handlers.animal, methods=['POST']),
            Route('/api/review', handlers.review, methods=['POST']),
            Route('/api/upload/{name}', handlers.upload, methods=['PUT']),
            Route('/api/import', handlers.import_labels, methods=['POST']),
            Route('/api/job', handlers.job),
            Route('/api/job/{kind}', handlers.start, methods=['POST']),
            Route('/api/stop', handlers.stop, methods=['POST']),
            Route('/api/report', handlers.report),
            Route('/api/predictions', handlers.predictions),
            Route('/api/formats', handlers.formats),
            Route('/api/export', handlers.export, methods=['POST']),
            Route('/export/{name}', handlers.exported)],
        exception_handlers={
            CapekitError: lambda request, error: Answer({'error': str(error)}, 400),
            BadRequest: lambda request, error: Answer({'error': str(error)}, 400),
            Conflict: lambda request, error: Answer({'error': str(error)}, 409),
            HTTPException: lambda request, error: Answer({'error': error.detail}, error.status_code)})


class BadRequest(Exception):
    """A body that the page would not send."""


class Handlers:
    """One method per route. What touches the disk runs in a thread, so that the page stays quick meanwhile."""

    def __init__(self, project: Project, jobs: Jobs):
        self._project, self._jobs, self._exchange = project, jobs, Exchange(project)

    async def image(self, request: Request) -> Response:
        return await run_in_threadpool(self._image, request.path_params['name'])

    def _image(self, name: str) -> Response:
        path = self._project.path(name)
        with open(path, 'rb') as file:
            kind = SHOWN_AS_THEY_ARE.get(file.read(2))
        if kind is not None:
            return FileResponse(path, media_type=kind)
        image = cv2.cvtColor(read_image(str(path)), cv2.COLOR_RGB2BGR)
        return Response(cv2.imencode('.png', image)[1].tobytes(), media_type='image/png')

    async def project(self, request: Request) -> Response:
        return await run_in_threadpool(self._describe)

    def _describe(self) -> Answer:
        project = self._project
        with project.lock:
            sizes, problems = project.check()
            images = []
            for name in dict.fromkeys([*project.images(), *problems]):
                width, height = sizes.get(name, (0, 0))
                images.append(dict(name=name, width=width, height=height, problem=problems.get(name)))
            state = project.state
            return Answer(dict(
                folder=project.folder.resolve().name, images=images, category=state.category,
                keypoints=state.keypoints, links=state.links, pairs=state.pairs, schema_revision=state.schema_revision,
                animals={image: {key: vars(animal) for key, animal in animals.items()}
                         for image, animals in state.animals.items()},
                revisions=state.revisions, decisions=state.decisions, round=state.round))

    async def schema(self, request: Request) -> Response:
        body = await _body(request, category=str, keypoints=list, links=list, pairs=list, revision=int)
        if not all(isinstance(item, dict) and 'id' in item and isinstance(item['id'], (str, type(None)))
                   and isinstance(item.get('name'), str) for item in body['keypoints']):
            raise BadRequest('keypoints: a list of {"id": ..., "name": ...}; a new one has the id null')
        if not all(isinstance(pair, list) and all(isinstance(end, str) for end in pair)
                   for pair in body['links'] + body['pairs']):
            raise BadRequest('links and pairs: lists of two keypoint ids')
        return await run_in_threadpool(self._set_schema, body)

    def _set_schema(self, body: dict) -> Answer:
        with self._project.lock:
            self._project.set_schema(**body)
            state = self._project.state
            return Answer(dict(keypoints=state.keypoints, schema_revision=state.schema_revision))

    async def animal(self, request: Request) -> Response:
        body = await _body(request, image=str, animal=str, points=dict, box=(list, type(None)), deleted=bool,
                           origin=str, revision=int)
        return Answer(dict(revision=await run_in_threadpool(lambda: self._project.set_animal(**body))))

    async def review(self, request: Request) -> Response:
        body = await _body(request, image=str, animal=str, decision=str, points=dict, box=(list, type(None)),
                           revision=int, round=int)
        return Answer(dict(revision=await run_in_threadpool(lambda: self._project.review(**body))))

    async def upload(self, request: Request) -> Response:
        name = request.path_params['name']
        if not UPLOAD_NAME.fullmatch(name) or Path(name).suffix.lower() not in IMAGE_TYPES:
            raise CapekitError(f'{name!r} is not an image file name ({", ".join(IMAGE_TYPES)})')
        content = await request.body()
        await run_in_threadpool(self._store, name, content)
        return Answer({'name': name})

    def _store(self, name: str, content: bytes) -> None:
        path = self._project.folder / name
        with self._project.lock:
            if path.exists():
                raise CapekitError(f'{name} is already in the folder, and images are never overwritten')
            with atomic_write(path) as file:
                file.write(content)
            try:
                self._project.size(name)
            except CapekitError:
                path.unlink()
                raise

    async def import_labels(self, request: Request) -> Response:
        name, content = request.query_params.get('name', ''), await request.body()
        if not UPLOAD_NAME.fullmatch(name):
            raise CapekitError(f'{name!r} is not the name of a label file')
        return Answer(await run_in_threadpool(self._exchange.import_labels, name, content))

    async def job(self, request: Request) -> Response:
        return Answer(self._jobs.work.status())

    async def start(self, request: Request) -> Response:
        kind = request.path_params['kind']
        if kind == 'adapt':
            body = await _body(request, seconds=(int, float))
            await run_in_threadpool(self._jobs.adapt, body['seconds'])
        elif kind in ('try', 'predict'):
            body = await _body(request, boxes=str, animals=int)
            await run_in_threadpool(self._jobs.predict, body['boxes'], body['animals'], kind == 'try')
        else:
            raise CapekitError(f'no job {kind!r}: adapt, try, predict')
        return Answer({})

    async def stop(self, request: Request) -> Response:
        self._jobs.work.stop()
        return Answer({})

    async def report(self, request: Request) -> Response:
        return Answer(await run_in_threadpool(self._jobs.report))

    async def predictions(self, request: Request) -> Response:
        kind = 'try' if request.query_params.get('try') else 'predict'
        return Answer(await run_in_threadpool(self._jobs.predictions, kind))

    async def formats(self, request: Request) -> Response:
        return Answer(dict(formats=self._exchange.formats()))

    async def export(self, request: Request) -> Response:
        body = await _body(request, formats=list)
        if not all(isinstance(name, str) for name in body['formats']):
            raise BadRequest('formats: a list of names')
        return Answer(await run_in_threadpool(self._exchange.export, body['formats']))

    async def exported(self, request: Request) -> Response:
        path = self._exchange.exported(request.path_params['name'])
        return FileResponse(path, filename=path.name)


async def _body(request: Request, **kinds) -> dict:
    """The JSON object of a request with exactly these keys and types."""
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        raise BadRequest('the body is not JSON') from None
    if not isinstance(body, dict) or set(body) != set(kinds):
        raise BadRequest(f'the body must have the keys {sorted(kinds)}')
    for key, kind in kinds.items():
        if not isinstance(body[key], kind):
            raise BadRequest(f'{key}: {type(body[key]).__name__} is not what it may be')
    return body
