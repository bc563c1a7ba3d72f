/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/string-util.h"
#include "vm/child.h"

/* A guest of a few instructions needs milliseconds; a host where it needs longer is better off with TCG. */
#define PROBE_LIMIT_MS 10000

enum {
	FIRMWARE_SIZE = 64 * 1024,
	RESET_VECTOR = FIRMWARE_SIZE - 16,
};

/*
 * Real mode, at F000:0000, jumped to from the reset vector; it enters protected mode, since that is where
 * broken nested virtualisation shows, and writes 0x10 to port 0xf4: QEMU exits with (0x10 << 1) | 1.
 */
static const uint8_t amd64_code[] = {
	0xfa,						/* cli */
	0x2e, 0x66, 0x0f, 0x01, 0x16, 0x40, 0x00,	/* lgdtl %cs:0x40 */
	0x0f, 0x20, 0xc0,				/* mov %cr0, %eax */
	0x66, 0x83, 0xc8, 0x01,				/* or $1, %eax */
	0x0f, 0x22, 0xc0,				/* mov %eax, %cr0 */
	0x66, 0xea, 0x20, 0x00, 0x0f, 0x00, 0x08, 0x00, /* ljmpl $8, $0xf0020 */
};
static const uint8_t amd64_code_32[] = {
	0x66, 0xba, 0xf4, 0x00, /* mov $0xf4, %dx */
	0xb0, 0x10,		/* mov $0x10, %al */
	0xee,			/* out %al, (%dx) */
	0xf4,			/* hlt */
	0xeb, 0xfd,		/* jmp to it */
};
static const uint8_t amd64_gdt_pointer[] = {0x0f, 0x00, 0x48, 0x00, 0x0f, 0x00}; /* 16 bytes at 0xf0048 */
static const uint8_t amd64_gdt[] = {
	0, 0, 0, 0, 0, 0, 0, 0,		    /* nothing */
	0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0, /* flat 32-bit code */
};
static const uint8_t amd64_reset[] = {0xea, 0x00, 0x00, 0x00, 0xf0}; /* ljmp $0xf000, $0 */

/* At the machine "virt"'s reset vector, where its flash memory begins: SYSTEM_OFF of PSCI (Arm DEN
 * 0022, 5.9). */
static const uint8_t arm64_code[] = {
	0x00, 0x01, 0x80, 0x52, /* mov w0, #0x8 */
	0x00, 0x80, 0xb0, 0x72, /* movk w0, #0x8400, lsl #16 */
	0x02, 0x00, 0x00, 0xd4, /* hvc #0 */
	0x00, 0x00, 0x00, 0x14, /* b to it */
};

int vm_kvm_probe_firmware(const struct vm_platform *platform, struct buffer *ret)
{
	uint8_t *firmware = buffer_extend(ret, FIRMWARE_SIZE);

	if (!firmware)
		return -ENOMEM;
	memset(firmware, 0xf4, FIRMWARE_SIZE);
	if (streq(platform->architecture, "arm64")) {
		memcpy(firmware, arm64_code, sizeof(arm64_code));
		return 0;
	}
	memcpy(firmware, amd64_code, sizeof(amd64_code));
	memcpy(firmware + 0x20, amd64_code_32, sizeof(amd64_code_32));
	memcpy(firmware + 0x40, amd64_gdt_pointer, sizeof(amd64_gdt_pointer));
	memcpy(firmware + 0x48, amd64_gdt, sizeof(amd64_gdt));
	memcpy(firmware + RESET_VECTOR, amd64_reset, sizeof(amd64_reset));
	return 0;
}

/* The firmware as a file without a name. */
static int firmware_file(const struct vm_platform *platform, struct error **err)
{
	_cleanup_buffer_ struct buffer firmware = {};
	_cleanup_close_ int fd = memfd_create("kvm-probe", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return error_set_errno(err, -errno, "cannot make a file in memory");
	r = vm_kvm_probe_firmware(platform, &firmware);
	if (r == 0)
		r = write_full(fd, firmware.data, firmware.size);
	return r < 0 ? error_set_errno(err, r, "cannot write a file in memory") : TAKE_FD(fd);
}

/* Waits for the program's end within the limit; after that it is killed. */
static int wait_limited(pid_t pid)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	uint64_t deadline = now_ms() + PROBE_LIMIT_MS, now;

	while (pidfd >= 0 && !poll_fd.revents && (now = now_ms()) < deadline)
		(void)poll(&poll_fd, 1, (int)(deadline - now));
	(void)kill(pid, SIGKILL);
	return child_wait(pid);
}

static int probe_arguments(const struct vm_platform *platform, const char *firmware, struct strv *ret)
{
	const char *const words[] = {platform->qemu, "-nodefaults", "-no-user-config", "-display", "none",
		"-machine", platform->machine_secure, "-accel", "kvm", "-cpu", "host", "-m", "64",
		"-no-reboot", "-bios", firmware};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words) && r == 0; i++)
		r = strv_add(ret, words[i]);
	for (size_t i = 0; platform->probe_arguments[i] && r == 0; i++)
		r = strv_add(ret, platform->probe_arguments[i]);
	return r;
}

static int probe(const struct vm_platform *platform, struct error **err)
{
	_cleanup_close_ int firmware = firmware_file(platform, err);
	_cleanup_strv_ struct strv arguments = {};
	struct child_spec spec = {
		.input = -1, .output = -1, .message = -1, .keep = &firmware, .keep_count = 1};
	char path[64];
	pid_t pid;
	int r;

	if (firmware < 0)
		return firmware;
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", firmware);
	r = probe_arguments(platform, path, &arguments);
	if (r < 0)
		return error_set_errno(err, r, "KVM probe");
	spec.arguments = (const char *const *)arguments.items;
	r = child_spawn(&spec, &pid, err);
	return r < 0 ? r : wait_limited(pid) == platform->probe_status;
}

int vm_kvm_works(
	const struct vm_platform *platform, const char *runtime, const char *boot_id, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/kvm-%s", runtime, platform->architecture);
	_cleanup_free_ char *known = NULL, *yes = string_format("%s yes\n", boot_id);
	_cleanup_free_ char *no = string_format("%s no\n", boot_id);
	const struct vm_platform *native = vm_platform_native();
	int r;

	if (!native || !streq(native->architecture, platform->architecture))
		return 0;
	if (!path || !yes || !no)
		return error_set_errno(err, -ENOMEM, "KVM probe");
	if (file_read(path, 256, &known, NULL, NULL) == 0 && (streq(known, yes) || streq(known, no)))
		return streq(known, yes);
	/* Who may not even open it needs no probe, and will perhaps be given the right in a minute. */
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return 0;
	r = probe(platform, err);
	if (r >= 0)
		(void)file_write_atomic(path, r ? yes : no, strlen(r ? yes : no), 0600, NULL);
	return r;
}
