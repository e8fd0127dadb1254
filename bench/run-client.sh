#!/bin/sh
# run-client.sh [--seconds S] [--program FILE]: our own client beside ab and wrk, on the same loads; they must agree within 5 %.
#
# The loads are such that the server decides the rate: clients that wait for a slow service. Each tool runs three times in
# turn, and medians are compared. A saturated /hello is printed besides, without a verdict: it shows how far each client goes.

set -eu
cd "$(dirname "$0")/.."
command -v python3 >/dev/null || {
    echo "run-client.sh: python3 is missing; apt-get install python3" >&2
    exit 1
}
exec python3 -B bench/peers/client.py "$@"
