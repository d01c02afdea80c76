/* snapshot/merger.c: see ctm/merge.h.
 *
 * Model: a merger is a store, as a builder is, in which no two sites have the same key. The labels of an input are made
 * into a label set first, and the input's own sets are added to it, so they replace labels with the same key.
 *
 * Usually each input has labels of its own. Then none of its sites can be in the store already: they are compared
 * only with each other, in a set that fits in the processor's caches, and appended. The store's index of sites is
 * made when an input has a label set that is not new, and is used from then on.
 */
#include <stdio.h>
#include <string.h>

#include "base/idset.h"
#include "base/memory.h"
#include "ctm/merge.h"
#include "snapshot/merge.h"
#include "snapshot/snapshot.h"
#include "tables/store.h"

/* Owned by the caller; one thread at a time. */
struct ctm_merger {
    struct ctmi_store store; /* owned */
    ctm_snapshot_info info;  /* of all inputs so far; `command` is a string of the store */
    bool any;                /* whether there is an input yet */
    uint32_t inputs;         /* number of inputs */
    struct ctmi_losses losses;
    uint32_t with_loss[CTM_MAX_LOSSES]; /* number of inputs that have the loss */
    bool indexed;                       /* whether the sites are in the store's index */
};

ctm_status ctm_merger_new(ctm_merger **out)
{
    ctm_merger *merger = ctmi_mem_alloc(sizeof *merger);
    if (merger == NULL) {
        return CTM_ERR_NOMEM;
    }
    memset(merger, 0, sizeof *merger);
    ctmi_store_init(&merger->store);
    *out = merger;
    return CTM_OK;
}

void ctm_merger_free(ctm_merger *merger)
{
    if (merger == NULL) {
        return;
    }
    ctmi_store_free_all(&merger->store);
    ctmi_mem_free(merger);
}

static ctm_status intern_labels(struct ctmi_store *store, const ctm_label_text *labels, size_t n,
                                uint32_t *out)
{
    ctm_status status = CTM_OK;
    *out = 0;
    for (size_t i = 0; i < n && status == CTM_OK; i++) {
        uint32_t key, value;
        status = ctmi_store_string(store, labels[i].key, strlen(labels[i].key), &key);
        if (status == CTM_OK) {
            status = ctmi_store_string(store, labels[i].value, strlen(labels[i].value), &value);
        }
        if (status == CTM_OK) {
            status = ctmi_store_label(store, *out, key, value, out);
        }
    }
    return status;
}

/* --- sites --- */

/* New ids in the merger's store, by id of the snapshot's rows. Borrowed from one allocation. */
struct new_ids {
    uint32_t *tracebacks, *labels, *sites;
};

/* Returns the key of a site in the merger's store. */
static ctm_site site_key(const ctm_snapshot *snapshot, const struct new_ids *ids, uint32_t id)
{
    ctm_site key = snapshot->sites[id];
    key.traceback = ids->tracebacks[key.traceback];
    key.labels = ids->labels[key.labels];
    return key;
}

static ctm_status find_rows(struct ctmi_store *store, const ctm_snapshot *snapshot,
                            const struct new_ids *ids)
{
    ctm_status status = CTM_OK;
    for (uint32_t id = 1; id <= snapshot->info.sites && status == CTM_OK; id++) {
        const ctm_site key = site_key(snapshot, ids, id);
        status = ctmi_store_site(store, key.domain, key.traceback, key.block_size, key.labels,
                                 &ids->sites[id]);
    }
    return status;
}

struct own_sites {
    const ctm_snapshot *snapshot; /* borrowed */
    const struct new_ids *ids;    /* borrowed */
};

static bool same_key(const void *context, uint32_t a, uint32_t b)
{
    const struct own_sites *own = context;
    const ctm_site one = site_key(own->snapshot, own->ids, a);
    const ctm_site two = site_key(own->snapshot, own->ids, b);
    return ctmi_site_has_key(&one, &two);
}

