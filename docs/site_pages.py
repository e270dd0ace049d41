"""A hook of MkDocs: pages of the site that are no files of docs/, with links that fit there."""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "config/README.md": "configuration.md",
    "models/README.md": "built-in-models.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
FUNCTIONS = "# Functions\n\n::: iclgd.api\n"
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#\s]+)")


def moved(text: str, folder: str) -> str:
    """Links of a page in ``folder`` of the repository, as the site has what they lead to."""

    def place(link: re.Match) -> str:
        path = posixpath.normpath(posixpath.join(folder, link[1]))
        return PAGES.get(path, path.removeprefix("docs/"))

    return LINK.sub(place, text)


def on_files(files, config):
    for path, page in PAGES.items():
        text = moved((ROOT / path).read_text(encoding="utf-8"), posixpath.dirname(path))
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "functions.md", content=FUNCTIONS))
    return files


def on_page_markdown(markdown, page, **_):
    return markdown if page.file.generated_by else moved(markdown, "docs")
