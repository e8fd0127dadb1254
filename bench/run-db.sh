#!/bin/sh
# run-db.sh: the database, in one process and through HTTP, beside the peer in Go (net/http, database/sql, go-sqlite3).
#
#   --rounds N       how often each is measured, in turn (3)
#   --seconds S      how long each time (3)
#   --program FILE   the program (build/default/offloop)
#
# Four tables of markdown: bench_db's own; point reads and durable inserts, `wrk -t1 -c64`; what /hello's slowest hundredth waits while
# the database is saturated, by point reads (64 clients) and by reports over all rows (8). Each server has its own copy of one
# file of 100,000 items, and both commit with synchronous=FULL. Rounds are interleaved, and only ratios of one run count. Without Go
# its rows are left out, with a word.

set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.."

program=build/default/offloop
rounds=3
seconds=3

die()
{
    echo "run-db.sh: $*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --rounds | --seconds | --program)
            [ $# -gt 1 ] || die "$1 needs a value"
            case $1 in
                --rounds) rounds=$2 ;;
                --seconds) seconds=$2 ;;
                --program) program=$2 ;;
            esac
            shift
            ;;
        *) die "unknown option '$1'" ;;
    esac
    shift
done
[ -x "$program" ] || die "there is no $program; run ./dev bench db"
command -v wrk >/dev/null || die "wrk is missing"
bench_db=$(dirname "$program")/bench/bench_db

