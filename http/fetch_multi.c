/*
 * fetch_multi.c: a curl multi handle and its easy handles.
 *
 * Each transfer has an easy handle of its own, and none is used twice: until 8.1.1 (Debian 12 has 7.88.1) a used one
 * keeps a pointer into the headers of the answer before, and follows it when an answer begins with a folded line (curl
 * issue 11101; fuzzing finds it within seconds). Making one costs no more than resetting one, as measured.
 *
 * Connections belong to the multi handle, outlive the transfers, and are used again by the next one to the same place;
 * `connections_max` of them are kept. curl's own rule (four times the transfers that are under way now) would close
 * them whenever a burst ends.
 *
 * curl itself is set up once for the process, by whoever comes first. It is never torn down: curl counts its own users,
 * and a library cannot know whether it was the last.
 */
#include "http/fetch_multi.h"

#include <curl/curl.h>
#include <pthread.h>

#include "base/error.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode       global_init_code;

static void set_up_curl(void)
{
    global_init_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int ol__fetch_multi_init(struct ol__fetch_multi *multi, unsigned connections_max)
{
    pthread_once(&once, set_up_curl);
    *multi = (struct ol__fetch_multi){ .connections_max = connections_max };
    if (global_init_code != CURLE_OK)
        return ol__fail(OL_ENOMEM, (int)global_init_code, "curl cannot be set up");
    multi->curl = curl_multi_init();
    if (!multi->curl)
        return ol__fail(OL_ENOMEM, 0, "no memory, or no descriptors, for curl");
    curl_multi_setopt(multi->curl, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)connections_max);
    return 0;
}

void ol__fetch_multi_fini(struct ol__fetch_multi *multi)
{
    if (multi->curl)
        curl_multi_cleanup(multi->curl);
    multi->curl = NULL;
}

/* As many connections as ever were in use at once are worth keeping. */
static void keep_connections(struct ol__fetch_multi *multi)
{
    if (multi->n_running <= multi->connections_max)
        return;
    multi->connections_max *= 2;
    curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)multi->connections_max);
}

int ol__fetch_multi_add(struct ol__fetch_multi *multi, struct ol__transfer *transfer)
{
    CURL *easy = curl_easy_init();

    if (!easy)
        return ol__fail(OL_ENOMEM, 0, "no memory for a transfer");
    int rc = ol__transfer_dress(transfer, easy);
    if (rc == 0 && multi->share)
        curl_easy_setopt(easy, CURLOPT_SHARE, multi->share);
    if (rc == 0 && curl_multi_add_handle(multi->curl, easy) != CURLM_OK)
        rc = ol__fail(OL_ENOMEM, 0, "curl cannot begin a transfer");
    if (rc < 0) {
        ol__transfer_undress(transfer);
        curl_easy_cleanup(easy);
        return rc;
    }
    transfer->multi = multi;
    transfer->easy = easy;
    transfer->start_ns = ol_now_ns();
    transfer->state = OL__TRANSFER_RUNNING;
    multi->n_running++;
    keep_connections(multi);
    return 0;
}

void ol__fetch_multi_remove(struct ol__transfer *transfer)
{
    struct ol__fetch_multi *multi = transfer->multi;

    curl_multi_remove_handle(multi->curl, transfer->easy);
    ol__transfer_undress(transfer);
    curl_easy_cleanup(transfer->easy);
    multi->n_running--;
    transfer->easy = NULL;
    transfer->state = OL__TRANSFER_DONE;
}

void ol__fetch_multi_reap(struct ol__fetch_multi *multi)
{
    CURLMsg *message;
    int      n_left;

    while ((message = curl_multi_info_read(multi->curl, &n_left))) {
        struct ol__transfer *transfer = NULL;
        CURLcode             code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        ol__fetch_multi_remove(transfer);
        ol__transfer_ended(transfer, (int)code);
    }
}

void ol__fetch_multi_resume(struct ol__transfer *transfer)
{
    transfer->paused = false;
    if (transfer->state == OL__TRANSFER_RUNNING)
        curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
}
