/*
 * offloop/offloop.h: everything. Blocking calls, off the loop.
 *
 * Start with pool.h (the classic job with `work` and `done`) or http.h (handlers in three modes).
 */
#ifndef OFFLOOP_H
#define OFFLOOP_H

#include <offloop/base.h>
#include <offloop/db.h>
#include <offloop/fetch.h>
#include <offloop/fiber.h>
#include <offloop/http.h>
#include <offloop/loop.h>
#include <offloop/observe.h>
#include <offloop/pool.h>
#include <offloop/scope.h>

#endif
