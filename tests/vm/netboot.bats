#!/usr/bin/env bats
# shellcheck disable=SC2154 # what the loaded files set
# A node without a disk: its firmware fetches the kernel image that carries /usr, over HTTP, and checks it. One machine, started
# once, serves all tests of this file.

load ../lib/nginx

setup_file() {
	export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run node=netboot-$$
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	# As small as it gets quickly: the firmware, which is emulated, reads, hashes and copies all of it several times.
	printf 'extends: container-linux\nname: network\ncompression: lz4\n' >"$BATS_FILE_TMPDIR/network.yaml"
	export ORLOP_TEST_OUT=$BATS_FILE_TMPDIR/out
	"$ORLOP" build "$BATS_FILE_TMPDIR/network.yaml" --arch "$(dpkg --print-architecture)" --offline --quiet --keys "$ORLOP_TEST_KEYS" \
		--netboot memory --output "$ORLOP_TEST_OUT"
	mkdir "$BATS_FILE_TMPDIR/www"
	ln -s "$ORLOP_TEST_OUT"/*.netboot.efi "$BATS_FILE_TMPDIR/www/node.efi"
	nginx_start "$BATS_FILE_TMPDIR"
	export nginx_folder
	"$ORLOP" vm start "$node" "http://10.0.2.2:${nginx_url##*:}/node.efi" --keys "$ORLOP_TEST_KEYS" \
		--memory 3G --serial-log "$BATS_FILE_TMPDIR/log" || { tail -c 3000 "$BATS_FILE_TMPDIR/log"; return 1; }
}

teardown_file() {
	"$ORLOP" vm stop --force "$node" || true
	nginx_stop
}

node() { "$ORLOP" vm exec "$node" "$1"; }

manifest() { jq -er "$1" "$ORLOP_TEST_OUT"/*.manifest.json; }

@test "the firmware has fetched the image, and the system is up without a disk: running, nothing failed" {
	grep -F '"GET /node.efi' "$nginx_folder/access.log"
	[ "$(node 'systemctl is-system-running --wait')" = running ]
	[ -z "$(node 'systemctl --failed --no-legend --plain')" ]
	[ "$(node 'systemctl is-active multi-user.target')" = active ]
	[ -z "$(node 'lsblk -dno NAME | grep -v ^loop')" ]
	[ "$(node 'findmnt -no FSTYPE /var')" = tmpfs ]
	[ "$(node 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c' | tr -d ' ')" = 1 ]
}

@test "/usr is EROFS on dm-verity over loop devices, with the manifest's root hash and a signature that the kernel checked" {
	[ "$(node 'findmnt -no FSTYPE,SOURCE /usr' | tr -s ' ')" = "erofs /dev/mapper/usr" ]
	table=$(node 'dmsetup table usr')
	# Major 7: loop.
	[[ "$table" == *" verity 1 7:"*" 7:"* ]]
	[[ "$table" == *"$(manifest .root_hash)"* ]]
	[[ "$table" == *root_hash_sig_key_desc* ]]
	[[ "$(node 'dmsetup status usr')" == *" V"* ]]
	[ "$(node 'cat /sys/module/dm_verity/parameters/require_signatures')" = Y ]
	# Of those that hold a file.
	[ "$(node 'for held in /sys/block/loop*/loop; do cat ${held%/loop}/ro; done | sort | uniq -c | tr -s " "')" = " 2 1" ]
}

@test "PCRs 4, 9, 11 and 12 are those that the manifest predicts for a start from the network" {
	for n in 4 9 11 12; do
		[ "$(node "cat /sys/class/tpm/tpm0/pcr-sha256/$n" | tr A-F a-f)" = "$(manifest ".netboot.pcrs.sha256[\"$n\"]")" ] ||
			{ echo "PCR $n is not the predicted one"; false; }
	done
}

@test "orlop-node says where updates come from, and the health checks pass" {
	[[ "$(node 'orlop-node status')" == *"$(manifest .version), started from the network"* ]]
	[[ "$(node 'orlop-node update 2>&1 || true')" == *"was started from the network and has no slots"* ]]
	node 'grep -q "\"verdict\": \"good\"" /run/orlop/health.json'
}
