/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What can be done in the sandbox, and what can't: each in a process of its own, which tells by how it ends.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "scratch.h"
#include "update/sandbox.h"

#define USER 64991 /* nobody's */
#define REFUSED 1  /* exit status: it was refused with an errno */
#define DONE 2	   /* it worked */

/* What the cases work with. */
static struct {
	char *folder, *outside;	 /* a file in it, which may not be read, */
	char *readable, *inside; /* and a folder in it, with a file, which may */
	int write_fd;		 /* a file that was open before, for writing */
	pid_t parent;
} world;

static int ended(bool worked)
{
	return worked ? DONE : REFUSED;
}

static int open_to_write(void)
{
	return ended(open(world.inside, O_WRONLY) >= 0);
}

static int create(void)
{
	return ended(open("/tmp/orlop-test-sandbox-new", O_CREAT | O_RDONLY, 0644) >= 0);
}

static int make_unnamed(void)
{
	return ended(open("/tmp", O_TMPFILE | O_RDWR, 0644) >= 0);
}

static int write_what_was_open(void)
{
	(void)signal(SIGXFSZ, SIG_IGN);
	return ended(write(world.write_fd, "x", 1) == 1);
}

static int read_inside(void)
{
	return ended(open(world.inside, O_RDONLY) >= 0);
}

static int read_outside(void)
{
	return ended(open(world.outside, O_RDONLY) >= 0);
}

static int read_by_way_out(void)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/../outside", world.readable);
	return ended(open(path, O_RDONLY) >= 0);
}

static int list_root(void)
{
	return ended(open("/", O_RDONLY | O_DIRECTORY) >= 0);
}

static int read_processes(void)
{
	return ended(open("/proc/self/mem", O_RDONLY) >= 0 || open("/proc/1/cmdline", O_RDONLY) >= 0);
}

static int run_program(void)
{
	return ended(execl("/bin/true", "true", NULL) == 0);
}

static int make_process(void)
{
	return ended(fork() >= 0);
}

static int make_user_space(void)
{
	return ended(unshare(CLONE_NEWUSER) == 0);
}

static int trace_parent(void)
{
	return ended(ptrace(PTRACE_ATTACH, world.parent, NULL, NULL) == 0);
}

static int signal_parent(void)
{
	return ended(kill(world.parent, SIGCONT) == 0);
}

static int mount_something(void)
{
	return ended(mount("none", "/tmp", "tmpfs", 0, NULL) == 0);
}

static int open_packets(void)
{
	return ended(socket(AF_PACKET, SOCK_RAW, 0) >= 0);
}

static int open_raw(void)
{
	return ended(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0);
}

static int open_local(void)
{
	return ended(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
}

/* Either end of such a pair could send to any socket that has a path. */
static int make_datagram_pair(void)
{
	int fds[2];

	return ended(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) == 0);
}

static int make_packet_pair(void)
{
	int fds[2];

	return ended(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0);
}

/* What a pair of streams, and the socket to the parent, can't be talked into. */
static int send_to_a_path(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 99;
	return ended(sendto(fds[0], "x", 1, 0, (const struct sockaddr *)&address, sizeof(address)) >= 0 ||
		     connect(fds[1], (const struct sockaddr *)&address, sizeof(address)) == 0 ||
		     (close(fds[0]) == 0 &&
			     connect(fds[1], (const struct sockaddr *)&address, sizeof(address)) == 0));
}

static int listen_to_others(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 ? 99 : ended(listen(fd, 1) == 0);
}

static int become_root(void)
{
	return ended(setuid(0) == 0);
}

static int make_code(void)
{
	return ended(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0) != MAP_FAILED);
}

static int turn_memory_into_code(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? 99 : ended(mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0);
}

