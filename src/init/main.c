/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * orlop-init: process 1 of the initrd. It brings up the verified /usr that its kernel belongs to, and what
 * lies around it, and goes on as that system's own init; docs/boot.md tells the whole way. One straight line
 * of steps: each ends with all it is to do done, or the machine restarts, so that the boot loader can fall
 * back to another release.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/reboot.h>

#include "base/encoding.h"
#include "base/file.h"
#include "init/carried.h"
#include "init/cmdline.h"
#include "init/disk.h"
#include "init/efivar.h"
#include "init/etc.h"
#include "init/mount.h"
#include "init/record.h"
#include "init/report.h"
#include "init/require.h"
#include "init/root.h"
#include "init/settings.h"
#include "init/state.h"
#include "init/tpm.h"
#include "init/uevent.h"
#include "init/usr.h"

#define FILE_MAX MiB(4) /* of the initrd's own files; the module list is the largest */

/* What the steps hand on. */
struct boot {
	struct settings settings;
	struct strv arguments; /* of the kernel command line */
	struct modules modules;
	struct slot_query query;
	struct slot slot;
	int uevents;
	struct state state;
	char *degraded; /* why state is volatile; NULL: it is not */
	bool measured;	/* the phases of this boot are measured */
	uint64_t kernel_ms, usr_ms;
};

static int write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_full(fd, text, strlen(text));
}

static int prepare_kernel(struct error **err)
{
	int r = mount_kernel(err);

	if (r < 0)
		return r;
	/* All lines count, not ten in five seconds; and should this process die, the machine restarts. */
	(void)write_text("/proc/sys/kernel/printk_devkmsg", "on\n");
	(void)write_text("/proc/sys/kernel/panic", "10\n");
	return 0;
}

static int read_settings(struct boot *boot, struct error **err)
{
	_cleanup_free_ char *settings = NULL, *modules = NULL, *cmdline = NULL;
	int r = file_read("/etc/orlop/init.conf", FILE_MAX, &settings, NULL, err);

	if (r >= 0)
		r = settings_parse(settings, &boot->settings, err);
	if (r >= 0)
		r = file_read("/etc/orlop/modules", FILE_MAX, &modules, NULL, err);
	if (r >= 0)
		r = modules_parse(modules, &boot->modules, err);
	if (r >= 0)
		r = file_read("/proc/cmdline", FILE_MAX, &cmdline, NULL, err);
	if (r >= 0 && cmdline_split(cmdline, &boot->arguments) < 0)
		r = error_set_errno(err, -ENOMEM, "/proc/cmdline");
	if (r >= 0 && boot->settings.command_line)
		r = cmdline_compare(cmdline, boot->settings.command_line, err);
	return r;
}

static int find_root_hash(struct boot *boot, struct error **err)
{
	const char *root_hash;
	int r = cmdline_get(&boot->arguments, "usrhash", &root_hash, err);

	if (r == -ENOENT)
		return error_set(
			err, r, "the command line has no usrhash=: which /usr to start is not known");
	return r < 0 ? r : slot_query_init(&boot->query, &boot->settings, root_hash, err);
}

static int load_modules(struct boot *boot, struct error **err)
{
	int r;

	boot->uevents = uevent_open(err);
	if (boot->uevents < 0)
		return boot->uevents;
	r = modules_load_always(&boot->modules, module_load, &boot->arguments, err);
	if (r < 0)
		return r;
	modules_load_for_devices(&boot->modules, &boot->arguments);
	return mount_efivars(err);
}

static struct disk_wait wait_of(struct boot *boot)
{
	return (struct disk_wait){
		.uevents = boot->uevents,
		.modules = &boot->modules,
		.arguments = &boot->arguments,
		.deadline = report_uptime_ms() + boot->settings.disk_timeout * 1000,
	};
}

/* Waits for the TPM where it is needed: its driver may be a module. */
static int find_tpm(struct boot *boot, struct error **err)
{
	struct disk_wait wait = wait_of(boot);

	while (!tpm_present())
		if (disk_wait_event(&wait, NULL) < 0)
			return error_set(err, -ENODEV, "no TPM 2.0 answers, and this image requires one");
	return 0;
}

/* Measures a phase. Where the image does without a TPM, one that fails is reported and no more. */
static int measure(const struct boot *boot, const char *phase, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	int r;

	if (!boot->measured)
		return 0;
	r = tpm_measure_phase(phase, &why);
	if (r >= 0)
		return 0;
	if (boot->settings.tpm2) {
		error_move(err, TAKE_PTR(why));
		return r;
	}
	report(REPORT_WARNING, "%s", error_message(why));
	return 0;
}

static int check_machine(struct boot *boot, struct error **err)
{
	int r = 0;

	if (boot->settings.secure_boot)
		r = require_secure_boot(err);
	if (r >= 0 && boot->settings.tpm2)
		r = find_tpm(boot, err);
	if (r >= 0 && boot->settings.tpm2)
		r = require_unchanged_boot(err);
	if (r < 0)
		return r;
	boot->measured = tpm_measured_boot() && tpm_present();
	return measure(boot, "enter-initrd", err);
}

static int find_slot(struct boot *boot, struct error **err)
{
	struct disk_wait wait = wait_of(boot);
	char esp[UUID_TEXT_SIZE];

	if (boot->settings.carried)
		return carried_attach(&boot->slot, err);
	boot->query.have_esp = efivar_text("LoaderDevicePartUUID", EFI_LOADER, esp, sizeof(esp)) >= 0 &&
			       uuid_parse(esp, &boot->query.esp) >= 0;
	return disk_wait_slot(&wait, &boot->query, &boot->slot, err);
}

