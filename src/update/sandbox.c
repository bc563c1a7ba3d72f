/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/buffer.h"

#define DATA_MAX MiB(256) /* bytes of memory that can be written */
#define FILES_MAX 128	  /* open at once */

/* ---- User and capabilities ---- */

static int drop_bounding_set(struct error **err)
{
	for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
		if (prctl(PR_CAPBSET_DROP, i) < 0)
			return error_set_errno(err, -errno, "dropping capability %d", i);
	return 0;
}

static int become(uid_t uid, gid_t gid, struct error **err)
{
	uid_t uids[3];
	gid_t gids[3];

	if (uid == 0 || gid == 0)
		return error_set(err, -EINVAL, "a user and a group other than root are needed");
	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return error_set_errno(err, -errno, "becoming user %u", (unsigned)uid);
	if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
		return error_set_errno(err, -errno, "user");
	for (size_t i = 0; i < 3; i++)
		if (uids[i] != uid || gids[i] != gid)
			return error_set(err, -EPERM, "becoming user %u did not work", (unsigned)uid);
	if (getgroups(0, NULL) != 0 || setuid(0) == 0)
		return error_set(err, -EPERM, "user %u has still root's rights", (unsigned)uid);
	return 0;
}

static int drop_capabilities(struct error **err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &header, data) < 0 || syscall(SYS_capget, &header, data) < 0)
		return error_set_errno(err, -errno, "dropping capabilities");
	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		if ((data[i].effective | data[i].permitted | data[i].inheritable) != 0)
			return error_set(err, -EPERM, "dropping capabilities did not work");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set_errno(err, -errno, "no new privileges");
	return 0;
}

