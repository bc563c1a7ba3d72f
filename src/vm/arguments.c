/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/arguments.h"

#include <errno.h>

static const char *const formats[] = {
	[VM_IMAGE_RAW] = "raw",
	[VM_IMAGE_QCOW2] = "qcow2",
};

/* Adds all words up to NULL. */
static int add_all(struct strv *list, const char *const *words)
{
	int r = 0;

	for (; r == 0 && *words; words++)
		r = strv_add(list, *words);
	return r;
}

/* Adds an option and its value: *before*, then *path* with each comma doubled as QEMU wants it, then *after*.
 */
static int add_path(
	struct strv *list, const char *option, const char *before, const char *path, const char *after)
{
	_cleanup_buffer_ struct buffer value = {};
	int r = strv_add(list, option);

	buffer_append_string(&value, before);
	for (; *path; path++) {
		buffer_append(&value, path, 1);
		if (*path == ',')
			buffer_append(&value, ",", 1);
	}
	buffer_append_string(&value, after);
	return r < 0 ? r : strv_push(list, buffer_take(&value, NULL));
}

static int add_machine(struct strv *list, const struct vm_config *config, const struct vm_launch *launch)
{
	const struct vm_platform *platform = launch->platform;
	bool secure = config->variables != VM_VARIABLES_NONE;
	const char *cpu = config->cpu ? config->cpu : launch->kvm ? "host" : platform->cpu;
	const char *accelerator = launch->kvm	     ? "kvm"
				  : launch->parallel ? "tcg,thread=multi"
						     : "tcg,thread=single";
	int r;

	r = add_all(
		list, (const char *const[]){platform->qemu, "-nodefaults", "-no-user-config", "-display",
			      "none", "-S", "-machine", secure ? platform->machine_secure : platform->machine,
			      "-accel", accelerator, "-cpu", cpu, "-device", "virtio-rng-pci", "-m", NULL});
	if (r == 0)
		r = strv_addf(list, "%llu", (unsigned long long)(config->memory / MiB(1)));
	if (r == 0)
		r = strv_add(list, "-smp");
	if (r == 0)
		r = strv_addf(list, "%llu", (unsigned long long)config->cpus);
	if (r == 0)
		r = add_all(list, platform->arguments);
	if (r == 0 && secure)
		r = add_all(list, platform->secure_arguments);
	return r;
}

static int add_firmware(struct strv *list, const struct vm_launch *launch)
{
	int r = add_path(list, "-drive", "if=pflash,unit=0,format=raw,readonly=on,file=", launch->code, "");

	return r < 0 ? r : add_path(list, "-drive", "if=pflash,unit=1,format=raw,file=", launch->vars, "");
}

/*
 * The image. The overlay that keeps it as it is, is QEMU's own (snapshot=on): a file in TMPDIR or /var/tmp
 * that has no name from the moment it is opened, so that no crash leaves it behind. What is thrown away needs
 * no flush.
 */
static int add_disk(struct strv *list, const struct vm_config *config, const struct vm_platform *platform)
{
	static const char *const devices[][3] = {
		[VM_DISK_VIRTIO] = {"-device", "virtio-blk-pci,drive=" VM_DISK_ID ",bootindex=1"},
		[VM_DISK_SCSI] = {"-device", "scsi-hd,drive=" VM_DISK_ID ",bus=scsi.0,bootindex=1"},
		[VM_DISK_NVME] = {"-device", "nvme,drive=" VM_DISK_ID ",serial=orlop,bootindex=1"},
		[VM_DISK_SATA] = {"-device", "ide-hd,drive=" VM_DISK_ID ",bus=ide.0,bootindex=1"},
	};
	_cleanup_free_ char *before = string_format(
		"if=none,id=" VM_DISK_ID ",format=%s,discard=unmap%s,file=", formats[config->format],
		config->write ? "" : ",snapshot=on,cache=unsafe");
	int r = before ? add_path(list, "-drive", before, config->image, "") : -ENOMEM;

	if (r == 0 && config->bus == VM_DISK_SCSI)
		r = add_all(list, (const char *const[]){"-device", "virtio-scsi-pci,id=scsi", NULL});
	if (r == 0 && config->bus == VM_DISK_SATA)
		r = add_all(list, platform->sata_arguments);
	return r < 0 ? r : add_all(list, devices[config->bus]);
}

