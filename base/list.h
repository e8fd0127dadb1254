/*
 * base/list.h: an intrusive, circular, doubly linked list.
 *
 * The head is a link like the others, so that inserting and removing have no special cases. A link that is in no list
 * points at itself (after ol_link_init) and may be removed again without harm.
 */
#ifndef OL_BASE_LIST_H
#define OL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ol_link {
    struct ol_link *prev, *next;
};

/** The structure that `ptr`, a pointer to its `member`, lies in. */
#define OL_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void ol_link_init(struct ol_link *link)
{
    link->prev = link->next = link;
}

static inline bool ol_list_empty(const struct ol_link *head)
{
    return head->next == head;
}

static inline void ol_list_insert_before(struct ol_link *position, struct ol_link *link)
{
    link->prev = position->prev;
    link->next = position;
    position->prev->next = link;
    position->prev = link;
}

static inline void ol_list_append(struct ol_link *head, struct ol_link *link)
{
    ol_list_insert_before(head, link);
}

static inline void ol_list_prepend(struct ol_link *head, struct ol_link *link)
{
    ol_list_insert_before(head->next, link);
}

/** Take a link out; it is alone afterwards. */
static inline void ol_list_remove(struct ol_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    ol_link_init(link);
}

/** Take the first link out, or NULL. */
static inline struct ol_link *ol_list_pop(struct ol_link *head)
{
    struct ol_link *first = head->next;

    if (first == head)
        return NULL;
    ol_list_remove(first);
    return first;
}

/** Move all of `from` to the end of `to`. */
static inline void ol_list_splice(struct ol_link *to, struct ol_link *from)
{
    if (ol_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    ol_link_init(from);
}

#endif
