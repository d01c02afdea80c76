/* tracer/portions.c: see tracer/portions.h. */
#include "tracer/portions.h"

#include <string.h>

#include "base/memory.h"
#include "tracer/tracer.h"

#define FIRST_BUCKETS 256u

void ctmi_portions_forget(struct ctmi_portions *portions)
{
    ctmi_mem_free(portions->of);
    ctmi_mem_free(portions->handles);
    ctmi_mem_free(portions->buckets);
    memset(portions, 0, sizeof *portions);
}

size_t ctmi_portions_memory(const struct ctmi_portions *portions)
{
    return portions->n * (sizeof(struct ctmi_portion) + sizeof(uint32_t)) +
           (portions->buckets != NULL ? ((size_t)portions->mask + 1) * sizeof(uint32_t) : 0);
}

/* Makes the arrays longer than `row`; new items are 0. False: out of memory. */
static bool reach(struct ctmi_portions *portions, uint32_t row)
{
    uint64_t more = portions->n != 0 ? portions->n : 64;
    if (row < portions->n) {
        return true;
    }
    while (more <= row) {
        more *= 2;
    }
    struct ctmi_portion *of = ctmi_mem_realloc(portions->of, (size_t)more * sizeof *of);
    if (of == NULL) {
        return false;
    }
    portions->of = of;
    uint32_t *handles = ctmi_mem_realloc(portions->handles, (size_t)more * sizeof *handles);
    if (handles == NULL) {
        return false; /* `of` is longer than `n` says */
    }
    portions->handles = handles;
    memset(of + portions->n, 0, (size_t)(more - portions->n) * sizeof *of);
    memset(handles + portions->n, 0, (size_t)(more - portions->n) * sizeof *handles);
    portions->n = (uint32_t)more;
    return true;
}

/* --- buckets --- */

static uint32_t *bucket_of(const struct ctmi_portions *portions, uint32_t site, uint32_t handle)
{
    const uint64_t hash = ((uint64_t)site << 32 | handle) * 0x9E3779B97F4A7C15ull;
    return &portions->buckets[(uint32_t)(hash >> 32) & portions->mask];
}

static void put(struct ctmi_portions *portions, uint32_t row)
{
    struct ctmi_portion *portion = &portions->of[row];
    uint32_t *bucket = bucket_of(portions, portion->site, ctmi_portion_handle(portions, row));
    portion->next = *bucket;
    *bucket = row;
    portion->is_found = true;
}

static void take_out(struct ctmi_portions *portions, uint32_t row)
{
    struct ctmi_portion *portion = &portions->of[row];
    if (!portion->is_found) {
        return;
    }
    uint32_t *link = bucket_of(portions, portion->site, ctmi_portion_handle(portions, row));
    while (*link != row) {
        CTMI_ASSERT(*link != 0);
        link = &portions->of[*link].next;
    }
    *link = portion->next;
    portion->is_found = false;
}

static uint32_t find(const struct ctmi_portions *portions, uint32_t site, uint32_t handle)
{
    uint32_t row = portions->buckets != NULL ? *bucket_of(portions, site, handle) : 0;
    while (row != 0 &&
           (portions->of[row].site != site || ctmi_portion_handle(portions, row) != handle)) {
        row = portions->of[row].next;
    }
    return row;
}

/* As many buckets as there are portions, at least. If memory is refused, the chains are longer. False: there are none. */
static bool grow_buckets(struct ctmi_portions *portions)
{
    const uint32_t wanted = portions->buckets == NULL               ? FIRST_BUCKETS
                            : portions->count > portions->mask + 1u ? 2 * (portions->mask + 1)
                                                                    : 0;
    uint32_t *buckets = wanted != 0 ? ctmi_mem_alloc(wanted * sizeof *buckets) : NULL;
    if (buckets == NULL) {
        return portions->buckets != NULL;
    }
    memset(buckets, 0, wanted * sizeof *buckets);
    ctmi_mem_free(portions->buckets);
    portions->buckets = buckets;
    portions->mask = wanted - 1;
    for (uint32_t row = 1; row < portions->n; row++) {
        if (portions->of[row].is_found) {
            put(portions, row);
        }
    }
    return true;
}

/* --- making and freeing --- */

static struct ctmi_label_entry *entry_of(const struct ctm_shard *shard, uint32_t handle)
{
    return ctmi_label_entry_of(&shard->tracer->labels, handle);
}

