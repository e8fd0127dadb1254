/* replay.c: run a fuzz target over every file of its corpus, in a build without libFuzzer. */

#include <dirent.h>
#include <string.h>

#include "fuzz/fuzz.h"

static void replay(const char *folder, const char *name)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    promise(file != NULL, path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    promise(size >= 0, path);
    uint8_t *exact = malloc(size > 0 ? (size_t)size : 1); /* so that a read past the end is seen */
    promise(exact != NULL, "memory");
    promise(fread(exact, 1, (size_t)size, file) == (size_t)size, path);
    fclose(file);
    LLVMFuzzerTestOneInput(exact, (size_t)size);
    free(exact);
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
