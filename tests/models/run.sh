#!/bin/sh
# run.sh: check the models with spin. Each model must hold, and each of its variants, which leaves something out, must
# be refuted: a model that cannot fail proves nothing.

set -eu
cd "$(dirname "$0")"
folder=$(pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# holds MODEL [-DVARIANT]: exit status 0 when spin finds no error in the whole state space.
holds()
{
    model=$1
    shift
    spin -a "$@" "$folder/$model" >spin.log || {
        cat spin.log >&2
        exit 2
    }
    ${CC:-cc} -O2 -w -DMEMLIM=1024 -o pan pan.c
    ./pan -m1000000 >pan.log
    if grep -q 'max search depth too small\|Search not completed' pan.log && ! grep -q 'errors: [1-9]' pan.log; then
        echo "$model $*: the search was not completed" >&2
        exit 2
    fi
    grep -q 'errors: 0' pan.log
}

# check MODEL VARIANT...
check()
{
    model=$1
    shift
    holds "$model" || {
        echo "$model: refuted" >&2
        cat pan.log >&2
        exit 1
    }
    echo "$model: holds ($(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log) states)"
    for variant in "$@"; do
        ! holds "$model" "-D$variant" || {
            echo "$model: $variant holds, so the model does not see what it is for" >&2
            exit 1
        }
        echo "$model: $variant is refuted, as it must be"
    done
}

check inbox.pml LOOK_THEN_MARK NO_MARK HASTY_END
