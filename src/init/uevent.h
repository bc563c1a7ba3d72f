/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel's notices of devices that come and change (NETLINK_KOBJECT_UEVENT; Linux: lib/kobject_uevent.c):
 * "ACTION@PATH", then lines KEY=VALUE, each ended by NUL.
 */
#pragma once

#include "base/error.h"

#define UEVENT_MAX 8192 /* bytes; the kernel's own limit is 2048 for the variables and a path before them */

/* Points into the message; a value that is not in it is NULL. */
struct uevent {
	const char *action;
	const char *subsystem;
	const char *modalias;
};

/* Reads a message of *size* bytes. Returns 0; -EBADMSG where it is not the kernel's form. */
int uevent_parse(const char *message, size_t size, struct uevent *ret);

/* A socket that takes the kernel's notices from now on. Returns the descriptor, which is the caller's. */
int uevent_open(struct error **err);

/*
 * Takes one notice off the socket, without waiting. Returns 0; -EAGAIN where there is none; -ENOBUFS where
 * some were lost, so that all devices have to be looked at anew. Others' messages are dropped. *ret* points
 * into *buffer*.
 */
int uevent_receive(int fd, char buffer[UEVENT_MAX], struct uevent *ret);
