#include "base/event.h"

#include <stdarg.h>
#include <stdio.h>

#include "pool/internal.h"

void ol__pool_event_job(struct ol_pool *pool, const struct ol_job *job, enum ol_event_kind kind, uint64_t ns, int code)
{
    ol__event_emit(&(struct ol_event){
        .kind = kind,
        .code = code,
        .subject = job,
        .name = ol__job_name(job),
        .where = pool->classes[job->class_id].where,
        .ns = ns,
    });
}

void ol__pool_event_text(struct ol_pool *pool, int code, const char *format, ...)
{
    char    text[256];
    va_list ap;

    if (!ol__event_wanted(OL_EVENT_POOL))
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    ol__event_emit(&(struct ol_event){
        .kind = OL_EVENT_POOL,
        .code = code,
        .subject = pool,
        .name = pool->config.name,
        .text = text,
    });
}
