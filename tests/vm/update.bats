#!/usr/bin/env bats
# shellcheck disable=SC2154 # what the loaded files set
# A node that is updated: by itself, by hand, cut in the middle, and back. One machine, whose disk goes through all of it; the
# releases are made of real packages, "old" without the suite's security fixes.

load ../lib/image
load ../lib/nginx
load ../lib/update

setup_file() {
	nginx_start "$ORLOP_TEST_RELEASES"
	export port=${nginx_url##*:} nginx_folder
	export settings="repository: http://10.0.2.2:$port/repository
channel: None
healthTimeout: 120
"
	machine_start old
}

teardown_file() {
	power_off
	nginx_stop
}

setup() { cd "$BATS_TEST_TMPDIR" || exit; }

set_settings() { printf '%s\n' "$@" | "$ORLOP" vm exec "$machine" 'mkdir -p /etc/orlop && cat >/etc/orlop/node.yaml'; }

@test "settings come as a credential; an agent that is told to do nothing does nothing" {
	wait_for 202601.05.0 600
	[ "$(node 'orlop-node channel')" = None ]
	node 'orlop-node status --json' >status
	cat status
	jq -e '.running.version == "202601.05.0" and .running.slot == "a" and .other.version == null' status
	run node 'orlop-node check'
	echo "$output"
	[ "$status" = 0 ]
	[[ $output == *"channel in node.yaml says None"* ]]
	run node 'orlop-node channel --explain'
	echo "$output"
	[[ $output == *202601.12.0*202601.19.0* || $output == *202601.19.0*202601.12.0* ]]
}

@test "by itself the node goes to the newest release that its settings allow, fetching little of it" {
	set_settings "repository: http://10.0.2.2:$port/repository" 'channel: NodeImage' 'maximum: 202601.12.0' 'healthTimeout: 120'
	node 'systemctl kill -s HUP orlop-node'
	wait_for 202601.12.0 900
	node 'orlop-node history'
	node 'orlop-node history --json' | jq -e '[.[] | select(.version == "202601.12.0") | .event] == ["staged", "started", "healthy"]'
	entries
	[ "$(entries)" = $'202601.05.0\n202601.12.0' ]
	# All that was sent to it, whatever was asked for: the image has some 260 MiB.
	fetched=$(awk '{ sum += $10 } END { print sum }' "$nginx_folder/access.log")
	echo "$fetched bytes"
	[ "$fetched" -lt $((40 * 1024 * 1024)) ]
}

@test "the release that was brought is as good as one that was installed: signature, root hash, predicted PCRs" {
	[[ "$(node 'dmsetup table usr')" == *"$(manifest_of new .root_hash)"*root_hash_sig_key_desc* ]]
	for n in 4 9 11 12; do
		seen=$(node "cat /sys/class/tpm/tpm0/pcr-sha256/$n" | tr A-F a-f)
		echo "PCR $n: $seen"
		[ "$seen" = "$(manifest_of new ".pcrs.sha256[\"$n\"]")" ]
	done
	[ "$(node 'cat /run/orlop/boot.json' | jq -r .slot)" = b ]
}

@test "the user that the network is asked as can't log in, and the state is told to Prometheus" {
	[ "$(node 'grep ^orlop-fetch: /etc/passwd' | cut -d: -f7)" = /usr/sbin/nologin ]
	node 'cat /run/orlop/metrics.prom' | grep -F 'orlop_node_info{version="202601.12.0"'
}

# Whether the slot says that it is empty, as it does while blocks are written to it.
is_writing() { [ "$(sfdisk --dump "$disk" | grep -c _empty)" = 3 ]; }

@test "an update whose power is cut leaves the node as it was, and the next try brings it to its end" {
	node 'orlop-node channel None; orlop-node pin --none'
	set_settings "repository: http://10.0.2.2:$port/repository" 'channel: None' 'healthTimeout: 120'
	# Writing takes four seconds or more.
	for seconds in 1 3; do
		node 'orlop-node update --quiet' >/dev/null 2>&1 3>&- &
		pid=$!
		until is_writing; do read -rt 0.2 <> <(:) || true; done
		for ((i = 0; i < seconds * 10; i++)); do read -rt 0.1 <> <(:) || true; done
		# It is in the midst of it.
		[ -d /proc/$pid ]
		power_off
		wait $pid || true
		is_writing
		sfdisk --verify "$disk"
		power_on
		wait_for 202601.12.0 600
		[ "$(entries)" = 202601.12.0 ]
	done
	node 'orlop-node update --reboot' || true
	wait_for 202601.19.0 600
	[ "$(entries)" = $'202601.12.0\n202601.19.0' ]
	[[ "$(node 'dmsetup table usr')" == *"$(manifest_of newest .root_hash)"* ]]
}

# Runs a command, and prints how much memory its processes had at one time: the resident sets of all that run orlop-node, libraries and
# all, but for the agent's.
watch_memory() {
	local agent pid peak=0 sum size folder
	agent=$(systemctl show --property MainPID --value orlop-node)
	"$@" >/dev/null &
	pid=$!
	while [ -e "/proc/$pid/statm" ]; do
		sum=0
		for folder in /proc/[0-9]*; do
			[ "${folder#/proc/}" != "$agent" ] && [ "$folder/exe" -ef /usr/bin/orlop-node ] || continue
			read -r _ size _ <"$folder/statm" || continue
			sum=$((sum + 4 * size))
		done 2>/dev/null
		[ $sum -le $peak ] || peak=$sum
	done
	wait $pid || return 1
	echo $peak
}

@test "rollback goes to the other slot, and to a release that has to be fetched; forward again" {
	node 'orlop-node rollback --reboot' || true
	wait_for 202601.12.0 600
	node 'orlop-node status'
	node 'orlop-node update --to 202601.05.0 --reboot' || true
	wait_for 202601.05.0 600
	[[ "$(node 'dmsetup table usr')" == *"$(manifest_of old .root_hash)"* ]]
	# From the first release to the last one, past the one between.
	peak=$(node "$(declare -f watch_memory); watch_memory orlop-node update --quiet --to 202601.19.0")
	echo "$peak KiB at most"
	[ "$peak" -gt 4000 ]
	[ "$peak" -lt 32768 ]
	node 'systemctl reboot' || true
	wait_for 202601.19.0 600
}
