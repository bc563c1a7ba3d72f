/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/worker-main.h"

#include <curl/curl.h>
#include <errno.h>
#include <nss.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/http.h"
#include "base/string-util.h"
#include "update/worker-job.h"
#include "update/worker-link.h"

/* ---- The way into the sandbox ---- */

/*
 * What names and certificates are looked up with. Not beneath /etc as a whole; and resolv.conf is often a
 * link into one of the folders of /run, where it is replaced when the network changes.
 */
static const char *const readable[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/gai.conf",
	"/etc/nsswitch.conf", "/etc/ssl", "/etc/pki/tls/certs", "/etc/ca-certificates",
	"/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager/resolv.conf", "/usr/lib/ssl",
	"/usr/share/ca-certificates", "/usr/local/share/ca-certificates"};

/* The folder of a file: URL, decoded; NULL where it is another URL, or memory is out. */
static char *local_folder(const char *url)
{
	const char *path = http_is_file_url(url) ? url + strlen("file:") : NULL;
	char *decoded, *copy;

	if (path && startswith(path, "//"))
		path = strchr(path + 2, '/');
	decoded = path ? curl_easy_unescape(NULL, path, 0, NULL) : NULL;
	copy = decoded ? strdup(decoded) : NULL;
	curl_free(decoded);
	return copy;
}

/*
 * Libraries read their settings while they may. Names are looked up in /etc/hosts and by DNS alone: other
 * services are code that would be loaded, and sockets of other processes.
 */
static int prepare_libraries(struct error **err)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return error_set_errno(err, -ENOMEM, "libcurl");
	if (__nss_configure_lookup("hosts", "files dns") < 0)
		return error_set_errno(err, -errno, "name service");
	return 0;
}

static int enter_sandbox(struct link *link, const struct worker_source_job *source, struct error **err)
{
	_cleanup_free_ char *folder = local_folder(source->url);
	const char *paths[ARRAY_SIZE(readable) + 3];
	struct sandbox_options options = {.uid = source->uid, .gid = source->gid, .readable = paths};
	struct wire_header ready = {.type = WIRE_READY, .serial = WIRE_VERSION};
	uint32_t measures = 0;
	size_t count = ARRAY_SIZE(readable);
	int r = prepare_libraries(err);

	memcpy(paths, readable, sizeof(readable));
	if (source->authorities)
		paths[count++] = source->authorities;
	if (folder)
		paths[count++] = folder;
	paths[count] = NULL;
	if (r >= 0)
		r = sandbox_enter(&options, &measures, err);
	ready.offset = measures;
	return r < 0 ? r : wire_send(link->fd, &ready, NULL, err);
}

/* ---- Jobs ---- */

static uint64_t rate_now(void *userdata)
{
	struct link *link = userdata;

	(void)link_tick(link);
	return link->rate;
}

static bool is_stopped(void *userdata)
{
	return !link_tick(userdata);
}

static int open_remote(struct link *link, const struct worker_source_job *source, struct remote_http **ret,
	struct error **err)
{
	struct remote_http_options options = source->http;

	link->rate = source->rate;
	options.rate = source->is_limited ? rate_now : NULL;
	options.stop = is_stopped;
	options.userdata = link;
	return remote_http_new(&options, ret, err);
}

static int finish(struct link *link, const struct worker_outcome *outcome, struct error **err)
{
	_cleanup_buffer_ struct buffer payload = {};

	worker_outcome_write(outcome, &payload);
	if (buffer_failed(&payload))
		return error_set_errno(err, -ENOMEM, "worker");
	return wire_send(link->fd,
		&(struct wire_header){.type = WIRE_FINISHED, .size = (uint32_t)payload.size}, payload.data,
		err);
}

static int tell(enum usr_update_step step, uint64_t done, uint64_t total, void *userdata)
{
	return link_progress(userdata, (unsigned)step, done, total);
}

static int copy(const struct slot_run *runs, size_t count, void *userdata, struct error **err)
{
	int r = link_copy(userdata, runs, count);

	return r < 0 ? error_set_errno(err, r, "copying") : 0;
}

static int wait_copied(uint64_t *ret_failed, void *userdata, struct error **err)
{
	int r = link_copied(userdata, ret_failed);

	return r < 0 ? error_set_errno(err, r, "copying") : 0;
}

static const struct usr_copier_ops copier = {.copy = copy, .wait = wait_copied};

static struct block_io open_place(struct link *link, const struct worker_bring_job *job,
	enum worker_place_number number, struct link_disk *disk)
{
	const struct worker_place_job *place = &job->places[number];

	*disk = (struct link_disk){.link = link,
		.type = number == WORKER_TARGET_DATA   ? WIRE_DATA
			: number == WORKER_TARGET_HASH ? WIRE_TREE
						       : 0,
		.file = {.fd = WORKER_FD_PLACES + (int)number, .align = place->align},
		.begin = place->begin};
	return link_disk_io(disk, place->size);
}

static int update(struct link *link, const struct worker_bring_job *job, struct worker_outcome *outcome,
	struct error **err)
{
	_cleanup_remote_http_ struct remote_http *http = NULL;
	struct link_disk disks[WORKER_PLACES];
	struct usr_slot target = {.data = open_place(link, job, WORKER_TARGET_DATA, &disks[0]),
		.hash = open_place(link, job, WORKER_TARGET_HASH, &disks[1])};
	struct usr_slot active = {.data = open_place(link, job, WORKER_ACTIVE_DATA, &disks[2]),
		.hash = open_place(link, job, WORKER_ACTIVE_HASH, &disks[3])};
	struct remote remote;
	struct usr_update update = {.image = &job->image,
		.remote = &remote,
		.target = &target,
		.active = active.data.size > 0 ? &active : NULL,
		.active_root = job->has_active_root ? job->active_root : NULL,
		.threads = job->threads,
		.window = job->window,
		.no_patch = job->no_patch,
		.no_tree_delta = job->no_tree_delta,
		.copier = &copier,
		.copier_userdata = link,
		.leaves_proof = true,
		.progress = tell,
		.userdata = link};
	int r = open_remote(link, &job->source, &http, err);

