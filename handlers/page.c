/*
 * page.c: the front page: what there is to ask for.
 */
#include "handlers/endpoints.h"

static const char page[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width\">\n"
    "<title>offloop</title>\n"
    "<style>body { font: 16px/1.5 sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }\n"
    "table { border-collapse: collapse } td, th { text-align: left; vertical-align: top; "
    "padding: .2em 1em .2em 0 }</style>\n"
    "<h1>offloop</h1>\n"
    "<p>Blocking calls, off the loop. One event loop, the same handlers in three modes: <b>blocking</b> runs them\n"
    "on the loop and everybody waits; <b>offload</b> runs them on a thread of a pool; <b>async</b> runs them in a fiber\n"
    "on the loop.\n"
    "<table>\n"
    "<tr><th>blocking<th>offload<th>async<th>\n"
    "<tr><td><a href=\"/blocking\">/blocking</a><td><a href=\"/offload\">/offload</a><td><a href=\"/async\">/async</a>"
    "<td>asks a slow service and answers what it said\n"
    "<tr><td><a href=\"/blocking/items/1\">/items/1</a><td><a href=\"/offload/items/1\">/items/1</a>"
    "<td><a href=\"/async/items/1\">/items/1</a><td>one row of the database: GET, PUT, DELETE\n"
    "<tr><td><a href=\"/blocking/items?limit=10\">/items</a><td><a href=\"/offload/items?limit=10\">/items</a>"
    "<td><a href=\"/async/items?limit=10\">/items</a>"
    "<td>many rows, streamed (<code>?after=ID&amp;limit=N</code>); "
    "POST <code>{\"name\": \"tea\", \"price\": 2.5}</code> adds one\n"
    "<tr><td><a href=\"/blocking/report\">/report</a><td><a href=\"/offload/report\">/report</a>"
    "<td><a href=\"/async/report\">/report</a><td>a slow query over all rows\n"
    "<tr><td><a href=\"/blocking/sleep?ms=2000\">/sleep</a><td><a href=\"/offload/sleep?ms=2000\">/sleep</a>"
    "<td><a href=\"/async/sleep?ms=2000\">/sleep</a><td>waits <code>?ms=</code> milliseconds\n"
    "<tr><td><a href=\"/blocking/noop\">/noop</a><td><a href=\"/offload/noop\">/noop</a>"
    "<td><a href=\"/async/noop\">/noop</a><td>an empty call off the loop\n"
    "</table>\n"
    "<p>And, the same in every mode: <a href=\"/hello\">/hello</a>, "
    "<a href=\"/external-api\">/external-api</a> (a slow service),\n"
    "<a href=\"/livez\">/livez</a>, <a href=\"/readyz\">/readyz</a>.\n"
    "<p>Open <a href=\"/blocking/sleep?ms=5000\">/blocking/sleep?ms=5000</a> in one window and\n"
    "<a href=\"/hello\">/hello</a> in another: it waits. With <a href=\"/offload/sleep?ms=5000\">/offload</a> or\n"
    "<a href=\"/async/sleep?ms=5000\">/async</a> it does not.\n"
    "</html>\n";

int show_page(struct ol_request *req, struct ol_response *res, void *arg)
{
    (void)req, (void)arg;
    return ol_response_body(res, "text/html; charset=utf-8", page, sizeof page - 1);
}
