#!/bin/sh
# Print the path of a usable uv, installing one beside the project when the machine has none.
# Needs Python 3.11 or newer; of pip and venv it takes whatever is there.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
tools="$here/.musicgenre/tools"

say() { printf '%s\n' "$*" >&2; }

for candidate in "$(command -v uv 2>/dev/null || true)" "$tools/bin/uv" "$tools/uv/bin/uv" "$HOME/.local/bin/uv"; do
    if [ -n "$candidate" ] && [ -x "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
        printf '%s\n' "$candidate"
        exit 0
    fi
done

python=$(command -v python3 || true)
if [ -z "$python" ]; then
    say "error: python3 is not installed. Install Python 3.11 or newer and run make again."
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "error: $("$python" --version) is too old; Python 3.11 or newer is needed."
    exit 1
fi

mkdir -p "$tools"
say "uv is not installed; putting a copy into .musicgenre/tools"
install_with_venv() { "$python" -m venv --clear "$tools" >/dev/null 2>&1 && "$tools/bin/pip" install -q uv >&2; }
install_with_pip() { "$python" -m pip install -q --target "$tools/uv" uv >&2; }
install_with_apt() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 1
    say "neither venv nor pip is here; installing python3-venv"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } >/dev/null && install_with_venv
}
install_with_venv || install_with_pip || install_with_apt || {
    say "error: uv could not be installed. Install it (or python3-venv, or python3-pip) and run make again."
    exit 1
}
for candidate in "$tools/bin/uv" "$tools/uv/bin/uv"; do
    if [ -x "$candidate" ]; then
        printf '%s\n' "$candidate"
        exit 0
    fi
done
say "error: uv was installed but its program was not found under .musicgenre/tools."
exit 1
