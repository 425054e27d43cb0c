"""The page's server: images and labels of one project over HTTP."""

import json
import re
from pathlib import Path

import cv2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from capekit.annotate.jobs import Jobs
from capekit.annotate.project import IMAGE_TYPES, Project
from capekit.errors import CapekitError
from capekit.files import atomic_write

SHOWN_AS_THEY_ARE = ('.jpg', '.jpeg', '.png', '.bmp', '.webp')
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
        exception_handlers={CapekitError: lambda request, error: JSONResponse({'error': str(error)}, 400),
                            BadRequest: lambda request, error: JSONResponse({'error': str(error)}, 400)})


class BadRequest(Exception):
    """A body that the page would not send."""


class Handlers:
    """One method per route. What touches the disk runs in a thread, so that the page stays quick meanwhile."""

    def __init__(self, project: Project, jobs: Jobs):
        self._project, self._jobs = project, jobs

    async def image(self, request: Request) -> Response:
        path = self._project.path(request.path_params['name'])
        if path.suffix.lower() in SHOWN_AS_THEY_ARE:
            return FileResponse(path)
        image = await run_in_threadpool(cv2.imread, str(path))
        if image is None:
            raise CapekitError(f'{path.name}: not a readable image')
        return Response(cv2.imencode('.png', image)[1].tobytes(), media_type='image/png')

    async def project(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._describe))

    def _describe(self) -> dict:
        project, images = self._project, []
        with project.lock:
            for name in project.images():
                try:
                    (width, height), problem = project.size(name), None
                except CapekitError as error:
                    (width, height), problem = (0, 0), str(error)
                images.append(dict(name=name, width=width, height=height, problem=problem))
            state = project.state
            return dict(folder=project.folder.resolve().name, images=images, category=state.category,
                        keypoints=state.keypoints, links=state.links, pairs=state.pairs,
                        animals={image: {key: vars(animal) for key, animal in animals.items()}
                                 for image, animals in state.animals.items()},
                        decisions=state.decisions)

    async def schema(self, request: Request) -> Response:
        body = await _body(request, category=str, keypoints=list, links=list, pairs=list)
        if not all(isinstance(item, dict) and isinstance(item.get('id'), str) and isinstance(item.get('name'), str)
                   for item in body['keypoints']):
            raise BadRequest('keypoints: a list of {"id": ..., "name": ...}')
        if not all(isinstance(pair, list) and all(isinstance(end, str) for end in pair)
                   for pair in body['links'] + body['pairs']):
            raise BadRequest('links and pairs: lists of two keypoint ids')
        await run_in_threadpool(lambda: self._project.set_schema(**body))
        return JSONResponse({})

    async def animal(self, request: Request) -> Response:
        body = await _body(request, image=str, animal=str, points=dict, box=(list, type(None)), deleted=bool,
                           origin=str)
        await run_in_threadpool(lambda: self._project.set_animal(**body))
        return JSONResponse({})

    async def review(self, request: Request) -> Response:
        body = await _body(request, image=str, animal=str, decision=str)
        await run_in_threadpool(lambda: self._jobs.review(**body))
        return JSONResponse({})

    async def upload(self, request: Request) -> Response:
        name = request.path_params['name']
        if not UPLOAD_NAME.fullmatch(name) or Path(name).suffix.lower() not in IMAGE_TYPES:
            raise CapekitError(f'{name!r} is not an image file name ({", ".join(IMAGE_TYPES)})')
        content = await request.body()
        await run_in_threadpool(self._store, name, content)
        return JSONResponse({'name': name})

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
        return JSONResponse(await run_in_threadpool(self._jobs.import_labels, name, content))

    async def job(self, request: Request) -> Response:
        return JSONResponse(self._jobs.work.status())

    async def start(self, request: Request) -> Response:
        kind = request.path_params['kind']
        if kind == 'adapt':
            body = await _body(request, seconds=(int, float))
            self._jobs.adapt(float(body['seconds']))
        elif kind in ('try', 'predict'):
            body = await _body(request, boxes=str, animals=int)
            self._jobs.predict(body['boxes'], body['animals'], only_twelve=kind == 'try')
        else:
            raise CapekitError(f'no job {kind!r}: adapt, try, predict')
        return JSONResponse({})

    async def stop(self, request: Request) -> Response:
        self._jobs.work.stop()
        return JSONResponse({})

    async def report(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._jobs.report))

    async def predictions(self, request: Request) -> Response:
        kind = 'try' if request.query_params.get('try') else 'predict'
        return JSONResponse(await run_in_threadpool(self._jobs.predictions, kind))

    async def formats(self, request: Request) -> Response:
        return JSONResponse(dict(formats=self._jobs.formats()))

    async def export(self, request: Request) -> Response:
        body = await _body(request, formats=list)
        return JSONResponse(await run_in_threadpool(self._jobs.export, body['formats']))

    async def exported(self, request: Request) -> Response:
        path = self._jobs.exported(request.path_params['name'])
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
