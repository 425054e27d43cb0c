"""Label a few images, get the keypoints of all others.

    python tools/label.py --labelled five.json --images flies --out flies_labelled
    python tools/label.py --labelled five.json --images film.mp4 --out film_labelled --smooth median:5 --format dlc

OUT gets predictions.json (COCO with keypoint_scores), review.csv (the worst first), contact_sheet.jpg (the worst, and
others at random), suggestions.csv (with --suggest), the formats asked for, run.json, and model.safetensors. A run that
was interrupted goes on where it was. Correct predictions.json, delete `review` of the animals that you have looked at,
and give it as --labelled of the next run, with another OUT.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from capekit.apis import CapeInferencer
from capekit.choices import Seed
from capekit.commands.arguments import Whole
from capekit.errors import CapekitError
from capekit.files import check_writable, read_json
from capekit.interop import labels as label_files
from capekit.labelling import output, sources, video
from capekit.labelling.predictor import Boxes, check_box
from capekit.labelling.records import PosePrediction
from capekit.labelling.review import rank_worst_first, review_rows
from capekit.labelling.sheet import contact_sheet, draw_image
from capekit.labelling.supports import label_file, read_labelled
from capekit.progress import Bar, track


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--labelled', required=True, type=label_file, metavar='FILE',
                        help='labels of one category, COCO or of another tool; its file names are relative to --images')
    parser.add_argument('--labelled-format', choices=label_files.FORMATS, metavar='FORMAT',
                        help=f'of that file (default: what its content says): {", ".join(label_files.FORMATS)}')
    parser.add_argument('--category', metavar='NAME', help='of that file, where it has labels of several')
    parser.add_argument('--images', required=True, metavar='DIR|GLOB|VIDEO', help='what to label')
    parser.add_argument('--out', required=True, type=Path, metavar='DIR', help='folder to write')
    parser.add_argument('--config', metavar='CFG', help='of a method; default: ImageNet features from pip')
    parser.add_argument('--checkpoint', metavar='CKPT', help='of that config')
    parser.add_argument('--boxes', default='find', metavar='FILE|find|whole',
                        help='JSON {file name: [[x, y, w, h], ...]}, find (the default), or the whole image')
    parser.add_argument('--animals', action=Whole, default=1, metavar='N',
                        help='to find in an image at most; default: 1')
    parser.add_argument('--adapt', type=float, default=60, metavar='SECONDS',
                        help='longest time for training on the labelled images, at most 200 steps a minute; 0 = none; '
                             'default: 60. Measuring the errors takes up to two and a half times as long again')
    parser.add_argument('--format', nargs='+', default=[], choices=output.SUFFIXES, metavar='FORMAT',
                        help=f'further files: {", ".join(output.SUFFIXES)}')
    parser.add_argument('--review', action=Whole, metavar='N', help='length of the review list; default: all')
    parser.add_argument('--suggest', action=Whole, metavar='N', help='suggest so many images to label next')
    parser.add_argument('--smooth', metavar='median:N', help='videos: the median of N frames, in files of its own')
    parser.add_argument('--stride', action=Whole, default=1, metavar='N', help='videos: every N-th frame; default: 1')
    parser.add_argument('--draw', action='store_true', help='draw every image, in OUT/drawn')
    parser.add_argument('--device', default='cpu', help='such as cpu or cuda:0')
    parser.add_argument('--seed', action=Whole, allowed=Seed, default=0, help='of every random draw; default: 0')
    parser.add_argument('--overwrite', action='store_true',
                        help='begin anew; what an earlier run left in OUT is removed')
    Run(parser.parse_args()).go()


class Run:
    """One call of the command."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.is_video = sources.is_video(args.images)
        self.folder = sources.folder_of(args.images)
        self.smooth = video.parse_smooth(args.smooth)
        for option, set_ in (('--smooth', self.smooth), ('--stride', args.stride != 1)):
            if set_ and not self.is_video:
                raise CapekitError(f'{option} is for videos; {args.images} is none')
        for form in args.format:
            label_files.check_libraries(form)
        check_writable(args.out, '--out', folder=True)
        if self.is_video:
            next(sources.read_frames(args.images), None)  # is there, and can be decoded
        self.boxes = read_boxes(args.boxes)

    def go(self) -> None:
        args = self.args
        inferencer = CapeInferencer(args.config, args.checkpoint, args.device)
        names = [] if self.is_video else sources.list_images(args.images)
        self._compare_boxes([Path(args.images).name] if self.is_video else names)
        files = self._files()
        run = output.RunFolder(args.out, self._request(files), args.overwrite, [*files, Path(args.images)])
        if run.resumes:
            run.open()
            inferencer.load(run.model)
        else:
            supports = read_labelled(args.labelled, self.folder, args.labelled_format, args.category)
            with Progress() as progress:
                print(inferencer.fit(supports, args.images, args.adapt, args.seed, progress=progress))
            run.open()
            run.start()
            inferencer.save(run.model)
        inferencer.images = self.folder
        labelled = set(inferencer.settings['labelled'])
        self._finish(inferencer, run, self._predict(inferencer, run, [name for name in names if name not in labelled]))

    def _compare_boxes(self, names: list[str]) -> None:
        """Say how many images have boxes, where they come from a file.

        Raises:
            CapekitError: none has.
        """
        if isinstance(self.boxes, dict):
            known = sum(name in self.boxes for name in names)
            if not known:
                raise CapekitError(f'--boxes {self.args.boxes}: of no image, such as {names[0]!r}; it names '
                                   f'{next(iter(self.boxes), "none")!r}')
            if known < len(names):
                print(f'--boxes {self.args.boxes}: of {known} of {len(names)} images; nothing is predicted in the '
                      'others')

    def _files(self) -> list[Path]:
        """What is read beside the images."""
        args = self.args
        labelled = sorted(args.labelled.rglob('*.json')) if args.labelled.is_dir() else [args.labelled]
        return [*labelled, *(Path(path) for path in (args.config, args.checkpoint, args.boxes)
                             if path and Path(path).is_file())]

    def _request(self, files: Sequence[Path]) -> dict:
        """What the results depend on."""
        args = self.args
        kept = ('labelled', 'images', 'config', 'checkpoint', 'boxes', 'animals', 'adapt', 'stride', 'smooth', 'format',
                'review', 'suggest', 'draw', 'seed', 'labelled_format', 'category')
        return {name: value if isinstance(value := getattr(args, name), (int, float, list)) or value is None else
                str(value) for name in kept} | {'sha256': {str(path): digest(path) for path in files}}

    def _predict(self, inferencer: CapeInferencer, run: output.RunFolder, names: list[str]) -> list[dict]:
        """Fill the journal, where it does not know an image yet; returns its records, in the order of the images."""
        predictor = inferencer.predictor
        assert predictor is not None  # fit or load made one
        records = run.records()
        if self.is_video:
            done, total = len(records), sources.count_frames(self.args.images, self.args.stride)
            pictures = sources.read_frames(self.args.images, self.args.stride, done * self.args.stride)
        else:
            before = {record['image'] for record in records}
            left = [name for name in names if name not in before]
            done, total = len(names) - len(left), len(names)
            pictures = sources.read_pictures(left, self.folder)
        if done:
            print(f'{done} of {total} were labelled before; going on')
        groups = predictor.predict(pictures, self.boxes, self.args.animals)
        for group in track(groups, max(0, total - done), 'labelling', len):
            records += run.append(group)
        if self.is_video:
            return records
        # Images may have come and gone since a run was interrupted.
        by_name = {record['image']: record for record in records}
        return [by_name[name] for name in names]

    def _finish(self, inferencer: CapeInferencer, run: output.RunFolder, records: list[dict]) -> None:
        """Everything that is written once all images are answered."""
        args, settings = self.args, inferencer.settings
        frames = [output.predictions_of(record) for record in records]
        if self.is_video:
            frames = list(video.follow(frames))
        predictions = [prediction for frame in frames for prediction in frame]
        if self.is_video:
            video.flag_jumps(predictions)
        ranked = rank_worst_first(predictions)
        about = settings['category'], settings['names'], settings['links']
        sets = {output.PREDICTIONS: predictions}
        if self.smooth:
            sets[output.SMOOTHED] = video.smoothed(predictions, self.smooth)
        for name, own in sets.items():
            labels = output.to_labels(records, own, *about)
            for form in dict.fromkeys(['coco', *args.format]):
                try:
                    label_files.write(args.out / file_name(name, form, args.format), form, labels, overwrite=True)
                except CapekitError as error:
                    # Such as several animals in a format that has no place for them: hours of work are not lost.
                    print(f'not written: {error}')
        output.write_rows(args.out / output.REVIEW, review_rows(ranked[:args.review], settings['names']))
        contact_sheet(args.out / sources.SHEET, ranked, self._read, settings['links'], args.seed)
        if args.suggest:
            chosen = inferencer.suggest(predictions, args.suggest, self.folder, args.seed)
            output.write_rows(args.out / output.SUGGESTIONS, [['image', 'frame', 'reason'], *(
                [s.prediction.image, '' if s.prediction.frame is None else s.prediction.frame, s.reason]
                for s in chosen)])
        if args.draw:
            self._draw(records, frames, settings['links'])
        broken = [dict(image=record['image'], frame=record['frame'], fault=record['fault'])
                  for record in records if record['fault']]
        run.complete(dict(images=len(records), animals=len(predictions), broken=broken, fit=settings['report'],
                          model_sha256=digest(run.model)))
        for entry in broken:
            print(f'left out: {entry["fault"]}')
        print(f'{args.out}: {len(predictions)} animals in {len(records) - len(broken)} images; look at '
              f'{sources.SHEET}, then {output.REVIEW}')

    def _read(self, predictions: Sequence[PosePrediction]) -> list[np.ndarray | None]:
        """The images of predictions; a video is decoded once for all of them."""
        if not self.is_video:
            return [picture.image for picture in sources.read_pictures([p.image for p in predictions], self.folder)]
        wanted = {prediction.frame for prediction in predictions}
        images = {picture.frame: picture.image for picture in sources.read_frames(self.args.images, self.args.stride)
                  if picture.frame in wanted}
        return [images.get(prediction.frame) for prediction in predictions]

    def _draw(self, records: list[dict], frames: list[list[PosePrediction]], links: list) -> None:
        pictures = (sources.read_frames(self.args.images, self.args.stride) if self.is_video else
                    sources.read_pictures([record['image'] for record in records], self.folder))
        for picture, predictions in zip(pictures, frames, strict=False):
            if picture.image is not None:
                name = picture.name if picture.frame is None else f'{picture.frame:06}'
                # Both a.jpg and a.png may be there.
                draw_image(self.args.out / sources.DRAWN / (name if name.endswith('.jpg') else f'{name}.jpg'),
                           picture.image, predictions, links)


