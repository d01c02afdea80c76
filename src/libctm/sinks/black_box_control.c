/* sinks/black_box_control.c: writing the control block of a black box; see formats/black_box_format.h.
 *
 * Model: a count is raised only when the row is complete, and the end's status is marked as known only after it is
 * written.
 */
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "sinks/black_box.h"

/* Returns the length of the command. A command that does not fit is cut between characters. */
static uint32_t command_length(const ctm_tracer *tracer)
{
    size_t length = tracer->command_length;
    if (length > CTMI_BOX_COMMAND) {
        length = CTMI_BOX_COMMAND;
        while (length > 0 && ((unsigned char)tracer->command[length] & 0xc0u) == 0x80u) {
            length--;
        }
    }
    return (uint32_t)length;
}

void ctmi_box_control_fill(struct ctmi_box_control *control, const ctm_tracer *tracer)
{
    struct ctmi_crc32c crc;
    memcpy(control->magic, CTMI_BOX_MAGIC, sizeof control->magic);
    control->byte_order = CTMI_BOX_BYTE_ORDER;
    control->version = CTMI_BOX_VERSION;
    control->control_size = CTMI_BOX_CONTROL_SIZE;
    control->shards = CTM_SHARDS;
    for (enum ctmi_table table = 0; table < CTMI_TABLES; table++) {
        control->row_sizes[table] = ctmi_box_row_size(table);
    }
    control->rows_first_log2 = tracer->shards[0].store.strings.first_log2;
    control->bytes_first_log2 = CTMI_BYTES_FIRST_LOG2;
    control->pid = (uint32_t)getpid();
    control->nframe = ctm_tracer_nframe(tracer);
    control->sample_interval = ctmi_tracer_interval(tracer);
    control->started_ns = tracer->started_ns;
    control->command_length = command_length(tracer);
    if (control->command_length > 0) {
        memcpy(control->command, tracer->command, control->command_length);
    }
    ctmi_crc32c_init(&crc);
    control->crc = ctmi_crc32c_get(&crc, control, CTMI_BOX_CRC_END);
    atomic_store(&control->generation, 1); /* odd: the tables are being emptied */
}

static void empty_tables(struct ctmi_box_control *control)
{
    for (unsigned i = 0; i < CTM_SHARDS * CTMI_TABLES; i++) {
        struct ctmi_box_table *table = &control->tables[i / CTMI_TABLES][i % CTMI_TABLES];
        for (unsigned chunk = 0; chunk < CTMI_BOX_CHUNKS; chunk++) {
            atomic_store(&table->chunk[chunk], 0);
        }
        atomic_store(&table->count, i % CTMI_TABLES == CTMI_TABLE_BYTES ? 0 : 1);
    }
}

/* --- annotations, with their lock held --- */

void ctmi_box_control_loss(struct ctmi_box_control *control, const struct ctmi_losses *losses,
                           uint32_t index)
{
    struct ctmi_box_loss *row = &control->losses[index];
    const ctm_loss *loss = &losses->rows[index];
    memcpy(row->kind, loss->kind, sizeof row->kind);
    memcpy(row->detail, loss->detail, sizeof row->detail);
    atomic_store(&row->count, loss->count);
    atomic_store(&control->n_losses, losses->n);
}

void ctmi_box_control_end(struct ctmi_box_control *control, const struct ctmi_end_annotation *end)
{
    memcpy(control->end_text, end->text, sizeof control->end_text);
    atomic_store(&control->end_status, (uint32_t)end->status);
    atomic_store(&control->end_status_known, end->status_known);
}

static void write_annotations(struct ctmi_box_control *control,
                              struct ctmi_annotations *annotations)
{
    ctmi_lock_acquire(&annotations->lock);
    atomic_store(&control->n_losses, 0);
    for (uint32_t i = 0; i < annotations->losses.n; i++) {
        ctmi_box_control_loss(control, &annotations->losses, i);
    }
    ctmi_box_control_end(control, &annotations->end);
    ctmi_lock_release(&annotations->lock);
}

void ctmi_box_control_empty(struct ctmi_box_control *control, struct ctmi_annotations *annotations)
{
    empty_tables(control);
    write_annotations(control, annotations);
}