static int raise_limit(void)
{
	const struct rlimit limit = {.rlim_cur = 100, .rlim_max = RLIM_INFINITY};

	return ended(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static int change_mode(void)
{
	return ended(chmod(world.inside, 0777) == 0);
}

static int use_rings(void)
{
	return ended(syscall(SYS_io_uring_setup, 1, NULL) >= 0);
}

static int load_filter(void)
{
	return ended(syscall(SYS_bpf, 0, NULL, 0) >= 0);
}

static int use_keys(void)
{
	return ended(syscall(SYS_add_key, "user", "x", "y", 1, -1) >= 0);
}

static int call_by_another_architecture(void)
{
#ifdef __x86_64__
	/* getpid() by its number of the x32 ABI. */
	return ended(syscall(0x40000000 + SYS_getpid) >= 0);
#else
	return REFUSED;
#endif
}

#ifndef SANDBOX_NO_MEMORY_LIMIT
static int fill_memory(void)
{
	return ended(
		mmap(NULL, GiB(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
#endif

static void *do_nothing(void *userdata)
{
	return userdata;
}

static int make_thread(void)
{
	pthread_t thread;

	return ended(pthread_create(&thread, NULL, do_nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

static int look_up_name(void)
{
	struct addrinfo *list = NULL;
	int r = getaddrinfo("localhost", "80", NULL, &list);

	if (r == 0)
		freeaddrinfo(list);
	return ended(r == 0);
}

static int connect_to_nobody(void)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return ended(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
		     errno == ECONNREFUSED);
}

#define KILLED 128 /* by SIGSYS */

/* What comes of each. *needs*: what the kernel must have for it. */
static const struct attempt {
	const char *name;
	int (*run)(void);
	int outcome;
	uint32_t needs;
} attempts[] = {
#define ATTEMPT(function, ...)                   \
	{                                        \
#function, function, __VA_ARGS__ \
	}
	ATTEMPT(open_to_write, KILLED),
	ATTEMPT(create, KILLED),
	ATTEMPT(make_unnamed, KILLED),
	ATTEMPT(write_what_was_open, REFUSED),
	ATTEMPT(read_inside, DONE),
	ATTEMPT(read_outside, REFUSED, SANDBOX_FILES),
	ATTEMPT(read_by_way_out, REFUSED, SANDBOX_FILES),
	ATTEMPT(list_root, REFUSED, SANDBOX_FILES),
	ATTEMPT(read_processes, REFUSED, SANDBOX_FILES),
	ATTEMPT(run_program, KILLED),
	ATTEMPT(make_process, KILLED),
	ATTEMPT(make_user_space, KILLED),
	ATTEMPT(trace_parent, KILLED),
	ATTEMPT(signal_parent, KILLED),
	ATTEMPT(mount_something, KILLED),
	ATTEMPT(open_packets, KILLED),
	ATTEMPT(open_raw, KILLED),
	ATTEMPT(open_local, REFUSED),
	ATTEMPT(make_datagram_pair, KILLED),
	ATTEMPT(make_packet_pair, KILLED),
	ATTEMPT(send_to_a_path, REFUSED),
	ATTEMPT(listen_to_others, KILLED),
	ATTEMPT(become_root, KILLED),
	ATTEMPT(make_code, KILLED),
	ATTEMPT(turn_memory_into_code, KILLED),
	ATTEMPT(raise_limit, KILLED),
	ATTEMPT(change_mode, KILLED),
	ATTEMPT(use_rings, KILLED),
	ATTEMPT(load_filter, KILLED),
	ATTEMPT(use_keys, KILLED),
#ifdef __x86_64__
	ATTEMPT(call_by_another_architecture, KILLED),
#endif
#ifndef SANDBOX_NO_MEMORY_LIMIT
	ATTEMPT(fill_memory, REFUSED),
#endif
	ATTEMPT(make_thread, DONE),
	ATTEMPT(look_up_name, DONE),
	ATTEMPT(connect_to_nobody, DONE),
#undef ATTEMPT
};

/* Runs one in the sandbox; the measures come back through a pipe. */
static int run(int (*attempt)(void), uint32_t *ret_measures)
{
	const char *const readable[] = {
		world.readable, "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", NULL};
	const struct sandbox_options options = {.uid = USER, .gid = USER, .readable = readable};
	int ends[2], status;
	pid_t child;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		uint32_t measures = 0;

		if (sandbox_enter(&options, &measures, NULL) < 0)
			_exit(97);
		if (write(ends[1], &measures, sizeof(measures)) != sizeof(measures))
			_exit(98);
		_exit(attempt());
	}
	(void)close(ends[1]);
	*ret_measures = 0;
	(void)!read(ends[0], ret_measures, sizeof(*ret_measures));
	(void)close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGSYS ? KILLED : 256 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

static void sandbox_allows_what_it_must_and_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *attempt = &attempts[i];
		uint32_t measures;
		int outcome = run(attempt->run, &measures);

		if ((attempt->needs & ~measures) != 0) {
			print_message("%s: skipped, because this kernel has no Landlock\n", attempt->name);
			continue;
		}
		if (outcome != attempt->outcome)
			fail_msg("%s: %d, expected %d", attempt->name, outcome, attempt->outcome);
	}
}

static void root_stays_outside(void **state)
{
	const struct sandbox_options options = {};
	uint32_t measures = 77;
	int status;
	pid_t child;

	(void)state;
	if (geteuid() != 0) {
		print_message("skipped, because this is not root\n");
		skip();
	}
	child = fork();
	if (child == 0)
		_exit(sandbox_enter(&options, &measures, NULL) == -EINVAL && measures == 77 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void measures_have_names(void **state)
{
	_cleanup_free_ char *all = sandbox_describe(SANDBOX_ALL), *none = sandbox_describe(0);

	(void)state;
	assert_string_equal(all, "user capabilities seccomp files bind scope");
	assert_string_equal(none, "");
}

static int set_up(void **state)
{
	(void)state;
	world.parent = getpid();
	world.folder = scratch_new();
	shell(world.folder,
		"mkdir readable; echo in >readable/inside; echo out >outside; chmod 755 . readable");
	world.readable = string_format("%s/readable", world.folder);
	world.inside = string_format("%s/readable/inside", world.folder);
	world.outside = string_format("%s/outside", world.folder);
	world.write_fd = open(world.outside, O_WRONLY | O_CLOEXEC);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)close(world.write_fd);
	free(world.readable);
	free(world.inside);
	free(world.outside);
	scratch_remove(&world.folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sandbox_allows_what_it_must_and_no_more),
		cmocka_unit_test(root_stays_outside),
		cmocka_unit_test(measures_have_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
