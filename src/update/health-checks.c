/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The health checks themselves.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "update/check-program.h"
#include "update/health-files.h"
#include "update/health-work.h"

enum {
	OUTPUT_MAX = 4096,	  /* bytes of a program's output that are looked at */
	NETWORK_FILE_MAX = 65536, /* bytes */
	MOUNTS_MAX = 4 << 20,	  /* bytes; a node with many pods has thousands of lines */
	BOOT_RECORD_MAX = 65536,
	WRITE_SIZE = 4096,
	UNIT_INACTIVE = 3, /* of systemctl is-active, as LSB has it for `status` */
	UNIT_UNKNOWN = 4,
};

void health_set(struct health_check *check, enum health_outcome outcome, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	check->outcome = outcome;
	health_clean(check->detail, sizeof(check->detail), text ? text : "", text ? strlen(text) : 0);
}

static void fail_errno(struct health_check *check, int code, const char *what)
{
	health_set(check, HEALTH_FAILED, "%s: %s", what, strerror(-code));
}

/* The first line of a program's output that is not empty. */
static void first_line(const struct buffer *output, char *ret, size_t size)
{
	const char *at = (const char *)output->data, *end = at + output->size;

	while (at < end && (*at == '\n' || *at == '\r' || *at == ' '))
		at++;
	if (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		end = newline ? newline : end;
	}
	health_clean(ret, size, at ? at : "", at ? (size_t)(end - at) : 0);
}

/*
 * Runs a program within what is left of the time. Returns true where it ended by itself; false with the check
 * filled in where it did not, or never ran.
 */
static bool run_program(const struct health_work *work, const char *const *arguments,
	struct check_program_result *ret, struct health_check *check)
{
	const struct health_clock *clock = &work->options->clock;
	uint64_t now = clock->milliseconds(clock->userdata);
	const struct check_program program = {.arguments = arguments,
		.environment = work->environment,
		.limit_ms = MIN(work->options->each_ms, work->deadline - MIN(now, work->deadline)),
		.output_max = OUTPUT_MAX};
	char line[HEALTH_DETAIL_MAX / 2];
	int r;

	if (program.limit_ms == 0) {
		health_set(check, HEALTH_FAILED, "no time was left for it");
		return false;
	}
	r = check_program_run(&program, ret);
	if (r < 0) {
		health_set(check, HEALTH_FAILED, "cannot run %s: %s", arguments[0], strerror(-r));
		return false;
	}
	if (!ret->timed_out)
		return true;
	first_line(&ret->output, line, sizeof(line));
	health_set(check, HEALTH_FAILED, "did not end within %.1f s%s%s", (double)program.limit_ms / 1000,
		*line ? ": " : "", line);
	return false;
}

/* What became of a program that ended by itself with another status than 0. */
static void fail_status(const struct check_program_result *result, struct health_check *check)
{
	char line[HEALTH_DETAIL_MAX - 40];

	first_line(&result->output, line, sizeof(line));
	if (result->status > 128)
		health_set(check, HEALTH_FAILED, "%s%sended by signal %d", line, *line ? "; " : "",
			result->status - 128);
	else
		health_set(
			check, HEALTH_FAILED, "%s%sexit status %d", line, *line ? "; " : "", result->status);
}

static void check_boot(const struct health_work *work, _unused_ const char *path, struct health_check *ret)
{
	const struct health_options *options = work->options;
	const char *const arguments[] = {options->systemctl, "is-active", options->target, NULL};
	_cleanup_check_program_result_ struct check_program_result result = {};
	char state[HEALTH_DETAIL_MAX / 2];

	if (!run_program(work, arguments, &result, ret))
		return;
	if (result.status != 0 && result.status != UNIT_INACTIVE && result.status != UNIT_UNKNOWN) {
		fail_status(&result, ret);
		return;
	}
	first_line(&result.output, state, sizeof(state));
	health_set(
		ret, result.status == 0 ? HEALTH_PASSED : HEALTH_FAILED, "%s is %s", options->target, state);
}

static int connect_to(const char *path)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(path);

	if (fd < 0)
		return -errno;
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	/* Nothing waits here: a socket whose queue is full says EAGAIN at once. */
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static void check_containerd(
	const struct health_work *work, _unused_ const char *path, struct health_check *ret)
{
	const struct health_options *options = work->options;
	const char *const arguments[] = {
		options->ctr, "--address", options->containerd_socket, "--timeout", "10s", "version", NULL};
	_cleanup_check_program_result_ struct check_program_result result = {};
	int r;

	/* /usr is verified: what is not there does not belong to the release. */
	if (access(options->containerd, F_OK) < 0 && errno == ENOENT) {
		health_set(ret, HEALTH_SKIPPED, "this edition has none");
		return;
	}
	r = connect_to(options->containerd_socket);
	if (r < 0) {
		fail_errno(ret, r, options->containerd_socket);
		return;
	}
	if (!run_program(work, arguments, &result, ret))
		return;
	if (result.status != 0)
		fail_status(&result, ret);
	else
		health_set(ret, HEALTH_PASSED, "it answers");
}