/* Appends a row for each key. None of the sites is in the store. */
static ctm_status append_rows(struct ctmi_store *store, const ctm_snapshot *snapshot,
                              const struct new_ids *ids)
{
    const struct own_sites own = {snapshot, ids};
    struct ctmi_idset set;
    ctm_status status = ctmi_idset_init(&set, snapshot->info.sites);
    if (status != CTM_OK) {
        return status;
    }
    for (uint32_t id = 1; id <= snapshot->info.sites && status == CTM_OK; id++) {
        const ctm_site key = site_key(snapshot, ids, id);
        const uint64_t origin = (uint64_t)key.traceback << 32 | (key.domain ^ key.labels);
        const uint64_t hash = ctmi_hash_mix(ctmi_hash_mix(origin) ^ key.block_size);
        const uint32_t first = ctmi_idset_add(&set, id, hash, same_key, &own);
        if (first != id) {
            ids->sites[id] = ids->sites[first];
        } else {
            status = ctmi_store_site_append(store, key.domain, key.traceback, key.block_size,
                                            key.labels, &ids->sites[id]);
        }
    }
    ctmi_idset_free(&set);
    return status;
}

/* Whether all label sets are new. labels_before: label sets that the store had before this input. */
static bool all_new(const ctm_snapshot *snapshot, const struct new_ids *ids, uint32_t labels_before)
{
    for (uint32_t set = 0; set <= snapshot->info.label_sets; set++) {
        if (ids->labels[set] < labels_before) {
            return false;
        }
    }
    return true;
}

static ctm_status make_rows(ctm_merger *merger, const ctm_snapshot *snapshot,
                            const struct new_ids *ids, uint32_t labels_before)
{
    struct ctmi_store *store = &merger->store;
    const bool empty = ctmi_store_site_count(store) == 1;
    if (!merger->indexed && (empty || all_new(snapshot, ids, labels_before))) {
        return append_rows(store, snapshot, ids);
    }
    if (!merger->indexed) {
        ctm_status status = ctmi_store_index_sites(store);
        if (status != CTM_OK) {
            return status;
        }
        merger->indexed = true;
    }
    return find_rows(store, snapshot, ids);
}

/* The other counters never exceed `allocated`, so that one check is enough for all. */
static bool add_site(ctm_site *row, const ctm_site *site)
{
    uint64_t allocated;
    if (__builtin_add_overflow(row->allocated, site->allocated, &allocated)) {
        return false;
    }
    row->allocated = allocated;
    row->freed += site->freed;
    row->at_peak += site->at_peak;
    return true;
}

static void subtract_site(ctm_site *row, const ctm_site *site)
{
    row->allocated -= site->allocated;
    row->freed -= site->freed;
    row->at_peak -= site->at_peak;
}

static ctm_status add_rows(struct ctmi_store *store, const ctm_snapshot *snapshot,
                           const uint32_t *rows)
{
    for (uint32_t id = 1; id <= snapshot->info.sites; id++) {
        if (add_site(&ctmi_store_site_row(store, rows[id])->site, &snapshot->sites[id])) {
            continue;
        }
        while (--id > 0) {
            subtract_site(&ctmi_store_site_row(store, rows[id])->site, &snapshot->sites[id]);
        }
        return CTM_ERR_LIMIT;
    }
    return CTM_OK;
}

/* --- the info of the result --- */

static uint64_t sum_known(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return a == 0 || b == 0 || __builtin_add_overflow(a, b, &sum) ? 0 : sum;
}

static uint64_t earlier_known(uint64_t a, uint64_t b)
{
    return b == 0 || (a != 0 && a < b) ? a : b;
}

static void join_info(ctm_snapshot_info *all, const ctm_snapshot_info *one, uint32_t command)
{
    if (one->nframe > all->nframe) {
        all->nframe = one->nframe;
    }
    if (one->taken_ns > all->taken_ns) {
        all->taken_ns = one->taken_ns;
    }
    all->started_ns = earlier_known(all->started_ns, one->started_ns);
    all->peak_bytes = sum_known(all->peak_bytes, one->peak_bytes);
    all->tracer_bytes = sum_known(all->tracer_bytes, one->tracer_bytes);
    all->peak_known = all->peak_known && one->peak_known;
    if (all->pid != one->pid) {
        all->pid = 0;
    }
    if (all->command != command) {
        all->command = 0;
    }
}

static void add_losses(ctm_merger *merger, const ctm_snapshot *snapshot)
{
    merger->inputs++;
    for (uint32_t i = 0; i < snapshot->n_losses; i++) {
        const ctm_loss *loss = &snapshot->losses[i];
        const uint32_t before = merger->losses.n;
        const uint32_t index =
            ctmi_losses_add(&merger->losses, loss->kind, loss->detail, loss->count);
        if (index == before) {
            merger->with_loss[index] = 0;
        }
        merger->with_loss[index]++;
    }
}