folder=$(mktemp -d)
pids=
finish()
{
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# ---- the servers ----

# start NAME COMMAND...: runs it until it says "listening on URL"; sets `url`.
start()
{
    name=$1
    shift
    "$@" >"$folder/$name.out" 2>&1 &
    pids="$pids $!"
    for tick in $(seq 300); do
        url=$(sed -n 's,^listening on \(http://[^/ ]*\).*,\1,p' "$folder/$name.out")
        [ -z "$url" ] || return 0
        kill -0 $! 2>/dev/null || break
        sleep 0.1
        : "$tick"
    done
    die "$name did not start: $(cat "$folder/$name.out")"
}

build_go()
{
    if ! command -v go >/dev/null || [ ! -d /usr/share/gocode/src/github.com/mattn/go-sqlite3 ]; then
        echo "run-db.sh: without Go: golang-go and golang-github-mattn-go-sqlite3-dev are not installed" >&2
        return 1
    fi
    echo "building the peer in Go ..." >&2
    # Debian's SQLite for both: the peer is linked with the system's library.
    (cd bench/peers/go && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$folder/go-cache" GOTOOLCHAIN=local \
        go build -tags libsqlite3 -o "$folder/go-server" server.go) >&2
}

# ---- measuring ----

# run_wrk FILE SCRIPT PREFIX URL [WRK OPTIONS]: one run; complains about answers that are no 2xx or 3xx.
run_wrk()
{
    into=$1
    script=$2
    prefix=$3
    target=$4
    shift 4
    PREFIX=$prefix wrk -t1 --latency -d"${seconds}s" ${script:+-s "bench/peers/wrk/$script"} "$@" "$target" >"$into"
    if grep -q 'Non-2xx\|Socket errors' "$into"; then
        echo "run-db.sh: $target$prefix: $(grep 'Non-2xx\|Socket errors' "$into")" >&2
    fi
}

rate_in()
{
    awk '/^Requests\/sec:/ { print $2 }' "$1"
}

# The 99th percentile in milliseconds.
p99_in()
{
    awk '$1 == "99%" { v = $2; if (v ~ /us$/) f = 0.001; else if (v ~ /ms$/) f = 1; else f = 1000; sub(/[a-z]+$/, "", v); print v * f }' "$1"
}

median()
{
    sort -n "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# measure WHAT WAY SCRIPT PREFIX URL: adds one figure each to the files of WHAT and WAY.
measure()
{
    run_wrk "$folder/wrk" "$3" "$4" "$5" -c64
    rate_in "$folder/wrk" >>"$folder/$1.$2.rate"
    p99_in "$folder/wrk" >>"$folder/$1.$2.p99"
}

# table WHAT WAY...: medians; ratios to Go.
table()
{
    what=$1
    shift
    base=
    [ ! -f "$folder/$what.go.rate" ] || base=$(median "$folder/$what.go.rate")
    echo "| $what | per second | p99 ms | to Go |"
    echo "|---|---:|---:|---:|"
    for way in "$@"; do
        [ -f "$folder/$what.$way.rate" ] || continue
        echo "$(median "$folder/$what.$way.rate") $(median "$folder/$what.$way.p99") ${base:-0}" |
            awk -v way="$way" '{ printf "| %s | %.0f | %.2f | %s |\n", way, $1, $2, ($3 > 0 ? sprintf("%.2f", $1 / $3) : "") }'
    done
    echo
}

# probe: the 99th percentile of /hello in milliseconds, asked 200 times a second whatever else there is: a client that asks again
# when it was answered would be 30,000 requests a second of load itself, and want one of the cores.
probe()
{
    "$program" bench --url "$offloop/hello" --rate 200 --duration "$seconds" | sed -n 's/.*"p99_ms": \([0-9.]*\).*/\1/p'
}

# hello WHAT SCRIPT PREFIX TARGET CONNECTIONS: probe alone, and while so many connections keep the database busy.
hello()
{
    probe >>"$folder/hello.$1.idle"
    # In a subshell, so that the longer time is its own: the load is there from before the first question to after the last.
    (seconds=$((seconds + 2)) && run_wrk "$folder/load" "$2" "$3" "$4" "-c$5") &
    load=$!
    pids="$pids $load"
    sleep 0.5
    probe >>"$folder/hello.$1.busy"
    wait $load
}

hello_row()
{
    echo "$(median "$folder/hello.$1.idle") $(median "$folder/hello.$1.busy") $(sort -n "$folder/hello.$1.busy" | tail -n 1)" |
        awk -v what="$1" '{ printf "| %s | %.3f | %.3f | %.3f | %.1f |\n", what, $1, $2, $3, $2 / $1 }'
}

# ---- the run ----

echo "in one process ..." >&2
"$bench_db" --seconds "$seconds" --file "$folder/bench.sqlite"
echo

start offloop "$program" serve --listen 127.0.0.1:0 --db "$folder/items.db" --delay 0
offloop=$url
go=
if build_go; then
    # A copy through SQLite is whole whatever the log holds at the moment.
    if command -v sqlite3 >/dev/null; then
        sqlite3 "$folder/items.db" ".backup $folder/go.db"
    else
        cp "$folder/items.db" "$folder/go.db"
    fi
    start go "$folder/go-server" -listen 127.0.0.1:0 -db "$folder/go.db"
    go=$url
fi

for round in $(seq "$rounds"); do
    echo "round $round of $rounds ..." >&2
    for way in async offload blocking; do
        measure reads $way items.lua "/$way" "$offloop"
        measure inserts $way insert.lua "/$way" "$offloop"
    done
    if [ -n "$go" ]; then
        measure reads go items.lua "" "$go"
        measure inserts go insert.lua "" "$go"
    fi
done
table reads async offload blocking go
table inserts async offload blocking go

for round in $(seq "$rounds"); do
    echo "/hello while the database is saturated, round $round of $rounds ..." >&2
    for way in async offload blocking; do
        hello "$way items" items.lua "/$way" "$offloop" 64
        hello "$way report" "" "" "$offloop/$way/report" 8
    done
done
echo "| /hello, p99 in ms, beside | idle | saturated | at worst | ratio |"
echo "|---|---:|---:|---:|---:|"
for what in "async items" "offload items" "blocking items" "async report" "offload report" "blocking report"; do
    hello_row "$what"
done
