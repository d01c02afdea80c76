/* ctm/ctm.h: all headers of libctm. Each describes its model. */
#ifndef CTM_H
#define CTM_H

#define CTM_VERSION "0.2.0.dev0"

#include "ctm/arrow.h"
#include "ctm/black_box.h"
#include "ctm/builder.h"
#include "ctm/file.h"
#include "ctm/filter.h"
#include "ctm/labels.h"
#include "ctm/losses.h"
#include "ctm/merge.h"
#include "ctm/pprof.h"
#include "ctm/recorder.h"
#include "ctm/recording.h"
#include "ctm/sampler.h"
#include "ctm/scopes.h"
#include "ctm/shard.h"
#include "ctm/snapshot.h"
#include "ctm/statistics.h"
#include "ctm/status.h"
#include "ctm/tables.h"
#include "ctm/tracer.h"
#include "ctm/tree.h"

#endif