/* Gives a portion that has no set to one. */
static void give(struct ctm_shard *shard, uint32_t row, uint32_t handle)
{
    struct ctmi_portions *portions = &shard->portions;
    _Atomic uint32_t *first = &entry_of(shard, handle)->portions[shard->index];
    portions->handles[row] = handle | (portions->handles[row] & CTMI_IN_SCOPE);
    portions->of[row].next_of_set = atomic_load(first);
    atomic_store(first, row);
}

/* A new row with the key of `site`, without a set. */
static ctm_status append(struct ctm_shard *shard, uint32_t site, uint32_t *out)
{
    const ctm_site key = ctmi_store_site_row(&shard->store, site)->site;
    if (!reach(&shard->portions, ctmi_store_site_count(&shard->store)) ||
        !grow_buckets(&shard->portions)) {
        return CTM_ERR_NOMEM;
    }
    const ctm_status status = ctmi_store_site_append(&shard->store, key.domain, key.traceback,
                                                     key.block_size, key.labels, out);
    if (status == CTM_OK) {
        shard->portions.of[*out] = (struct ctmi_portion){.site = site};
        shard->portions.handles[*out] = CTMI_NO_SET;
        shard->portions.count++;
    }
    return status;
}

/* A portion without a set can be given to one. */
static void put_free(struct ctmi_portions *portions, uint32_t row)
{
    struct ctmi_portion *portion = &portions->of[row];
    portions->handles[row] = CTMI_NO_SET;
    portion->next = portions->of[portion->site].free;
    portions->of[portion->site].free = row;
}

ctm_status ctmi_portion_find(struct ctm_shard *shard, uint32_t site, uint32_t handle, uint32_t *out)
{
    struct ctmi_portions *portions = &shard->portions;
    *out = find(portions, site, handle);
    if (*out != 0) {
        return CTM_OK;
    }
    if (!reach(portions, site)) {
        return CTM_ERR_NOMEM;
    }
    *out = portions->of[site].free;
    if (*out != 0) {
        portions->of[site].free = portions->of[*out].next;
    } else {
        const ctm_status status = append(shard, site, out);
        if (status != CTM_OK) {
            return status;
        }
    }
    const struct ctmi_within within = entry_of(shard, handle)->within;
    if (ctmi_is_within(within)) {
        const ctm_status status = ctmi_scopes_join(shard, *out, site, within);
        if (status != CTM_OK) {
            put_free(portions, *out);
            return status;
        }
        portions->handles[*out] |= CTMI_IN_SCOPE;
    }
    give(shard, *out, handle);
    put(portions, *out);
    return CTM_OK;
}

/* No thread allocates at the portion. What was freed is not live again, so what is read here stays so. */
static inline bool has_blocks(const struct ctm_shard *shard, uint32_t id)
{
    struct ctmi_site_row *row = ctmi_store_site_row(&shard->store, id);
    return row->site.allocated != ctmi_site_row_freed(row) ||
           (row->site.allocated != shard->portions.of[id].base &&
            ctmi_site_row_at_peak(&shard->store, row) != 0);
}

/* What was counted so far is of no set. */
static void begin_anew(struct ctm_shard *shard, uint32_t row)
{
    shard->portions.of[row].base = ctmi_store_site_row(&shard->store, row)->site.allocated;
}

static void set_free(struct ctm_shard *shard, uint32_t row)
{
    struct ctmi_portions *portions = &shard->portions;
    take_out(portions, row);
    begin_anew(shard, row);
    if (ctmi_portion_is_in_scope(portions, row)) {
        ctmi_scopes_leave(shard, row);
    }
    put_free(portions, row);
}

bool ctmi_portions_have_blocks(const struct ctm_shard *shard, uint32_t handle)
{
    uint32_t row = atomic_load(&entry_of(shard, handle)->portions[shard->index]);
    while (row != 0 && !has_blocks(shard, row)) {
        row = shard->portions.of[row].next_of_set;
    }
    return row != 0;
}

uint32_t ctmi_portions_free(struct ctm_shard *shard, uint32_t handle)
{
    struct ctmi_portion *of = shard->portions.of;
    _Atomic uint32_t *first = &entry_of(shard, handle)->portions[shard->index];
    uint32_t next, left = 0, n = 0;
    for (uint32_t row = atomic_load(first); row != 0; row = next) {
        next = of[row].next_of_set;
        if (has_blocks(shard, row)) {
            of[row].next_of_set = left;
            left = row;
            n++;
        } else {
            set_free(shard, row);
        }
    }
    atomic_store(first, left);
    return n;
}

