#!/usr/bin/env bats
# A machine as it comes from the shop: firmware in setup mode, no keys of ours. The first start enrols them from the ESP.

load ../lib/image

@test "firmware in setup mode ends enrolled, with Secure Boot on and the node up" {
	cd "$BATS_TEST_TMPDIR"
	export XDG_RUNTIME_DIR=$BATS_TEST_TMPDIR/run
	mkdir -m 700 run
	run timeout 900 "$ORLOP" vm run "$(image_file .raw)" --empty-vars --serial-log log --timeout 600 \
		--exec 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c' \
		--exec 'od -An -tu1 -j4 -N1 /sys/firmware/efi/efivars/SetupMode-8be4df61-93ca-11d2-aa0d-00e098032b8c'
	echo "$output"
	tail -n 30 log
	[ "$status" = 0 ]
	[ "$(tr -d ' \n' <<<"$output" | tail -c 2)" = 10 ]
}
