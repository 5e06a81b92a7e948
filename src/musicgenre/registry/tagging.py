"""Git tags that `dvc artifacts get` and other registries on git (GTO) look for: ``<name>@v<version>.0.0``."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from musicgenre.errors import RegistryError
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.registry.book import Book
from musicgenre.registry.trace import first_commit


@dataclass(frozen=True)
class Tag:
    """`state` is made, there already, or uncommitted (there is no commit to put it on yet)."""

    tag: str
    version: str
    commit: str
    state: str


def _git(layout: Layout, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(layout.root), *words], capture_output=True, text=True, timeout=60, check=False)


def tag_champions(params: Params, layout: Layout) -> list[Tag]:
    """Tag the commit of every version that was ever champion; tags that are there are left as they are.

    Raises
    ------
    RegistryError
        If this is no git repository, or git refuses.
    """
    if _git(layout, "rev-parse", "HEAD").returncode != 0:
        raise RegistryError(f"{layout.root.resolve()} is not a git repository with a commit; `dvc artifacts get` needs one.")
    book = Book.read(layout.registry, params.promote.name)
    found = []
    for number in dict.fromkeys(book.champions()):
        entry = book.entry(number)
        if entry is None:
            continue
        name = f"{book.name}@v{number}.0.0"
        known = _git(layout, "rev-list", "-n1", name)
        if known.returncode == 0:
            found.append(Tag(name, number, known.stdout.strip(), "there already"))
            continue
        commit = first_commit(entry["digest"], layout)
        if not commit:
            found.append(Tag(name, number, "", "uncommitted"))
            continue
        # Annotated, because DVC overlooks lightweight ones.
        made = _git(layout, "tag", "--annotate", "--message", f"{book.name} version {number}: {entry['words']}"[:500], name, commit)
        if made.returncode != 0:
            raise RegistryError(f"git does not tag {name}: {made.stderr.strip()}")
        found.append(Tag(name, number, commit, "made"))
    return found


__all__ = ["Tag", "tag_champions"]
