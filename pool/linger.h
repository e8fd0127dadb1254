/*
 * pool/linger.h: not going to sleep for what is about to come. Why and how: linger.c.
 */
#ifndef OL_POOL_LINGER_H
#define OL_POOL_LINGER_H

#include <stdbool.h>
#include <stdint.h>

struct ol_pool;

struct ol__linger {
    int reserved;
};

#endif
