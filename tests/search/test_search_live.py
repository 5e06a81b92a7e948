"""What a person sees while a study runs, and that programs and logs see nothing of it."""

from __future__ import annotations

import io
import logging

import pytest
from rich.console import Console

from musicgenre.search.live import Log, Quiet, Table, view
from musicgenre.search.records import Record

RECORDS = [
    Record(0, {"rate": 0.3}, published="mfcc_cnn", state="complete", value=0.61, started_ms=1000, ended_ms=3500),
    Record(1, {"rate": 0.1}, state="pruned", value=0.2, reason="behind the other trials at epoch 4", history=({"epoch": 1},) * 4),
    Record(2, {"rate": 0.01}, state="failed", reason="out of memory"),
    Record(3, {"rate": 0.001, "kind": "mel"}, history=({"epoch": 1, "validation_macro_f1": 0.25},)),
]


def drawn(records: list[Record], *, left: float | None, width: int = 140) -> str:
    table = Table("search cnn", 30)
    table.update(records, left=left)
    table.note("trial 02: its process was killed; it is run again")
    table.close()
    text = io.StringIO()
    Console(file=text, width=width).print(table._render())
    return text.getvalue()


def test_the_table_shows_the_best_the_time_left_and_why_a_trial_was_pruned() -> None:
    text = drawn(RECORDS, left=61.4)
    lines = text.splitlines()
    assert "4 of 30" not in text
    assert "3 of 30 trials · best macro F1 0.610 (trial 00 mfcc_cnn) · 61 s of the time budget left" in text
    cells = [cell.strip() for cell in next(line for line in lines if "trial 01" in line).split("│")[1:-1]]
    assert cells[:4] == ["trial 01", "pruned", "4", "0.200"]
    assert "behind the other trials at epoch 4" in next(line for line in lines if "trial 01" in line)
    assert "out of memory" in next(line for line in lines if "trial 02" in line)
    running = next(line for line in lines if "trial 03" in line)
    assert "0.250" in running
    assert "rate=0.001 kind=mel" in running
    assert "it is run again" in lines[-1]


def test_on_a_narrow_terminal_only_the_parameters_are_cut() -> None:
    lines = drawn(RECORDS, left=5.0, width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert "│ trial 00 mfcc_cnn │ complete │" in "\n".join(lines)
    last = [line.split("│")[6].strip() for line in lines if line.count("│") == 7]
    assert " ".join(last).count("behind the other trials at epoch 4") == 1, "a reason is wrapped, not cut"
    assert any(cell.endswith("…") for cell in last)


def test_of_many_trials_the_last_and_the_best_are_shown() -> None:
    many = [Record(index, {"rate": 0.1}, state="complete", value=0.9 if index == 1 else 0.5) for index in range(40)]
    text = drawn(many, left=None)
    assert "trial 01" in text
    assert "trial 39" in text
    assert "trial 10" not in text
    assert len(text.splitlines()) < 24
    assert "left" not in text


def test_without_a_terminal_or_when_quiet_nothing_is_said(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    assert type(view("search cnn", 4, quiet=True)) is Quiet
    shown = view("search cnn", 4, quiet=False)
    assert type(shown) is Log
    shown.update([], left=None)
    with caplog.at_level(logging.INFO):
        shown.update(RECORDS, left=10.0)
    assert not caplog.text
    assert capsys.readouterr() == ("", "")


def test_debug_logs_a_line_a_trial(caplog: pytest.LogCaptureFixture) -> None:
    shown = Log("search cnn", 4)
    with caplog.at_level(logging.DEBUG, "musicgenre"):
        shown.update([], left=None)
        shown.update(RECORDS, left=10.0)
        shown.update(RECORDS, left=9.0)
    assert len(caplog.messages) == 3, "each finished trial once"
    assert "trial 01: pruned, macro F1 0.200" in caplog.messages[1]
    assert "best 0.610 (trial 00), 10 s of the budget left" in caplog.messages[1]
