/* tables/add_store.h: the sites of one store, added to another. */
#ifndef CTMI_TABLES_ADD_STORE_H
#define CTMI_TABLES_ADD_STORE_H

#include "tables/store.h"

/* Sites of the same key become one row, the sum. `from` needs no indexes. Nobody changes it meanwhile, and its
 * peak_stamp is that of now. A failure part-way leaves a part in `to`. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_store_add_store(struct ctmi_store *to, const struct ctmi_store *from);

#endif
