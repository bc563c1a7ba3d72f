/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fault.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unwind.h>

#define SITES 65536 /* a power of two, several times what there are */
#define LOG_AT_LEAST                                                                          \
	500 /* its descriptor, so that those of the program are what they would be without it \
	     */

static const char *const names[FAULT_CLASSES] = {
	[FAULT_MEMORY] = "memory",
	[FAULT_LIBRARY] = "library",
	[FAULT_OPEN] = "open",
	[FAULT_READ] = "read",
	[FAULT_SHORT_READ] = "short-read",
	[FAULT_WRITE] = "write",
	[FAULT_SHORT_WRITE] = "short-write",
	[FAULT_SYNC] = "sync",
	[FAULT_RENAME] = "rename",
	[FAULT_REMOVE] = "remove",
	[FAULT_CONNECTION] = "connection",
	[FAULT_PROCESS] = "process",
};

/* Where the program's own code is, as the linker says. */
extern const char __executable_start, __etext;

/* What the environment asks for. */
static struct {
	int log;
	bool all, always;
	int class;	 /* -1: none */
	uint64_t wanted; /* 0: none, sites are written down */
	pid_t pid;	 /* what children do between fork and exec does not count */
} asked = {.log = -1, .class = -1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t seen[SITES];
static bool made;

/* ---- Sites ---- */

struct site {
	enum fault_class class;
	const char *function;
	uintptr_t addresses[2 * FAULT_DEPTH]; /* from the beginning of their program or library on */
	size_t count;
};

static bool is_ours(uintptr_t address)
{
	return address >= (uintptr_t)&__executable_start && address < (uintptr_t)&__etext;
}

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	for (const uint8_t *byte = data; size > 0; size--)
		hash = (hash ^ *byte++) * UINT64_C(0x100000001b3);
	return hash;
}

/* FNV-1a, and never 0. */
static uint64_t id_of(const struct site *site)
{
	uint64_t hash = mix(UINT64_C(0xcbf29ce484222325), names[site->class], strlen(names[site->class]));

	hash = mix(hash, site->function, strlen(site->function));
	return mix(hash, site->addresses, site->count * sizeof(*site->addresses)) | 1;
}

/* Whether a site had not been seen before. */
static bool is_new(uint64_t id)
{
	size_t at = id & (SITES - 1);

	while (seen[at] != 0 && seen[at] != id)
		at = (at + 1) & (SITES - 1);
	if (seen[at] == id)
		return false;
	seen[at] = id;
	return true;
}

static void write_down(const struct site *site, uint64_t id)
{
	char line[512];
	int n = snprintf(
		line, sizeof(line), "site %s %016jx %s", names[site->class], (uintmax_t)id, site->function);

	for (size_t i = 0; i < site->count && n > 0 && (size_t)n < sizeof(line); i++)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " %#jx", (uintmax_t)site->addresses[i]);
	dprintf(asked.log, "%s\n", line);
}

static bool shall_fail(const struct site *site)
{
	uint64_t id = id_of(site);
	bool fails = false;
	int saved = errno;

	pthread_mutex_lock(&lock);
	if (asked.wanted == 0) {
		if (is_new(id))
			write_down(site, id);
	} else if (asked.wanted == id && (asked.always || !made)) {
		if (!made)
			dprintf(asked.log, "hit %s %016jx %s\n", names[site->class], (uintmax_t)id,
				site->function);
		fails = made = true;
	}
	pthread_mutex_unlock(&lock);
	errno = saved;
	return fails;
}

static bool is_asked_for(enum fault_class class)
{
	return (asked.all || asked.class == (int)class) && getpid() == asked.pid;
}

/* A frame has that of its caller, and the address behind the call. All of ours are built to have them. */
bool fault_of(enum fault_class class, const char *function, void *const *frame)
{
	struct site site = {.class = class, .function = function};

	if (!is_asked_for(class))
		return false;
	while (site.count < FAULT_DEPTH && is_ours((uintptr_t)frame[1])) {
		site.addresses[site.count++] = (uintptr_t)frame[1] - (uintptr_t)&__executable_start;
		frame = *frame;
	}
	return shall_fail(&site);
}

static _Unwind_Reason_Code add_address(struct _Unwind_Context *context, void *userdata)
{
	uintptr_t address = (uintptr_t)_Unwind_GetIP(context);
	struct site *site = userdata;
	Dl_info info;

	if (address == 0 || site->count == 2 * FAULT_DEPTH || dladdr((void *)address, &info) == 0)
		return _URC_END_OF_STACK;
	site->addresses[site->count++] = address - (uintptr_t)info.dli_fbase;
	return _URC_NO_REASON;
}

bool fault_unwound(enum fault_class class, const char *function)
{
	struct site site = {.class = class, .function = function};

	if (!is_asked_for(class))
		return false;
	(void)_Unwind_Backtrace(add_address, &site);
	return shall_fail(&site);
}

/* ---- Beginning and end ---- */

static void ask(const char *text)
{
	const char *colon = strchrnul(text, ':');

	asked.all = strcmp(text, "all") == 0;
	for (int class = 0; class < FAULT_CLASSES; class ++)
		if (strlen(names[class]) == (size_t)(colon - text) &&
			memcmp(names[class], text, (size_t)(colon - text)) == 0)
			asked.class = class;
	if (!*colon)
		return;
	asked.wanted = strtoull(colon + 1, NULL, 16);
	asked.always = strstr(colon + 1, ":always") != NULL;
}

__attribute__((constructor)) static void begin(void)
{
	const char *text = getenv("ORLOP_FAULT"), *path = getenv("ORLOP_FAULT_LOG");
	int log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;

	if (log < 0)
		return;
	asked.log = fcntl(log, F_DUPFD_CLOEXEC, LOG_AT_LEAST);
	(void)close(log);
	asked.pid = getpid();
	if (text && asked.log >= 0)
		ask(text);
}

/* Whatever the program has opened, it should have closed by now. */
__attribute__((destructor)) static void end(void)
{
	DIR *folder;
	struct dirent *entry;

	if (asked.log < 0 || getpid() != asked.pid)
		return;
	asked.all = false;
	asked.class = -1;
	folder = opendir("/proc/self/fd");
	while (folder && (entry = readdir(folder))) {
		int fd = atoi(entry->d_name);
		char path[64], target[256];
		ssize_t n;

		if (fd <= STDERR_FILENO || fd == asked.log || fd == dirfd(folder))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		dprintf(asked.log, "open %d %.*s\n", fd, n > 0 ? (int)n : 0, target);
	}
	if (folder)
		(void)closedir(folder);
}
