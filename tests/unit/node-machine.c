/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "node-machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/encoding.h"
#include "cmd/node-context.h"
#include "cmd/node.h"
#include "format/efi-signature.h"
#include "release-disk.h"
#include "scratch.h"
#include "update/agent.h"
#include "update/worker-main.h"

#define DB_VARIABLE "/sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f"
#define NOBODY 65534

/* ---- What stands in for the machine that this runs on ---- */

static int64_t clock_now;	  /* 0: the real one */
static int agent_signals = -1;	  /* what the agent takes for its signals, … */
static int agent_signals_to = -1; /* … and the other end of it */

time_t time(time_t *ret)
{
	struct timespec now = {.tv_sec = clock_now};

	if (clock_now == 0)
		(void)clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}

/* The user as whom a node asks the network is on nodes alone. */
struct passwd *getpwnam(const char *name)
{
	static struct passwd user = {.pw_uid = NOBODY, .pw_gid = NOBODY};

	return streq(name, "orlop-fetch") ? &user : NULL;
}

/* When the agent comes to rest, it is told to end. */
int poll(struct pollfd *fds, nfds_t count, int timeout)
{
	const struct signalfd_siginfo end = {.ssi_signo = SIGTERM};
	struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000L};
	struct pollfd *volatile first = fds; /* volatile: by poll()'s declaration it is only written to */

	if (count == 1 && agent_signals >= 0 && first->fd == agent_signals &&
		write(agent_signals_to, &end, sizeof(end)) != sizeof(end))
		abort();
	return (int)syscall(SYS_ppoll, fds, count, timeout < 0 ? NULL : &limit, NULL, 0);
}

/* ---- Folders ---- */

static void put(const struct node_machine *machine, const char *path, const void *data, size_t size)
{
	_cleanup_free_ char *whole = string_format("%s%s", machine->root, path);
	_cleanup_error_ struct error *err = NULL;

	assert_ok(file_write_atomic(whole, data, size, 0644, &err), err);
}

static void put_text(const struct node_machine *machine, const char *path, const char *text)
{
	put(machine, path, text, strlen(text));
}

char *node_machine_read(const struct node_machine *machine, const char *path)
{
	_cleanup_free_ char *whole = string_format("%s%s", machine->root, path);
	char *text;

	return file_read(whole, MiB(4), &text, NULL, NULL) < 0 ? strdup("") : text;
}

static void put_trust(const struct node_machine *machine)
{
	_cleanup_buffer_ struct buffer db = {};
	struct efi_certificate certificate;

	certificate.der = signer_certificate(machine->pool->db, &certificate.size);
	buffer_append(&db, "\x27\0\0", 4); /* attributes */
	efi_signature_list_append(&db, &efi_global_variable, &certificate);
	put(machine, DB_VARIABLE, db.data, db.size);
}

static void make_disk(const struct node_machine *machine)
{
	const struct pool_release *release = &machine->pool->items[0];
	const struct publisher_release *made = &machine->publisher->releases[0];
	_cleanup_free_ char *folder = string_format("%s/dev", machine->root), *signature = NULL;
	struct crash_partition partitions[4];
	struct release_disk disk;

	signature = release_disk_signature(
		machine->pool->db, release->image.root, made->signature, made->signature_size);
	release_disk_make(&(struct release_disk_options){.folder = folder,
				  .version = release->version,
				  .image = &release->image,
				  .signature = signature,
				  .uki = release->uki.data,
				  .uki_size = release->uki.size},
		&disk);
	for (size_t i = 0; i < ARRAY_SIZE(partitions); i++) {
		const struct gpt_partition *of =
			i % 2 ? &disk.node.slots[i / 2].verity : &disk.node.slots[i / 2].usr;
		_cleanup_free_ char *path = NULL, *number = string_format("%u\n", of->number);

		partitions[i] = (struct crash_partition){of->number, of->offset, of->size};
		path = string_format("/sys/class/block/vda/vda%u/partition", of->number);
		put_text(machine, path, number);
	}
	crash_disk_new(folder, disk.data, disk.size, partitions, ARRAY_SIZE(partitions));
	release_disk_release(&disk);
}

void node_machine_boot(struct node_machine *machine, size_t release, char slot)
{
	const struct pool_release *what = &machine->pool->items[release];
	const struct buffer *root = &machine->publisher->releases[release].root;
	_cleanup_free_ char *hash = hex_encode_new(what->image.root, SHA256_SIZE), *os_release = NULL,
			    *boot = NULL;

	os_release = string_format(
		"VARIANT_ID=" POOL_EDITION "\nIMAGE_VERSION=%s\nARCHITECTURE=x86-64\n", what->version);
	boot = string_format(
		"{\"slot\": \"%c\", \"rootHash\": \"%s\", \"disk\": \"/dev/vda\", \"degraded\": null}\n",
		slot, hash);
	put_text(machine, "/usr/lib/os-release", os_release);
	put_text(machine, "/run/orlop/boot.json", boot);
	put(machine, "/usr/share/orlop/root.json", root->data, root->size);
	machine->running = release;
	machine->restart = false;
}

