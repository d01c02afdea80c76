/* tables/add_store.h: adds the sites of one store to another. */
#ifndef CTMI_TABLES_ADD_STORE_H
#define CTMI_TABLES_ADD_STORE_H

#include "tables/store.h"

/* Sites with the same key become one row, whose counters are the sums. `from` needs no indexes, does not change
 * during the call, and its peak_stamp is current. After a failure, `to` has a part of the sites. CTM_ERR_NOMEM,
 * CTM_ERR_LIMIT. */
CTM_NODISCARD ctm_status ctmi_store_add_store(struct ctmi_store *to, const struct ctmi_store *from);

/* A site of a store, and counters that it shall have elsewhere. */
struct ctmi_counted_site {
    uint32_t site;
    uint64_t allocated, freed, at_peak;
};

/* The same of some sites, with these counters instead of their own. */
CTM_NODISCARD ctm_status ctmi_store_add_counted(struct ctmi_store *to,
                                                const struct ctmi_store *from,
                                                const struct ctmi_counted_site *sites, uint32_t n);

#endif