static int set_limits(struct error **err)
{
	static const struct {
		int resource;
		rlim_t most;
	} limits[] = {
#ifndef SANDBOX_NO_MEMORY_LIMIT
		{RLIMIT_DATA, DATA_MAX},
#endif
		{RLIMIT_CORE, 0},
		{RLIMIT_FSIZE, 0},
		{RLIMIT_MEMLOCK, 0},
		{RLIMIT_MSGQUEUE, 0},
		{RLIMIT_NOFILE, FILES_MAX},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit;

		if (getrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return error_set_errno(err, -errno, "limits");
		limit.rlim_max = MIN(limit.rlim_max, limits[i].most);
		limit.rlim_cur = MIN(limit.rlim_cur, limit.rlim_max);
		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return error_set_errno(err, -errno, "limits");
	}
	return 0;
}

/* ---- Landlock (Linux: Documentation/userspace-api/landlock.rst) ---- */

/* As of ABI 6. The C library's headers may be older; the kernel says what it knows. */
struct landlock_rules {
	uint64_t files, net, scoped;
};

struct landlock_path {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

#define LANDLOCK_READ_FILE (UINT64_C(1) << 2)
#define LANDLOCK_READ_FOLDER (UINT64_C(1) << 3)
#define LANDLOCK_BIND_TCP (UINT64_C(1) << 0)
#define LANDLOCK_ABSTRACT_AND_SIGNALS (UINT64_C(3))

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* Rights to files that an ABI knows: it takes all away that aren't given. */
static uint64_t landlock_files(long abi)
{
	static const unsigned rights[] = {0, 13, 14, 15, 15, 16};

	return (UINT64_C(1) << rights[MIN(abi, (long)ARRAY_SIZE(rights) - 1)]) - 1;
}

static int allow_path(int ruleset, const char *path, struct error **err)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path rule = {.allowed = LANDLOCK_READ_FILE, .fd = fd};
	struct stat status;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES
			       ? 0
			       : error_set_errno(err, -errno, "%s", path);
	if (fstat(fd, &status) < 0)
		return error_set_errno(err, -errno, "%s", path);
	if (S_ISDIR(status.st_mode))
		rule.allowed |= LANDLOCK_READ_FOLDER;
	if (syscall(SYS_landlock_add_rule, ruleset, 1, &rule, 0) < 0)
		return error_set_errno(err, -errno, "Landlock: %s", path);
	return 0;
}

/* The rules as a descriptor, -1 where the kernel has no Landlock. Paths are looked up with the rights of now.
 */
static int landlock_prepare(const char *const *readable, int *ret, uint32_t *measures, struct error **err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	struct landlock_rules rules = {.files = landlock_files(MAX(abi, 0L)),
		.net = abi >= 4 ? LANDLOCK_BIND_TCP : 0,
		.scoped = abi >= 6 ? LANDLOCK_ABSTRACT_AND_SIGNALS : 0};
	size_t size = abi >= 6	 ? sizeof(rules)
		      : abi >= 4 ? offsetof(struct landlock_rules, scoped)
				 : offsetof(struct landlock_rules, net);
	_cleanup_close_ int fd = -1;
	int r = 0;

	if (abi < 1)
		return 0;
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return error_set_errno(err, -errno, "Landlock");
	for (size_t i = 0; readable && readable[i] && r >= 0; i++)
		r = allow_path(fd, readable[i], err);
	if (r < 0)
		return r;
	*measures |= SANDBOX_FILES | (abi >= 4 ? SANDBOX_BIND : 0) | (abi >= 6 ? SANDBOX_SCOPE : 0);
	*ret = TAKE_FD(fd);
	return 0;
}

static int landlock_enter(int ruleset, struct error **err)
{
	if (ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return error_set_errno(err, -errno, "Landlock");
	return 0;
}

/* ---- System calls ---- */

/* Calls that reach nothing but the process itself and what it has open. */
static const char *const calls[] = {"access", "brk", "clock_getres", "clock_gettime", "clock_nanosleep",
	"close", "connect", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "exit",
	"exit_group", "faccessat", "faccessat2", "fstat", "futex", "getegid", "geteuid", "getgid",
	"getpeername", "getpid", "getppid", "getrandom", "getrusage", "getsockname", "getsockopt", "gettid",
	"gettimeofday", "getuid", "lseek", "madvise", "mremap", "munmap", "nanosleep", "newfstatat", "pipe2",
	"poll", "ppoll", "pread64", "pselect6", "read", "readlink", "readlinkat", "readv", "recvfrom",
	"recvmmsg", "recvmsg", "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
	"sched_getaffinity", "sched_yield", "select", "sendmmsg", "sendmsg", "sendto", "set_robust_list",
	"shutdown", "sigaltstack", "stat", "statx", "time", "uname", "write", "writev"};

/* An argument of 32 bits; what the upper half of the register holds is nobody's affair. */
#define ARGUMENT(number, value) SCMP_CMP(number, SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value))
#define WITHOUT(number, bits) SCMP_CMP(number, SCMP_CMP_MASKED_EQ, (uint32_t)(bits), 0)
#define CLONE_SPACES                                                                                  \
	(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | \
		CLONE_NEWUTS)

/* A rule with one or two arguments; the first fault is kept in *r. */
static void allow(scmp_filter_ctx filter, int *r, const char *name, unsigned count, struct scmp_arg_cmp first,
	struct scmp_arg_cmp second)
{
	const struct scmp_arg_cmp arguments[] = {first, second};
	int number = seccomp_syscall_resolve_name(name);

	/* Not all architectures have all calls. */
	if (*r >= 0 && number != __NR_SCMP_ERROR && number >= 0)
		*r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, count, arguments);
}

#define ALLOW(name) allow(filter, &r, name, 0, (struct scmp_arg_cmp){}, (struct scmp_arg_cmp){})
#define ALLOW_1(name, first) allow(filter, &r, name, 1, first, (struct scmp_arg_cmp){})
#define ALLOW_2(name, first, second) allow(filter, &r, name, 2, first, second)

/* Opening for reading alone; nothing that is both memory and code. */
static int add_files(scmp_filter_ctx filter)
{
	const unsigned writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
	static const int commands[] = {F_GETFL, F_SETFL, F_GETFD, F_SETFD, F_DUPFD_CLOEXEC};
	int r = 0;

	ALLOW_1("open", WITHOUT(1, writing));
	ALLOW_1("openat", WITHOUT(2, writing));
	ALLOW_1("mmap", WITHOUT(2, PROT_EXEC));
	ALLOW_1("mprotect", WITHOUT(2, PROT_EXEC));
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		ALLOW_1("fcntl", ARGUMENT(1, commands[i]));
	ALLOW_1("ioctl", ARGUMENT(1, FIONBIO));
	ALLOW_1("ioctl", ARGUMENT(1, FIONREAD));
	return r;
}

#define SOCKET_TYPE(number, type)                                                                    \
	SCMP_CMP(number, SCMP_CMP_MASKED_EQ, UINT32_MAX & ~(uint32_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), \
		(uint32_t)(type))

/*
 * TCP and UDP over IP, and pairs that are connected for good, by which libcurl wakes its threads. A pair of
 * datagram sockets is not: each end can send to any socket that has a path. Sockets of other kinds that
 * libraries try are refused; all others kill.
 */
static int add_sockets(scmp_filter_ctx filter)
{
	static const int families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	static const int protocols[] = {0, IPPROTO_TCP, IPPROTO_UDP}, tried[] = {AF_UNIX, AF_NETLINK};
	static const int options[][2] = {{IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_TCP, TCP_KEEPIDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL}, {IPPROTO_TCP, TCP_KEEPCNT}, {IPPROTO_TCP, TCP_FASTOPEN_CONNECT},
		{IPPROTO_IP, IP_RECVERR}, {IPPROTO_IP, IP_MTU_DISCOVER}, {IPPROTO_IPV6, IPV6_RECVERR},
		{IPPROTO_IPV6, IPV6_V6ONLY}, {IPPROTO_IPV6, IPV6_MTU_DISCOVER}};
	int r = 0;

	for (size_t i = 0; i < 2 * 2 * 3 && r >= 0; i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
			ARGUMENT(0, families[i / 6]), SOCKET_TYPE(1, types[i / 3 % 2]),
			ARGUMENT(2, protocols[i % 3]));
	for (size_t i = 0; i < ARRAY_SIZE(tried) && r >= 0; i++)
		r = seccomp_rule_add(
			filter, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 1, ARGUMENT(0, tried[i]));
	ALLOW_2("socketpair", ARGUMENT(0, AF_UNIX), SOCKET_TYPE(1, SOCK_STREAM));
	ALLOW_1("setsockopt", ARGUMENT(1, SOL_SOCKET));
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		ALLOW_2("setsockopt", ARGUMENT(1, options[i][0]), ARGUMENT(2, options[i][1]));
	return r;
}

/* Threads, but no processes. The C library falls back to clone() where there is no clone3(). */
static int add_threads(scmp_filter_ctx filter)
{
	int r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	ALLOW_1("clone",
		SCMP_CMP(0, SCMP_CMP_MASKED_EQ, (uint32_t)(CLONE_THREAD | CLONE_SPACES), CLONE_THREAD));
	ALLOW_1("prctl", ARGUMENT(0, PR_SET_NAME));
	ALLOW_1("prlimit64", SCMP_CMP(2, SCMP_CMP_EQ, 0));
	return r;
}

static int seccomp_enter(struct error **err)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < ARRAY_SIZE(calls) && r >= 0; i++)
		ALLOW(calls[i]);
	if (r >= 0)
		r = add_files(filter);
	if (r >= 0)
		r = add_sockets(filter);
	if (r >= 0)
		r = add_threads(filter);
	if (r >= 0)
		r = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	return r < 0 ? error_set_errno(err, r, "seccomp") : 0;
}

