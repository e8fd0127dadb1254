#!/bin/sh
# Proves the models in this folder with spin, and that spin refutes each broken variant: a model that cannot be broken
# proves nothing. One line each; exit status 0 when all is as it should be. Needs spin and a C compiler.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

command -v spin >/dev/null || {
    echo "models: spin is not installed" >&2
    exit 1
}

# check proved|refuted MODEL VARIANT WHAT: VARIANT is empty for the real thing.
check()
{
    wanted=$1 model=$2 variant=$3 what=$4
    dir=$work/$model-$variant
    mkdir "$dir"
    (
        cd "$dir"
        # shellcheck disable=SC2086 # no variant is no argument
        spin ${variant:+-D$variant} -a "$here/$model.pml" >spin.log
        ${CC:-cc} -O2 -w -DSAFETY -DNOREDUCE -o pan pan.c
        ./pan -m1000000 >pan.log 2>&1
    ) || {
        cat "$dir"/*.log >&2
        exit 1
    }
    # An incomplete search has proved nothing, whatever it found.
    if grep -q 'errors: 0' "$dir/pan.log" && ! grep -q 'Search not completed' "$dir/pan.log"; then
        found=proved
    elif grep -q 'errors: [1-9]' "$dir/pan.log"; then
        found=refuted
    else
        found=undecided
    fi
    states=$(awk '/states, stored/ { print $1; exit }' "$dir/pan.log")
    if [ "$found" = "$wanted" ]; then
        echo "ok      $model ${variant:-as it is}: $found, $states states: $what"
    else
        echo "FAILED  $model ${variant:-as it is}: $found instead of $wanted: $what"
        failed=1
    fi
}

check proved inbox "" "no lost wake-up, no double delivery, nothing touched after its end"
check refuted inbox WAKE_BEFORE_PUBLISH "a poster that asks whether the loop sleeps before it publishes"
check refuted inbox LOOK_THEN_DECLARE "a loop that looks first and declares itself asleep afterwards"
check refuted inbox DRAIN_BEFORE_SLEEP "a loop that takes the eventfd down between its last look and its sleep"
check refuted inbox CLOSE_AT_ONCE "a loop that closes the eventfd while a wake-up is on its way"
check refuted inbox POST_EACH "a worker that posts the pool's node without asking whether it is posted"
check refuted inbox CLEAR_DUE_LATE "a loop that clears post_due after it has let go of the lock"
check refuted inbox FREE_BEFORE_JOIN "a pool that is freed when all is delivered, before its workers are joined"
exit $failed
