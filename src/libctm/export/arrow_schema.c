/* export/arrow_schema.c: the names and types of the columns; see export/arrow.h.
 *
 * Model: the schema is a constant tree of fields. A consumer gets a copy, in which each struct with children or a
 * dictionary owns one block of memory. Names and formats are static and not copied.
 */
#include <string.h>

#include "base/memory.h"
#include "export/arrow.h"

/* Constant. */
struct field {
    const char *name, *format;    /* as in ArrowSchema */
    bool nullable, is_dictionary; /* is_dictionary: `format` is that of the indexes */
    const struct field *children; /* NULL: none */
    int n_children;
};

static const struct field frame_fields[] = {
    [CTMI_ARROW_FRAME_FILENAME] = {.name = "filename", .format = "i", .is_dictionary = true},
    [CTMI_ARROW_FRAME_LINENO] = {.name = "lineno", .format = "i"},
    [CTMI_ARROW_FRAME_FUNCTION] = {.name = "function",
                                   .format = "i",
                                   .nullable = true,
                                   .is_dictionary = true},
};
static const struct field item_field = {
    .name = "item", .format = "+s", .children = frame_fields, .n_children = 3};

static const struct field pair_fields[] = {
    {.name = "key", .format = "u"},
    {.name = "value", .format = "u"},
};
static const struct field entries_field = {
    .name = "entries", .format = "+s", .children = pair_fields, .n_children = 2};

static const struct field columns[CTMI_ARROW_COLUMNS] = {
    [CTMI_ARROW_DOMAIN] = {.name = "domain", .format = "I"},
    [CTMI_ARROW_BLOCK_SIZE] = {.name = "block_size", .format = "l"},
    [CTMI_ARROW_COUNT] = {.name = "count", .format = "l"},
    [CTMI_ARROW_SIZE] = {.name = "size", .format = "l"},
    [CTMI_ARROW_FILENAME] = {.name = "filename",
                             .format = "i",
                             .nullable = true,
                             .is_dictionary = true},
    [CTMI_ARROW_LINENO] = {.name = "lineno", .format = "i", .nullable = true},
    [CTMI_ARROW_FUNCTION] = {.name = "function",
                             .format = "i",
                             .nullable = true,
                             .is_dictionary = true},
    [CTMI_ARROW_TRACEBACK] = {.name = "traceback",
                              .format = "+l",
                              .children = &item_field,
                              .n_children = 1},
    [CTMI_ARROW_TOTAL_NFRAME] = {.name = "total_nframe", .format = "i"},
    [CTMI_ARROW_LABELS] = {.name = "labels",
                           .format = "+m",
                           .children = &entries_field,
                           .n_children = 1},
    [CTMI_ARROW_ALLOCATED] = {.name = "allocated", .format = "l", .nullable = true},
    [CTMI_ARROW_FREED] = {.name = "freed", .format = "l", .nullable = true},
    [CTMI_ARROW_AT_PEAK] = {.name = "at_peak", .format = "l", .nullable = true},
    [CTMI_ARROW_WEIGHT] = {.name = "weight", .format = "g"},
};
static const struct field root = {
    .name = "", .format = "+s", .children = columns, .n_children = CTMI_ARROW_COLUMNS};
static const struct field names_field = {.name = "", .format = "u"};

static void schema_release(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        struct ArrowSchema *child = schema->children[i];
        if (child->release != NULL) {
            child->release(child);
        }
    }
    if (schema->dictionary != NULL && schema->dictionary->release != NULL) {
        schema->dictionary->release(schema->dictionary);
    }
    ctmi_mem_free(schema->private_data);
    schema->release = NULL;
}

/* The block of a schema with children or a dictionary. Owned by the schema. */
struct schema_block {
    struct ArrowSchema *pointers[CTMI_ARROW_COLUMNS]; /* to `structs` */
    struct ArrowSchema structs[];                     /* of the children, or of the dictionary */
};

static ctm_status schema_new(const struct field *field, struct ArrowSchema *out)
{
    size_t nested = (size_t)field->n_children + field->is_dictionary;
    struct schema_block *block = NULL;
    if (nested > 0) {
        size_t size = sizeof *block + nested * sizeof(struct ArrowSchema);
        block = ctmi_mem_alloc(size);
        if (block == NULL) {
            return CTM_ERR_NOMEM;
        }
        memset(block, 0, size);
        for (size_t i = 0; i < nested; i++) {
            block->pointers[i] = &block->structs[i];
        }
    }
    *out = (struct ArrowSchema){
        .format = field->format,
        .name = field->name,
        .flags = field->nullable ? ARROW_FLAG_NULLABLE : 0,
        .n_children = field->n_children,
        .children = field->n_children > 0 ? block->pointers : NULL,
        .dictionary = field->is_dictionary ? block->structs : NULL,
        .release = schema_release,
        .private_data = block,
    };
    return CTM_OK;
}

/* Makes the tree below `field`. The recursion is as deep as the constant tree: five levels. */
static ctm_status schema_tree(const struct field *field, struct ArrowSchema *out)
{
    ctm_status status = schema_new(field, out);
    if (status != CTM_OK) {
        return status;
    }
    for (int i = 0; i < field->n_children && status == CTM_OK; i++) {
        status = schema_tree(&field->children[i], out->children[i]);
    }
    if (status == CTM_OK && field->is_dictionary) {
        status = schema_tree(&names_field, out->dictionary);
    }
    if (status != CTM_OK) {
        schema_release(out);
    }
    return status;
}

ctm_status ctmi_arrow_schema(struct ArrowSchema *out)
{
    struct ArrowSchema schema;
    ctm_status status = schema_tree(&root, &schema);
    if (status == CTM_OK) {
        *out = schema;
    }
    return status;
}
