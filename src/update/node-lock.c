/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/http.h"
#include "base/string-util.h"
#include "format/canonical-json.h"

#define PATH "/run/orlop/update.lock"
#define TEXT_SIZE 512 /* bytes: the text always has as many */
#define ASK_MS 100
#define READS 3 /* of a text that is being written */

/* ---- Bytes of the file ---- */

static int set_lock(int fd, short type, off_t byte)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Has somebody else locked one of the bytes from *first* on? */
static bool is_locked(int fd, off_t first, off_t count)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = first, .l_len = count};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static off_t waiting_byte(enum node_lock_rank rank)
{
	return (off_t)rank + 1;
}

/* ---- Its text ---- */

static void copy_text(char *to, size_t size, const json_t *value)
{
	(void)snprintf(to, size, "%s", json_is_string(value) ? json_string_value(value) : "");
}

static int parse_holder(const char *text, size_t size, struct node_lock_holder *ret)
{
	_cleanup_json_ json_t *object = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	json_int_t rank = json_integer_value(json_object_get(object, "rank"));

	if (!object || rank < 0 || rank >= NODE_LOCK_RANKS)
		return -EBADMSG;
	ret->pid = json_integer_value(json_object_get(object, "pid"));
	ret->since = json_integer_value(json_object_get(object, "since"));
	ret->rank = (enum node_lock_rank)rank;
	copy_text(ret->command, sizeof(ret->command), json_object_get(object, "command"));
	copy_text(ret->version, sizeof(ret->version), json_object_get(object, "version"));
	copy_text(ret->step, sizeof(ret->step), json_object_get(object, "step"));
	return 0;
}

static int read_holder(int fd, struct node_lock_holder *ret)
{
	int r = -EBADMSG;

	for (unsigned i = 0; i < READS && r < 0; i++) {
		char text[TEXT_SIZE];

		r = (int)pread(fd, text, sizeof(text), 0);
		if (r > 0)
			r = parse_holder(text, (size_t)r, ret);
		else
			r = -EBADMSG;
	}
	return r;
}

static void write_holder(const struct node_lock *lock)
{
	const struct node_lock_holder *holder = &lock->holder;
	_cleanup_json_ json_t *object = json_pack("{s:I, s:I, s:i, s:s, s:s, s:s}", "pid",
		(json_int_t)holder->pid, "since", (json_int_t)holder->since, "rank", (int)holder->rank,
		"command", holder->command, "version", holder->version, "step", holder->step);
	char text[TEXT_SIZE];
	size_t size = object ? json_dumpb(object, text, sizeof(text), JSON_COMPACT) : 0;

	if (size == 0 || size >= sizeof(text))
		return;
	memset(text + size, ' ', sizeof(text) - size);
	text[sizeof(text) - 1] = '\n';
	(void)pwrite_full(lock->fd, text, sizeof(text), 0);
}

char *node_lock_holder_text(const struct node_lock_holder *holder)
{
	return string_format("process %lld (orlop-node %s) is at work%s%s%s%s%s", (long long)holder->pid,
		holder->command, holder->version[0] ? " on " : "", holder->version,
		holder->step[0] ? " (" : "", holder->step, holder->step[0] ? ")" : "");
}

/* ---- Taking it ---- */

static int busy(const struct node_lock_holder *holder, bool made_no_way, struct error **err)
{
	_cleanup_free_ char *text = node_lock_holder_text(holder);

	if (!text)
		return error_set_errno(err, -ENOMEM, "lock");
	return made_no_way
		       ? error_set(err, -EBUSY, "%s, and made no way in %d seconds: end it, and try again",
				 text, NODE_LOCK_SECONDS)
		       : error_set(err, -EBUSY, "%s: wait for it, or end it; orlop-node status tells of it",
				 text);
}

/* Does one of *rank* wait for the holder to make way? */
static bool waits_for(enum node_lock_rank rank, const struct node_lock_holder *holder)
{
	return rank > holder->rank || rank == NODE_LOCK_URGENT;
}

/* Waits for the first byte, while the request's own byte says that it does. */
static int wait_for_lock(int fd, const struct node_lock_request *request, struct error **err)
{
	uint64_t end = http_now_ms() + NODE_LOCK_SECONDS * UINT64_C(1000);
	bool told = false;
	int r;

	while ((r = set_lock(fd, F_WRLCK, 0)) == -EAGAIN || r == -EACCES) {
		/* One that has just taken it has not said yet who it is. */
		struct node_lock_holder holder = {.rank = NODE_LOCK_AGENT, .command = "?"};
		bool known = read_holder(fd, &holder) >= 0, late = http_now_ms() >= end;

		if (late || (known && !waits_for(request->rank, &holder)))
			return busy(&holder, late, err);
		if (known && !told && request->waits)
			request->waits(&holder, request->userdata);
		told = told || known;
		(void)poll(NULL, 0, ASK_MS);
	}
	return r < 0 ? error_set_errno(err, r, PATH) : 0;
}

int node_lock_take(const struct node *node, const struct node_lock_request *request, struct node_lock *ret,
	struct error **err)
{
	_cleanup_free_ char *path = node_path(node, PATH);
	_cleanup_close_ int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	int r = !path ? -ENOMEM : fd < 0 ? -errno : 0;

	if (r >= 0)
		r = set_lock(fd, F_RDLCK, waiting_byte(request->rank));
	if (r < 0)
		return error_set_errno(err, r, "%s", path ? path : PATH);
	r = wait_for_lock(fd, request, err);
	if (r < 0)
		return r;
	(void)set_lock(fd, F_UNLCK, waiting_byte(request->rank));
	ret->fd = TAKE_FD(fd);
	ret->holder =
		(struct node_lock_holder){.pid = getpid(), .since = request->now, .rank = request->rank};
	(void)snprintf(ret->holder.command, sizeof(ret->holder.command), "%s", request->command);
	write_holder(ret);
	return 0;
}

void node_lock_release(struct node_lock *lock)
{
	/* Who takes it next must not be taken for this one before it says who it is. */
	if (lock->fd >= 0)
		(void)!ftruncate(lock->fd, 0);
	cleanup_closep(&lock->fd);
	lock->fd = -1;
}

bool node_lock_is_wanted(const struct node_lock *lock)
{
	off_t first = waiting_byte(lock->holder.rank) + 1, end = waiting_byte(NODE_LOCK_RANKS);

	return lock->fd >= 0 && first < end && is_locked(lock->fd, first, end - first);
}

void node_lock_note(struct node_lock *lock, const char *version, const char *step)
{
	if (lock->fd < 0)
		return;
	if (version)
		(void)snprintf(lock->holder.version, sizeof(lock->holder.version), "%s", version);
	(void)snprintf(lock->holder.step, sizeof(lock->holder.step), "%s", step);
	write_holder(lock);
}

int node_lock_find_holder(const struct node *node, struct node_lock_holder *ret)
{
	_cleanup_free_ char *path = node_path(node, PATH);
	_cleanup_close_ int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	return fd >= 0 && is_locked(fd, 0, 1) && read_holder(fd, ret) >= 0;
}
