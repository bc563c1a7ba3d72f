/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The process that talks to the network for an update: takes one job from the socket that it inherits, goes
 * into its sandbox, says so, does the job and ends. worker.h has the other end.
 */
#pragma once

#define WORKER_FD_SOCKET 3 /* inherited, */
#define WORKER_FD_PLACES 4 /* and from here on those of enum worker_place_number */

/*
 * To be called at the very beginning of main(), by a program that was started for it, while it has one
 * thread. Ends the process. Says nothing on standard output or standard error: errors go to the parent.
 */
_Noreturn void worker_main(void);
