"""The `promote` stage: evidence, verdict, registration, and moves that never leave the registry without a champion.

The order of calls is the safety: a version is complete before an alias names it, `previous`
is moved while the old champion still reigns, and `champion` itself moves in one call. A
process that dies anywhere in between leaves a champion that loads, and the next `promote`
finishes what was left. Two promotions at once: the moves are made under a lock, after
looking again at the champion that the evidence was gathered against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from musicgenre.bundle import BundleSpec, load_bundle
from musicgenre.errors import BundleError, MissingInput, RegistryError
from musicgenre.layout import Layout
from musicgenre.params import Params
from musicgenre.registry import audit
from musicgenre.registry.book import Book, now
from musicgenre.registry.cards import data_card, model_card
from musicgenre.registry.entries import entry_of, lineage_tags, place_champion, remember
from musicgenre.registry.evidence import gather, read_metrics
from musicgenre.registry.gate import Evidence, Verdict, judge
from musicgenre.registry.lock import exclusive
from musicgenre.registry.pages import card_page
from musicgenre.registry.recovery import catch_up, withdraw
from musicgenre.registry.restore import restore
from musicgenre.registry.versions import ANSWERS, DECISION, WITHDRAWN, Version, Versions, find_version

_ATTEMPTS = 5


@dataclass(frozen=True)
class Promotion:
    """What `promote` did.

    Attributes
    ----------
    decision
        ``promoted``, ``refused``, ``forced``, or ``unchanged`` (the candidate answers as the champion does).
    version, champion
        Of the candidate, and the champion after all; empty where there is none.
    restored
        Versions that were registered again because the store lacked them.
    """

    decision: str
    words: str
    family: str
    version: str
    champion: str
    verdict: Verdict | None = None
    restored: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Candidate:
    directory: Path
    family: str
    spec: BundleSpec


def _selected(layout: Layout, metrics: Mapping[str, Any]) -> _Candidate:
    family = str(metrics.get("selected") or "")
    if not family:
        raise MissingInput(f"{layout.metrics} selects no family: none could be evaluated. Look at reports/report.html.")
    directory = layout.bundle(family)
    return _Candidate(directory, family, load_bundle(directory))


def promote(params: Params, layout: Layout, *, wanted: str = "", force: bool = False, reason: str = "") -> Promotion:
    """Judge a candidate and, if it is better, make it the champion.

    Parameters
    ----------
    wanted
        A registered version (number, alias or digest) to judge again; by default the family that
        `evaluate` selected on validation.
    force
        Move even if the gate refuses (never onto a bundle that does not load). Needs `reason`.

    Raises
    ------
    MissingInput
        If there has been no evaluation.
    RegistryError
        If `force` has no reason, or the champion keeps changing under the judgement.
    """
    if force and not reason.strip():
        raise RegistryError("A forced move needs a reason: --reason 'why the gate is wrong here'.")
    metrics = None if wanted else read_metrics(layout)  # first, for an answer before a store is made
    versions = Versions(params, layout)
    restored = _settle(params, layout, versions)
    if metrics is None:
        version = find_version(versions, wanted)
        with versions.bundle(version) as folder:
            candidate = _Candidate(folder, version.tags.get("family", ""), load_bundle(folder))
            return _decide(params, layout, versions, candidate, force=force, reason=reason, restored=restored, measured=False)
    candidate = _selected(layout, metrics)
    return _decide(params, layout, versions, candidate, force=force, reason=reason, restored=restored, measured=True)


def _settle(params: Params, layout: Layout, versions: Versions) -> tuple[str, ...]:
    """Store, book and files agree on the champion; returns the numbers that were registered again."""
    with exclusive(versions, layout):
        book = Book.read(layout.registry, params.promote.name)
        restored = tuple(restore(versions, book, layout))
        catch_up(versions, book, layout)
        book.write(layout.registry)
        audit.complete(versions, book)
    return restored


def _decide(
    params: Params,
    layout: Layout,
    versions: Versions,
    candidate: _Candidate,
    *,
    force: bool,
    reason: str,
    restored: tuple[str, ...],
    measured: bool,
) -> Promotion:
    for _ in range(_ATTEMPTS):
        champion = versions.at("champion")
        if champion is not None and champion.tags.get(ANSWERS) == candidate.spec.answers:
            words = f"Version {champion.number} is the champion already: the candidate gives the same answers."
            return Promotion("unchanged", words, candidate.family, champion.number, champion.number, None, restored)
        book = Book.read(layout.registry, params.promote.name)
        evidence = _evidence(params, layout, versions, candidate, champion, book, measured)
        verdict = judge(evidence, params.promote)
        if force and evidence.loads:
            raise RegistryError(f"Not even --force promotes a bundle that does not answer. {evidence.loads}")
        decision = "promoted" if verdict.passed else "forced" if force else "refused"
        words = verdict.words if decision != "forced" else f"Forced: {reason.strip()} (the gate said: {verdict.words})"
        version = _registered(layout, versions, candidate, evidence, verdict, decision, words)
        with exclusive(versions, layout):
            same = versions.aliases().get("champion", "") == (champion.number if champion else "")
            if same:
                reigning = _move(layout, versions, candidate, version, champion, decision, words, verdict, evidence, params.promote.name)
                return Promotion(decision, words, candidate.family, version.number, reigning, verdict, restored)
        _settle(params, layout, versions)  # another promotion was first: judge again, against its champion
    raise RegistryError(
        f"The champion changed {_ATTEMPTS} times while this candidate was judged. Run it again when the others have finished."
    )


def _evidence(
    params: Params, layout: Layout, versions: Versions, candidate: _Candidate, champion: Version | None, book: Book, measured: bool
) -> Evidence:
    answers = candidate.spec.answers
    # The store's own mark counts too: a rollback that died before it wrote the book has set it.
    marks = [item.withdrawn for item in versions.all() if item.tags.get(ANSWERS) == answers and item.withdrawn]
    withdrawn = book.withdrawn(answers) or (marks[-1] if marks else "")
    common: dict[str, Any] = {"family": candidate.family if measured else "", "withdrawn": withdrawn}
    if champion is None:
        return gather(params, layout, candidate.directory, **common)
    try:
        with versions.bundle(champion) as folder:
            load_bundle(folder)
            return gather(params, layout, candidate.directory, champion=folder, champion_version=champion.number, **common)
    except (RegistryError, BundleError) as error:
        problem = f"its bundle cannot be had ({error})."
        return gather(params, layout, candidate.directory, champion_version=champion.number, champion_problem=problem, **common)


def _registered(
    layout: Layout, versions: Versions, candidate: _Candidate, evidence: Evidence, verdict: Verdict, decision: str, words: str
) -> Version:
    """The candidate's version: the one that the store has, or a new one."""
    card = model_card(candidate.spec, layout, family=candidate.family, evidence=evidence, verdict=verdict, decision=decision, words=words)
    data = data_card(layout, str(candidate.spec.lineage.get("data_source", "")))
    pages = {"data_card.md": data, "card.html": card_page(f"Model {candidate.spec.model_id}", card, data)}
    known = versions.of_digest(candidate.spec.digest)
    if known is not None:
        versions.describe(known, card, pages)
        return replace(known, description=card)
    record = {**evidence.to_dict(), "verdict": verdict.to_dict()}
    tags = {**lineage_tags(candidate.spec), DECISION: "pending"}
    return versions.register(
        candidate.directory, candidate.spec, family=candidate.family, card=card, tags=tags, evidence=record, pages=pages
    )


