/*
 * environment.c: what a reader has to know about the machine before believing a figure.
 */
#include <gnu/libc-version.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <offloop/offloop.h>

#include "app/bench/report.h"

/* What follows "name" and the separator in the first line of a file that has it; "" when none has. */
static void read_named(char text[LABEL_MAX], const char *path, const char *name, char separator)
{
    char  line[512];
    FILE *in = fopen(path, "re");

    text[0] = '\0';
    while (in && fgets(line, sizeof line, in)) {
        char *value = strchr(line, separator);

        if (strncmp(line, name, strlen(name)) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " \t\"");
        value[strcspn(value, "\"\n")] = '\0';
        snprintf(text, LABEL_MAX, "%s", value);
        break;
    }
    if (in)
        fclose(in);
}

/* Magic numbers from statfs(2). On tmpfs a durable commit costs nothing, which a reader must know. */
static const char *file_system_name(const char *folder)
{
    struct statfs stat;

    if (statfs(folder, &stat) < 0)
        return "unknown";
    switch ((unsigned)stat.f_type) {
    case 0xEF53: return "ext4";
    case 0x01021994: return "tmpfs (memory: durable commits cost nothing)";
    case 0x58465342: return "xfs";
    case 0x9123683E: return "btrfs";
    case 0x794C7630: return "overlayfs";
    case 0x2FC12FC1: return "zfs";
    case 0x6969: return "nfs";
    default: return "another file system";
    }
}

void environment_read(struct environment *ret_environment, const char *folder)
{
    struct environment env = { .processor = "" };
    struct utsname     kernel;
    double             loads[1] = { 0 };

    read_named(env.processor, "/proc/cpuinfo", "model name", ':');
    snprintf(env.cores, LABEL_MAX, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    snprintf(env.memory, LABEL_MAX, "%.1f GB", (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 1e9);
    if (uname(&kernel) == 0)
        snprintf(env.kernel, LABEL_MAX, "%.20s %.64s", kernel.sysname, kernel.release);
    read_named(env.system, "/etc/os-release", "PRETTY_NAME", '=');
    snprintf(env.compiler, LABEL_MAX, "%s %.40s, glibc %s",
#ifdef __clang__
             "clang",
#else
             "gcc",
#endif
             __VERSION__, gnu_get_libc_version());
    snprintf(env.offloop, LABEL_MAX, "%s", OL_VERSION);
    snprintf(env.sqlite, LABEL_MAX, "%s", sqlite3_libversion());
    snprintf(env.database_on, LABEL_MAX, "%s", file_system_name(folder));
    if (getloadavg(loads, 1) == 1)
        snprintf(env.load_before, LABEL_MAX, "%.2f", loads[0]);
    *ret_environment = env;
}

bool environment_line(const struct environment *environment, unsigned i, const char **ret_label, const char **ret_text)
{
    const struct {
        const char *label, *text;
    } lines[] = {
        { "processor", environment->processor },     { "cores", environment->cores },
        { "memory", environment->memory },           { "system", environment->system },
        { "kernel", environment->kernel },           { "compiler", environment->compiler },
        { "offloop", environment->offloop },         { "SQLite", environment->sqlite },
        { "database on", environment->database_on }, { "load average before", environment->load_before },
    };

    if (i >= sizeof lines / sizeof lines[0])
        return false;
    *ret_label = lines[i].label;
    *ret_text = lines[i].text;
    return true;
}
