"""The routes: answers, limits and the one error shape, through the whole ASGI application."""

from __future__ import annotations

import io
import json
import logging
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from serving_harness import Service, Wav

from musicgenre.bundle.predictor import Predictor


def _error(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"error", "request_id"}
    assert body["request_id"] == answer.headers["x-request-id"]
    assert body["error"]["code"] == code
    assert body["error"]["message"].endswith((".", "?"))
    return body


def _post(service: Service, data: bytes, path: str = "/classify", **options: Any) -> Any:
    return service.client.post(path, files={"file": ("my secret name.wav", data)}, **options)


def test_answer_is_the_predictors_bit_by_bit(service: Service, bundle: Path, wav: Wav) -> None:
    data = wav(7.3, seed=1)
    answer = _post(service, data, "/classify?top_k=1000").json()
    wanted = Predictor.load(bundle).classify_bytes(data)
    assert {item["genre"]: item["probability"] for item in answer["probabilities"]} == dict(wanted.ranked())
    assert answer["genre"] == wanted.genre
    assert answer["model"] == {"name": "musicgenre", "version": "7", "digest": service.engine.predictor.spec.digest}
    assert answer["duration_s"] == pytest.approx(7.3, abs=0.01)
    assert answer["format"] == "wav"
    starts = [segment["start_s"] for segment in answer["timeline"]]
    assert starts == [round(float(start), 3) for start in wanted.times_s]
    assert all(segment["start_s"] < segment["end_s"] <= answer["duration_s"] for segment in answer["timeline"])


def test_raw_body_multipart_and_every_format_agree(service: Service, wav: Wav) -> None:
    answers = [_post(service, wav(4, seed=2)).json()]
    answers.append(service.client.post("/classify", content=wav(4, seed=2), headers={"content-type": "audio/wav"}).json())
    answers.append(_post(service, wav(4, seed=2, kind="FLAC")).json())
    answers.append(_post(service, wav(4, seed=2, kind="AIFF")).json())
    assert len({answer["genre"] for answer in answers}) == 1
    assert np.ptp([answer["probability"] for answer in answers]) < 1e-3
    assert [answer["format"] for answer in answers] == ["wav", "wav", "flac", "aiff"]
    for kind in ("OGG", "MP3", "AU"):
        assert _post(service, wav(4, seed=2, kind=kind)).status_code == 200


def test_top_k_and_its_bounds(service: Service, wav: Wav) -> None:
    assert len(_post(service, wav(), "/classify?top_k=2").json()["probabilities"]) == 2
    for bad in ("0", "1001", "x", "", "-1", "2.5", "९"):
        _error(_post(service, wav(), f"/classify?top_k={bad}"), 400, "bad_request")


def test_batch_answers_in_order_each_with_its_own_fate(service: Service, wav: Wav) -> None:
    files = [("files", ("a", wav(3, seed=3))), ("files", ("b", b"no sound at all")), ("files", ("c", wav(3, seed=4)))]
    body = service.client.post("/classify_batch", files=files).json()
    assert [result["ok"] for result in body["results"]] == [True, False, True]
    assert [result["index"] for result in body["results"]] == [0, 1, 2]
    assert body["results"][1]["error"]["code"] == "unsupported_format"
    assert body["results"][1]["status"] == 415
    single = _post(service, wav(3, seed=4)).json()
    assert single["probabilities"] == body["results"][2]["probabilities"]


def test_batch_has_a_limit_on_files(make_service: Callable[..., Service], wav: Wav) -> None:
    small = make_service(max_batch_files=2)
    answer = small.client.post("/classify_batch", files=[("files", ("a", wav(1.5)))] * 3)
    _error(answer, 400, "bad_request")


def _float_wav(samples: Any, rate: int = 22050) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(samples, np.float32), rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 422, "empty"),
        (b"hello, I am text", 415, "unsupported_format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), 415, "unsupported_format"),
        (bytes(5000), 415, "unsupported_format"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", 422, "undecodable"),
        (_float_wav(np.full(30000, np.nan)), 422, "non_finite"),
        (_float_wav(np.zeros(30000)), 422, "silent"),
        (_float_wav(0.1 * np.ones(2000)), 422, "too_short"),
        (b"fLaC" + bytes(3000), 422, "undecodable"),
        (b"OggS" + bytes(3000), 422, "undecodable"),
    ],
    ids=["empty", "text", "png", "zeros", "bare header", "nan", "silent", "short", "broken flac", "broken ogg"],
)
def test_what_is_no_usable_audio_is_one_clear_error(service: Service, data: bytes, status: int, code: str) -> None:
    _error(_post(service, data), status, code)


