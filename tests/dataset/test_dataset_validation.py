"""Every expectation is proven by data that breaks it, and the stage by what it writes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from musicgenre.dataset.expectations import rules
from musicgenre.dataset.manifest import COLUMNS
from musicgenre.dataset.validation import judge, validate
from musicgenre.errors import MissingInput, ParamsError, ValidationFailed
from musicgenre.layout import Layout
from musicgenre.params import ValidateParams

GENRES = ("blues", "jazz", "rock")
PARAMS = ValidateParams(known_genres=("blues", "jazz", "rock", "polka"), max_quarantined_share=0.5)


def manifest(per_genre: int = 6) -> pd.DataFrame:
    """A clean manifest: three genres, a group of two tracks each."""
    rows: list[dict[str, Any]] = []
    for genre in GENRES:
        for i in range(per_genre):
            track = f"{genre}/t{i:03d}"
            number = len(rows)
            rows.append({
                "track_id": track, "path": f"music/{track}.ogg", "genre": genre, "group": f"{genre} band {i // 2}", "format": "ogg",
                "sample_rate": 22_050, "channels": 2, "duration_s": 30.0, "bytes": 1000, "sha256": f"{number:064x}",
                "pcm_sha256": f"{number + 500:064x}", "truncated": False, "peak": 0.9, "rms_db": -18.0, "silence_fraction": 0.0,
                "clipped_fraction": 0.0, "dc_offset": 0.0, "fingerprint": f"{number:016x}", "recording": track,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


Break = Callable[[pd.DataFrame], pd.DataFrame]


def put(column: str, value: Any, row: int = 0) -> Break:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row, column] = value
        return table

    return change


def merge_groups(table: pd.DataFrame) -> pd.DataFrame:
    table.loc[table["genre"] == "jazz", "group"] = "one band"
    return table


def shrink(genre: str, left: int) -> Break:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        of_genre = table.index[table["genre"] == genre]
        return table.drop(of_genre[left:]).reset_index(drop=True)

    return change


ROW_BREAKS: dict[str, Break] = {
    "decodable": lambda t: put("error_text", "broken")(put("error", "undecodable")(t)),
    "duration": put("duration_s", 0.2),
    "sample_rate": put("sample_rate", 4_000),
    "silence": put("silence_fraction", 0.95),
    "level": put("rms_db", -80.0),
    "clipping": put("clipped_fraction", 0.4),
    "dc": put("dc_offset", 0.5),
    "known_genre": put("genre", "unheard of"),
}
SET_BREAKS: dict[str, Break] = {
    "columns": lambda t: t.drop(columns="fingerprint"),
    "not_empty": lambda t: t.iloc[:0],
    "track_id_present": put("track_id", None),
    "track_id_unique": put("track_id", "blues/t001"),
    "path_unique": put("path", "music/blues/t001.ogg"),
    "genre_present": put("genre", ""),
    "group_present": put("group", None),
    "sha256_form": put("sha256", "12ab"),
    "channels_positive": put("channels", 0),
    "shares_in_range": put("silence_fraction", 1.5),
    "quarantined_share": lambda t: t.assign(duration_s=[0.1] * 10 + [30.0] * (len(t) - 10)),
    "genre_count": lambda t: t[t["genre"] == "jazz"].reset_index(drop=True),
    "genre_size": shrink("jazz", 3),
    "balance": lambda t: pd.concat([shrink("rock", 4)(manifest(100))], ignore_index=True),
    "genre_groups": merge_groups,
    "label_conflict": put("recording", "jazz/t000"),
}
WARNING_BREAKS: dict[str, Break] = {
    "whole": put("truncated", True),
    "unique_recording": put("recording", "blues/t001"),
    "group_share": lambda t: manifest(10).assign(group=lambda x: ["big"] * 6 + list(x["group"][6:])),
    "group_genres": put("group", "jazz band 0"),
    "drift": shrink("rock", 5),
}


def test_a_clean_manifest_breaks_nothing() -> None:
    found = judge(PARAMS, manifest(), {"blues": 6, "jazz": 6, "rock": 6})
    assert [o.rule.name for o in found.outcomes if not o.success] == []
    assert found.reasons == {} and len(found.accepted) == 18


def test_there_is_a_breaking_case_for_every_expectation() -> None:
    assert {rule.name for rule in rules(PARAMS, tuple(COLUMNS))} == {*ROW_BREAKS, *SET_BREAKS, *WARNING_BREAKS}


def test_a_broken_row_is_quarantined_alone_and_each_for_its_own_reason() -> None:
    table = manifest()
    for row, change in enumerate(ROW_BREAKS.values()):
        broken = change(manifest())
        columns = [column for column in COLUMNS if not broken[column].equals(manifest()[column])]
        table.loc[row, columns] = broken.loc[0, columns]
    found = judge(
        PARAMS.model_copy(update={"min_tracks_per_genre": 1, "severity": {"genre_groups": "off", "genre_size": "off"}}), table, {}
    )
    assert list(found.reasons) == [manifest().loc[row, "track_id"] for row in range(len(ROW_BREAKS))]
    for name, (reason,) in zip(ROW_BREAKS, found.reasons.values(), strict=True):
        assert reason.startswith("undecodable: broken" if name == "decodable" else f"{name}: found")
    assert not found.failures and len(found.accepted) == 18 - len(ROW_BREAKS)


def alone(name: str, params: ValidateParams = PARAMS) -> ValidateParams:
    """`params` with every other expectation off."""
    others = {rule.name for rule in rules(params, tuple(COLUMNS))} - {name, "decodable"}
    return params.model_copy(update={"severity": dict.fromkeys(others, "off")})


@pytest.mark.parametrize("name", SET_BREAKS)
def test_a_broken_set_is_refused_by_name(name: str) -> None:
    params = alone(name)
    if name == "quarantined_share":
        params = params.model_copy(update={"severity": {**params.severity, "duration": "error"}})
    (failure,) = judge(params, SET_BREAKS[name](manifest()), {}).failures
    assert failure.rule.name == name
    assert f"`{name}`" in failure.sentence() and ", but: " in failure.sentence()
    if name not in ("columns", "not_empty"):
        assert judge(params, manifest(), {}).failures == ()


@pytest.mark.parametrize("name", WARNING_BREAKS)
def test_a_warning_neither_quarantines_nor_refuses(name: str) -> None:
    params = alone(name, PARAMS.model_copy(update={"max_class_drift": 0.03}))
    found = judge(params, WARNING_BREAKS[name](manifest()), {"blues": 6, "jazz": 6, "rock": 6})
    assert [o.rule.name for o in found.outcomes if not o.success] == [name]
    assert not found.failures and not found.reasons


def test_severity_makes_a_warning_of_an_error_and_an_error_of_a_warning() -> None:
    relaxed = PARAMS.model_copy(update={"severity": {"label_conflict": "warning", "whole": "error", "duration": "off"}})
    table = put("duration_s", 0.1, row=5)(put("truncated", True, row=2)(put("recording", "jazz/t000")(manifest())))
    found = judge(relaxed, table, {})
    assert not found.failures
    assert list(found.reasons) == ["blues/t002"]


def test_a_misspelt_severity_is_an_error_that_lists_the_names() -> None:
    with pytest.raises(ParamsError, match=r"validate\.severity\.durations.*duration"):
        rules(ValidateParams(severity={"durations": "off"}), tuple(COLUMNS))
    with pytest.raises(ParamsError, match="does not decode"):
        rules(ValidateParams(severity={"decodable": "warning"}), tuple(COLUMNS))


def test_nothing_that_decodes_is_refused_in_words() -> None:
    table = manifest().assign(error="undecodable", error_text="noise")
    found = judge(PARAMS, table, {})
    assert {"quarantined_share", "genre_count"} <= {o.rule.name for o in found.failures}


@pytest.fixture
def project(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    layout.data.mkdir()
    return layout


def test_the_stage_writes_valid_rows_reasons_and_offline_pages(project: Layout) -> None:
    table = put("duration_s", 0.1, row=4)(ROW_BREAKS["decodable"](manifest()))
    table.loc[4, "rms_db"] = -90.0
    table.to_parquet(project.manifest)
    summary = validate(PARAMS, project)
    assert (summary.accepted, summary.quarantined) == (16, 2)
    valid = pd.read_parquet(project.valid)
    assert list(valid.columns) == list(COLUMNS) and valid["track_id"].is_monotonic_increasing and len(valid) == 16
    lost = pd.read_csv(project.quarantine)
    assert list(lost.columns) == ["track_id", "path", "genre", "reasons"]
    assert [reason.split(":")[0] for reason in lost.loc[1, "reasons"].split(";")] == ["duration", "level"]
    result = json.loads((project.validation_report / "result.json").read_text())
    assert result["success"] and result["quarantined_by_reason"] == {"duration": 1, "level": 1, "undecodable": 1}
    pages = sorted(project.validation_report.glob("*.html"))
    assert [page.stem for page in pages] == ["dataset", "genres", "groups", "index", "recordings", "tracks"]
    for page in pages:
        text = page.read_text()
        assert not re.search(r"https?://|//cdn|<script|<link|<img|@import|url\(", text), page.name
        for target in re.findall(r'href="([^"#]+)"', text):
            assert (project.validation_report / target).is_file(), f"{page.name} links to {target}"
    assert "at least 4 tracks" in (project.validation_report / "index.html").read_text()
    assert "duration_s" in (project.validation_report / "tracks.html").read_text()


def test_a_refused_set_leaves_the_report_and_no_valid_rows(project: Layout) -> None:
    manifest().to_parquet(project.manifest)
    validate(PARAMS, project)
    SET_BREAKS["label_conflict"](manifest()).to_parquet(project.manifest)
    with pytest.raises(
        ValidationFailed, match=r"no recording stands under two genres, but: jazz/t000 \(blues/t000, jazz/t000\)"
    ) as refused:
        validate(PARAMS, project)
    assert refused.value.exit_code == 1 and "index.html" in str(refused.value)
    assert not project.valid.exists() and project.quarantine.exists()
    assert not json.loads((project.validation_report / "result.json").read_text())["success"]


def test_a_manifest_of_a_hundred_thousand_rows_is_judged_in_seconds() -> None:
    import time

    table = pd.concat([manifest(10)] * 3400, ignore_index=True)
    names = pd.Series([f"{genre}/{number:06d}" for number, genre in enumerate(table["genre"])], dtype="string")
    table = table.assign(track_id=names, path=names + ".ogg", recording=names, group=names.str.slice(0, -1))
    table.loc[table.index % 100 == 0, "duration_s"] = 0.1
    started = time.process_time()
    found = judge(PARAMS, table, {})
    assert time.process_time() - started < 10
    assert len(found.reasons) == 1_020 and not found.failures


def test_drift_is_measured_against_the_last_accepted_set(project: Layout) -> None:
    params = PARAMS.model_copy(update={"max_class_drift": 0.03})
    manifest().to_parquet(project.manifest)
    assert validate(params, project).warnings == ()
    shrink("rock", 5)(manifest()).to_parquet(project.manifest)
    assert any("last accepted mix" in warning for warning in validate(params, project).warnings)


def test_without_a_manifest_the_next_step_is_named(project: Layout) -> None:
    with pytest.raises(MissingInput, match="musicgenre manifest"):
        validate(PARAMS, project)
