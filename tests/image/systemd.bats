#!/usr/bin/env bats
# The kernel image and the disk before the programs of the systemd that is in the image.

load ../lib/image
load ../lib/systemd

setup_file() {
	export raw efi
	raw=$(image_file .raw) efi=$(image_file .efi)
	find_systemd
}

setup() { cd "$BATS_TEST_TMPDIR"; }

# Takes the sections out of the kernel image that PCR 11 is made of: "linux" and so on.
take_sections() {
	local section
	for section in linux osrel cmdline initrd uname sbat; do
		objcopy -O binary --only-section=.$section "$efi" $section
	done
}

@test "ukify finds the sections of the kernel image, as large and with the content that orlop and objcopy find" {
	take_sections
	for section in cmdline initrd linux osrel sbat uname; do
		echo ".$section $(stat -c %s $section) $(sha256sum <$section | cut -c -64)"
	done >objcopy
	ukify inspect "$efi" --json=short >ukify.json
	jq -r 'to_entries | sort_by(.key)[] | "\(.key) \(.value.size) \(.value.sha256)"' ukify.json | diff - objcopy
	"$ORLOP" inspect --json "$efi" |
		jq -r '.sections | map(select(.name | test("^\\.(cmdline|initrd|linux|osrel|sbat|uname)$"))) | sort_by(.name)[] |
			"\(.name) \(.size) \(.sha256)"' | diff - objcopy
	[ "$(jq -r '.[".cmdline"].text' ukify.json)" = "$(manifest .command_line)" ]
	[ "$(jq -r '.[".uname"].text' ukify.json)" = "$(manifest .kernel)" ]
	[ "$(jq -r '.[".osrel"].text' ukify.json | grep ^IMAGE_VERSION=)" = "IMAGE_VERSION=\"$(manifest .version)\"" ]
}

@test "bootctl takes the kernel image for one, and the boot loader for another program" {
	[ "$(run_systemd bin/bootctl kernel-identify "$efi")" = uki ]
	run_systemd bin/bootctl kernel-inspect "$efi" >inspected
	grep -xF "Kernel Type: uki" inspected
	grep -xF "    Cmdline: $(manifest .command_line)" inspected
	grep -xF "    Version: $(manifest .kernel)" inspected
	grep -xF "         OS: $(manifest .title) $(manifest .version)" inspected
	extract_partition 1 "$raw" esp
	mcopy -i esp ::/EFI/BOOT/BOOTX64.EFI loader
	[ "$(run_systemd bin/bootctl kernel-identify loader)" = pe ]
}

@test "systemd-measure predicts the PCR 11 of the manifest" {
	take_sections
	measured() {
		run_systemd lib/systemd/systemd-measure calculate --linux=linux --osrel=osrel --cmdline=cmdline --initrd=initrd \
			--uname=uname --sbat=sbat --bank=sha256 --json=short "$@" | jq -r '.sha256[-1].hash'
	}
	[ "$(measured)" = "$(manifest '.pcrs.sha256["11"]')" ]
	[ "$(measured --phase=:)" = "$(manifest '.pcrs.sha256_kernel_start["11"]')" ]
}

# A name for the disk beside which systemd-dissect finds a root hash of /usr.
name_disk() { # ROOT-HASH
	ln -s "$raw" disk.raw
	echo -n "$1" >disk.usrhash
}

@test "systemd-dissect finds /usr and its hash tree by the root hash, and nothing else, and not by another hash" {
	name_disk "$(manifest .root_hash)"
	run_systemd bin/systemd-dissect --validate --image-policy=usr=signed:esp=unprotected:=absent disk.raw
	run run_systemd bin/systemd-dissect --validate --image-policy=usr=signed:=absent disk.raw
	echo "$output"
	[[ $status -ne 0 && $output == *"does not match image policy"* ]]
	manifest .root_hash | tr -d '\n' | tr 0-9a-f 1-9a-f0 >disk.usrhash
	run run_systemd bin/systemd-dissect --validate --image-policy=usr=signed:esp=unprotected:=absent disk.raw
	echo "$output"
	[[ $status -ne 0 && $output == *"for specified root hash"* ]]
}

@test "systemd-dissect finds a signed /usr where the kernel reads the disk" {
	can_be_root || skip "needs root, or sudo without a password"
	name_disk "$(manifest .root_hash)"
	as_root systemd-dissect --json=short disk.raw >dissected.json
	jq -r '.mounts[] | "\(.designator) \(.fstype) \(.partno) \(.verity)"' dissected.json | sort | diff - <(
		cat <<-EOF
			esp vfat 1 null
			usr erofs 2 signed
			usr-verity DM_verity_hash 3 null
			usr-verity-sig verity_hash_signature 4 null
		EOF
	)
	[ "$(jq -r '.osRelease[] | select(startswith("IMAGE_VERSION="))' dissected.json)" = "IMAGE_VERSION=$(manifest .version)" ]
}