/* The names of the units, which is the first word of each line. */
static void list_units(const struct buffer *output, struct buffer *ret)
{
	const char *at = (const char *)output->data, *end = at + output->size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at)), *word;

		newline = newline ? newline : end;
		while (at < newline && *at == ' ')
			at++;
		for (word = at; at < newline && *at != ' ';)
			at++;
		if (at > word) {
			if (ret->size > 0)
				buffer_append_string(ret, ", ");
			buffer_append(ret, word, (size_t)(at - word));
		}
		at = newline + 1;
	}
	buffer_append_u8(ret, 0);
}

static void check_units(const struct health_work *work, _unused_ const char *path, struct health_check *ret)
{
	const char *const arguments[] = {
		work->options->systemctl, "list-units", "--failed", "--no-legend", "--plain", NULL};
	_cleanup_check_program_result_ struct check_program_result result = {};
	_cleanup_buffer_ struct buffer names = {};

	if (!run_program(work, arguments, &result, ret))
		return;
	if (result.status != 0) {
		fail_status(&result, ret);
		return;
	}
	list_units(&result.output, &names);
	if (buffer_failed(&names) || names.size > 1)
		health_set(ret, HEALTH_FAILED, "failed: %s",
			buffer_failed(&names) ? "some" : (const char *)names.data);
	else
		health_set(ret, HEALTH_PASSED, "none has failed");
}

/* What systemd-networkd knows of all interfaces together; "" where it says nothing. */
static bool network_state_is_routable(const char *folder)
{
	_cleanup_free_ char *path = string_format("%s/state", folder), *text = NULL;

	return path && file_read(path, NETWORK_FILE_MAX, &text, NULL, NULL) >= 0 &&
	       health_line_is(text, "OPER_STATE", "routable");
}

struct interfaces {
	size_t managed, routable;
};

