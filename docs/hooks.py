"""Builds the site from the repository's own pages, at their paths, so that their links work unchanged."""

import re
from pathlib import Path

from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r'\]\(([^)#:\s]+)[^)]*\)')  # to another file here: no scheme, no bare anchor


def on_files(files: Files, config) -> Files:
    """Add the navigation's pages outside docs/, and every file that one of them links to."""
    pages = [path for path in _pages(config['nav']) if files.get_file_from_path(path) is None]
    wanted = set(pages)
    for page in pages:
        for target in LINK.findall((ROOT / page).read_text(encoding='utf-8')):
            path = (ROOT / page).parent.joinpath(target).resolve()
            if path.is_file() and path.is_relative_to(ROOT):
                wanted.add(path.relative_to(ROOT).as_posix())
    for path in sorted(wanted):
        # Not subject to `exclude_docs`, which is about the files of docs/.
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path), inclusion=InclusionLevel.INCLUDED))
    return files


def _pages(nav) -> list:
    """The paths of a navigation, in order."""
    if isinstance(nav, str):
        return [nav]
    return [page for entry in (nav.values() if isinstance(nav, dict) else nav) for page in _pages(entry)]
