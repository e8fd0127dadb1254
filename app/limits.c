#include "app/limits.h"

#include <sys/resource.h>

enum { KEPT_FOR_FILES = 512, CONNECTIONS_MAX = 16384 };

unsigned limits_raise_files(unsigned files_each)
{
    rlim_t        wanted = (rlim_t)CONNECTIONS_MAX * files_each + KEPT_FOR_FILES;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    if (limit.rlim_cur < wanted) {
        /* Beyond the hard limit only the privileged get; the others get as far as that. */
        struct rlimit raised = { .rlim_cur = wanted, .rlim_max = limit.rlim_max < wanted ? wanted : limit.rlim_max };

        if (setrlimit(RLIMIT_NOFILE, &raised) < 0) {
            raised = (struct rlimit){ .rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max };
            setrlimit(RLIMIT_NOFILE, &raised);
        }
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > 2 * (rlim_t)KEPT_FOR_FILES ? ((unsigned)limit.rlim_cur - KEPT_FOR_FILES) / files_each : 256;
}