/* ---- All of it ---- */

/* Root's rights go, where there are any. What isn't root's has none to give up. */
static int drop_user(const struct sandbox_options *options, struct error **err)
{
	int r = 0;

	if (geteuid() == 0) {
		r = drop_bounding_set(err);
		if (r >= 0)
			r = become(options->uid, options->gid, err);
	}
	return r < 0 ? r : drop_capabilities(err);
}

static int enter(const struct sandbox_options *options, uint32_t *ret, struct error **err)
{
	_cleanup_close_ int ruleset = -1;
	uint32_t measures = SANDBOX_REQUIRED;
	int r = landlock_prepare(options->readable, &ruleset, &measures, err);

	if (r >= 0)
		r = drop_user(options, err);
	/* A change of the user undoes the first of these. */
	if (r >= 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0))
		r = error_set_errno(err, -errno, "process");
	if (r >= 0)
		r = set_limits(err);
	if (r >= 0)
		r = landlock_enter(ruleset, err);
	cleanup_closep(&ruleset);
	ruleset = -1;
	if (r >= 0)
		r = seccomp_enter(err);
	if (r >= 0)
		*ret = measures;
	return r;
}

int sandbox_enter(const struct sandbox_options *options, uint32_t *ret, struct error **err)
{
	int r = enter(options, ret, err);

	if (r < 0)
		(void)error_wrap(err, "sandbox");
	return r;
}

char *sandbox_describe(uint32_t measures)
{
	static const char *const names[] = {"user", "capabilities", "seccomp", "files", "bind", "scope"};
	_cleanup_buffer_ struct buffer text = {};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (measures >> i & 1)
			buffer_printf(&text, "%s%s", text.size > 0 ? " " : "", names[i]);
	return buffer_take(&text, NULL);
}
