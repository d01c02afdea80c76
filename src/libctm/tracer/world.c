/* tracer/world.c: stops all events; see tracer.h for the locks. */
#include "tracer/tracer.h"

void ctmi_tracer_stop_world(struct ctm_tracer *tracer)
{
    for (uint32_t i = 1; i < CTM_SHARDS; i++) {
        pthread_mutex_lock(&tracer->shards[i].lock);
        CTMI_TAKE(tracer->shards[i].holder);
    }
    CTMI_TAKE(tracer->world);
}

void ctmi_tracer_resume_world(struct ctm_tracer *tracer)
{
    CTMI_DROP(tracer->world);
    for (uint32_t i = CTM_SHARDS; i-- > 1;) {
        CTMI_DROP(tracer->shards[i].holder);
        pthread_mutex_unlock(&tracer->shards[i].lock);
    }
}

void ctmi_tracer_close(struct ctm_tracer *tracer)
{
    ctmi_tracer_stop_world(tracer);
    ctmi_reader_barrier_close(&tracer->barrier);
}

void ctmi_tracer_open(struct ctm_tracer *tracer)
{
    ctmi_reader_barrier_open(&tracer->barrier);
    ctmi_tracer_resume_world(tracer);
}
