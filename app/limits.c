#include "app/limits.h"

#include <sys/resource.h>

enum { KEPT_FOR_FILES = 512, CONNECTIONS_MAX = 16384 };

unsigned limits_raise_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= CONNECTIONS_MAX + KEPT_FOR_FILES)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > KEPT_FOR_FILES ? (unsigned)limit.rlim_cur - KEPT_FOR_FILES : 1;
}