/* Not every tmpfs can have files that are opened with O_DIRECT. */
static char *make_folder(const char *parent)
{
	char *path = string_format("%s/orlop-test-XXXXXX", parent);
	_cleanup_free_ char *file = NULL;
	int fd;

	if (!mkdtemp(path)) {
		free(path);
		return NULL;
	}
	file = string_format("%s/probe", path);
	fd = open(file, O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
	if (fd >= 0) {
		(void)close(fd);
		return path;
	}
	(void)remove_tree(path, NULL);
	free(path);
	return NULL;
}

char *node_machine_folder(void)
{
	/* In memory where that can be. */
	char *folder = make_folder("/dev/shm");

	if (!folder)
		folder = make_folder("/var/tmp");
	assert_non_null(folder);
	return folder;
}

void node_machine_init(struct node_machine *machine, const struct publisher *publisher, const char *folder,
	const char *url, int64_t now)
{
	_cleanup_free_ char *settings = string_format("repository: %s\n", url);

	*machine = (struct node_machine){.pool = publisher->pool,
		.publisher = publisher,
		.root = string_format("%s/node", folder),
		.now = now};
	shell(folder, "mkdir -p node/dev node/usr/lib node/usr/share/orlop node/run/orlop node/etc/orlop "
		      "node/var/lib/orlop/update node/proc/self node/sys/firmware/efi/efivars "
		      "node/sys/class/block/vda/vda2 node/sys/class/block/vda/vda3 "
		      "node/sys/class/block/vda/vda5 node/sys/class/block/vda/vda6; "
		      "ln -s /usr/share/zoneinfo node/usr/share/zoneinfo; : >node/proc/self/mountinfo");
	put_text(machine, "/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	put_text(machine, "/etc/orlop/node.yaml", settings);
	put_trust(machine);
	make_disk(machine);
	node_machine_boot(machine, 0, 'a');
}

void node_machine_release(struct node_machine *machine)
{
	crash_disk_release();
	free(machine->root);
	free(machine->said);
	*machine = (struct node_machine){};
}

/* ---- Verbs ---- */

static int restart(void *userdata, struct error **err)
{
	(void)err;
	((struct node_machine *)userdata)->restart = true;
	return 0;
}

static int run_agent(struct node_machine *machine, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	struct journal journal = JOURNAL_INIT;
	struct worker_options worker;
	int ends[2], r = node_open_here(&node, err);

	if (r >= 0)
		r = node_worker_options(&worker, err);
	if (r < 0)
		return r;
	machine->restart = false;
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	agent_signals = ends[0];
	agent_signals_to = ends[1];
	r = agent_run(&(struct agent_options){.node = node,
			      .worker = &worker,
			      .journal = &journal,
			      .signals = ends[0],
			      .restart = restart,
			      .userdata = machine},
		err);
	agent_signals = -1;
	(void)close(ends[0]);
	(void)close(ends[1]);
	return r;
}

static int run_settle(const struct node_machine *machine, struct error **err)
{
	_cleanup_node_ struct node *node = NULL;
	int r = node_open_here(&node, err);

	return r < 0 ? r : node_settle(node, machine->now, err);
}

static int run(struct node_machine *machine, enum node_verb verb, const char *to, struct error **err)
{
	char *arguments[] = {(char *)"orlop-node", (char *)"--quiet", (char *)"--to", (char *)to, NULL};
	int count = to ? 4 : 2;

	if (!to)
		arguments[2] = NULL;
	switch (verb) {
	case VERB_UPDATE:
		return node_update(count, arguments, err);
	case VERB_ROLLBACK:
		return node_rollback(count, arguments, err);
	case VERB_CHECK:
		return node_check(count, arguments, err);
	case VERB_BLESS:
		arguments[1] = NULL;
		return node_bless(1, arguments, err);
	case VERB_SETTLE:
		return run_settle(machine, err);
	case VERB_AGENT:
		return run_agent(machine, err);
	}
	return -EINVAL;
}

/* What the verbs say goes to where nobody looks. */
static int begin_quiet(void)
{
	int saved, nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

	assert_true(nowhere >= 0);
	(void)fflush(stdout);
	(void)fflush(stderr);
	saved = dup(STDOUT_FILENO);
	(void)dup2(nowhere, STDOUT_FILENO);
	(void)close(nowhere);
	return saved;
}

static void end_quiet(int saved)
{
	(void)fflush(stdout);
	(void)dup2(saved, STDOUT_FILENO);
	(void)close(saved);
}

int node_machine_run(struct node_machine *machine, enum node_verb verb, const char *to)
{
	_cleanup_error_ struct error *err = NULL;
	int saved = begin_quiet(), r;

	assert_int_equal(setenv("ORLOP_NODE_ROOT", machine->root, 1), 0);
	clock_now = machine->now;
	r = run(machine, verb, to, &err);
	clock_now = 0;
	end_quiet(saved);
	free(machine->said);
	machine->said = r < 0 ? strdup(error_message(err)) : NULL;
	return r;
}

bool node_machine_run_cut(struct node_machine *machine, enum node_verb verb, const char *to,
	enum crash_kind kind, uint64_t at, uint64_t seed)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		crash_disk_arm(kind, at, seed);
		(void)node_machine_run(machine, verb, to);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == CRASH_STATUS));
	return WEXITSTATUS(status) == CRASH_STATUS;
}

void node_machine_worker(int argc, char **argv)
{
	if (argc == 2 && streq(argv[1], node_worker_arguments[1]))
		worker_main();
}
