#!/bin/sh
# run-peers.sh [--full] [--rounds N] [--only NAME,...] [--json FILE] [--program FILE]: offloop beside what people would pick instead.
# Started by ./dev bench peers, which installs the peers; what is missing is left out with a line that says so.

set -eu
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || {
    echo "run-peers.sh: python3 is missing; ./dev bench peers installs it" >&2
    exit 1
}
exec python3 -B bench/peers/run.py "$@"
