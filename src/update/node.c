/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "update/node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include "base/encoding.h"
#include "base/file.h"
#include "base/process.h"
#include "base/string-util.h"
#include "format/canonical-json.h"
#include "format/gpt.h"
#include "format/os-release.h"

#define TEXT_MAX KiB(64)
#define MOUNTS_MAX MiB(4)
#define VARIABLE_MAX MiB(1)
#define DISK_ALIGN 4096 /* bytes: a multiple of what any disk wants of O_DIRECT */

#define DB_VARIABLE "/sys/firmware/efi/efivars/db-d719b2cb-3d3a-4596-a3bc-dad00e67656f"
#define DB_ATTRIBUTES 4 /* bytes that efivarfs puts before the value */

char *node_path(const struct node *node, const char *path)
{
	return string_format("%s%s", node->root, path);
}

static int read_text(const struct node *node, const char *path, size_t max, char **ret, size_t *ret_size,
	struct error **err)
{
	_cleanup_free_ char *whole = node_path(node, path);

	return whole ? file_read(whole, max, ret, ret_size, err) : error_set_errno(err, -ENOMEM, "%s", path);
}

/* ---- os-release ---- */

static const char *debian_architecture(const char *name)
{
	return streq(name, "x86-64") ? "amd64" : name;
}

static int read_release(struct node *node, struct error **err)
{
	_cleanup_free_ char *text = NULL, *architecture = NULL;
	size_t size;
	int r = read_text(node, OS_RELEASE_PATH, OS_RELEASE_MAX, &text, &size, err);

	if (r < 0)
		return r;
	r = os_release_value(text, size, "VARIANT_ID", &node->edition);
	if (r >= 0)
		r = os_release_value(text, size, "IMAGE_VERSION", &node->version);
	if (r >= 0)
		r = os_release_value(text, size, "ARCHITECTURE", &architecture);
	if (r < 0)
		return error_set_errno(err, r,
			OS_RELEASE_PATH
			": VARIANT_ID, IMAGE_VERSION and ARCHITECTURE, which a node of Orlop's has");
	node->architecture = strdup(debian_architecture(architecture));
	return node->architecture ? 0 : error_set_errno(err, -ENOMEM, "os-release");
}

/* ---- What orlop-init found ---- */

static int take_boot(struct node *node, const json_t *boot, struct error **err)
{
	const char *slot = json_string_value(json_object_get(boot, "slot"));
	const char *root = json_string_value(json_object_get(boot, "rootHash"));
	const char *disk = json_string_value(json_object_get(boot, "disk"));
	const json_t *degraded = json_object_get(boot, "degraded");

	node->netboot = json_is_true(json_object_get(boot, "netboot"));
	if ((!node->netboot && (!slot || strlen(slot) != 1 || !disk)) || !root ||
		(degraded && !json_is_null(degraded) && !json_is_string(degraded)))
		return error_set(err, -EBADMSG, "/run/orlop/boot.json: is not what orlop-init writes");
	if (strlen(root) != 2 * SHA256_SIZE || hex_decode(root, node->root_hash, SHA256_SIZE) < 0)
		return error_set(err, -EBADMSG, "/run/orlop/boot.json: rootHash is no digest");
	if (!node->netboot) {
		node->slot = slot[0];
		node->disk_path = node_path(node, disk);
	}
	node->degraded = json_is_string(degraded) ? strdup(json_string_value(degraded)) : NULL;
	return (node->disk_path || node->netboot) && (node->degraded || !json_is_string(degraded))
		       ? 0
		       : error_set_errno(err, -ENOMEM, "boot.json");
}

static int read_boot(struct node *node, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_json_ json_t *boot = NULL;
	size_t size;
	int r = read_text(node, "/run/orlop/boot.json", TEXT_MAX, &text, &size, err);

	if (r < 0)
		return r;
	boot = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	return take_boot(node, boot, err);
}

