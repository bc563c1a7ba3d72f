/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm/prepare.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/process.h"
#include "base/utf16.h"
#include "build/keys.h"
#include "format/ovmf-vars.h"
#include "vm/kvm.h"
#include "vm/tcg.h"

/* The credential by which systemd gives root an authorized_keys file (systemd-tmpfiles, provision.conf). */
#define SSH_CREDENTIAL "ssh.authorized_keys.root"

void vm_preparation_close(struct vm_preparation *preparation)
{
	int *const fds[] = {
		&preparation->qmp_fd, &preparation->serial_fd, &preparation->tpm_fd, &preparation->swtpm_fd};

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		cleanup_closep(fds[i]);
		*fds[i] = -1;
	}
}

void vm_preparation_release(struct vm_preparation *preparation)
{
	vm_preparation_close(preparation);
	cleanup_closep(&preparation->log_fd);
	strv_release(&preparation->qemu);
	strv_release(&preparation->swtpm);
	free(preparation->image);
	free(preparation->serial_log);
	*preparation = (struct vm_preparation)VM_PREPARATION_INIT;
}

/* An absolute path, since the machine's processes leave the present folder. NULL where memory is out. */
static char *absolute(const char *path)
{
	_cleanup_free_ char *here = *path == '/' ? NULL : getcwd(NULL, 0);

	return here ? string_format("%s/%s", here, path) : strdup(path);
}

static int prepare_image(
	const struct vm_config *config, struct vm_preparation *preparation, struct error **err)
{
	struct stat st;

	bool url = vm_image_is_url(config->image);

	preparation->image = url ? strdup(config->image) : absolute(config->image);
	if (!preparation->image)
		return error_set_errno(err, -ENOMEM, "%s", config->image);
	if (url)
		return 0;
	if (access(config->image, config->write ? R_OK | W_OK : R_OK) < 0 || stat(config->image, &st) < 0)
		return error_set_errno(err, -errno, "cannot open the image %s", config->image);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return error_set(err, -EINVAL, "%s is neither a file nor a disk", config->image);
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return error_set(err, -EINVAL, "the image %s is empty", config->image);
	if (S_ISREG(st.st_mode) && config->format == VM_IMAGE_RAW && config->disk_size > 0 &&
		(uint64_t)st.st_size > config->disk_size)
		return error_set(err, -EINVAL, "the disk's size is below that of %s, %lld bytes",
			config->image, (long long)st.st_size);
	return 0;
}

/* Opens the guest's console log empty: what stood in it is of another machine. */
static int prepare_serial_log(const struct vm_config *config, const struct vm_folder *folder,
	struct vm_preparation *preparation, struct error **err)
{
	_cleanup_close_ int fd = -1;

	preparation->serial_log =
		config->serial_log ? absolute(config->serial_log) : vm_folder_file(folder, "serial.log");
	if (!preparation->serial_log)
		return error_set_errno(err, -ENOMEM, "serial log");
	/* The state of the machine, which is JSON, says where it is. */
	if (!utf8_is_valid(preparation->serial_log))
		return error_set(
			err, -EILSEQ, "the serial log %s: its path has to be UTF-8", preparation->serial_log);
	fd = open(preparation->serial_log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return error_set_errno(
			err, -errno, "cannot write the serial log %s", preparation->serial_log);
	return 0;
}

/*
 * Variables of a machine whose owner has switched Secure Boot off. A platform key has to be there, one that
 * nobody keeps: without it the firmware is in setup mode, and a boot loader that finds keys to enrol switches
 * Secure Boot on.
 */
static int enroll_nobody(const void *empty, size_t size, int64_t now, struct buffer *ret, struct error **err)
{
	_cleanup_signer_pem_ struct signer_pem pem = {};
	_cleanup_signer_ struct signer *signer = NULL;
	struct efi_trust trust = {};
	int r;

	r = signer_generate(
		&(struct signer_claim){.name = "nobody", .not_before = now, .years = 1}, NULL, &pem, err);
	if (r == 0)
		r = signer_from_pem("nobody", pem.certificate, strlen(pem.certificate), pem.key,
			strlen(pem.key), &signer, err);
	if (r < 0)
		return r;
	trust.pk.der = signer_certificate(signer, &trust.pk.size);
	trust.kek = trust.db = trust.pk;
	r = ovmf_vars_enroll(empty, size, &trust, now, ret, err);
	return r < 0 ? r : ovmf_vars_switch_off(ret, err);
}

/* Variables of a machine that trusts the keys in a folder. */
static int enroll_keys(const char *folder, const void *empty, size_t size, int64_t now, struct buffer *ret,
	struct error **err)
{
	_cleanup_keys_ struct keys keys = {};
	struct efi_trust trust;
	int r = keys_open_certificates(folder, &keys, err);

