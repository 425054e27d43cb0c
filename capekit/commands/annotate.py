"""Open the page that labels images: place points on five, have the rest labelled, correct the worst, export.

    python tools/demo/app.py my/images
    capekit annotate film.mp4 --stride 25
"""

import argparse
import secrets
import socket
import webbrowser
from pathlib import Path

import cv2
import uvicorn

from capekit.annotate.guard import LOOPBACK, Guard
from capekit.annotate.jobs import Jobs
from capekit.annotate.project import Project
from capekit.annotate.server import create_app
from capekit.commands.arguments import Whole
from capekit.errors import CapekitError

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
        CapekitError: the video cannot be read, or the folder holds frames of another stride.
    """
    folder = video.with_name(f'{video.stem}_frames')
    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise CapekitError(f'{video}: not a readable video')
    folder.mkdir(exist_ok=True)
    number, taken = 0, set()
    while True:
        if not capture.grab():
            break
        if number % stride == 0:
            path = folder / f'{video.stem}_{number:06d}.png'
            taken.add(path.name)
            if not path.exists():
                whole, frame = capture.retrieve()
                if not whole:
                    raise CapekitError(f'{video}: frame {number} is damaged')
                partial = path.with_name(f'.{path.name}')
                cv2.imwrite(str(partial), frame)
                partial.rename(path)
        number += 1
    if not number:
        raise CapekitError(f'{video}: has no frame')
    if other := sorted({path.name for path in folder.glob(f'{video.stem}_*.png')} - taken):
        raise CapekitError(f'{folder}: holds {other[0]}, which --stride {stride} does not take; give the stride of '
                           'before, or move the folder away')
    return folder


def main() -> None:
    args = parse_args()
    folder = frames_of(args.folder, args.stride) if args.folder.suffix.lower() in VIDEO_TYPES else args.folder
    project = Project(folder)
    jobs = Jobs(project, args.device, args.config, args.checkpoint)
    listener = _listen(args.host, args.port)
    port = listener.getsockname()[1]
    token = None if args.host in LOOPBACK else secrets.token_urlsafe(24)
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