class Progress:
    """Shows what a fit is doing, on a terminal."""

    def __init__(self) -> None:
        self.bar: Bar | None = None
        self.what = ''

    def __enter__(self) -> 'Progress':
        return self

    def __call__(self, what: str, share: float) -> None:
        if what != self.what:
            self.__exit__()
            self.what = what
            if Bar.wanted():
                self.bar = Bar(what, 100)
            else:
                print(f'{what} ...', flush=True)
        if self.bar is not None:
            self.bar.update(int(100 * share))

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.stop()
        self.bar = None


def read_boxes(text: str) -> Boxes:
    """'find', 'whole', or the boxes in a JSON file.

    Raises:
        CapekitError: no such file, or not {file name: [[x, y, w, h], ...]}.
    """
    if text in ('find', 'whole'):
        return text
    try:
        content = read_json(text)
    except CapekitError as error:
        raise CapekitError(f'--boxes {error}; valid: find, whole, or a JSON file') from None
    if not isinstance(content, dict) or not all(isinstance(boxes, list) for boxes in content.values()):
        raise CapekitError(f'--boxes {text}: expected {{file name: [[x, y, w, h], ...]}}')
    for name, boxes in content.items():
        for box in boxes:
            check_box(box, f'--boxes {text}: {name}')
    return content


def file_name(name: str, form: str, asked: list[str]) -> str:
    """Such as predictions.json; formats that share a suffix are told apart by their names."""
    suffix = output.SUFFIXES[form]
    shared = sum(output.SUFFIXES[other] == suffix for other in asked) > 1 and form != 'coco'
    return f'{name}_{form}.{suffix}' if shared else f'{name}.{suffix}'


def digest(path: Path) -> str:
    """sha256 of a file's bytes.

    Raises:
        CapekitError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CapekitError(f'{path}: cannot be read ({error.strerror})') from None