static int read_machine(struct node *node, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	int r = read_text(node, "/etc/machine-id", TEXT_MAX, &text, NULL, err);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = 0;
	if (strlen(text) != 2 * MACHINE_ID_SIZE || hex_decode(text, node->machine, MACHINE_ID_SIZE) < 0)
		return error_set(err, -EBADMSG, "/etc/machine-id holds no machine id");
	return 0;
}

/* ---- Settings ---- */

/* The file that counts: the administrator's where there is one, else the one of the first start's credential.
 */
static char *find_config(const struct node *node)
{
	_cleanup_free_ char *given = node_path(node, "/run/orlop/node.yaml");
	char *own = node_path(node, NODE_CONFIG_PATH);

	if (own && given && access(own, F_OK) < 0 && access(given, F_OK) == 0) {
		free(own);
		own = TAKE_PTR(given);
	}
	return own;
}

int node_reload(struct node *node, struct error **err)
{
	_cleanup_free_ char *path = find_config(node), *zones = node_path(node, NODE_ZONES);
	struct node_config config = {};
	int r;

	if (!path || !zones)
		return error_set_errno(err, -ENOMEM, "settings");
	r = node_config_load(path, zones, &config, err);
	if (r < 0)
		return r;
	node_config_release(&node->config);
	node->config = config;
	free(node->config_path);
	node->config_path = TAKE_PTR(path);
	return 0;
}

static int default_settings(struct node *node, struct error **err)
{
	_cleanup_free_ char *zones = node_path(node, NODE_ZONES);

	node->config_path = find_config(node);
	if (!zones || !node->config_path)
		return error_set_errno(err, -ENOMEM, "settings");
	return node_config_parse("", 0, node->config_path, zones, &node->config, err);
}

int node_open(const struct node_options *options, struct node **ret, struct error **err)
{
	_cleanup_node_ struct node *node = calloc(1, sizeof(*node));
	int r;

	if (!node || !(node->root = strdup(options->root)))
		return error_set_errno(err, -ENOMEM, "node");
	node->disk_fd = -1;
	r = read_release(node, err);
	if (r >= 0)
		r = read_boot(node, err);
	if (r >= 0)
		r = read_machine(node, err);
	if (r < 0)
		return r;
	r = node_reload(node, options->settings_fault ? options->settings_fault : err);
	if (r < 0 && options->settings_fault)
		r = default_settings(node, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(node);
	return 0;
}

struct node *node_free(struct node *node)
{
	if (node) {
		node_config_release(&node->config);
		if (node->disk_fd >= 0)
			(void)close(node->disk_fd);
		free(node->root);
		free(node->edition);
		free(node->architecture);
		free(node->version);
		free(node->disk_path);
		free(node->degraded);
		free(node->config_path);
		free(node);
	}
	return NULL;
}

/* ---- The disk ---- */

/* -EBUSY where the device is mounted for writing. Who reads it alone does no harm. */
static int check_mounts(const struct node *node, dev_t device, struct error **err)
{
	_cleanup_free_ char *text = NULL, *number = string_format("%u:%u", major(device), minor(device));
	char *rest;
	int r = number ? read_text(node, "/proc/self/mountinfo", MOUNTS_MAX, &text, NULL, err)
		       : error_set_errno(err, -ENOMEM, "mounts");

	if (r < 0)
		return r;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char found[32], where[4096], options[256];

		/* proc_pid_mountinfo(5): id, parent, major:minor, root, mount point, options … */
		if (sscanf(line, "%*u %*u %31s %*s %4095s %255s", found, where, options) == 3 &&
			streq(found, number) && !startswith(options, "ro"))
			return error_set(err, -EBUSY,
				"the boot partition is mounted for writing at %s: unmount it, since only one "
				"may change it",
				where);
	}
	return 0;
}

/*
 * Whoever mounts the boot partition to look at it does so by efi.automount. It is unmounted, so that the next
 * look sees what is changed now.
 */
