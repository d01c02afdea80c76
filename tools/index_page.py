"""README.md as a package index shows it: what pyproject.toml names for the project's `readme`.

Model: a link to a file of the project leads nowhere on an index. With a public repository (`Source` in project.urls)
such links lead there, at the tag of the version; without one they become the file's name, and the last line says where
the files are.
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
    """What scikit-build-core calls; the version was found before."""
    text = index_page(README.read_text(encoding="utf-8"), project["urls"], project["version"])
    return {"readme": {"content-type": "text/markdown", "text": text}}
