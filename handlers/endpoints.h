/*
 * handlers/endpoints.h: the handlers by name. Each takes a `struct site *` as its argument and runs in any mode.
 */
#ifndef HANDLERS_ENDPOINTS_H
#define HANDLERS_ENDPOINTS_H

#include "handlers/site.h"

ol_handler_cb show_page; /* the list of all this */
ol_handler_cb say_hello;
ol_handler_cb show_live, show_ready;

ol_handler_cb show_quote;          /* what the external API says */
ol_handler_cb answer_after_delay;  /* the external API's own side */
ol_handler_cb sleep_for, run_noop; /* ?ms=; one hand-off to a pool and back */

ol_handler_cb list_items, get_item, create_item, replace_item, delete_item;
ol_handler_cb show_report;

#endif
