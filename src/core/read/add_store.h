/* read/add_store.h: the sites of one store, added to another. */
#ifndef CTM_READ_ADD_STORE_H
#define CTM_READ_ADD_STORE_H

#include "store/store.h"

/* Sites of the same key become one row, the sum. `from` needs no indexes. Nobody changes it meanwhile, and its
 * peak_stamp is that of now. A failure part-way leaves a part in `to`. CTM_ERR_NOMEM, CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctm_store_add_store(struct ctm_store *to, const struct ctm_store *from);

#endif
