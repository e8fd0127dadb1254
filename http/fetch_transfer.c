/*
 * fetch_transfer.c: what a request is to curl, and what curl's end of a transfer is to the caller.
 *
 * curl's callbacks run inside the runner, maybe in the middle of a loop's turn: they only record. The body goes into
 * the result or, when the caller takes it by on_body, into `piece`; the caller then takes it outside curl, in its own
 * fiber or on its own thread. While `piece` is over its window the transfer is paused, so that a slow taker holds the
 * service back instead of filling our memory.
 *
 * What we do not leave to curl's defaults: only http and https, also after a redirect; HTTP/1.1, so that a cancelled
 * transfer never harms another one; no Expect, since the wait for "100 Continue" costs a second with services that do
 * not know it; no Content-Type that the caller did not ask for; no signals; QUICK_EXIT, or giving up a transfer waits
 * for the name lookup's thread (3 s measured). A proxy named by the environment (http_proxy, https_proxy, all_proxy,
 * no_proxy) is used as curl does, except for this machine's own addresses, which no proxy can reach.
 *
 * Refused before anything is sent (OL_EINVAL): what could be read two ways on the wire. A method that is no token,
 * CONNECT, a HEAD with a body, line ends or other control bytes in headers, and a Content-Length or Transfer-Encoding
 * of the caller's own.
 */
#include "http/fetch_transfer.h"

#include <curl/curl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/error.h"
#include "http/fetch_result.h"
#include "loop/wait.h"

enum { PIECE_WINDOW = 64 * 1024, CONNECT_TIMEOUT_S = 10, TIMEOUT_S = 30 };

_Static_assert(sizeof(((struct ol__transfer *)0)->curl_text) >= CURL_ERROR_SIZE, "curl writes past curl_text");

/* ---- checking a request ---- */

/* RFC 9110 5.6.2 */
static bool is_token(const char *text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    if (!*text)
        return false;
    for (; *text; text++) {
        bool alphanumeric = (*text >= '0' && *text <= '9') || ((*text | 0x20) >= 'a' && (*text | 0x20) <= 'z');

        if (!alphanumeric && !strchr(others, *text))
            return false;
    }
    return true;
}

static bool has_control_bytes(const char *text, bool tab_is_fine)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c < 0x20 && !(c == '\t' && tab_is_fine)) || c == 0x7f)
            return true;
    }
    return false;
}

