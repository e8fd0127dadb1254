#include "loop/attach.h"

#include "loop/internal.h"

void ol__loop_attach(struct ol_loop *loop, struct ol__attachment *attachment)
{
    attachment->next = loop->attachments;
    loop->attachments = attachment;
}

void *ol__loop_attached(const struct ol_loop *loop, const void *key)
{
    for (const struct ol__attachment *a = loop->attachments; a; a = a->next)
        if (a->key == key)
            return a->data;
    return NULL;
}

void ol__loop_destroy_attachments(struct ol_loop *loop)
{
    while (loop->attachments) {
        struct ol__attachment *a = loop->attachments;

        loop->attachments = a->next;
        a->destroy(a->data);
    }
}
