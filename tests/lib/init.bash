# What tests/vm/init.bats works with: a small disk with a /usr that tells what it sees, made without root by others' tools,
# and a machine that starts the kernel directly, without firmware.

# Some of these are read, and usr_image, usr_tree and signature set, by the tests that load this.
# shellcheck disable=SC2034,SC2154
usr_type=8484680c-9521-48c6-9c11-b0720656f69e
verity_type=77ff5f63-e7b6-4633-acf4-1565b864c0e6
signature_type=e7bb33fb-06cf-4e81-8273-e543b413e2e2
state_type=4d21b016-b534-45c2-a9fb-5c16e091fd2d

# The kernel, and a folder with its modules in usr/lib/modules: those named by ORLOP_TEST_KERNEL and ORLOP_TEST_MODULES, else
# those of the built image.
find_kernel() {
	if [ -n "${ORLOP_TEST_KERNEL:-}" ]; then
		export kernel=$ORLOP_TEST_KERNEL modules=$ORLOP_TEST_MODULES
		return
	fi
	export kernel=$BATS_FILE_TMPDIR/kernel modules=$BATS_FILE_TMPDIR/modules
	objcopy -O binary --only-section=.linux "$(image_file .efi)" "$kernel"
	mkdir -p "$modules/usr/lib"
	fsck.erofs --extract="$BATS_FILE_TMPDIR/image-usr" "$(image_file .usr.erofs)" >/dev/null
	mv "$BATS_FILE_TMPDIR/image-usr/lib/modules" "$modules/usr/lib/"
	rm -rf "$BATS_FILE_TMPDIR/image-usr"
}

# A program of this host with the libraries that it needs.
add_program() { # PATH-IN-USR
	local library
	cp -L "/usr/$1" "$usr/$1"
	for library in $(ldd "/usr/$1" | grep -o '/lib[^ ]*'); do
		mkdir -p "$usr$(dirname "$library")"
		cp -L "$library" "$usr$library"
	done
}

# The /usr: its init prints facts, one a line, and switches the machine off.
make_usr() { # FILE
	local usr=$BATS_FILE_TMPDIR/usr applet
	mkdir -p "$usr"/{bin,sbin,lib/systemd,share/orlop/etc/ssl}
	cp "$(command -v busybox)" "$usr/bin/busybox"
	for applet in sh cat cut grep head id ls md5sum mkdir mount poweroff readlink rm stat sync tr; do ln -s busybox "$usr/bin/$applet"; done
	add_program sbin/mkfs.ext4
	add_program sbin/fsck.ext4
	echo image-host >"$usr/share/orlop/etc/hostname"
	echo image-trust >"$usr/share/orlop/etc/ssl/ca"
	printf '# sealed\nssl/ca\nld.so.preload\n' >"$usr/share/orlop/sealed"
	cp "$BATS_TEST_DIRNAME/guest-init" "$usr/lib/systemd/systemd"
	chmod 755 "$usr/lib/systemd/systemd"
	mkfs.erofs -T1700000000 -U 00000000-0000-0000-0000-000000000001 "$1" "$usr" >/dev/null
}

uuid() { sed -E 's/(.{8})(.{4})(.{4})(.{4})(.{12})/\1-\2-\3-\4-\5/' <<<"$1"; }

# The JSON of a signature partition for a root hash, by a key that no kernel trusts.
make_signature() { # HASH FILE
	local dir=$BATS_FILE_TMPDIR/signer
	if [ ! -d "$dir" ]; then
		mkdir "$dir"
		openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/key" -out "$dir/cert" -subj /CN=nobody -days 2 2>/dev/null
	fi
	printf %s "$1" | openssl smime -sign -nocerts -noattr -binary -inkey "$dir/key" -signer "$dir/cert" -outform der -out "$dir/p7s"
	jq -cn --arg hash "$1" --arg fingerprint "$(openssl x509 -in "$dir/cert" -outform der | sha256sum | cut -d' ' -f1)" \
		--arg signature "$(base64 -w0 "$dir/p7s")" '{rootHash: $hash, certificateFingerprint: $fingerprint, signature: $signature}' >"$2"
}

# make_disk FILE [SIZE [HASH]]: ESP; a slot of another release; the slot with our /usr, whose partitions are named after HASH.
make_disk() {
	local disk=$1 hash=${3:-$root_hash} other
	other=$(printf other | sha256sum | cut -d' ' -f1)
	truncate -s "${2:-96M}" "$disk"
	sfdisk -q "$disk" <<-END
		label: gpt
		first-lba: 2048
		size=1M, type=c12a7328-f81f-11d2-ba4b-00a0c93ec93b, name=esp
		size=1M, type=$usr_type, uuid=$(uuid "${other:0:32}"), name=orlop_1
		size=1M, type=$verity_type, uuid=$(uuid "${other:32:32}"), name=orlop_1
		size=1M, type=$signature_type, name=orlop_1
		size=16M, type=$usr_type, uuid=$(uuid "${hash:0:32}"), name=orlop_2
		size=1M, type=$verity_type, uuid=$(uuid "${hash:32:32}"), name=orlop_2
		size=1M, type=$signature_type, name=orlop_2
	END
	put "$disk" 5 "$usr_image"
	put "$disk" 6 "$usr_tree"
	put "$disk" 7 "$signature"
}

put() { # DISK NUMBER FILE
	local start size
	read -r start size < <(partition_number "$2" "$1")
	dd if="$3" of="$1" bs=1M seek="$start" oflag=seek_bytes conv=notrunc status=none
}

# make_initrd FILE [LINE…]: an initrd whose settings are the tests' own and the lines. It carries the files in the array $carried,
# where there is one: image, hash tree, signature.
make_initrd() {
	local file=$1
	shift
	{
		printf '%s\n' "usr-type=$usr_type" "verity-type=$verity_type" "signature-type=$signature_type" secure-boot=no \
			tpm2=no etc=/usr/share/orlop/etc sealed=/usr/share/orlop/sealed state-minimum=16M disk-timeout=20 \
			failure=poweroff failure-delay=0
		printf '%s\n' "$@"
	} >"$file.conf"
	"$(dirname "$ORLOP")/tests/vm/make-initrd" "$(dirname "$ORLOP")/node/amd64/orlop-init" "$modules" "$file.conf" "$file" "${carried[@]}"
}

machine=(qemu-system-x86_64 -nodefaults -no-user-config -display none -accel tcg -m 384 -no-reboot -serial stdio)

# boot INITRD [OPTION…]: the machine's console in $output. It ends by itself; $limit seconds are far more than it needs.
boot() {
	local initrd=$1
	shift
	run timeout 150 "${machine[@]}" -machine pc -cpu max -kernel "$kernel" -initrd "$initrd" \
		-append "console=ttyS0 loglevel=7 no_timer_check usrhash=${usrhash:-$root_hash} ${append:-}" "$@" </dev/null
	output=${output//$'\r'/}
	echo "$output" | tail -n 60
}

virtio_disk() { echo -drive "file=$1,format=raw,if=virtio,cache=unsafe${2:-}"; }

# fact NAME: what the guest's init said of it.
fact() { sed -n "s/^fact $1: //p" <<<"$output"; }

failure() { sed -n 's/.*orlop-init: cannot start: //p' <<<"$output"; }