static bool begins_with(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static int check_url(const char *url)
{
    if (!url || !*url)
        return ol__fail(OL_EINVAL, 0, "a fetch needs a URL");
    if (!begins_with(url, "http://") && !begins_with(url, "https://"))
        return ol__fail(OL_EINVAL, 0, "\"%.100s\": only http:// and https:// can be fetched", url);
    if (strchr("/?#", strstr(url, "://")[3])) /* NUL too; curl would take the next word for the host */
        return ol__fail(OL_EINVAL, 0, "\"%.100s\" names no host", url);
    if (has_control_bytes(url, false) || strchr(url, ' '))
        return ol__fail(OL_EINVAL, 0, "a URL may not have spaces or control bytes");
    return 0;
}

static int check_method(const struct ol_fetch_request *request)
{
    const char *method = request->method;

    if (!method)
        return 0;
    if (!is_token(method) || strcasecmp(method, "CONNECT") == 0)
        return ol__fail(OL_EINVAL, 0, "\"%.40s\" is no method that can be sent", method);
    if (strcmp(method, "HEAD") == 0 && request->body_size > 0)
        return ol__fail(OL_EINVAL, 0, "a HEAD request has no body");
    return 0;
}

static int check_header(const struct ol_fetch_header *header)
{
    if (!header->name || !header->value || !is_token(header->name))
        return ol__fail(OL_EINVAL, 0, "\"%.60s\" is no header's name", header->name ? header->name : "");
    if (has_control_bytes(header->value, true))
        return ol__fail(OL_EINVAL, 0, "the value of header %.60s has control bytes", header->name);
    if (strcasecmp(header->name, "Content-Length") == 0 || strcasecmp(header->name, "Transfer-Encoding") == 0)
        return ol__fail(OL_EINVAL, 0, "header %.60s is not the caller's to set", header->name);
    return 0;
}

int ol__fetch_check(const struct ol_fetch_request *request)
{
    if (!request)
        return ol__fail(OL_EINVAL, 0, "a fetch needs a request");
    int rc = check_url(request->url);
    if (rc == 0)
        rc = check_method(request);
    if (rc < 0)
        return rc;
    if ((request->n_headers && !request->headers) || (request->body_size && !request->body))
        return ol__fail(OL_EINVAL, 0, "a number of headers or bytes, but no pointer to them");
    for (size_t i = 0; rc == 0 && i < request->n_headers; i++)
        rc = check_header(&request->headers[i]);
    if (rc == 0 && (!ol__seconds_valid(request->timeout_s) || !ol__seconds_valid(request->connect_timeout_s)))
        rc = ol__fail(OL_EINVAL, 0, "a fetch's timeouts must be between 0 and 1e9 seconds");
    if (rc == 0 && request->ca_file && !*request->ca_file)
        rc = ol__fail(OL_EINVAL, 0, "'' is no file of certificates");
    return rc;
}

/* ---- life ---- */

int ol__transfer_init(struct ol__transfer *transfer, const struct ol_fetch_request *request, struct ol__fetch_news *news)
{
    *transfer = (struct ol__transfer){ .request = request, .news = news };
    ol_link_init(&transfer->ordered);
    ol_link_init(&transfer->reported);
    ol_buffer_init(&transfer->piece, PIECE_WINDOW + CURL_MAX_WRITE_SIZE);
    return ol__fetch_result_create(&transfer->result, request->size_max);
}

void ol__transfer_fini(struct ol__transfer *transfer)
{
    ol_list_remove(&transfer->reported);
    ol_list_remove(&transfer->ordered); /* to resume: it ended before */
    ol_buffer_fini(&transfer->piece);
    ol_fetch_result_free(transfer->result);
    transfer->result = NULL;
}

struct ol_fetch_result *ol__transfer_take(struct ol__transfer *transfer)
{
    struct ol_fetch_result *result = transfer->result;

    transfer->result = NULL;
    return result;
}

/* Inside curl's callbacks too: a link and a post, nothing that runs anybody. */
static void report(struct ol__transfer *transfer)
{
    struct ol__fetch_news *news = transfer->news;
    struct ol__wait       *waiter = news->waiter;

    if (ol_list_empty(&transfer->reported))
        ol_list_append(&news->transfers, &transfer->reported);
    news->waiter = NULL;
    if (waiter)
        ol__wait_signal(waiter);
}

/* on_body may wait, and more may come meanwhile: it gets a buffer that nobody else touches. */
static int deliver_once(struct ol__transfer *transfer)
{
    const struct ol_fetch_request *request = transfer->request;
    struct ol_buffer               piece = transfer->piece;

    ol_buffer_init(&transfer->piece, piece.limit);
    int rc = request->on_body(ol_buffer_data(&piece), ol_buffer_size(&piece), request->on_body_arg);
    if (transfer->piece.memory) {
        ol_buffer_fini(&piece);
    } else {
        ol_buffer_clear(&piece);
        transfer->piece = piece; /* the memory is good for the next one */
    }
    return rc < 0 ? rc : 0;
}

/* Until nothing is left, so that a transfer that is DONE after this has been delivered to its last byte. */
int ol__transfer_deliver(struct ol__transfer *transfer)
{
    int rc = 0;

    while (rc == 0 && ol_buffer_size(&transfer->piece) > 0)
        rc = deliver_once(transfer);
    return rc;
}

/* ---- curl's callbacks ---- */

/* Tells curl to give up; why, is kept here, since curl would only say that a callback said so. */
static size_t refuse(struct ol__transfer *transfer, int rc)
{
    transfer->refused = rc;
    transfer->error = *ol_last_error();
    return CURL_WRITEFUNC_ERROR;
}

static size_t head_line_came(char *line, size_t size, size_t n, void *arg)
{
    struct ol__transfer *transfer = arg;
    int                  rc = ol__fetch_result_head(transfer->result, line, size * n);

    return rc < 0 ? refuse(transfer, rc) : size * n;
}

static int append_piece(struct ol__transfer *transfer, const char *data, size_t size)
{
    int rc = ol__fetch_result_count(transfer->result, size);

    if (rc == 0 && ol_buffer_append(&transfer->piece, data, size) < 0)
        rc = ol__fail(OL_ENOMEM, 0, "no memory for a piece of an answer");
    return rc;
}

static size_t body_came(char *data, size_t size, size_t n, void *arg)
{
    struct ol__transfer *transfer = arg;
    int                  rc = 0;

    if (!transfer->request->on_body) {
        rc = ol__fetch_result_keep(transfer->result, data, size * n);
        return rc < 0 ? refuse(transfer, rc) : size * n;
    }
    if (ol_buffer_size(&transfer->piece) >= PIECE_WINDOW) {
        transfer->paused = true; /* curl keeps these bytes and brings them again */
        return CURL_WRITEFUNC_PAUSE;
    }
    rc = append_piece(transfer, data, size * n);
    if (rc < 0)
        return refuse(transfer, rc);
    report(transfer);
    return size * n;
}

/* ---- dressing an easy handle ---- */

static const struct {
    CURLoption option;
    long       value;
} fixed_options[] = {
    { CURLOPT_NOSIGNAL, 1 },       { CURLOPT_QUICK_EXIT, 1 }, { CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1 },
    { CURLOPT_HTTP09_ALLOWED, 0 }, { CURLOPT_NOPROGRESS, 1 },
};

/* The host between "://" (or the user's name before an "@") and the port or path. */
static bool is_this_machine(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    const char *end = host + strcspn(host, "/?#");

    for (const char *p = host; p < end; p++)
        if (*p == '@')
            host = p + 1;
    if (*host == '[')
        return begins_with(host, "[::1]");
    size_t size = strcspn(host, ":/?#");
    if (size == strlen("localhost") && begins_with(host, "localhost"))
        return true;
    return begins_with(host, "127.") && strspn(host, "0123456789.") == size;
}

static bool has_header(const struct ol_fetch_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    return false;
}

static int add_header_line(struct ol__transfer *transfer, const char *line)
{
    struct curl_slist *list = curl_slist_append(transfer->headers, line);

    if (!list)
        return ol__fail(OL_ENOMEM, 0, "no memory for a request's headers");
    transfer->headers = list;
    return 0;
}

/* To curl, "Name;" is a header with an empty value, and "Name:" one that is left out. */
static int add_header(struct ol__transfer *transfer, const struct ol_fetch_header *header)
{
    size_t size = strlen(header->name) + strlen(header->value) + sizeof ": ";
    char  *line = malloc(size);

    if (!line)
        return ol__fail(OL_ENOMEM, 0, "no memory for a request's headers");
    if (header->value[strspn(header->value, " \t")])
        snprintf(line, size, "%s: %s", header->name, header->value);
    else
        snprintf(line, size, "%s;", header->name);
    int rc = add_header_line(transfer, line);
    free(line);
    return rc;
}

static const char *method_of(const struct ol_fetch_request *request)
{
    return request->method ? request->method : request->body_size ? "POST" : "GET";
}

/* A body may be empty, but these methods have one. */
static bool has_body(const struct ol_fetch_request *request)
{
    const char *method = method_of(request);

    return request->body_size > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

static int make_headers(struct ol__transfer *transfer)
{
    const struct ol_fetch_request *request = transfer->request;
    int                            rc = 0;

    if (has_body(request) && !has_header(request, "Expect"))
        rc = add_header_line(transfer, "Expect:");
    if (rc == 0 && has_body(request) && !has_header(request, "Content-Type"))
        rc = add_header_line(transfer, "Content-Type:");
    for (size_t i = 0; rc == 0 && i < request->n_headers; i++)
        rc = add_header(transfer, &request->headers[i]);
    return rc;
}

/*
 * Methods that curl knows by itself are told to it as such: it then changes POST to GET at a 303, as RFC 9110 has it.
 */
static CURLcode set_method(CURL *easy, const struct ol_fetch_request *request)
{
    const char *method = method_of(request);
    CURLcode    code = CURLE_OK;

    if (strcmp(method, "HEAD") == 0)
        return curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    if (has_body(request)) {
        code = curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        if (code == CURLE_OK)
            code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body_size ? request->body : "");
        if (code != CURLE_OK || strcmp(method, "POST") == 0)
            return code;
    } else if (strcmp(method, "GET") == 0) {
        return CURLE_OK;
    }
    return curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
}

static CURLcode set_timeout(CURL *easy, CURLoption option, double seconds, double otherwise_s)
{
    double ms = (seconds > 0 ? seconds : otherwise_s) * 1000;

    return curl_easy_setopt(easy, option, ms >= INT_MAX ? (long)INT_MAX : ms < 1 ? 1L : (long)ms);
}

static CURLcode set_callbacks(CURL *easy, struct ol__transfer *transfer)
{
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->curl_text);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, head_line_came);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came);
    return curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
}

