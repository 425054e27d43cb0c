"""Which test episodes are worth a look, and how they are drawn: supports | query with labels | its prediction."""

import numpy as np

from capekit.datasets import MP100Dataset, TestPlan
from capekit.datasets.crops import invert, transform_points
from capekit.evaluation.scores import RowScores, by_row, row_scores
from capekit.visualization.gallery import Caption, Gallery
from capekit.visualization.panels import MAX_SUPPORTS, draw_errors, draw_keypoints, make_panels, score_opacity

THRESHOLD = 0.2


def draw_episodes(dataset: MP100Dataset, plan: TestPlan, points: np.ndarray, scores: np.ndarray, gallery: Gallery,
                  seed: int = 0) -> int:
    """Draw the worst, the median, the best and a random query of every category into a gallery.

    Args:
        dataset: with images.
        plan: E episodes of Q queries.
        points: (E, Q, Kmax, 2) predictions in image pixels.
        scores: (E, Q, Kmax) their confidence, nan where there is none.
        gallery: gets `<category id>_<name>_<which>.png`; it is not closed.
        seed: of the random choice.

    Returns:
        the number of images.
    """
    rows, measured = plan.rows, row_scores(dataset, plan.rows, by_row(plan, points, 2), (THRESHOLD,))
    chosen = chosen_rows(measured, dataset.category_ids[rows[:, -1]], seed)
    points, scores = points.reshape(len(rows), *points.shape[2:]), scores.reshape(len(rows), -1)
    for row, which in chosen.items():
        category = dataset.categories[int(dataset.category_ids[rows[row, -1]])]
        episode, query = divmod(row, plan.queries.shape[1])
        figure = query_figure(dataset, rows[row], dict(prediction=(points[row], scores[row])))
        gallery.add(f'{category.id}_{category.name}_{which}', figure, Caption(
            category.name, which, f'{episode}, query {query}', float(measured.pck[row, 0]), float(measured.nme[row]),
            _worst_keypoint(measured.errors[row], category)))
    return len(chosen)


def chosen_rows(measured: RowScores, category_ids: np.ndarray, seed: int = 0) -> dict:
    """Row number -> 'worst', 'median', 'best' or 'random', by mean error within each category.

    Rows without a scored keypoint have no error and are left out. Fewer than four rows are all drawn.
    """
    rng, chosen = np.random.default_rng(seed), {}
    error = np.nan_to_num(measured.nme, nan=np.inf)
    for category_id in dict.fromkeys(category_ids.tolist()):
        rows = np.flatnonzero((category_ids == category_id) & (measured.scored > 0))
        ranked = rows[np.argsort(-error[rows], kind='stable')].tolist()
        if not ranked:
            continue
        of_category = {ranked[0]: 'worst'}
        of_category.setdefault(ranked[-1], 'best')
        of_category.setdefault(ranked[len(ranked) // 2], 'median')
        rest = [row for row in ranked if row not in of_category]
        if rest:
            of_category[rest[rng.integers(len(rest))]] = 'random'
        chosen.update(of_category)
    return chosen


def _worst_keypoint(errors: np.ndarray, category) -> str:
    """'worst keypoint: tail, 0.41', the name as far as there is one."""
    worst = int(np.nanargmax(errors))
    name = category.keypoint_names[worst] if worst < len(category.keypoint_names) else worst
    return f'worst keypoint: {name}, {errors[worst]:.2f}'


def query_figure(dataset: MP100Dataset, row: np.ndarray, answers: dict):
    """A row of panels: supports | query with labels | the query with what one or more methods answered.

    Args:
        dataset: with images.
        row: (S + 1,) instance numbers, the query last.
        answers: name of a method -> (points (K, 2) in pixels of the query's image, scores (K,)), or more of either.
    """
    category = dataset.categories[int(dataset.category_ids[row[-1]])]
    crops = [dataset.crop(int(number)) for number in row]
    size, query = dataset.image_size, crops[-1]
    supports = crops[:-1][:MAX_SUPPORTS]
    figure, (axes,) = make_panels(1, len(supports) + 1 + len(answers))
    for place, (panel, crop) in enumerate(zip(axes, supports, strict=False), 1):
        draw_keypoints(panel, crop.image, crop.points * size, crop.visible, category.links, f'support {place}')
    labels = query.points * size
    draw_keypoints(axes[len(supports)], query.image, labels, query.visible, category.links, 'query, labels')
    shown = np.all([crop.visible for crop in crops[:-1]], 0)  # the others are not predicted
    for panel, (name, (points, scores)) in zip(axes[len(supports) + 1:], answers.items(), strict=True):
        predicted = transform_points(points[:category.num_keypoints], invert(query.crop_to_image))
        scores = scores[:category.num_keypoints]
        title = f'{name}, errors in red'
        if not np.isnan(scores[shown]).all():
            title += f', score {np.nanmean(scores[shown]):.2f}'
        draw_keypoints(panel, query.image, predicted, shown, category.links, title,
                       opacity=score_opacity(scores, shown))
        draw_errors(panel, predicted, labels, shown & query.visible)
    figure.tight_layout(pad=0.5)
    return figure
