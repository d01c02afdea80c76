/* query/tree_columns.c: the columns of a tree, and what a tree tells of itself; see query/tree.h. */
#include "base/memory.h"
#include "query/tree.h"

ctm_status ctmi_figures_new(uint32_t rows, struct ctmi_figures *out)
{
    const size_t columns = (size_t)2 * CTM_FIGURES, size = columns * rows * sizeof(int64_t);
    int64_t *column = ctmi_mem_map(size);
    if (column == NULL) {
        return CTM_ERR_NOMEM;
    }
    out->memory = column;
    out->size = size;
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        out->own[figure] = column;
        out->total[figure] = column + rows;
        column += (size_t)2 * rows;
    }
    return CTM_OK;
}

void ctmi_figures_free(struct ctmi_figures *figures)
{
    if (figures->memory != NULL) {
        ctmi_mem_unmap(figures->memory, figures->size);
        figures->memory = NULL;
    }
}

void ctm_tree_view_get(const ctm_tree *tree, ctm_tree_view *out)
{
    const struct ctmi_tree_shape *shape = tree->shape;
    ctm_snapshot_info info;
    ctm_snapshot_info_get(shape->tables, &info);
    *out = (ctm_tree_view){
        .nodes = shape->nodes,
        .frames = shape->frames,
        .functions = shape->functions,
        .strings = info.strings + 1,
        .peak_known = tree->peak_known,
        .churn_known = tree->churn_known,
        .estimated = tree->estimated,
        .parent = shape->parent,
        .frame = shape->frame,
        .first_child = shape->first_child,
        .next_sibling = shape->next_sibling,
        .frame_function = shape->frame_function,
        .frame_lineno = shape->frame_lineno,
        .function_filename = shape->function_filename,
        .function_name = shape->function_name,
        .function_first_lineno = shape->function_first_lineno,
    };
    for (int figure = 0; figure < CTM_FIGURES; figure++) {
        out->own[figure] = tree->figures.own[figure];
        out->total[figure] = tree->figures.total[figure];
    }
}

ctm_snapshot *ctm_tree_tables(const ctm_tree *tree)
{
    return tree->shape->tables;
}

ctm_tree *ctm_tree_newer(const ctm_tree *tree)
{
    return tree->newer;
}

ctm_tree *ctm_tree_older(const ctm_tree *tree)
{
    return tree->older;
}
