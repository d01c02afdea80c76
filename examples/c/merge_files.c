/* merge_files.c: merges snapshot files into one and says how much memory each of them holds.
 *
 *   cc merge_files.c $(pkg-config --cflags --libs ctm)
 *   ./a.out all.ctm worker-1.ctm worker-2.ctm
 */
#include <stdio.h>

#include <ctm/ctm.h>

static int fail(const char *what, ctm_status status)
{
    fprintf(stderr, "%s: %s\n", what, ctm_status_text(status));
    return 1;
}

static ctm_status add_file(ctm_merger *merger, const char *path)
{
    const ctm_label_text origin = {"source", path};
    ctm_snapshot *snapshot;
    ctm_status status = ctm_snapshot_read(path, &snapshot, NULL, NULL, NULL);
    if (status != CTM_OK) {
        return status;
    }
    status = ctm_merger_add(merger, snapshot, &origin, 1);
    ctm_snapshot_unref(snapshot);
    return status;
}

static ctm_status print_sources(const ctm_snapshot *merged)
{
    ctm_snapshot *by_source;
    ctm_statistics *statistics;
    ctm_status status = ctm_snapshot_by_label(merged, "source", &by_source);
    if (status != CTM_OK) {
        return status;
    }
    status = ctm_snapshot_statistics(by_source, CTM_BY_FILENAME, false, &statistics);
    if (status == CTM_OK) {
        const ctm_statistic *rows = ctm_statistics_rows(statistics);
        for (size_t i = 0; i < ctm_statistics_length(statistics); i++) {
            printf("%10llu bytes in %7llu blocks: %s\n", (unsigned long long)rows[i].size,
                   (unsigned long long)rows[i].count,
                   ctm_snapshot_string(by_source, rows[i].id, NULL));
        }
        ctm_statistics_free(statistics);
    }
    ctm_snapshot_unref(by_source);
    return status;
}

int main(int argc, char **argv)
{
    ctm_merger *merger;
    ctm_snapshot *merged = NULL;
    if (argc < 3) {
        fprintf(stderr, "usage: %s OUT IN...\n", argv[0]);
        return 2;
    }
    ctm_status status = ctm_merger_new(&merger);
    if (status != CTM_OK) {
        return fail("merger", status);
    }
    for (int i = 2; i < argc && status == CTM_OK; i++) {
        status = add_file(merger, argv[i]);
        if (status != CTM_OK) {
            fail(argv[i], status);
        }
    }
    if (status == CTM_OK) {
        status = ctm_merger_finish(merger, &merged);
    }
    ctm_merger_free(merger);
    if (status == CTM_OK) {
        status = print_sources(merged);
    }
    if (status == CTM_OK) {
        status = ctm_snapshot_write(merged, argv[1], NULL, 0);
    }
    ctm_snapshot_unref(merged);
    return status == CTM_OK ? 0 : fail(argv[1], status);
}
