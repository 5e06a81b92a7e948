"""Studies over model families: what to try, trying it in processes of its own, remembering it, choosing.

`study.run_search` is the way in; `driver` the loop; `sampling` and `choice` are pure;
`session` runs a trial, `pool` the processes (`ray_pool` a cluster's); `store` remembers,
`runs` writes MLflow; `outputs` writes `models/<family>/`; `ensemble` mixes families.
"""

from __future__ import annotations