def test_a_forged_header_costs_nothing(service: Service, wav: Wav) -> None:
    forged = bytearray(wav(2))
    at = forged.index(b"data") + 4
    forged[at : at + 4] = struct.pack("<I", 0x7FFFFF00)  # promises 27 hours
    answer = _post(service, bytes(forged))
    assert answer.status_code in (200, 422)
    if answer.status_code == 200:
        assert any(words.startswith("truncated:") for words in answer.json()["warnings"])


def test_duration_is_checked_by_the_header(make_service: Callable[..., Service], wav: Wav) -> None:
    _error(_post(make_service(max_duration_s=5), wav(8)), 422, "too_long")


def test_upload_limit_counts_bytes_declared_or_not(make_service: Callable[..., Service]) -> None:
    small = make_service(max_upload_mb=0.1)
    data = bytes(300_000)
    _error(_post(small, data), 413, "too_large")
    _error(small.client.post("/classify", content=data, headers={"content-type": "audio/wav"}), 413, "too_large")

    def chunks() -> Any:
        for start in range(0, len(data), 10_000):
            yield data[start : start + 10_000]

    _error(small.client.post("/classify", content=chunks(), headers={"content-type": "audio/wav"}), 413, "too_large")
    assert small.engine.budget.used == 0
    assert small.engine.admission.admitted == 0


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"x", "multipart/form-data", 400),
        (b"--b\r\nbroken", "multipart/form-data; boundary=b", 400),
        (b"--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n--b--\r\n', "multipart/form-data; boundary=b", 400),
        (b"--b\r\nContent-Type: audio/wav\r\n\r\nhello\r\n--b--\r\n", "multipart/form-data; boundary=b", 400),
        (b"x", "multipart/form-data; boundary=" + "b" * 5000, 400),
    ],
)
def test_malformed_bodies_are_the_callers_fault(service: Service, content: bytes, kind: str, status: int) -> None:
    answer = service.client.post("/classify", content=content, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error", "request_id"}


def test_two_files_for_one_are_refused(service: Service, wav: Wav) -> None:
    _error(service.client.post("/classify", files=[("file", ("a", wav(2))), ("file", ("b", wav(2)))]), 400, "bad_request")


def test_unknown_paths_and_methods_have_the_error_shape(service: Service) -> None:
    _error(service.client.get("/nothing/here"), 404, "not_found")
    answer = service.client.get("/classify")
    _error(answer, 405, "method_not_allowed")


def test_api_key_guards_what_costs(make_service: Callable[..., Service], wav: Wav) -> None:
    locked = make_service(api_key="s3cret-ü")
    answer = _post(locked, wav(2))
    _error(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    _error(_post(locked, wav(2), headers={"x-api-key": "wrong"}), 401, "unauthorized")
    _error(locked.client.get("/model"), 401, "unauthorized")
    assert _post(locked, wav(2), headers={"x-api-key": "s3cret-ü".encode()}).status_code == 200
    assert _post(locked, wav(2), headers={"authorization": "Bearer s3cret-ü".encode()}).status_code == 200
    assert locked.client.get("/").status_code == 200
    assert "s3cret" not in locked.client.get("/openapi.json").text


def test_cors_is_off_unless_named(service: Service, make_service: Callable[..., Service]) -> None:
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in service.client.options("/classify", headers=asked).headers
    open_ = make_service(cors_origins=["https://a.example"])
    assert open_.client.options("/classify", headers=asked).headers["access-control-allow-origin"] == "https://a.example"
    other = {**asked, "origin": "https://b.example"}
    assert "access-control-allow-origin" not in open_.client.options("/classify", headers=other).headers


def test_reject_below_answers_unknown(make_service: Callable[..., Service], wav: Wav) -> None:
    strict = make_service(reject_below=0.999999)
    answer = _post(strict, wav(3, seed=5)).json()
    assert answer["genre"] == "unknown"
    assert answer["probability"] == answer["probabilities"][0]["probability"] < 0.999999


def test_warnings_name_doubts(service: Service, wav: Wav) -> None:
    codes = {words.partition(":")[0] for words in _post(service, wav(1.5, level=5.0)).json()["warnings"]}
    assert {"clipped", "short"} <= codes


def test_same_bytes_are_worked_out_once(make_service: Callable[..., Service], wav: Wav) -> None:
    own = make_service()
    first, second = _post(own, wav(2, seed=6)).json(), _post(own, wav(2, seed=6)).json()
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    first.pop("request_id"), second.pop("request_id")
    assert first == second
    refused = [_post(own, b"fLaC" + bytes(999)) for _ in range(2)]
    assert own.engine.cache.misses == 2
    assert [answer.status_code for answer in refused] == [422, 422]


def test_request_ids_are_kept_when_harmless(service: Service) -> None:
    assert service.client.get("/model", headers={"x-request-id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, '"><script>', ""):
        assert re.fullmatch(r"[0-9a-f]{16}", service.client.get("/model", headers={"x-request-id": bad}).headers["x-request-id"])


def test_log_lines_are_json_without_audio_or_names(service: Service, wav: Wav, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="musicgenre.access"):
        _post(service, wav(2, seed=8))
        _post(service, b"secret text in a file")
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "musicgenre.access"]
    assert [line["status"] for line in lines] == [200, 415]
    assert lines[0]["genre"] and lines[0]["ms"] > 0 and lines[0]["bytes"] == len(wav(2, seed=8))
    assert lines[1]["code"] == "unsupported_format"
    assert "secret" not in caplog.text


def test_model_card_says_what_answers(service: Service) -> None:
    card = service.client.get("/model").json()
    assert card["classes"] == ["blues", "classical", "disco", "rock"]
    assert card["lineage"] == {"data_id": "test"}
    assert card["model"]["digest"] == service.engine.predictor.spec.digest
    assert card["limits"]["max_upload_mb"] == 25


def test_metrics_cannot_be_multiplied_by_paths(service: Service, wav: Wav) -> None:
    _post(service, wav(2))
    for index in range(20):
        service.client.get(f"/scan/{index}")
    text = service.client.get("/metrics").text
    assert 'musicgenre_requests_total{route="other",status="404"}' in text
    assert "scan" not in text
    for name in ("request_seconds_bucket", "stage_seconds_bucket", "predictions_total", "cache_total", "ready 1.0", "resident_bytes"):
        assert f"musicgenre_{name}" in text


def test_a_broken_model_is_alive_and_not_ready(tmp_path: Path, bundle: Path, wav: Wav) -> None:
    import shutil

    from starlette.testclient import TestClient

    from musicgenre.params import ServeParams
    from musicgenre.serving.app import Application
    from musicgenre.serving.engine import Engine
    from musicgenre.serving.envelope import Envelope
    from musicgenre.serving.locate import Located

    damaged = tmp_path / "bundle"
    shutil.copytree(bundle, damaged)
    graph = damaged / "tiny.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x01")
    application = Application(ServeParams())
    application.engine = Engine(Located(damaged), application.settings, application.metrics)
    application.engine.load()
    assert not application.engine.ready
    client = TestClient(Envelope(application, lambda: application.metrics, application.not_ready))
    answer = client.post("/classify", files={"file": ("a", wav(2))})
    _error(answer, 503, "model_unusable")
    application.engine.close()


def test_prediction_log_holds_figures_and_no_audio(make_service: Callable[..., Service], wav: Wav, tmp_path: Path) -> None:
    log = tmp_path / "log" / "predictions.jsonl"
    logged = make_service(prediction_log=str(log))
    answer = _post(logged, wav(3, seed=9)).json()
    line = json.loads(log.read_text())
    assert line["request_id"] == answer["request_id"]
    assert line["model"] == answer["model"]["digest"]
    assert set(line) == {"time", "request_id", "model", "version", "duration_s", "genre", "probabilities", "statistics", "warnings"}
    assert sum(line["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert "secret" not in log.read_text()
