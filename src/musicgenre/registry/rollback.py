"""One step back: the champion before becomes champion again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from musicgenre.bundle.golden import check
from musicgenre.bundle.predictor import Predictor
from musicgenre.errors import RegistryError
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.registry import audit
from musicgenre.registry.book import Book, now, who
from musicgenre.registry.entries import place_champion
from musicgenre.registry.lock import exclusive
from musicgenre.registry.recovery import before, catch_up, point_previous, withdraw
from musicgenre.registry.restore import restore
from musicgenre.registry.versions import ANSWERS, WITHDRAWN, Versions


@dataclass(frozen=True)
class Rollback:
    """`withdrawn` reigned until now, `champion` reigns again, `previous` is where a further step leads (empty: nowhere)."""

    withdrawn: str
    champion: str
    previous: str
    words: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def rollback(params: Params, layout: Layout, *, reason: str = "") -> Rollback:
    """Make the previous champion the champion, and keep the present one from coming back by itself.

    A rollback that was killed on its way is finished instead; a further call takes the next step.
    `promote` refuses a withdrawn model until it is forced, so the next `dvc repro` does not undo this.

    Raises
    ------
    RegistryError
        If there is nothing to go back to, or what there is does not load; nothing has moved then.
    """
    versions = Versions(params, layout)
    with exclusive(versions, layout):
        book = Book.read(layout.registry, params.promote.name)
        restored = restore(versions, book, layout)
        finished = catch_up(versions, book, layout)
        book.write(layout.registry)
        late = audit.complete(versions, book)
        last = book.log[-1] if book.log else {}
        killed = finished == "rolled back" or (not restored and last in late and last["action"] == "rolled back")
        if killed:  # somewhere on the way: it is finished now, and no second step is taken
            return Rollback(last["withdrawn"], book.champion, book.previous, last["words"])
        reigning = versions.at("champion")
        if reigning is None:
            raise RegistryError(f"{versions.name} has no champion to roll back. Run `musicgenre promote` first.")
        number = before(book, reigning, versions)
        target = versions.get(number) if number else None
        if target is None:
            raise RegistryError(f"No champion came before version {reigning.number}; there is nothing to go back to.")
        with versions.bundle(target) as folder:
            check(Predictor.load(folder))  # before anything moves
        why = reason.strip() or "no reason given"
        stamp = f"{now()} by {who()}: {why}"
        versions.tag(reigning.number, {WITHDRAWN: stamp[:4000]})
        versions.point("champion", target.number)
        after = before(book, target, versions, frozenset({reigning.number, target.number}))
        point_previous(versions, after)
        place_champion(versions, target, layout)
        words = f"Back to version {target.number} from version {reigning.number}: {why}."
        withdraw(book, reigning.tags.get(ANSWERS, ""), stamp)
        book.champion, book.previous = target.number, after
        noted = book.note("rolled back", target.number, withdrawn=reigning.number, words=words)
        book.decision = {"version": target.number, "decision": "rolled back", "words": words, "time": noted["time"], "criteria": []}
        book.write(layout.registry)
        audit.append(versions, noted)
    return Rollback(withdrawn=reigning.number, champion=target.number, previous=after, words=words)


__all__ = ["Rollback", "rollback"]
