# shellcheck shell=bash disable=SC2154
# What the tests of updates share: a machine that starts from a disk that stays changed, and a repository that it can reach. They
# want image.bash and nginx.bash, and $ORLOP_TEST_RELEASES, which tests/vm/build-releases filled.

# machine_start VERSION-NAME: a machine with the disk of that release, and its settings; the repository is at $repository.
machine_start() {
	local raw=("$ORLOP_TEST_RELEASES/releases/$1"/*.raw)
	export XDG_RUNTIME_DIR=$BATS_FILE_TMPDIR/run XDG_DATA_HOME=$BATS_FILE_TMPDIR/data
	export machine=update-$$ disk=$BATS_FILE_TMPDIR/disk.raw
	mkdir -m 700 "$XDG_RUNTIME_DIR"
	copy_image "${raw[0]}" "$disk"
	# shellcheck disable=SC2119
	power_on
}

# shellcheck disable=SC2120 # options that only some want
#
# The TPM and the firmware's variables are new each time, as on a machine that was reset; the disk is what counts.
power_on() { "$ORLOP" vm start "$machine" "$disk" --write --keys "$ORLOP_TEST_KEYS" --cpus 2 --credential "orlop.node=$settings" "$@"; }
power_off() { "$ORLOP" vm stop --force "$machine" || true; }

node() { "$ORLOP" vm exec "$machine" "$1"; }

running() { node '. /usr/lib/os-release; echo $IMAGE_VERSION'; }

# Without KVM, QEMU's firmware comes to a halt once in some dozens of restarts, before it has started a boot loader: in the start of the
# second processor, or waiting for the TPM. Nothing on the disk has changed by then. A machine would be reset by its watchdog.
firmware_hangs() {
	local log=$XDG_RUNTIME_DIR/orlop/vm/$machine/serial.log
	[ -e "$log" ] && [ $(($(date +%s) - $(stat -c %Y "$log"))) -gt 240 ] &&
		tail -c 400 "$log" | sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g' | grep -av '^[[:space:]]*$' | tail -n 1 | grep -aqE 'BdsDxe: loading|reboot: Restarting system|Rebooting in'
}

# Resets the machine where its firmware hangs, and is true then.
reset_hanging() {
	firmware_hangs || return 1
	echo "the firmware hangs; the machine is reset" >&2
	power_off
	power_on
}

# wait_until SECONDS COMMAND…: until the command is true, which is told the version that the machine runs, if it answers: SECONDS at most,
# and some more where the firmware hangs.
wait_until() {
	local end=$((SECONDS + $1)) seen
	shift
	while [ $SECONDS -lt $end ]; do
		! reset_hanging || end=$((end + 300))
		seen=$(timeout 60 "$ORLOP" vm exec "$machine" '. /usr/lib/os-release; echo $IMAGE_VERSION' 2>/dev/null) || seen=
		! "$@" "$seen" || return 0
	done
	echo "waited for: $*; the machine has ${seen:-no answer}" >&2
	return 1
}

# shellcheck disable=SC2053 # a pattern
is_version() { [ -n "$2" ] && [[ $2 == $1 ]]; }
is_well() { is_version "$1" "$2" && [ "$(timeout 400 "$ORLOP" vm exec "$machine" 'systemctl is-system-running --wait' 2>/dev/null)" = running ]; }

# Waits until the machine runs VERSION (a pattern): SECONDS at most. wait_for: and until it has come to rest, and is well.
wait_running() { wait_until "$2" is_version "$1"; } # VERSION SECONDS
wait_for() { wait_until "$2" is_well "$1"; }

# The versions of the boot entries in the order in which they are preferred, with their counters.
entries() { node 'ls /efi/EFI/Linux | sed -n "s/^orlop_\(.*\)\.efi$/\1/p"' | sort; }

# The manifest of a release that was built: manifest_of NAME JQ
manifest_of() { jq -er "$2" "$ORLOP_TEST_RELEASES/releases/$1"/*.manifest.json; }
