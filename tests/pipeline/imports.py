"""Which modules of the package a module imports, directly or through others, read from the source."""

from __future__ import annotations

import ast
from pathlib import Path


class Imports:
    """The static import graph under `src`. Imports for type checking alone do not count."""

    def __init__(self, src: Path) -> None:
        self.src = src
        self._known: dict[str, frozenset[str]] = {}

    def path(self, module: str) -> Path | None:
        """The file of a module, or None for a name that is not one."""
        base = self.src.joinpath(*module.split("."))
        for candidate in (base / "__init__.py", base.with_suffix(".py")):
            if candidate.is_file():
                return candidate
        return None

    def direct(self, module: str) -> frozenset[str]:
        """Modules of the package that `module` names in an import, in functions too."""
        if module not in self._known:
            path = self.path(module)
            assert path is not None, module
            tree = ast.parse(path.read_text(encoding="utf-8"))
            typing_only = {
                id(inner)
                for node in ast.walk(tree)
                if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
                for inner in ast.walk(node)
            }
            found = set()
            for node in ast.walk(tree):
                if id(node) in typing_only:
                    continue
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("musicgenre"):
                    named = {f"{node.module}.{alias.name}" for alias in node.names}
                    found |= {name if self.path(name) else str(node.module) for name in named}
                elif isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names if alias.name.startswith("musicgenre")}
            self._known[module] = frozenset(name for name in found if self.path(name))
        return self._known[module]

    def closure(self, *entries: str, cut: tuple[str, ...] = ()) -> set[str]:
        """All modules reachable from `entries`; modules under a prefix in `cut` are neither counted nor followed."""
        seen: set[str] = set()
        todo = list(entries)
        while todo:
            module = todo.pop()
            if module in seen or any(module == prefix or module.startswith(prefix + ".") for prefix in cut):
                continue
            seen.add(module)
            todo.extend(self.direct(module))
        return seen
