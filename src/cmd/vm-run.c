/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * `orlop vm run` and `orlop vm start`: the same options, a machine that lives as long as this program, and
 * one that lives on.
 */
#include <errno.h>
#include <time.h>

#include "base/file.h"
#include "base/string-util.h"
#include "cmd/paths.h"
#include "cmd/vm.h"
#include "vm/guest.h"

struct options {
	const char *architecture, *disk, *format, *accelerator, *cpu, *firmware, *vars, *keys, *tpm_state,
		*serial_log, *hostname;
	struct strv ports, credentials, smbios, exec;
	uint64_t memory, cpus, disk_size, timeout;
	bool secure_boot, empty_vars, tpm, write, offline, past_failures, quiet, wait;
};

#define AT(member) offsetof(struct options, member)

/* The options that both verbs have. */
#define START_OPTIONS                                                                                       \
	{"memory", 'm', "SIZE", "Memory of the guest. Default: 2G.", OPTION_SIZE, AT(memory)},              \
		{"cpus", 'c', "N", "Number of processors. Default: 2.", OPTION_NUMBER, AT(cpus)},           \
		{"port", 'p', "HOST:GUEST[/udp]",                                                           \
			"Forward a port of 127.0.0.1 to one of the guest; HOST 0: a free one is chosen "    \
			"(orlop vm list shows it).",                                                        \
			OPTION_LIST, AT(ports)},                                                            \
		{"offline", 0, NULL, "The guest reaches nobody; forwarded ports still reach it.",           \
			OPTION_TRUE, AT(offline)},                                                          \
		{"hostname", 0, "NAME", "Short for --credential=system.hostname=NAME.", OPTION_STRING,      \
			AT(hostname)},                                                                      \
		{"credential", 0, "NAME=VALUE|NAME:FILE", "Give the guest a systemd credential.",           \
			OPTION_LIST, AT(credentials)},                                                      \
		{"smbios", 0, "STRING",                                                                     \
			"Give the guest an SMBIOS string of type 11, which firmware and systemd read.",     \
			OPTION_LIST, AT(smbios)},                                                           \
		{"write", 0, NULL,                                                                          \
			"Let the guest write to the image. Otherwise what it writes is thrown away at its " \
			"end.",                                                                             \
			OPTION_TRUE, AT(write)},                                                            \
		{"disk-size", 0, "SIZE", "Let the guest see a larger disk than the image.", OPTION_SIZE,    \
			AT(disk_size)},                                                                     \
		{"arch", 'a', "ARCH",                                                                       \
			"amd64 or arm64. Default: what a raw image is for, else this machine's.",           \
			OPTION_STRING, AT(architecture)},                                                   \
		{"disk", 0, "BUS", "What the image is attached to: virtio (default), scsi, nvme or sata.",  \
			OPTION_STRING, AT(disk)},                                                           \
		{"format", 0, "FORMAT", "The image's format: raw (default) or qcow2. It is never guessed.", \
			OPTION_STRING, AT(format)},                                                         \
		{"keys", 0, "DIR",                                                                          \
			"The folder of `orlop keys init` whose PK, KEK and db the firmware gets. Default: " \
			"$XDG_DATA_HOME/orlop/keys.",                                                       \
			OPTION_STRING, AT(keys)},                                                           \
		{"no-secure-boot", 0, NULL, "Firmware with Secure Boot switched off.", OPTION_FALSE,        \
			AT(secure_boot)},                                                                   \
		{"empty-vars", 0, NULL, "Firmware in setup mode: it can do Secure Boot and has no keys.",   \
			OPTION_TRUE, AT(empty_vars)},                                                       \
		{"vars", 0, "FILE", "A variable store of one's own, changed in place.", OPTION_STRING,      \
			AT(vars)},                                                                          \
		{"firmware", 0, "FILE", "Other firmware than that of the host's package.", OPTION_STRING,   \
			AT(firmware)},                                                                      \
		{"no-tpm", 0, NULL, "No TPM.", OPTION_FALSE, AT(tpm)},                                      \
		{"tpm-state", 0, "DIR",                                                                     \
			"Keep the TPM's state in this folder. Otherwise each start has a new TPM.",         \
			OPTION_STRING, AT(tpm_state)},                                                      \
		{"serial-log", 0, "FILE", "Write what the guest says on its console to this file.",         \
			OPTION_STRING, AT(serial_log)},                                                     \
		{"accelerator", 0, "NAME",                                                                  \
			"auto (default: kvm where that boots a guest, tcg otherwise), kvm or tcg.",         \
			OPTION_STRING, AT(accelerator)},                                                    \
		{"cpu", 0, "MODEL",                                                                         \
			"QEMU's name of a processor model. Default: the host's own, or all that TCG can "   \
			"do.",                                                                              \
			OPTION_STRING, AT(cpu)},                                                            \
		{"timeout", 't', "SECONDS",                                                                 \
			"How long the guest may take to come up. Default: 180, under TCG 900.",             \
			OPTION_NUMBER, AT(timeout)},                                                        \
		{"past-failures", 0, NULL,                                                                  \
			"Go on waiting where the guest's console says that a start failed: it may restart " \
			"into something "                                                                   \
			"else.",                                                                            \
			OPTION_TRUE, AT(past_failures)},                                                    \
	{                                                                                                   \
		"quiet", 'q', NULL, "Don't say what happens.", OPTION_TRUE, AT(quiet)                       \
	}