/* Adds to the text of each loss the number of inputs that have it, if not all do. */
static void note_inputs(const ctm_merger *merger, struct ctmi_losses *out)
{
    out->n = 0;
    for (uint32_t i = 0; i < merger->losses.n; i++) {
        const ctm_loss *loss = &merger->losses.rows[i];
        char note[64], detail[CTM_LOSS_DETAIL + sizeof note];
        const bool all = merger->with_loss[i] >= merger->inputs;
        const int size = (int)(sizeof detail - sizeof note);
        note[0] = 0;
        if (!all) {
            snprintf(note, sizeof note, " (in %lu of %lu snapshots)",
                     (unsigned long)merger->with_loss[i], (unsigned long)merger->inputs);
        }
        const int most = size - (int)strlen(note) - 1;
        char cut[CTM_LOSS_DETAIL];
        ctmi_text_fit(cut, (size_t)most + 1, loss->detail, sizeof loss->detail);
        snprintf(detail, sizeof detail, "%s%s", cut, note);
        (void)ctmi_losses_add(out, loss->kind, detail, loss->count);
    }
}

static void add_info(ctm_merger *merger, const ctm_snapshot_info *info, uint32_t command)
{
    if (merger->any) {
        join_info(&merger->info, info, command);
    } else {
        merger->info = *info;
        merger->info.command = command;
    }
    merger->any = true;
}

/* --- merging --- */

static ctm_status add_all(ctm_merger *merger, const ctm_snapshot *snapshot,
                          const ctm_label_text *labels, size_t n_labels, const struct new_ids *ids)
{
    struct ctmi_store *store = &merger->store;
    const uint32_t labels_before = ctmi_store_label_count(store);
    uint32_t command, base = 0;
    size_t length;
    const char *text = ctm_snapshot_string(snapshot, snapshot->info.command, &length);
    ctm_status status = ctmi_store_string(store, text, length, &command);
    if (status == CTM_OK) {
        status = intern_labels(store, labels, n_labels, &base);
    }
    if (status == CTM_OK) {
        status = ctmi_store_add_tables(store, snapshot, ids->tracebacks, ids->labels, base);
    }
    if (status == CTM_OK) {
        status = make_rows(merger, snapshot, ids, labels_before);
    }
    if (status == CTM_OK) {
        status = add_rows(store, snapshot, ids->sites);
    }
    if (status == CTM_OK) {
        add_info(merger, &snapshot->info, command);
    }
    if (status == CTM_OK) {
        add_losses(merger, snapshot);
    }
    return status;
}

ctm_status ctm_merger_add(ctm_merger *merger, const ctm_snapshot *snapshot,
                          const ctm_label_text *labels, size_t n_labels)
{
    size_t tracebacks = (size_t)snapshot->info.tracebacks + 1;
    size_t sets = (size_t)snapshot->info.label_sets + 1;
    size_t sites = (size_t)snapshot->info.sites + 1;
    if (merger->any && merger->info.sample_interval != snapshot->info.sample_interval) {
        return CTM_ERR_INVALID;
    }
    uint32_t *memory = ctmi_mem_alloc((tracebacks + sets + sites) * sizeof(uint32_t));
    if (memory == NULL) {
        return CTM_ERR_NOMEM;
    }
    const struct new_ids ids = {memory, memory + tracebacks, memory + tracebacks + sets};
    ctm_status status = add_all(merger, snapshot, labels, n_labels, &ids);
    ctmi_mem_free(memory);
    return status;
}

ctm_status ctm_merger_finish(ctm_merger *merger, ctm_snapshot **out)
{
    struct ctmi_losses losses;
    note_inputs(merger, &losses);
    ctm_status status = ctmi_snapshot_from_store(&merger->store, &merger->info, &losses, out);
    if (status == CTM_OK) {
        ctmi_snapshot_assert_sound(*out);
        ctmi_store_free_all(&merger->store);
        memset(&merger->info, 0, sizeof merger->info);
        merger->any = merger->indexed = false;
        merger->inputs = merger->losses.n = 0;
    }
    return status;
}

ctm_status ctm_snapshot_merge(const ctm_merge_input *inputs, size_t n, ctm_snapshot **out)
{
    ctm_merger *merger;
    ctm_status status = ctm_merger_new(&merger);
    if (status != CTM_OK) {
        return status;
    }
    for (size_t i = 0; i < n && status == CTM_OK; i++) {
        status = ctm_merger_add(merger, inputs[i].snapshot, inputs[i].labels, inputs[i].n_labels);
    }
    if (status == CTM_OK) {
        status = ctm_merger_finish(merger, out);
    }
    ctm_merger_free(merger);
    return status;
}
