/* tracer/portions.c: see tracer/portions.h. */
#include "tracer/portions.h"

#include <string.h>

#include "base/memory.h"
#include "tables/rows.h"
#include "tracer/tracer.h"

#define FIRST_BUCKETS 256u

void ctmi_portions_init(struct ctmi_portions *portions)
{
    memset(portions, 0, sizeof *portions);
    ctmi_rows_init(&portions->rows, sizeof(struct ctmi_site_row), CTMI_MAX_SITES);
}

void ctmi_portions_forget(struct ctmi_portions *portions)
{
    ctmi_rows_empty(&portions->rows, false);
    ctmi_mem_free(portions->next);
    ctmi_mem_free(portions->next_of_set);
    ctmi_mem_free(portions->free_of_site);
    ctmi_mem_free(portions->buckets);
    ctmi_portions_init(portions);
}

size_t ctmi_portions_memory(const struct ctmi_portions *portions)
{
    const size_t words = 2 * (size_t)portions->capacity + portions->n_sites +
                         (portions->buckets != NULL ? (size_t)portions->mask + 1 : 0);
    return ctmi_rows_resident(&portions->rows) + words * sizeof(uint32_t);
}

/* Makes the array longer than `id`; new items are 0. False: out of memory. */
static bool reach(uint32_t **array, uint32_t length, uint32_t id, uint32_t *out_length)
{
    uint64_t more = length != 0 ? length : 64;
    while (more <= id) {
        more *= 2;
    }
    uint32_t *longer = ctmi_mem_realloc(*array, (size_t)more * sizeof **array);
    if (longer == NULL) {
        return false;
    }
    memset(longer + length, 0, (size_t)(more - length) * sizeof **array);
    *array = longer;
    *out_length = (uint32_t)more;
    return true;
}

/* --- buckets --- */

static uint32_t *bucket_of(const struct ctmi_portions *portions, uint32_t site, uint32_t handle)
{
    const uint64_t hash = ((uint64_t)site << 32 | handle) * 0x9E3779B97F4A7C15ull;
    return &portions->buckets[(uint32_t)(hash >> 32) & portions->mask];
}

static void put(struct ctmi_portions *portions, uint32_t id)
{
    const ctm_site *row = &ctmi_portion_row(portions, id)->site;
    uint32_t *bucket = bucket_of(portions, row->traceback, row->labels);
    portions->next[id] = *bucket;
    *bucket = id;
}

static void take_out(struct ctmi_portions *portions, uint32_t id)
{
    const ctm_site *row = &ctmi_portion_row(portions, id)->site;
    uint32_t *link = bucket_of(portions, row->traceback, row->labels);
    while (*link != id) {
        CTMI_ASSERT(*link != 0);
        link = &portions->next[*link];
    }
    *link = portions->next[id];
}

static uint32_t find(const struct ctmi_portions *portions, uint32_t site, uint32_t handle)
{
    uint32_t id = portions->buckets != NULL ? *bucket_of(portions, site, handle) : 0;
    while (id != 0) {
        const ctm_site *row = &ctmi_portion_row(portions, id)->site;
        if (row->traceback == site && row->labels == handle) {
            break;
        }
        id = portions->next[id];
    }
    return id;
}

/* As many buckets as there are portions, at least. If memory is refused, the chains are longer. False: there are none. */
static bool grow_buckets(struct ctmi_portions *portions)
{
    const uint32_t wanted = portions->buckets == NULL                    ? FIRST_BUCKETS
                            : portions->rows.count > portions->mask + 1u ? 2 * (portions->mask + 1)
                                                                         : 0;
    uint32_t *buckets = wanted != 0 ? ctmi_mem_alloc(wanted * sizeof *buckets) : NULL;
    if (buckets == NULL) {
        return portions->buckets != NULL;
    }
    memset(buckets, 0, wanted * sizeof *buckets);
    ctmi_mem_free(portions->buckets);
    portions->buckets = buckets;
    portions->mask = wanted - 1;
    for (uint32_t id = 1; id < portions->rows.count; id++) {
        if (ctmi_portion_row(portions, id)->site.labels != 0) {
            put(portions, id);
        }
    }
    return true;
}

