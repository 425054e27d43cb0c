"""MP-100's 100 categories, eight super-categories, five splits and cross-super-category splits.

The ids, names and split lists are those of the public annotation files (Xu et al., Pose for Everything, ECCV 2022), the
lists in file order. A split is a filter on category ids: it never reorders what a file holds, and it works the same
over one file or several.
"""

from dataclasses import dataclass

from capekit.errors import CapekitError

# Super-category -> {category id: name of its image folder}. Folder names are unique; id 18 holds faces of people.
SUPERCATEGORY_MEMBERS = {
    'human_hand': {
        80: 'human_hand',
    },
    'human_face': {
        18: 'amur_tiger_body', 40: 'human_face',
    },
    'human_body': {
        72: 'human_body',
    },
    'animal_body': {
        2: 'horse_body', 3: 'dog_body', 5: 'panda_body', 6: 'hamster_body', 9: 'panther_body',
        14: 'woodpecker_body', 15: 'pig_body', 16: 'wren_body', 20: 'cat_body', 21: 'bobcat_body',
        26: 'elephant_body', 27: 'deer_body', 28: 'gull_body', 29: 'rabbit_body', 30: 'bison_body',
        31: 'rhino_body', 33: 'squirrel_body', 35: 'gorilla_body', 41: 'kingfisher_body', 42: 'sheep_body',
        43: 'spider_monkey_body', 44: 'locust_body', 46: 'sparrow_body', 50: 'otter_body',
        52: 'leopard_body', 53: 'tern_body', 54: 'hippo_body', 55: 'zebra_body', 58: 'antelope_body',
        59: 'grebe_body', 66: 'fly_body', 68: 'fox_body', 70: 'skunk_body', 71: 'giraffe_body',
        73: 'lion_body', 76: 'polar_bear_body', 85: 'cheetah_body', 86: 'warbler_body', 87: 'cow_body',
        88: 'rat_body', 90: 'raccoon_body', 91: 'beaver_body', 92: 'macaque_body', 95: 'weasel_body',
        100: 'wolf_body',
    },
    'animal_face': {
        4: 'fennecfox_face', 7: 'chipmunk_face', 10: 'klipspringer_face', 12: 'przewalskihorse_face',
        13: 'californiansealion_face', 19: 'arcticwolf_face', 22: 'guanaco_face', 23: 'fallowdeer_face',
        24: 'dassie_face', 34: 'greyseal_face', 36: 'quokka_face', 37: 'camel_face', 47: 'alpaca_face',
        48: 'goldenretriever_face', 56: 'onager_face', 57: 'bonobo_face', 61: 'gibbons_face',
        63: 'ferret_face', 65: 'pademelon_face', 69: 'olivebaboon_face', 74: 'germanshepherddog_face',
        77: 'commonwarthog_face', 79: 'grizzlybear_face', 81: 'bighornsheep_face', 82: 'capebuffalo_face',
        89: 'proboscismonkey_face', 93: 'gerbil_face', 94: 'blackbuck_face', 96: 'gentoopenguin_face',
        99: 'capybara_face',
    },
    'clothes': {
        1: 'skirt', 8: 'sling_dress', 11: 'vest_dress', 17: 'sling', 25: 'short_sleeved_shirt',
        60: 'short_sleeved_dress', 62: 'vest', 64: 'long_sleeved_dress', 67: 'trousers', 75: 'shorts',
        78: 'long_sleeved_outwear', 83: 'short_sleeved_outwear', 97: 'long_sleeved_shirt',
    },
    'furniture': {
        39: 'swivelchair', 45: 'chair', 49: 'sofa', 84: 'bed', 98: 'table',
    },
    'vehicle': {
        32: 'car', 38: 'bus', 51: 'suv',
    },
}

# Where the name inside the annotation files differs from the folder's. Not unique: key on ids.
ANNOTATION_NAMES = {
    14: 'Woodpecker', 16: 'Wren', 18: 'face', 28: 'Gull', 40: 'face', 41: 'Kingfisher', 44: 'locust', 46: 'Sparrow',
    53: 'Tern', 59: 'Grebe', 66: 'fly', 72: 'person', 80: 'hand', 86: 'Warbler', 92: 'macaque',
}