static int try_usr(struct boot *boot, struct error **err)
{
	int r;

	if (boot->slot.carried)
		report(REPORT_NOTE, "the /usr that the initrd carries");
	else
		report(REPORT_NOTE, "slot %c, %s, on %s", boot->slot.letter, boot->slot.label,
			boot->slot.disk.path);
	r = usr_open(&boot->settings, &boot->query, &boot->slot, err);
	if (r < 0)
		return r;
	r = root_mount(USR_DEVICE, err);
	if (r < 0)
		usr_close();
	boot->usr_ms = report_uptime_ms();
	return r;
}

/* A disk whose copy is damaged is no reason to fail where another has the same slot. */
static int open_usr(struct boot *boot, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	int r = try_usr(boot, &why);

	while (r < 0) {
		_cleanup_slot_ struct slot next = {};

		if (boot->slot.carried || slot_find(&boot->query, boot->slot.disk.name, &next, NULL) < 0) {
			error_move(err, TAKE_PTR(why));
			return r;
		}
		report(REPORT_WARNING, "%s: %s; trying %s", boot->slot.disk.path, error_message(why),
			next.disk.path);
		slot_release(&boot->slot);
		boot->slot = next;
		next = (struct slot){};
		why = error_free(why);
		r = try_usr(boot, &why);
	}
	return 0;
}

/* The file that tells mkfs.ext4 the image's defaults, where the image has one. */
static char *mkfs_settings(const struct settings *settings)
{
	_cleanup_free_ char *path = settings->etc ? string_format("%s/mke2fs.conf", settings->etc) : NULL;
	_cleanup_free_ char *outside = path ? string_format(NEW_ROOT "%s", path) : NULL;

	return outside && access(outside, F_OK) == 0 ? TAKE_PTR(path) : NULL;
}

static int try_state(struct boot *boot, struct error **err)
{
	_cleanup_free_ char *config = mkfs_settings(&boot->settings);
	struct state_query query = {
		.label = boot->settings.state_label,
		.minimum = boot->settings.state_minimum,
		.config = config,
	};

	if (uuid_parse(boot->settings.state_type, &query.type) < 0)
		return error_set(err, -EINVAL, "init.conf: state-type is no UUID");
	if (boot->slot.carried) {
		struct disk_wait wait = wait_of(boot);
		int r = disk_wait_state(&wait, &query, &boot->slot, err);

		if (r < 0)
			return r;
	}
	return state_mount(&query, &boot->slot, &boot->state, err);
}

static int open_state(struct boot *boot, struct error **err)
{
	_cleanup_error_ struct error *why = NULL;
	int r = boot->settings.state ? try_state(boot, &why) : state_mount_volatile(err);

	if (why && boot->settings.state_required) {
		error_move(err, TAKE_PTR(why));
		return r;
	}
	if (why) {
		report(REPORT_FAILURE, "%s; going on with a /var in memory", error_message(why));
		boot->degraded = strdup(error_message(why));
		r = state_mount_volatile(err);
	}
	if (r >= 0)
		r = state_mount_folders(err);
	if (r >= 0 && boot->settings.etc)
		r = etc_mount(boot->settings.etc, boot->settings.sealed, err);
	return r;
}

static int start(struct boot *boot, struct error **err)
{
	char root_hash[SHA256_HEX_SIZE];
	const struct record record = {
		.slot = &boot->slot,
		.root_hash = root_hash,
		.signature = boot->settings.signature,
		.state = boot->settings.state && !boot->degraded ? &boot->state : NULL,
		.degraded = boot->degraded,
		.kernel_ms = boot->kernel_ms,
		.usr_ms = boot->usr_ms,
		.done_ms = report_uptime_ms(),
	};
	int r;

	hex_encode(boot->query.root_hash, SHA256_SIZE, root_hash);
	r = record_write(&record, err);
	if (r >= 0)
		r = measure(boot, "leave-initrd", err);
	if (r < 0)
		return r;
	report(REPORT_NOTE, "done in %llu ms, %llu ms after the kernel began",
		(unsigned long long)(report_uptime_ms() - boot->kernel_ms),
		(unsigned long long)report_uptime_ms());
	return root_switch(boot->settings.init, err);
}

static int bring_up(struct boot *boot, struct error **err)
{
	static int (*const steps[])(struct boot * boot, struct error * *err) = {
		read_settings,
		find_root_hash,
		load_modules,
		check_machine,
		find_slot,
		open_usr,
		open_state,
		start,
	};
	int r = prepare_kernel(err);

	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(steps); i++)
		r = steps[i](boot, err);
	return r;
}

int main(void)
{
	struct boot boot = {.uevents = -1, .settings = {.failure_delay = 5}, .kernel_ms = report_uptime_ms()};
	struct error *err = NULL;
	bool off;

	if (getpid() != 1) {
		fprintf(stderr, "orlop-init is process 1 of an initrd and does nothing elsewhere\n");
		return EXIT_FAILURE;
	}
	(void)bring_up(&boot, &err);
	off = boot.settings.failure == FAILURE_POWEROFF;
	report(REPORT_FAILURE, "cannot start: %s; %s", error_message(err),
		off ? "powering off" : "restarting");
	sync();
	sleep((unsigned)boot.settings.failure_delay);
	(void)reboot(off ? RB_POWER_OFF : RB_AUTOBOOT);
	return EXIT_FAILURE;
}
