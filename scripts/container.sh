#!/bin/sh
# Build the container image of the packaged champion with whatever builder is here.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
bin=${MUSICGENRE_BIN:-$root/.venv/bin}
export BENTOML_HOME="${BENTOML_HOME:-$root/.bentoml}" BENTOML_DO_NOT_TRACK=True
report=$root/reports/bento.json
[ -f "$report" ] || { echo "error: $report is not there; run \`make repro\` (or \`musicgenre package\`) first." >&2; exit 1; }
tag=$("$bin/python" -c "import json, sys; print(json.load(open(sys.argv[1]))['tag'])" "$report")
for backend in docker podman buildah; do
    command -v "$backend" >/dev/null || continue
    if [ "$backend" = docker ] && ! docker info >/dev/null 2>&1; then
        echo "docker is here, but its daemon does not answer; trying the next builder" >&2
        continue
    fi
    [ "$backend" = docker ] || export BUILDAH_FORMAT=docker # the OCI format has no health checks
    # BentoML reads our Dockerfile template only below the current folder, and puts its copy below TMPDIR.
    cd "${TMPDIR:-/tmp}"
    DOCKER_BUILDKIT=0 exec "$bin/bentoml" containerize "$tag" --backend "$backend" -t musicgenre:latest "$@"
done
echo "error: no container builder is here. Install Docker, Podman or Buildah; scripts/container_without_daemon.sh needs only Buildah." >&2
exit 1