/* The file takes the place of all that libcurl was built to trust, which may be a folder as well as a file. */
static CURLcode set_ca_file(CURL *easy, const char *ca_file)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);

    if (code != CURLE_OK)
        return code;
    code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    return code == CURLE_UNKNOWN_OPTION || code == CURLE_NOT_BUILT_IN ? CURLE_OK : code; /* it has no such folder */
}

static CURLcode set_options(CURL *easy, struct ol__transfer *transfer)
{
    const struct ol_fetch_request *request = transfer->request;
    CURLcode                       code = set_callbacks(easy, transfer);

    for (size_t i = 0; code == CURLE_OK && i < sizeof fixed_options / sizeof *fixed_options; i++)
        code = curl_easy_setopt(easy, fixed_options[i].option, fixed_options[i].value);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_URL, request->url);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "offloop/" OL_VERSION);
    if (code == CURLE_OK && is_this_machine(request->url))
        code = curl_easy_setopt(easy, CURLOPT_PROXY, "");
    if (code == CURLE_OK && request->ca_file)
        code = set_ca_file(easy, request->ca_file);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (code == CURLE_OK)
        code = set_method(easy, request);
    if (code == CURLE_OK)
        code = set_timeout(easy, CURLOPT_CONNECTTIMEOUT_MS, request->connect_timeout_s, CONNECT_TIMEOUT_S);
    if (code == CURLE_OK)
        code = set_timeout(easy, CURLOPT_TIMEOUT_MS, request->timeout_s, TIMEOUT_S);
    if (code == CURLE_OK && request->redirects_max) {
        curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
        code = curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)(request->redirects_max & INT_MAX));
    }
    return code;
}