static const struct command_option run_options[] = {
	{"exec", 'e', "COMMAND",
		"Run this command line in the guest's root shell when it is up; can be given several times. "
		"The guest is "
		"powered off afterwards.",
		OPTION_LIST, AT(exec)},
	START_OPTIONS,
	{},
};

static const struct command_option start_options[] = {
	{"no-wait", 0, NULL, "Don't wait until the guest is up.", OPTION_FALSE, AT(wait)},
	START_OPTIONS,
	{},
};

static const struct command_usage run_usage = {
	.name = "orlop vm run",
	.arguments = "IMAGE",
	.summary = "Starts a disk image in a virtual machine, runs commands in it and powers it off. Without "
		   "--exec it "
		   "shows the machine's console until the guest powers off; Ctrl-] ends it at once.",
	.options = run_options,
	.notes = "IMAGE may be a URL, http://10.0.2.2:PORT/FILE for a server on the host: the firmware "
		 "fetches and "
		 "starts it, in a machine without a disk.\n\n"
		 "What the commands write comes out as it is; the last one reads standard input where that "
		 "is no "
		 "terminal. When this program ends, however it does, nothing of the machine stays behind.\n\n"
		 "Exit status: that of the last command that failed, 0 where none did; 1 where the machine "
		 "or the guest "
		 "did not start; 2 where the command line is wrong.",
	.least = 1,
	.most = 1,
};

static const struct command_usage start_usage = {
	.name = "orlop vm start",
	.arguments = "NAME IMAGE",
	.summary = "Starts a disk image in a virtual machine that goes on running, and waits until the guest "
		   "is up. "
		   "`orlop vm exec`, `console`, `reset` and `stop` find it by its name.",
	.options = start_options,
	.notes = "Exit status: 0 where the guest is up; 1 where it is not, and the machine has been ended; 2 "
		 "where the "
		 "command line is wrong.",
	.least = 2,
	.most = 2,
};

static void options_release(struct options *options)
{
	strv_release(&options->ports);
	strv_release(&options->credentials);
	strv_release(&options->smbios);
	strv_release(&options->exec);
}

/* The index of *word* among *words*; where it is none of them, an error that lists them. */
static int choose(const struct command_usage *usage, const char *option, const char *word,
	const char *const words[], unsigned *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer list = {};

	for (unsigned i = 0; word && words[i]; i++) {
		if (streq(word, words[i])) {
			*ret = i;
			return 0;
		}
		buffer_printf(&list, "%s%s", i ? ", " : "", words[i]);
	}
	if (!word)
		return 0;
	return command_usage_error(
		usage, err, "--%s %s: not one of %.*s", option, word, (int)list.size, (char *)list.data);
}

static int apply_choices(const struct options *options, const struct command_usage *usage,
	struct vm_config *config, struct error **err)
{
	static const char *const architectures[] = {"amd64", "arm64", NULL};
	unsigned architecture = 0, bus = VM_DISK_VIRTIO, format = VM_IMAGE_RAW,
		 accelerator = VM_ACCELERATOR_AUTO;
	int r = choose(usage, "disk", options->disk,
		(const char *const[]){"virtio", "scsi", "nvme", "sata", NULL}, &bus, err);

