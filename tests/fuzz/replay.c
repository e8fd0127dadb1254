/* replay.c: run a fuzz target over every file of its corpus, in a build without libFuzzer. */

#include <dirent.h>
#include <string.h>

#include "fuzz/fuzz.h"

static void replay(const char *folder, const char *name)
{
    char   path[4096];
    char  *data = NULL;
    size_t size = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    promise(file != NULL, path);
    /* A NUL never ends the file, so this reads all of it. */
    ssize_t n = getdelim(&data, &size, EOF, file);
    fclose(file);
    uint8_t *exact = malloc(n > 0 ? (size_t)n : 1); /* so that a read past the end is seen */
    promise(exact != NULL, "memory");
    if (n > 0)
        memcpy(exact, data, (size_t)n);
    LLVMFuzzerTestOneInput(exact, n > 0 ? (size_t)n : 0);
    free(exact);
    free(data);
}

int main(int argc, char **argv)
{
    unsigned n = 0;

    promise(argc == 2, "usage: replay FOLDER");
    DIR *folder = opendir(argv[1]);
    promise(folder != NULL, argv[1]);
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (*entry->d_name == '.')
            continue;
        replay(argv[1], entry->d_name);
        n++;
    }
    closedir(folder);
    printf("%u inputs\n", n);
    promise(n > 0, "an empty corpus proves nothing");
    return 0;
}