/* User networking: the guest is behind QEMU, which needs no rights. A forward to ssh on a free port comes
 * first. */
static int add_network(struct strv *list, const struct vm_config *config)
{
	_cleanup_buffer_ struct buffer value = {};
	int r;

	buffer_printf(&value, "user,id=" VM_NET_ID "%s,hostfwd=tcp:127.0.0.1:0-:22",
		config->offline ? ",restrict=on" : "");
	for (size_t i = 0; i < config->port_count; i++)
		buffer_printf(&value, ",hostfwd=%s:127.0.0.1:%u-:%u", config->ports[i].udp ? "udp" : "tcp",
			config->ports[i].host, config->ports[i].guest);
	r = strv_add(list, "-netdev");
	if (r == 0)
		r = strv_push(list, buffer_take(&value, NULL));
	return r < 0 ? r
		     : add_all(list, (const char *const[]){
					     "-device", "virtio-net-pci,romfile=,netdev=" VM_NET_ID, NULL});
}

static int add_sockets(struct strv *list, const struct vm_launch *launch)
{
	_cleanup_free_ char *serial =
		string_format("socket,id=serial,server=on,wait=off,fd=%d,logfile=", launch->serial_fd);
	int r = serial ? add_path(list, "-chardev", serial, launch->serial_log, "") : -ENOMEM;

	if (r == 0)
		r = add_all(list, (const char *const[]){"-serial", "chardev:serial", "-chardev", NULL});
	if (r == 0)
		r = strv_addf(list, "socket,id=qmp,server=on,wait=off,fd=%d", launch->qmp_fd);
	return r < 0 ? r : add_all(list, (const char *const[]){"-mon", "chardev=qmp,mode=control", NULL});
}

static int add_tpm(struct strv *list, const struct vm_launch *launch)
{
	int r = strv_add(list, "-chardev");

	if (r == 0)
		r = strv_addf(list, "socket,id=tpm,fd=%d", launch->tpm_fd);
	if (r == 0)
		r = add_all(list,
			(const char *const[]){"-tpmdev", "emulator,id=tpm0,chardev=tpm", "-device", NULL});
	return r < 0 ? r : strv_addf(list, "%s,tpmdev=tpm0", launch->platform->tpm_device);
}

int vm_qemu_arguments(const struct vm_config *config, const struct vm_launch *launch, struct strv *ret)
{
	int r = add_machine(ret, config, launch);

	if (r == 0)
		r = add_firmware(ret, launch);
	if (r == 0 && !vm_image_is_url(config->image))
		r = add_disk(ret, config, launch->platform);
	if (r == 0)
		r = add_network(ret, config);
	if (r == 0)
		r = add_sockets(ret, launch);
	if (r == 0 && launch->tpm_fd >= 0)
		r = add_tpm(ret, launch);
	for (size_t i = 0; r == 0 && i < launch->credentials->count; i++)
		r = add_path(ret, "-smbios", "type=11,path=", launch->credentials->items[i], "");
	return r;
}

/* swtpm ends when QEMU closes the connection. */
int vm_swtpm_arguments(const char *state, int fd, struct strv *ret)
{
	int r = add_all(ret, (const char *const[]){"swtpm", "socket", "--tpm2", "--terminate", NULL});

	if (r == 0)
		r = strv_add(ret, "--tpmstate");
	if (r == 0)
		r = strv_addf(ret, "dir=%s", state);
	if (r == 0)
		r = strv_add(ret, "--ctrl");
	return r < 0 ? r : strv_addf(ret, "type=unixio,clientfd=%d", fd);
}
