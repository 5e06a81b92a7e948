#!/bin/sh
# Build the champion's image and run it, with no daemon and no image registry.
#
#   sudo sh scripts/container_without_daemon.sh [WORK_FOLDER]
#
# A base image is made by debootstrap from Debian's packages, the bento is built on it by
# `bentoml containerize` with Buildah (chroot isolation), and the image is started without any
# network but its own loopback and asked once. Needs root and the Debian packages buildah,
# debootstrap and iproute2 besides the project's environment; `musicgenre package` comes first.
set -eu
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
project=${MUSICGENRE_PROJECT:-$root}
bin=${MUSICGENRE_BIN:-$root/.venv/bin}
work=${1:-/var/tmp/musicgenre-container}
image=localhost/musicgenre:latest
base=localhost/musicgenre-base:latest
export BENTOML_HOME="${BENTOML_HOME:-$project/.bentoml}" BENTOML_DO_NOT_TRACK=True DOCKER_BUILDKIT=0
export BUILDAH_ISOLATION=chroot BUILDAH_FORMAT=docker STORAGE_DRIVER=vfs
unset SSL_CERT_DIR || true

say() { printf '%s\n' "== $*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "debootstrap and chroot isolation need root; run this with sudo."
for program in buildah debootstrap unshare ip; do
    command -v "$program" >/dev/null || die "$program is not installed (Debian: apt-get install buildah debootstrap util-linux iproute2)."
done
[ -x "$bin/bentoml" ] || die "$bin/bentoml is not there; run \`make env\`."
report="$project/reports/bento.json"
[ -f "$report" ] || die "$report is not there; run \`musicgenre package\`."
tag=$("$bin/python" -c "import json,sys; print(json.load(open(sys.argv[1]))['tag'])" "$report")
version=$("$bin/python" -c "import sys; print('%d.%d' % sys.version_info[:2])")
case $version in
    3.11) suite=bookworm ;;
    3.13) suite=trixie ;;
    *) die "no Debian release ships Python $version; build the bento with 3.11 or 3.13." ;;
esac
mkdir -p "$work"

if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
    say "base image: Debian $suite"
    mirror=${DEBIAN_MIRROR:-$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources 2>/dev/null | head -n 1)}
    rm -rf "$work/base"
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$work/base" $mirror >"$work/debootstrap.log" 2>&1 ||
        die "debootstrap failed; see $work/debootstrap.log"
    rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
    container=$(buildah from scratch)
    buildah add -q "$container" "$work/base" / >/dev/null
    buildah commit -q --rm "$container" "$base" >/dev/null
    rm -rf "$work/base"
fi

say "wheels of the locked requirements, each checked against its hash"
requirements=$("$bin/bentoml" get "$tag" -o path)/src/requirements.txt
"$bin/python" -m venv "$work/fetch"
"$work/fetch/bin/pip" download -qq --require-hashes --no-deps -d "$work/wheels" -r "$requirements"

say "image of $tag"
cd "${TMPDIR:-/tmp}" # BentoML reads the Dockerfile template only below the current folder, and puts its copy there
"$bin/bentoml" containerize "$tag" --backend buildah -t "$image" \
    --opt build-arg=BASE_IMAGE=$base --opt build-arg=PIP_NO_INDEX=1 --opt build-arg=PIP_FIND_LINKS=/wheels \
    --opt "volume=$work/wheels:/wheels:ro" >"$work/build.log" 2>&1 || { tail -n 30 "$work/build.log" >&2; die "the build failed; see $work/build.log"; }
user=$(buildah inspect --type image --format '{{.Docker.Config.User}}' "$image")
health=$(buildah inspect --type image --format '{{.Docker.Config.Healthcheck}}' "$image")
[ -n "$user" ] && [ "$user" != root ] && [ "$user" != 0 ] || die "the image runs as root"
[ -n "$health" ] && [ "$health" != "<nil>" ] || die "the image has no health check"

say "run as $user, without a network"
container=$(buildah from "$image")
trap 'buildah rm "$container" >/dev/null 2>&1 || true' EXIT
export container work root bin
unshare --net --pid --fork --kill-child --mount-proc sh -euc '
    ip link set lo up
    buildah run --user bentoml "$container" -- /home/bentoml/bento/env/docker/entrypoint.sh serve --host 127.0.0.1 --port 3000 >"$work/run.log" 2>&1 &
    tries=0
    until buildah run --user bentoml "$container" -- python3 -c "import urllib.request as r; r.urlopen(\"http://127.0.0.1:3000/readyz\", timeout=4)" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 60 ] || { tail -n 20 "$work/run.log" >&2; exit 1; }
        sleep 0.5
    done
    "$bin/python" "$root/scripts/ask_once.py" http://127.0.0.1:3000
' || die "the container did not answer; see $work/run.log"
say "image $image, $(buildah images --format '{{.Size}}' "$image")"
