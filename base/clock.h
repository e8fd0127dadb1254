/*
 * base/clock.h: turning the public API's seconds into the clock's nanoseconds, once and with the same rules
 * everywhere.
 */
#ifndef OL_BASE_CLOCK_H
#define OL_BASE_CLOCK_H

#include <offloop/base.h>
#include <time.h>

/** Seconds that an interval may have: not negative, not NaN, not infinite. */
static inline bool ol__seconds_valid(double seconds)
{
    return seconds >= 0 && seconds <= 1e9;
}

/** A valid number of seconds in nanoseconds. A positive one never becomes 0, which means "none" in most places. */
static inline uint64_t ol__seconds_to_ns(double seconds)
{
    uint64_t ns = (uint64_t)(seconds * 1e9);

    return ns == 0 && seconds > 0 ? 1 : ns;
}

static inline double ol__ns_to_seconds(uint64_t ns)
{
    return (double)ns / 1e9;
}

static inline struct timespec ol__ns_to_timespec(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / OL_NS_PER_S), .tv_nsec = (long)(ns % OL_NS_PER_S) };
}

#endif