	if (r < 0)
		return r;
	trust = keys_trust(&keys);
	return ovmf_vars_enroll(empty, size, &trust, now, ret, err);
}

/* A fresh copy of the empty variable store, with or without keys in it. */
static int make_variables(const struct vm_config *config, const struct vm_platform *platform,
	const char *path, int64_t now, struct error **err)
{
	_cleanup_buffer_ struct buffer enrolled = {};
	_cleanup_free_ char *empty = NULL;
	const char *template;
	size_t size;
	int r = vm_firmware_find(platform, platform->variables, &template, err);

	if (r >= 0)
		r = file_read(template, OVMF_VARS_MAX, &empty, &size, err);
	if (r < 0)
		return r;
	if (config->variables == VM_VARIABLES_EMPTY)
		return file_write_atomic(path, empty, size, 0600, err);
	if (config->variables == VM_VARIABLES_NONE)
		r = enroll_nobody(empty, size, now, &enrolled, err);
	else
		r = enroll_keys(config->keys, empty, size, now, &enrolled, err);
	if (r >= 0 && vm_image_is_url(config->image))
		r = ovmf_vars_set_boot_url(&enrolled, config->image, err);
	return r < 0 ? r : file_write_atomic(path, enrolled.data, enrolled.size, 0600, err);
}

/* The firmware's code; *ret* is malloc()ed. */
static int find_code(
	const struct vm_config *config, const struct vm_platform *platform, char **ret, struct error **err)
{
	const char *path = config->firmware;
	int r = 0;

	if (!path)
		r = vm_firmware_find(platform,
			config->variables == VM_VARIABLES_NONE ? platform->code : platform->code_secure,
			&path, err);
	if (r < 0)
		return r;
	if (access(path, R_OK) < 0)
		return error_set_errno(err, -errno, "cannot read the firmware %s", path);
	*ret = absolute(path);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "%s", path);
}

/* Finds the firmware and has its variables ready; both paths are malloc()ed. */
static int prepare_firmware(const struct vm_config *config, const struct vm_platform *platform,
	const struct vm_folder *folder, int64_t now, char **ret_code, char **ret_vars, struct error **err)
{
	bool file = config->variables == VM_VARIABLES_FILE;
	_cleanup_free_ char *vars = file ? absolute(config->vars) : vm_folder_file(folder, "vars.fd");
	_cleanup_free_ char *code = NULL;
	int r = vars ? find_code(config, platform, &code, err)
		     : error_set_errno(err, -ENOMEM, "variable store");

	if (r == 0 && file && access(vars, R_OK | W_OK) < 0)
		r = error_set_errno(err, -errno, "cannot write to the variable store %s", vars);
	if (r == 0 && !file)
		r = make_variables(config, platform, vars, now, err);
	if (r == 0) {
		*ret_code = TAKE_PTR(code);
		*ret_vars = TAKE_PTR(vars);
	}
	return r;
}

