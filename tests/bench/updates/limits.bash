# shellcheck shell=bash disable=SC2034,SC2154 # variables that tools/bench-updates and these files set for each other
# What the disk can do, and what hashing a slot costs.

# The same bytes, written by dd to the same blocks.
limits_dd() {
	measure dd slot_check dd if="$new" of="$slot" bs=1M oflag=direct conv=notrunc,fsync status=none
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
limits_measure() { limits_dd && limits_index; }
