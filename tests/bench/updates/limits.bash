# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# What the disk can do, and what hashing a slot costs.

# The same bytes, written by dd to the same blocks; and as many, copied by it from the old image, which has to be read.
limits_dd() {
	measure dd slot_check dd if="$new" of="$slot" bs=1M oflag=direct conv=notrunc,fsync status=none
	measure dd_copy true dd if="$old" of="$slot" bs=1M iflag=direct oflag=direct conv=notrunc,fsync status=none
}

# A disk as machines in clouds have them, which takes and gives $disk_rate MiB a second: this one, for processes of a group that the
# kernel holds back. Fails where it can't be told to.
disk_slow() {
	local device bytes=$((disk_rate * 1048576))
	device=$(findmnt -no MAJ:MIN -T "$out")
	[ ! -e "/sys/dev/block/$device/partition" ] || device=$(cat "/sys/dev/block/$device/../dev")
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		group=/sys/fs/cgroup/orlop-bench-$$
		mkdir "$group" && echo "$device rbps=$bytes wbps=$bytes" >"$group/io.max"
	else
		group=/sys/fs/cgroup/blkio/orlop-bench-$$
		mkdir "$group" && echo "$device $bytes" >"$group/blkio.throttle.read_bps_device" &&
			echo "$device $bytes" >"$group/blkio.throttle.write_bps_device"
	fi 2>/dev/null
}
disk_fast() { [ -z "${group:-}" ] || rmdir "$group" 2>/dev/null || true; }

limits_slow() {
	# shellcheck disable=SC2016 # what the inner shell is to see
	local held=(bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"')
	if ! disk_slow; then
		say "no group whose disk can be slowed down: left out"
		disk_fast
		return
	fi
	measure dd_slow slot_check "${held[@]}" "$group" dd if="$new" of="$slot" bs=1M oflag=direct conv=notrunc,fsync status=none
	after=orlop_steps measure orlop_slow orlop_check "${held[@]}" "$group" "$bin/bench-delta" update --worker --direct "$made/orlop" \
		"$nginx_url/$place/orlop" "$slot" "$slot.tree" "$old" "$old_tree"
	disk_fast
}

# A slot that has the image already: one thread hashes it, and hashes it again when it is read back; nothing of it is fetched. Half of
# the processor seconds are those of a pass.
limits_index() {
	local i log=$out/log/$pair.index
	slot_clear
	cp "$new" "$slot"
	cp "$new_tree" "$slot.tree"
	for i in $(seq "$runs"); do
		"$bin/bench-delta" update --threads 1 "$made/orlop" "$nginx_url/$place/orlop" "$slot" "$slot.tree" >"$log.$i.json"
	done
	jq -s --arg pair "$pair" --argjson size "$(stat -L -c %s "$new")" '
		sort_by(.cpu_seconds)[length / 2 | floor] | {pair: $pair, method: "index", seconds: .steps.scan,
		cpu_seconds: (.cpu_seconds / 2), cpu_seconds_per_gib: (.cpu_seconds / 2 / $size * 1073741824)}' \
		"$log".[0-9]*.json >"$out/results/$pair.index.json"
}
limits_measure() { limits_dd && limits_slow && limits_index; }
