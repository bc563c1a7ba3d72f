#!/usr/bin/env bats
# shellcheck disable=SC2154 # what the loaded files set
# Releases that are no good: the node refuses them, or tries them and goes back by itself. One machine.

load ../lib/image
load ../lib/nginx
load ../lib/update

setup_file() {
	# A repository of this file's own, since it grows.
	mkdir -p "$BATS_FILE_TMPDIR/www"
	cp -r "$ORLOP_TEST_RELEASES/www/repository" "$BATS_FILE_TMPDIR/www/repository"
	nginx_start "$BATS_FILE_TMPDIR"
	export port=${nginx_url##*:} nginx_folder
	export settings="repository: http://10.0.2.2:$port/repository
channel: None
healthTimeout: 30
"
	machine_start old
}

teardown_file() {
	power_off
	nginx_stop
}

publish() {
	"$ORLOP" publish "$ORLOP_TEST_RELEASES/releases/$1" --to "$BATS_FILE_TMPDIR/www/repository" --keys "$ORLOP_TEST_KEYS" \
		--quiet --level 1 --patch-from 0 "${@:2}"
}

@test "a release that was withdrawn, or was never published, is refused" {
	wait_for 202601.05.0 600
	"$ORLOP" publish withdraw 202601.19.0 --reason 'it eats disks' --to "$BATS_FILE_TMPDIR/www/repository" --keys "$ORLOP_TEST_KEYS"
	run node 'orlop-node update --quiet --to 202601.19.0'
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"it eats disks"* ]]
	run node 'orlop-node update --quiet --to 202512.01.0'
	echo "$output"
	[ "$status" = 1 ]
	[ "$(entries)" = 202601.05.0 ]
}

@test "a release that this machine's firmware does not trust is refused before anything is written" {
	publish foreign --keys "$ORLOP_TEST_RELEASES/releases/foreign-keys"
	run node 'orlop-node update --quiet --to 202602.16.0'
	echo "$output"
	[ "$status" = 1 ]
	[[ $output == *"no certificate in the firmware's db has signed its kernel image"* ]]
	[ "$(entries)" = 202601.05.0 ]
	[ "$(node 'orlop-node status --json' | jq -r .other.version)" = null ]
}

@test "metadata that was signed by others is refused" {
	cp "$BATS_FILE_TMPDIR/www/repository/metadata/timestamp.json" "$BATS_TEST_TMPDIR/timestamp.json"
	sed -i 's/"version":[0-9]*/"version":99/' "$BATS_FILE_TMPDIR/www/repository/metadata/timestamp.json"
	run node 'orlop-node check'
	echo "$output"
	cp "$BATS_TEST_TMPDIR/timestamp.json" "$BATS_FILE_TMPDIR/www/repository/metadata/timestamp.json"
	[ "$status" = 1 ]
	[[ $output == *timestamp* ]]
}

@test "a release whose kernel panics is tried three times; then the node is back, and says so" {
	publish panics
	node 'orlop-node update --quiet --to 202602.09.0 --reboot' || true
	wait_for 202601.05.0 1000
	entries
	[[ "$(entries)" == *'202602.09.0+0-3'* ]]
	node 'orlop-node history'
	node 'orlop-node history --json' | jq -e 'map(select(.version == "202602.09.0" and .event == "failed")) | length == 1'
}

@test "a release on which the health checks fail is gone back from, and is not taken again" {
	publish sick
	node 'orlop-node update --quiet --to 202602.02.0 --reboot' || true
	# It is up, and knows that it is not well.
	wait_running 202602.02.0 1000
	wait_for 202601.05.0 1400
	entries
	[[ "$(entries)" == *'202602.02.0+0-3'* ]]
	node 'orlop-node history'
	run node 'orlop-node channel --explain'
	echo "$output"
	[[ $output == *"202602.02.0"*"no:"* ]]
	node 'orlop-node history --json' | jq -e 'map(select(.version == "202602.02.0" and .event == "failed")) | length > 0'
}
