/* tables/add_store.h: adds the sites of one store to another. */
#ifndef CTMI_TABLES_ADD_STORE_H
#define CTMI_TABLES_ADD_STORE_H

#include "tables/store.h"

/* Sites with the same key become one row, whose counters are the sums. `from` needs no indexes, does not change
 * during the call, and its peak_stamp is current. After a failure, `to` has a part of the sites. CTM_ERR_NOMEM,
 * CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_store_add_store(struct ctmi_store *to, const struct ctmi_store *from);

#endif