/* A socket that clients can connect to before QEMU has it: QEMU gets it listening. */
static int listen_at(const char *path, struct error **err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (!path)
		return error_set_errno(err, -ENOMEM, "socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return error_set_errno(err, -ENAMETOOLONG, "%s", path);
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		return error_set_errno(err, -errno, "cannot make the socket %s", path);
	return TAKE_FD(fd);
}

static int prepare_sockets(
	const struct vm_folder *folder, struct vm_preparation *preparation, struct error **err)
{
	_cleanup_free_ char *qmp = vm_folder_file(folder, "qmp"), *serial = vm_folder_file(folder, "serial");

	preparation->qmp_fd = listen_at(qmp, err);
	if (preparation->qmp_fd < 0)
		return preparation->qmp_fd;
	preparation->serial_fd = listen_at(serial, err);
	if (preparation->serial_fd < 0)
		return preparation->serial_fd;
	preparation->log_fd = memfd_create("vm-log", MFD_CLOEXEC);
	if (preparation->log_fd < 0 || fcntl(preparation->log_fd, F_SETFL, O_APPEND) < 0)
		return error_set_errno(err, -errno, "cannot make a file in memory");
	return 0;
}

static int prepare_tpm(const struct vm_config *config, const struct vm_folder *folder,
	struct vm_preparation *preparation, struct error **err)
{
	_cleanup_free_ char *state = NULL;
	int pair[2], r;

	if (!config->tpm)
		return 0;
	state = config->tpm_state ? absolute(config->tpm_state) : vm_folder_file(folder, "tpm");
	if (!state)
		return error_set_errno(err, -ENOMEM, "TPM");
	if (mkdir(state, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "cannot make the TPM's folder %s", state);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, -errno, "cannot make a socket");
	preparation->tpm_fd = pair[0];
	preparation->swtpm_fd = pair[1];
	r = vm_swtpm_arguments(state, preparation->swtpm_fd, &preparation->swtpm);
	return r < 0 ? error_set_errno(err, r, "TPM") : 0;
}

/* ---- The key for ssh ---- */

static int run_keygen(const char *const *arguments, struct process_result *result, struct error **err)
{
	int r = process_run(arguments, NULL, 0, KiB(64), result, err);

	if (r == -ENOENT)
		return error_wrap(err, "install the package openssh-client");
	if (r < 0)
		return r;
	if (result->status != 0)
		return error_set(err, -EIO, "ssh-keygen failed: %.*s", (int)result->message.size,
			result->message.data ? (char *)result->message.data : "");
	return 0;
}

static int make_ssh_key(const char *path, struct error **err)
{
	const char *const arguments[] = {
		"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "orlop-vm", "-f", path, NULL};
	_cleanup_process_result_ struct process_result result = {};

	return run_keygen(arguments, &result, err);
}

/* Makes the key that is kept; where two do so at once, one of them wins and its key is that of both. */
static int make_kept_key(const char *kept, struct error **err)
{
	_cleanup_free_ char *folder = strndup(kept, (size_t)(strrchr(kept, '/') - kept)),
			    *mine = string_format("%s.%ld", kept, (long)getpid()),
			    *public = mine ? string_format("%s.pub", mine) : NULL;
	int r = folder && public ? mkdir_parents(folder, err) : error_set_errno(err, -ENOMEM, "ssh key");

	if (r < 0)
		return r;
	(void)unlink(mine);
	(void)unlink(public);
	r = make_ssh_key(mine, err);
	if (r >= 0 && link(mine, kept) < 0 && errno != EEXIST)
		r = error_set_errno(err, -errno, "%s", kept);
	(void)unlink(mine);
	(void)unlink(public);
	return r;
}

static int copy_kept_key(const char *kept, const char *path, struct error **err)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	int r = access(kept, F_OK) < 0 ? make_kept_key(kept, err) : 0;

	if (r >= 0)
		r = file_read_private(kept, KiB(16), &text, &size, err);
	return r < 0 ? r : file_write_atomic(path, text, size, 0600, err);
}

/*
 * The machine's key for ssh: *kept*, or where that is NULL one for this machine alone. Writes the line of its
 * public half to *ret*, malloc()ed.
 */
static int prepare_ssh_key(const struct vm_folder *folder, const char *kept, char **ret, struct error **err)
{
	_cleanup_free_ char *path = vm_folder_file(folder, "ssh-key");
	const char *const arguments[] = {"ssh-keygen", "-y", "-f", path, NULL};
	_cleanup_process_result_ struct process_result result = {};
	int r;

	if (!path)
		return error_set_errno(err, -ENOMEM, "ssh key");
	r = kept ? copy_kept_key(kept, path, err) : make_ssh_key(path, err);
	if (r >= 0)
		r = run_keygen(arguments, &result, err);
	if (r < 0)
		return kept ? (error_wrap(err, "the key for machines (%s)", kept), r) : r;
	*ret = strndup((char *)result.output.data, result.output.size);
	return *ret ? 0 : error_set_errno(err, -ENOMEM, "ssh key");
}

/* One file for each credential: on the command line everybody on the host could read them. */
static int write_credential(const struct vm_folder *folder, const struct vm_credential *credential,
	size_t number, struct strv *ret, struct error **err)
{
	_cleanup_free_ char *path = string_format("%s/credential.%zu", folder->path, number);
	_cleanup_buffer_ struct buffer text = {};
	int r = path ? vm_credential_encode(credential, &text) : -ENOMEM;

	if (r == 0)
		r = strv_add(ret, path);
	if (r < 0)
		return error_set_errno(err, r, "credential %s", credential->name);
	return file_write_atomic(path, text.data, text.size, 0600, err);
}

static int write_smbios_strings(
	const struct vm_config *config, const struct vm_folder *folder, struct strv *ret, struct error **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < config->smbios.count; i++) {
		const char *text = config->smbios.items[i];
		_cleanup_free_ char *path = string_format("%s/smbios.%zu", folder->path, i);

		if (!path || strv_add(ret, path) < 0)
			return error_set_errno(err, -ENOMEM, "SMBIOS strings");
		r = file_write_atomic(path, text, strlen(text), 0600, err);
	}
	return r;
}

