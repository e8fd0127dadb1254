#ifndef OFFLOOP_TESTS_APP_SERVE_H
#define OFFLOOP_TESTS_APP_SERVE_H

/*
 * serve.h: `offloop serve` as the tests of this folder start it: on a free port, with its database in a folder of the
 * test program, which all its servers share one after the other, so that the rows are made once.
 */

#include "support/client.h"
#include "support/gate.h"
#include "support/program.h"
#include "support/service.h"

static const char *const serve_modes[] = { "/blocking", "/offload", "/async" };
enum { SERVE_MODES = 3 };

/* Group fixtures: make the folder, and remove it. */
int serve_make_folder(void **state);
int serve_remove_folder(void **state);

extern char *serve_folder;

/*
 * Start with `--listen 127.0.0.1:0 --db items.db` and the arguments that follow, a NULL last; `external_api` NULL: the
 * one that serve starts itself.
 */
#define serve_start(program, external_api, ...) \
    serve_start_with(program, external_api, (const char *const[]){ __VA_ARGS__ })

void serve_start_with(struct program *program, const char *external_api, const char *const args[]);

/* SIGTERM; asserts that it ends with status 0. */
void serve_stop(struct program *program);

/* A script for service_start: counts itself at the gate `arg`, waits until that is open, answers a small JSON. */
service_cb serve_answer_after_gate;

/* "/async" + "/items" in a buffer that the next 8 calls leave alone. */
const char *serve_path(const char *mode, const char *rest);

#endif