static void look_at_interface(const char *folder, const char *name, struct interfaces *ret)
{
	_cleanup_free_ char *path = string_format("%s/links/%s", folder, name), *text = NULL;

	if (!path || file_read(path, NETWORK_FILE_MAX, &text, NULL, NULL) < 0)
		return; /* it is gone again */
	if (health_line_is(text, "ADMIN_STATE", "unmanaged"))
		return;
	ret->managed++;
	ret->routable += health_line_is(text, "OPER_STATE", "routable");
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static void check_network(const struct health_work *work, _unused_ const char *path, struct health_check *ret)
{
	const char *folder = work->options->network;
	_cleanup_free_ char *links = string_format("%s/links", folder);
	_cleanup_(closedirp) DIR *dir = links ? opendir(links) : NULL;
	struct interfaces interfaces = {};
	struct dirent *entry;

	if (!dir) {
		fail_errno(ret, -errno, links ? links : folder);
		return;
	}
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			look_at_interface(folder, entry->d_name, &interfaces);
	if (interfaces.routable > 0)
		health_set(ret, HEALTH_PASSED, "%zu of %zu interfaces routable", interfaces.routable,
			interfaces.managed);
	else if (interfaces.managed > 0)
		health_set(ret, HEALTH_FAILED, "none of %zu interfaces is routable", interfaces.managed);
	else if (network_state_is_routable(folder))
		/* Somebody else sets up the network. An interface that a container made counts then, too. */
		health_set(ret, HEALTH_PASSED, "routable; systemd-networkd manages no interface");
	else
		health_set(ret, HEALTH_FAILED, "systemd-networkd manages no interface");
}

static void format_time(int64_t seconds, char ret[32])
{
	const time_t time = (time_t)seconds;
	struct tm parts;

	if (!gmtime_r(&time, &parts) || strftime(ret, 32, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		(void)snprintf(ret, 32, "%lld", (long long)seconds);
}

/*
 * A node need not have a time server in order to be well. But what is signed expires by the clock, and a
 * clock that stands before the release was made is wrong for sure.
 */
static void check_clock(const struct health_work *work, _unused_ const char *path, struct health_check *ret)
{
	const struct health_clock *clock = &work->options->clock;
	int64_t now = clock->seconds(clock->userdata);
	char now_text[32], made_text[32];
	struct stat st;

	if (stat(work->options->os_release, &st) < 0) {
		fail_errno(ret, -errno, work->options->os_release);
		return;
	}
	format_time(now, now_text);
	format_time(st.st_mtime, made_text);
	if (now < st.st_mtime)
		health_set(ret, HEALTH_FAILED, "%s, before the release was made: %s", now_text, made_text);
	else
		health_set(ret, HEALTH_PASSED, "%s", now_text);
}

/* Writes a block where files go that have no name, so that nothing is left of it. */
static int try_to_write(const char *folder)
{
	_cleanup_close_ int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	static const uint8_t zeros[WRITE_SIZE];
	int r;

	if (fd < 0)
		return -errno;
	r = write_full(fd, zeros, sizeof(zeros));
	if (r >= 0 && fsync(fd) < 0)
		r = -errno;
	return r;
}

/* Whether state is what orlop-init mounted: a partition, not a stand-in, and still there. */
static bool state_is_mounted(const struct health_options *options, struct health_check *ret)
{
	_cleanup_free_ char *record = NULL, *mounts = NULL, *device = NULL, *degraded = NULL, *source = NULL;
	_cleanup_error_ struct error *err = NULL;
	int r;

	if (file_read(options->boot_record, BOOT_RECORD_MAX, &record, NULL, &err) < 0 ||
		health_boot_state(record, &device, &degraded, &err) < 0 ||
		file_read(options->mounts, MOUNTS_MAX, &mounts, NULL, &err) < 0) {
		health_set(ret, HEALTH_FAILED, "%s", error_message(err));
		return false;
	}
	if (degraded) {
		health_set(ret, HEALTH_FAILED, "volatile: %s", degraded);
		return false;
	}
	if (!device) {
		health_set(ret, HEALTH_SKIPPED, "this edition keeps no state");
		return false;
	}
	r = health_mount_source(mounts, options->state, &source);
	if (r == -ENOENT)
		health_set(ret, HEALTH_FAILED, "nothing is mounted at %s", options->state);
	else if (r < 0)
		fail_errno(ret, r, options->mounts);
	else if (!streq(source, device))
		health_set(ret, HEALTH_FAILED, "%s is %s, not %s", options->state, source, device);
	return r >= 0 && streq(source, device);
}

static void check_state(const struct health_work *work, _unused_ const char *path, struct health_check *ret)
{
	const struct health_options *options = work->options;
	struct statvfs info;
	int r;

	if (!state_is_mounted(options, ret))
		return;
	if (statvfs(options->state, &info) < 0) {
		fail_errno(ret, -errno, options->state);
		return;
	}
	r = info.f_flag & ST_RDONLY ? -EROFS : try_to_write(options->state);
	if (r < 0)
		fail_errno(ret, r, options->state);
	else
		health_set(ret, HEALTH_PASSED, "%s can be written to", options->state);
}

/* Whether there is a program to run; false with the check filled in where there is none. */
static bool hook_is_program(const char *path, struct health_check *ret)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		/* Somebody wanted a check here, and it can't be made: that is not health. */
		int r = -errno;

		health_set(ret, HEALTH_FAILED, "%s", r == -ENOENT ? "leads to nothing" : strerror(-r));
		return false;
	}
	if (S_ISDIR(st.st_mode))
		health_set(ret, HEALTH_SKIPPED, "is a folder");
	else if (!S_ISREG(st.st_mode))
		health_set(ret, HEALTH_SKIPPED, "is no file");
	else if (!(st.st_mode & 0111))
		health_set(ret, HEALTH_SKIPPED, "is not executable");
	else
		return true;
	return false;
}

void health_check_hook(const struct health_work *work, const char *path, struct health_check *ret)
{
	_cleanup_check_program_result_ struct check_program_result result = {};
	const char *const arguments[] = {path, NULL};
	char line[HEALTH_DETAIL_MAX];

	if (!hook_is_program(path, ret) || !run_program(work, arguments, &result, ret))
		return;
	first_line(&result.output, line, sizeof(line));
	if (result.status == 0)
		health_set(ret, HEALTH_PASSED, "%s", line);
	else if (result.status == HEALTH_SKIPPED_STATUS)
		health_set(ret, HEALTH_SKIPPED, "%s", line);
	else
		fail_status(&result, ret);
}

const struct health_builtin health_builtins[] = {
	{"boot", check_boot},
	{"containerd", check_containerd},
	{"units", check_units},
	{"network", check_network},
	{"clock", check_clock},
	{"state", check_state},
	{},
};
