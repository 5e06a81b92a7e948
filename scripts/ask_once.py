"""Ask a running service for one synthetic clip and say who answered; exit 1 if the answer is wrong in form."""

from __future__ import annotations

import json
import sys
import urllib.request
from typing import Any

from musicgenre.serving.packaging.smoke import golden_wav


def ask(url: str, data: bytes | None = None) -> Any:
    request = urllib.request.Request(url, data=data, headers={"content-type": "audio/wav"} if data else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def main(base: str) -> None:
    about = ask(f"{base}/model")
    answer = ask(f"{base}/classify?top_k=1000", golden_wav(int(about["front_end"]["sample_rate"])))
    total = sum(item["probability"] for item in answer["probabilities"])
    if abs(total - 1.0) > 1e-5 or answer["model"]["digest"] != about["model"]["digest"]:
        sys.exit(f"error: probabilities sum to {total}, model {answer['model']['digest']}")
    print(f"{about['service']['bento']}: {answer['genre']} {answer['probability']:.3f}, model {answer['model']['digest'][:12]}")


if __name__ == "__main__":
    main(sys.argv[1])
