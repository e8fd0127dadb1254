/*
 * app/command.h: the commands of the program. Each takes its own argv, with the command's full name as argv[0], and
 * returns the exit status: 0, 1 for what failed at run time, 2 for a wrong command line. What goes wrong is one line on
 * stderr.
 */
#ifndef APP_COMMAND_H
#define APP_COMMAND_H

int app_serve(int argc, char **argv);
int app_external_api(int argc, char **argv);

enum { EXIT_USAGE = 2 };

#endif
