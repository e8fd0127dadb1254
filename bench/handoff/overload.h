/* overload.h: what is done, and how late, under ten times the load that a pool can bear. */
#ifndef OFFLOOP_BENCH_HANDOFF_OVERLOAD_H
#define OFFLOOP_BENCH_HANDOFF_OVERLOAD_H

/** Prints a table. Returns an exit status: 0 when goodput stays over 90 % and p99 within three times. */
int overload(void);

#endif
