#!/bin/sh
# run-modes.sh: one handler, three modes, `ab` against a service that takes half a second.
#
#   --full               n = 100, 500, 1,000 for c = 5, 10, 20 (the short form is n = 4c + 1; the full one takes 15 minutes)
#   --wide               also async with c = 1,000 (n = 20c + 1) and c = 10,000 (n = 4c + 1)
#   --concurrency C --n N [--mode MODE]
#                        one load instead of the three; MODE: blocking, offload or async (the default)
#   --delay S            of the service (0.5)
#   --program FILE       the program (build/default/offloop)
#
# Prints a markdown table. The service is a process of its own that `offloop serve` starts. Ideal is c / delay.
#
# ab sends its first request alone, and the others when that was answered (to learn the address; worker_test in ab.c), so
# that its own figure can never be the ideal: at n = 4c a fifth of the time is that one request's. The rate here leaves it out:
# (n - 1) / (time - shortest answer). What ab itself says stands beside it.

set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.."

program=build/default/offloop
delay=0.5
full=no
wide=no
one_c=
one_n=
one_mode=async

die()
{
    echo "run-modes.sh: $*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --full) full=yes ;;
        --wide) wide=yes ;;
        --concurrency | --n | --mode | --delay | --program)
            [ $# -gt 1 ] || die "$1 needs a value"
            case $1 in
                --concurrency) one_c=$2 ;;
                --n) one_n=$2 ;;
                --mode) one_mode=$2 ;;
                --delay) delay=$2 ;;
                --program) program=$2 ;;
            esac
            shift
            ;;
        *) die "unknown option '$1'" ;;
    esac
    shift
done
[ -z "$one_c" ] || [ -n "$one_n" ] || one_n=$((one_c * 4 + 1))
[ -x "$program" ] || die "there is no $program; run ./dev bench"
command -v ab >/dev/null || die "ab is missing (Debian package apache2-utils)"

# A connection of ab is a file, and so are its two ends in the server.
# shellcheck disable=SC3045 # dash and every other sh of a Linux system has them
ulimit -n "$(ulimit -H -n)"

folder=$(mktemp -d)
server=
finish()
{
    [ -z "$server" ] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The server says where it listens; its further words go nowhere.
mkfifo "$folder/out"
"$program" serve --listen 127.0.0.1:0 --db "$folder/items.db" --delay "$delay" >"$folder/out" &
server=$!
exec 3<"$folder/out"
url=
while [ -z "$url" ] && read -r line <&3; do
    url=$(echo "$line" | sed -n 's,^listening on \(http://.*\)/$,\1,p')
done
[ -n "$url" ] || die "the server did not start"

# run MODE C N: one row of the table.
run()
{
    echo "$1, $2 clients, $3 requests ..." >&2
    ab -q -l -s 120 -c "$2" -n "$3" "$url/$1" >"$folder/ab" 2>"$folder/ab.err" || {
        echo "| $1 | $2 | $3 | ab gave up: $(tail -n 1 "$folder/ab.err") | | | | | | |"
        return
    }
    awk -v mode="$1" -v c="$2" -v n="$3" -v delay="$delay" '
        /^Complete requests:/ { complete = $3 }
        /^Failed requests:/ { failed = $3 }
        /^Non-2xx responses:/ { failed += $3 }
        /^Time taken for tests:/ { seconds = $5 }
        /^Requests per second:/ { said = $4 }
        /^Total:/ { least = $2 }
        /^ *50%/ { p50 = $2 }
        /^ *95%/ { p95 = $2 }
        END {
            ideal = c / delay
            if (seconds > least / 1000)
                rate = (n - 1) / (seconds - least / 1000)
            printf "| %s | %d | %d | %.1f | %.0f | %.1f %% | %s | %s | %d | %.1f |\n", mode, c, n, rate, ideal,
                100 * rate / ideal, p50, p95, failed + n - complete, said
        }' "$folder/ab"
}

echo "| mode | clients | requests | requests/s | ideal | % of ideal | p50 ms | p95 ms | failed | ab says |"
echo "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
if [ -n "$one_c" ]; then
    run "$one_mode" "$one_c" "$one_n"
    exit
fi
for mode in blocking offload async; do
    for c in 5 10 20; do
        n=$((4 * c + 1))
        if [ $full = yes ]; then
            case $c in
                5) n=100 ;;
                10) n=500 ;;
                20) n=1000 ;;
            esac
        fi
        run $mode $c $n
    done
done
if [ $wide = yes ]; then
    run async 1000 20001
    run async 10000 40001
fi
