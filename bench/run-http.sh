#!/bin/sh
# run-http.sh: small answers, `wrk -t1 -c64`, beside nginx and h2o with one worker each, in one run.
#
#   --rounds N       how often each is measured, in turn (5)
#   --seconds S      how long each time (3)
#   --idle N         idle keep-alive connections for the last part (10,000; 0: leave it out)
#   --program FILE   the program (build/default/offloop)
#
# Machines are noisy: the rounds are interleaved, so that a slow minute hits everybody, and only the ratios of one run
# count. Prints markdown: requests/s as median with least and most, and the ratio of the medians.

set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.."

program=build/default/offloop
idle_program=build/default/bench/idle_connections
rounds=5
seconds=3
idle=10000

die()
{
    echo "run-http.sh: $*" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    case $1 in
        --rounds | --seconds | --idle | --program)
            [ $# -gt 1 ] || die "$1 needs a value"
            case $1 in
                --rounds) rounds=$2 ;;
                --seconds) seconds=$2 ;;
                --idle) idle=$2 ;;
                --program)
                    program=$2
                    idle_program=$(dirname "$2")/bench/idle_connections
                    ;;
            esac
            shift
            ;;
        *) die "unknown option '$1'" ;;
    esac
    shift
done
[ -x "$program" ] || die "there is no $program; run ./dev bench http"
for tool in wrk ab; do
    command -v $tool >/dev/null || die "$tool is missing"
done
# shellcheck disable=SC3045 # dash and every other sh of a Linux system has them
ulimit -n "$(ulimit -H -n)"

folder=$(mktemp -d)
chmod 755 "$folder"
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

# ---- the servers; each start sets `url` ----

start_offloop()
{
    mkfifo "$folder/out"
    "$program" serve --listen 127.0.0.1:0 --db "$folder/items.db" --delay 0 \
        --connections $((idle + 1000)) >"$folder/out" &
    offloop_pid=$!
    pids="$pids $offloop_pid"
    exec 3<"$folder/out"
    url=
    while [ -z "$url" ] && read -r line <&3; do
        url=$(echo "$line" | sed -n 's,^listening on \(http://.*\)/$,\1,p')
    done
    [ -n "$url" ] || die "the server did not start"
}

# A port below the range that the kernel gives out; one that is in use makes the start fail, and the next is tried.
random_port()
{
    echo $((10000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
}

# start_peer NAME: runs start_NAME PORT in the foreground of a child until it answers. 5 ports, 5 s each.
start_peer()
{
    for try in 1 2 3 4 5; do
        port=$(random_port)
        url=http://127.0.0.1:$port
        "start_$1" "$port" >"$folder/$1.log" 2>&1 &
        peer_pid=$!
        for tick in $(seq 50); do
            if ! kill -0 $peer_pid 2>/dev/null; then
                break
            fi
            if ab -q -n 1 "$url/hello" >/dev/null 2>&1; then
                pids="$pids $peer_pid"
                return 0
            fi
            sleep 0.1
        done
        kill $peer_pid 2>/dev/null || true
        wait $peer_pid 2>/dev/null || true
        : "$try $tick"
    done
    return 1
}

start_nginx()
{
    cat >"$folder/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $folder/nginx.pid;
error_log $folder/nginx-error.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path $folder/nginx-body;
    proxy_temp_path $folder/nginx-proxy;
    fastcgi_temp_path $folder/nginx-fastcgi;
    uwsgi_temp_path $folder/nginx-uwsgi;
    scgi_temp_path $folder/nginx-scgi;
    default_type text/plain;
    server {
        listen 127.0.0.1:$1;
        location / { return 200 "hello, world\n"; }
    }
}
END
    exec "$nginx" -c "$folder/nginx.conf" -e "$folder/nginx-error.log"
}

start_h2o()
{
    echo 'hello, world' >"$folder/hello"
    cat >"$folder/h2o.conf" <<END
listen: { host: 127.0.0.1, port: $1 }
num-threads: 1
error-log: $folder/h2o-error.log
hosts:
  default:
    paths:
      /hello:
        file.file: $folder/hello
END
    if [ "$(id -u)" = 0 ]; then
        echo 'user: root' >>"$folder/h2o.conf"
    fi
    exec h2o -c "$folder/h2o.conf"
}

# ---- measuring ----

# measure URL: requests/s of one run; complains when an answer was not a 2xx or 3xx.
measure()
{
    wrk -t1 -c64 -d"${seconds}s" "$1" >"$folder/wrk"
    if grep -q 'Non-2xx\|Socket errors' "$folder/wrk"; then
        echo "run-http.sh: $1: $(grep 'Non-2xx\|Socket errors' "$folder/wrk")" >&2
    fi
    awk '/^Requests\/sec:/ { print $2 }' "$folder/wrk"
}

# The middle, least and most of a file of numbers.
summary()
{
    sort -n "$1" | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}

rates_of()
{
    echo "$folder/rates.$(echo "$1" | tr / _)"
}

# compare NAME URL ...: interleaved rounds, then one table; ratios are to the first.
compare()
{
    rm -f "$folder"/rates.*
    for round in $(seq "$rounds"); do
        echo "round $round of $rounds ..." >&2
        list=$*
        # shellcheck disable=SC2086 # pairs of words
        set -- $list
        while [ $# -gt 0 ]; do
            measure "$2" >>"$(rates_of "$1")"
            shift 2
        done
        # shellcheck disable=SC2086
        set -- $list
    done
    echo "| server | requests/s | least | most | ratio |"
    echo "|---|---:|---:|---:|---:|"
    first=
    while [ $# -gt 0 ]; do
        # shellcheck disable=SC2046
        echo "$1 $(summary "$(rates_of "$1")") ${first:-0}" | awk '{
            base = $5 ? $5 : $2
            printf "| %s | %.0f | %.0f | %.0f | %.2f |\n", $1, $2, $3, $4, $2 / base
        }'
        [ -n "$first" ] || first=$(summary "$(rates_of "$1")" | cut -d ' ' -f 1)
        shift 2
    done
}

start_offloop
offloop_url=$url
set -- "offloop:/hello" "$offloop_url/hello" "offloop:/offload/noop" "$offloop_url/offload/noop" \
    "offloop:/async/noop" "$offloop_url/async/noop"

nginx=$(command -v nginx || echo /usr/sbin/nginx)
if [ -x "$nginx" ] && start_peer nginx; then
    set -- "$@" nginx "$url/hello"
else
    echo "run-http.sh: no nginx to compare with" >&2
fi
if command -v h2o >/dev/null && start_peer h2o; then
    set -- "$@" h2o "$url/hello"
else
    echo "run-http.sh: no h2o to compare with" >&2
fi
compare "$@"

# ---- idle connections ----

[ "$idle" -gt 0 ] || exit 0
[ -x "$idle_program" ] || die "there is no $idle_program"
mkfifo "$folder/idle-in" "$folder/idle-out"
"$idle_program" "${offloop_url#http://127.0.0.1:}" "$offloop_pid" "$idle" <"$folder/idle-in" >"$folder/idle-out" &
pids="$pids $!"
exec 4>"$folder/idle-in" 5<"$folder/idle-out"
read -r bytes <&5 || die "the idle connections could not be made"
before=$(summary "$(rates_of offloop:/hello)" | cut -d ' ' -f 1)
during=$(measure "$offloop_url/hello")
exec 4>&-
echo
echo "$idle idle keep-alive connections: $bytes bytes of memory each; /hello beside them: $during requests/s" \
    "($(echo "$during $before" | awk '{ printf "%.2f", $1 / $2 }') of the median above)"
