/*
 * app/systemd.h: the two protocols of a service manager: sockets that were opened before us, and a word when we are
 * ready.
 */
#ifndef APP_SYSTEMD_H
#define APP_SYSTEMD_H

/**
 * The number of listening sockets that were inherited, at descriptors 3, 4, ... (sd_listen_fds(3)), now close-on-exec.
 * The variables are taken out of the environment. Thread: before any other.
 */
int systemd_listen_fds(void);

enum { SYSTEMD_FIRST_FD = 3 };

/** Tell the service manager `state`, such as "READY=1" (sd_notify(3)). Does nothing when there is none. */
void systemd_notify(const char *state);

#endif
