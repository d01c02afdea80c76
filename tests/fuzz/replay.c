/* replay.c: a fuzz target without a fuzzer: it is given every file of the folders (or files) named.
 *
 * Model: the name is printed before the target sees the file, so the last one is the one that broke it. A target
 * that aborts ends the program; ctest and the sanitizers see that.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned long files;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    MUST(file != NULL && fseek(file, 0, SEEK_END) == 0);
    const long size = ftell(file);
    MUST(size >= 0 && fseek(file, 0, SEEK_SET) == 0);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    MUST(bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    printf("%s: %ld bytes\n", path, size);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, (size_t)size);
    free(bytes);
    files++;
}

static void replay(const char *path)
{
    struct stat status;
    struct dirent **names;
    MUST(stat(path, &status) == 0);
    if (!S_ISDIR(status.st_mode)) {
        replay_file(path);
        return;
    }
    const int n = scandir(path, &names, NULL, alphasort);
    MUST(n >= 0);
    for (int i = 0; i < n; i++) {
        char *inside = NULL;
        if (names[i]->d_name[0] != '.') {
            MUST(asprintf(&inside, "%s/%s", path, names[i]->d_name) > 0);
            replay(inside);
        }
        free(inside);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    printf("%lu passed, 0 failed\n", files);
    return files > 0 ? 0 : 1;
}
