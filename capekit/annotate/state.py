"""What all changes of a project together say."""

from dataclasses import dataclass, field

HIDDEN, SHOWN = 1, 2  # visibility, as in COCO; a keypoint that is not labelled has no point
BY_HAND = ('drawn', 'imported')
ORIGINS = (*BY_HAND, 'accepted', 'corrected')


@dataclass
class Animal:
    """One labelled animal of an image.

    Attributes:
        points: keypoint id -> [x, y, visibility], in pixels of the image as viewers show it; centres are integers.
            A hidden one may lie beyond the border of the image.
        box: [x, y, width, height] or None.
        origin: one of `ORIGINS`.
    """

    points: dict[str, list[float]] = field(default_factory=dict)
    box: list[float] | None = None
    origin: str = 'drawn'


@dataclass
class State:
    """The labels; keypoints have ids, so that renaming and reordering touch no label.

    A revision is the number of changes so far, by which a page that has not seen the last one is recognised.
    """

    category: str = 'animal'
    keypoints: list[dict] = field(default_factory=list)  # [{'id': 'k1', 'name': 'nose'}]
    links: list[list[str]] = field(default_factory=list)
    pairs: list[list[str]] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)  # keypoint id -> last name, of removed keypoints too
    schema_revision: int = 0
    animals: dict[str, dict[str, Animal]] = field(default_factory=dict)  # image -> animal id -> Animal
    revisions: dict[str, dict[str, int]] = field(default_factory=dict)  # image -> animal id -> of deleted animals too
    decisions: dict[str, dict[str, str]] = field(default_factory=dict)  # image -> animal id -> accept, correct, reject
    round: int = 0  # how often everything was predicted

    def apply(self, change: dict) -> None:
        """Take over one change of the journal."""
        if change['op'] == 'schema':
            self.category, self.keypoints = change['category'], change['keypoints']
            self.links, self.pairs = change['links'], change['pairs']
            self.known.update((item['id'], item['name']) for item in self.keypoints)
            self.schema_revision += 1
        elif change['op'] == 'predicted':
            self.decisions.clear()
            self.round += 1
        else:
            image, animal = change['image'], change['animal']
            if change['op'] == 'review':
                self.decisions.setdefault(image, {})[animal] = change['decision']
            if 'points' in change:  # decisions of earlier versions have none
                self._put(image, animal, left_by(change))

    def says(self, change: dict) -> bool:
        """Whether an animal is already as a change leaves it."""
        image, animal = change['image'], change['animal']
        decided = self.decisions.get(image, {}).get(animal)
        return (self.animals.get(image, {}).get(animal) == left_by(change)
                and decided == change.get('decision', decided))

    def revision(self, image: str, animal: str) -> int:
        """0 for an animal that never was."""
        return self.revisions.get(image, {}).get(animal, 0)

    def labelled(self, image: str) -> list[Animal]:
        """The animals of an image that have points."""
        return [animal for animal in self.animals.get(image, {}).values() if animal.points]

    def _put(self, image: str, animal: str, left: Animal | None) -> None:
        animals = self.animals.setdefault(image, {})
        if left is None:
            animals.pop(animal, None)
        else:
            animals[animal] = left
        self.revisions.setdefault(image, {})[animal] = self.revision(image, animal) + 1


def left_by(change: dict) -> Animal | None:
    """An animal as a change leaves it, None where it is deleted or rejected."""
    gone = change['decision'] == 'reject' if change['op'] == 'review' else change['deleted']
    return None if gone else Animal(change['points'], change['box'], change['origin'])