static int release_boot_partition(const struct node *node, struct error **err)
{
	static const char *const stop[] = {"systemctl", "--no-ask-password", "stop", "efi.mount", NULL};
	_cleanup_process_result_ struct process_result result = {};
	_cleanup_free_ char *path = node_path(node, "/run/orlop/esp");
	struct stat st;

	if (!path)
		return error_set_errno(err, -ENOMEM, "boot partition");
	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return 0;
	(void)process_run(stop, NULL, 0, KiB(64), &result, NULL);
	return check_mounts(node, st.st_rdev, err);
}

int node_require_slots(const struct node *node, struct error **err)
{
	return node->netboot
		       ? error_set(err, -EOPNOTSUPP,
				 "this node was started from the network and has no slots: it runs %s until "
				 "its next start, which takes what the server has by then",
				 node->version)
		       : 0;
}

int node_open_disk(struct node *node, bool writing, struct error **err)
{
	uint32_t sector;
	uint64_t size;
	int r = node_require_slots(node, err);

	if (r >= 0 && writing)
		r = release_boot_partition(node, err);
	if (r < 0)
		return r;
	if (node->disk_fd >= 0)
		(void)close(node->disk_fd);
	node->disk_fd = open(node->disk_path, (writing ? O_RDWR : O_RDONLY) | O_DIRECT | O_CLOEXEC);
	if (node->disk_fd < 0)
		return error_set_errno(err, -errno, "%s", node->disk_path);
	r = gpt_geometry(node->disk_fd, &size, &sector, err);
	if (r < 0)
		return r;
	node->disk_file = (struct block_file){.fd = node->disk_fd, .align = DISK_ALIGN};
	node->disk = block_io_file(&node->disk_file, size);
	return 0;
}

/* The name of a disk's partition by its number, as sysfs has it ("nvme0n1p3"). */
static int partition_name(const char *folder, unsigned number, char ret[NAME_MAX + 1])
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int r = -ENODEV;

	while (dir && r < 0 && (entry = readdir(dir))) {
		_cleanup_free_ char *path = string_format("%s/%s/partition", folder, entry->d_name),
				    *text = NULL;

		if (path && file_read(path, 64, &text, NULL, NULL) >= 0 &&
			strtoul(text, NULL, 10) == number) {
			(void)snprintf(ret, NAME_MAX + 1, "%s", entry->d_name);
			r = 0;
		}
	}
	if (dir)
		(void)closedir(dir);
	return r;
}

int node_open_partition(const struct node *node, unsigned number, struct error **err)
{
	const char *slash = strrchr(node->disk_path, '/');
	_cleanup_free_ char *folder =
		string_format("%s/sys/class/block/%s", node->root, slash ? slash + 1 : node->disk_path);
	_cleanup_free_ char *path = NULL;
	char name[NAME_MAX + 1];
	int fd, r = folder ? partition_name(folder, number, name) : -ENOMEM;

	if (r < 0)
		return error_set_errno(err, r, "%s: partition %u", node->disk_path, number);
	path = string_format("%s/dev/%s", node->root, name);
	if (!path)
		return error_set_errno(err, -ENOMEM, "%s", name);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return fd < 0 ? error_set_errno(err, -errno, "%s", path) : fd;
}

struct install node_install(const struct node *node, int64_t now)
{
	struct install install = {
		.disk = &node->disk,
		.architecture = node->architecture,
		.running_version = node->version,
		.now = now,
	};

	memcpy(install.running_root, node->root_hash, SHA256_SIZE);
	return install;
}

/* ---- Trust ---- */

int node_trust_store(const struct node *node, struct buffer *ret, struct error **err)
{
	_cleanup_free_ char *data = NULL;
	size_t size;
	int r = read_text(node, DB_VARIABLE, VARIABLE_MAX, &data, &size, err);

	if (r < 0)
		return r == -ENOENT ? error_wrap(err, "the firmware has no Secure Boot keys (db)") : r;
	if (size < DB_ATTRIBUTES)
		return error_set(err, -EBADMSG, "the firmware's db is empty");
	buffer_append(ret, data + DB_ATTRIBUTES, size - DB_ATTRIBUTES);
	return buffer_failed(ret) ? error_set_errno(err, -ENOMEM, "db") : 0;
}