int ol__transfer_dress(struct ol__transfer *transfer, void *easy)
{
    int rc = make_headers(transfer);

    if (rc == 0 && set_options(easy, transfer) != CURLE_OK)
        rc = ol__fail(OL_ENOMEM, 0, "no memory for a transfer");
    return rc;
}

void ol__transfer_undress(struct ol__transfer *transfer)
{
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

/* ---- the end ---- */

/* What went wrong after the service had begun to answer is the service's fault, also a URL in a redirect. */
static int meaning_of(CURLcode code, const struct ol__transfer *transfer)
{
    switch (code) {
    case CURLE_OK: return 0;
    case CURLE_OPERATION_TIMEDOUT: return OL_EUPTIMEOUT;
    case CURLE_OUT_OF_MEMORY: return OL_ENOMEM;
    case CURLE_SSL_CACERT_BADFILE: return transfer->request->ca_file ? OL_EINVAL : OL_EUPSTREAM;
    case CURLE_URL_MALFORMAT: return ol_fetch_status(transfer->result) ? OL_EUPSTREAM : OL_EINVAL;
    default: return OL_EUPSTREAM;
    }
}

static void done(struct ol__transfer *transfer, int rc)
{
    transfer->state = OL__TRANSFER_DONE;
    transfer->rc = rc;
    if (rc < 0)
        transfer->error = *ol_last_error();
    report(transfer);
}

void ol__transfer_failed(struct ol__transfer *transfer)
{
    done(transfer, ol_last_error()->code);
}

void ol__transfer_ended(struct ol__transfer *transfer, int curl_code)
{
    CURLcode    code = (CURLcode)curl_code;
    const char *text = *transfer->curl_text ? transfer->curl_text : curl_easy_strerror(code);
    int         rc = meaning_of(code, transfer);

    ol__fetch_result_finish(transfer->result, ol__ns_to_seconds(ol_now_ns() - transfer->start_ns));
    if (transfer->refused < 0)
        rc = ol__fail_with(&transfer->error);
    else if (rc < 0)
        ol__fail(rc, curl_code, "%s", text);
    done(transfer, rc);
}
