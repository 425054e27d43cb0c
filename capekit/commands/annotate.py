"""Open the page that labels images: place points on five, have the rest labelled, correct the worst, export.

    python tools/demo/app.py my/images
    capekit annotate film.mp4 --stride 25
"""

import argparse
import re
import socket
import webbrowser
from pathlib import Path

import cv2
import uvicorn

from capekit.annotate.guard import LOOPBACK, Guard, kept_token
from capekit.annotate.jobs import Jobs
from capekit.annotate.project import Project
from capekit.annotate.server import create_app
from capekit.commands.arguments import Whole
from capekit.errors import CapekitError
from capekit.files import read_json, write_json

VIDEO_TYPES = ('.mp4', '.avi', '.mov', '.mkv', '.m4v', '.mpg', '.mpeg', '.webm')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', type=Path, metavar='DIR|VIDEO',
                        help='folder of the images, or a video whose frames are written to a folder beside it')
    parser.add_argument('--stride', action=Whole, default=25,
                        help='of a video: take every n-th frame (default: %(default)s)')
    parser.add_argument('--config', help='config of the method; default: features that come with pip')
    parser.add_argument('--checkpoint', help="the method's weights")
    parser.add_argument('--device', default='cpu', help='such as cuda:0 (default: %(default)s)')
    parser.add_argument('--host', default='127.0.0.1',
                        help='where to listen (default: %(default)s, this machine only); elsewhere a token is needed')
    parser.add_argument('--port', type=int, default=8765, help='0 takes a free one (default: %(default)s)')
    parser.add_argument('--no-browser', action='store_true', help='print the address without opening it')
    args = parser.parse_args()
    if (args.config is None) != (args.checkpoint is None):
        parser.error('--config and --checkpoint go together')
    return args


def frames_of(video: Path, stride: int) -> Path:
    """Write every `stride`-th frame of a video as PNG to `<video>_frames`, once; returns that folder.

    Raises:
        CapekitError: the video cannot be read, or the folder holds frames of another video or stride.
    """
    folder = video.with_name(f'{video.stem}_frames')
    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise CapekitError(f'{video}: not a readable video')
    number, more = 0, capture.grab()
    if not more:
        raise CapekitError(f'{video}: has no frame')
    _claim(folder, video, stride)
    while more:
        path = folder / f'{video.stem}_{number:06d}.png'
        if number % stride == 0 and not path.exists():
            whole, frame = capture.retrieve()
            if not whole:
                raise CapekitError(f'{video}: frame {number} is damaged')
            partial = path.with_name(f'.{path.name}')
            cv2.imwrite(str(partial), frame)
            partial.rename(path)
        number, more = number + 1, capture.grab()
    return folder


def _claim(folder: Path, video: Path, stride: int) -> None:
    """Note in the folder which video its frames are of; nothing is written where they are of another one or stride."""
    source, own = folder / 'capekit' / 'video.json', dict(name=video.name, bytes=video.stat().st_size)
    if source.is_file() and (other := read_json(source)) != own:
        raise CapekitError(f'{folder}: holds the frames of {other["name"]} ({other["bytes"]} bytes), not of {video} '
                           f'({own["bytes"]} bytes); rename the video, or move the folder away')
    numbers = {path.name: re.fullmatch(r'_(\d{6,})', path.stem.removeprefix(video.stem))
               for path in sorted(folder.glob('*.png'))}
    for name, number in numbers.items():
        if number and int(number[1]) % stride:
            raise CapekitError(f'{folder}: holds {name}, which --stride {stride} does not take; give the stride of '
                               'before, or move the folder away')
    write_json(source, own)


def main() -> None:
    args = parse_args()
    folder = frames_of(args.folder, args.stride) if args.folder.suffix.lower() in VIDEO_TYPES else args.folder
    project = Project(folder)
    jobs = Jobs(project, args.device, args.config, args.checkpoint)
    listener = _listen(args.host, args.port)
    port = listener.getsockname()[1]
    token = None if args.host in LOOPBACK else kept_token(project.own / 'token')
    host = f'[{args.host}]' if ':' in args.host else args.host
    address = f'http://{host}:{port}/' + (f'?token={token}' if token else '')
    print(f'{folder}: {len(project.images())} images; open {address} (Ctrl-C ends, everything is saved)', flush=True)
    if not args.no_browser:
        webbrowser.open(address)
    app = Guard(create_app(project, jobs), args.host, port, token)
    server = uvicorn.Server(uvicorn.Config(app, log_level='warning', timeout_graceful_shutdown=1))
    try:
        server.run(sockets=[listener])
    finally:
        jobs.work.stop(wait=5)
        project.close()


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()  # a browser that comes before the server runs waits
    except (OSError, OverflowError) as error:
        raise CapekitError(f'cannot listen on {host}:{port} ({error}); choose another --port, 0 for any') from None
    return listener
