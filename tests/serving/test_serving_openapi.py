"""The OpenAPI description is valid, its examples are real, and the service keeps to it under fuzzing."""

from __future__ import annotations

import io
import re
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from serving_harness import Service, Wav, make_wav

from musicgenre.params import ServeParams
from musicgenre.serving.envelope import ROUTES
from musicgenre.serving.openapi import document


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return document(ServeParams())


def _validator(description: dict[str, Any], name: str) -> Any:
    return jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": description["components"]})


def test_every_route_is_described(description: dict[str, Any]) -> None:
    assert set(description["paths"]) == ROUTES - {"/", "/openapi.json", "/docs.json"}


def test_real_answers_and_examples_match_the_schemas(description: dict[str, Any], service: Service, wav: Wav) -> None:
    client = service.client
    files = {"file": ("a", wav(3))}
    _validator(description, "Classification").validate(client.post("/classify", files=files).json())
    batch = [("files", ("a", wav(3))), ("files", ("b", b"text"))]
    _validator(description, "Batch").validate(client.post("/classify_batch", files=batch).json())
    _validator(description, "Model").validate(client.get("/model").json())
    _validator(description, "Problem").validate(client.post("/classify", files={"file": ("a", b"text")}).json())
    for path in description["paths"].values():
        for operation in path.values():
            for answer in operation["responses"].values():
                for content in answer["content"].values():
                    if "example" in content:
                        name = content["schema"]["$ref"].rpartition("/")[2]
                        _validator(description, name).validate(content["example"])


def test_the_schemas_can_refuse(description: dict[str, Any]) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        _validator(description, "Problem").validate({"error": "words", "request_id": "x"})


def test_keys_are_described_only_where_asked_for() -> None:
    locked = document(ServeParams(api_key="k"))
    assert locked["paths"]["/classify"]["post"]["security"] and "401" in locked["paths"]["/classify"]["post"]["responses"]
    assert "security" not in document(ServeParams())["paths"]["/classify"]["post"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fuzzing_finds_no_fault(service: Service) -> None:
    """Generated requests, valid and not: no 5xx, only described statuses, content types and bodies."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", service.asgi)
    seen: set[int] = set()
    for operation in schema.get_all_operations():
        found = operation.ok()
        if found.path in ("/livez", "/readyz"):
            continue  # BentoML's own; asked over a socket in test_serving_process
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=found.as_strategy(generation_mode=mode))
            @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None)
            def fuzz(case: Any) -> None:
                answer = case.call_and_validate(excluded_checks=[positive_data_acceptance])
                seen.add(answer.status_code)

            try:
                fuzz()
            except Unsatisfiable:
                continue  # nothing about this operation can be wrong
    assert {200, 415} <= seen
    assert max(seen) < 500


@pytest.mark.slow
def test_fuzzed_query_with_a_real_clip_never_fails(service: Service) -> None:
    data = make_wav(1.5)
    for text in ("", "0", "1", "999", "1000", "1001", "9" * 400, "1e3", "%00", "🎵", "1&top_k=2", "top_k"):
        answer = service.client.post(f"/classify?top_k={text}", files={"file": ("a", io.BytesIO(data))})
        assert answer.status_code in (200, 400), (text, answer.text)
        assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