/* The user's credentials and ours for ssh, whose keys come behind those that the user gives. */
static int prepare_credentials(const struct vm_config *config, const struct vm_environment *environment,
	const struct vm_folder *folder, struct strv *ret, struct error **err)
{
	_cleanup_buffer_ struct buffer authorized = {};
	_cleanup_free_ char *key = NULL;
	struct vm_credential ssh = {.name = (char *)SSH_CREDENTIAL};
	/* A disk that keeps what is written keeps the key as well, and is started again. */
	int r = prepare_ssh_key(folder, config->write ? environment->ssh_key : NULL, &key, err);

	for (size_t i = 0; r == 0 && i < config->credential_count; i++) {
		const struct vm_credential *credential = &config->credentials[i];

		if (!streq(credential->name, SSH_CREDENTIAL)) {
			r = write_credential(folder, credential, i, ret, err);
			continue;
		}
		buffer_append(&authorized, credential->value, credential->size);
		buffer_append_string(&authorized, "\n");
	}
	if (r < 0)
		return r;
	buffer_append_string(&authorized, key);
	if (buffer_failed(&authorized))
		return error_set_errno(err, -ENOMEM, "credential %s", ssh.name);
	ssh.value = authorized.data;
	ssh.size = authorized.size;
	return write_credential(folder, &ssh, config->credential_count, ret, err);
}

static int choose_accelerator(const struct vm_config *config, const struct vm_environment *environment,
	struct vm_preparation *preparation, struct error **err)
{
	int r = config->accelerator == VM_ACCELERATOR_KVM;

	if (config->accelerator == VM_ACCELERATOR_AUTO)
		r = vm_kvm_works(preparation->platform, environment->runtime, environment->boot_id, err);
	if (r >= 0) {
		preparation->kvm = r > 0;
		r = preparation->kvm ? 0 : vm_tcg_is_parallel(preparation->platform, err);
	}
	if (r < 0)
		return vm_prepare_explain(preparation, r, err);
	preparation->parallel = r > 0;
	return 0;
}

static int make_command_line(const struct vm_config *config, const struct vm_folder *folder,
	const struct vm_environment *environment, struct vm_preparation *preparation, struct error **err)
{
	_cleanup_strv_ struct strv credentials = {};
	_cleanup_free_ char *code = NULL, *vars = NULL;
	struct vm_config here = *config;
	struct vm_launch launch = {
		.platform = preparation->platform,
		.kvm = preparation->kvm,
		.parallel = preparation->parallel,
		.serial_log = preparation->serial_log,
		.credentials = &credentials,
		.qmp_fd = preparation->qmp_fd,
		.serial_fd = preparation->serial_fd,
		.tpm_fd = preparation->tpm_fd,
	};
	int r = prepare_firmware(config, preparation->platform, folder, environment->now, &code, &vars, err);

	if (r == 0)
		r = prepare_credentials(config, environment, folder, &credentials, err);
	if (r == 0)
		r = write_smbios_strings(config, folder, &credentials, err);
	if (r < 0)
		return r;
	here.image = preparation->image;
	launch.code = code;
	launch.vars = vars;
	r = vm_qemu_arguments(&here, &launch, &preparation->qemu);
	return r < 0 ? error_set_errno(err, r, "QEMU's command line") : 0;
}

static int choose_platform(
	const struct vm_config *config, struct vm_preparation *preparation, struct error **err)
{
	const struct vm_platform *platform = NULL;

	if (config->architecture)
		platform = vm_platform_find(config->architecture);
	else {
		if (config->format == VM_IMAGE_RAW && !vm_image_is_url(config->image))
			platform = vm_platform_of_disk(config->image);
		if (!platform)
			platform = vm_platform_native();
	}
	preparation->platform = platform;
	return platform
		       ? 0
		       : error_set(err, -EOPNOTSUPP, "virtual machines of %s are not supported",
				 config->architecture ? config->architecture : "this machine's architecture");
}

int vm_prepare(const struct vm_config *config, const struct vm_folder *folder,
	const struct vm_environment *environment, struct vm_preparation *ret, struct error **err)
{
	int r = vm_config_check(config, err);

	if (r < 0)
		return r;
	r = prepare_image(config, ret, err);
	if (r == 0)
		r = choose_platform(config, ret, err);
	if (r == 0)
		r = choose_accelerator(config, environment, ret, err);
	if (r == 0)
		r = prepare_serial_log(config, folder, ret, err);
	if (r == 0)
		r = prepare_sockets(folder, ret, err);
	if (r == 0)
		r = prepare_tpm(config, folder, ret, err);
	if (r == 0)
		r = make_command_line(config, folder, environment, ret, err);
	return r;
}

int vm_prepare_explain(const struct vm_preparation *preparation, int code, struct error **err)
{
	if (code == -ENOENT)
		(void)error_wrap(
			err, "install the packages %s and swtpm", preparation->platform->qemu_package);
	return code;
}
