#!/bin/sh
# run-fetch.sh [--full] [--rounds N] [--requests N] [--concurrency N] [--program FILE]: `offloop fetch` beside curl's own parallel mode and
# Tornado's two clients: 10,000 URLs, 100 at once, of one local server. --full: 15 rounds instead of 3.
# Started by ./dev bench fetch, which installs the peers; what is missing is left out with a line that says so.

set -eu
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || {
    echo "run-fetch.sh: python3 is missing; ./dev bench fetch installs it" >&2
    exit 1
}
exec python3 -B bench/peers/fetch.py "$@"
