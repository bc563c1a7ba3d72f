#!/usr/bin/env bats
# What has been tampered with does not run. Each test changes one thing in a copy of the image, and each first sees
# that what it expects to fail would otherwise work: node.bats starts the same image unchanged.

load ../lib/image

setup() {
	cd "$BATS_TEST_TMPDIR"
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
	mkdir -m 700 run
	copy_image "$(image_file .raw)" disk
}

teardown() { rm -f "$BATS_TEST_TMPDIR/disk"; }

# Starts the disk; it must not come up, and the serial log must say so with *pattern*.
refused() { # PATTERN [OPTION…]
	local pattern=$1 firmware=(--keys "$ORLOP_TEST_KEYS")
	shift
	case " $* " in *" --no-secure-boot "*) firmware=() ;; esac
	run timeout 400 "$ORLOP" vm run disk "${firmware[@]}" --serial-log log --timeout 240 --exec true "$@"
	echo "$output"
	tail -n 30 log
	[ "$status" -ne 0 ]
	grep -a -E "$pattern" log
}

# Puts a file on the ESP in place of the UKI.
replace_uki() {
	local start
	read -r start _ < <(partition_number 1 disk)
	mcopy -o -i "disk@@$start" "$1" "::/EFI/Linux/orlop_$(manifest .version).efi"
}

# Writes a signature partition with another PKCS#7 in it.
replace_signature() { # DER-FILE
	local start size
	read -r start size < <(partition_number 4 disk)
	extract_partition 4 disk signature
	tr -d '\0' <signature | jq -cj --arg signature "$(base64 -w0 "$1")" '.signature = $signature' >changed
	dd if=/dev/zero of=disk bs=4096 seek=$((start / 4096)) count=4 conv=notrunc status=none
	dd if=changed of=disk bs=4096 seek=$((start / 4096)) conv=notrunc status=none
}

sign_root_hash() { # KEYS FILE
	manifest .root_hash | tr -d '\n' >content
	openssl smime -sign -nocerts -noattr -binary -in content -inkey "$1/db.key" -signer "$1/db.crt" -outform der -out "$2"
}

@test "a flipped byte in a file of /usr: an error, never wrong data" {
	fsck.erofs --extract=tree "$(image_file .usr.erofs)"
	# A text in the middle of a file that nothing needs while starting.

	offset=$(grep -aobF plugins/plugins/meta/tuning/tuning.go "$(image_file .usr.erofs)" | head -n 1 | cut -d: -f1)
	[ -n "$offset" ]
	read -r start _ < <(partition_number 2 disk)
	flip_byte disk $((start + offset))
	run timeout 500 "$ORLOP" vm run disk --keys "$ORLOP_TEST_KEYS" --serial-log log \
		--exec 'cat /usr/lib/cni/ptp | sha256sum' --exec 'cat /usr/lib/cni/tuning >/dev/null'
	echo "$output"
	[ "$status" -ne 0 ]
	[[ "$output" == *"$(sha256sum <tree/lib/cni/ptp | cut -d' ' -f1)"* ]]
}

# bats test_tags=brief
@test "a flipped byte in the hash tree: no start" {
	read -r start _ < <(partition_number 3 disk)
	flip_byte disk $((start + 4096 + 7))
	# The topmost block, which everything is checked against: not even the superblock of /usr can be read.
	refused 'orlop-init: cannot start: mount /dev/mapper/usr'
}

# bats test_tags=brief
@test "a UKI with a flipped byte is refused by the firmware" {
	cp "$(image_file .efi)" uki
	flip_byte uki $(($(stat -c %s uki) / 2))
	replace_uki uki
	refused 'Access denied|Security violation|Access Denied|Security Violation'
}

@test "a UKI signed with another key is refused by the firmware" {
	sbattach --remove "$(cp "$(image_file .efi)" uki && echo uki)"
	sbsign --key "$ORLOP_TEST_KEYS/../foreign-keys/db.key" --cert "$ORLOP_TEST_KEYS/../foreign-keys/db.crt" --output signed uki
	replace_uki signed
	refused 'Access denied|Security violation|Access Denied|Security Violation'
}

@test "without a signature of the root hash nothing is mounted" {
	read -r start size < <(partition_number 4 disk)
	dd if=/dev/zero of=disk bs=4096 seek=$((start / 4096)) count=$((size / 4096)) conv=notrunc status=none
	refused 'orlop-init: .*signature'
}

@test "a signature over another root hash is refused by the kernel" {
	printf %064d 0 >content
	openssl smime -sign -nocerts -noattr -binary -in content -inkey "$ORLOP_TEST_KEYS/db.key" -signer "$ORLOP_TEST_KEYS/db.crt" \
		-outform der -out wrong.der
	replace_signature wrong.der
	refused 'orlop-init: .*(signature|refused|verity)'
}

# bats test_tags=brief
@test "a signature by a foreign key is refused by the kernel" {
	sign_root_hash "$ORLOP_TEST_KEYS/../foreign-keys" foreign.der
	replace_signature foreign.der
	refused 'orlop-init: .*trusts no key'
}

# Fills the second slot with another version, as an update does.
fill_second_slot() {
	local ending number=5 start
	"$ORLOP" build container-linux --arch "$(manifest .architecture)" --keys "$ORLOP_TEST_KEYS" --version 209912.31.0 --output other
	for ending in .usr.erofs .usr.verity; do
		read -r start _ < <(partition_number $number disk)
		dd if="$(echo other/*"$ending")" of=disk bs=1M oflag=seek_bytes seek="$start" conv=notrunc,sparse status=none
		number=$((number + 1))
	done
	extract_partition 4 other/*.raw signature
	read -r start _ < <(partition_number 7 disk)
	dd if=signature of=disk bs=1M oflag=seek_bytes seek="$start" conv=notrunc status=none
	for number in 5 6; do
		sfdisk --part-uuid disk $number "$(sfdisk --part-uuid other/*.raw $((number - 3)))"
	done
	[ "$(jq -r .root_hash other/*.json)" != "$(manifest .root_hash)" ]
	rm -rf other
}

@test "two full slots with their data swapped are refused" {
	fill_second_slot
	a=$(sfdisk --part-uuid disk 2) b=$(sfdisk --part-uuid disk 5)
	sfdisk --part-uuid disk 2 "$b"
	sfdisk --part-uuid disk 5 "$a"
	refused 'orlop-init: cannot start: mount /dev/mapper/usr'
}

@test "a truncated disk is refused" {
	read -r start size < <(partition_number 2 disk)
	truncate -s $((start + 64 * 1024 * 1024)) disk
	# Its partition table says no more for what it is.
	refused 'orlop-init: cannot start: (mount /dev/mapper/usr|no disk has the /usr)' --arch "$(manifest .architecture)"
}

@test "no TPM: the node says so and does not come up" {
	refused 'orlop-init: .*TPM' --no-tpm
}

@test "no Secure Boot: the node says so and does not come up" {
	refused 'orlop-init: .*Secure Boot' --no-secure-boot
}

@test "an argument added to the command line is refused" {
	refused 'orlop-init: .*command line' --smbios io.systemd.stub.kernel-cmdline-extra=systemd.debug-shell=1
}
