"""README.md for a package index: pyproject.toml names this module for the project's `readme`.

Model: a relative link to a file of the project is broken on an index. With a public repository (`Source` in project.urls) such
a link is changed to the repository, at the tag of the version; without one it becomes the file's name, and the last line says
where the files are.
"""

import re
from pathlib import Path
from typing import Any

README = Path(__file__).resolve().parent.parent / "README.md"


def index_page(text: str, urls: dict[str, str], version: str) -> str:
    def replace(match: re.Match[str]) -> str:
        label, target = match.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return match[0]
        if "Source" in urls:
            return f"[{label}]({urls['Source']}/blob/v{version}/{target})"
        return f"`{target}`" if label == target else f"{label} (`{target}`)"

    page = re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", replace, text)
    if "Source" not in urls:
        page += f"\nThe files named here are in the [source distribution]({urls['Download']}).\n"
    return page


def dynamic_metadata(_settings: dict[str, Any], project: dict[str, Any]) -> dict[str, Any]:
    """Called by scikit-build-core, after it has found the version."""
    text = index_page(README.read_text(encoding="utf-8"), project["urls"], project["version"])
    return {"readme": {"content-type": "text/markdown", "text": text}}