void ctmi_portions_pass_on(struct ctm_shard *shard, uint32_t from, uint32_t to, bool keeps)
{
    struct ctmi_portion *of = shard->portions.of;
    _Atomic uint32_t *first = &entry_of(shard, from)->portions[shard->index];
    uint32_t next, left = 0;
    for (uint32_t row = atomic_load(first); row != 0; row = next) {
        next = of[row].next_of_set;
        if (has_blocks(shard, row)) {
            take_out(&shard->portions, row);
            give(shard, row, to); /* it is not found there: a set may get any number of them */
            if (ctmi_portion_is_in_scope(&shard->portions, row)) {
                ctmi_scopes_trim(shard, row);
            }
        } else if (!keeps) {
            set_free(shard, row);
        } else {
            begin_anew(shard, row);
            of[row].next_of_set = left;
            left = row;
        }
    }
    atomic_store(first, left);
}

/* --- for snapshots --- */

/* The label set of a handle as a row of the copy. */
static ctm_status row_of_labels(const struct ctmi_label_entry *entry, struct ctmi_store *copy,
                                uint32_t *out)
{
    const char *text = entry->text;
    ctm_status status = CTM_OK;
    *out = 0;
    for (uint32_t i = 0; i < entry->n && status == CTM_OK; i++) {
        const ctm_label_text pair = ctmi_label_set_next(&text);
        uint32_t key, value = 0;
        status = ctmi_store_string(copy, pair.key, strlen(pair.key), &key);
        if (status == CTM_OK) {
            status = ctmi_store_string(copy, pair.value, strlen(pair.value), &value);
        }
        if (status == CTM_OK) {
            status = ctmi_store_label(copy, *out, key, value, out);
        }
    }
    return status;
}

static void add_up(ctm_site *site, uint64_t allocated, uint64_t freed, uint64_t at_peak)
{
    site->allocated += allocated;
    site->freed += freed;
    site->at_peak += at_peak;
}

/* A portion's part of its row is counted at the set's own site, the rest at that of the rest. The row is then one without blocks. */
static ctm_status split(const struct ctmi_portion *portion, ctm_site *row, uint32_t labels,
                        struct ctmi_store *copy)
{
    ctm_site *rest = &ctmi_store_site_row(copy, portion->site)->site;
    if (labels != 0 && row->allocated != portion->base && row->freed >= portion->base) {
        const uint64_t base = portion->base;
        uint32_t to;
        const ctm_status status =
            ctmi_store_site(copy, row->domain, row->traceback, row->block_size, labels, &to);
        if (status != CTM_OK) {
            return status;
        }
        add_up(&ctmi_store_site_row(copy, to)->site, row->allocated - base, row->freed - base,
               row->at_peak);
        add_up(rest, base, base, 0);
    } else {
        add_up(rest, row->allocated, row->freed, row->at_peak);
    }
    row->allocated = row->freed = row->at_peak = 0;
    return CTM_OK;
}

/* The row of the portion's labels in the copy, `rows` has those that are known; 0: it is counted at the rest. */
static ctm_status labels_of(const struct ctm_shard *shard, uint32_t handle, uint32_t *rows,
                            struct ctmi_store *copy, uint32_t *out)
{
    ctm_status status = CTM_OK;
    *out = 0;
    if (handle != 0 && entry_of(shard, handle)->rest != 0) {
        if (rows[handle] == 0) {
            status = row_of_labels(entry_of(shard, handle), copy, &rows[handle]);
        }
        *out = rows[handle];
    }
    return status;
}

ctm_status ctmi_portions_split(const struct ctm_shard *shard, struct ctmi_store *copy)
{
    const uint32_t n = shard->tracer->labels.count;
    const uint32_t sites = ctmi_store_site_count(copy); /* without those made here */
    uint32_t *rows = ctmi_mem_alloc(n * sizeof *rows), labels;
    ctm_status status = rows != NULL ? CTM_OK : CTM_ERR_NOMEM;
    for (uint32_t i = 0; rows != NULL && i < n; i++) {
        rows[i] = 0;
    }
    for (uint32_t id = 1; id < sites && status == CTM_OK; id++) {
        const struct ctmi_portion *portion = ctmi_portion_of(&shard->portions, id);
        ctm_site *row = &ctmi_store_site_row(copy, id)->site;
        if (portion == NULL || row->allocated == 0) {
            continue;
        }
        status = labels_of(shard, ctmi_portion_handle(&shard->portions, id), rows, copy, &labels);
        if (status == CTM_OK) {
            status = split(portion, row, labels, copy);
        }
    }
    ctmi_mem_free(rows);
    return status;
}
