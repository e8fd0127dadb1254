/*
 * app/bench.h: `offloop bench`: the three modes measured side by side. As the commands of app/command.h.
 */
#ifndef APP_BENCH_H
#define APP_BENCH_H

int app_bench(int argc, char **argv);

#endif