/* --- making and freeing --- */

static ctm_status append(struct ctmi_portions *portions, const ctm_site *site, uint32_t id_of_site,
                         uint32_t *out)
{
    const uint32_t id = portions->rows.count;
    if (id >= portions->capacity) {
        uint32_t length; /* the shorter one is the length of both */
        if (!reach(&portions->next, portions->capacity, id, &length) ||
            !reach(&portions->next_of_set, portions->capacity, id, &length)) {
            return CTM_ERR_NOMEM;
        }
        portions->capacity = length;
    }
    const ctm_status status = ctmi_rows_reserve(&portions->rows);
    if (status == CTM_OK) {
        struct ctmi_site_row *row = ctmi_rows_at(&portions->rows, id, sizeof(struct ctmi_site_row));
        memset(row, 0, sizeof *row);
        row->site.block_size = site->block_size;
        row->site.domain = site->domain;
        row->site.traceback = id_of_site;
        __atomic_store_n(&portions->rows.count, id + 1, __ATOMIC_RELEASE);
        *out = id;
    }
    return status;
}

static struct ctmi_label_entry *entry_of(const struct ctm_shard *shard, uint32_t handle)
{
    return ctmi_label_entry_of(&shard->tracer->labels, handle);
}

/* Gives a portion that has no set to one. */
static void give(struct ctm_shard *shard, uint32_t id, uint32_t handle)
{
    struct ctmi_portions *portions = &shard->portions;
    _Atomic uint32_t *first = &entry_of(shard, handle)->portions[shard->index];
    ctmi_portion_row(portions, id)->site.labels = handle;
    put(portions, id);
    portions->next_of_set[id] = atomic_load(first);
    atomic_store(first, id);
}

ctm_status ctmi_portion_find(struct ctm_shard *shard, uint32_t site, uint32_t handle, uint32_t *out)
{
    struct ctmi_portions *portions = &shard->portions;
    *out = find(portions, site, handle);
    if (*out != 0) {
        return CTM_OK;
    }
    if (site >= portions->n_sites &&
        !reach(&portions->free_of_site, portions->n_sites, site, &portions->n_sites)) {
        return CTM_ERR_NOMEM;
    }
    if (!grow_buckets(portions)) {
        return CTM_ERR_NOMEM;
    }
    *out = portions->free_of_site[site];
    if (*out != 0) {
        portions->free_of_site[site] = portions->next[*out];
    } else {
        const ctm_status status =
            append(portions, &ctmi_store_site_row(&shard->store, site)->site, site, out);
        if (status != CTM_OK) {
            return status;
        }
    }
    give(shard, *out, handle);
    return CTM_OK;
}

/* No thread allocates at the portion. What was freed is not live again, so what is read here stays so. */
static bool has_blocks(const struct ctm_shard *shard, uint32_t id)
{
    struct ctmi_site_row *row = ctmi_portion_row(&shard->portions, id);
    return row->site.allocated != ctmi_site_row_freed(row) ||
           (row->site.allocated != 0 && ctmi_site_row_at_peak(&shard->store, row) != 0);
}

static void clear_counters(struct ctmi_site_row *row)
{
    row->site.allocated = row->site.freed = row->site.at_peak = 0;
    atomic_store_explicit(&row->freed_remote, 0, memory_order_relaxed);
    atomic_store_explicit(&row->remote_since, 0, memory_order_relaxed);
}

static void set_free(struct ctmi_portions *portions, uint32_t id)
{
    struct ctmi_site_row *row = ctmi_portion_row(portions, id);
    uint32_t *first = &portions->free_of_site[row->site.traceback];
    take_out(portions, id);
    clear_counters(row);
    row->site.labels = 0;
    portions->next[id] = *first;
    *first = id;
}