# '<split>/<part>' -> category ids. The five test lists partition the 100 categories.
SPLITS = {
    'split1/train': [
        37, 36, 56, 89, 65, 69, 74, 19, 9, 23, 79, 13, 93, 82, 99, 94, 34, 4, 61, 57, 51, 52, 7, 85, 21, 90, 76, 38,
        5, 63, 59, 50, 88, 100, 31, 32, 26, 41, 71, 15, 87, 54, 43, 27, 58, 55, 16, 20, 28, 83, 44, 46, 86, 98, 17,
        49, 45, 40, 8, 64, 80, 62, 11, 18, 1, 97, 75, 67, 25, 72,
    ],
    'split1/val': [
        48, 22, 12, 91, 96, 6, 35, 95, 66, 92,
    ],
    'split1/test': [
        10, 77, 24, 47, 33, 29, 70, 68, 81, 73, 2, 14, 30, 53, 42, 3, 39, 84, 78, 60,
    ],
    'split2/train': [
        10, 56, 22, 69, 65, 12, 74, 19, 9, 77, 23, 13, 94, 34, 24, 4, 47, 61, 33, 51, 7, 52, 85, 96, 29, 70, 21, 90,
        68, 6, 38, 5, 35, 81, 63, 59, 88, 73, 100, 31, 32, 2, 26, 41, 15, 87, 54, 14, 30, 58, 55, 16, 20, 42, 83, 44,
        3, 46, 39, 66, 84, 49, 40, 64, 80, 92, 60, 18, 75, 72,
    ],
    'split2/val': [
        36, 93, 57, 50, 95, 27, 53, 78, 11, 1,
    ],
    'split2/test': [
        37, 48, 89, 79, 82, 99, 91, 76, 71, 43, 28, 86, 98, 17, 45, 8, 62, 97, 67, 25,
    ],
    'split3/train': [
        48, 37, 10, 36, 56, 89, 65, 74, 77, 23, 79, 13, 93, 99, 94, 24, 4, 47, 61, 57, 51, 7, 29, 76, 68, 6, 38, 35,
        5, 81, 59, 50, 88, 73, 32, 2, 95, 41, 71, 15, 27, 43, 14, 58, 55, 53, 20, 28, 42, 83, 3, 46, 86, 98, 17, 45,
        40, 8, 64, 80, 78, 92, 62, 60, 18, 1, 97, 75, 67, 25,
    ],
    'split3/val': [
        19, 82, 91, 33, 21, 70, 26, 30, 39, 84,
    ],
    'split3/test': [
        22, 69, 12, 9, 34, 52, 96, 85, 90, 63, 100, 31, 87, 54, 16, 44, 66, 49, 11, 72,
    ],
    'split4/train': [
        48, 37, 10, 36, 22, 89, 69, 74, 19, 9, 77, 79, 93, 82, 99, 34, 24, 47, 61, 91, 57, 33, 52, 96, 85, 29, 70, 21,
        90, 76, 68, 5, 81, 63, 59, 31, 32, 2, 71, 87, 54, 43, 14, 30, 58, 53, 16, 28, 42, 44, 3, 46, 39, 66, 84, 86,
        98, 17, 49, 45, 8, 64, 78, 62, 60, 11, 97, 75, 67, 72,
    ],
    'split4/val': [
        56, 12, 51, 6, 73, 100, 26, 18, 1, 25,
    ],
    'split4/test': [
        65, 23, 13, 94, 4, 7, 38, 35, 50, 88, 95, 41, 15, 27, 55, 20, 83, 40, 80, 92,
    ],
    'split5/train': [
        48, 37, 10, 22, 89, 65, 69, 12, 23, 79, 13, 82, 99, 94, 34, 24, 4, 47, 91, 33, 7, 85, 96, 29, 70, 90, 76, 68,
        38, 81, 35, 63, 88, 73, 100, 95, 71, 15, 87, 54, 27, 43, 30, 55, 16, 20, 28, 42, 83, 44, 3, 39, 66, 84, 86,
        98, 49, 45, 40, 8, 80, 78, 92, 62, 60, 11, 97, 67, 25, 72,
    ],
    'split5/val': [
        9, 77, 52, 50, 31, 2, 41, 14, 53, 17,
    ],
    'split5/test': [
        36, 56, 74, 19, 93, 61, 57, 51, 21, 6, 5, 59, 32, 26, 58, 46, 64, 18, 1, 75,
    ],
}

# Super-categories that papers hold out: 'cross/<name>/train' is everything else, 'cross/<name>/test' its members.
CROSS_SUPERCATEGORIES = ('human_body', 'human_face', 'vehicle', 'furniture')


@dataclass(frozen=True)
class Mp100Category:
    """One row of MP-100's category table."""

    id: int
    folder: str
    """First part of `file_name` in the annotation files."""
    name: str
    """Name inside the annotation files."""
    supercategory: str


MP100 = {id_: Mp100Category(id_, folder, ANNOTATION_NAMES.get(id_, folder), group)
         for group, members in SUPERCATEGORY_MEMBERS.items() for id_, folder in members.items()}


def supercategory_of(category_id: int, name: str, own: str) -> str:
    """The super-category to report for a category whose entry in the annotation file is `own`.

    In places the files give a taxonomic family ('Felidae', 'bird'): a category whose id and name are MP-100's gets
    MP-100's group; any other keeps its own.
    """
    known = MP100.get(category_id)
    if own not in SUPERCATEGORY_MEMBERS and known and name in (known.name, known.folder):
        return known.supercategory
    return own


def split_names() -> list:
    """Every name that `resolve_categories` knows."""
    return list(SPLITS) + [f'cross/{name}/{part}' for name in CROSS_SUPERCATEGORIES for part in ('train', 'test')]


def resolve_categories(spec) -> list:
    """Category ids of a split name ('split1/train', 'cross/vehicle/test') or of a sequence of ids.

    Raises:
        CapekitError: an unknown name, or ids that are not whole numbers.
    """
    if isinstance(spec, str):
        if spec in SPLITS:
            return list(SPLITS[spec])
        if spec in split_names():
            _, group, part = spec.split('/')
            members = SUPERCATEGORY_MEMBERS[group]
            return [id_ for id_ in sorted(MP100) if (id_ in members) == (part == 'test')]
        raise CapekitError(f"categories={spec!r} is not a split; valid: a list of category ids or one of "
                           f"{', '.join(split_names())}")
    try:
        ids = list(spec)
    except TypeError:
        ids = [spec]
    if not ids or not all(isinstance(id_, int) and not isinstance(id_, bool) for id_ in ids):
        raise CapekitError(f'categories={spec!r} must be a list of category ids (whole numbers) or a split name such '
                           "as 'split1/train'")
    return ids
