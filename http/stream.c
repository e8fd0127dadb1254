/*
 * stream.c: answers that go out while they are made.
 *
 * The first write fixes the head. What is written goes into the exchange's pipe (pipe.c), at most response_window bytes of it,
 * and the loop takes it from there when the client has taken what went before: so a client that reads slowly slows its
 * handler down, and one that does not read at all is closed (deadline.c), which ends the handler's scope and its wait.
 *
 * In a blocking route the loop stands still, so nothing can leave: the pieces are kept, and sent as one body.
 */
#include <string.h>

#include "base/error.h"
#include "http/exchange.h"
#include "loop/here.h"

static int begin(struct ol_response *response)
{
    if (response->begun)
        return 0;
    if (response->has_body)
        return ol__fail(OL_EINVAL, 0, "the response has a whole body already");
    if (!response->content_type)
        return ol__fail(OL_EINVAL, 0, "Content-Type must be set before the first write");
    ol__exchange_prepare_download(ol__exchange_of_response(response));
    response->begun = true;
    return 0;
}

static int check_scope(struct ol_response *response)
{
    int reason = ol_scope_reason(&ol__exchange_of_response(response)->scope);

    return reason ? ol__fail(reason, 0, "%s", ol_strerror(reason)) : 0;
}

static int fail_write(int rc)
{
    return rc < 0 ? ol__fail(rc, 0, "cannot write to the client: %s", ol_strerror(rc)) : 0;
}

int ol_response_write(struct ol_response *response, const void *data, size_t size)
{
    int rc = begin(response);

    if (rc == 0)
        rc = check_scope(response);
    if (rc < 0)
        return rc;
    if (ol__where() != OL__AT_BLOCKING)
        return fail_write(ol__pipe_write(response->download, data, size));
    rc = ol__pipe_try_write(response->download, data, size);
    return fail_write(rc == OL_EBUSY ? OL_ELIMIT : rc);
}

/* ---- server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html ---- */

/* A field's value ends at a line's end, and a reader takes CR for one too. */
static bool is_one_line(const char *text)
{
    return !text || !text[strcspn(text, "\r\n")];
}

static int append_data(struct ol_buffer *out, const char *data)
{
    int rc = 0;

    for (;;) {
        size_t size = strcspn(data, "\r\n");

        rc = ol_buffer_printf(out, "data: %.*s\n", (int)size, data);
        if (rc < 0 || !data[size])
            return rc;
        data += size + (data[size] == '\r' && data[size + 1] == '\n' ? 2 : 1);
    }
}

static int format_event(struct ol_buffer *out, const struct ol_sent_event *event)
{
    int rc = 0;

    if (event->id)
        rc = ol_buffer_printf(out, "id: %s\n", event->id);
    if (rc == 0 && event->name)
        rc = ol_buffer_printf(out, "event: %s\n", event->name);
    if (rc == 0)
        rc = event->data ? append_data(out, event->data) : ol_buffer_puts(out, ":\n"); /* a comment: keeps it alive */
    return rc < 0 ? rc : ol_buffer_puts(out, "\n");
}

static int begin_events(struct ol_response *response)
{
    int rc = 0;

    if (response->begun)
        return 0;
    rc = ol_response_header(response, "Content-Type", "text/event-stream");
    return rc < 0 ? rc : ol_response_header(response, "Cache-Control", "no-store");
}

int ol_response_event(struct ol_response *response, const struct ol_sent_event *event)
{
    struct ol_buffer text;
    int              rc = is_one_line(event->id) && is_one_line(event->name) ? 0 : OL_EINVAL;

    if (rc < 0)
        return ol__fail(rc, 0, "an event's name and id are one line each");
    rc = begin_events(response);
    if (rc == 0)
        rc = begin(response);
    if (rc == 0)
        rc = check_scope(response);
    if (rc < 0)
        return rc;
    ol_buffer_init(&text, SIZE_MAX / 2);
    rc = format_event(&text, event);
    if (rc == 0)
        rc = ol__pipe_try_write(response->download, ol_buffer_data(&text), ol_buffer_size(&text));
    ol_buffer_fini(&text);
    return fail_write(rc);
}