bool ctmi_portions_have_blocks(const struct ctm_shard *shard, uint32_t handle)
{
    uint32_t id = atomic_load(&entry_of(shard, handle)->portions[shard->index]);
    while (id != 0 && !has_blocks(shard, id)) {
        id = shard->portions.next_of_set[id];
    }
    return id != 0;
}

bool ctmi_portions_free(struct ctm_shard *shard, uint32_t handle)
{
    struct ctmi_portions *portions = &shard->portions;
    _Atomic uint32_t *first = &entry_of(shard, handle)->portions[shard->index];
    uint32_t next, left = 0;
    for (uint32_t id = atomic_load(first); id != 0; id = next) {
        next = portions->next_of_set[id];
        if (has_blocks(shard, id)) {
            portions->next_of_set[id] = left;
            left = id;
        } else {
            set_free(portions, id);
        }
    }
    atomic_store(first, left);
    return left != 0;
}

void ctmi_portions_pass_on(struct ctm_shard *shard, uint32_t from, uint32_t to)
{
    struct ctmi_portions *portions = &shard->portions;
    _Atomic uint32_t *first = &entry_of(shard, from)->portions[shard->index];
    uint32_t next, left = 0;
    for (uint32_t id = atomic_load(first); id != 0; id = next) {
        next = portions->next_of_set[id];
        if (has_blocks(shard, id)) {
            take_out(portions, id);
            give(shard, id, to);
        } else {
            clear_counters(ctmi_portion_row(portions, id));
            portions->next_of_set[id] = left;
            left = id;
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

static ctm_status split(const struct ctm_shard *shard, struct ctmi_site_row *portion,
                        uint32_t labels, struct ctmi_store *copy)
{
    ctm_site *site = &ctmi_store_site_row(copy, portion->site.traceback)->site, *own;
    const uint64_t freed = ctmi_site_row_freed(portion);
    const uint64_t at_peak = ctmi_site_row_at_peak(&shard->store, portion);
    uint32_t to;
    if (site->allocated < portion->site.allocated || site->freed < freed ||
        site->at_peak < at_peak) {
        return CTM_OK; /* the rows of a black box whose file was cut: the snapshot will be refused */
    }
    const ctm_status status =
        ctmi_store_site(copy, site->domain, site->traceback, site->block_size, labels, &to);
    if (status == CTM_OK) {
        own = &ctmi_store_site_row(copy, to)->site;
        own->allocated += portion->site.allocated;
        own->freed += freed;
        own->at_peak += at_peak;
        site->allocated -= portion->site.allocated;
        site->freed -= freed;
        site->at_peak -= at_peak;
    }
    return status;
}

ctm_status ctmi_portions_split(const struct ctm_shard *shard, struct ctmi_store *copy)
{
    const struct ctmi_labels *labels = &shard->tracer->labels;
    uint32_t *rows = ctmi_mem_alloc(labels->count * sizeof *rows);
    ctm_status status = rows != NULL ? CTM_OK : CTM_ERR_NOMEM;
    for (uint32_t i = 0; rows != NULL && i < labels->count; i++) {
        rows[i] = 0;
    }
    for (uint32_t id = 1; id < shard->portions.rows.count && status == CTM_OK; id++) {
        struct ctmi_site_row *row = ctmi_portion_row(&shard->portions, id);
        const uint32_t handle = row->site.labels;
        if (handle == 0 || row->site.allocated == 0 || entry_of(shard, handle)->rest == 0) {
            continue;
        }
        if (rows[handle] == 0) {
            status = row_of_labels(entry_of(shard, handle), copy, &rows[handle]);
        }
        if (status == CTM_OK) {
            status = split(shard, row, rows[handle], copy);
        }
    }
    ctmi_mem_free(rows);
    return status;
}