	if (r < 0)
		return r;
	remote = remote_http_remote(http);
	r = usr_update_run(&update, &outcome->update, err);
	remote.ops->counts(remote.userdata, &outcome->counts);
	return r;
}

static int do_bring(struct link *link, const struct wire_message *message, struct error **err)
{
	_cleanup_(worker_bring_job_release) struct worker_bring_job job = {};
	struct worker_outcome outcome = {};
	int r = worker_bring_job_parse(message->payload, message->header.size, &job, err);

	if (r >= 0)
		r = enter_sandbox(link, &job.source, err);
	if (r >= 0)
		r = update(link, &job, &outcome, err);
	return r < 0 ? r : finish(link, &outcome, err);
}

/* A file on its way to the parent. */
struct getting {
	struct link *link;
	uint64_t offset;
};

static int send_bytes(size_t range, const uint8_t *data, size_t size, void *userdata, struct error **err)
{
	struct getting *getting = userdata;
	int r = 0;

	(void)range;
	while (size > 0 && r >= 0) {
		size_t n = MIN(size, (size_t)WIRE_PAYLOAD_MAX);

		r = wire_send(getting->link->fd,
			&(struct wire_header){
				.type = WIRE_BYTES, .size = (uint32_t)n, .offset = getting->offset},
			data, err);
		getting->offset += n;
		data += n;
		size -= n;
	}
	return r;
}

static int get(struct link *link, const struct worker_get_job *job, struct worker_outcome *outcome,
	struct error **err)
{
	_cleanup_remote_http_ struct remote_http *http = NULL;
	struct getting getting = {.link = link};
	const struct remote_range range = {.size = job->size};
	const struct remote_request request = {.name = job->name,
		.file_size = job->size,
		.ranges = &range,
		.count = 1,
		.sink = send_bytes,
		.userdata = &getting};
	struct remote remote;
	int r = open_remote(link, &job->source, &http, err);

	if (r < 0)
		return r;
	remote = remote_http_remote(http);
	r = remote_fetch(&remote, &request, err);
	remote.ops->counts(remote.userdata, &outcome->counts);
	return r;
}

static int do_get(struct link *link, const struct wire_message *message, struct error **err)
{
	_cleanup_(worker_get_job_release) struct worker_get_job job = {};
	struct worker_outcome outcome = {};
	int r = worker_get_job_parse(message->payload, message->header.size, &job, err);

	if (r >= 0)
		r = enter_sandbox(link, &job.source, err);
	if (r >= 0)
		r = get(link, &job, &outcome, err);
	return r < 0 ? r : finish(link, &outcome, err);
}

/* The files that belong to the job, which the parent sends right behind it. */
static int receive_kept(struct link *link, uint32_t count, struct wire_files *ret, struct error **err)
{
	int r = 0;

	while (r >= 0 && (ret->count < count || ret->open > 0)) {
		struct wire_message message;

		r = wire_receive(link->fd, &link->reader, true, &message, err);
		if (r >= 0)
			r = message.header.type == WIRE_FILE
				    ? wire_files_take(ret, &message, WORKER_KEPT_MAX, WORKER_KEPT_BYTES, err)
				    : error_set(err, -EPROTO, "no file");
	}
	return r;
}

static int do_refresh(struct link *link, const struct wire_message *message, struct error **err)
{
	_cleanup_(worker_refresh_job_release) struct worker_refresh_job job = {};
	_cleanup_(wire_files_release) struct wire_files kept = {}, files = {};
	static const struct worker_outcome outcome;
	int r = worker_refresh_job_parse(message->payload, message->header.size, &job, err), ran;

	if (r >= 0)
		r = receive_kept(link, job.files, &kept, err);
	if (r >= 0)
		r = enter_sandbox(link, &job.source, err);
	if (r < 0)
		return r;
	ran = worker_metadata_run(link, &job, &kept, &files, err);
	/* What came is of use also where not all did. */
	for (size_t i = 0; i < files.count && r >= 0; i++)
		r = wire_files_send(link->fd, &files.items[i], NULL);
	return ran < 0 ? ran : r < 0 ? error_set_errno(err, r, "worker") : finish(link, &outcome, err);
}

static int do_job(struct link *link, struct error **err)
{
	struct wire_message message;
	int r = wire_receive(link->fd, &link->reader, true, &message, err);

	if (r < 0)
		return r;
	if (message.header.type == WIRE_BRING)
		return do_bring(link, &message, err);
	if (message.header.type == WIRE_GET)
		return do_get(link, &message, err);
	if (message.header.type == WIRE_REFRESH)
		return do_refresh(link, &message, err);
	return error_set(err, -EPROTO, "no job");
}

static void tell_fault(struct link *link, int code, const struct error *fault)
{
	const char *text = error_message(fault);

	(void)wire_send(link->fd,
		&(struct wire_header){.type = WIRE_FAILED,
			.size = (uint32_t)MIN(strlen(text), (size_t)WIRE_TEXT_MAX),
			.offset = (uint64_t)-code},
		text, NULL);
}

_Noreturn void worker_main(void)
{
	_cleanup_error_ struct error *fault = NULL;
	struct link link;
	int r;

	/* Goes with its parent; where that is gone already, the socket ends. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	r = link_init(&link, WORKER_FD_SOCKET);
	if (r >= 0)
		r = do_job(&link, &fault);
	if (r < 0)
		tell_fault(&link, r, fault);
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