	if (r == 0)
		r = choose(usage, "arch", options->architecture, architectures, &architecture, err);
	if (r == 0)
		r = choose(usage, "format", options->format, (const char *const[]){"raw", "qcow2", NULL},
			&format, err);
	if (r == 0)
		r = choose(usage, "accelerator", options->accelerator,
			(const char *const[]){"auto", "kvm", "tcg", NULL}, &accelerator, err);
	config->architecture = options->architecture ? architectures[architecture] : NULL;
	config->bus = (enum vm_disk_bus)bus;
	config->format = (enum vm_image_format)format;
	config->accelerator = (enum vm_accelerator)accelerator;
	return r;
}

/* Where the firmware's variables come from: at most one of the options may say. */
static int apply_variables(const struct options *options, const struct command_usage *usage, char **keys,
	struct vm_config *config, struct error **err)
{
	if (!options->secure_boot + options->empty_vars + (options->vars != NULL) + (options->keys != NULL) >
		1)
		return command_usage_error(
			usage, err, "--no-secure-boot, --empty-vars, --vars and --keys exclude each other");
	config->vars = options->vars;
	config->variables = !options->secure_boot ? VM_VARIABLES_NONE
			    : options->empty_vars ? VM_VARIABLES_EMPTY
			    : options->vars	  ? VM_VARIABLES_FILE
						  : VM_VARIABLES_KEYS;
	if (config->variables != VM_VARIABLES_KEYS)
		return 0;
	*keys = options->keys ? path_given(options->keys, err) : path_keys(err);
	if (!*keys)
		return options->keys ? error_set_errno(err, -ENOMEM, "keys") : -ENOENT;
	config->keys = *keys;
	return 0;
}

/* A value that the user gave wrongly is an error of the command line; the library says what is wrong with it.
 */
static int usage_status(int r)
{
	return r == -EINVAL || r == -E2BIG ? EXIT_USAGE : r;
}

static int apply_lists(const struct options *options, struct vm_config *config, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < options->ports.count; i++)
		r = vm_config_add_port(config, options->ports.items[i], err);
	if (r == 0 && options->hostname)
		r = vm_config_add_credential(
			config, "system.hostname", options->hostname, strlen(options->hostname), err);
	for (size_t i = 0; r == 0 && i < options->credentials.count; i++)
		r = vm_config_parse_credential(config, options->credentials.items[i], err);
	for (size_t i = 0; r == 0 && i < options->smbios.count; i++)
		if (strv_add(&config->smbios, options->smbios.items[i]) < 0)
			r = error_set_errno(err, -ENOMEM, "SMBIOS strings");
	return r;
}

/* Makes settings of the options. *keys* is the folder's path, which the caller frees after the settings. */
static int apply(const struct options *options, const struct command_usage *usage, const char *image,
	char **keys, struct vm_config *config, struct error **err)
{
	int r;

	vm_config_init(config);
	config->image = image;
	config->memory = options->memory;
	config->cpus = options->cpus;
	config->disk_size = options->disk_size;
	config->write = options->write;
	config->offline = options->offline;
	config->tpm = options->tpm;
	config->tpm_state = options->tpm_state;
	config->serial_log = options->serial_log;
	config->cpu = options->cpu;
	config->firmware = options->firmware;
	r = apply_choices(options, usage, config, err);
	if (r == 0)
		r = apply_variables(options, usage, keys, config, err);
	if (r == 0)
		r = apply_lists(options, config, err);
	if (r == 0)
		r = vm_config_check(config, err);
	return usage_status(r);
}

static void say_what_starts(const struct vm_machine *machine, const struct vm_config *config)
{
	static const char *const boots[] = {
		[VM_VARIABLES_KEYS] = "Secure Boot",
		[VM_VARIABLES_EMPTY] = "setup mode",
		[VM_VARIABLES_FILE] = "own variable store",
		[VM_VARIABLES_NONE] = "no Secure Boot",
	};
	const char *why = config->accelerator == VM_ACCELERATOR_AUTO ? " (KVM boots no guest here)" : "";
	char memory[SIZE_TEXT_MAX];

	fprintf(stderr, "vm %s: %s%s, %llu processors, %s, %s, %s\n", machine->folder.name,
		machine->kvm ? "KVM" : "TCG", machine->kvm ? "" : why, (unsigned long long)config->cpus,
		format_size(config->memory, memory), boots[config->variables],
		config->tpm ? "TPM" : "no TPM");
}

