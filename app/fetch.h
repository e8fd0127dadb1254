/*
 * app/fetch.h: `offloop fetch`: hundreds of requests without a server. As the commands of app/command.h.
 */
#ifndef APP_FETCH_H
#define APP_FETCH_H

int app_fetch(int argc, char **argv);

#endif
