/*
 * This program as several processes, without a launcher: each finds its place
 * in the variables that torchrun would set.
 */
#ifndef LT_RUNTIME_MAIN_SPAWN_H
#define LT_RUNTIME_MAIN_SPAWN_H

/*
 * Starts n processes with the same arguments, ranks node * n and on of
 * nodes * n; passes SIGTERM and SIGINT on, and waits for all.  When one has
 * failed the others have a while to end before they are killed.  The exit code
 * of the first that was not LT_OK.
 */
int lt_spawn(char **argv, int n, int node, int nodes);

#endif