static int start(const struct options *options, const struct command_usage *usage, const char *name,
	const char *image, struct vm_machine *machine, struct error **err)
{
	_cleanup_free_ char *keys = NULL, *runtime = path_runtime(err), *boot_id = NULL, *key = NULL;
	_cleanup_vm_config_ struct vm_config config = {};
	struct vm_environment environment = {.runtime = runtime, .now = time(NULL)};
	int r = runtime ? apply(options, usage, image, &keys, &config, err) : -ENOMEM;

	if (r != 0)
		return r;
	r = file_read("/proc/sys/kernel/random/boot_id", 128, &boot_id, NULL, err);
	if (r < 0)
		return r;
	boot_id[strcspn(boot_id, "\n")] = 0;
	environment.boot_id = boot_id;
	if (config.write) {
		environment.ssh_key = key = path_vm_key(err);
		if (!key)
			return -ENOENT;
	}
	r = vm_machine_start(&config, name, &environment, machine, err);
	if (r < 0)
		return r;
	vm_guard_begin(machine);
	if (!options->quiet)
		say_what_starts(machine, &config);
	return 0;
}

static int wait_up(struct vm_machine *machine, const struct options *options, struct error **err)
{
	time_t begin = time(NULL);
	int r = vm_guest_wait(machine, vm_up_timeout(machine, options->timeout), options->past_failures, err);

	if (r == 0 && !options->quiet)
		fprintf(stderr, "vm %s: up after %lld s\n", machine->folder.name,
			(long long)(time(NULL) - begin));
	return r;
}

/* Runs all commands; the exit status of the last one that failed, or a negative errno. */
static int run_commands(struct vm_machine *machine, const struct strv *commands, struct error **err)
{
	int status = 0, r;

	for (size_t i = 0; i < commands->count; i++) {
		int input = i + 1 == commands->count ? vm_command_input() : -1;

		r = vm_guest_exec(machine, commands->items[i], input, err);
		if (r < 0)
			return r;
		if (r > 0)
			status = r;
	}
	return status;
}

static int run_with_commands(struct vm_machine *machine, const struct options *options, struct error **err)
{
	int status, r = vm_machine_continue(machine, err);

	if (r == 0)
		r = wait_up(machine, options, err);
	if (r < 0)
		return r;
	status = run_commands(machine, &options->exec, err);
	r = status < 0 ? status : vm_guest_power_off(machine, vm_down_timeout(machine), err);
	if (r == 0)
		fprintf(stderr, "vm %s: did not power off, was ended\n", machine->folder.name);
	return r < 0 ? r : status;
}

/* The processors start when the console is connected, so that none of its output is missed. */
struct starting {
	struct vm_machine *machine;
	struct error *err;
};

static void continue_machine(void *userdata)
{
	struct starting *starting = userdata;

	(void)vm_machine_continue(starting->machine, &starting->err);
}

static int run_with_console(struct vm_machine *machine, struct error **err)
{
	struct starting starting = {.machine = machine};
	int r = vm_attach_console(machine, continue_machine, &starting, err);

	if (r == 0 && starting.err) {
		error_move(err, starting.err);
		return -EIO;
	}
	error_free(starting.err);
	return r < 0 ? r : 0;
}

int cmd_vm_run(int argc, char **argv, struct error **err)
{
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	_cleanup_(options_release) struct options options = {
		.memory = GiB(2), .cpus = 2, .secure_boot = true, .tpm = true, .wait = true};
	struct command_call call;
	char name[32];
	int r;

	if (!command_parse(&run_usage, argc, argv, &options, &call, err))
		return call.status;
	(void)snprintf(name, sizeof(name), "run-%d", (int)getpid());
	r = start(&options, &run_usage, name, call.arguments[0], &machine, err);
	if (r != 0)
		return r;
	return options.exec.count > 0 ? run_with_commands(&machine, &options, err)
				      : run_with_console(&machine, err);
}

int cmd_vm_start(int argc, char **argv, struct error **err)
{
	_cleanup_vm_machine_ struct vm_machine machine = VM_MACHINE_INIT;
	_cleanup_(options_release) struct options options = {
		.memory = GiB(2), .cpus = 2, .secure_boot = true, .tpm = true, .wait = true};
	struct command_call call;
	int r;

	if (!command_parse(&start_usage, argc, argv, &options, &call, err))
		return call.status;
	r = vm_name_check(call.arguments[0], err);
	if (r < 0)
		return EXIT_USAGE;
	r = start(&options, &start_usage, call.arguments[0], call.arguments[1], &machine, err);
	if (r != 0)
		return r;
	r = vm_machine_continue(&machine, err);
	if (r == 0 && options.wait)
		r = wait_up(&machine, &options, err);
	if (r == 0)
		r = vm_machine_keep(&machine, err);
	vm_guard_end();
	return r;
}