def _move(
    layout: Layout,
    versions: Versions,
    candidate: _Candidate,
    version: Version,
    champion: Version | None,
    decision: str,
    words: str,
    verdict: Verdict,
    evidence: Evidence,
    name: str,
) -> str:
    """Tags, aliases, files and log, in the safe order; returns the champion's number. The lock is held."""
    accepted = decision in ("promoted", "forced")
    versions.tag(version.number, {DECISION: decision, "decided": now(), "words": words[:4000]})
    versions.point("candidate", version.number)
    if accepted:
        if champion is not None and champion.number != version.number:
            versions.point("previous", champion.number)
        versions.point("champion", version.number)
        place_champion(versions, version, layout, candidate.directory)
        for item in versions.all():  # whoever forces a withdrawn model has taken the withdrawal back
            if item.withdrawn and item.tags.get(ANSWERS) == candidate.spec.answers:
                versions.untag(item.number, WITHDRAWN)
    reigning = version.number if accepted else (champion.number if champion else "")
    book = Book.read(layout.registry, name)
    figures = {"macro_f1": evidence.figures.macro_f1, "accuracy": evidence.figures.accuracy, "tracks": evidence.tracks}
    entry = entry_of(version, candidate.spec, family=candidate.family, figures=figures, decision=decision, words=words)
    remember(book, entry)
    if accepted:
        withdraw(book, candidate.spec.answers, "")
    if accepted and champion is not None:
        book.previous = champion.number
    book.champion, book.candidate = reigning, version.number
    criteria = [asdict(item) for item in verdict.criteria]
    noted = book.note(decision, version.number, words=words, against=champion.number if champion else "", criteria=criteria)
    book.decision = {"version": version.number, "decision": decision, "words": words, "time": noted["time"], "criteria": criteria}
    book.write(layout.registry)
    audit.append(versions, noted)
    return reigning


__all__ = ["Promotion", "promote"]
