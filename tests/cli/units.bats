#!/usr/bin/env bats
# The units of Container Linux before this machine's systemd: what it would start, and in which order.

bats_require_minimum_version 1.5.0

setup_file() {
	export root=$BATS_TEST_DIRNAME/../..
	export units=$root/editions/container-linux/usr/lib/systemd/system dump=$BATS_FILE_TMPDIR/dump
	local own=$BATS_FILE_TMPDIR/units unit kind as=()

	# What the presets and [Install] sections make; tests/unit/test-presets.c is about how.
	for unit in "$units"/orlop-*.service; do
		while read -r kind target; do
			mkdir -p "$own/$target.$kind"
			ln -s "$unit" "$own/$target.$kind/"
		done < <(sed -n 's/^WantedBy=/wants /p; s/^RequiredBy=/requires /p' "$unit")
		cp "$unit" "$own/"
	done
	# systemd wants to be asked by somebody other than root.
	[ "$(id -u)" != 0 ] || as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	"${as[@]}" env -i HOME=/nowhere SYSTEMD_LOG_LEVEL=info SYSTEMD_LOG_TARGET=console \
		SYSTEMD_UNIT_PATH="$own:/usr/lib/systemd/system:/lib/systemd/system" \
		/lib/systemd/systemd --test --system --no-pager --unit=multi-user.target >"$dump" 2>&1
}

setup() { cd "$BATS_TEST_TMPDIR"; }

# before UNIT: all that has to be there, or to have failed, before the unit is started, one a line
before() {
	awk -v unit="$1" '
		/^\t*-> Unit / { current = $3; sub(/:$/, "", current) }
		$1 == "After:" { after[current] = after[current] " " $2 }
		function visit(name, list, count, i) {
			count = split(after[name], list, " ")
			for (i = 1; i <= count; i++)
				if (!(list[i] in seen)) { seen[list[i]] = 1; print list[i]; visit(list[i]) }
		}
		END { visit(unit) }' "$dump"
}

starts() { grep -qF "Action: $1 -> start" "$dump"; }

@test "multi-user.target brings the gate, what keeps a release, and the agent, and nothing runs in a circle" {
	starts orlop-health.service
	starts boot-complete.target
	starts orlop-bless.service
	starts orlop-node.service
	run ! starts orlop-fall-back.service
	run ! grep -iE 'cycle|orlop.*(unknown|ignoring|invalid)' "$dump"
}

@test "multi-user.target does not wait for the gate, which waits for multi-user.target by itself" {
	before multi-user.target >list
	grep -qx basic.target list
	run ! grep -E '^(orlop-|boot-complete)' list
}

@test "the gate does not wait for multi-user.target, which may never come" {
	before orlop-health.service >list
	grep -qx basic.target list
	run ! grep -E '^(multi-user|network-online)\.target' list
}

@test "a release is kept behind the gate, and the agent begins behind both" {
	before orlop-bless.service | grep -x boot-complete.target
	before boot-complete.target | grep -x orlop-health.service
	before orlop-node.service >list
	for unit in orlop-health.service orlop-bless.service multi-user.target network-online.target; do grep -qx "$unit" list; done
	awk '/-> Unit / { unit = $3 } unit == "boot-complete.target:" && $1 == "Requires:" { print $2 }' "$dump" |
		grep -x orlop-health.service
	awk '/-> Unit / { unit = $3 } unit == "orlop-bless.service:" && $1 == "Requires:" { print $2 }' "$dump" |
		grep -x boot-complete.target
}

@test "a gate that fails, in whatever way, leads to the restart" {
	awk '/-> Unit / { unit = $3 } unit == "orlop-health.service:" && $1 == "OnFailure:" { print $2 }' "$dump" |
		grep -x orlop-fall-back.service
	[ "$(grep -c '^ConditionPathExists=' "$units/orlop-fall-back.service")" = 3 ]
	# The files by which the gate and orlop-bless.service forbid it are those that the program has.
	for path in health-stay blessed; do
		grep -qx "ConditionPathExists=!/run/orlop/$path" "$units/orlop-fall-back.service"
		grep -qF "\"/run/orlop/$path\"" "$root"/src/update/health-gate.[ch]
	done
	grep -qx 'ExecStartPost=/usr/bin/touch /run/orlop/blessed' "$units/orlop-bless.service"
}

@test "the gate's unit gives it the time that it takes" {
	startup_ms=$(sed -nE 's/^\t\.startup_ms = ([0-9]+),/\1/p' "$root/src/update/health.c")
	most=$(tr '\n' ' ' <"$root/src/update/node-config.c" | grep -oE '"healthTimeout"[^)]*' | sed -nE 's/.*\.most = ([0-9]+).*/\1/p')
	minutes=$(sed -n 's/^TimeoutStartSec=\([0-9]*\)min$/\1/p' "$units/orlop-health.service")
	[ "$startup_ms" -gt 0 ]
	[ "$most" -gt 0 ]
	[ $((minutes * 60)) -gt $((startup_ms / 1000 + most + 60)) ]
}

@test "systemd finds nothing wrong in the units" {
	for unit in "$units"/orlop-*.service; do
		# The programs are those of a node, not of this machine.
		run systemd-analyze verify --man=no "$unit"
		run ! grep -E 'orlop-' <(grep -v 'Command /usr/bin/[a-z-]* is not executable' <<<"$output")
	done
}
